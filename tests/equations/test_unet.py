"""The equations of book/math/unet.md, each checked numerically in float64, at odd sizes too."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models import UNet

F64 = torch.float64


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.equation("eq-pixel-softmax")
def test_each_pixel_is_a_classifier_of_its_own(generator):
    z = torch.randn(4, 5, 3, dtype=F64, generator=generator)
    p = torch.empty_like(z)
    for k in range(4):
        for i in range(5):
            for j in range(3):
                p[k, i, j] = z[k, i, j].exp() / sum(z[m, i, j].exp() for m in range(4))
    assert torch.allclose(p, z.softmax(dim=0), atol=1e-14)
    assert torch.allclose(p.sum(0), torch.ones(5, 3, dtype=F64))


@pytest.mark.equation("eq-pixel-cross-entropy")
def test_pixel_cross_entropy_is_the_mean_over_labelled_pixels(generator):
    z = torch.randn(2, 4, 5, 3, dtype=F64, generator=generator)
    y = torch.randint(0, 4, (2, 5, 3), generator=generator)
    y[0, 1], y[1, :, 2] = 255, 255
    p = z.softmax(dim=1)
    labelled = [
        (n, i, j) for n in range(2) for i in range(5) for j in range(3) if y[n, i, j] != 255
    ]
    loss = -sum(p[n, y[n, i, j], i, j].log() for n, i, j in labelled) / len(labelled)
    assert torch.allclose(loss, F.cross_entropy(z, y, ignore_index=255), atol=1e-14)


@pytest.mark.equation("eq-max-pool")
@pytest.mark.parametrize("size", [(5, 8), (6, 7), (3, 3)])
def test_pooling_takes_the_largest_and_drops_what_is_left_over(size, generator):
    x = torch.randn(1, 1, *size, dtype=F64, generator=generator)
    y = F.max_pool2d(x, 2)[0, 0]
    assert y.shape == (size[0] // 2, size[1] // 2)
    for i in range(size[0] // 2):
        for j in range(size[1] // 2):
            square = [x[0, 0, 2 * i + a, 2 * j + b] for a in (0, 1) for b in (0, 1)]
            assert y[i, j] == max(square)


def test_pooling_has_no_inverse():
    """The chapter's second objection to the document's equation."""
    corner = torch.zeros(4, 1, 2, 2, dtype=F64)
    corner.view(4, 4)[range(4), range(4)] = 1  # a bright pixel in each of the four corners
    assert torch.equal(F.max_pool2d(corner, 2), torch.ones(4, 1, 1, 1, dtype=F64))


def test_the_documents_definitions_form_a_cycle():
    """Its first objection: what is needed to compute each of the document's five symbols."""
    needs = {"out": {"in", "up", "down"}, "in": {"down"}, "down": {"in"}, "up": {"down"}}

    def circular(name, path=()):
        return name in path or any(circular(n, (*path, name)) for n in needs.get(name, ()))

    assert circular("out")
    ours = {"z": {"d0"}, "d0": {"e0", "d1"}, "d1": {"e1"}, "e1": {"e0"}, "e0": {"x"}}
    needs = ours
    assert not circular("z")


