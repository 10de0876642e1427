"""Check of the exercise `minibatch_std`: show a discriminator how much a batch varies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import call, gradient_at
from course_lib.checks.core import Check

EPS = 1e-8


def reference(h: Tensor) -> Tensor:
    """Return the features with one more channel: the deviation over the batch, averaged.

    Args:
        h: (B, C, H, W); the whole batch is one group.

    Returns:
        (B, C + 1, H, W): h, then the mean over channels and positions of the root of (variance over
        the images + 1e-8), everywhere the same.

    Source: eq-stylegan-minibatch-std.
    """
    return torch.cat([h, _deviation(h).mean().expand(len(h), 1, *h.shape[2:])], dim=1)


def _deviation(h: Tensor) -> Tensor:
    """(C, H, W): over the images."""
    return (h.var(0, correction=0) + EPS).sqrt()


def _joined(number: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """An answer whose number, or map, can be made wrong."""
    return lambda h: torch.cat([h, number(h).expand(len(h), 1, *h.shape[2:])], dim=1)


def _draw(generator: torch.Generator, batch: int = 4) -> tuple[Tensor]:
    height, width = (int(n) for n in torch.randint(3, 6, (2,), generator=generator))
    size = torch.exp(torch.randn(1, 3, height, width, generator=generator))
    centre = 2 * torch.randn(1, 3, height, width, generator=generator)
    return (centre + size * torch.randn(batch, 3, height, width, generator=generator),)


def _equal(generator: torch.Generator) -> tuple[Tensor]:
    return (_draw(generator, batch=1)[0].repeat(2, 1, 1, 1),)


def _probe(student: Any, arguments: tuple) -> list:
    alike = arguments[0][:1].repeat(2, 1, 1, 1)
    return [student(*arguments), *(gradient_at(0)(student, (h,)) for h in (*arguments, alike))]


minibatch_std = Check(
    "minibatch_std",
    lab="stylegan",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=_draw,
    probe=_probe,
)
minibatch_std.equals_reference(
    "the mean of deviations over the images, as one more channel",
    points=2,
    probe=call,
    what="the features with the new channel",
)
minibatch_std.equals_reference(
    "the gradient passes through the new channel, too",
    points=1,
    probe=gradient_at(0),
    what="the gradient at the features",
)
minibatch_std.equals_reference(
    "one image, and equal images, make no trouble",
    points=1,
    example=[partial(_draw, batch=1), _equal],
    probe=lambda student, arguments: (call(student, arguments), gradient_at(0)(student, arguments)),
    what=("for equal images, the result", "for equal images, the gradient at the features"),
)

minibatch_std.mistake(
    "deviation over the pixels of each image",
    _joined(lambda h: (h.var((2, 3), correction=0) + EPS).sqrt().mean()),
    hint="You measured how much the pixels of *one* image differ. Four equal images would look as "
    "varied as four different ones. Take the deviation over dimension 0, the images.",
)
minibatch_std.mistake(
    "deviation over the whole tensor",
    _joined(lambda h: (h.var(correction=0) + EPS).sqrt()),
    hint="One deviation over everything mixes differences between images with those within them, "
    "and is not 0 for equal images. First over the images at each channel and position, then the "
    "mean.",
)
minibatch_std.mistake(
    "deviation over the channels",
    _joined(lambda h: (h.var(1, correction=0) + EPS).sqrt().mean()),
    hint="You took the deviation over dimension 1, the channels. The images are dimension 0.",
)
minibatch_std.mistake(
    "deviation of the images' means",
    _joined(lambda h: (h.mean((1, 2, 3)).var(correction=0) + EPS).sqrt()),
    hint="You averaged each image first and compared the averages. Two different images with the "
    "same mean would count as equal. Deviation first, mean second.",
)
minibatch_std.mistake(
    "variance, not deviation",
    _joined(lambda h: (h.var(0, correction=0) + EPS).mean()),
    hint="You averaged variances. Take the root at each channel and position, before the mean.",
)
minibatch_std.mistake(
    "the root after the mean",
    _joined(lambda h: (h.var(0, correction=0) + EPS).mean().sqrt()),
    hint="You averaged the variances and took the root at the end. The root comes first, at each "
    "channel and position; the mean comes last.",
)
minibatch_std.mistake(
    "divided by B - 1",
    _joined(lambda h: (h.var(0) + EPS).sqrt().mean()),
    hint="Your variance divides by B - 1: that is torch's default. Here it divides by B "
    "(correction=0), and then a batch of one image gives 0 and not a number that does not exist.",
)
minibatch_std.mistake(
    "a map of deviations",
    _joined(lambda h: _deviation(h).mean(0)),
    hint="You averaged over channels only, so the new channel differs from place to place. Average "
    "over positions, too: one number for the batch.",
)
minibatch_std.mistake(
    "the new channel stands first",
    lambda h: reference(h).roll(1, dims=1),
    hint="The values are right, but the new channel stands before the others. Put it last.",
)
minibatch_std.mistake(
    "no epsilon",
    _joined(lambda h: h.var(0, correction=0).sqrt().mean()),
    hint="For equal images the root of 0 has no finite gradient, and training stops with NaN. Add "
    "1e-8 to the variance before the root.",
)
minibatch_std.mistake(
    "the number without its graph",
    _joined(lambda h: _deviation(h).mean().detach()),
    hint="The number is right, but it has lost its graph (detach, .item(), float(), torch.tensor). "
    "The generator learns variety through this number's gradient: keep it a tensor, and expand it.",
)
minibatch_std.mistake(
    "the mean distance from the mean image",
    _joined(lambda h: (h - h.mean(0)).abs().mean()),
    hint="You averaged absolute differences from the mean image. Wanted is the root of the mean "
    "*square* at each channel and position.",
)
