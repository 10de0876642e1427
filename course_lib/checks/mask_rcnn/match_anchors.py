"""Check of the exercise `match_anchors`: which anchor has to find which object?"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

BACKGROUND, IGNORED = -1, -2
HIGH, LOW = 0.75, 0.25  # exact in every precision


def reference(iou: Tensor, high: float, low: float) -> Tensor:
    """Return for each anchor its object, -1 for background, or -2 if it is left out.

    Args:
        iou: (anchors, objects).
        high: from here on an anchor has an object.
        low: below, it is background.

    Returns:
        (anchors,) integers.

    Source: arXiv:1506.01497, Sec. 3.1.2.
    """
    return _match(iou, high, low)


def _match(
    iou: Tensor,
    high: float,
    low: float,
    *,
    rescue: str = "its own best",
    between: int = IGNORED,
    below: int = BACKGROUND,
    strict: str = "",
    best: str = "of the anchor",
    first: int = 0,
    empty: str = "background",
) -> Tensor:
    """Match, with one thing at a time that can be made wrong."""
    anchors, objects = iou.shape
    if not objects:
        return torch.full((anchors,), BACKGROUND if empty == "background" else IGNORED)
    value, own = iou.max(dim=1)
    if best == "last":
        own = objects - 1 - iou.flip(1).argmax(dim=1)
    chosen = torch.full((anchors,), between)
    chosen[value <= low if strict == "low" else value < low] = below
    sure = value > high if strict == "high" else value >= high
    chosen[sure] = own[sure] + first
    if rescue == "none":
        return chosen
    top = iou.max(dim=0).values  # (objects,)
    if rescue == "one":
        rows = iou.argmax(dim=0)
        chosen[rows] = own[rows] + first
        return chosen
    saved = iou == top
    if rescue == "only if ignored":
        saved = saved & (value >= low)[:, None]
    rows = saved.any(dim=1)
    if rescue == "whom it saves":
        own = saved.to(torch.uint8).argmax(dim=1)
    chosen[rows] = own[rows] + first
    return chosen


def _draw(
    generator: torch.Generator,
    *,
    ranges: tuple[tuple[float, float], ...] = ((0.8, 0.95), (0.35, 0.65), (0.01, 0.2)),
    each: int = 4,
    objects: int = 3,
    saved: bool = False,
) -> tuple:
    """Anchors whose best IoU lies in each of the ranges; every object has one that it is sure of.

    Args:
        generator: for the numbers.
        ranges: of the best IoU.
        each: anchors in each range.
        objects: how many.
        saved: add an object that no anchor meets well; two meet it equally.
    """
    high, low = HIGH, LOW
    rows = []
    for start, end in ranges:
        for k in range(each):
            value = start + (end - start) * torch.rand((), generator=generator)
            row = value * 0.8 * torch.rand(objects, generator=generator)
            row[k % objects] = value
            rows.append(row)
    for k in range(objects):  # the best of each object, so that nobody needs saving
        row = 0.1 * torch.rand(objects, generator=generator)
        row[k] = 0.96 + 0.03 * torch.rand((), generator=generator)
        rows.append(row)
    iou = torch.stack(rows)
    if saved:
        faint = 0.02 + 0.08 * torch.rand(len(iou), generator=generator)
        faint = torch.minimum(faint, 0.5 * iou.max(dim=1).values)
        dull = (iou.max(dim=1).values < low).nonzero().flatten()
        torn = iou.max(dim=1).values.gt(low).logical_and(iou.max(dim=1).values < high)
        best = 0.21 + 0.03 * torch.rand((), generator=generator)
        faint[dull[0]] = best  # would be background
        faint[torn.nonzero()[0, 0]] = best  # would be left out; prefers another object
        iou = torch.cat([faint[:, None], iou], dim=1)
    iou = iou[torch.randperm(len(iou), generator=generator)]
    return iou, high, low


def _edges(generator: torch.Generator) -> tuple:
    """Two anchors lie exactly at the thresholds, one meets two objects equally well."""
    iou, high, low = _draw(generator, saved=True)
    best = iou.max(dim=1).values
    row = ((best > high) & (best < 0.95)).nonzero()[0, 0]
    iou[row, 1] = iou[row, 2] = 0.8125
    exact = torch.tensor([[0.0, high, 0.1, 0.1], [0.0, 0.1, low, 0.1]])
    iou = torch.cat([iou, exact])
    return iou[torch.randperm(len(iou), generator=generator)], high, low


def _none(generator: torch.Generator) -> tuple:
    return torch.zeros(5, 0), HIGH, LOW


def _example(generator: torch.Generator) -> tuple:
    """All that can happen; now and then an image without objects."""
    empty = torch.rand((), generator=generator) < 0.3
    return _none(generator) if empty else _edges(generator)


match_anchors = Check(
    "match_anchors",
    lab="mask_rcnn",
    level="build",
    minutes=20,
    reference=reference,
    example=_example,
)

match_anchors.equals_reference(
    "an anchor with a large IoU gets its best object, one with a small IoU is background",
    points=2,
    example=partial(_draw, ranges=((0.8, 0.95), (0.01, 0.2)), each=6),
    what="the objects of anchors of which none lies between the thresholds",
)
match_anchors.equals_reference(
    "between the thresholds an anchor is left out",
    points=1,
    example=_draw,
    what="the objects of anchors of which some lie between the thresholds",
)
match_anchors.equals_reference(
    "at `high` an object, at `low` left out; of equals the first",
    points=1,
    example=_edges,
    what="the objects of anchors of which two lie exactly at a threshold, and one at two objects",
)
match_anchors.equals_reference(
    "no object goes without an anchor",
    points=2,
    example=partial(_draw, saved=True),
    what="the objects of anchors of which none meets object 0 well",
)
match_anchors.equals_reference(
    "without objects, all is background",
    points=1,
    example=[_none, partial(_draw, ranges=((0.8, 0.95),), each=1)],
    what="the objects of anchors in an image with {0.shape[1]} of them",
)

match_anchors.mistake(
    "the rescue forgotten",
    partial(_match, rescue="none"),
    hint="An object that no anchor meets with `high` or more gets no anchor in your answer: the "
    "network would be told that there is background, and would never learn small or thin objects. "
    "Give each object its best anchors, whatever their IoU.",
)
match_anchors.mistake(
    "the rescue stops at the first",
    partial(_match, rescue="one"),
    hint="Several anchors can meet an object equally well, and argmax gives only the first of "
    "them. Compare the column with its maximum, and take all that reach it.",
)
match_anchors.mistake(
    "rescued from between only",
    partial(_match, rescue="only if ignored"),
    hint="You give an object its best anchor only if that one reaches `low`. The objects that "
    "need it most are met by none so well.",
)
match_anchors.mistake(
    "rescued anchors change their object",
    partial(_match, rescue="whom it saves"),
    hint="You give the anchor to the object that it saves. The statement gives every anchor, saved "
    "or not, to its own best object; look at an anchor that is the best of one object and meets "
    "another even better.",
)
match_anchors.mistake(
    "nobody is left out",
    partial(_match, between=BACKGROUND),
    hint="Your anchors between the thresholds are background. An anchor that covers half of an "
    "object is neither a good example of it nor of the absence of one: give it -2.",
)
match_anchors.mistake(
    "background and left out exchanged",
    partial(_match, between=BACKGROUND, below=IGNORED),
    hint="You have exchanged the two numbers: below `low` is background, -1, and between the "
    "thresholds left out, -2.",
)
match_anchors.mistake(
    "strictly above",
    partial(_match, strict="high"),
    hint="An anchor with exactly `high` has an object: compare with >=.",
)
match_anchors.mistake(
    "low included",
    partial(_match, strict="low"),
    hint="An anchor with exactly `low` is left out; background is what lies below: compare with <.",
)
match_anchors.mistake(
    "objects counted from 1",
    partial(_match, first=1),
    hint="Your objects are numbered from 1. The statement asks for the column, which begins at 0: "
    "with it the next line takes boxes[match].",
)
match_anchors.mistake(
    "the last of equals",
    partial(_match, best="last"),
    hint="If an anchor meets two objects equally well, the statement wants the first of them, as "
    "`max` and `argmax` give it.",
)
match_anchors.mistake(
    "left out without objects",
    partial(_match, empty="ignored"),
    hint="In an image without objects you leave every anchor out. It is where a network can learn "
    "best what background looks like: return -1 for all.",
)
