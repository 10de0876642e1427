"""Check of the exercise `atrous`: a convolution whose taps lie `rate` pixels apart."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


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


def _rows_only(x: Tensor, weight: Tensor, rate: int) -> Tensor:
    half = len(weight) // 2
    return _convolve(x, weight, (rate, 1), (rate * half, half))


MISTAKES = [
    Mistake(
        "rate ignored",
        lambda x, weight, rate: reference(x, weight, 1),
        "Your answer does not change with the rate: it is the ordinary convolution. Multiply the "
        "tap's place by the rate before you add it to the pixel's.",
    ),
    Mistake(
        "rate holes between taps",
        lambda x, weight, rate: reference(x, weight, rate + 1),
        "Your taps lie rate + 1 pixels apart. At rate r there are r - 1 holes between two taps: "
        "rate 1 has none, it is the ordinary convolution.",
    ),
    Mistake(
        "outputs skipped instead of inputs",
        lambda x, weight, rate: reference(x, weight, 1)[::rate, ::rate],
        "You keep every rate-th output. That is a stride: it makes the map smaller and its taps "
        "stay close together. A rate spreads the taps and keeps every output.",
    ),
    Mistake(
        "no padding",
        lambda x, weight, rate: _convolve(x, weight, rate, 0),
        "Your map is smaller than the image: you compute only where all taps are inside. Surround "
        "the image with rate * (k - 1) / 2 zeros first.",
    ),
    Mistake(
        "padded for rate 1",
        lambda x, weight, rate: _convolve(x, weight, rate, len(weight) // 2),
        "You pad by (k - 1) / 2, which keeps the size at rate 1 only. The kernel spans "
        "r (k - 1) + 1 pixels, so half of r (k - 1) zeros are needed on each side.",
    ),
    Mistake(
        "kernel flipped",
        lambda x, weight, rate: reference(x, weight.flip(0, 1), rate),
        "Your kernel is upside down and left to right: that is convolution in the sense of "
        "mathematics. Layers use cross-correlation: tap (a, b) reads a rows *below* the first.",
    ),
    Mistake(
        "kernel transposed",
        lambda x, weight, rate: reference(x, weight.T, rate),
        "Rows and columns of the kernel are swapped: weight[a, b] belongs to row a and column b.",
    ),
    Mistake(
        "only rows spread",
        _rows_only,
        "You spread the taps down, but not across. The rate counts along both axes.",
    ),
    Mistake(
        "kernel not centred",
        _top_left,
        "Your kernel hangs from its first tap: all zeros are at the bottom and the right, so the "
        "map is moved. Pad all four sides alike, so that the middle tap lies on the pixel.",
    ),
    Mistake(
        "the border wraps around",
        lambda x, weight, rate: _around(x, weight, rate, "circular"),
        "Taps that leave the image on one side come back on the other (torch.roll does that). "
        "Outside of the image everything is 0.",
    ),
    Mistake(
        "the border repeated",
        lambda x, weight, rate: _around(x, weight, rate, "replicate"),
        "Outside of the image you repeat its border. The layer that you rebuild has zeros there.",
    ),
]


def _pick(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _draw(generator: torch.Generator, *, kernel: int, rate: int) -> tuple[Tensor, Tensor, int]:
    height, width = (2 * rate + int(n) for n in torch.randperm(4, generator=generator)[:2] + 5)
    x = torch.rand((height, width), generator=generator) + 0.5
    weight = torch.rand((kernel, kernel), generator=generator) + 0.5
    return x, weight, rate


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, kernel=3, rate=_pick(2, 3, generator))


def _size(student: Any, generator: torch.Generator) -> None:
    for rate in (1, 2, 4):
        x, weight, _ = _draw(generator, kernel=3, rate=rate)
        got = tuple(getattr(student(x, weight, rate), "shape", ()))
        assert got == tuple(x.shape), (
            f"for an image of {tuple(x.shape)} at rate {rate} you return {got or 'no tensor'}, "
            f"wanted {tuple(x.shape)}"
        )


def _impulse(student: Any, generator: torch.Generator) -> None:
    rate = _pick(2, 3, generator)
    x = torch.zeros(15, 17)
    x[7, 8] = 1
    weight = torch.rand((3, 3), generator=generator) + 0.5
    what = f"the answer to a single bright pixel at rate {rate}"
    assert_close(student(x, weight, rate), reference(x, weight, rate), what)


def _inner(student: Any, generator: torch.Generator) -> None:
    for rate in (1, 2, 3):
        x, weight, _ = _draw(generator, kernel=3, rate=rate)
        got, wanted = student(x, weight, rate), reference(x, weight, rate)
        assert_close(torch.as_tensor(got).shape, wanted.shape, "the shape")
        inside = (slice(rate, -rate), slice(rate, -rate))
        assert_close(got[inside], wanted[inside], f"away from the border at rate {rate}, the map")


def _border(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, kernel=3, rate=2)
    assert_close(student(*arguments), reference(*arguments), "the map with its border")
    x, weight, _ = arguments
    rate = max(x.shape)  # only the middle tap is inside
    what = f"the map at rate {rate}, larger than the image,"
    assert_close(student(x, weight, rate), reference(x, weight, rate), what)


def _larger(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, kernel=5, rate=2)
    assert_close(student(*arguments), reference(*arguments), "the map of a 5x5 kernel")


PROPERTIES = [
    Property("the map has the size of the image", 1, _size),
    Property("each tap lands in its place", 1, _impulse),
    Property("away from the border the numbers are right", 2, _inner),
    Property("outside of the image everything is 0", 1, _border),
    Property("kernels other than 3x3 work too", 1, _larger),
]


def atrous(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `atrous(x, weight, rate)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "atrous", student, properties=PROPERTIES, mistakes=MISTAKES, example=_example, seed=seed
    )
