"""The equations of book/math/losses.md, each checked numerically in float64."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from scipy.optimize import minimize_scalar

from course_lib.losses import (
    boundary_loss,
    cross_entropy,
    dice_loss,
    focal_loss,
    lovasz_softmax,
    median_frequency_weights,
)
from course_lib.ops.distance import distance_to, signed_distance

F64 = torch.float64
seeds = given(st.integers(0, 2**31))
few = settings(max_examples=25, deadline=None)


def case(seed, classes=3, size=(4, 5), ignored=0.2, batch=2):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(batch, classes, *size, dtype=F64, generator=generator)
    y = torch.randint(classes, (batch, *size), generator=generator)
    y[torch.rand(y.shape, generator=generator) < ignored] = 255
    y[0, 0, 0] = 0
    return z.requires_grad_(), y


def pixels(z, y):
    """Probabilities and labels of the labelled pixels, as rows."""
    return z.softmax(1).movedim(1, -1)[y != 255], y[y != 255]


@pytest.mark.equation("eq-weighted-cross-entropy")
@few
@seeds
def test_a_pixel_counts_as_much_as_its_class(seed):
    z, y = case(seed)
    w = (0.5, 2.0, 3.0)
    p, labels = pixels(z, y)
    above = sum(w[k] * -p[i, k].log() for i, k in enumerate(labels.tolist()))
    below = sum(w[k] for k in labels.tolist())
    torch.testing.assert_close(cross_entropy(z, y, weight=w), above / below)
    torch.testing.assert_close(cross_entropy(z, y, weight=[10 * x for x in w]), above / below)


@pytest.mark.equation("eq-median-frequency")
@few
@seeds
def test_median_frequency(seed):
    _, y = case(seed, classes=4, batch=5)
    shares = []
    for k in range(4):
        images = [image[image != 255] for image in y if (image == k).any()]
        shares.append(
            sum((image == k).sum().item() for image in images) / sum(map(len, images))
            if images
            else None
        )
    median = np.median([share for share in shares if share])
    wanted = [median / share if share else 0 for share in shares]
    assert median_frequency_weights(y, 4) == pytest.approx(wanted)


@pytest.mark.equation("eq-weighted-posterior")
@pytest.mark.parametrize("q", [(0.1, 0.9), (0.2, 0.8), (0.5, 0.2, 0.3)])
def test_weights_move_the_best_answer_by_their_ratio(q):
    """Minimise the expected loss directly, by gradient descent on free logits."""
    w = torch.tensor((9.0, 1.0, 0.3)[: len(q)], dtype=F64)
    q = torch.tensor(q, dtype=F64)
    z = torch.zeros(len(q), dtype=F64, requires_grad=True)
    optimizer = torch.optim.LBFGS([z], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure():
        optimizer.zero_grad()
        loss = -(w * q * z.log_softmax(0)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(z.softmax(0), w * q / (w * q).sum(), rtol=1e-6, atol=1e-7)
    if len(q) == 2 and q[0] == 0.1:
        assert z.softmax(0)[0].item() == pytest.approx(0.5)  # the chapter's pole


@pytest.mark.equation("eq-focal")
@few
@seeds
def test_focal_loss_is_a_mean_of_its_definition(seed):
    z, y = case(seed)
    p, labels = pixels(z, y)
    own = p.gather(1, labels[:, None])[:, 0]
    for gamma in (0, 1, 2.5):
        torch.testing.assert_close(
            focal_loss(z, y, gamma=gamma), ((1 - own) ** gamma * -own.log()).mean()
        )


def factor(p, gamma=2.0):
    return (1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * math.log(p)


@pytest.mark.equation("eq-focal-gradient")
@few
@seeds
def test_the_focal_gradient_is_cross_entropys_times_a_factor(seed):
    z, _ = case(seed, size=(1, 1), batch=1)
    y = torch.full((1, 1, 1), seed % 3)
    p = z.softmax(1).flatten().tolist()
    for gamma in (0.5, 2.0, 4.0):
        (got,) = torch.autograd.grad(focal_loss(z, y, gamma=gamma), z)
        wanted = [factor(p[seed % 3], gamma) * (p[k] - (k == seed % 3)) for k in range(3)]
        assert got.flatten().tolist() == pytest.approx(wanted)


def test_the_table_of_the_focal_loss():
    shown = {0.99: (0.0001, 0.0003), 0.9: (0.01, 0.029), 0.5: (0.25, 0.60), 0.1: (0.81, 1.22),
             0.01: (0.98, 1.07)}  # fmt: skip
    for p, (loss, gradient) in shown.items():
        assert float(f"{(1 - p) ** 2:.2g}") == pytest.approx(loss)
        assert factor(p) == pytest.approx(gradient, rel=0.03)
    assert 30 < 1 / factor(0.9) < 36  # "a thirty-fifth"
    assert 1.2 < max(factor(i / 1000) for i in range(1, 1000)) < 1.25  # "up to a fifth more"


def test_the_best_answer_to_a_focal_loss_is_too_modest():
    def expected(p):
        return -0.9 * (1 - p) ** 2 * math.log(p) - 0.1 * p**2 * math.log(1 - p)

    best = minimize_scalar(expected, bounds=(0.5, 0.999), method="bounded").x
    assert round(best, 2) == 0.69


@pytest.mark.equation("eq-dice-loss")
@few
@seeds
def test_dice_with_sums_of_probabilities(seed):
    z, y = case(seed)
    p, labels = pixels(z, y)
    present = sorted(set(labels.tolist()))
    scores = []
    for k in present:
        g = (labels == k).double()
        scores.append(2 * (p[:, k] * g).sum() / (p[:, k].sum() + g.sum()))
    torch.testing.assert_close(dice_loss(z, y), 1 - sum(scores) / len(present))


@pytest.mark.equation("eq-dice-gradient")
@few
@seeds
def test_dices_gradient_has_two_values(seed):
    generator = torch.Generator().manual_seed(seed)
    p = torch.rand(30, dtype=F64, generator=generator).requires_grad_()
    g = (torch.rand(30, generator=generator) < 0.3).double()
    s = p.sum() + g.sum()
    d = 2 * (p * g).sum() / s
    (got,) = torch.autograd.grad(d, p)
    torch.testing.assert_close(got, ((2 * g - d) / s).detach())
    assert len(got.mul(1e9).round().unique()) <= 2
    # As many predicted as true pixels: the object is pulled by 1 - D / 2, whatever its size.
    if g.any():
        share = p.detach() * g.sum() / p.detach().sum()
        balanced = share.requires_grad_()
        d = 2 * (balanced * g).sum() / (balanced.sum() + g.sum())
        (got,) = torch.autograd.grad(d, balanced)
        torch.testing.assert_close((got * g).sum(), (1 - d / 2).detach())


@pytest.mark.equation("eq-dice-logit-gradient")
@few
@seeds
def test_dices_gradient_vanishes_for_certain_mistakes(seed):
    generator = torch.Generator().manual_seed(seed)
    x = (3 * torch.randn(30, dtype=F64, generator=generator)).requires_grad_()
    g = (torch.rand(30, generator=generator) < 0.5).double()
    p = x.sigmoid()
    s = p.sum() + g.sum()
    d = 2 * (p * g).sum() / s
    (got,) = torch.autograd.grad(d, x)
    torch.testing.assert_close(got, ((2 * g - d) / s * p * (1 - p)).detach())


def test_the_worked_example_of_dice():
    p = torch.tensor([0.8, 0.2] + 6 * [0.1], dtype=F64)
    x = p.logit().requires_grad_()
    g = torch.tensor([1.0, 1.0] + 6 * [0.0], dtype=F64)
    q = x.sigmoid()
    q.retain_grad()
    d = 2 * (q * g).sum() / (q.sum() + g.sum())
    d.backward()
    assert d.item() == pytest.approx(2 / 3.6) and round(d.item(), 3) == 0.556
    assert q.grad[:2].tolist() == pytest.approx([0.401, 0.401], abs=5e-4)
    assert x.grad[0].item() == pytest.approx(x.grad[1].item())
    y = x.detach().requires_grad_()
    F.binary_cross_entropy_with_logits(y, g).backward()
    assert y.grad[:2].abs().tolist() == pytest.approx([0.025, 0.1])


def delta(mistakes, truth):
    union = truth | mistakes
    return len(mistakes) / len(union) if union else 0.0


@pytest.mark.equation("eq-jaccard-set")
@few
@given(st.sets(st.integers(0, 12), min_size=1), st.sets(st.integers(0, 12)))
def test_the_jaccard_loss_as_a_function_of_the_mistakes(truth, mistakes):
    answer = truth ^ mistakes  # missed ones leave, added ones enter
    jaccard = 1 - len(answer & truth) / len(answer | truth)
    assert jaccard == pytest.approx(1 - len(truth - mistakes) / len(truth | mistakes))
    assert jaccard == pytest.approx(delta(mistakes, truth))


errors = st.lists(
    st.tuples(st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.9, 1.0)), st.booleans()),
    min_size=2,
    max_size=9,
).filter(lambda pixels: any(own for _, own in pixels))


def extension(m, truth):
    """The sum of the chapter."""
    order = sorted(range(len(m)), key=lambda i: -m[i])
    total = 0.0
    for j in range(len(m)):
        total += m[order[j]] * (delta(set(order[: j + 1]), truth) - delta(set(order[:j]), truth))
    return total


@pytest.mark.equation("eq-lovasz-extension", "eq-lovasz-threshold")
@settings(max_examples=100, deadline=None)
@given(errors)
def test_the_extension_is_the_mean_over_thresholds(pixels):
    m, truth = [e for e, _ in pixels], {i for i, (_, own) in enumerate(pixels) if own}
    edges = sorted({0.0, 1.0, *m})
    integral = sum(  # the set of mistakes is constant between two neighbouring errors
        (high - low) * delta({i for i, e in enumerate(m) if e >= (low + high) / 2}, truth)
        for low, high in itertools.pairwise(edges)
    )
    assert extension(m, truth) == pytest.approx(integral)
    certain = [float(e > 0.3) for e in m]
    wrong = {i for i, e in enumerate(certain) if e}
    assert extension(certain, truth) == pytest.approx(delta(wrong, truth))


@few
@given(errors, st.integers(0, 2**31))
def test_the_extension_is_convex(pixels, seed):
    truth = {i for i, (_, own) in enumerate(pixels) if own}
    generator = np.random.default_rng(seed)
    a, b = generator.random((2, len(pixels)))
    t = generator.random()
    middle = extension((t * a + (1 - t) * b).tolist(), truth)
    assert (
        middle <= t * extension(a.tolist(), truth) + (1 - t) * extension(b.tolist(), truth) + 1e-12
    )


@pytest.mark.equation("eq-lovasz-errors")
@few
@seeds
def test_lovasz_softmax_is_the_mean_of_the_extensions(seed):
    z, y = case(seed)
    p, labels = pixels(z, y)
    present = sorted(set(labels.tolist()))
    values = []
    for k in present:
        m = torch.where(labels == k, 1 - p[:, k], p[:, k]).tolist()
        values.append(extension(m, set((labels == k).nonzero().flatten().tolist())))
    assert lovasz_softmax(z, y).item() == pytest.approx(sum(values) / len(present))


def test_the_worked_example_of_lovasz():
    assert extension([0.1, 0.6, 0.3, 0.0], {0, 1}) == pytest.approx(0.38333, abs=1e-5)
    assert round(0.1 + 0.2 * 2 / 3 + 0.3 / 2, 4) == 0.3833
    assert extension([0.3] * 6, {0, 2}) == pytest.approx(0.3)  # the fifth question


def blocks(seed, classes=3):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(classes, (2, 3, 4), generator=generator)
    y = coarse.repeat_interleave(3, 1).repeat_interleave(3, 2)
    z = torch.randn(2, classes, *y.shape[1:], dtype=F64, generator=generator)
    return z, y


def phi(y, classes):
    """The chapter's signed distance, by SciPy."""
    found = torch.zeros(len(y), classes, *y.shape[1:], dtype=F64)
    for n in range(len(y)):
        for k in range(classes):
            own = (y[n] == k).numpy()
            if own.any() and not own.all():
                inside, outside = distance_transform_edt(own), distance_transform_edt(~own)
                found[n, k] = torch.from_numpy(np.where(own, 0.5 - inside, outside - 0.5))
    return found


