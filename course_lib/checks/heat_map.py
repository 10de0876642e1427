"""Check of the exercise `heat_map`: a linear layer, applied at every window of a feature map."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

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
    return F.conv2d(features, _kernel(features, weight, size), bias)


def _kernel(features: Tensor, weight: Tensor, size: Size) -> Tensor:
    return weight.reshape(len(weight), features.shape[1], *size)


def _pooled(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    return F.linear(F.adaptive_avg_pool2d(features, size).flatten(1), weight, bias)


def _corner(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    corner = features[:, :, : size[0], : size[1]]
    return F.linear(corner.flatten(1), weight, bias)[:, :, None, None]


def _channels_last(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    kernel = weight.reshape(len(weight), *size, features.shape[1]).permute(0, 3, 1, 2)
    return F.conv2d(features, kernel, bias)


def _swapped(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    return F.conv2d(features, _kernel(features, weight, (size[1], size[0])), bias)


def _flipped(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    return F.conv2d(features, _kernel(features, weight, size).flip(-2, -1), bias)


def _no_bias(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    return F.conv2d(features, _kernel(features, weight, size))


def _padded(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    across, down = ([(n - 1) // 2, n // 2] for n in (size[1], size[0]))
    wide = F.pad(features, across + down)
    return F.conv2d(wide, _kernel(features, weight, size), bias)


def _side_by_side(features: Tensor, weight: Tensor, bias: Tensor, size: Size) -> Tensor:
    return F.conv2d(features, _kernel(features, weight, size), bias, stride=size)


MISTAKES = [
    Mistake(
        "pooled to one window",
        _pooled,
        "You shrank the whole map to one window, so each image gets one answer. That makes a "
        "classifier for any size; here every window is to get its own answer.",
    ),
    Mistake(
        "one window only",
        _corner,
        "You answer for the top left window only. Let the window take every place where it fits: "
        "h - k + 1 rows and w - l + 1 columns.",
    ),
    Mistake(
        "channels last",
        _channels_last,
        "You read each row of the weight as (k, l, C). A map (C, k, l) is flattened with the "
        "column changing fastest, then the row, then the channel: reshape to (M, C, k, l).",
    ),
    Mistake(
        "rows and columns swapped",
        _swapped,
        "Your kernel has l rows and k columns. `size` is height, then width, as everywhere.",
    ),
    Mistake(
        "kernel turned",
        _flipped,
        "You turned the kernel by 180 degrees, as convolution in mathematics does. The layer of "
        "deep learning does not, and the linear layer's numbers belong where they were.",
    ),
    Mistake(
        "no bias",
        _no_bias,
        "The scores lack the bias: every one of the M channels gets its own number added, at all "
        "places.",
    ),
    Mistake(
        "zeros around the map",
        _padded,
        "You padded the map to keep its size. Then windows at the rim look at zeros that no "
        "feature map held. Use the windows that fit, without padding.",
    ),
    Mistake(
        "windows side by side",
        _side_by_side,
        "Your windows do not overlap: you moved by a whole window. Move by one place of the map; "
        "the poolings before it have already made that several pixels.",
    ),
]


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


def _one_window(student: Any, generator: torch.Generator) -> None:
    features, weight, bias, size = _draw(generator, size=(3, 3), extra=(0, 0))
    wanted = F.linear(features.flatten(1), weight, bias)[:, :, None, None]
    assert_close(
        student(features, weight, bias, size), wanted, "for a map of one window, the result"
    )


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


def _square(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, size=(2, 2), extra=(3, 4))
    assert_close(student(*arguments), reference(*arguments), "with 2x2 windows, the heat map")


def _oblong(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, size=(2, 4), extra=(3, 1))
    assert_close(student(*arguments), reference(*arguments), "with 2x4 windows, the heat map")


PROPERTIES = [
    Property("a map of one window: the linear layer's answer", 1, _one_window),
    Property("the result has one place for each window that fits", 1, _shapes),
    Property("square windows: every score is right", 2, _square),
    Property("windows wider than high: every score is right", 1, _oblong),
]


def heat_map(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `heat_map(features, weight, bias, size)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "heat_map", student, properties=PROPERTIES, mistakes=MISTAKES, example=_example, seed=seed
    )
