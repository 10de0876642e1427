"""Scores of a classifier; all but the last two are read from a confusion matrix (rows = truth)."""

import torch
from torch import Tensor

from course_lib.metrics.confusion import checked
from course_lib.metrics.segmentation import dice, pixel_accuracy


def accuracy(confusion: Tensor) -> Tensor:
    """Share of the items that got the right class (of an image's pixels: pixel accuracy).

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (...) float64, NaN where nothing was counted.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    return pixel_accuracy(confusion)


def recall(confusion: Tensor) -> Tensor:
    """Of the items that truly belong to a class, the share that was found: TP / (TP + FN).

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (..., C) float64, NaN for a class that does not occur in the truth.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    confusion = checked(confusion)
    return confusion.diagonal(dim1=-2, dim2=-1) / confusion.sum(-1)


def precision(confusion: Tensor) -> Tensor:
    """Of the items predicted as a class, the share that belongs to it: TP / (TP + FP).

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (..., C) float64, NaN for a class that was never predicted.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    confusion = checked(confusion)
    return confusion.diagonal(dim1=-2, dim2=-1) / confusion.sum(-2)


def f1_score(confusion: Tensor) -> Tensor:
    """Harmonic mean of precision and recall; the same number as the Dice coefficient.

    Args:
        confusion: (..., C, C) counts, rows = truth.

    Returns:
        (..., C) float64, NaN for a class that neither the truth nor the prediction contains.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    return dice(confusion)


def top_k_accuracy(logits: Tensor, target: Tensor, k: int = 5) -> Tensor:
    """Share of the items whose true class is among the k classes with the largest logits.

    Of equal logits the lower class counts first, so that a constant answer earns k / C on
    balanced data and not 1.

    Args:
        logits: (B, C) scores, larger is more likely.
        target: (B,) integers in [0, C).
        k: from 1 to C.

    Returns:
        Scalar float64, NaN for an empty batch.

    Raises:
        ValueError: shapes that do not fit, k out of range, labels out of range (on a CPU).
    """
    if logits.ndim != 2 or target.shape != logits.shape[:1]:
        raise ValueError(
            f"logits have shape {tuple(logits.shape)} and target {tuple(target.shape)}; "
            "(B, C) and (B,) are needed."
        )
    num_classes = logits.shape[1]
    if not 1 <= k <= num_classes:
        raise ValueError(f"k is {k}; with {num_classes} classes it must be 1 to {num_classes}.")
    if target.dtype.is_floating_point or target.dtype == torch.bool:
        raise ValueError(f"target has dtype {target.dtype}; integer labels are needed.")
    if target.device.type == "cpu" and target.numel():
        lowest, highest = int(target.min()), int(target.max())
        if lowest < 0 or highest >= num_classes:
            raise ValueError(
                f"target holds labels from {lowest} to {highest}; with logits for "
                f"{num_classes} classes 0 to {num_classes - 1} are allowed."
            )
    target = target.long()[:, None]  # (B, 1)
    own = logits.gather(1, target)  # (B, 1)
    classes = torch.arange(num_classes, device=logits.device)  # (C,)
    before = (logits > own) | ((logits == own) & (classes < target))  # (B, C)
    # NaN compares false with everything, which would look like the first place.
    hit = (before.sum(1) < k) & ~own[:, 0].isnan()
    return hit.double().mean()


def auroc(positive: Tensor, negative: Tensor) -> float:
    """Area under the receiver operating characteristic: how well one number tells two kinds apart.

    It is the share of pairs in which the positive one has the larger score, a tie being half a
    pair. Source: Hanley and McNeil, Radiology 143 (1982), 29-36.

    Args:
        positive: (n,) scores of those that ought to have the larger ones.
        negative: (m,) scores of the others.

    Returns:
        A number from 0 to 1; 1/2 for a score that says nothing.

    Raises:
        ValueError: for a list that is empty, has other axes or holds NaN.
    """
    for name, scores in (("positive", positive), ("negative", negative)):
        if scores.ndim != 1 or not len(scores) or scores.isnan().any():
            raise ValueError(
                f"{name} has the shape {tuple(scores.shape)} and {int(scores.isnan().sum())} NaN; "
                "give one score, a number, for each of one or more items."
            )
    positive, negative = positive[:, None], negative[None, :]  # compared as (n, m)
    won, tied = positive > negative, positive == negative
    return (won.double().mean() + 0.5 * tied.double().mean()).item()  # eq-auroc
