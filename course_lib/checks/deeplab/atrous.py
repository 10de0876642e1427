"""Check of the exercise `atrous`: a convolution whose taps lie `rate` pixels apart."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import assert_close
from course_lib.checks.core import Check


def reference(x: Tensor, weight: Tensor, rate: int) -> Tensor:
    """Convolve one channel at a rate and keep its size; outside of the image everything is 0.

    Args:
        x: (H, W).
        weight: (k, k), k odd.
        rate: Pixels from one tap to the next.

    Returns:
        (H, W).
    """
    return _convolve(x, weight, rate, rate * (len(weight) // 2))


def _convolve(
    x: Tensor, weight: Tensor, rate: int | tuple[int, int], padding: int | tuple[int, int]
) -> Tensor:
    return F.conv2d(x[None, None], weight[None, None], dilation=rate, padding=padding)[0, 0]


def _around(x: Tensor, weight: Tensor, rate: int, mode: str) -> Tensor:
    pad = [rate * (len(weight) // 2)] * 4
    return _convolve(F.pad(x[None, None], pad, mode=mode)[0, 0], weight, rate, 0)


def _top_left(x: Tensor, weight: Tensor, rate: int) -> Tensor:
    reach = rate * (len(weight) - 1)
    return _convolve(F.pad(x, [0, reach, 0, reach]), weight, rate, 0)


def _no_middle(x: Tensor, weight: Tensor, rate: int) -> Tensor:
    half = len(weight) // 2
    return reference(x, weight, rate) - weight[half, half] * x


def _rows_only(x: Tensor, weight: Tensor, rate: int) -> Tensor:
    half = len(weight) // 2
    return _convolve(x, weight, (rate, 1), (rate * half, half))


def _pick(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _draw(generator: torch.Generator, *, kernel: int, rate: int) -> tuple[Tensor, Tensor, int]:
    height, width = (2 * rate + int(n) for n in torch.randperm(4, generator=generator)[:2] + 5)
    x = torch.rand((height, width), generator=generator) + 0.5
    weight = torch.rand((kernel, kernel), generator=generator) + 0.5
    return x, weight, rate


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, kernel=3, rate=_pick(2, 3, generator))


def _impulse(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    x = torch.zeros(15, 17)
    x[7, 8] = 1
    return x, torch.rand((3, 3), generator=generator) + 0.5, _pick(2, 3, generator)


def _huge_rate(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    x, weight, _ = _draw(generator, kernel=3, rate=2)
    return x, weight, max(x.shape)  # only the middle tap is inside


atrous = Check(
    "atrous", lab="deeplab", level="build", minutes=15, reference=reference, example=_example
)


@atrous.holds("the map has the size of the image", points=1)
def _size(student: Any, generator: torch.Generator) -> None:
    for rate in (1, 2, 4):
        x, weight, _ = _draw(generator, kernel=3, rate=rate)
        got = tuple(getattr(student(x, weight, rate), "shape", ()))
        assert got == tuple(x.shape), (
            f"for an image of {tuple(x.shape)} at rate {rate} you return {got or 'no tensor'}, "
            f"wanted {tuple(x.shape)}"
        )


atrous.equals_reference(
    "each tap lands in its place",
    points=1,
    example=_impulse,
    what="the answer to a single bright pixel at rate {2}",
)


@atrous.holds("away from the border the numbers are right", points=2)
def _inner(student: Any, generator: torch.Generator) -> None:
    for rate in (1, 2, 3):
        x, weight, _ = _draw(generator, kernel=3, rate=rate)
        got, wanted = student(x, weight, rate), reference(x, weight, rate)
        if not isinstance(got, Tensor) or got.shape != wanted.shape:
            assert_close(got, wanted, f"the map at rate {rate}")
        inside = (slice(rate, -rate), slice(rate, -rate))
        assert_close(got[inside], wanted[inside], f"away from the border at rate {rate}, the map")


atrous.equals_reference(
    "outside of the image everything is 0",
    points=1,
    example=[partial(_draw, kernel=3, rate=2), _huge_rate],
    what="the map with its border, at rate {2},",
)
atrous.equals_reference(
    "kernels other than 3x3 work too",
    points=1,
    example=[partial(_draw, kernel=5, rate=2), partial(_draw, kernel=1, rate=3)],
    what="the map of another kernel",
)

atrous.mistake(
    "rate ignored",
    lambda x, weight, rate: reference(x, weight, 1),
    hint="Your answer does not change with the rate: it is the ordinary convolution. Multiply the "
    "tap's place by the rate before you add it to the pixel's.",
)
atrous.mistake(
    "rate holes between taps",
    lambda x, weight, rate: reference(x, weight, rate + 1),
    hint="Your taps lie rate + 1 pixels apart. At rate r there are r - 1 holes between two taps: "
    "rate 1 has none, it is the ordinary convolution.",
)
atrous.mistake(
    "outputs skipped instead of inputs",
    lambda x, weight, rate: reference(x, weight, 1)[::rate, ::rate],
    hint="You keep every rate-th output. That is a stride: it makes the map smaller and its taps "
    "stay close together. A rate spreads the taps and keeps every output.",
)
atrous.mistake(
    "no padding",
    lambda x, weight, rate: _convolve(x, weight, rate, 0),
    hint="Your map is smaller than the image: you compute only where all taps are inside. Surround "
    "the image with rate * (k - 1) / 2 zeros first.",
)
atrous.mistake(
    "padded for rate 1",
    lambda x, weight, rate: _convolve(x, weight, rate, len(weight) // 2),
    hint="You pad by (k - 1) / 2, which keeps the size at rate 1 only. The kernel spans r (k - 1) "
    "+ 1 pixels, so half of r (k - 1) zeros are needed on each side.",
)
atrous.mistake(
    "kernel flipped",
    lambda x, weight, rate: reference(x, weight.flip(0, 1), rate),
    hint="Your kernel is upside down and left to right: that is convolution in the sense of "
    "mathematics. Layers use cross-correlation: tap (a, b) reads a rows *below* the first.",
)
atrous.mistake(
    "kernel transposed",
    lambda x, weight, rate: reference(x, weight.T, rate),
    hint="Rows and columns of the kernel are swapped: weight[a, b] belongs to row a and column b.",
)
atrous.mistake(
    "only rows spread",
    _rows_only,
    hint="You spread the taps down, but not across. The rate counts along both axes.",
)
atrous.mistake(
    "only columns spread",
    lambda x, weight, rate: _rows_only(x.T, weight.T, rate).T,
    hint="You spread the taps across, but not down. The rate counts along both axes.",
)
atrous.mistake(
    "kernel not centred",
    _top_left,
    hint="Your kernel hangs from its first tap: all zeros are at the bottom and the right, so the "
    "map is moved. Pad all four sides alike, so that the middle tap lies on the pixel.",
)
atrous.mistake(
    "the border wraps around",
    lambda x, weight, rate: _around(x, weight, rate, "circular"),
    hint="Taps that leave the image on one side come back on the other (torch.roll does that). "
    "Outside of the image everything is 0.",
)
atrous.mistake(
    "the border repeated",
    lambda x, weight, rate: _around(x, weight, rate, "replicate"),
    hint="Outside of the image you repeat its border. The layer that you rebuild has zeros there.",
)
atrous.mistake(
    "the border mirrored",
    partial(_around, mode="reflect"),
    hint="Outside of the image you mirror it. The layer that you rebuild has zeros there.",
)
atrous.mistake(
    "the mean of the taps",
    lambda x, weight, rate: reference(x, weight, rate) / weight.numel(),
    hint="You divide by the number of taps. A layer adds its products up; it takes no mean.",
)
atrous.mistake(
    "the middle tap forgotten",
    lambda x, weight, rate: (
        reference(x, weight, rate) - weight[len(weight) // 2, len(weight) // 2] * x
    ),
    hint="Your sum lacks the middle tap, the pixel itself.",
)
