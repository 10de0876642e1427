"""Losses that are a mean over pixels: cross-entropy and focal loss.

Sources: class weights as in Eigen and Fergus, arXiv:1411.4734, section 6.3.2 (median frequency
balancing); the focal loss is Lin et al., arXiv:1708.02002, equation 4.

Differs from the focal loss's paper: it judges each class by itself with a sigmoid, weights two
classes by alpha and divides by the number of objects; here one softmax shares each pixel among the
classes, `weight` has one number for each class, and the loss is a mean over pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.losses.labels import IGNORE, class_weights, labelled


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | Sequence[float] | None = None,
    ignore_index: int | None = IGNORE,
) -> Tensor:
    """Mean surprise, in nats, at the true class of a labelled pixel, weighted by class.

    Args:
        logits: (B, C, H, W), or (B, C) for one label for each image.
        target: (B, H, W) integer labels in [0, C) or ignore_index; or (B,).
        weight: (C,) numbers of at least 0; the loss is divided by the sum of the pixels' weights.
        ignore_index: label of pixels that do not count, or None.

    Returns:
        Scalar. 0, with zero gradients, if no pixel counts.

    Raises:
        ValueError: a wrong dtype, shapes that do not fit, weights for another number of classes, a
            label out of range (on an accelerator the loss is NaN instead).
    """
    given = labelled(logits, target, ignore_index)
    weights = class_weights(weight, given.logits)
    counted = given.target.masked_fill(~given.valid, -100)
    total = F.cross_entropy(given.logits, counted, weight=weights, reduction="sum")
    return given.finish(total / _sum_of_weights(given.target, given.valid, weights, total))


def focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    weight: Tensor | Sequence[float] | None = None,
    ignore_index: int | None = IGNORE,
) -> Tensor:
    """Cross-entropy in which each pixel counts (1 - p)^gamma, p being its true class's probability.

    Args:
        logits: (B, C, H, W), or (B, C).
        target: (B, H, W) integer labels in [0, C) or ignore_index; or (B,).
        gamma: how much less a pixel counts that is nearly right; 0 is cross-entropy.
        weight: (C,) numbers of at least 0, as for :func:`cross_entropy`.
        ignore_index: label of pixels that do not count, or None.

    Returns:
        Scalar. 0, with zero gradients, if no pixel counts.

    Raises:
        ValueError: as :func:`cross_entropy`; a negative gamma.
    """
    if gamma < 0:
        raise ValueError(f"gamma is {gamma}; it must be at least 0 (0 is cross-entropy).")
    given = labelled(logits, target, ignore_index)
    weights = class_weights(weight, given.logits)
    log_p = given.logits.log_softmax(dim=1).gather(1, given.target[:, None])[:, 0]  # (B, H, W)
    # 1 - p without cancellation; its power has no finite slope at 0 for gamma < 1.
    miss = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
    loss = -(miss**gamma) * log_p  # eq-focal
    if weights is not None:
        loss = loss * weights[given.target]
    total = torch.where(given.valid, loss, 0).sum()
    return given.finish(total / _sum_of_weights(given.target, given.valid, weights, total))


def median_frequency_weights(
    target: Tensor, num_classes: int, *, ignore_index: int | None = IGNORE
) -> tuple[float, ...]:
    """Weights that lift rare classes: median frequency over the class's own frequency.

    A class's frequency is its share of the pixels of those images that contain it.

    Args:
        target: (N, H, W) integer labels of the training set.
        num_classes: number of classes C.
        ignore_index: label of pixels that do not count, or None.

    Returns:
        C numbers; 0 for a class that does not occur, which then needs no weight.

    Raises:
        ValueError: labels out of range, or no labelled pixel.

    Source: Eigen and Fergus, arXiv:1411.4734, section 6.3.2.
    """
    counts = torch.zeros(num_classes, dtype=torch.float64)  # pixels of each class
    seen = torch.zeros(num_classes, dtype=torch.float64)  # pixels of the images that have it
    for image in target:
        labels = image.flatten().long()
        if ignore_index is not None:
            labels = labels[labels != ignore_index]
        if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= num_classes):
            raise ValueError(
                f"target holds labels from {int(labels.min())} to {int(labels.max())}; with "
                f"{num_classes} classes 0 to {num_classes - 1} are allowed."
            )
        own = labels.bincount(minlength=num_classes).double().cpu()
        counts += own
        seen += (own > 0) * own.sum()
    if not counts.any():
        raise ValueError("no pixel is labelled, so no class has a frequency.")
    frequency = counts / seen  # NaN for a class that does not occur
    median = torch.quantile(frequency[counts > 0], 0.5)
    return tuple(torch.where(counts > 0, median / frequency, 0).tolist())  # eq-median-frequency


def _sum_of_weights(target: Tensor, valid: Tensor, weights: Tensor | None, like: Tensor) -> Tensor:
    """Sum of the counted pixels' weights; 1 where that is 0, which makes the loss 0."""
    if weights is None:
        return valid.sum().clamp(min=1).to(like.dtype)
    total = torch.where(valid, weights[target], 0).sum()
    return torch.where(total > 0, total, torch.ones_like(total))
