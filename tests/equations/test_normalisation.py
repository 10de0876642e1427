"""The equations of book/math/normalisation.md, each checked numerically in float64."""

import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import nn

F64 = torch.float64
EPS = 1e-5


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def maps(b=3, c=2, h=5, w=4):
    """Maps whose channels differ in mean and size."""
    return normal(b, c, h, w) * torch.tensor([0.5, 3.0], dtype=F64)[:, None, None] + 1.5


def by_hand(x):
    """Mean and variance of each channel, number by number."""
    b, channels, h, w = x.shape
    statistics = []
    for c in range(channels):
        numbers = [x[n, c, i, j].item() for n in range(b) for i in range(h) for j in range(w)]
        mean = sum(numbers) / (b * h * w)
        statistics.append((mean, sum((u - mean) ** 2 for u in numbers) / (b * h * w)))
    return statistics


@pytest.mark.equation("eq-bn-statistics")
def test_statistics_run_over_images_and_places():
    x = maps()
    for c, (mean, var) in enumerate(by_hand(x)):
        assert math.isclose(mean, x[:, c].mean())
        assert math.isclose(var, x[:, c].var(correction=0))


@pytest.mark.equation("eq-bn-normalise")
def test_each_channel_is_normalised_scaled_and_shifted():
    x, gamma, beta = maps(), normal(2, seed=1), normal(2, seed=2)
    y = torch.empty_like(x)
    for c, (mean, var) in enumerate(by_hand(x)):
        y[:, c] = gamma[c] * (x[:, c] - mean) / math.sqrt(var + EPS) + beta[c]
    torch.testing.assert_close(y, F.batch_norm(x, None, None, gamma, beta, training=True))
    torch.testing.assert_close(y.mean((0, 2, 3)), beta)
    torch.testing.assert_close(y.std((0, 2, 3), correction=0), gamma.abs(), rtol=1e-4, atol=0)


@pytest.mark.equation("eq-bn-running")
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_stored_statistics_move_by_the_share_of_the_new_batch(alpha):
    layer = nn.BatchNorm2d(2, momentum=alpha).double()
    m, v = [0.0, 0.0], [1.0, 1.0]
    for seed in range(4):
        x = maps() + normal(1, seed=seed)
        layer(x)
        n = x[:, 0].numel()
        for c, (mean, var) in enumerate(by_hand(x)):
            m[c] = (1 - alpha) * m[c] + alpha * mean
            v[c] = (1 - alpha) * v[c] + alpha * n / (n - 1) * var
    assert layer.running_mean.tolist() == pytest.approx(m)
    assert layer.running_var.tolist() == pytest.approx(v)


@pytest.mark.equation("eq-bn-running-weights")
def test_what_is_left_of_the_past():
    alpha, start = 0.1, 5.0
    means = normal(30).tolist()
    m = start
    for mean in means:
        m = (1 - alpha) * m + alpha * mean
    t = len(means)
    written = (1 - alpha) ** t * start
    written += alpha * sum((1 - alpha) ** u * means[t - u - 1] for u in range(t))
    assert math.isclose(m, written)
    assert pytest.approx(2 / 3, abs=0.02) == 1 - 0.9**10  # the last ten batches
    assert 0.9**44 < 0.01 < 0.9**43
    assert pytest.approx(0.59, abs=5e-3) == 0.9**5


@pytest.mark.equation("eq-bn-evaluation")
def test_evaluation_is_one_multiplication_and_one_addition():
    x, m, v = maps(), normal(2, seed=1), normal(2, seed=2).square() + 0.1
    gamma, beta = normal(2, seed=3), normal(2, seed=4)
    a = gamma / (v + EPS).sqrt()
    b = beta - a * m
    got = F.batch_norm(x, m, v, gamma, beta, training=False)
    torch.testing.assert_close(a[:, None, None] * x + b[:, None, None], got)


@pytest.mark.equation("eq-bn-folded")
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (3, 0)])
def test_it_folds_into_the_convolution_before_it(stride, padding):
    x, w = normal(2, 3, 7, 9), normal(4, 3, 3, 3, seed=1)
    norm = nn.BatchNorm2d(4).double().eval()
    for k, part in enumerate((norm.weight, norm.bias, norm.running_mean)):
        part.data = normal(4, seed=2 + k)
    norm.running_var.data = normal(4, seed=9).square() + 0.1
    a = norm.weight / (norm.running_var + EPS).sqrt()
    b = norm.bias - a * norm.running_mean
    folded = F.conv2d(x, a[:, None, None, None] * w, b, stride=stride, padding=padding)
    torch.testing.assert_close(folded, norm(F.conv2d(x, w, stride=stride, padding=padding)))


