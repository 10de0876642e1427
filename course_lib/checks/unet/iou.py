"""Check of the exercise `iou`: intersection over union per class, over a whole data set."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

Ratio = Callable[[Tensor, Tensor, Tensor], Tensor]  # of the common, predicted and true pixels


def reference(
    predictions: Tensor, targets: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """Return each class's IoU over all images together.

    Args:
        predictions: (N, H, W) integer labels.
        targets: (N, H, W) integer labels.
        num_classes: K.
        ignore_index: pixels with this target do not count.

    Returns:
        (K,) float64; NaN for a class that is in neither predictions nor targets.
    """
    return _scores(predictions, targets, num_classes, ignore_index)


def _scores(
    predictions: Tensor,
    targets: Tensor,
    num_classes: int,
    ignore_index: int = 255,
    *,
    ratio: Ratio = lambda common, predicted, true: common / (predicted + true - common),
    absent: float = math.nan,
    ignore: bool = True,
) -> Tensor:
    """IoU, with one thing at a time that can be made wrong."""
    valid = targets != ignore_index if ignore else torch.ones_like(targets, dtype=torch.bool)
    classes = torch.arange(num_classes)
    predicted = (predictions[valid][:, None] == classes).to(torch.float64)  # (pixels, K)
    true = (targets[valid][:, None] == classes).to(torch.float64)
    common = (predicted * true).sum(0)
    score = ratio(common, predicted.sum(0), true.sum(0))
    nobody = predicted.sum(0) + true.sum(0) == 0
    return torch.where(nobody, torch.full_like(score, absent), score)


def _accuracy(
    predictions: Tensor, targets: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    valid = targets != ignore_index
    return (predictions == targets)[valid].to(torch.float64).mean().expand(num_classes).clone()


def _mean_over_images(
    predictions: Tensor, targets: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    pairs = zip(predictions, targets, strict=True)
    return torch.stack([_scores(p, t, num_classes, ignore_index) for p, t in pairs]).nanmean(0)


def _filled(fill: str) -> Callable[..., Tensor]:
    """Ignored pixels get a class, and count."""

    def mutant(
        predictions: Tensor, targets: Tensor, num_classes: int, ignore_index: int = 255
    ) -> Tensor:
        value = predictions if fill == "prediction" else torch.zeros_like(targets)
        targets = torch.where(targets == ignore_index, value, targets)
        return _scores(predictions, targets, num_classes, ignore=False)

    return mutant


def _draw(
    generator: torch.Generator, *, num: int, classes: int, used: int, ignore: int | None = None
) -> tuple:
    """Labels of which the last class(es) are absent; predictions are right in most pixels."""
    height, width = (int(n) for n in torch.randint(5, 10, (2,), generator=generator))
    shape = (num, height, width)
    targets = torch.randint(0, used, shape, generator=generator)
    # Each image prefers one class, so that the mean over images is another number.
    prefer = torch.randint(0, used, (num, 1, 1), generator=generator)
    targets = torch.where(torch.rand(shape, generator=generator) < 0.6, prefer, targets)
    wrong = torch.randint(0, used, shape, generator=generator)
    often = 0.3 + 0.5 * torch.rand((num, 1, 1), generator=generator)
    predictions = torch.where(torch.rand(shape, generator=generator) < often, targets, wrong)
    # Whatever the dice said: each class in use is right once, missed once and a false alarm once.
    sure = torch.arange(used)
    targets[0].view(-1)[: 2 * used] = torch.cat([sure, sure])
    predictions[0].view(-1)[: 2 * used] = torch.cat([sure, sure.roll(1)])
    if ignore is not None:
        hide = torch.rand(shape, generator=generator) < 0.3
        hide[0].view(-1)[: 2 * used] = False
        targets = torch.where(hide, ignore, targets)
    return (predictions, targets, classes) + ((ignore,) if ignore not in (None, 255) else ())


def _example(generator: torch.Generator) -> tuple:
    predictions, targets, classes = _draw(generator, num=3, classes=6, used=4, ignore=255)
    predictions[1, :2, :2], targets[1, :2, :2] = 4, 0  # class 4: false alarms; class 5: nowhere
    return predictions, targets, classes


def _false_alarm(generator: torch.Generator) -> tuple:
    predictions, targets, classes = _draw(generator, num=1, classes=5, used=3)
    predictions[0, -1, -1], targets[0, -1, -1] = 3, 0
    return predictions, targets, classes


iou = Check("iou", lab="unet", level="build", minutes=15, reference=reference, example=_example)

iou.equals_reference(
    "one image: intersection over union of each class",
    points=2,
    example=partial(_draw, num=1, classes=4, used=4),
    what="the IoU of 4 classes in one image",
)
iou.equals_reference(
    "several images: counts are added up before dividing",
    points=1,
    example=partial(_draw, num=4, classes=3, used=3),
    what="the IoU over 4 images",
)
iou.equals_reference(
    "pixels with the ignore label do not count",
    points=1,
    example=[partial(_draw, num=1, classes=3, used=3, ignore=label) for label in (255, 7)],
    what="the IoU with ignored pixels",
)
iou.equals_reference(
    "absent class: NaN; false alarm: 0",
    points=1,
    example=_false_alarm,
    what="the IoU where class 3 is predicted but not there, and class 4 is nowhere,",
)

iou.mistake(
    "Dice",
    partial(_scores, ratio=lambda c, p, t: 2 * c / (p + t)),
    hint="That is Dice, 2I / (P + T): it counts the intersection twice above and below the line. "
    "IoU is I / (P + T - I). The two are related by D = 2J / (1 + J).",
)
iou.mistake(
    "union counts the intersection twice",
    partial(_scores, ratio=lambda c, p, t: c / (p + t)),
    hint="Your union is P + T, which contains the common pixels twice: a perfect prediction would "
    "score 0.5. Subtract the intersection once.",
)
iou.mistake(
    "recall",
    partial(_scores, ratio=lambda c, p, t: c / t),
    hint="You divide by the true pixels only. That is recall: painting the whole image with one "
    "class would give that class 1. The union also holds the pixels wrongly predicted.",
)
iou.mistake(
    "precision",
    partial(_scores, ratio=lambda c, p, t: c / p),
    hint="You divide by the predicted pixels only. That is precision: one right pixel and no other "
    "would score 1. The union also holds the true pixels that were missed.",
)
iou.mistake(
    "pixel accuracy",
    _accuracy,
    hint="That is pixel accuracy, one number for all classes. Large classes decide it; IoU is "
    "counted for each class by itself.",
)
iou.mistake(
    "an absent class counts as 0",
    partial(_scores, absent=0.0),
    hint="A class that is in neither prediction nor truth got 0, as if it had been missed. 0 / 0 "
    "is no measurement: return NaN, so that a mean can leave the class out.",
)
iou.mistake(
    "an absent class counts as 1",
    partial(_scores, absent=1.0),
    hint="A class that is in neither prediction nor truth got 1, a gift for a class that was never "
    "tested. 0 / 0 is no measurement: return NaN, so that a mean can leave the class out.",
)
iou.mistake(
    "a false alarm counts as absent",
    partial(_scores, ratio=lambda c, p, t: c / (p + t - c) * (t / t)),
    hint="A class that was predicted but is not in the truth got NaN. It is a false alarm: its "
    "intersection is 0, its union is not, so its IoU is 0.",
)
iou.mistake(
    "mean over images",
    _mean_over_images,
    hint="You computed IoU in each image and averaged. Add up intersections and unions over all "
    "images first and divide once: an image with three pixels of a class must not weigh as much as "
    "one with three thousand.",
)
iou.mistake(
    "ignored pixels counted",
    partial(_scores, ignore=False),
    hint="Pixels whose target is ignore_index still count as predicted, so they enlarge the union. "
    "Leave them out of predictions and targets before you count.",
)
iou.mistake(
    "ignored pixels become class 0",
    _filled("zero"),
    hint="You gave the ignored pixels the class 0, and there they count. Leave them out of "
    "predictions and targets, with a mask, before you count.",
)
iou.mistake(
    "ignored pixels become right",
    _filled("prediction"),
    hint="You put the prediction in the place of the ignore label, so every ignored pixel counts "
    "as right. Leave them out of predictions and targets before you count.",
)
