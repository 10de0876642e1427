"""Check of the exercise `minibatch_std`: show a discriminator how much a batch varies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

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
    return _joined(h, _deviation(h).mean())


def _deviation(h: Tensor, correction: int = 0) -> Tensor:
    """(C, H, W): over the images."""
    squares = (h - h.mean(0)).square().sum(0)
    return (squares / (len(h) - correction) + EPS).sqrt()


def _joined(h: Tensor, value: Tensor) -> Tensor:
    return torch.cat([h, value.expand(len(h), 1, *h.shape[2:])], dim=1)


def _over_pixels(h: Tensor) -> Tensor:
    return _joined(h, (h.var((2, 3), correction=0) + EPS).sqrt().mean())


def _over_everything(h: Tensor) -> Tensor:
    return _joined(h, (h.var(correction=0) + EPS).sqrt())


def _over_channels(h: Tensor) -> Tensor:
    return _joined(h, (h.var(1, correction=0) + EPS).sqrt().mean())


def _of_means(h: Tensor) -> Tensor:
    return _joined(h, (h.mean((1, 2, 3)).var(correction=0) + EPS).sqrt())


def _variance(h: Tensor) -> Tensor:
    return _joined(h, (h.var(0, correction=0) + EPS).mean())


def _root_of_mean(h: Tensor) -> Tensor:
    return _joined(h, (h.var(0, correction=0) + EPS).mean().sqrt())


def _corrected(h: Tensor) -> Tensor:
    return _joined(h, _deviation(h, correction=1).mean())


def _map(h: Tensor) -> Tensor:
    return torch.cat([h, _deviation(h).mean(0).expand(len(h), 1, -1, -1)], dim=1)


def _first(h: Tensor) -> Tensor:
    return _joined(h, _deviation(h).mean()).roll(1, dims=1)


def _no_eps(h: Tensor) -> Tensor:
    return _joined(h, h.var(0, correction=0).sqrt().mean())


MISTAKES = [
    Mistake(
        "deviation over the pixels of each image",
        _over_pixels,
        "You measured how much the pixels of *one* image differ. Four equal images would look as "
        "varied as four different ones. Take the deviation over dimension 0, the images.",
    ),
    Mistake(
        "deviation over the whole tensor",
        _over_everything,
        "One deviation over everything mixes differences between images with those within them, "
        "and is not 0 for equal images. First over the images at each channel and position, then "
        "the mean.",
    ),
    Mistake(
        "deviation over the channels",
        _over_channels,
        "You took the deviation over dimension 1, the channels. The images are dimension 0.",
    ),
    Mistake(
        "deviation of the images' means",
        _of_means,
        "You averaged each image first and compared the averages. Two different images with the "
        "same mean would count as equal. Deviation first, mean second.",
    ),
    Mistake(
        "variance, not deviation",
        _variance,
        "You averaged variances. Take the root at each channel and position, before the mean.",
    ),
    Mistake(
        "the root after the mean",
        _root_of_mean,
        "You averaged the variances and took the root at the end. The root comes first, at each "
        "channel and position; the mean comes last.",
    ),
    Mistake(
        "divided by B - 1",
        _corrected,
        "Your variance divides by B - 1: that is torch's default. Here it divides by B "
        "(correction=0), and then a batch of one image gives 0 and not a number that does not "
        "exist.",
    ),
    Mistake(
        "a map of deviations",
        _map,
        "You averaged over channels only, so the new channel differs from place to place. Average "
        "over positions, too: one number for the batch.",
    ),
    Mistake(
        "the new channel stands first",
        _first,
        "The values are right, but the new channel stands before the others. Put it last.",
    ),
    Mistake(
        "no epsilon",
        _no_eps,
        "For equal images the root of 0 has no finite gradient, and training stops with NaN. Add "
        "1e-8 to the variance before the root.",
    ),
]


def _draw(generator: torch.Generator) -> Tensor:
    height, width = (int(n) for n in torch.randint(3, 6, (2,), generator=generator))
    size = torch.exp(torch.randn(1, 3, height, width, generator=generator))
    centre = 2 * torch.randn(1, 3, height, width, generator=generator)
    return centre + size * torch.randn(4, 3, height, width, generator=generator)


def _example(generator: torch.Generator) -> tuple:
    return (_draw(generator),)


def _gradient_at_equal(student: Any) -> Tensor:
    h = torch.ones(3, 2, 2, 2, requires_grad=True)
    student(h)[:, -1].sum().backward()
    if h.grad is None:
        raise AssertionError("no gradient reaches the features")
    return h.grad


def _probe(student: Any, arguments: tuple) -> list:
    return [student(*arguments), _gradient_at_equal(student)]


def _value(student: Any, generator: torch.Generator) -> None:
    h = _draw(generator)
    assert_close(student(h), reference(h), "the features with the new channel")


def _by_hand(student: Any, generator: torch.Generator) -> None:
    h = torch.tensor([[0.0, 4.0], [2.0, 4.0]]).reshape(2, 1, 1, 2)
    found = student(h)
    wanted = torch.full((2, 1, 2), 0.5)
    assert_close(found[:, -1], wanted, "the new channel for (0, 4) and (2, 4)", tolerance=2e-4)


def _one(student: Any, generator: torch.Generator) -> None:
    if not bool(_gradient_at_equal(student).isfinite().all()):
        raise AssertionError("for equal images the gradient is not finite")
    h = _draw(generator)[:1]
    assert_close(student(h), reference(h), "for a batch of one image, the result")


PROPERTIES = [
    Property("the mean of deviations over the images, as one more channel", 2, _value),
    Property("two images by hand", 1, _by_hand),
    Property("one image, and equal images, make no trouble", 1, _one),
]


def minibatch_std(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `minibatch_std(h)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "minibatch_std",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