@pytest.mark.equation("eq-bn-gradient")
def test_the_gradient_goes_through_mean_and_variance():
    x, gamma = maps().requires_grad_(), normal(2, seed=1)
    y = F.batch_norm(x, None, None, gamma, torch.zeros(2, dtype=F64), training=True)
    g = normal(*x.shape, seed=2)
    (gradient,) = torch.autograd.grad((g * y).sum(), x)
    ours = torch.empty_like(g)
    for c, (mean, var) in enumerate(by_hand(x.detach())):
        root = math.sqrt(var + EPS)
        normed = (x.detach()[:, c] - mean) / root
        away = g[:, c] - g[:, c].mean() - normed * (g[:, c] * normed).mean()
        ours[:, c] = gamma[c] / root * away
    torch.testing.assert_close(ours, gradient)
    torch.testing.assert_close(gradient.sum((0, 2, 3)), torch.zeros(2, dtype=F64))


def test_the_worked_example():
    x = torch.tensor([[-1.0, 1], [1, 7]], dtype=F64)[:, None, None].requires_grad_()  # (2,1,1,2)
    m, v = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)
    y = F.batch_norm(x, m, v, training=True, eps=1e-15)
    assert y.flatten().tolist() == pytest.approx([-1, -1 / 3, -1 / 3, 5 / 3])
    assert (m.item(), v.item()) == pytest.approx((0.2, 2.1))
    after = F.batch_norm(x, m, v, eps=1e-15).flatten().tolist()
    assert (after[0], after[3]) == pytest.approx((-0.83, 4.69), abs=5e-3)
    (gradient,) = torch.autograd.grad(y[0, 0, 0, 0], x)
    wanted = [Fraction(1, 6), -Fraction(1, 9), -Fraction(1, 9), Fraction(1, 18)]
    assert gradient.flatten().tolist() == pytest.approx([float(f) for f in wanted])
    assert sum(wanted) == 0
    other = torch.tensor([[-1.0, 1], [1, -1]], dtype=F64)[:, None, None]
    assert F.batch_norm(other, None, None, training=True, eps=1e-15)[
        0
    ].flatten().tolist() == pytest.approx([-1, 1])


def loss_of(w, x, target):
    """A small network's loss as a function of the weights before its normalisation."""
    y = F.batch_norm(F.conv2d(x, w, padding=1), None, None, training=True, eps=1e-15)
    return (y.relu().mean((2, 3)) - target).square().sum()


@pytest.mark.equation("eq-bn-scale")
@pytest.mark.parametrize("scale", [0.1, 3.0, 50.0])
def test_weights_have_a_direction_and_no_size(scale):
    x, target = normal(4, 3, 6, 5), normal(4, 2, seed=1)
    w = normal(2, 3, 3, 3, seed=2).requires_grad_()
    larger = (scale * w.detach()).requires_grad_()
    one, other = loss_of(w, x, target), loss_of(larger, x, target)
    torch.testing.assert_close(one, other)
    (g,), (h,) = torch.autograd.grad(one, w), torch.autograd.grad(other, larger)
    torch.testing.assert_close(h, g / scale)
    assert g.norm() > 0.1
    assert (w * g).sum().abs() < 1e-12 * g.norm() * w.norm() * 100


@pytest.mark.equation("eq-bn-growth")
def test_a_step_makes_them_longer():
    x, target = normal(4, 3, 6, 5), normal(4, 2, seed=1)
    w = normal(2, 3, 3, 3, seed=2).requires_grad_()
    (g,) = torch.autograd.grad(loss_of(w, x, target), w)
    for eta in (0.1, 2.0):
        after = (w - eta * g).norm() ** 2
        torch.testing.assert_close(after, w.norm() ** 2 + eta**2 * g.norm() ** 2)
        assert after > w.norm() ** 2