@pytest.mark.equation("eq-signed-distance")
@few
@seeds
def test_the_signed_distance(seed):
    _, y = blocks(seed)
    torch.testing.assert_close(
        signed_distance(y, 3, cap=50).double(), phi(y, 3), rtol=1e-5, atol=1e-5
    )


@pytest.mark.equation("eq-boundary-loss")
@few
@seeds
def test_the_boundary_loss(seed):
    z, y = blocks(seed)
    wanted = (phi(y, 3) * z.softmax(1)).sum() / (50 * y.numel())
    torch.testing.assert_close(boundary_loss(z, y, cap=50), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.equation("eq-boundary-excess")
@few
@seeds
def test_each_wrong_pixel_costs_its_distance(seed):
    z, y = blocks(seed)
    answer = z.argmax(1)

    def loss(labels):
        return boundary_loss(1000 * F.one_hot(labels, 3).movedim(-1, 1).double(), y, cap=50)

    classes = torch.arange(3)[:, None, None]
    wrong = (answer[:, None] == classes) != (y[:, None] == classes)
    wanted = (phi(y, 3).abs() * wrong).sum() / (50 * y.numel())
    torch.testing.assert_close(loss(answer) - loss(y), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.equation("eq-distance-separable")
@few
@seeds
def test_the_nearest_pixel_is_found_one_axis_after_the_other(seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(7, 9, generator=generator) < 0.1
    mask[3, 4] = True
    wanted = torch.empty(7, 9)
    for r, c in itertools.product(range(7), range(9)):
        rows = []
        for row in range(7):
            columns = mask[row].nonzero().flatten().tolist()
            inner = min(((c - other) ** 2 for other in columns), default=math.inf)
            rows.append((r - row) ** 2 + inner)
        wanted[r, c] = math.sqrt(min(rows))
        nearest = min(math.hypot(r - a, c - b) for a, b in mask.nonzero().tolist())
        assert wanted[r, c] == pytest.approx(nearest)
    torch.testing.assert_close(distance_to(mask, 50), wanted)


def test_the_answers_of_the_losses():
    sign = 11 * 0.2 / (11 * 0.2 + 0.3 * 0.8)
    assert round(sign, 2) == 0.90 and round(factor(0.5), 2) == 0.60
    y = torch.zeros(1, 1, 1000, dtype=torch.long)
    y[..., 100:121] = 1  # 21 wide; its middle lies 10.5 inside of the contour
    right = 1000 * F.one_hot(y, 2).movedim(-1, 1).double()
    wrong = right.clone()
    wrong[..., 110] = right[:, :, :, 110].flip(1)
    excess = boundary_loss(wrong, y) - boundary_loss(right, y)
    assert excess.item() == pytest.approx(0.0013125, rel=1e-4)
