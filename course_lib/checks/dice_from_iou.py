"""Check of the exercise `dice_from_iou`: mean Dice of the classes, from their IoU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(iou: Tensor) -> Tensor:
    """Return the mean Dice over the classes that have an IoU.

    Args:
        iou: (K,) scores in [0, 1], NaN for a class without one.

    Returns:
        Scalar; NaN if no class has one.
    """
    return _mean(iou, lambda j: 2 * j / (1 + j))


def _mean(iou: Tensor, convert: Callable[[Tensor], Tensor]) -> Tensor:
    return convert(iou).nanmean()


def _of_the_mean(iou: Tensor) -> Tensor:
    mean = iou.nanmean()
    return 2 * mean / (1 + mean)


def _backwards(iou: Tensor) -> Tensor:
    return _mean(iou, lambda d: d / (2 - d))


def _half(iou: Tensor) -> Tensor:
    return _mean(iou, lambda j: j / (1 + j))


def _doubled(iou: Tensor) -> Tensor:
    return _mean(iou, lambda j: (2 * j).clamp(max=1))


def _absent_zero(iou: Tensor) -> Tensor:
    return reference(iou.nan_to_num(0.0))


def _absent_one(iou: Tensor) -> Tensor:
    return reference(iou.nan_to_num(1.0))


def _poisoned(iou: Tensor) -> Tensor:
    return (2 * iou / (1 + iou)).mean()


def _zeros_left_out(iou: Tensor) -> Tensor:
    return reference(torch.where(iou == 0, torch.nan, iou))


MISTAKES = [
    Mistake(
        "the mean was converted",
        _of_the_mean,
        "You took the mean of the IoUs and converted that. Dice is a concave function of IoU, so "
        "the result is too large unless all classes are equal. Convert each class first, then take "
        "the mean.",
    ),
    Mistake(
        "converted backwards",
        _backwards,
        "D / (2 - D) makes IoU out of Dice. You are given IoU: D = 2 J / (1 + J). Check with "
        "J = 0.5: Dice is 2/3, never smaller than IoU.",
    ),
    Mistake(
        "half of it",
        _half,
        "J / (1 + J) is half of Dice: a perfect class would score 0.5. The shared part counts "
        "twice above the line: 2 J / (1 + J).",
    ),
    Mistake(
        "twice the IoU",
        _doubled,
        "Dice is not twice the IoU. The union below the line turns into the sum of both areas: "
        "D = 2 I / (U + I), and with I = J U that is 2 J / (1 + J).",
    ),
    Mistake(
        "an absent class counts as 0",
        _absent_zero,
        "A class without a score (NaN) was counted as 0, as if it had been missed. Leave it out of "
        "the mean: torch.nanmean.",
    ),
    Mistake(
        "an absent class counts as 1",
        _absent_one,
        "A class without a score (NaN) was counted as 1, a gift. Leave it out of the mean: "
        "torch.nanmean.",
    ),
    Mistake(
        "the mean is NaN",
        _poisoned,
        "One class without a score makes your whole mean NaN. Leave such classes out: "
        "torch.nanmean.",
    ),
    Mistake(
        "classes with 0 left out",
        _zeros_left_out,
        "You left out the classes whose IoU is 0. Those were there and were missed: their Dice is "
        "0, and it counts. Only NaN means that there was nothing to measure.",
    ),
]


def _draw(generator: torch.Generator, *, classes: int, absent: int, missed: int) -> Tensor:
    """IoUs apart from each other, in a random order."""
    scores = 0.1 + 0.85 * torch.rand(classes, generator=generator)
    scores[0], scores[1] = 0.15, 0.9  # never all alike
    scores[2 : 2 + absent] = torch.nan
    scores[2 + absent : 2 + absent + missed] = 0.0
    return scores[torch.randperm(classes, generator=generator)]


def _example(generator: torch.Generator) -> tuple:
    return (_draw(generator, classes=8, absent=2, missed=1),)


def _one_class(student: Any, generator: torch.Generator) -> None:
    score = 0.1 + 0.8 * torch.rand(1, generator=generator)
    assert_close(student(score), reference(score), f"the Dice of one class with IoU {score[0]:.3f}")


def _several(student: Any, generator: torch.Generator) -> None:
    scores = _draw(generator, classes=5, absent=0, missed=0)
    assert_close(student(scores), reference(scores), "the mean Dice of five classes")


def _absent(student: Any, generator: torch.Generator) -> None:
    scores = _draw(generator, classes=7, absent=2, missed=0)
    assert_close(student(scores), reference(scores), "the mean Dice where two classes have no IoU")


def _missed(student: Any, generator: torch.Generator) -> None:
    scores = _draw(generator, classes=7, absent=0, missed=2)
    assert_close(student(scores), reference(scores), "the mean Dice where two classes have IoU 0")


PROPERTIES = [
    Property("one class: Dice from IoU", 1, _one_class),
    Property("several classes: each is converted, then the mean is taken", 1, _several),
    Property("a class without a score is left out", 1, _absent),
    Property("a class that was missed counts as 0", 1, _missed),
]


def dice_from_iou(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `dice_from_iou(iou)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "dice_from_iou",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
