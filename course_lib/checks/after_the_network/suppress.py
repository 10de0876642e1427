"""Check of the exercise `suppress`: repair class-wise non-maximum suppression."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import whole_numbers, wholes
from course_lib.checks.kinds import Repair


def reference(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Return the numbers of the boxes that are kept, best score first.

    Args:
        boxes: (n, 4) x1, y1, x2, y2.
        scores: (n,), all different.
        labels: (n,) integers.
        threshold: a box is removed if it overlaps a better, kept one of its class by more.

    Returns:
        (kept,) int64.

    Source: arXiv:1311.2524, Sec. 2.2.
    """
    return _suppress(boxes, scores, labels, threshold)


def _suppress(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    threshold: float,
    *,
    descending: bool = True,
    classes: bool = True,
    at_threshold: str = "kept",
    apart: str = "0",
    numbers: str = "of the input",
    removed_remove: bool = False,
    over: str = "union",
    order: str = "by score",
) -> Tensor:
    """Suppress, with each of the parts right or wrong."""
    ranked = scores.argsort(descending=descending)
    boxes, classes_of = boxes[ranked], labels[ranked]
    sides = boxes[:, 2:] - boxes[:, :2]
    area = sides.prod(dim=1)
    alive = torch.ones(len(boxes), dtype=torch.bool)
    kept = []
    for i in range(len(boxes)):
        if alive[i]:
            kept.append(i)
        elif not removed_remove:
            continue
        rest = slice(i + 1, None)
        common = torch.minimum(boxes[i, 2:], boxes[rest, 2:]) - torch.maximum(
            boxes[i, :2], boxes[rest, :2]
        )
        common = (common.clamp(min=0) if apart == "0" else common).prod(dim=1)
        whole = area[i] + area[rest] - common
        if over == "smaller":
            whole = torch.minimum(area[i].expand_as(area[rest]), area[rest])
        iou = common / whole
        near = iou > threshold if at_threshold == "kept" else iou >= threshold
        alive[rest] &= ~(near & (classes_of[rest] == classes_of[i]) if classes else near)
    chosen = torch.tensor(kept, dtype=torch.long)
    chosen = ranked[chosen] if numbers == "of the input" else chosen
    return chosen.sort().values if order == "by number" else chosen


BUGS: dict[str, Any] = {
    "descending": False,
    "classes": False,
    "at_threshold": "removed",
    "apart": "product of two negatives",
    "numbers": "of the ranking",
    "removed_remove": True,
}


