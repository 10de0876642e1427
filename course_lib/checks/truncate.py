"""Check of the exercise `truncate`: styles pulled towards their mean."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    """Return styles between their mean (psi = 0) and themselves (psi = 1).

    Args:
        w: (B, D).
        mean: (D,), the mean style of training.
        psi: from 0 to 1.

    Returns:
        (B, D).

    Source: eq-stylegan-truncation.
    """
    return mean + psi * (w - mean)


def _towards_zero(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    return psi * w


def _swapped(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    return w + psi * (mean - w)


def _mean_kept(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    return mean + psi * w


def _batch_mean(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    return w.mean(0) + psi * (w - w.mean(0))


def _own_mean(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    centre = w.mean(1, keepdim=True)
    return centre + psi * (w - centre)


def _cut(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    return mean + (w - mean).clamp(-psi, psi)


def _mean_not_added(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    return psi * (w - mean)


MISTAKES = [
    Mistake(
        "towards 0",
        _towards_zero,
        "You scaled w itself, so psi = 0 gives a style of zeros. Nothing is special about 0 in "
        "this space: scale the difference from the mean.",
    ),
    Mistake(
        "psi the wrong way round",
        _swapped,
        "At psi = 1 your answer is the mean. It has to be w there, and the mean at psi = 0.",
    ),
    Mistake(
        "the mean added, not subtracted first",
        _mean_kept,
        "You added the mean without taking it away first: at psi = 1 you give mean + w. Scale "
        "w - mean.",
    ),
    Mistake(
        "the mean of this batch",
        _batch_mean,
        "You used the mean of the given styles. Then one and the same style gives another image "
        "in another batch, and a batch of one is the mean itself. Use the mean that is handed in.",
    ),
    Mistake(
        "each style's own mean",
        _own_mean,
        "You averaged over the numbers of a style, dimension 1. The mean style has one number for "
        "each of them.",
    ),
    Mistake(
        "cut off at psi",
        _cut,
        "You clamped the difference to [-psi, psi]. Cutting changes the direction of a style; "
        "here the whole difference is multiplied by psi.",
    ),
    Mistake(
        "the mean not added back",
        _mean_not_added,
        "You scaled the difference and left it there. Add the mean again.",
    ),
]


def _draw(generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    w = 2 * torch.randn(5, 7, generator=generator) + 1
    mean = 1 + torch.randn(7, generator=generator)
    return w, mean, 0.1 + 0.8 * float(torch.rand((), generator=generator))


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator)


def _between(student: Any, generator: torch.Generator) -> None:
    w, mean, psi = _draw(generator)
    assert_close(student(w, mean, psi), reference(w, mean, psi), f"for psi = {psi:.2f}, the styles")


def _ends(student: Any, generator: torch.Generator) -> None:
    w, mean, _ = _draw(generator)
    assert_close(student(w, mean, 1.0), w, "at psi = 1, the styles")
    assert_close(student(w, mean, 0.0), mean.expand_as(w), "at psi = 0, the styles")


PROPERTIES = [
    Property("styles between the mean and themselves", 2, _between),
    Property("w at psi = 1, the mean at psi = 0", 1, _ends),
]


def truncate(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `truncate(w, mean, psi)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "truncate", student, properties=PROPERTIES, mistakes=MISTAKES, example=_example, seed=seed
    )
