"""Check of the exercise `panoptic_quality`: how good a division into segments is."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

VOID = -1
Answer = tuple[float, float, float]


def reference(prediction: Tensor, truth: Tensor) -> Answer:
    """Return panoptic quality, and its two factors, of one class in one image.

    Args:
        prediction: (H, W) integers, the number of each pixel's segment; 0 for none.
        truth: (H, W) likewise; -1 for pixels that nobody labelled.

    Returns:
        PQ, SQ and RQ; NaN where nothing counts.

    Source: arXiv:1801.00868, Sec. 4.
    """
    return _quality(prediction, truth)


def _quality(
    prediction: Tensor,
    truth: Tensor,
    *,
    at: Callable[[float], bool] = lambda iou: iou > 0.5,
    void: str = "nowhere",
    forgive: Callable[[float], bool] = lambda share: share > 0.5,
    false_alarm: float = 0.5,
    miss: float = 0.5,
    over: str = "matches",
    measure: str = "IoU",
    zero: bool = False,
    nothing: float = math.nan,
) -> Answer:
    """Panoptic quality, with one thing at a time that can be made wrong."""
    unknown = truth == VOID
    counted = ~unknown if void == "nowhere" else torch.ones_like(unknown)
    ids = [int(k) for k in prediction.unique() if k or zero]
    true_ids = [int(k) for k in truth.unique() if k > 0 or (zero and k == 0)]
    if void == "a segment" and unknown.any():
        true_ids.append(VOID)
    matched: dict[int, float] = {}
    found = set()
    for p in ids:
        mine = (prediction == p) & counted
        for t in true_ids:
            theirs = truth == t
            common, union = int((mine & theirs).sum()), int((mine | theirs).sum())
            if measure == "Dice":
                value = 2 * common / max(int(mine.sum()) + int(theirs.sum()), 1)
            else:
                value = common / max(union, 1)
            if at(value) and t not in found and p not in matched:
                matched[p] = value
                found.add(t)
    alarms = 0
    for p in ids:
        share = float(unknown[prediction == p].float().mean())
        alarms += p not in matched and not forgive(share)
    hits, misses = len(matched), len(true_ids) - len(found)
    weight = hits + false_alarm * alarms + miss * misses
    if not hits + alarms + misses:
        return nothing, nothing, nothing
    total = sum(matched.values())
    rq = hits / weight if weight else 0.0
    divisor = {"matches": hits, "truth": len(true_ids), "everything": hits + alarms + misses}[over]
    sq = total / divisor if divisor and hits else 0.0
    return sq * rq, sq, rq


def _swapped(prediction: Tensor, truth: Tensor) -> Answer:
    return _quality(truth, prediction)


def _order(answer: Callable[[Answer], Answer]) -> Callable[[Tensor, Tensor], Answer]:
    return lambda prediction, truth: answer(_quality(prediction, truth))


# Places for segments of 5 x 4 pixels, with room between them.
ROWS, COLUMNS = (1, 7, 13), (1, 8, 15, 22)
HEIGHT, WIDTH = 19, 28


def _draw(
    generator: torch.Generator,
    *,
    hits: int = 3,
    misses: int = 1,
    alarms: int = 2,
    half: bool = False,
    void: bool = False,
) -> tuple:
    """Segments that agree in most pixels, and some that have no partner.

    Args:
        generator: for the places and the numbers.
        hits: pairs with an IoU from 0.6 to 0.95.
        misses: true segments alone.
        alarms: predicted segments alone.
        half: two pairs more, with an IoU of exactly 1/2 and of 1/6.
        void: unlabelled pixels: under a part of a hit, and under the larger part of one alarm, the
            smaller part of another and exactly half of a third.
    """
    prediction = torch.zeros(HEIGHT, WIDTH, dtype=torch.long)
    truth = torch.zeros(HEIGHT, WIDTH, dtype=torch.long)
    places = [(i, j) for i in ROWS for j in COLUMNS]
    order = torch.randperm(len(places), generator=generator).tolist()
    numbers = (torch.randperm(40, generator=generator) + 1).tolist()
    other = (torch.randperm(40, generator=generator) + 1).tolist()

    def fill(target: Tensor, value: int, columns: slice, rows: int = 5) -> None:
        i, j = places[order[-1]]
        target[i : i + rows, j : j + 6][:, columns] = value

    for k in range(hits):
        cut = int(torch.randint(3, 5, (), generator=generator))
        fill(truth, numbers.pop(), slice(0, 4))
        fill(prediction, other.pop(), slice(0, cut), rows=4 + k % 2)
        if void and k == 0:
            fill(truth, VOID, slice(4, 6))
            fill(prediction, int(prediction[places[order[-1]]]), slice(2, 6))
        order.pop()
    if half:
        fill(truth, numbers.pop(), slice(0, 4), rows=4)
        fill(prediction, other.pop(), slice(0, 2), rows=4)
        order.pop()
        fill(truth, numbers.pop(), slice(0, 4))
        fill(prediction, other.pop(), slice(3, 6))
        order.pop()
    for _ in range(misses):
        fill(truth, numbers.pop(), slice(0, 3))
        order.pop()
    for _ in range(alarms):
        fill(prediction, other.pop(), slice(1, 4))
        order.pop()
    for columns in (3, 1, 2) if void else ():
        fill(prediction, other.pop(), slice(0, 4))
        fill(truth, VOID, slice(0, columns))
        order.pop()
    return prediction, truth


def _empty(generator: torch.Generator) -> tuple:
    """Nothing to find, nothing found, and one segment on unlabelled pixels."""
    prediction, truth = torch.zeros(6, 7, dtype=torch.long), torch.zeros(6, 7, dtype=torch.long)
    truth[:4, :4], prediction[:3, :4] = VOID, 5
    return prediction, truth


def _blank(generator: torch.Generator) -> tuple:
    return torch.zeros(4, 3, dtype=torch.long), torch.zeros(4, 3, dtype=torch.long)


def _all_wrong(generator: torch.Generator) -> tuple:
    return _draw(generator, hits=0, misses=2, alarms=1)


def _example(generator: torch.Generator) -> tuple:
    if torch.rand((), generator=generator) < 0.25:
        return _empty(generator)
    return _draw(generator, half=True, void=True, alarms=1, misses=2)


panoptic_quality = Check(
    "panoptic_quality",
    lab="judging_objects",
    level="build",
    minutes=25,
    reference=reference,
    example=_example,
)

NAMES = ("PQ", "SQ", "RQ")
panoptic_quality.equals_reference(
    "matches, misses and false alarms",
    points=2,
    example=_draw,
    what=NAMES,
)
panoptic_quality.equals_reference(
    "an IoU of one half or less is no match",
    points=1,
    example=partial(_draw, half=True),
    what=NAMES,
)
panoptic_quality.equals_reference(
    "without a match all three are 0; where nothing counts, NaN",
    points=2,
    example=[_all_wrong, _blank],
    what=NAMES,
)
panoptic_quality.equals_reference(
    "pixels that nobody labelled count neither for nor against",
    points=2,
    example=[partial(_draw, void=True), _empty],
    what=NAMES,
)

panoptic_quality.mistake(
    "exactly one half matches",
    partial(_quality, at=lambda iou: iou >= 0.5),
    hint="You match at an IoU of exactly 0.5. Then one segment could have two partners, each with "
    "half of it; only *more than* one half makes a match unique.",
)
panoptic_quality.mistake(
    "any overlap matches",
    partial(_quality, at=lambda iou: iou > 0),
    hint="You match whatever overlaps. A match needs an IoU of more than 0.5.",
)
panoptic_quality.mistake(
    "unlabelled pixels in the union",
    partial(_quality, void="counted"),
    hint="Where a predicted segment lies on unlabelled pixels, these enlarge your union. Nobody "
    "knows what is there: take them out of the prediction before you compare.",
)
panoptic_quality.mistake(
    "unlabelled pixels are a segment",
    partial(_quality, void="a segment"),
    hint="You treat the unlabelled pixels as a segment that has to be found. Leave the number -1 "
    "out of the true segments, and its pixels out of the predicted ones.",
)
panoptic_quality.mistake(
    "no forgiveness",
    partial(_quality, forgive=lambda share: False),
    hint="A segment that lies mostly on unlabelled pixels is a false alarm in your count. Perhaps "
    "it is right, nobody knows: if more than half of its pixels are unlabelled, leave it out.",
)
panoptic_quality.mistake(
    "forgiven at one half",
    partial(_quality, forgive=lambda share: share >= 0.5),
    hint="A segment of which exactly half is unlabelled is forgiven in your count. It has to be "
    "more than half.",
)
panoptic_quality.mistake(
    "forgiven for a single pixel",
    partial(_quality, forgive=lambda share: share > 0),
    hint="You forgive every segment that touches unlabelled pixels. More than half of it has to be "
    "unlabelled.",
)
panoptic_quality.mistake(
    "whole false alarms and misses",
    partial(_quality, false_alarm=1.0, miss=1.0),
    hint="You divide by matches + false alarms + misses. In RQ, which is an F1 score, each false "
    "alarm and each miss counts one half.",
)
panoptic_quality.mistake(
    "false alarms forgotten",
    partial(_quality, false_alarm=0.0),
    hint="Your false alarms cost nothing: one could predict segments everywhere. Each counts one "
    "half in the divisor of RQ.",
)
panoptic_quality.mistake(
    "misses forgotten",
    partial(_quality, miss=0.0),
    hint="Your misses cost nothing: a single sure segment would be perfect. Each counts one half "
    "in the divisor of RQ.",
)
panoptic_quality.mistake(
    "SQ over all true segments",
    partial(_quality, over="truth"),
    hint="Your SQ is over all true segments, with 0 for those that are missed. SQ asks how good "
    "the *matches* are; RQ already counts the misses.",
)
panoptic_quality.mistake(
    "Dice",
    partial(_quality, measure="Dice"),
    hint="You compare segments by Dice. Panoptic quality is made of IoU, and more than half of IoU "
    "is what makes a match unique.",
)
panoptic_quality.mistake(
    "none is a segment",
    partial(_quality, zero=True),
    hint="You treat the number 0 as a segment. It stands for pixels that belong to none: leave it "
    "out on both sides.",
)
panoptic_quality.mistake(
    "roles exchanged",
    _swapped,
    hint="You have exchanged prediction and truth. Without unlabelled pixels nobody would notice; "
    "but only the truth has these, and PQ is not symmetric because of them.",
)
panoptic_quality.mistake(
    "0 where nothing counts",
    partial(_quality, nothing=0.0),
    hint="Where nothing is to be found and nothing was found you give 0, the worst. Return NaN "
    "three times, so that a mean over classes can leave this one out.",
)
panoptic_quality.mistake(
    "SQ and RQ exchanged",
    _order(lambda answer: (answer[0], answer[2], answer[1])),
    hint="You return PQ, RQ, SQ; the statement asks for PQ, SQ, RQ.",
)
