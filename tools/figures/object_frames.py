"""The frames that a slider moves in the chapters on objects.

The scenes are the course's own; what happens to their boxes and masks is computed by `course_lib`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from course_lib.data import load
from course_lib.ops import anchor_grid, box_iou, match, nms, soft_nms
from course_lib.post import split_touching
from tools.figures.drawing import BLUE, GREEN, LINE, ORANGE, PURPLE, sheet


def outline(
    axes: Axes, boxes: Tensor, colour: str, *, line: float = 2, dash: str = "-", strength: float = 1
) -> None:
    """Draw the outlines of boxes (n, 4)."""
    for x1, y1, x2, y2 in boxes.tolist():
        size = (x2 - x1, y2 - y1)
        axes.add_patch(
            Rectangle(
                (x1, y1), *size, fill=False, ec=colour, lw=line, linestyle=dash, alpha=strength
            )
        )


def plane(axes: Axes, size: Sequence[int], title: str) -> None:
    """Axes of a picture, in pixels, without ticks."""
    height, width = size
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[], title=title)


# Anchors and the upper threshold.
STREET, STRIDE, SIZES, RATIOS = (96, 128), 8, (12, 24, 48), (0.5, 1.0, 2.0)
LOW, HIGHS = 0.3, (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Matched(NamedTuple):
    """Which anchors say what at an upper threshold."""

    positive: Tensor  # (n,) bool: at the threshold or above
    rescued: Tensor  # (n,) bool: positive all the same
    ignored: Tensor  # (n,) bool
    negative: Tensor  # (n,) bool
    objects: int  # with a positive anchor


@cache
def street() -> tuple[Tensor, Tensor]:
    """The boxes of a scene's objects, and the anchors over it."""
    scene = load("streets", "test", size=STREET, num=1, seed=0, task="instance")
    assert scene.boxes is not None  # the task "instance" has them
    height, width = (side // STRIDE for side in STREET)
    return scene.boxes[0], anchor_grid((height, width), STRIDE, SIZES, RATIOS)


def matched(high: float) -> Matched:
    """Match the anchors at an upper threshold."""
    boxes, anchors = street()
    overlap = box_iou(boxes, anchors)
    matches = match(overlap, high=high, low=LOW, rescue=True)
    positive = overlap.amax(0) >= high
    rescued = (matches >= 0) & ~positive
    return Matched(
        positive,
        rescued,
        matches == -2,
        matches == -1,
        len(set(matches[matches >= 0].tolist())),
    )


def anchors() -> dict[str, Figure]:
    """Label -> frame: the anchors that say yes, and those that are ignored."""
    boxes, grid = street()
    middles = (grid[:, :2] + grid[:, 2:]) / 2
    frames = {}
    for high in HIGHS:
        found = matched(high)
        figure = sheet(400)
        axes = figure.subplots()
        words = (
            f"{int(found.positive.sum())} yes, {int(found.rescued.sum())} rescued, "
            f"{int(found.ignored.sum())} ignored, {int(found.negative.sum())} no"
        )
        plane(axes, STREET, words)
        places = middles[found.ignored].unique(dim=0)
        axes.plot(*places.T.numpy(), linestyle="", marker="x", markersize=5, color=LINE)
        outline(axes, boxes, ORANGE, line=3.5)
        outline(axes, grid[found.positive], BLUE, line=1.5)
        outline(axes, grid[found.rescued], PURPLE, line=2, dash="--")
        frames[f"{high:.1f}"] = figure
    return frames


# Reports of cells, and the threshold of suppression.
CELLS, REPORTS, NOISE = (64, 64), 7, 0.1
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@cache
def cells() -> tuple[Tensor, Tensor, Tensor]:
    """The boxes of a picture's cells, reports of them and the reports' scores.

    Each cell is reported seven times, from places and in sizes that are drawn at random; a report's
    score is its overlap with the cell, and a little luck.
    """
    scene = load("cells", "test", size=CELLS, num=1, seed=0, task="instance")
    assert scene.boxes is not None
    boxes = scene.boxes[0]
    generator = torch.Generator().manual_seed(0)
    true = boxes.repeat_interleave(REPORTS, dim=0)
    sides = (true[:, 2:] - true[:, :2]).repeat(1, 2)
    shaken = true + 0.12 * sides * torch.randn(true.shape, generator=generator)
    reports = shaken.clamp(0, CELLS[0])
    good = (reports[:, 2:] - reports[:, :2]).amin(1) > 1
    overlap = box_iou(reports, true).diagonal()
    scores = (overlap + NOISE * torch.randn(len(true), generator=generator)).clamp(0.05, 0.99)
    return boxes, reports[good], scores[good]


class Kept(NamedTuple):
    """What suppression leaves, and how often each cell is there."""

    boxes: Tensor  # (k, 4)
    once: int
    more: int
    none: int


def suppressed(threshold: float) -> Kept:
    """Suppress the reports; a box belongs to the cell that it overlaps most, by half or more."""
    boxes, reports, scores = cells()
    kept = reports[nms(reports, scores, threshold)]
    best, whose = box_iou(kept, boxes).max(1)
    times = whose[best >= 0.5].bincount(minlength=len(boxes))
    return Kept(kept, int((times == 1).sum()), int((times > 1).sum()), int((times == 0).sum()))


def above(threshold: float) -> int:
    """How many reports have a score above 0.5 after soft suppression."""
    _, reports, scores = cells()
    return int((soft_nms(reports, scores, iou_threshold=threshold)[1] > 0.5).sum())


def suppression() -> dict[str, Figure]:
    """Label -> frame: what greedy and what soft suppression make of the same reports."""
    boxes, reports, scores = cells()
    frames = {}
    for threshold in THRESHOLDS:
        figure = sheet(300)
        left, right = figure.subplots(1, 2)
        found = suppressed(threshold)
        plane(left, CELLS, f"{len(found.boxes)} of {len(reports)} kept")
        left.set_xlabel(f"once {found.once}, more {found.more}, none {found.none}")
        outline(left, boxes, ORANGE, line=3)
        outline(left, found.boxes, BLUE, line=1.5)
        order, lowered = soft_nms(reports, scores, iou_threshold=threshold, min_score=0.001)
        plane(right, CELLS, "soft")
        right.set_xlabel(f"{above(threshold)} above 0.5")
        outline(right, boxes, ORANGE, line=3)
        for number, score in zip(order.tolist(), lowered.tolist(), strict=True):
            outline(right, reports[[number]], BLUE, line=1.5, strength=min(score, 1.0))
        frames[f"{threshold:.1f}"] = figure
    return frames


# Touching cells, and how deep a neck has to be.
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
TINTS = (BLUE, ORANGE, GREEN, PURPLE)
FINE = 6  # parts of a pixel


@cache
def touching() -> Tensor:
    """The numbers of a picture's cells, (H, W)."""
    scene = load("cells", "test", size=CELLS, num=1, seed=0, task="instance")
    return scene.targets[0].long()


def divided(depth: float) -> Tensor:
    """The mask of the cells, taken apart at necks that are deep enough."""
    return split_touching(touching() > 0, depth=depth)


def painted(labels: Tensor) -> np.ndarray:
    """Regions in four colours, six times as large, (6 H, 6 W, 4), with clear gaps between them."""
    large = labels.numpy().repeat(FINE, axis=0).repeat(FINE, axis=1)
    colours = np.array([to_rgb(colour) for colour in TINTS])[large % len(TINTS)]
    shown = large > 0
    shown[:, 1:] &= large[:, 1:] == large[:, :-1]
    shown[1:] &= large[1:] == large[:-1]
    return np.concatenate([colours, np.where(shown, 0.7, 0.0)[..., None]], axis=-1)


def watershed() -> dict[str, Figure]:
    """Label -> frame: the true cells, and the regions that the watershed finds."""
    truth = touching()
    frames = {}
    for depth in DEPTHS:
        labels = divided(depth)
        figure = sheet(290)
        pairs = ((truth, "true cells"), (labels, "regions"))
        for axes, (numbers, name) in zip(figure.subplots(1, 2), pairs, strict=True):
            plane(axes, CELLS, f"{int(numbers.max())} {name}")
            axes.imshow(painted(numbers), extent=(0, 64, 64, 0), interpolation="none")
        frames[f"{depth:g}"] = figure
    return frames


def described(name: str) -> dict[str, str]:
    """Label -> what a frame shows, in words, as the page has it."""
    if name == "anchors-threshold":
        lines = {}
        for high in HIGHS:
            found = matched(high)
            lines[f"{high:.1f}"] = (
                f"{int(found.positive.sum())} anchors reach the threshold (solid frames), "
                f"{int(found.rescued.sum())} are rescued (dashed), {int(found.ignored.sum())} are "
                f"ignored (crosses at their middles), {int(found.negative.sum())} say no."
            )
        return lines
    if name == "nms-threshold":
        lines = {}
        for threshold in THRESHOLDS:
            kept = suppressed(threshold)
            lines[f"{threshold:.1f}"] = (
                f"Left, {len(kept.boxes)} boxes are kept. Cells with one box: {kept.once}, with "
                f"several: {kept.more}, with none: {kept.none}. Right, {above(threshold)} boxes "
                "have a score above 0.5 after soft suppression, and the others are pale."
            )
        return lines
    truth = int(touching().max())
    return {
        f"{depth:g}": f"Left the {truth} true cells, right {int(divided(depth).max())} regions, "
        "each in a colour that its neighbours need not have."
        for depth in DEPTHS
    }
