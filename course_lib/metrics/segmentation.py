"""Scores of a segmentation, read from a confusion matrix.

All of them take (..., C, C) counts and keep the leading axes, so that one call scores a data set
(a matrix) or each of its images (a stack of matrices). They are computed in float64.
"""

import torch
from torch import Tensor

from course_lib.metrics.confusion import checked


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """Share of the counted pixels that got the right class.

    A large background makes it high whatever the small classes do.

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (...) float64, NaN where nothing was counted.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    confusion = checked(confusion)
    return _diagonal(confusion).sum(-1) / confusion.sum((-1, -2))


def iou(confusion: Tensor) -> Tensor:
    """Intersection over union (Jaccard index) of each class: TP / (TP + FP + FN).

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (..., C) float64, NaN for a class that neither the truth nor the prediction contains.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    confusion = checked(confusion)
    hits = _diagonal(confusion)  # (..., C)
    union = confusion.sum(-1) + confusion.sum(-2) - hits
    return hits / union  # 0 / 0 is NaN, as wanted


def dice(confusion: Tensor) -> Tensor:
    """Dice coefficient (F1 score) of each class: 2 TP / (2 TP + FP + FN) = 2 IoU / (1 + IoU).

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (..., C) float64, NaN for a class that neither the truth nor the prediction contains.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    confusion = checked(confusion)
    return 2 * _diagonal(confusion) / (confusion.sum(-1) + confusion.sum(-2))


def mean_iou(confusion: Tensor) -> Tensor:
    """Mean of :func:`iou` over the classes that the truth or the prediction contains.

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (...) float64, NaN where nothing was counted.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    return torch.nanmean(iou(confusion), -1)


def mean_dice(confusion: Tensor) -> Tensor:
    """Mean of :func:`dice` over the classes that the truth or the prediction contains.

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (...) float64, NaN where nothing was counted.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    return torch.nanmean(dice(confusion), -1)


def frequency_weighted_iou(confusion: Tensor) -> Tensor:
    """Mean of :func:`iou`, each class weighted by its share of the true pixels.

    Classes that the truth lacks have no weight: their false alarms count only where they are
    missing.

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (...) float64, NaN where nothing was counted.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.

    Source: Long et al., arXiv:1411.4038, section 5 ("frequency weighted IU").
    """
    confusion = checked(confusion)
    share = confusion.sum(-1) / confusion.sum((-1, -2))[..., None]  # (..., C)
    scores = torch.where(share > 0, iou(confusion), 0)
    return (share * scores).sum(-1)  # eq-frequency-weighted-iou; NaN if every share is


def _diagonal(confusion: Tensor) -> Tensor:
    return confusion.diagonal(dim1=-2, dim2=-1)
