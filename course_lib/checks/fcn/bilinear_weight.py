"""Check of the exercise `bilinear_weight`: with it a transposed convolution interpolates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import assert_close
from course_lib.checks.core import Check


def reference(channels: int, stride: int) -> Tensor:
    """Return the weight (channels, channels, k, k), k = 2 stride, or 2 stride - 1 if it is odd.

    Args:
        channels: Channels in, and as many out.
        stride: How many times larger the map becomes.
    """
    return _weight(channels, stride)


def _size(stride: int) -> int:
    return 2 * stride - stride % 2


def _triangle(stride: float, size: int) -> Tensor:
    return 1 - (torch.arange(size) - (size - 1) / 2).abs() / stride


def _product(line: Tensor) -> Tensor:
    return line[:, None] * line


def _diagonal(channels: int, kernel: Tensor) -> Tensor:
    return torch.eye(channels)[:, :, None, None] * kernel


def _weight(
    channels: int,
    stride: int,
    *,
    size: Callable[[int], int] = _size,
    line: Callable[[int, int], Tensor] = _triangle,
    plane: Callable[[Tensor], Tensor] = _product,
    place: Callable[[int, Tensor], Tensor] = _diagonal,
) -> Tensor:
    """The weight, with one step at a time that can be made wrong."""
    return place(channels, plane(line(stride, size(stride))))


def _example(generator: torch.Generator) -> tuple:
    channels, stride = (int(n) for n in torch.randint(2, 6, (2,), generator=generator))
    return channels, stride


bilinear_weight = Check(
    "bilinear_weight", lab="fcn", level="build", minutes=15, reference=reference, example=_example
)


@bilinear_weight.holds("the weight has the shape (channels, channels, k, k)", points=1)
def _shape(student: Any, generator: torch.Generator) -> None:
    channels = int(torch.randint(2, 5, (1,), generator=generator))
    for stride, size in ((2, 4), (4, 8)):
        got, wanted = student(channels, stride), (channels, channels, size, size)
        found = tuple(getattr(got, "shape", ()))
        if found != wanted:
            raise AssertionError(
                f"for {channels} channels and stride {stride} you return "
                f"{found or type(got).__name__}, wanted {wanted}"
            )


@bilinear_weight.holds("channels stay apart", points=1)
def _apart(student: Any, generator: torch.Generator) -> None:
    weight = student(4, 2)
    if not isinstance(weight, Tensor) or weight.shape[:2] != (4, 4):
        found = tuple(getattr(weight, "shape", ())) or type(weight).__name__
        raise AssertionError(f"for 4 channels you return {found}, wanted (4, 4, k, k)")
    off = weight[~torch.eye(4, dtype=torch.bool)]
    assert_close(off, torch.zeros_like(off), "the weight between two different channels")
    if not weight.any():
        raise AssertionError("all weights are 0")


def _upsamples(strides: tuple[int, ...]) -> Callable[[Any, torch.Generator], None]:
    def test(student: Any, generator: torch.Generator) -> None:
        for stride in strides:
            x = torch.randn(1, 3, 5, 6, generator=generator)
            weight = student(3, stride)
            if not isinstance(weight, Tensor) or weight.ndim != 4 or weight.shape[:2] != (3, 3):
                found = tuple(getattr(weight, "shape", ())) or type(weight).__name__
                raise AssertionError(f"for 3 channels you return {found}, wanted (3, 3, k, k)")
            got = F.conv_transpose2d(x, weight.to(x), stride=stride, padding=stride // 2)
            wanted = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
            if got.shape != wanted.shape:
                raise AssertionError(
                    f"with your weight of {tuple(weight.shape)}, stride {stride} and padding "
                    f"{stride // 2}, maps of (5, 6) become {tuple(got.shape[-2:])}, wanted "
                    f"{tuple(wanted.shape[-2:])}"
                )
            inner = (..., slice(stride, -stride), slice(stride, -stride))
            what = f"for stride {stride}, away from the borders, the upsampled map"
            assert_close(got[inner], wanted[inner], what)

    return test


for _strides, _name, _points in (
    ((2, 4), "even strides: the result is bilinear upsampling", 2),
    ((3, 5), "odd strides too", 1),
):
    bilinear_weight.holds(_name, points=_points)(_upsamples(_strides))

bilinear_weight.mistake(
    "all pairs of channels",
    partial(_weight, place=lambda c, kernel: kernel.repeat(c, c, 1, 1)),
    hint="You put the triangle between all pairs of channels. Then every class gets the sum of all "
    "classes' scores. It belongs where input and output channel are the same; 0 elsewhere.",
)
bilinear_weight.mistake(
    "one input channel",
    partial(_weight, place=lambda c, kernel: kernel.repeat(c, 1, 1, 1)),
    hint="Your weight has the shape (channels, 1, k, k). That is right for a transposed "
    "convolution with groups=channels; this one has (channels, channels, k, k).",
)
bilinear_weight.mistake(
    "weights add up to 1",
    partial(_weight, plane=lambda line: _product(line) / _product(line).sum()),
    hint="You divided by the sum of all weights. Each output pixel meets only some of them: the "
    "weights of one *phase* must add up to 1, all together stride * stride. Your map would come "
    "out too small by that factor.",
)
bilinear_weight.mistake(
    "one phase in the other's place",
    partial(_weight, plane=lambda line: _product(line) * 4 / _product(line).sum()),
    hint="Your weights add up to 4, which is right for stride 2 only. The weights of one phase add "
    "up to 1, and there are stride * stride phases.",
)
bilinear_weight.mistake(
    "ends at zero",
    partial(
        _weight,
        line=lambda stride, size: (
            1 - (torch.arange(size) - (size - 1) / 2).abs() / ((size - 1) / 2)
        ),
    ),
    hint="Your triangle reaches 0 at its first and last weight. It must reach 0 one step outside: "
    "it falls by 1 / stride from weight to weight.",
)
bilinear_weight.mistake(
    "off centre",
    partial(_weight, line=lambda stride, size: 1 - (torch.arange(size) - size // 2).abs() / stride),
    hint="Your triangle's peak lies on weight k // 2. For an even k the middle lies between two "
    "weights, at (k - 1) / 2; otherwise the map is moved by half a pixel.",
)
bilinear_weight.mistake(
    "a pyramid",
    partial(_weight, plane=lambda line: torch.minimum(line[:, None], line)),
    hint="You combined rows and columns by the smaller of the two, which makes a pyramid. "
    "Interpolating along rows and then along columns multiplies the weights.",
)
bilinear_weight.mistake(
    "a cone",
    partial(
        _weight,
        plane=lambda line: (1 - ((1 - line)[:, None] ** 2 + (1 - line) ** 2).sqrt()).clamp(min=0),
    ),
    hint="Your weights fall with the distance from the centre, in a circle. Bilinear interpolation "
    "works along rows and then along columns: multiply the two triangles.",
)
bilinear_weight.mistake(
    "the sum of both axes",
    partial(_weight, plane=lambda line: (line[:, None] + line) / 2),
    hint="You combined rows and columns by their mean. Interpolating along rows and then along "
    "columns *multiplies* the weights.",
)
bilinear_weight.mistake(
    "a box",
    lambda channels, stride: _diagonal(channels, torch.ones(stride, stride)),
    hint="A box of ones repeats each pixel: that is nearest-neighbour upsampling. Bilinear weights "
    "fall off linearly and reach into the neighbours, over 2 * stride places.",
)
bilinear_weight.mistake(
    "even size for an odd stride",
    partial(_weight, size=lambda stride: 2 * stride),
    hint="For an odd stride the kernel has 2 * stride - 1 weights, with one of them in the middle. "
    "With 2 * stride of them no padding puts the map in its place.",
)