@pytest.mark.equation("eq-level-size")
@given(height=st.integers(16, 200), width=st.integers(16, 200))
@settings(max_examples=25, deadline=None)
def test_rounding_down_again_and_again_is_rounding_down_once(height, width):
    x = torch.zeros(1, 1, height, width)
    for level in range(1, 5):
        x = F.max_pool2d(x, 2)
        assert x.shape[2:] == (height // 2**level, width // 2**level)


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


def small_unet(**options) -> UNet:
    torch.manual_seed(0)
    return UNet(num_classes=3, widths=(4, 6, 8), norm="none", **options).to(F64).eval()


def encode(model: UNet, x: torch.Tensor) -> list[torch.Tensor]:
    maps = [model.stem(x)]
    for block in model.encoder:
        maps.append(block(F.max_pool2d(maps[-1], 2)))
    return maps


@pytest.mark.equation("eq-unet-encoder")
def test_encoder_recursion(generator):
    model = small_unet()
    x = torch.randn(1, 3, 12, 20, dtype=F64, generator=generator)
    seen = []
    for block in [model.stem, *model.encoder]:
        block.register_forward_hook(lambda _, __, output: seen.append(output))
    model(x)
    theirs_by_level = list(seen)  # `encode` runs the same blocks again
    for level, (ours, theirs) in enumerate(zip(encode(model, x), theirs_by_level, strict=True)):
        assert torch.equal(ours, theirs)
        assert ours.shape == (1, (4, 6, 8)[level], 12 // 2**level, 20 // 2**level)


@pytest.mark.equation("eq-unet-decoder")
@pytest.mark.parametrize("size", [(12, 20), (13, 22), (15, 9)])
def test_decoder_recursion(size, generator):
    model = small_unet()
    x = torch.randn(2, 3, *size, dtype=F64, generator=generator)
    e = encode(model, x)
    d = e[-1]  # d_L = e_L
    for level in (1, 0):
        step = model.decoder[1 - level]
        up = step.up(d)
        rows, columns = (a - b for a, b in zip(e[level].shape[2:], up.shape[2:], strict=True))
        up = torch.cat([up, up[:, :, -1:]][: 1 + rows], dim=2)
        up = torch.cat([up, up[..., -1:]][: 1 + columns], dim=3)
        d = step.mix(torch.cat([e[level], up], dim=1))
        assert d.shape == e[level].shape
    assert torch.allclose(model.head(d), model(x), atol=1e-12)


@pytest.mark.equation("eq-unet-head")
def test_head_is_one_linear_classifier_at_every_pixel(generator):
    model = small_unet()
    d = torch.randn(1, 4, 5, 7, dtype=F64, generator=generator)
    v, b = model.head.weight[:, :, 0, 0], model.head.bias
    z = torch.empty(3, 5, 7, dtype=F64)
    for k in range(3):
        for i in range(5):
            for j in range(7):
                z[k, i, j] = b[k] + sum(v[k, c] * d[0, c, i, j] for c in range(4))
    assert torch.allclose(z, model.head(d)[0], atol=1e-13)


def test_the_worked_example_of_the_skip():
    e0 = torch.tensor([[[2.0, 0, 0, 6]]], dtype=F64)
    up = F.interpolate(F.max_pool1d(e0, 2), scale_factor=2)
    assert up.flatten().tolist() == [2, 2, 6, 6]
    assert (e0 - up + 1).flatten().tolist() == [1, -1, -5, 1]
    assert len({tuple(pair) for pair in torch.cat([e0, up], dim=1)[0].T.tolist()}) == 4


@pytest.mark.equation("eq-pad-to-multiple")
@given(height=st.integers(8, 70), width=st.integers(8, 70), levels=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_padding_to_the_next_size_that_fits(height, width, levels):
    f = 2**levels
    rows, columns = (f * math.ceil(side / f) - side for side in (height, width))
    assert 0 <= rows < f and 0 <= columns < f
    x = F.pad(torch.zeros(1, 1, height, width), [0, columns, 0, rows])
    for _ in range(levels):
        assert x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
        x = F.max_pool2d(x, 2)


@pytest.mark.parametrize("size", [(50, 75), (37, 53)])
def test_never_more_than_one_row_is_missing(size):
    for side in size:
        for level in range(5):
            assert side // 2**level - 2 * (side // 2 ** (level + 1)) in (0, 1)


def conv_layers(model):
    return [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]


@pytest.mark.equation("eq-unet-work")
@pytest.mark.parametrize(
    ("base", "levels", "classes", "size"), [(4, 1, 2, (6, 10)), (6, 3, 5, (24, 40))]
)
def test_multiply_adds(base, levels, classes, size):
    from torch.utils.flop_counter import FlopCounterMode

    model = UNet(num_classes=classes, widths=[base * 2**i for i in range(levels + 1)]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, *size))
    q = size[0] * size[1]
    expected = q * ((85 / 2 * levels + 9) * base**2 + (9 * 3 + classes) * base)
    assert counter.get_total_flops() == 2 * expected  # it counts multiplications and additions


@pytest.mark.equation("eq-unet-weights")
@pytest.mark.parametrize(
    ("base", "levels", "classes"), [(4, 1, 2), (6, 3, 5), (32, 3, 2), (8, 4, 9)]
)
def test_number_of_weights(base, levels, classes):
    model = UNet(num_classes=classes, widths=[base * 2**i for i in range(levels + 1)])
    weights = sum(layer.weight.numel() for layer in conv_layers(model))
    assert 3 * weights == (89 * 4**levels - 62) * base**2 + 3 * (9 * 3 + classes) * base


def test_the_numbers_of_the_default_model():
    model = UNet()
    weights = sum(layer.weight.numel() for layer in conv_layers(model))
    assert weights == 1878 * 1024 + 29 * 32 == 1_924_000
    assert sum(p.numel() for p in model.parameters()) - weights == 3_042
    assert (89 * 4**2 - 62) // 3 == 454  # the answer to question 2


def interval(i: int, levels: int) -> tuple[int, int]:
    a = b = i
    for _ in range(levels):
        a, b = (a - 2) // 2, (b + 2) // 2
    for _ in range(levels):
        a, b = 2 * (a - 2), 2 * (b + 2) + 1
    return a - 2, b + 2


@pytest.mark.equation("eq-unet-interval")
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_what_a_pixel_sees(levels, monkeypatch):
    """All weights 1 and mean instead of maximum: a gradient reaches whatever can have an effect."""
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)
    model = UNet(in_channels=1, num_classes=1, widths=[1] * (levels + 1), norm="none").to(F64)
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 0.3)
    width = 128
    for i in (0, 57, 60, 62, 63, 127):
        x = torch.ones(1, 1, 2**levels, width, dtype=F64, requires_grad=True)
        model(x)[0, 0, 0, i].backward()
        seen = x.grad[0, 0].sum(0).nonzero().flatten()
        low, high = interval(i, levels)
        assert (int(seen.min()), int(seen.max())) == (max(low, 0), min(high, width - 1))


def test_the_table_of_what_a_pixel_sees():
    widths = {
        levels: {high - low + 1 for low, high in (interval(i, levels) for i in range(2**levels))}
        for levels in range(5)
    }
    assert widths[0] == {5} and widths[1] == {18} and widths[2] == {44} and widths[3] == {92, 100}
    assert min(widths[4]) == 188 and max(widths[4]) == 204
