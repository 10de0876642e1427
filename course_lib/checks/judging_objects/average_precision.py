"""Check of the exercise `average_precision`: one number for all thresholds of the score."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import number
from course_lib.checks.core import Check


def reference(scores: Tensor, iou: Tensor, threshold: float) -> Tensor:
    """Return the average precision of one class in one image, as COCO computes it.

    Args:
        scores: (n,) of the detections.
        iou: (n, m), of each detection with each object.
        threshold: from this IoU on, a detection can have found an object.

    Returns:
        () in [0, 1]; NaN without objects.
    """
    return _precision(scores, iou, threshold)


def _precision(
    scores: Tensor,
    iou: Tensor,
    threshold: float,
    *,
    order: str = "best first",
    taken: str = "next best",
    choice: str = "best",
    strict: bool = False,
    envelope: str = "from the right",
    points: int = 101,
    beyond: str = "0",
    recall_of: str = "objects",
    area: str = "points",
    empty: float = math.nan,
) -> Tensor:
    """Average precision, with one thing at a time that can be made wrong."""
    n, m = iou.shape
    if not m:
        return torch.tensor(empty)
    keys = {
        "best first": sorted(range(n), key=lambda k: -float(scores[k])),
        "as given": list(range(n)),
        "worst first": sorted(range(n), key=lambda k: float(scores[k])),
        "last of equals": sorted(range(n), key=lambda k: (-float(scores[k]), -k)),
    }[order]
    free, hits = [True] * m, []
    for k in keys:
        row = iou[k].tolist()
        options = [
            j
            for j in range(m)
            if (row[j] > threshold if strict else row[j] >= threshold)
            and (free[j] or taken != "next best")
        ]
        found = max(options, key=lambda j: row[j]) if options else None
        if choice == "first" and options:
            found = options[0]
        hit = found is not None and (free[found] or taken == "again")
        if found is not None:
            free[found] = False
        hits.append(hit)
    right = torch.tensor(hits, dtype=torch.float64).cumsum(0)
    total = torch.arange(1, n + 1, dtype=torch.float64)
    recall = right / (m if recall_of == "objects" else n)
    precision = right / total
    if envelope == "from the right":
        precision = precision.flip(0).cummax(0).values.flip(0) if n else precision
    elif envelope == "from the left":
        precision = precision.cummax(0).values if n else precision
    if area == "steps":
        before = torch.cat([torch.zeros(1, dtype=torch.float64), recall])[:n]
        return ((recall - before) * precision).sum()
    if area == "last":
        return precision[-1] if n else torch.tensor(0.0, dtype=torch.float64)
    wanted = torch.linspace(0, 1, points, dtype=torch.float64)
    first = torch.searchsorted(recall, wanted)  # the first place where this recall is reached
    values = torch.cat([precision, torch.zeros(1, dtype=torch.float64)])[first]
    if beyond == "left out":
        values = values[first < n]
    return values.mean() if len(values) else torch.tensor(0.0, dtype=torch.float64)


COUNTS = (7, 9, 11)  # of objects: their recalls lie between the 101 points, on no machine at one


def _draw(
    generator: torch.Generator,
    *,
    sort: bool = False,
    extra: int = 0,
    rivals: bool = False,
    exact: bool = False,
    ties: bool = False,
) -> tuple:
    """Detections that have found some of the objects, and false alarms.

    Args:
        generator: for the numbers.
        sort: the best score comes first.
        extra: detections of an object that a better one has found.
        rivals: one detection prefers an object that a better one has taken, and meets another one.
        exact: one detection meets its object by exactly the threshold.
        ties: a hit and a false alarm have the same score, in this order.
    """
    objects = COUNTS[int(torch.randint(len(COUNTS), (), generator=generator))]
    threshold = 0.625 if torch.rand((), generator=generator) < 0.5 else 0.75

    def faint(rows: int) -> Tensor:
        return 0.3 * torch.rand(rows, objects, generator=generator)

    def score(low: float, high: float, rows: int) -> Tensor:
        return low + (high - low) * torch.rand(rows, generator=generator)

    hits = objects - 3
    first = faint(hits)
    first[torch.arange(hits), torch.arange(hits)] = score(threshold + 0.05, 0.98, hits)
    alarms = faint(4)
    alarms[0, objects - 1] = threshold - 0.1  # not enough
    iou = [first, alarms]
    scores = [score(0.1, 0.8, hits), score(0.3, 0.79, 4)]
    # The best score is a hit, then comes a false alarm, then another hit: a curve that goes down,
    # up and down again.
    scores[0][0], scores[1][0], scores[0][1], scores[1][1] = 0.95, 0.9, 0.85, 0.05
    if extra:
        again = faint(extra)
        again[:, 0] = score(threshold + 0.05, 0.98, extra)
        iou.append(again)
        scores.append(score(0.3, 0.84, extra))
    if rivals:  # the best detection took object 0; this one meets another less well
        rival = faint(1)
        rival[0, 0], rival[0, objects - 1] = 0.97, threshold + 0.04
        both = faint(1)  # meets two free ones, the second better
        both[0, objects - 3], both[0, objects - 2] = threshold + 0.02, threshold + 0.2
        later = faint(1)  # meets only the second's rival
        later[0, objects - 3] = threshold + 0.1
        iou += [rival, both, later]
        scores += [score(0.81, 0.84, 1), score(0.86, 0.89, 1), score(0.3, 0.79, 1)]
    if exact:
        edge = faint(1)
        edge[0, objects - 1 if not rivals else hits - 1] = threshold
        if rivals:
            iou[0][hits - 1] *= 0.1
        iou.append(edge)
        scores.append(score(0.6, 0.8, 1))
    table, values = torch.cat(iou), torch.cat(scores)
    order = torch.randperm(len(values), generator=generator)
    if sort:
        order = values.argsort(descending=True)
    table, values = table[order], values[order]
    if ties:
        pair = faint(2)
        pair[0, objects - 1] = 0.9
        if rivals:
            table[:, objects - 1] = 0.1
        table = torch.cat([table, pair])
        values = torch.cat([values, torch.tensor([0.96875, 0.96875])])
    return values, table, threshold


def _nothing(generator: torch.Generator) -> tuple:
    return torch.rand(3, generator=generator), torch.zeros(3, 0), 0.5


def _silent(generator: torch.Generator) -> tuple:
    return torch.zeros(0), torch.zeros(0, 7), 0.5


def _example(generator: torch.Generator) -> tuple:
    kind = int(torch.randint(4, (), generator=generator))
    if kind == 0:
        return _nothing(generator)
    return _draw(generator, extra=2, rivals=kind != 1, exact=True, ties=kind != 2)


def _value(function: Any, arguments: tuple) -> Any:
    """The result; a tensor with one number, of whatever shape, is that number."""
    return number(function(*arguments))


average_precision = Check(
    "average_precision",
    lab="judging_objects",
    level="build",
    minutes=25,
    reference=reference,
    example=_example,
    probe=_value,
)

average_precision.equals_reference(
    "detections in order, each with one object at most: the curve and its mean",
    points=2,
    example=partial(_draw, sort=True),
    what="the AP of detections that come in the order of their scores",
)
average_precision.equals_reference(
    "in any order; of equal scores the first counts first",
    points=1,
    example=[_draw, partial(_draw, ties=True)],
    what="the AP of detections in any order",
)
average_precision.equals_reference(
    "an object is found once",
    points=1,
    example=partial(_draw, sort=True, extra=3),
    what="the AP where three more detections lie on an object that is found already",
)
average_precision.equals_reference(
    "a detection takes the best object that is free, from the threshold on",
    points=1,
    example=[partial(_draw, rivals=True), partial(_draw, exact=True)],
    what="the AP where detections meet several objects",
)
average_precision.equals_reference(
    "no objects: NaN; no detections: 0",
    points=1,
    example=[_nothing, _silent],
    what="the AP of {1.shape[0]} detections for {1.shape[1]} objects",
)

average_precision.mistake(
    "in the order given",
    partial(_precision, order="as given"),
    hint="You take the detections as they come. The curve begins with the best score, so sort them "
    "first; and the better one chooses its object first.",
)
average_precision.mistake(
    "worst first",
    partial(_precision, order="worst first"),
    hint="You begin with the smallest score: sort in descending order.",
)
average_precision.mistake(
    "the last of equals first",
    partial(_precision, order="last of equals"),
    hint="Of equal scores you take the last detection first. Sort stably: "
    "argsort(descending=True, stable=True).",
)
average_precision.mistake(
    "found again and again",
    partial(_precision, taken="again"),
    hint="In your count a second detection of the same object is right as well. A detector could "
    "report each object ten times: each object can be found once, and whoever comes later is a "
    "false alarm.",
)
average_precision.mistake(
    "no second choice",
    partial(_precision, taken="lost"),
    hint="If a detection's best object is taken, yours counts as false. It may still meet another "
    "one well enough: look for the best among the objects that are free.",
)
average_precision.mistake(
    "the first that fits",
    partial(_precision, choice="first"),
    hint="You take the first free object that reaches the threshold, and it should be the one with "
    "the largest IoU: otherwise the next detection finds its object taken.",
)
average_precision.mistake(
    "strictly above the threshold",
    partial(_precision, strict=True),
    hint="An IoU of exactly the threshold counts as found: compare with >=.",
)
average_precision.mistake(
    "the curve as it is",
    partial(_precision, envelope="none"),
    hint="You read the precision off the saw-toothed curve. At each recall the best precision "
    "counts that is reached at this recall *or a larger one*: a running maximum from the right.",
)
average_precision.mistake(
    "maximum from the left",
    partial(_precision, envelope="from the left"),
    hint="Your running maximum comes from the left, so the precision never falls. It must come "
    "from the right: the best precision at this recall or a larger one.",
)
average_precision.mistake(
    "eleven points",
    partial(_precision, points=11),
    hint="You read the curve at 11 recalls, as Pascal VOC did until 2009. The statement asks for "
    "101: 0, 0.01, ..., 1.",
)
average_precision.mistake(
    "the area in steps",
    partial(_precision, area="steps"),
    hint="You add up the exact area under the curve, as Pascal VOC does since 2010. The statement "
    "asks for the mean at 101 recalls, which differs a little.",
)
average_precision.mistake(
    "what is not reached is left out",
    partial(_precision, beyond="left out"),
    hint="You average over the recalls that are reached. A detector that finds one object in ten "
    "and stops would be perfect: at recalls that it never reaches, its precision is 0.",
)
average_precision.mistake(
    "recall of the detections",
    partial(_precision, recall_of="detections"),
    hint="You divide by the number of detections twice. Recall is the share of the *objects* that "
    "are found.",
)
average_precision.mistake(
    "the precision of all",
    partial(_precision, area="last", envelope="none"),
    hint="That is the precision of all detections together. AP looks at every threshold of the "
    "score: after each detection there is a recall and a precision.",
)
average_precision.mistake(
    "0 without objects",
    partial(_precision, empty=0.0),
    hint="Without objects there is nothing that could be found, and you give 0, the worst of all "
    "scores. Return NaN, so that a mean over classes can leave this one out.",
)
