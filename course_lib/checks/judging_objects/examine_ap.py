"""Check of the exercise `examine_ap`: write a test that finds wrong average precisions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from course_lib.checks.judging_objects.average_precision import average_precision
from course_lib.checks.kinds import WriteTest

AP = Callable[[Tensor, Tensor, float], Tensor]
# Worst first: a find of object 2, by exactly the threshold; one that meets object 1, and better the
# taken object 0; a false alarm; and the find of object 0.
SCORES = torch.tensor([0.4, 0.8, 0.85, 0.9])
OVERLAPS = torch.tensor([[0.0, 0.0, 0.5], [0.9, 0.6, 0.0], [0.2, 0.1, 0.0], [0.75, 0.0, 0.0]])
WANTED = (34 * 1 + 67 * 3 / 4) / 101  # of 101 recalls 34 are at most 1/3


def _near(ap: AP, scores: Tensor, iou: Tensor, wanted: float) -> None:
    assert math.isclose(float(ap(scores, iou, 0.5)), wanted, abs_tol=1e-4)


def _curve(ap: AP) -> None:
    _near(ap, SCORES, OVERLAPS, WANTED)


def _again(ap: AP) -> None:
    """One object is found twice, one not at all."""
    table = torch.tensor([[0.8, 0.0, 0.0], [0.9, 0.0, 0.0], [0.0, 0.7, 0.0]])
    _near(ap, torch.tensor([0.9, 0.8, 0.7]), table, (34 + 33 * 2 / 3) / 101)


def _equal(ap: AP) -> None:
    table = torch.tensor([[0.8, 0.0, 0.0], [0.1, 0.0, 0.0]])
    _near(ap, torch.tensor([0.7, 0.7]), table, 34 / 101)


def _nobody(ap: AP) -> None:
    assert math.isnan(float(ap(torch.tensor([0.7]), torch.zeros(1, 0), 0.5)))


def reference(ap: AP) -> None:
    """Raise AssertionError if a function does not compute AP as COCO does."""
    for part in (_curve, _again, _equal, _nobody):
        part(ap)


def _with_numpy(scores: Tensor, iou: Tensor, threshold: float) -> float:
    """A right answer in NumPy, which returns a number."""
    s, table = scores.numpy(), iou.numpy().copy()
    if not table.shape[1]:
        return float("nan")
    hits = []
    for k in np.argsort(-s, kind="stable"):
        best = int(np.argmax(table[k]))
        hits.append(bool(table[k, best] >= threshold))
        if hits[-1]:
            table[:, best] = -1
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(s) + 1)
    recall = right / table.shape[1]
    wanted = np.linspace(0, 1, 101)
    return float(np.mean([np.max(precision[recall >= r], initial=0.0) for r in wanted]))


def _in_float32(scores: Tensor, iou: Tensor, threshold: float) -> Tensor:
    """A right answer in single precision, shape (1,)."""
    return average_precision.reference(scores, iou, threshold).float()[None]


examine_ap = WriteTest(
    "examine_ap",
    lab="judging_objects",
    level="build",
    minutes=20,
    reference=reference,
    of=average_precision,
    right=(average_precision.reference, _with_numpy, _in_float32),
    wrong=(
        "in the order given",
        "the last of equals first",
        "found again and again",
        "no second choice",
        "strictly above the threshold",
        "the curve as it is",
        "the area in steps",
        "what is not reached is left out",
        "0 without objects",
    ),
)


def _faultless(ap: AP) -> None:
    """Nothing is invented, nothing found twice; one object of three is missed."""
    _near(ap, torch.tensor([0.9, 0.8]), torch.eye(3)[:2], 67 / 101)


def _without(missing: Callable[[AP], None]) -> Callable[[AP], None]:
    def test(ap: AP) -> None:
        for part in (_curve, _again, _equal, _nobody):
            if part is not missing:
                part(ap)

    return test


def _as_area(ap: AP) -> None:
    """Expects the area under the curve, which AP is nearly."""
    assert abs(float(ap(SCORES, OVERLAPS, 0.5)) - (1 / 3 + 2 / 3 * 3 / 4)) < 1e-6


examine_ap.mistake(
    "accepts everything",
    lambda ap: None,
    hint="Your test accepts all of these functions: nothing in it can raise. Call ap with a few "
    "detections, work its value out by hand, and assert that they agree.",
)
examine_ap.mistake(
    "a detector without faults",
    _faultless,
    hint="You show a detector that invents nothing and finds nothing twice. Most wrong functions "
    "are right about it. Let it find an object twice, raise a false alarm between two finds, and "
    "give it a second choice.",
)
examine_ap.mistake(
    "nothing found twice",
    _without(_again),
    hint="In your test no object is found twice, and all objects are found. What is promised for "
    "the second find, and for recalls that are never reached?",
)
examine_ap.mistake(
    "no equal scores",
    _without(_equal),
    hint="No two scores of your test are equal. What is promised for a hit and a false alarm with "
    "the same score?",
)
examine_ap.mistake(
    "always some objects",
    _without(_nobody),
    hint="There are objects in all that you test. What is promised where there are none?",
)
examine_ap.mistake(
    "the area under the curve",
    _as_area,
    hint="Your value is the area under the curve. A right function gives the mean over 101 "
    "recalls, which differs from it by up to a hundredth: count how many of 0, 0.01, ..., 1 lie "
    "at each height.",
)
