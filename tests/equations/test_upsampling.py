"""The equations of book/math/upsampling.md, along one axis: in float64, at odd sizes too."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

F64 = torch.float64


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.equation("eq-nearest")
@pytest.mark.parametrize(("m", "n"), [(4, 8), (3, 7), (5, 3), (6, 6), (2, 96)])
def test_nearest(m, n):
    v = normal(m)
    u = torch.stack([v[math.floor(j * m / n)] for j in range(n)])
    assert torch.equal(u, F.interpolate(v[None, None], n, mode="nearest")[0, 0])
    if n % m == 0:
        assert torch.equal(u, v.repeat_interleave(n // m))


@pytest.mark.equation("eq-pixel-centres")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("m", "n"), [(4, 8), (4, 7), (7, 4), (3, 96), (5, 5)])
def test_where_new_pixels_lie(m, n, align_corners):
    """Interpolating the old pixels' numbers 0, 1, 2, ... reads off the places."""
    got = F.interpolate(
        torch.arange(m, dtype=F64)[None, None], n, mode="linear", align_corners=align_corners
    )
    for j, place in enumerate(got[0, 0].tolist()):
        t = j * (m - 1) / (n - 1) if align_corners else (j + 0.5) * m / n - 0.5
        assert place == pytest.approx(min(max(t, 0), m - 1), abs=1e-12)


def test_the_conventions_in_numbers():
    half, corners = ([(j + 0.5) / 2 - 0.5 for j in (0, 2)], [j * 3 / 7 for j in (0, 2)])
    assert half == [-0.25, 0.75] and corners == [0, pytest.approx(6 / 7)]
    assert (0 - (0.5 / 32 - 0.5)) * 32 == 15.5


@pytest.mark.equation("eq-separable-upsampling")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("old", "new"), [((3, 4), (6, 12)), ((5, 2), (7, 9)), ((4, 4), (3, 8))])
def test_upsampling_is_two_matrices(old, new, align_corners):
    def matrix(m, n):  # column by column, from PyTorch's answers to unit vectors
        units = torch.eye(m, dtype=F64)[:, None]
        return F.interpolate(units, n, mode="linear", align_corners=align_corners)[:, 0].T

    rows, columns = (matrix(m, n) for m, n in zip(old, new, strict=True))
    x = normal(*old)
    wanted = F.interpolate(x[None, None], new, mode="bilinear", align_corners=align_corners)
    torch.testing.assert_close(rows @ x @ columns.T, wanted[0, 0])
    for r in (rows, columns):
        assert (r >= 0).all()
        torch.testing.assert_close(r.sum(1), torch.ones(len(r), dtype=F64))
    assert wanted.max() <= x.max() + 1e-12 and wanted.min() >= x.min() - 1e-12


SETTINGS = [(3, 2, 0), (4, 2, 1), (2, 2, 0), (3, 1, 1), (5, 3, 2), (3, 2, 1)]  # k, s, p


def matrix(n: int, k: int, s: int, p: int, w: torch.Tensor) -> torch.Tensor:
    """The matrix A of the convolution, entry by entry."""
    m = (n + 2 * p - k) // s + 1
    a = torch.zeros(m, n, dtype=F64)
    for i in range(m):
        for j in range(n):
            if 0 <= j - s * i + p < k:
                a[i, j] = w[j - s * i + p]
    return a


@pytest.mark.equation("eq-strided-convolution")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_strided_convolution_and_its_matrix(k, s, p, generator):
    n = 11
    x, w = (
        torch.randn(n, dtype=F64, generator=generator),
        torch.randn(k, dtype=F64, generator=generator),
    )
    m = (n + 2 * p - k) // s + 1
    y = torch.zeros(m, dtype=F64)
    for i in range(m):
        for a in range(k):
            if 0 <= s * i + a - p < n:
                y[i] += w[a] * x[s * i + a - p]
    theirs = F.conv1d(x[None, None], w[None, None], stride=s, padding=p)[0, 0]
    assert torch.allclose(y, theirs, atol=1e-13)
    assert torch.allclose(matrix(n, k, s, p, w) @ x, y, atol=1e-13)


@pytest.mark.equation("eq-transposed-convolution")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_transposed_convolution_scatters(k, s, p, generator):
    m = 6
    v, w = (
        torch.randn(m, dtype=F64, generator=generator),
        torch.randn(k, dtype=F64, generator=generator),
    )
    theirs = F.conv_transpose1d(v[None, None], w[None, None], stride=s, padding=p)[0, 0]
    n = len(theirs)
    u = torch.zeros(n, dtype=F64)
    for j in range(n):
        for i in range(m):
            if 0 <= j - s * i + p < k:
                u[j] += w[j - s * i + p] * v[i]
    assert torch.allclose(u, theirs, atol=1e-13)
    assert torch.allclose(matrix(n, k, s, p, w).T @ v, theirs, atol=1e-13)


