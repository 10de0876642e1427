"""Every displayed equation of the chapter "Convolution", checked numerically.

Where the chapter gives a formula, the test evaluates that formula as it is written (float64, odd
and non-square sizes) and compares it with PyTorch, with autograd, or with counting.
"""

import itertools
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from scipy.signal import convolve2d

from course_lib.models import SimpleCNN
from course_lib.ops.convolution import (
    conv2d,
    conv_cost,
    flip_kernel,
    max_pool2d,
    output_size,
    receptive_field,
)

CHAPTER = Path(__file__).parents[2] / "book" / "math" / "convolution.md"
C, O, H, W, K, L = 3, 2, 7, 10, 3, 2  # noqa: E741  the chapter's names of sizes
STEPS = [(1, 0), (1, 1), (2, 1), (3, 2)]  # stride, padding


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(seed=0):
    return normal(C, H, W, seed=seed), normal(O, C, K, L, seed=seed + 1), normal(O, seed=seed + 2)


def padded(x, p):
    x_tilde = torch.zeros(*x.shape[:-2], x.shape[-2] + 2 * p, x.shape[-1] + 2 * p).to(x)
    x_tilde[..., p : p + x.shape[-2], p : p + x.shape[-1]] = x
    return x_tilde


def triple_sum(x, w, b, s, p):
    """The right-hand side of eq-cross-correlation, symbol by symbol."""
    x_tilde = padded(x, p)
    rows, columns = (x.shape[1] + 2 * p - K) // s + 1, (x.shape[2] + 2 * p - L) // s + 1
    y = torch.zeros(len(w), rows, columns, dtype=torch.float64)
    for o, i, j in itertools.product(range(len(w)), range(rows), range(columns)):
        y[o, i, j] = b[o] + sum(
            w[o, c, u, v] * x_tilde[c, i * s + u, j * s + v]
            for c, u, v in itertools.product(range(C), range(K), range(L))
        )
    return y


@pytest.mark.equation("eq-cross-correlation")
@pytest.mark.parametrize("s, p", STEPS)
def test_cross_correlation(s, p):
    x, w, b = layer()
    got = triple_sum(x, w, b, s, p)
    torch.testing.assert_close(got, F.conv2d(x[None], w, b, stride=s, padding=p)[0])
    torch.testing.assert_close(got, conv2d(x[None], w, b, stride=s, padding=p)[0])


@pytest.mark.equation("eq-cnn-layer")
def test_cnn_layer():
    x, w, b = layer()
    module = torch.nn.Sequential(torch.nn.Conv2d(C, O, (K, L), padding=1), torch.nn.ReLU()).double()
    with torch.no_grad():
        module[0].weight.copy_(w)
        module[0].bias.copy_(b)
        a = triple_sum(x, w, b, s=1, p=1).clamp(min=0)
        torch.testing.assert_close(a, module(x[None])[0])
    assert a.shape == (O, output_size(H, K, padding=1), output_size(W, L, padding=1))


@pytest.mark.equation("eq-true-convolution")
def test_true_convolution():
    x, w = normal(H, W), normal(K, L, seed=1)
    got = torch.zeros(H - K + 1, W - L + 1, dtype=torch.float64)
    for i, j in itertools.product(*map(range, got.shape)):
        got[i, j] = sum(
            w[K - 1 - u, L - 1 - v] * x[i + u, j + v] for u in range(K) for v in range(L)
        )
    torch.testing.assert_close(got, torch.from_numpy(convolve2d(x, w, mode="valid")))
    torch.testing.assert_close(got, conv2d(x[None, None], flip_kernel(w)[None, None])[0, 0])
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    assert torch.equal(flip_kernel(sobel), -sobel)  # the same edges with the opposite sign


