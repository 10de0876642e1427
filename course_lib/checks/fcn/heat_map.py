"""Check of the exercise `heat_map`: a linear layer, applied at every window of a feature map."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Check

Size = tuple[int, int]


def reference(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    """Return the scores of every window of `size`.

    Args:
        features: (B, C, h, w).
        weight: (M, C k l), of a linear layer for flattened (C, k, l) maps.
        bias: (M,).
        size: k and l.

    Returns:
        (B, M, h - k + 1, w - l + 1).
    """
    return _scores(features, weight, bias, size)


def _kernel(weight: Tensor, channels: int, size: Size) -> Tensor:
    return weight.reshape(len(weight), channels, *size)


def _scores(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    size: Size,
    *,
    kernel: Callable[[Tensor, int, Size], Tensor] = _kernel,
    scale: float = 1.0,
    steps: bool = False,
) -> Tensor:
    """The scores, with one thing at a time that can be made wrong."""
    taps = kernel(weight, features.shape[1], size)
    return F.conv2d(features, taps, scale * bias, stride=size if steps else 1)


def _pooled(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    return F.linear(F.adaptive_avg_pool2d(features, size).flatten(1), weight, bias)


def _corner(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    corner = features[:, :, : size[0], : size[1]]
    return F.linear(corner.flatten(1), weight, bias)[:, :, None, None]


def _padded(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    across, down = ([(n - 1) // 2, n // 2] for n in (size[1], size[0]))
    wide = F.pad(features, across + down)
    return reference(wide, weight, bias, size)


def _draw(
    generator: torch.Generator, *, size: Size, extra: Size, batch: int = 2
) -> tuple[Tensor, Tensor, Tensor, Size]:
    channels, outputs = (int(n) for n in torch.randint(2, 5, (2,), generator=generator))
    features = torch.randn(
        batch, channels, size[0] + extra[0], size[1] + extra[1], generator=generator
    )
    weight = torch.randn(outputs, channels * size[0] * size[1], generator=generator)
    bias = 1 + torch.rand(outputs, generator=generator)
    return features, weight, bias, size


def _example(generator: torch.Generator) -> tuple:
    k = int(torch.randint(2, 4, (1,), generator=generator))
    return _draw(generator, size=(k, k + 2), extra=(4, 3))


heat_map = Check(
    "heat_map", lab="fcn", level="build", minutes=15, reference=reference, example=_example
)
heat_map.equals_reference(
    "a map of one window: the linear layer's answer",
    points=1,
    example=partial(_draw, size=(3, 3), extra=(0, 0)),
    what="for a map of one window, the result",
)


@heat_map.holds("the result has one place for each window that fits", points=1)
def _shapes(student: Any, generator: torch.Generator) -> None:
    for size, extra in (((2, 3), (4, 2)), ((3, 2), (1, 5))):
        arguments = _draw(generator, size=size, extra=extra, batch=1)
        got, wanted = student(*arguments), tuple(reference(*arguments).shape)
        if tuple(getattr(got, "shape", ())) != wanted:
            found = tuple(getattr(got, "shape", ())) or type(got).__name__
            raise AssertionError(
                f"for features {tuple(arguments[0].shape)} and windows of {size} you return "
                f"{found}, wanted {wanted}"
            )


heat_map.equals_reference(
    "square windows: every score is right",
    points=2,
    example=partial(_draw, size=(2, 2), extra=(3, 4)),
    what="with 2x2 windows, the heat map",
)
heat_map.equals_reference(
    "windows wider than high: every score is right",
    points=1,
    example=partial(_draw, size=(2, 4), extra=(3, 1)),
    what="with 2x4 windows, the heat map",
)

heat_map.mistake(
    "pooled to one window",
    _pooled,
    hint="You shrank the whole map to one window, so each image gets one answer. That makes a "
    "classifier for any size; here every window is to get its own answer.",
)
heat_map.mistake(
    "one window only",
    _corner,
    hint="You answer for the top left window only. Let the window take every place where it fits: "
    "h - k + 1 rows and w - l + 1 columns.",
)
heat_map.mistake(
    "channels last",
    partial(_scores, kernel=lambda w, c, s: w.reshape(len(w), *s, c).permute(0, 3, 1, 2)),
    hint="You read each row of the weight as (k, l, C). A map (C, k, l) is flattened with the "
    "column changing fastest, then the row, then the channel: reshape to (M, C, k, l).",
)
heat_map.mistake(
    "rows and columns swapped",
    partial(_scores, kernel=lambda w, c, s: _kernel(w, c, s[::-1])),
    hint="Your kernel has l rows and k columns. `size` is height, then width, as everywhere.",
)
heat_map.mistake(
    "kernel transposed",
    partial(_scores, kernel=lambda w, c, s: _kernel(w, c, s[::-1]).mT),
    hint="Your kernel has the right shape, but its numbers run down the columns. A map (C, k, l) "
    "is flattened with the column changing fastest: reshape to (M, C, k, l), without a transpose.",
)
heat_map.mistake(
    "kernel turned",
    partial(_scores, kernel=lambda w, c, s: _kernel(w, c, s).flip(-2, -1)),
    hint="You turned the kernel by 180 degrees, as convolution in mathematics does. The layer of "
    "deep learning does not, and the linear layer's numbers belong where they were.",
)
heat_map.mistake(
    "no bias",
    partial(_scores, scale=0.0),
    hint="The scores lack the bias: every one of the M channels gets its own number added, at all "
    "places.",
)
heat_map.mistake(
    "bias at every tap",
    lambda f, w, b, s: _scores(f, w, b * s[0] * s[1], s),
    hint="You add the bias once for every place of the window. It is added once to each score.",
)
heat_map.mistake(
    "zeros around the map",
    _padded,
    hint="You padded the map to keep its size. Then windows at the rim look at zeros that no "
    "feature map held. Use the windows that fit, without padding.",
)
heat_map.mistake(
    "windows side by side",
    partial(_scores, steps=True),
    hint="Your windows do not overlap: you moved by a whole window. Move by one place of the map; "
    "the poolings before it have already made that several pixels.",
)
