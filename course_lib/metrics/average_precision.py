"""Average precision: how well a ranked list of found objects agrees with the truth.

All that was found in all images is ranked by score and compared with the truth, the surest first.
Each is a hit if it overlaps enough with a true object that no surer one has taken. Going down the
list, recall (the share of true objects hit) grows and precision (the share of hits among those
reported so far) mostly falls; average precision is the area under this curve.

COCO's variant, as here: the curve is made to fall only (each precision is replaced by the best at
that recall or more) and read at 101 recalls; the mean over ten IoU thresholds, .50 to .95, and
over the classes is "AP". True objects of another size than the one judged, and crowds, are
ignored: neither a hit on them nor a miss counts.

For a data set take :func:`course_lib.metrics.detection_scores`, which does the same in compiled
code.

Source: Lin et al., "Microsoft COCO", arXiv:1405.0312; what counts is the published code, with whose
scores these agree.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.metrics.objects import (
    FoundObjects,
    TrueObjects,
    check_lists,
    object_areas,
    overlaps,
)

# numpy's own steps: other ways to write 0.6 or 0.07 differ in the last bit, and so do ties.
IOU_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
RECALLS = torch.from_numpy(np.linspace(0, 1, 101))
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True)
class Matches:
    """What became of the objects of one class in one image.

    Attributes:
        scores: (n,) float64 of those found, best first.
        hit: (T, n) bool: whether each took a true object, at each of T IoU thresholds.
        ignored: (T, n) bool: whether it counts neither as a hit nor as a false alarm.
        num_true: how many true objects count.
    """

    scores: Tensor
    hit: Tensor
    ignored: Tensor
    num_true: int


@dataclass(frozen=True)
class DetectionCurves:
    """Precision at each recall, and the recall reached: of T IoU thresholds and C classes.

    Attributes:
        classes: the C classes, rising.
        iou_thresholds: the T thresholds.
        precision: (T, C, 101) float64, at the recalls 0, 0.01, ..., 1; NaN for a class without
            true objects.
        recall: (T, C) float64: the share of true objects that were hit in the end.
    """

    classes: tuple[int, ...]
    iou_thresholds: tuple[float, ...]
    precision: Tensor
    recall: Tensor

    @property
    def average_precision(self) -> Tensor:
        """(T, C) float64: mean of the precision over the recalls."""
        return self.precision.mean(-1)  # eq-ap-101

    @property
    def mean(self) -> float:
        """AP: mean over thresholds and classes; NaN where there is no true object at all."""
        return float(self.average_precision.nanmean())  # eq-coco-ap


def average_precision(
    found: list[FoundObjects],
    truths: list[TrueObjects],
    *,
    kind: str = "box",
    iou_thresholds: tuple[float, ...] = IOU_THRESHOLDS,
    area: str | tuple[float, float] = "all",
    max_detections: int = 100,
) -> float:
    """COCO's AP: mean over IoU thresholds and classes of the area under precision and recall.

    Args:
        found: what a model reports, of each image.
        truths: the objects of each image, in the same order.
        kind: "box" or "mask": what has to overlap.
        iou_thresholds: from which IoU on a hit is one.
        area: a name in :data:`AREAS` or (least, most) pixels of the objects that count.
        max_detections: of each image and class, only so many count, the best.

    Returns:
        A number in [0, 1]; NaN where no true object counts.

    Raises:
        ValueError: for lists or settings that do not fit.
    """
    matches = match_detections(
        found,
        truths,
        kind=kind,
        iou_thresholds=iou_thresholds,
        area=area,
        max_detections=max_detections,
    )
    return detection_curves(matches, iou_thresholds).mean


def average_recall(
    found: list[FoundObjects],
    truths: list[TrueObjects],
    *,
    kind: str = "box",
    iou_thresholds: tuple[float, ...] = IOU_THRESHOLDS,
    area: str | tuple[float, float] = "all",
    max_detections: int = 100,
) -> float:
    """COCO's AR: mean over IoU thresholds and classes of the recall that is reached in the end.

    Args:
        found: as for :func:`average_precision`.
        truths: the same.
        kind: the same.
        iou_thresholds: the same.
        area: the same.
        max_detections: the same; COCO reports 1, 10 and 100.

    Returns:
        A number in [0, 1]; NaN where no true object counts.

    Raises:
        ValueError: for lists or settings that do not fit.
    """
    matches = match_detections(
        found,
        truths,
        kind=kind,
        iou_thresholds=iou_thresholds,
        area=area,
        max_detections=max_detections,
    )
    return float(detection_curves(matches, iou_thresholds).recall.nanmean())


def match_detections(
    found: list[FoundObjects],
    truths: list[TrueObjects],
    *,
    kind: str = "box",
    iou_thresholds: tuple[float, ...] = IOU_THRESHOLDS,
    area: str | tuple[float, float] = "all",
    max_detections: int = 100,
) -> list[dict[int, Matches]]:
    """Decide in each image what is a hit.

    Images stay apart, so that :func:`detection_curves` can be asked about any choice of them: a
    bootstrap draws from this list.

    Args:
        found: as for :func:`average_precision`.
        truths: the same.
        kind: the same.
        iou_thresholds: the same.
        area: the same.
        max_detections: the same.

    Returns:
        Of each image, the matches of each class that it shows or that was found in it.

    Raises:
        ValueError: for lists or settings that do not fit.
    """
    check_lists(found, truths, kind)
    bounds = _area_range(area)
    if not iou_thresholds or not all(0 < threshold <= 1 for threshold in iou_thresholds):
        raise ValueError(f"iou_thresholds are {iou_thresholds}; give numbers in (0, 1].")
    if max_detections < 1:
        raise ValueError(f"max_detections is {max_detections}; it must be at least 1.")
    return [
        _match_image(ours, true, kind, iou_thresholds, bounds, max_detections)
        for ours, true in zip(found, truths, strict=True)
    ]


def detection_curves(
    matches: list[dict[int, Matches]], iou_thresholds: tuple[float, ...] = IOU_THRESHOLDS
) -> DetectionCurves:
    """Precision and recall down the ranked list of all images together.

    Args:
        matches: of each image, from :func:`match_detections`; an image may stand here repeatedly.
        iou_thresholds: those of the matches.

    Returns:
        The curves of all classes that occur.
    """
    classes = sorted({label for image in matches for label in image})
    num = len(iou_thresholds)
    precision = torch.full((num, len(classes), len(RECALLS)), float("nan"), dtype=torch.float64)
    recall = torch.full((num, len(classes)), float("nan"), dtype=torch.float64)
    for column, label in enumerate(classes):
        of_class = [image[label] for image in matches if label in image]
        num_true = sum(m.num_true for m in of_class)
        if not num_true:
            continue
        order = torch.cat([m.scores for m in of_class]).argsort(descending=True, stable=True)
        hit = torch.cat([m.hit for m in of_class], 1)[:, order]  # (T, n)
        ignored = torch.cat([m.ignored for m in of_class], 1)[:, order]
        hits = (hit & ~ignored).cumsum(1).double()
        alarms = (~hit & ~ignored).cumsum(1).double()
        reached = hits / num_true  # eq-precision-recall
        exact = hits / (hits + alarms).clamp(min=1)
        best = exact.flip(1).cummax(1).values.flip(1)  # eq-interpolated-precision
        padded = torch.cat([best, torch.zeros(num, 1, dtype=torch.float64)], 1)
        for row in range(num):
            first = torch.searchsorted(reached[row].contiguous(), RECALLS)  # n: never reached
            precision[row, column] = padded[row, first]
        recall[:, column] = reached[:, -1] if reached.shape[1] else 0.0
    return DetectionCurves(tuple(classes), iou_thresholds, precision, recall)


def _match_image(
    found: FoundObjects,
    truth: TrueObjects,
    kind: str,
    iou_thresholds: tuple[float, ...],
    area: tuple[float, float],
    max_detections: int,
) -> dict[int, Matches]:
    iou = overlaps(found, truth, kind)  # (n, m)
    labels, true_labels, scores = found.labels.cpu(), truth.labels.cpu(), found.scores.cpu()
    crowd = torch.zeros(len(truth), dtype=torch.bool) if truth.crowd is None else truth.crowd.cpu()
    exempt = crowd | _outside(object_areas(truth, kind), area)  # neither to be hit nor missed
    odd = _outside(object_areas(found, kind), area)
    result = {}
    for label in sorted({*labels.tolist(), *true_labels.tolist()}):
        ours = (labels == label).nonzero()[:, 0]
        ours = ours[scores[ours].argsort(descending=True, stable=True)][:max_detections]
        true = (true_labels == label).nonzero()[:, 0]
        hit = torch.zeros(len(iou_thresholds), len(ours), dtype=torch.bool)
        ignored = hit.clone()
        for row, threshold in enumerate(iou_thresholds):
            taken = match_greedily(iou[ours][:, true], threshold, exempt[true], crowd[true])
            hit[row] = taken >= 0
            ignored[row, taken >= 0] = exempt[true][taken[taken >= 0]]
        # What hits nothing and is itself of another size is not judged either.
        ignored |= ~hit & odd[ours]
        result[label] = Matches(scores[ours].double(), hit, ignored, int((~exempt[true]).sum()))
    return result


def match_greedily(iou: Tensor, threshold: float, exempt: Tensor, crowd: Tensor) -> Tensor:
    """Let each found object, the surest first, take the true object that it overlaps most.

    A true object can be taken once, a crowd any number of times. One that counts is preferred to
    one that does not, and of equally good ones the last is taken, as in COCO's code.

    Args:
        iou: (n, m) of found objects, the surest first, with true ones.
        threshold: an overlap from this on is a hit.
        exempt: (m,) bool: true objects that do not count.
        crowd: (m,) bool: those that can be taken again.

    Returns:
        (n,) int64: the true object that each has taken, or -1.
    """
    left = torch.ones(iou.shape[1], dtype=torch.bool)
    taken = torch.full((len(iou),), -1)
    for rank, overlap in enumerate(iou):
        free = ((overlap >= min(threshold, 1 - 1e-10)) & left).nonzero()[:, 0].tolist()
        if free:
            best = max(free, key=lambda true: (not exempt[true], float(overlap[true]), true))
            taken[rank] = best
            left[best] = crowd[best]  # eq-greedy-match
    return taken


def _outside(areas: Tensor, bounds: tuple[float, float]) -> Tensor:
    return (areas < bounds[0]) | (areas > bounds[1])


def _area_range(area: str | tuple[float, float]) -> tuple[float, float]:
    if isinstance(area, str):
        if area not in AREAS:
            raise ValueError(
                f"area is {area!r}; choose one of {', '.join(AREAS)}, or give (least, most) pixels."
            )
        return AREAS[area]
    if len(area) != 2 or not 0 <= area[0] <= area[1]:
        raise ValueError(f"area is {area}; give (least, most) pixels.")
    return area