@pytest.mark.equation("eq-worked-convolution")
def test_worked_example():
    x = torch.tensor([[1, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0]])[None, None]
    w, b = torch.tensor([[1, 0], [-1, 2]])[None, None], torch.tensor([1])
    assert conv2d(x, w, b)[0, 0].tolist() == [[4, 8, 0], [-1, 4, 3]]
    assert conv2d(x, flip_kernel(w), b)[0, 0].tolist() == [[2, 8, 1], [0, 1, 6]]
    assert 1 * 2 + 0 * 0 + (-1) * 1 + 2 * 3 + 1 == 8
    assert 1 * 0 + 0 * 1 + (-1) * 2 + 2 * 0 + 1 == -1


@pytest.mark.equation("eq-last-window", "eq-output-size")
def test_output_size():
    sizes = itertools.product(range(1, 14), range(1, 6), range(1, 5), range(4))
    for n, k, s, p in sizes:
        if n + 2 * p < k:
            continue
        starts = [t for t in range(0, n + 2 * p, s) if t + k <= n + 2 * p]  # counted, not computed
        count = len(starts)
        assert count == math.floor((n + 2 * p - k) / s) + 1
        assert count == output_size(n, k, stride=s, padding=p)
        fits = [m for m in range(1, 40) if (m - 1) * s + k <= n + 2 * p < m * s + k]
        assert fits == [count]  # eq-last-window has one solution
        shape = F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p).shape
        assert shape[-1] == count


@pytest.mark.equation("eq-same-padding")
def test_same_padding():
    for k in (1, 3, 5, 7):
        for n in (8, 11):
            keeps = [p for p in range(6) if n + 2 * p >= k and output_size(n, k, padding=p) == n]
            assert keeps == [(k - 1) / 2]
    for k in (2, 4):
        assert all(output_size(9, k, padding=p) != 9 for p in range(6))


@pytest.mark.equation("eq-max-pooling")
@pytest.mark.parametrize("kernel, s", [(2, 2), (3, 2), (3, 1)])
def test_max_pooling(kernel, s):
    x = normal(C, H, W)
    rows, columns = output_size(H, kernel, stride=s), output_size(W, kernel, stride=s)
    y = torch.zeros(C, rows, columns, dtype=torch.float64)
    for c, i, j in itertools.product(range(C), range(rows), range(columns)):
        y[c, i, j] = max(x[c, i * s + u, j * s + v] for u in range(kernel) for v in range(kernel))
    torch.testing.assert_close(y, F.max_pool2d(x[None], kernel, s)[0])
    torch.testing.assert_close(y, max_pool2d(x[None], kernel, stride=s)[0])
    assert output_size(33, 2, stride=2) == output_size(32, 2, stride=2) == 16


@pytest.mark.equation("eq-conv-parameters")
def test_parameters():
    for c, o, k, width in ((3, 32, 3, 3), (5, 4, 1, 7)):
        module = torch.nn.Conv2d(c, o, (k, width))
        assert sum(p.numel() for p in module.parameters()) == o * (c * k * width + 1)
    assert conv_cost(3, 16, 5, (24, 32)).parameters == 16 * (3 * 25 + 1) == 1216


@pytest.mark.equation("eq-conv-multiply-adds")
def test_multiply_adds():
    from torch.utils.flop_counter import FlopCounterMode

    x, w, _ = layer()
    for s, p in STEPS:
        with FlopCounterMode(display=False) as counter:
            y = F.conv2d(x[None], w, stride=s, padding=p)
        rows, columns = y.shape[-2:]
        assert counter.get_total_flops() == 2 * rows * columns * O * C * K * L  # x and + apart
    assert conv_cost(32, 64, 3, (16, 16)).multiply_adds == 16 * 16 * 64 * 32 * 9


@pytest.mark.equation("eq-feature-count")
def test_feature_count():
    seen = []
    model = SimpleCNN()
    model.fc1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    model(torch.zeros(1, 3, 32, 32))
    assert seen == [(1, 64 * 8 * 8)] and 64 * 8 * 8 == 4096 == model.fc1.in_features
    features = torch.zeros(1, 3, 40, 40)
    for conv in (model.conv1, model.conv2):
        features = F.max_pool2d(conv(features), 2)
    assert features.numel() == 64 * 40 // 4 * 40 // 4 == 6400
    assert 6400 * 128 + 128 == 819_328  # question 3


