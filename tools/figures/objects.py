"""The figures of the chapters on objects; what they show is computed by `course_lib`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from skimage.measure import find_contours
from torch import Tensor

from course_lib.data import load
from course_lib.models.mask_rcnn import MaskRCNN
from course_lib.ops import anchor_grid, box_iou, nms, roi_align
from tools.figures.drawing import (
    BLUE,
    GREEN,
    INK,
    LINE,
    ORANGE,
    PURPLE,
    WIDTH,
    Diagram,
    legend,
    sheet,
    ticks,
)

RATIOS = (0.5, 1.0, 2.0)


def frame(
    d: Diagram, box: Sequence[float], colour: str, *, dash: str = "-", line: float = 2
) -> None:
    """The outline of a box (x1, y1, x2, y2), in pixels of the sheet."""
    x1, y1, x2, y2 = box
    d.axes.add_patch(
        Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colour, lw=line, linestyle=dash)
    )


# Anchors over a street scene.
SIZE, STRIDE, ANCHOR = (96, 128), 16, 32
SCALE, TOP = 3.3, 34


def best_anchor() -> tuple[Tensor, Tensor, Tensor]:
    """Object numbers (H, W) of a scene, the box that an anchor fits best, that place's anchors.

    The scene is the first of the test split; the object is the one that some anchor fits best.
    """
    scene = load("streets", "test", size=SIZE, num=1, seed=0, task="instance")
    assert scene.boxes is not None  # the task "instance" has them
    ids, boxes = scene.targets[0], scene.boxes[0]
    height, width = (side // STRIDE for side in SIZE)
    anchors = anchor_grid((height, width), STRIDE, (ANCHOR,), RATIOS)
    overlap = box_iou(boxes, anchors)
    box = boxes[overlap.max(1).values.argmax()]
    place = int(box_iou(box[None], anchors).argmax()) // len(RATIOS)
    return ids, box, anchors.view(-1, len(RATIOS), 4)[place]


def anchors_scene() -> Figure:
    """The places of a map, the three anchors of one of them, and the box of an object."""
    d = Diagram(TOP + SIZE[0] * SCALE + 36)
    left = (WIDTH - SIZE[1] * SCALE) / 2
    ids, box, three = best_anchor()

    def at(points: np.ndarray) -> np.ndarray:
        return points * SCALE + np.array([left, TOP])

    d.box(left, TOP, SIZE[1] * SCALE, SIZE[0] * SCALE, fill=0, line=1)
    for number in range(1, int(ids.max()) + 1):
        inside = np.pad(ids.numpy() == number, 1).astype(float)
        for outline in find_contours(inside, 0.5):  # (n, 2) rows and columns, padded by one
            corners = at(outline[:, ::-1] - 0.5)
            d.axes.add_patch(Polygon(corners, fc=(LINE, 0.3), ec=LINE, lw=1))
    for row in range(SIZE[0] // STRIDE):
        for column in range(SIZE[1] // STRIDE):
            x, y = at(np.array([column * STRIDE, row * STRIDE]))
            d.circle(x, y, 1.5, INK, fill=1)
    overlaps = box_iou(box[None], three)[0].tolist()
    for anchor, overlap in zip(three.numpy(), overlaps, strict=True):
        best = overlap == max(overlaps)
        frame(d, at(anchor.reshape(2, 2)).ravel().tolist(), BLUE, dash="--", line=4 if best else 2)
    frame(d, at(box.numpy().reshape(2, 2)).ravel().tolist(), ORANGE, line=3)
    middle = at(three[0].numpy().reshape(2, 2)).mean(0)
    d.circle(float(middle[0]), float(middle[1]), 4, BLUE, fill=1)
    d.text(WIDTH / 2, 16, f"anchors of {ANCHOR} pixels, a place every {STRIDE}")
    words = f"best overlap with the true box: {max(overlaps):.2f}"
    d.text(WIDTH / 2, d.height - 16, words, ORANGE)
    return d.figure


# Matching along a row.
ROW_ANCHOR, STEP, HIGH, LOW = 32, 8, 0.7, 0.3
OBJECTS = {"30 pixels wide": (38.0, 30.0), "24 pixels wide": (133.0, 24.0)}  # centre, width


def row_overlaps(centres: Tensor) -> Tensor:
    """Overlap (2, n) of anchors at these centres along a row with the two objects."""
    half = ROW_ANCHOR / 2
    anchors = torch.stack(
        [centres - half, torch.full_like(centres, -half), centres + half,
         torch.full_like(centres, half)], 1,
    )  # fmt: skip
    objects = torch.tensor([[c - w / 2, -w / 2, c + w / 2, w / 2] for c, w in OBJECTS.values()]).to(
        centres
    )
    return box_iou(objects, anchors)


def matching() -> Figure:
    """The overlap of anchors along a row with two objects, and the two thresholds."""
    figure = sheet(330)
    axes = figure.subplots()
    places = torch.arange(0, 169, STEP, dtype=torch.float64)
    fine = torch.arange(0, 168.5, 0.5, dtype=torch.float64)
    looks = ((BLUE, "-", "o"), (ORANGE, "--", "s"))
    for (name, _), (colour, dash, mark), curve, found in zip(
        OBJECTS.items(), looks, row_overlaps(fine), row_overlaps(places), strict=True
    ):
        axes.plot(fine, curve, color=colour, linestyle=dash, label=name)
        axes.plot(places, found, color=colour, linestyle="", marker=mark, ms=7)
        if found.max() < HIGH:
            best = int(found.argmax())
            axes.plot(places[best], found[best], "o", ms=20, mfc="none", mec=INK, mew=2, label="_")
    for level, words in ((HIGH, "object"), (LOW, "background")):
        axes.axhline(level, color=LINE, lw=1)
        axes.text(86, level + (0.03 if level == HIGH else -0.09), words, ha="center", color=INK)
    axes.set(xlabel="centre of the anchor, pixels", ylabel="overlap J", xlim=(0, 168), ylim=(0, 1))
    ticks(axes, range(0, 169, 24), [0, LOW, HIGH, 1])
    legend(figure, 2)
    return figure


# One cell of RoIAlign: the chapter's worked example.
FEATURES = [[0, 4, 8, 6], [8, 12, 0, 2], [4, 6, 2, 4]]
ROI, ROI_STRIDE, CELLS, POINTS = (8.0, 4.0, 24.0, 20.0), 8, 2, 2


def cell_points() -> list[tuple[float, float, float]]:
    """Row, column and value of the points of the upper left cell, in places of the map."""
    features = torch.tensor(FEATURES, dtype=torch.float64)[None, None]
    x1, y1, x2, y2 = ROI
    step = ((y2 - y1) / CELLS / POINTS, (x2 - x1) / CELLS / POINTS)
    found = []
    for m in range(POINTS):
        for n in range(POINTS):
            y, x = y1 + (m + 0.5) * step[0], x1 + (n + 0.5) * step[1]
            point = torch.tensor([[x - 1e-4, y - 1e-4, x + 1e-4, y + 1e-4]], dtype=torch.float64)
            value = roi_align(features, [point], 1, spatial_scale=1 / ROI_STRIDE, sampling_ratio=1)
            found.append((y / ROI_STRIDE - 0.5, x / ROI_STRIDE - 0.5, float(value)))
    return found


def roi_cell() -> Figure:
    """The points of one cell of RoIAlign, and what each reads."""
    d, side, left, top = Diagram(296), 66, 20, 40
    rows, columns = len(FEATURES), len(FEATURES[0])
    for i in range(rows):
        for j in range(columns):
            d.box(left + j * side, top + i * side, side, side, fill=0, line=1)

    def at(row: float, column: float) -> tuple[float, float]:
        """Where a point of the map is on the sheet: place i has its middle at i."""
        return left + (column + 0.5) * side, top + (row + 0.5) * side

    points = cell_points()
    for row, column, _ in points:
        for i in (math.floor(row), math.floor(row) + 1):
            for j in (math.floor(column), math.floor(column) + 1):
                d.line(at(row, column), at(i, j), width=1)
    for i in range(rows):
        for j in range(columns):
            x, y = at(i, j)
            d.circle(x, y, 3, LINE, fill=1)
            d.text(x + 13, y + (17 if i else -16), str(FEATURES[i][j]), LINE)
    x1, y1, x2, y2 = (v / ROI_STRIDE - 0.5 for v in ROI)
    step = (x2 - x1) / CELLS
    for k in range(1, CELLS):
        d.line(at(y1 + k * step, x1), at(y1 + k * step, x2), colour=BLUE)
        d.line(at(y1, x1 + k * step), at(y2, x1 + k * step), colour=BLUE)
    frame(d, [*at(y1, x1), *at(y2, x2)], BLUE, line=3)
    for row, column, _ in points:
        d.circle(*at(row, column), 5, ORANGE, fill=1)
    d.text(left + columns * side / 2, 16, "feature map and box")
    right = left + columns * side + 24
    d.text(right, 16, "the points", at="left")
    for k, (row, column, value) in enumerate(points):
        words = f"({row:.2f}, {column:.2f}): {value:.0f}"
        d.text(right, 56 + 30 * k, words, ORANGE, at="left")
    mean = sum(value for *_, value in points) / len(points)
    d.text(right, 56 + 30 * len(points) + 8, f"their mean: {mean:.0f}", at="left")
    d.text(left, top + rows * side + 30, f"places of {ROI_STRIDE} pixels", LINE, at="left")
    return d.figure


def network() -> Figure:
    """Mask R-CNN: stages, what each returns, and the five parts of the loss."""
    model = MaskRCNN(num_classes=4)
    strides = model.strides
    shapes = len(model.anchor_ratios)
    stages = (
        ("backbone", f"maps at strides {strides[0]} to {strides[-1]}", ()),
        ("pyramid", f"{model.pyramid.smooth[0].out_channels} channels at each stride", ()),
        ("proposals", f"{shapes} anchors a place → {model.settings.after} boxes",
         ("objectness", "box of the proposal")),
        ("RoIAlign", "7×7 and 14×14 places for each box", ()),
        ("box head", "a class, and a better box", ("class", "box")),
        ("mask head", "28×28 for each class", ("mask",)),
    )  # fmt: skip
    d, y = Diagram(466), 14.0
    for k, (name, gives, losses) in enumerate(stages):
        colour = GREEN if losses else BLUE
        d.box(10, y, 122, 42, colour)
        d.text(71, y + 21, name)
        d.text(148, y + (9 if losses else 21), gives, at="left")
        if losses:
            d.text(148, y + 33, "loss: " + " + ".join(losses), GREEN, at="left")
        if k + 1 < len(stages):
            d.arrow((71, y + 43), (71, y + 76), colour=LINE)
        y += 78
    return d.figure


# Suppression: apart, and in a crowd.
APART = ((30, 0.9), (39, 0.7), (22, 0.6), (290, 0.8), (300, 0.5))  # left edge and score
CROWD = ((120, 0.9), (155, 0.8))
BOX_WIDTH, BOX_HEIGHT, THRESHOLD = 110, 90, 0.5


def boxes_in_a_row(row: tuple[tuple[float, float], ...]) -> tuple[Tensor, Tensor]:
    """Boxes (n, 4) and scores (n,) of a row of equal boxes."""
    lefts = torch.tensor([float(left) for left, _ in row])
    zero = torch.zeros_like(lefts)
    boxes = torch.stack([lefts, zero, lefts + BOX_WIDTH, zero + BOX_HEIGHT], 1)
    return boxes, torch.tensor([score for _, score in row])


def suppression() -> Figure:
    """What suppression keeps of two objects that stand apart, and of two that stand close."""
    d = Diagram(330)
    titles = ("two objects apart: five detections", "two objects close: two detections")
    for row, title, top in zip((APART, CROWD), titles, (34, 204), strict=True):
        boxes, scores = boxes_in_a_row(row)
        kept = set(nms(boxes, scores, THRESHOLD).tolist())
        d.text(8, top - 18, title, at="left")
        shift = 8 * (len(row) > 2)
        for number, (left, score) in enumerate(row):
            y = top + shift * (number % 3)
            colour, dash = (BLUE, "-") if number in kept else (ORANGE, "--")
            box = [left, y, left + BOX_WIDTH, y + BOX_HEIGHT]
            frame(d, box, colour, dash=dash, line=4 if number in kept else 2)
            if number in kept:
                d.text(left + BOX_WIDTH / 2, y + BOX_HEIGHT / 2, f"{score:.1f}", BLUE)
        if len(row) == 2:
            overlap = float(box_iou(boxes, boxes)[0, 1])
            left = CROWD[1][0] + BOX_WIDTH
            d.text(left - 17, top + 46, f"{CROWD[1][1]:.1f}", ORANGE)
            d.text(left + 14, top + 30, f"overlap {overlap:.2f}:", at="left")
            d.text(left + 14, top + 54, "one is removed", ORANGE, at="left")
    return d.figure


# Two discs that touch.
RADIUS, APART_BY = 10.0, 12.0


def profile_along(x: np.ndarray) -> np.ndarray:
    """Distance to the outside of the two discs from points on the line through their centres."""
    angles = np.linspace(0, 2 * np.pi, 3601)
    outline = []
    for sign in (-1, 1):
        circle = np.stack([sign * APART_BY / 2 + RADIUS * np.cos(angles), RADIUS * np.sin(angles)])
        other = np.hypot(circle[0] + sign * APART_BY / 2, circle[1])
        outline.append(circle[:, other >= RADIUS])
    points = np.concatenate(outline, 1)
    return np.hypot(x[:, None] - points[0], points[1]).min(1)


def watershed_profile() -> Figure:
    """Two touching discs, and the distance to the outside along the line through both."""
    figure = sheet(430)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.45, 1))
    angles = np.linspace(0, 2 * np.pi, 181)
    for sign in (-1, 1):
        centre = sign * APART_BY / 2
        x, y = centre + RADIUS * np.cos(angles), RADIUS * np.sin(angles)
        hidden = np.hypot(x + centre, y) < RADIUS
        above.plot(np.where(hidden, np.nan, x), np.where(hidden, np.nan, y), "-", color=BLUE)
        above.plot(centre, 0, "o", color=BLUE)
    end = APART_BY / 2 + RADIUS
    above.plot([-end, end], [0, 0], color=LINE, lw=1.5, linestyle="--")
    neck = math.sqrt(RADIUS**2 - APART_BY**2 / 4)
    above.plot([0, 0], [-neck, neck], color=ORANGE, linestyle=":")
    above.text(1, -6, "neck", color=ORANGE)
    above.set(aspect="equal", ylim=(-11, 11), ylabel="pixels")
    ticks(above, [], [-10, 0, 10])
    x = np.linspace(-end, end, 221)
    height = profile_along(x)
    saddle, peak = float(profile_along(np.zeros(1))[0]), float(height.max())
    below.plot(x, height, color=BLUE)
    below.axhspan(saddle, peak, color=ORANGE, alpha=0.3, lw=0)
    below.text(end + 1, (saddle + peak) / 2 - 0.6, f"depth {peak - saddle:.0f}", color=ORANGE)
    below.set(ylim=(0, 11), xlim=(-17.5, 25), xlabel="position on the line, pixels",
              ylabel="distance D")  # fmt: skip
    ticks(below, [-16, -8, 0, 8, 16], [0, round(saddle), round(peak)])
    return figure


# Average precision: the chapter's worked example.
HITS, NUMBER = (True, True, False, True, False, False, True), 5


def precision_and_recall() -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall after each detection of the worked example."""
    true = np.cumsum(HITS)
    return true / np.arange(1, len(HITS) + 1), true / NUMBER