@pytest.mark.equation("eq-adjoint")
@pytest.mark.parametrize(("k", "s", "p"), SETTINGS)
def test_adjoint_in_one_and_two_dimensions(k, s, p, generator):
    n, extra = 11, (11 + 2 * p - k) % s
    x, w = (
        torch.randn(1, 1, n, dtype=F64, generator=generator),
        torch.randn(1, 1, k, dtype=F64, generator=generator),
    )
    y = F.conv1d(x, w, stride=s, padding=p)
    v = torch.randn(y.shape, dtype=F64, generator=generator)
    u = F.conv_transpose1d(v, w, stride=s, padding=p, output_padding=extra)
    assert torch.allclose((y * v).sum(), (x * u).sum(), atol=1e-12)
    # Two dimensions, several channels, not square; and the gradient is the transposed convolution.
    image = torch.randn(1, 3, 9, 12, dtype=F64, generator=generator, requires_grad=True)
    weight = torch.randn(4, 3, k, k, dtype=F64, generator=generator)
    y = F.conv2d(image, weight, stride=s, padding=p)
    v = torch.randn(y.shape, dtype=F64, generator=generator)
    (gradient,) = torch.autograd.grad((y * v).sum(), image)
    extras = [(side + 2 * p - k) % s for side in (9, 12)]
    u = F.conv_transpose2d(v, weight, stride=s, padding=p, output_padding=extras)
    assert torch.allclose(u, gradient, atol=1e-12)
    assert torch.allclose((y * v).sum(), (image * u).sum(), atol=1e-12)


def test_the_worked_example_of_the_transposed_convolution():
    w, v = torch.tensor([1.0, 2, 1], dtype=F64), torch.tensor([1.0, 2, 3], dtype=F64)
    u = F.conv_transpose1d(v[None, None], w[None, None], stride=2)[0, 0]
    assert u.tolist() == [1, 2, 3, 4, 5, 6, 3]
    x = torch.tensor([1.0, 0, 0, 1, 0, 0, 0], dtype=F64)
    y = F.conv1d(x[None, None], w[None, None], stride=2)[0, 0]
    assert y.tolist() == [1, 2, 0]
    assert y @ v == x @ u == 5


def test_transposed_is_not_inverse(generator):
    x = torch.randn(1, 1, 8, dtype=F64, generator=generator)
    w = torch.randn(1, 1, 2, dtype=F64, generator=generator)
    again = F.conv_transpose1d(F.conv1d(x, w, stride=2), w, stride=2)
    assert again.shape == x.shape
    assert not torch.allclose(again, x, atol=0.1)


@pytest.mark.equation("eq-transposed-size")
@given(
    m=st.integers(1, 9),
    k=st.integers(1, 6),
    s=st.integers(1, 4),
    p=st.integers(0, 2),
    o=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_output_size_of_a_transposed_convolution(m, k, s, p, o):
    o = o % s
    n = s * (m - 1) - 2 * p + k + o
    if n < 1:
        return
    v, w = torch.zeros(1, 1, m), torch.zeros(1, 1, k)
    u = F.conv_transpose1d(v, w, stride=s, padding=p, output_padding=o)
    assert u.shape[-1] == n
    assert (n + 2 * p - k) // s + 1 == m  # the convolution takes it back to m


@pytest.mark.equation("eq-overlap-count")
@pytest.mark.parametrize(("k", "s", "p"), [*SETTINGS, (3, 3, 0), (4, 3, 1), (6, 3, 0)])
def test_overlap_counts(k, s, p):
    m = 12
    ones = torch.ones(1, 1, m, dtype=F64), torch.ones(1, 1, k, dtype=F64)
    u = F.conv_transpose1d(*ones, stride=s, padding=p)[0, 0]
    inner = range(k, len(u) - k)
    counts = [sum(0 <= j - s * i + p < k for i in range(-5, m + 5)) for j in inner]
    assert u[k:-k].tolist() == counts
    assert set(counts) == {k // s, -(-k // s)}
    assert (len(set(counts)) == 1) == (k % s == 0)
    assert all(a == b for a, b in zip(counts, counts[s:], strict=False))  # period s


@pytest.mark.equation("eq-bilinear")
@pytest.mark.parametrize("s", [2, 3, 4])
def test_bilinear_upsampling(s, generator):
    m = 5
    v = torch.randn(m, dtype=F64, generator=generator)
    u = torch.empty(s * m, dtype=F64)
    for j in range(s * m):
        t = (j + 0.5) / s - 0.5
        low = math.floor(t)
        lam = t - low
        left, right = (v[min(max(i, 0), m - 1)] for i in (low, low + 1))
        u[j] = (1 - lam) * left + lam * right
    theirs = F.interpolate(v[None, None], scale_factor=s, mode="linear", align_corners=False)
    assert torch.allclose(u, theirs[0, 0], atol=1e-13)
    image = torch.randn(1, 1, 3, m, dtype=F64, generator=generator)
    both = F.interpolate(image, scale_factor=s, mode="bilinear", align_corners=False)[0, 0]
    rows = F.interpolate(image[0], scale_factor=s, mode="linear", align_corners=False)[0]
    columns = F.interpolate(rows.T[None], scale_factor=s, mode="linear", align_corners=False)
    assert torch.allclose(both, columns[0].T, atol=1e-13)


def test_bilinear_is_a_fixed_transposed_convolution_inside(generator):
    v = torch.randn(1, 1, 7, dtype=F64, generator=generator)
    w = torch.tensor([[[0.25, 0.75, 0.75, 0.25]]], dtype=F64)
    ours = F.conv_transpose1d(v, w, stride=2, padding=1)
    theirs = F.interpolate(v, scale_factor=2, mode="linear", align_corners=False)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours[..., 1:-1], theirs[..., 1:-1], atol=1e-13)


def test_the_answer_about_four_pixels():
    row = torch.tensor([[[0.0, 4]]], dtype=F64)
    got = F.interpolate(row, 4, mode="nearest").flatten().tolist()
    assert got == [0, 0, 4, 4]
    half, corners = (
        F.interpolate(row, 4, mode="linear", align_corners=corner).flatten().tolist()
        for corner in (False, True)
    )
    assert half == [0, 1, 3, 4] and corners == pytest.approx([0, 4 / 3, 8 / 3, 4])
