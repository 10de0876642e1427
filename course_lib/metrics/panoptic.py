"""Panoptic quality: how well segments, things and stuff alike, were found and drawn.

Two segments of one class are a pair if their IoU is larger than one half, and then no other segment
can be a pair with either of them. PQ is the mean IoU of the pairs (SQ, how well they are drawn)
times an F1 score of segments (RQ, how many were found).

Pixels that the truth leaves void are no fault of a prediction: they are taken out of its segments,
and a segment of which more than half is void is not counted. Void of the *prediction* has no such
right, so truth and prediction must not change places.

A crowd is neither found nor missed, and its pixels are void for the predicted segments of its
class, as far as these are without a partner: one that lies mostly in crowd and void is not counted.

Source: Kirillov et al., "Panoptic Segmentation", arXiv:1801.00868, section 4; crowds as in the
evaluation code that the authors published with it. torchmetrics treats void of truth and prediction
alike, gives the same numbers where the prediction has none, and knows no crowds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.post import Segment


@dataclass(frozen=True, eq=False)
class PanopticQuality:
    """Panoptic quality of each class and its two factors.

    Attributes:
        pq: (C,) float64; NaN for a class without any segment.
        sq: (C,) float64: mean IoU of the pairs; NaN for a class without pairs.
        rq: (C,) float64: pairs / (pairs + half of the unpaired); NaN for a class without segments.
    """

    pq: Tensor
    sq: Tensor
    rq: Tensor

    @property
    def mean(self) -> float:
        """PQ: the mean over the classes that occur."""
        return float(self.pq.nanmean())

    @property
    def mean_sq(self) -> float:
        """Mean SQ over the classes that have pairs."""
        return float(self.sq.nanmean())

    @property
    def mean_rq(self) -> float:
        """Mean RQ over the classes that occur."""
        return float(self.rq.nanmean())


def panoptic_counts(
    ids: Tensor,
    segments: Sequence[Segment],
    true_ids: Tensor,
    true_segments: Sequence[Segment],
    num_classes: int,
) -> Tensor:
    """Count the pairs of segments in one picture.

    Sum the counts over pictures before :func:`panoptic_quality`, as with a confusion matrix.

    Args:
        ids: (H, W) predicted segment numbers, 0 = void.
        segments: what the predicted numbers are.
        true_ids: (H, W) true segment numbers, 0 = void.
        true_segments: what the true numbers are, and which of them are crowds.
        num_classes: number of classes C.

    Returns:
        (C, 4) float64: sum of the IoU of pairs, pairs (TP), predicted segments without a partner
        (FP), true ones without (FN).

    Raises:
        ValueError: for maps of two shapes, numbers that are not listed or listed without a pixel,
            a class out of range, two segments of one stuff class, or a crowd among the predicted.
    """
    if ids.ndim != 2 or ids.shape != true_ids.shape:
        raise ValueError(
            f"ids have shape {tuple(ids.shape)}, true_ids {tuple(true_ids.shape)}; give two maps "
            "(H, W) of the same picture."
        )
    crowds = [segment.id for segment in segments if segment.crowd]
    if crowds:
        raise ValueError(
            f"segments calls number {crowds[0]} a crowd; only the truth has crowds: give each "
            "predicted object a segment of its own."
        )
    labels, places = _labels(ids, segments, num_classes, "segments")
    true_labels, true_places = _labels(true_ids, true_segments, num_classes, "true_segments")
    n, m = len(labels), len(true_labels)  # with void, which comes first and has the label -1
    joint = torch.bincount((places * m + true_places).flatten(), minlength=n * m)
    joint = joint.reshape(n, m).double()  # pixels of predicted segment and true segment
    area, true_area = joint.sum(1), joint.sum(0)
    in_void = joint[:, 0]  # of each predicted segment
    shared = joint[1:, 1:]
    union = (area - in_void)[1:, None] + true_area[1:] - shared  # eq-pq-void
    same = labels[1:, None] == true_labels[1:]
    crowd = torch.tensor([s.crowd for s in sorted(true_segments)], dtype=torch.bool)
    pair = same & ~crowd & (shared > 0.5 * union)  # eq-unique-match
    counts = torch.zeros(num_classes, 4, dtype=torch.float64)
    row, column = pair.nonzero(as_tuple=True)
    of_pair = labels[1:][row]
    counts[:, 0].index_add_(0, of_pair, shared[row, column] / union[row, column])
    counts[:, 1] = of_pair.bincount(minlength=num_classes)
    ignored = in_void[1:] + (shared * (same & crowd)).sum(1)
    false = ~pair.any(1) & (ignored <= 0.5 * area[1:])
    counts[:, 2] = labels[1:][false].bincount(minlength=num_classes)
    counts[:, 3] = true_labels[1:][~pair.any(0) & ~crowd].bincount(minlength=num_classes)
    return counts


def panoptic_quality(counts: Tensor) -> PanopticQuality:
    """Read PQ and its factors from counts.

    Args:
        counts: (C, 4) of :func:`panoptic_counts`, of one picture or summed over pictures.

    Returns:
        Scores of each class, with their means.

    Raises:
        ValueError: not such counts.
    """
    if counts.ndim != 2 or counts.shape[1] != 4:
        raise ValueError(
            f"counts have shape {tuple(counts.shape)}; (C, 4) of panoptic_counts, summed over the "
            "pictures, is needed."
        )
    overlap, pairs, false, missed = counts.double().unbind(1)
    segments = pairs + 0.5 * false + 0.5 * missed  # 0 / 0 is NaN, as wanted
    sq, rq = overlap / pairs, pairs / segments  # eq-pq-factors
    return PanopticQuality(overlap / segments, sq, rq)  # eq-pq


def _labels(
    ids: Tensor, segments: Sequence[Segment], num_classes: int, name: str
) -> tuple[Tensor, Tensor]:
    """Class of each segment, void first; and for each pixel the segment's place in this list."""
    numbers = [segment.id for segment in segments]
    present = ids.unique().tolist()
    if sorted({0, *present}) != sorted({0, *numbers}) or len(set(numbers)) != len(numbers):
        raise ValueError(
            f"{name} lists the numbers {sorted(numbers)}, the map has "
            f"{[number for number in present if number]}; list each number of the map once, and no "
            "other (0 is void)."
        )
    if 0 in numbers:
        raise ValueError(f"{name} lists number 0, which is void; number segments from 1.")
    wrong = [s.label for s in segments if not 0 <= s.label < num_classes]
    if wrong:
        raise ValueError(
            f"{name} has class {wrong[0]}; with num_classes={num_classes} a class lies in "
            f"[0, {num_classes})."
        )
    stuff = [s.label for s in segments if not s.thing]
    if len(set(stuff)) != len(stuff):
        raise ValueError(
            f"{name} has two segments of one stuff class; stuff is one segment for each class and "
            "picture: give its pixels one number."
        )
    order = sorted(segments)
    known = torch.tensor([0, *(s.id for s in order)])
    labels = torch.tensor([-1, *(s.label for s in order)])
    return labels, torch.searchsorted(known, ids.cpu().long())