def average_precision_curve() -> Figure:
    """Precision over recall, interpolated precision, and the area below it."""
    figure = sheet(350)
    axes = figure.subplots()
    precision, recall = precision_and_recall()
    best = np.maximum.accumulate(precision[::-1])[::-1]
    edges, heights = [0.0], []
    for r in sorted(set(recall)):
        heights.append(best[np.argmax(recall >= r)])
        edges.append(r)
    corners_x = np.repeat(edges, 2)[1:-1]
    corners_y = np.repeat(heights, 2)
    area = float(np.sum(np.diff(edges) * heights))
    axes.fill_between(corners_x, corners_y, color=ORANGE, alpha=0.2, lw=0)
    axes.plot(recall, precision, color=BLUE, marker="o", label="along the list")
    axes.plot(
        [*corners_x, edges[-1], 1], [*corners_y, 0, 0], color=ORANGE, linestyle="--",
        label="interpolated",
    )  # fmt: skip
    axes.text(0.28, 0.3, f"AP = {area:.2f}", color=INK, ha="center")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    ticks(axes, [0, 0.2, 0.4, 0.6, 0.8, 1], [0, 0.5, 1])
    legend(figure, 2)
    return figure


# Void: the chapter's worked example; 0 is void.
ROW_A = (1,) * 10 + (0,) * 10
ROW_B = (1,) * 8 + (0,) * 2 + (2,) * 10


