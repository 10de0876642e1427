"""Boundary IoU: the overlap of the borders, for which a large inside is no excuse.

Source: Cheng, Girshick, Dollár, Berg and Kirillov, "Boundary IoU", arXiv:2103.16562, equation 2.

Differs from the paper: it judges masks of objects, and here each class of a label map is such a
mask; pixels with the ignored label are not counted and make no contour, for truth and prediction
alike. As in the authors' code, the image's edge is a contour, and distances are counted in steps to
any of the eight neighbours.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.metrics.confusion import checked, confusion_matrix


def boundary_counts(
    prediction: Tensor,
    target: Tensor,
    num_classes: int,
    *,
    width: int | None = None,
    ignore_index: int | None = None,
) -> Tensor:
    """Count, for each image and class, what the bands along the contours share and cover.

    Sum over images before you divide, as with a confusion matrix: ``counts.sum(0)``.

    Args:
        prediction: (N, H, W) integers in [0, num_classes).
        target: (N, H, W) integers in [0, num_classes) or ignore_index.
        num_classes: number of classes C.
        width: of the band inside of a contour, in pixels; by default :func:`band_width`.
        ignore_index: pixels with this true label are not counted.

    Returns:
        (N, C, 2) int64: intersection and union of the two bands, in pixels.

    Raises:
        ValueError: a wrong shape, dtype or width; labels out of range.
    """
    checked(confusion_matrix(prediction, target, num_classes, ignore_index))  # looks at all labels
    if target.ndim != 3:
        raise ValueError(
            f"target has shape {tuple(target.shape)}; a contour needs images: (N, H, W)."
        )
    width = band_width(target.shape[-2], target.shape[-1]) if width is None else width
    if width < 1:
        raise ValueError(f"width is {width}; it must be at least 1 pixel.")
    unknown = torch.zeros_like(target, dtype=torch.bool)
    if ignore_index is not None:
        unknown = target == ignore_index
    counts = torch.zeros(len(target), num_classes, 2, dtype=torch.int64, device=target.device)
    for label in range(num_classes):
        true = _band(target == label, unknown, width)  # (N, H, W)
        guess = _band(prediction == label, unknown, width)
        counts[:, label, 0] = (true & guess).sum((1, 2))
        counts[:, label, 1] = (true | guess).sum((1, 2))
    return counts


def boundary_iou(counts: Tensor) -> Tensor:
    """Boundary IoU of each class, read from counts.

    Args:
        counts: (..., C, 2) of :func:`boundary_counts`, for one image or summed over images.

    Returns:
        (..., C) float64, NaN for a class that neither truth nor prediction contains.

    Raises:
        ValueError: not such counts.
    """
    if counts.ndim < 2 or counts.shape[-1] != 2:
        raise ValueError(
            f"got counts of shape {tuple(counts.shape)}; (..., C, 2) of boundary_counts is needed."
        )
    counts = counts.double()
    return counts[..., 0] / counts[..., 1]  # eq-boundary-iou; 0 / 0 is NaN, as wanted


def band_width(height: int, width: int, ratio: float = 0.02) -> int:
    """Width of the band that the paper uses for an image: 2 % of the diagonal, at least 1 pixel.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        ratio: share of the diagonal.

    Raises:
        ValueError: a ratio that is not positive.
    """
    if ratio <= 0:
        raise ValueError(f"ratio is {ratio}; it must be positive.")
    return max(1, round(ratio * math.hypot(height, width)))


def _band(mask: Tensor, unknown: Tensor, width: int) -> Tensor:
    """Pixels of a mask at most `width` steps from one outside of it; ignored ones are neither."""
    outside = (~(mask | unknown)).float()
    outside = F.pad(outside, [1, 1, 1, 1], value=1.0)  # beyond the image's edge
    for _ in range(width):
        outside = F.max_pool2d(outside, 3, stride=1, padding=1)
    return mask & ~unknown & (outside[:, 1:-1, 1:-1] > 0)  # eq-boundary-band
