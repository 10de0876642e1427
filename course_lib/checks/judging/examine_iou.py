"""Check of the exercise `examine_iou`: write a test that finds wrong implementations of IoU."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.kinds import WriteTest
from course_lib.checks.unet.iou import iou

IoU = Callable[..., Tensor]
TARGETS = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 0, 255]]])
PREDICTIONS = torch.tensor([[[0, 1, 1, 2]], [[0, 0, 0, 0]]])
WANTED = torch.tensor([4 / 5, 1 / 3, 0.0, torch.nan])  # by hand


def reference(iou: IoU) -> None:
    """Raise AssertionError if a function does not give each class's IoU over all images."""
    got = iou(PREDICTIONS, TARGETS, 4)
    assert got.shape == (4,)
    assert torch.allclose(got.double(), WANTED.double(), atol=1e-6, equal_nan=True)


def _by_loop(
    predictions: Tensor, targets: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """A right answer in float32."""
    keep = targets != ignore_index
    a, b = predictions[keep], targets[keep]
    each = [((a == k) & (b == k)).sum() / ((a == k) | (b == k)).sum() for k in range(num_classes)]
    return torch.stack(each)


def _by_counting(
    predictions: Tensor, targets: Tensor, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """A right answer from the confusion matrix."""
    keep = targets != ignore_index
    pairs = targets[keep] * num_classes + predictions[keep]
    matrix = pairs.bincount(minlength=num_classes**2).reshape(num_classes, num_classes)
    common = matrix.diagonal()
    return common / (matrix.sum(0) + matrix.sum(1) - common)


examine_iou = WriteTest(
    "examine_iou",
    lab="judging",
    level="build",
    minutes=20,
    reference=reference,
    of=iou,
    right=(iou.reference, _by_loop, _by_counting),
    wrong=(
        "Dice",
        "recall",
        "precision",
        "mean over images",
        "an absent class counts as 0",
        "a false alarm counts as absent",
        "ignored pixels counted",
        "ignored pixels become right",
    ),
)


def _one_image(iou: IoU) -> None:
    """Everything goes well: one image, all classes there, all pixels labelled."""
    got = iou(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 1]]]), 2)
    assert torch.allclose(got.double(), torch.tensor([0.5, 0.5]).double())


def _no_ignored(iou: IoU) -> None:
    got = iou(PREDICTIONS, TARGETS.clamp(max=0) + (TARGETS == 1), 4)
    wanted = torch.tensor([5 / 6, 1 / 3, 0.0, torch.nan]).double()
    assert torch.allclose(got.double(), wanted, atol=1e-6, equal_nan=True)


def _no_absent(iou: IoU) -> None:
    got = iou(PREDICTIONS.clamp(max=1), TARGETS, 2)
    assert torch.allclose(got.double(), torch.tensor([4 / 5, 2 / 3]).double(), atol=1e-6)


def _exactly(iou: IoU) -> None:
    assert torch.equal(iou(PREDICTIONS, TARGETS, 3), WANTED[:3].double())


def _nan_slips_through(iou: IoU) -> None:
    for got, wanted in zip(iou(PREDICTIONS, TARGETS, 4).tolist(), WANTED.tolist(), strict=True):
        if math.isnan(wanted):
            assert math.isnan(got)
        elif abs(got - wanted) > 1e-4:
            raise AssertionError


def _nan_is_nan(iou: IoU) -> None:
    assert (iou(PREDICTIONS, TARGETS, 4) == WANTED).all()


examine_iou.mistake(
    "accepts everything",
    lambda iou: None,
    hint="Your test accepts all of these functions: nothing in it can raise, or it shows them only "
    "what every one gets right, a perfect prediction for instance. Let the prediction miss some "
    "pixels and invent some, work out the score by hand, and assert.",
)
examine_iou.mistake(
    "rejects everything",
    _nan_is_nan,
    hint="Your test rejects right functions and wrong ones alike. Work its example out by hand "
    "once more. If a score in it is NaN: NaN is not equal to itself, so use torch.isnan, or "
    "torch.allclose(..., equal_nan=True).",
)
examine_iou.mistake(
    "exact equality",
    _exactly,
    hint="A right function may return float32 or float64, and round. torch.equal wants the same "
    "bits, and torch.allclose two tensors of one type: convert first, iou(...).double(), then "
    "compare with a tolerance.",
)
examine_iou.mistake(
    "one image where nothing special happens",
    _one_image,
    hint="You test one image in which every class is there and every pixel is labelled. Read the "
    "statement of iou once more: each of its sentences is a promise, and each needs a line.",
)
examine_iou.mistake(
    "no ignored pixels",
    _no_ignored,
    hint="Every pixel of your test is labelled. What may a function not do with those that are "
    "not?",
)
examine_iou.mistake(
    "no absent class",
    _no_absent,
    hint="Every class of your test is in the truth. What is promised for a class that is only "
    "predicted, and for one that is nowhere?",
)
examine_iou.mistake(
    "a NaN slips through the comparison",
    _nan_slips_through,
    hint="Every comparison with NaN is False, so `abs(got - wanted) > ...` never fires when a "
    "function returns NaN where a number is wanted. Ask for what you want, and not for its "
    "opposite: assert abs(got - wanted) <= ...",
)
