"""Check of the exercise `bilinear_weight`: with it a transposed convolution interpolates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(channels: int, stride: int) -> Tensor:
    """Return the weight (channels, channels, k, k), k = 2 stride, or 2 stride - 1 if it is odd.

    Args:
        channels: Channels in, and as many out.
        stride: How many times larger the map becomes.
    """
    return _diagonal(channels, _product(_triangle(stride)))


def _triangle(stride: int) -> Tensor:
    size = 2 * stride - stride % 2
    return 1 - (torch.arange(size) - (size - 1) / 2).abs() / stride


def _product(line: Tensor) -> Tensor:
    return line[:, None] * line


def _diagonal(channels: int, kernel: Tensor) -> Tensor:
    weight = torch.zeros(channels, channels, *kernel.shape)
    weight[range(channels), range(channels)] = kernel
    return weight


def _all_pairs(channels: int, stride: int) -> Tensor:
    return _product(_triangle(stride)).repeat(channels, channels, 1, 1)


def _per_channel(channels: int, stride: int) -> Tensor:
    return _product(_triangle(stride)).repeat(channels, 1, 1, 1)


def _sum_one(channels: int, stride: int) -> Tensor:
    kernel = _product(_triangle(stride))
    return _diagonal(channels, kernel / kernel.sum())


def _to_zero(channels: int, stride: int) -> Tensor:
    size = 2 * stride - stride % 2
    line = 1 - (torch.arange(size) - (size - 1) / 2).abs() / ((size - 1) / 2)
    return _diagonal(channels, _product(line))


def _off_centre(channels: int, stride: int) -> Tensor:
    size = 2 * stride - stride % 2
    line = 1 - (torch.arange(size) - size // 2).abs() / stride
    return _diagonal(channels, _product(line))


def _pyramid(channels: int, stride: int) -> Tensor:
    line = _triangle(stride)
    return _diagonal(channels, torch.minimum(line[:, None], line))


def _box(channels: int, stride: int) -> Tensor:
    return _diagonal(channels, torch.ones(stride, stride))


def _always_even(channels: int, stride: int) -> Tensor:
    line = 1 - (torch.arange(2 * stride) - (2 * stride - 1) / 2).abs() / stride
    return _diagonal(channels, _product(line))


MISTAKES = [
    Mistake(
        "all pairs of channels",
        _all_pairs,
        "You put the triangle between all pairs of channels. Then every class gets the sum of all "
        "classes' scores. It belongs where input and output channel are the same; 0 elsewhere.",
    ),
    Mistake(
        "one input channel",
        _per_channel,
        "Your weight has the shape (channels, 1, k, k). That is right for a transposed convolution "
        "with groups=channels; this one has (channels, channels, k, k).",
    ),
    Mistake(
        "weights add up to 1",
        _sum_one,
        "You divided by the sum of all weights. Each output pixel meets only some of them: the "
        "weights of one *phase* must add up to 1, all together stride * stride. Your map would "
        "come out too small by that factor.",
    ),
    Mistake(
        "ends at zero",
        _to_zero,
        "Your triangle reaches 0 at its first and last weight. It must reach 0 one step outside: "
        "it falls by 1 / stride from weight to weight.",
    ),
    Mistake(
        "off centre",
        _off_centre,
        "Your triangle's peak lies on weight k // 2. For an even k the middle lies between two "
        "weights, at (k - 1) / 2; otherwise the map is moved by half a pixel.",
    ),
    Mistake(
        "a pyramid",
        _pyramid,
        "You combined rows and columns by the smaller of the two, which makes a pyramid. "
        "Interpolating along rows and then along columns multiplies the weights.",
    ),
    Mistake(
        "a box",
        _box,
        "A box of ones repeats each pixel: that is nearest-neighbour upsampling. Bilinear weights "
        "fall off linearly and reach into the neighbours, over 2 * stride places.",
    ),
    Mistake(
        "even size for an odd stride",
        _always_even,
        "For an odd stride the kernel has 2 * stride - 1 weights, with one of them in the middle. "
        "With 2 * stride of them no padding puts the map in its place.",
    ),
]


def _example(generator: torch.Generator) -> tuple:
    channels, stride = (int(n) for n in torch.randint(2, 6, (2,), generator=generator))
    return channels, stride


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


def _apart(student: Any, generator: torch.Generator) -> None:
    weight = student(4, 2)
    if not isinstance(weight, Tensor) or weight.shape[:2] != (4, 4):
        found = tuple(getattr(weight, "shape", ())) or type(weight).__name__
        raise AssertionError(f"for 4 channels you return {found}, wanted (4, 4, k, k)")
    off = weight[~torch.eye(4, dtype=torch.bool)]
    assert_close(off, torch.zeros_like(off), "the weight between two different channels")
    if not weight.any():
        raise AssertionError("all weights are 0")


PROPERTIES = [
    Property("the weight has the shape (channels, channels, k, k)", 1, _shape),
    Property("channels stay apart", 1, _apart),
    Property("even strides: the result is bilinear upsampling", 2, _upsamples((2, 4))),
    Property("odd strides too", 1, _upsamples((3, 5))),
]


def bilinear_weight(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `bilinear_weight(channels, stride)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "bilinear_weight",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
