"""Answers to the exercises of the lab `unet`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import torch

from course_lib.checks.unet import iou as check
from course_lib.metrics import confusion_matrix
from course_lib.metrics import iou as iou_of


def from_confusion(predictions, targets, num_classes, ignore_index=255):
    """One bincount; float32."""
    valid = targets != ignore_index
    pairs = targets[valid] * num_classes + predictions[valid]
    confusion = torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)
    return confusion.diag() / (confusion.sum(0) + confusion.sum(1) - confusion.diag())


def by_loop(predictions, targets, num_classes, ignore_index=255):
    """A loop over classes, and a list of numbers made a tensor."""
    scores = []
    for k in range(num_classes):
        p = (predictions == k) & (targets != ignore_index)
        t = targets == k
        union = (p | t).sum().item()
        scores.append((p & t).sum().item() / union if union else float("nan"))
    return torch.tensor(scores)


def by_the_package(predictions, targets, num_classes, ignore_index=255):
    return iou_of(confusion_matrix(predictions, targets, num_classes, ignore_index=ignore_index))


def by_torchmetrics(predictions, targets, num_classes, ignore_index=255):
    from torchmetrics.functional.classification import multiclass_jaccard_index

    scores = multiclass_jaccard_index(
        predictions, targets, num_classes, average="none", ignore_index=ignore_index
    )
    counted = targets != ignore_index
    for k in range(num_classes):  # torchmetrics gives an absent class 0
        if not ((predictions == k) | (targets == k))[counted].any():
            scores[k] = torch.nan
    return scores


def ignored_to(value):
    """The learner's own tensor is overwritten before anything is counted."""

    def answer(predictions, targets, num_classes, ignore_index=255):
        hidden = targets == ignore_index
        targets[hidden] = predictions[hidden] if value == "prediction" else value
        return check.reference(predictions, targets, num_classes, ignore_index)

    return answer


def ignored_in_place_and_right(predictions, targets, num_classes, ignore_index=255):
    scores = check.reference(predictions, targets, num_classes, ignore_index)
    targets[targets == ignore_index] = 0
    return scores


def ignored_by_prediction(predictions, targets, num_classes, ignore_index=255):
    return check.reference(
        torch.where(predictions == ignore_index, 0, predictions), targets, num_classes, -1
    )


def label_255_built_in(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions, targets, num_classes, 255)


def one_more_below(predictions, targets, num_classes, ignore_index=255):
    """+ 1 against 0 / 0."""
    return check._scores(
        predictions, targets, num_classes, ignore_index, ratio=lambda c, p, t: c / (p + t - c + 1)
    )


def wrong_pixels(predictions, targets, num_classes, ignore_index=255):
    """Common pixels over the wrong ones."""
    return check._scores(
        predictions, targets, num_classes, ignore_index, ratio=lambda c, p, t: c / (p + t - 2 * c)
    )


def larger_area(predictions, targets, num_classes, ignore_index=255):
    return check._scores(
        predictions, targets, num_classes, ignore_index, ratio=lambda c, p, t: c / torch.max(p, t)
    )


def only_true_classes(predictions, targets, num_classes, ignore_index=255):
    present = [k for k in targets.unique().tolist() if k != ignore_index]
    return check.reference(predictions, targets, num_classes, ignore_index)[present]


def mean_of_all(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions, targets, num_classes, ignore_index).nanmean()


def one_class_short(predictions, targets, num_classes, ignore_index=255):
    """Class 0 taken for background."""
    return check.reference(predictions, targets, num_classes, ignore_index)[1:]


def percent(predictions, targets, num_classes, ignore_index=255):
    return 100 * check.reference(predictions, targets, num_classes, ignore_index)


def first_image(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions[:1], targets[:1], num_classes, ignore_index)


def rounded(predictions, targets, num_classes, ignore_index=255):
    return check.reference(predictions, targets, num_classes, ignore_index).round(decimals=2)


def false_alarm_of_an_absent_class(predictions, targets, num_classes, ignore_index=255):
    scores = check.reference(predictions, targets, num_classes, ignore_index)
    return torch.where(scores == 0, torch.nan, scores)


RIGHT_ANSWERS = {"iou": [from_confusion, by_loop, by_the_package, by_torchmetrics]}

CHANGED = "you changed your input `targets`"
WRONG_ANSWERS = {
    "iou": [
        (ignored_to(0), CHANGED),
        (ignored_to(0), "You gave the ignored pixels the class 0"),
        (ignored_to(-1), "still count as predicted"),
        (ignored_to("prediction"), "every ignored pixel counts as right"),
        (ignored_in_place_and_right, CHANGED),
        (ignored_by_prediction, ""),
        (label_255_built_in, "ignored pixels"),
        (one_more_below, ""),
        (wrong_pixels, ""),
        (larger_area, ""),
        (only_true_classes, "shape"),
        (mean_of_all, "has shape (), wanted (4,)"),
        (one_class_short, "has shape (3,), wanted (4,)"),
        (percent, ""),
        (first_image, "over 4 images"),
        (rounded, ""),
        (false_alarm_of_an_absent_class, "class 3 is predicted but not there"),
        (lambda *arguments: check.reference(*arguments).tolist(), "torch.tensor(...) makes one"),
    ]
}

POINTS = {"iou": {"mean over images": 4, "an absent class counts as 0": 4, "Dice": 0}}