def test_a_bias_before_it_has_no_effect():
    x, b = maps(), torch.zeros(2, dtype=F64, requires_grad=True)
    y = F.batch_norm(x + b[:, None, None], None, None, training=True)
    (gradient,) = torch.autograd.grad((normal(*x.shape) * y).sum(), b)
    assert gradient.abs().max() < 1e-12
    shifted = F.batch_norm(x + 7, None, None, training=True)
    torch.testing.assert_close(shifted, y.detach())


@pytest.mark.equation("eq-bn-mean-variance")
@pytest.mark.parametrize("b", [1, 2, 8])
def test_noise_of_the_mean(b):
    """Places with any covariance: the formula against the exact variance, and against draws."""
    h, w = 2, 3
    root = normal(h * w, h * w)
    covariance = root @ root.T
    s2 = covariance.diagonal().mean()
    off = covariance.sum() - covariance.diagonal().sum()
    rho = off / (h * w * (h * w - 1)) / s2
    formula = s2 / (b * h * w) * (1 + (h * w - 1) * rho)
    ones = torch.ones(h * w, dtype=F64) / (h * w)
    torch.testing.assert_close(formula, ones @ covariance @ ones / b)
    drawn = (normal(40_000, b, h * w, seed=1) @ root.T).mean((1, 2)).var()
    assert drawn.item() == pytest.approx(formula.item(), rel=0.05)


def test_the_two_extremes_of_the_noise():
    def deviation(rho, b=4, places=1024):
        return math.sqrt(1 / (b * places) * (1 + (places - 1) * rho))

    assert deviation(1) == 0.5 and deviation(0) == pytest.approx(0.016, abs=5e-4)


@pytest.mark.equation("eq-bn-variance-variance")
@pytest.mark.parametrize("n", [4, 25, 100])
def test_noise_of_the_variance(n):
    s = 1.7
    estimates = (s * normal(60_000, n)).var(1)  # divided by n - 1
    assert estimates.var().item() == pytest.approx(2 * s**4 / (n - 1), rel=0.06)


def test_its_relative_error_in_numbers():
    assert math.sqrt(2 / 99) == pytest.approx(0.14, abs=5e-3)
    assert math.sqrt(2 / 3) == pytest.approx(0.82, abs=5e-3)
    assert pytest.approx(38, abs=0.5) == 1.2**20 and pytest.approx(0.01, abs=2e-3) == 0.8**20


def members(kind, n, c, images, channels, groups):
    """The pairs of image and channel that share their statistics with (n, c)."""
    size = channels // groups
    return {
        "batch": [(k, c) for k in range(images)],
        "layer": [(n, k) for k in range(channels)],
        "instance": [(n, c)],
        "group": [(n, k) for k in range(channels) if k // size == c // size],
    }[kind]


@pytest.mark.equation("eq-norm-axes")
@pytest.mark.parametrize("kind", ["batch", "layer", "instance", "group"])
def test_relatives_take_other_numbers_together(kind):
    b, c, groups = 3, 6, 2
    x, gamma, beta = normal(b, c, 4, 5) + 1, normal(c, seed=1), normal(c, seed=2)
    y = torch.empty_like(x)
    for n in range(b):
        for k in range(c):
            shared = torch.stack([x[pair] for pair in members(kind, n, k, b, c, groups)])
            root = (shared.var(correction=0) + EPS).sqrt()
            y[n, k] = gamma[k] * (x[n, k] - shared.mean()) / root + beta[k]
    wanted = {
        "batch": lambda: F.batch_norm(x, None, None, gamma, beta, training=True),
        "layer": lambda: F.group_norm(x, 1, gamma, beta),
        "instance": lambda: F.instance_norm(x, weight=gamma, bias=beta),
        "group": lambda: F.group_norm(x, groups, gamma, beta),
    }[kind]()
    torch.testing.assert_close(y, wanted)
    if kind == "layer":
        own = F.layer_norm(x, x.shape[1:]) * gamma[:, None, None] + beta[:, None, None]
        torch.testing.assert_close(y, own)


def test_counts_of_means():
    """Question 1: how many means, each over how many numbers."""
    b, c, h, w = 8, 64, 16, 16
    assert (c, b * h * w) == (64, 2048) and (b, c * h * w) == (8, 16_384)
    assert (b * c, h * w) == (512, 256) and (b * 32, c // 32 * h * w) == (256, 512)


def test_a_single_number_is_refused():
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm2d(2)(torch.zeros(1, 2, 1, 1))