@pytest.mark.equation("eq-linear-layer")
def test_linear_layer():
    h, weight, c = normal(5), normal(4, 5, seed=1), normal(4, seed=2)
    z = torch.stack([c[m] + sum(weight[m, d] * h[d] for d in range(5)) for m in range(4)])
    torch.testing.assert_close(z, F.linear(h, weight, c))


@pytest.mark.equation("eq-receptive-field")
def test_receptive_field():
    layers = [(3, 1, 1), (2, 2, 0), (3, 1, 1), (2, 2, 0)]
    r = j = 1
    for (kernel, stride, padding), field in zip(layers, receptive_field(layers), strict=True):
        r, j = r + (kernel - 1) * j, j * stride
        assert (r, j) == (field.size, field.jump)
        assert padding <= kernel // 2
    assert (r, j) == (10, 4)
    # The same by asking autograd which pixels reach one place, with all weights positive.
    x = torch.ones(1, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    y = F.avg_pool2d(F.conv2d(F.avg_pool2d(F.conv2d(x, ones, padding=1), 2), ones, padding=1), 2)
    (gradient,) = torch.autograd.grad(y[0, 0, 4, 3], x)
    assert int((gradient != 0).sum()) == 10 * 10
    assert [f.size for f in receptive_field([(3, 1, 1)] * 3)] == [3, 5, 7]  # question 2


@pytest.mark.equation("eq-equivariance")
def test_equivariance():
    """On a grid without borders: an image whose content stays away from its edges."""
    x = torch.zeros(1, C, 20, 23, dtype=torch.float64)
    x[:, :, 6:12, 5:13] = normal(C, 6, 8)
    w = normal(O, C, K, L, seed=1)
    for t in ((1, 0), (0, -2), (3, 4)):
        moved_first = conv2d(torch.roll(x, t, dims=(2, 3)), w, padding=2)
        torch.testing.assert_close(moved_first, torch.roll(conv2d(x, w, padding=2), t, dims=(2, 3)))


@pytest.mark.equation("eq-equivariance-stride")
def test_equivariance_with_stride():
    s = 2
    x = torch.zeros(1, C, 24, 28, dtype=torch.float64)
    x[:, :, 8:14, 8:16] = normal(C, 6, 8)
    w = normal(O, C, K, L, seed=1)
    y = conv2d(x, w, stride=s, padding=2)
    for t in ((1, 0), (-1, 2)):
        moved = torch.roll(x, (s * t[0], s * t[1]), dims=(2, 3))
        got = conv2d(moved, w, stride=s, padding=2)
        torch.testing.assert_close(got, torch.roll(y, t, dims=(2, 3)))
    odd = conv2d(torch.roll(x, 1, dims=2), w, stride=s, padding=2)
    assert all(not torch.allclose(odd, torch.roll(y, t, dims=2)) for t in range(-3, 4))
    rows = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])  # the chapter's numbers
    pooled = max_pool2d(rows[:, None, None].repeat(1, 1, 2, 1), 2)
    assert pooled[:, 0, 0].tolist() == [[1, 0], [1, 0], [0, 1]]


@pytest.mark.equation("eq-softmax")
def test_softmax():
    z = normal(7)
    p = torch.stack([z[k].exp() / sum(z[m].exp() for m in range(7)) for k in range(7)])
    torch.testing.assert_close(p, F.softmax(z, dim=0))
    torch.testing.assert_close(F.softmax(z + 1000, dim=0), p)  # only differences matter
    p = F.softmax(torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log(), dim=0)
    torch.testing.assert_close(p, torch.tensor([1, 2, 5], dtype=torch.float64) / 8)  # by hand


