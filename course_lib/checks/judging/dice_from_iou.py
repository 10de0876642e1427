"""Check of the exercise `dice_from_iou`: mean Dice of the classes, from their IoU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.compare import one_number
from course_lib.checks.core import Check


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


def _draw(generator: torch.Generator, *, classes: int, absent: int = 0, missed: int = 0) -> tuple:
    """IoUs apart from each other, in a random order."""
    scores = 0.1 + 0.85 * torch.rand(classes, generator=generator)
    scores[0], scores[1] = 0.15, 0.9  # never all alike
    scores[2 : 2 + absent] = torch.nan
    scores[2 + absent : 2 + absent + missed] = 0.0
    return (scores[torch.randperm(classes, generator=generator)],)


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, classes=8, absent=2, missed=1)


dice_from_iou = Check(
    "dice_from_iou",
    lab="judging",
    level="warm-up",
    minutes=5,
    reference=reference,
    example=_example,
    probe=one_number,
)

dice_from_iou.equals_reference(
    "one class: Dice from IoU",
    points=1,
    example=lambda generator: (0.1 + 0.8 * torch.rand(1, generator=generator),),
    what="the Dice of one class with the IoU {0[0]:.3f}",
)
dice_from_iou.equals_reference(
    "several classes: each is converted, then the mean is taken",
    points=1,
    example=partial(_draw, classes=5),
    what="the mean Dice of five classes",
)
dice_from_iou.equals_reference(
    "a class without a score is left out",
    points=1,
    example=partial(_draw, classes=7, absent=2),
    what="the mean Dice where two classes have no IoU",
)
dice_from_iou.equals_reference(
    "a class that was missed counts as 0",
    points=1,
    example=partial(_draw, classes=7, missed=2),
    what="the mean Dice where two classes have IoU 0",
)

dice_from_iou.mistake(
    "the mean was converted",
    lambda iou: reference(iou.nanmean()),
    hint="You took the mean of the IoUs and converted that. Dice is a concave function of IoU, so "
    "the result is too large unless all classes are equal. Convert each class first, then take the "
    "mean.",
)
dice_from_iou.mistake(
    "converted backwards",
    partial(_mean, convert=lambda d: d / (2 - d)),
    hint="D / (2 - D) makes IoU out of Dice. You are given IoU: D = 2 J / (1 + J). Check with J = "
    "0.5: Dice is 2/3, never smaller than IoU.",
)
dice_from_iou.mistake(
    "half of it",
    partial(_mean, convert=lambda j: j / (1 + j)),
    hint="J / (1 + J) is half of Dice: a perfect class would score 0.5. The shared part counts "
    "twice above the line: 2 J / (1 + J).",
)
dice_from_iou.mistake(
    "twice the IoU",
    partial(_mean, convert=lambda j: (2 * j).clamp(max=1)),
    hint="Dice is not twice the IoU. The union below the line turns into the sum of both areas: D "
    "= 2 I / (U + I), and with I = J U that is 2 J / (1 + J).",
)
dice_from_iou.mistake(
    "an absent class counts as 0",
    lambda iou: reference(iou.nan_to_num(0.0)),
    hint="A class without a score (NaN) was counted as 0, as if it had been missed. Leave it out "
    "of the mean: torch.nanmean.",
)
dice_from_iou.mistake(
    "an absent class counts as 1",
    lambda iou: reference(iou.nan_to_num(1.0)),
    hint="A class without a score (NaN) was counted as 1, a gift. Leave it out of the mean: "
    "torch.nanmean.",
)
dice_from_iou.mistake(
    "the mean is NaN",
    lambda iou: (2 * iou / (1 + iou)).mean(),
    hint="One class without a score makes your whole mean NaN. Leave such classes out: "
    "torch.nanmean.",
)
dice_from_iou.mistake(
    "classes with 0 left out",
    lambda iou: reference(torch.where(iou == 0, torch.nan, iou)),
    hint="You left out the classes whose IoU is 0. Those were there and were missed: their Dice is "
    "0, and it counts. Only NaN means that there was nothing to measure.",
)
