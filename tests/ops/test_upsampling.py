"""The taught upsampling equals the library's, and its matrices are what their docstrings say."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.ops.convolution import conv2d
from course_lib.ops.upsampling import (
    bilinear_kernel,
    bilinear_weight,
    conv_transpose2d,
    convolution_matrix,
    interpolation_matrix,
    phase_sums,
    transposed_size,
    upsample_bilinear,
    upsample_nearest,
)

F64 = torch.float64
SIZES = [  # from, to: whole factors, odd, not square, smaller, one pixel, one row
    ((3, 4), (6, 8)),
    ((3, 4), (9, 20)),
    ((5, 7), (13, 11)),
    ((2, 3), (64, 96)),
    ((6, 9), (4, 5)),
    ((1, 1), (3, 5)),
    ((1, 4), (1, 9)),
    ((4, 3), (1, 1)),
    ((3, 5), (3, 5)),
]
CASES = [  # batch, C, O, h, w, K_h, K_w, stride, padding, output_padding
    (2, 3, 4, 5, 4, 3, 3, 2, 1, 1),
    (1, 1, 1, 4, 7, 1, 1, 1, 0, 0),
    (2, 2, 3, 3, 5, 4, 4, 2, 1, 0),
    (3, 4, 2, 2, 3, 2, 3, 3, 0, 2),  # kernel below the stride: gaps
    (1, 2, 2, 6, 1, 5, 2, 1, 0, 0),
    (2, 3, 1, 1, 1, 4, 5, 2, 1, 0),
]


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def draw(case):
    batch, channels, outputs, height, width, kernel_h, kernel_w, stride, padding, extra = case
    tensors = (
        normal(batch, channels, height, width),
        normal(channels, outputs, kernel_h, kernel_w, seed=1),
        normal(outputs, seed=2),
    )
    return tensors, {"stride": stride, "padding": padding, "output_padding": extra}


@pytest.mark.parity
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_nearest_equals_torch(old, new):
    x = normal(2, 3, *old)
    assert torch.equal(upsample_nearest(x, new), F.interpolate(x, new, mode="nearest"))


@pytest.mark.parity
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_bilinear_equals_torch(old, new, align_corners):
    x = normal(2, 3, *old)
    wanted = F.interpolate(x, new, mode="bilinear", align_corners=align_corners)
    torch.testing.assert_close(upsample_bilinear(x, new, align_corners=align_corners), wanted)


@pytest.mark.parity
@settings(max_examples=80, deadline=None)
@given(
    old=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    new=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    align_corners=st.booleans(),
)
def test_every_size_equals_torch(old, new, align_corners):
    x = normal(1, 2, *old)
    assert torch.equal(upsample_nearest(x, new), F.interpolate(x, new, mode="nearest"))
    wanted = F.interpolate(x, new, mode="bilinear", align_corners=align_corners)
    got = upsample_bilinear(x, new, align_corners=align_corners)
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


def test_nearest_is_exact_where_torch_rounds():
    """New pixel 41 of 82 lies at 41 * 2 / 82 = 1: the second of two pixels."""
    x = torch.arange(2.0).view(1, 1, 1, 2)
    ours, theirs = upsample_nearest(x, (1, 82))[0, 0, 0], F.interpolate(x, (1, 82))[0, 0, 0]
    assert ours.tolist() == [0] * 41 + [1] * 41
    assert (ours != theirs).sum() <= 1


def test_upsampling_keeps_dtype_and_passes_gradients():
    x = normal(1, 2, 3, 4).float().requires_grad_()
    other = x.detach().clone().requires_grad_()
    ours, theirs = upsample_bilinear(x, (7, 9)), F.interpolate(other, (7, 9), mode="bilinear")
    assert ours.dtype == torch.float32
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(x.grad, other.grad)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("old", "new"), [(5, 12), (1, 4), (7, 3), (4, 4), (2, 1)])
def test_rows_of_an_interpolation_matrix_are_weights(old, new, align_corners):
    matrix = interpolation_matrix(old, new, align_corners=align_corners)
    assert matrix.shape == (new, old)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(new, dtype=F64))
    assert ((matrix > 0).sum(dim=1) <= 2).all()


def test_the_two_conventions_keep_different_things():
    """Ramps: one convention is right in the middle of pixels, the other at the outermost ones."""
    ramp = torch.arange(4.0, dtype=F64)
    half = interpolation_matrix(4, 8) @ ramp
    assert half.tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    corners = interpolation_matrix(4, 10, align_corners=True) @ ramp
    torch.testing.assert_close(corners, torch.arange(10, dtype=F64) / 3)


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES)
def test_transposed_convolution_equals_torch(case):
    (x, weight, bias), options = draw(case)
    for inputs in ((x, weight, bias), (x, weight)):
        wanted = F.conv_transpose2d(*inputs, **options)
        torch.testing.assert_close(conv_transpose2d(*inputs, **options), wanted)


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_transposed_convolution_equal_torch(case):
    tensors, options = draw(case)
    ours, theirs = ([t.clone().requires_grad_() for t in tensors] for _ in range(2))
    conv_transpose2d(*ours, **options).square().sum().backward()
    F.conv_transpose2d(*theirs, **options).square().sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.parity
@settings(max_examples=80, deadline=None)
@given(
    size=st.integers(1, 8),
    kernel=st.integers(1, 6),
    stride=st.integers(1, 4),
    padding=st.integers(0, 4),
    extra=st.integers(0, 3),
)
def test_sizes_equal_torch_or_are_refused(size, kernel, stride, padding, extra):
    layer = {"stride": stride, "padding": padding, "output_padding": extra % stride}
    length = stride * (size - 1) + kernel - 2 * padding + extra % stride
    if length < 1:
        with pytest.raises(ValueError, match="are left"):
            transposed_size(size, kernel, **layer)
        return
    wanted = F.conv_transpose1d(torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), **layer)
    assert transposed_size(size, kernel, **layer) == wanted.shape[-1] == length


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [((4, 5), 1, 1), ((5, 7), 2, 1), ((6, 4), 2, 0)]
)
def test_the_matrix_is_the_convolution_and_its_transpose_the_transposed_one(size, stride, padding):
    x, weight = normal(1, 2, *size), normal(3, 2, 3, 3, seed=1)
    a = convolution_matrix(weight, size, stride=stride, padding=padding)
    y = conv2d(x, weight, stride=stride, padding=padding)
    torch.testing.assert_close(a @ x.flatten(), y.flatten())
    v = normal(*y.shape, seed=2)
    extra = [(n + 2 * padding - 3) % stride for n in size]
    back = F.conv_transpose2d(v, weight, stride=stride, padding=padding, output_padding=extra)
    torch.testing.assert_close((a.T @ v.flatten()).view(x.shape), back)


@pytest.mark.parametrize(
    ("stride", "wanted"),
    [
        (1, [1]),
        (2, [0.25, 0.75, 0.75, 0.25]),
        (3, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]),
        (4, [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125]),
    ],
)
def test_known_bilinear_kernels(stride, wanted):
    torch.testing.assert_close(bilinear_kernel(stride), torch.tensor(wanted, dtype=torch.float32))


@pytest.mark.parity
@pytest.mark.parametrize("stride", [2, 3, 4, 8])
def test_the_bilinear_weight_upsamples_inside(stride):
    x = normal(2, 3, 5, 7).float()
    layer = nn.ConvTranspose2d(
        3, 3, 2 * stride - stride % 2, stride, padding=stride // 2, bias=False
    )
    layer.weight.data.copy_(bilinear_weight(3, stride))
    wanted = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    got, edge = layer(x), slice(stride, -stride)
    assert got.shape == wanted.shape
    torch.testing.assert_close(got[..., edge, edge], wanted[..., edge, edge])


@pytest.mark.parametrize(
    ("kernel", "stride"), [((4, 4), 2), ((3, 3), 2), ((5, 4), 3), ((2, 2), 2), ((2, 3), 3)]
)
def test_a_constant_map_shows_the_phase_sums(kernel, stride):
    weight = normal(*kernel)
    answer = F.conv_transpose2d(torch.ones(1, 1, 6, 6, dtype=F64), weight[None, None], None, stride)
    inner = answer[0, 0, 2 * stride : 4 * stride, 2 * stride : 4 * stride]
    torch.testing.assert_close(inner, phase_sums(weight, stride).repeat(2, 2))


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 7])
def test_a_bilinear_kernel_makes_no_checkerboard(stride):
    sums = phase_sums(bilinear_weight(1, stride)[0, 0], stride)
    torch.testing.assert_close(sums, torch.ones(stride, stride))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: upsample_nearest(torch.zeros(3, 4, 4), (8, 8)), "want .B, C, h, w"),
        (lambda: upsample_bilinear(torch.zeros(1, 3, 4, 4), (0, 8)), "at least 1x1"),
        (lambda: interpolation_matrix(0, 3), "at least 1 pixel"),
        (lambda: bilinear_kernel(0), "at least 1"),
        (lambda: transposed_size(4, 3, stride=2, output_padding=2), "from 0 to stride - 1"),
        (lambda: transposed_size(1, 2, padding=1), r"1 x \(1 - 1\) \+ 2 - 2 x 1"),
        (
            lambda: conv_transpose2d(torch.zeros(1, 3, 4, 4), torch.zeros(2, 3, 3, 3)),
            "input channels come first",
        ),
        (
            lambda: convolution_matrix(torch.zeros(1, 1, 5, 5), (3, 3)),
            "window of 5 does not fit",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