@pytest.mark.equation("eq-cross-entropy")
def test_cross_entropy():
    z = normal(7)
    for y in range(7):
        both = torch.stack([-F.softmax(z, dim=0)[y].log(), -z[y] + z.exp().sum().log()])
        torch.testing.assert_close(both, F.cross_entropy(z[None], torch.tensor([y])).expand(2))
    nothing_known = F.cross_entropy(torch.zeros(1, 10).double(), torch.tensor([3]))
    assert nothing_known.item() == pytest.approx(math.log(10)) == pytest.approx(2.303, abs=5e-4)


@pytest.mark.equation("eq-log-sum-exp")
def test_log_sum_exp():
    z = normal(7).requires_grad_()
    (gradient,) = torch.autograd.grad(z.exp().sum().log(), z)
    torch.testing.assert_close(gradient, F.softmax(z, dim=0).detach())


@pytest.mark.equation("eq-cross-entropy-gradient")
def test_cross_entropy_gradient():
    for y in range(7):
        z = normal(7, seed=y).requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(z[None], torch.tensor([y])), z)
        truth = torch.tensor([float(k == y) for k in range(7)], dtype=torch.float64)
        torch.testing.assert_close(gradient, F.softmax(z, dim=0).detach() - truth)
        assert abs(gradient.sum().item()) < 1e-12
    z = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64).log().requires_grad_()
    loss = F.cross_entropy(z[None], torch.tensor([1]))  # by hand
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.item() == pytest.approx(2 * math.log(2)) == pytest.approx(1.386, abs=5e-4)
    torch.testing.assert_close(gradient, torch.tensor([1, -6, 5], dtype=torch.float64) / 8)


@pytest.mark.equation("eq-weight-gradient")
@pytest.mark.parametrize("s, p", STEPS)
def test_weight_gradient(s, p):
    x, w, b = layer()
    w.requires_grad_()
    y = F.conv2d(x[None], w, b, stride=s, padding=p)[0]
    g = normal(*y.shape, seed=5)
    (wanted,) = torch.autograd.grad(y, w, g)
    x_tilde, got = padded(x, p), torch.zeros_like(w)
    for o, c, u, v in itertools.product(range(O), range(C), range(K), range(L)):
        got.data[o, c, u, v] = sum(
            g[o, i, j] * x_tilde[c, i * s + u, j * s + v]
            for i, j in itertools.product(*map(range, y.shape[1:]))
        )
    torch.testing.assert_close(got.detach(), wanted)


@pytest.mark.equation("eq-unfold")
def test_unfold():
    x, w, b = layer()
    for s, p in STEPS:
        win = F.unfold(x[None], (K, L), stride=s, padding=p)[0].T  # (H'W', CKL)
        y = F.conv2d(x[None], w, b, stride=s, padding=p)[0]
        mat_w = w.reshape(O, -1).T  # (CKL, O)
        mat_y = win @ mat_w + torch.ones(len(win), 1).double() @ b[None]
        torch.testing.assert_close(mat_y, y.reshape(O, -1).T)


def test_the_numbers_of_the_table():
    """The chapter's table, its sums and the two figures of its first section."""
    text = CHAPTER.read_text(encoding="utf-8")
    model = SimpleCNN()
    convolutions = conv_cost(3, 32, 3, (32, 32)), conv_cost(32, 64, 3, (16, 16))
    adds = [cost.multiply_adds for cost in convolutions]
    adds += [model.fc1.weight.numel(), model.fc2.weight.numel()]
    rows = [line for line in text.splitlines() if line.startswith(("| conv", "| linear"))]
    modules = (model.conv1, model.conv2, model.fc1, model.fc2)
    for row, module, number in zip(rows, modules, adds, strict=True):
        parameters = sum(p.numel() for p in module.parameters())
        assert f"| {parameters:,} | {number:,} |" in row
    total = sum(p.numel() for p in model.parameters())
    assert f"| **{total:,}** | **{sum(adds):,}** |" in text
    assert 3 * 32 * 32 * 32 * 32 * 32 > 100_000_000
    assert (64 * 64 * 49, 3 * 64 * 64 * 9) == (200_704, 110_592)  # question 2
    assert [output_size(n, 5, stride=2, padding=2) for n in (48, 64)] == [24, 32]  # question 1
