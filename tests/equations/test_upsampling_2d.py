"""The equations of book/math/upsampling.md in two dimensions: scattering, phases, patterns."""

import pytest
import torch
import torch.nn.functional as F

F64 = torch.float64


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


SETTINGS = [(3, 2, 0), (4, 2, 1), (3, 2, 1), (2, 2, 0), (5, 3, 2), (2, 3, 0), (3, 1, 1)]  # k, s, p


@pytest.mark.equation("eq-transposed-convolution-2d")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_transposed_convolution_number_by_number(k, s, p):
    v, w = normal(2, 3, 4), normal(2, 3, k, k, seed=1)  # two channels in, three out
    theirs = F.conv_transpose2d(v[None], w, stride=s, padding=p)[0]
    u = torch.zeros_like(theirs)
    for o in range(3):
        for i in range(u.shape[1]):
            for j in range(u.shape[2]):
                for a in range(2):
                    for i0 in range(3):
                        for j0 in range(4):
                            x, y = i - s * i0 + p, j - s * j0 + p
                            if 0 <= x < k and 0 <= y < k:
                                u[o, i, j] += w[a, o, x, y] * v[a, i0, j0]
    torch.testing.assert_close(u, theirs)


@pytest.mark.equation("eq-adjoint-2d")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_adjoint_and_gradient(k, s, p):
    x, w = normal(1, 2, 7, 9).requires_grad_(), normal(3, 2, k, k, seed=1)
    y = F.conv2d(x, w, stride=s, padding=p)
    v = normal(*y.shape, seed=2)
    extra = [(n + 2 * p - k) % s for n in (7, 9)]
    back = F.conv_transpose2d(v, w, stride=s, padding=p, output_padding=extra)
    torch.testing.assert_close((y * v).sum(), (x * back).sum())
    (gradient,) = torch.autograd.grad((y * v).sum(), x)
    torch.testing.assert_close(gradient, back)


@pytest.mark.equation("eq-zero-insertion")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_transposed_as_an_ordinary_convolution(k, s, p):
    v, w = normal(1, 2, 3, 5), normal(2, 3, k, k, seed=1)
    wide = torch.zeros(1, 2, s * (3 - 1) + 1, s * (5 - 1) + 1, dtype=F64)
    wide[..., ::s, ::s] = v
    turned = w.flip(-2, -1).transpose(0, 1)
    got = F.conv2d(wide, turned, padding=k - 1 - p)
    torch.testing.assert_close(got, F.conv_transpose2d(v, w, stride=s, padding=p))


@pytest.mark.equation("eq-phases")
@pytest.mark.parametrize(("k", "s"), [(3, 2), (4, 2), (5, 3), (2, 3), (7, 4), (1, 2)])
def test_a_transposed_convolution_is_interleaved_convolutions(k, s):
    v, w = normal(6), normal(k, seed=1)
    u = F.conv_transpose1d(v[None, None], w[None, None], stride=s)[0, 0]
    for j in range(len(u)):
        q, phase = divmod(j, s)
        terms = [b for b in range(k) if s * b + phase < k and 0 <= q - b < len(v)]
        total = sum((w[s * b + phase] * v[q - b] for b in terms), torch.zeros((), dtype=F64))
        torch.testing.assert_close(u[j], total)
    for phase in range(min(s, k)):  # each comb is an ordinary convolution with a kernel of its own
        kernel = w[phase::s].flip(0)
        comb = F.conv1d(v[None, None], kernel[None, None], padding=len(kernel) - 1)[0, 0]
        torch.testing.assert_close(u[phase::s][: len(comb)], comb)


@pytest.mark.equation("eq-phase-sums")
@pytest.mark.parametrize(("k", "s"), [(3, 2), (4, 2), (5, 3), (2, 3), (8, 4)])
def test_a_constant_map_shows_the_phase_sums(k, s):
    w = normal(k)
    u = F.conv_transpose1d(torch.ones(1, 1, 12, dtype=F64), w[None, None], stride=s)[0, 0]
    sums = [sum(w[s * b + r] for b in range(k) if s * b + r < k) for r in range(s)]
    inner = range(3 * s, 9 * s)
    for j in inner:
        torch.testing.assert_close(u[j], torch.as_tensor(sums[j % s], dtype=F64))


def phases(kernel, s):
    return [sum(kernel[r::s]) for r in range(s)]


def test_counting_copies_decides_nothing_about_one_kernel():
    assert phases([1, 2, 3, 4], 2) == [4, 6]  # two copies everywhere, and a pattern
    assert phases([0.5, 1, 0.5], 2) == [1, 1]  # one or two copies, and none
    assert phases([1, 3, 2, 0, 1], 2) == [4, 3]  # question 2
    assert phases([1, 3, 2, 0, 1], 5) == [1, 3, 2, 0, 1]


def test_variance_of_phase_sums_before_training():
    w = normal(20_000, 3)
    sums = torch.stack([w[:, 0::2].sum(1), w[:, 1::2].sum(1)])
    assert sums.var(dim=1).tolist() == pytest.approx([2, 1], rel=0.05)


@pytest.mark.parametrize(("k", "s", "even"), [(3, 2, False), (4, 2, True), (5, 3, False)])
def test_gradients_of_strided_convolutions_have_the_pattern_too(k, s, even):
    x = torch.ones(1, 1, 60, dtype=F64, requires_grad=True)
    F.conv1d(x, torch.ones(1, 1, k, dtype=F64), stride=s).sum().backward()
    inner = x.grad[0, 0, 2 * k : 2 * k + 6 * s]
    assert (inner.unique().numel() == 1) is even


@pytest.mark.equation("eq-bilinear-kernel")
@pytest.mark.parametrize("s", [1, 2, 3, 4, 5, 8])
def test_the_triangle_interpolates_inside(s):
    k = 2 * s - s % 2
    w = torch.tensor([1 - abs(a - (k - 1) / 2) / s for a in range(k)], dtype=F64)
    v = normal(1, 1, 9)
    u = F.conv_transpose1d(v, w[None, None], stride=s, padding=s // 2)
    wanted = F.interpolate(v, scale_factor=s, mode="linear", align_corners=False)
    assert u.shape == wanted.shape == (1, 1, 9 * s)
    torch.testing.assert_close(u[..., s:-s], wanted[..., s:-s])
    assert phases(w.tolist(), s) == pytest.approx([1] * s)
    if s > 1:
        assert not torch.allclose(u[..., 0], wanted[..., 0])  # it fades at the border
    known = {2: [1 / 4, 3 / 4, 3 / 4, 1 / 4], 3: [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]}
    assert w.tolist() == pytest.approx(known.get(s, w.tolist()))