def broken(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """The function that the learner is given."""
    return _suppress(boxes, scores, labels, threshold, **BUGS)


def _example(generator: torch.Generator) -> tuple:
    """Clusters of boxes of two classes; a row of three; two whose IoU is the threshold."""
    centres = torch.tensor([[30.0, 40.0], [70.0, 45.0], [40.0, 90.0], [95.0, 95.0]])
    corners = centres.repeat_interleave(5, dim=0) + torch.randint(
        -6, 7, (20, 2), generator=generator
    )
    sides = torch.randint(12, 22, (20, 2), generator=generator)
    boxes = torch.cat([corners, corners + sides], dim=1)
    row = torch.tensor([200.0, 203.0, 206.0, 300.0, 300.0])[:, None] + torch.tensor([0, 0, 10, 10])
    row[:, 1], row[:, 3] = 0, 10
    row[4, 2] = 305
    labels = torch.randint(1, 3, (20,), generator=generator)
    scores = torch.randperm(20, generator=generator).float().add(1).div(25)
    order = torch.randperm(25, generator=generator)
    boxes = torch.cat([boxes, row])[order]
    labels = torch.cat([labels, torch.ones(5, dtype=torch.long)])[order]
    scores = torch.cat([scores, torch.tensor([0.99, 0.98, 0.97, 0.96, 0.95])])[order]
    return boxes, scores, labels, 0.5


suppress = Repair(
    "suppress",
    lab="after_the_network",
    level="build",
    minutes=25,
    reference=reference,
    broken=broken,
    example=_example,
)


def _row(*lefts: float, side: float = 10.0) -> Tensor:
    """Squares in a row."""
    left = torch.tensor(lefts)
    low = torch.zeros_like(left)
    return torch.stack([left, low, left + side, low + side], dim=1)


def _number(student: Any, boxes: Tensor, scores: list[float], labels: list[int]) -> list[int]:
    """The numbers that are kept, at a threshold of 0.5."""
    got = student(boxes, torch.tensor(scores), torch.tensor(labels), 0.5)
    assert isinstance(got, Tensor), f"the result is a {type(got).__name__}, wanted a torch.Tensor"
    return wholes(got, len(got) if got.ndim else 1)


def _place(generator: torch.Generator) -> float:
    return float(torch.randint(0, 50, (), generator=generator))


@suppress.bug(
    "the best box comes first",
    left=partial(_suppress, descending=False),
    hint="argsort begins with the smallest score, so your worst box removes the better ones: "
    "scores.argsort(descending=True).",
)
def _best_first(student: Any, generator: torch.Generator) -> None:
    x = _place(generator)
    kept = _number(student, _row(x, x + 3, x + 6), [0.3, 0.9, 0.5], [1, 1, 1])
    assert len(kept) == 1, (
        "three boxes of a class stand in a row; the middle one is the best, and overlaps both "
        f"others too much. {len(kept)} are kept, wanted 1"
    )


@suppress.bug(
    "a class leaves the others alone",
    left=partial(_suppress, classes=False),
    hint="You never look at the labels: a rider removes the bicycle. A box removes boxes of its "
    "own class only.",
)
def _class_wise(student: Any, generator: torch.Generator) -> None:
    x = _place(generator)
    kept = _number(student, _row(x, x), [0.9, 0.8], [1, 2])
    assert len(kept) == 2, (
        f"of two boxes in one place, of different classes, {len(kept)} is kept, wanted both"
    )


@suppress.bug(
    "exactly at the threshold a box is kept",
    left=partial(_suppress, at_threshold="removed"),
    hint="A box that overlaps a better one by exactly the threshold is kept: it is removed if the "
    "overlap is *larger*, so it lives on if iou <= threshold.",
)
def _at_threshold(student: Any, generator: torch.Generator) -> None:
    x = _place(generator)
    boxes = torch.tensor([[x, 0, x + 8, 8], [x, 0, x + 4, 8]])
    kept = _number(student, boxes, [0.9, 0.8], [1, 1])
    assert len(kept) == 2, (
        "of two boxes with an IoU of exactly 0.5, at the threshold 0.5, "
        f"{len(kept)} is kept, wanted both"
    )


@suppress.bug(
    "boxes that lie apart have nothing in common",
    left=partial(_suppress, apart="product of two negatives"),
    hint="If two boxes lie apart in x *and* in y, your width and height of the intersection are "
    "both negative, and their product is positive. Clamp both at 0 before you multiply.",
)
def _apart(student: Any, generator: torch.Generator) -> None:
    x = _place(generator)
    boxes = torch.tensor([[x, 0, x + 10, 10], [x + 20, 20, x + 30, 30]])
    kept = _number(student, boxes, [0.9, 0.8], [1, 1])
    assert len(kept) == 2, (
        "of two boxes that do not touch, one to the lower right of the other, "
        f"{len(kept)} is kept, wanted both"
    )


@suppress.bug(
    "a box is named by its number in the input",
    left=partial(_suppress, numbers="of the ranking"),
    hint="Your numbers are places in the ranking: the first kept box is always 0. The caller wants "
    "to write boxes[kept] with the boxes that he gave: look the numbers up in the order.",
)
def _numbers(student: Any, generator: torch.Generator) -> None:
    scores = [0.5, 0.9, 0.2, 0.7]
    kept = _number(student, _row(0, 30, 60, 90), scores, [1, 1, 1, 1])
    best = sorted(range(4), key=lambda k: -scores[k])
    assert kept in (best, best[::-1]), (
        f"four boxes far apart have the scores {scores}; all are kept, and in the order of their "
        f"scores their numbers are {best}. You return {kept}"
    )


@suppress.bug(
    "a removed box removes nobody",
    left=partial(_suppress, removed_remove=True),
    hint="A box that has been removed goes on removing others. When the turn comes to a box that "
    "is not alive, go on to the next one.",
)
def _removed(student: Any, generator: torch.Generator) -> None:
    x = _place(generator)
    scores = [0.9, 0.8, 0.7]
    kept = _number(student, _row(x, x + 3, x + 6), scores, [1, 1, 1])
    assert len(kept) == 2, (
        "three boxes stand in a row, their scores fall from left to right, and only neighbours "
        f"overlap too much. {len(kept)} is kept, wanted the first and the last"
    )


suppress.equals_reference(
    "of many boxes of two classes the right ones are kept", points=2, probe=whole_numbers
)

suppress.mistake(
    "unchanged",
    broken,
    hint="This is the function as it was given to you. Read it line by line; six things are wrong.",
)
suppress.mistake(
    "over the smaller box",
    partial(_suppress, over="smaller"),
    hint="You divide by the smaller box: a small object before a large one would vanish. IoU "
    "divides by the union.",
)
suppress.mistake(
    "sorted by number",
    partial(_suppress, order="by number"),
    hint="You return the right boxes in the order of the input. The statement wants the best score "
    "first.",
)