def panoptic_of_rows(truth: tuple[int, ...], guess: tuple[int, ...]) -> float:
    """Panoptic quality of one class, with the rules for void."""
    void = {i for i, s in enumerate(truth) if not s}
    true, said = (
        {s: {i for i, t in enumerate(row) if t == s} for s in set(row) - {0}}
        for row in (truth, guess)
    )
    overlaps = {
        (a, b): len(p & g) / (len(p) + len(g) - len(p & g) - len(p & void))
        for a, p in said.items()
        for b, g in true.items()
    }
    pairs = {key: value for key, value in overlaps.items() if value > 0.5}
    wrong = sum(
        a not in {pair[0] for pair in pairs} and 2 * len(p & void) <= len(p)
        for a, p in said.items()
    )
    missed = len(true) - len(pairs)
    return sum(pairs.values()) / (len(pairs) + wrong / 2 + missed / 2)


def void() -> Figure:
    """Two rows of pixels, and panoptic quality with either of them as the truth."""
    d, side, left = Diagram(222), 21, 46
    for name, row, y in (("A", ROW_A, 22), ("B", ROW_B, 84)):
        d.text(22, y + side / 2, name, size=18)
        for k, segment in enumerate(row):
            x = left + k * side
            colour = (LINE, BLUE, PURPLE)[segment]
            d.box(x, y, side, side, colour, fill=0.5 if segment else 0, line=1)
            if not segment:
                d.line((x + 3, y + 3), (x + side - 3, y + side - 3), width=1)
                d.line((x + 3, y + side - 3), (x + side - 3, y + 3), width=1)
        ends = [k for k in range(len(row)) if row[k] and (k == 0 or row[k - 1] != row[k])]
        for k in ends:
            length = row.count(row[k])
            words = f"{k} to {k + length - 1}"
            d.text(left + (k + length / 2) * side, y + side + 14, words,
                   (LINE, BLUE, PURPLE)[row[k]])  # fmt: skip
    for y, truth, names in ((156, (ROW_A, ROW_B), "AB"), (192, (ROW_B, ROW_A), "BA")):
        words = f"{names[0]} is the truth, {names[1]} the prediction: PQ"
        d.text(left, y, f"{words} {panoptic_of_rows(*truth):.2f}", at="left")
    return d.figure
