"""The means that papers report under one name, side by side.

IoU and Dice are counted for one class on one set of pixels. To get one number, classes and images
have to be averaged away, and each order of doing so gives another number.

Source: the names follow Wang et al., "Revisiting Evaluation Metrics for Semantic Segmentation",
arXiv:2310.19252, section 3 (mIoU^D, mIoU^I, mIoU^C). Their code counts a class in an image only if
the truth has it, and of two classes the foreground alone; here truth or prediction, and both.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from course_lib.metrics.confusion import checked
from course_lib.metrics.segmentation import iou


@dataclass(frozen=True)
class Averages:
    """One score, averaged in five ways.

    Attributes:
        micro: pixels of all classes and images pooled, one division.
        macro: images pooled, one division for each class, then the mean over classes. What
            Pascal VOC, Cityscapes and ADE20K report as mIoU.
        frequency_weighted: as macro, with each class weighted by its share of the true pixels.
        per_image: the mean over classes in each image, then over images.
        per_class: the mean over images for each class, then over classes.
    """

    micro: float
    macro: float
    frequency_weighted: float
    per_image: float
    per_class: float

    def __str__(self) -> str:
        """One line for each mean."""
        return "\n".join(f"{name:>20}: {value:.4f}" for name, value in asdict(self).items())


def averages(confusions: Tensor, *, score: Callable[[Tensor], Tensor] = iou) -> Averages:
    """Average IoU, or another score of the classes, in the five ways that papers use.

    A class that neither truth nor prediction of an image (or of the set) contains has no score
    there and is left out of the mean, never counted as 0 or 1; one that only the prediction
    contains scores 0. An image without any labelled pixel is left out too.

    Args:
        confusions: (N, C, C) counts of each image, of
            :func:`course_lib.metrics.confusion_per_image`.
        score: (..., C, C) counts to (..., C) scores, NaN where undefined: `iou` or `dice`.

    Returns:
        The five means; each NaN if nothing was counted.

    Raises:
        ValueError: not one matrix for each image, or counted from labels out of range.
    """
    counts = checked(confusions)
    if counts.ndim != 3:
        raise ValueError(
            f"confusions has shape {tuple(counts.shape)}; one matrix for each image is needed, "
            "(N, C, C): see confusion_per_image. A sum over images has lost what this tells apart."
        )
    whole = counts.sum(0)  # (C, C)
    of_classes = score(whole)  # (C,)
    of_both = score(counts)  # (N, C)
    share = whole.sum(1) / whole.sum()
    weighted = torch.where(share > 0, share * of_classes, 0).sum()
    return Averages(
        micro=float(score(_pooled(whole))[1]),
        macro=float(of_classes.nanmean()),
        frequency_weighted=float(weighted if whole.any() else torch.nan),
        per_image=float(of_both.nanmean(1).nanmean()),
        per_class=float(of_both.nanmean(0).nanmean()),
    )


def micro(confusion: Tensor, *, score: Callable[[Tensor], Tensor] = iou) -> Tensor:
    """Score of all classes pooled: each pixel asks "is this its class?" once for every class.

    Args:
        confusion: (C, C) counts, rows = truth.
        score: as of :func:`averages`.

    Returns:
        Scalar float64. For IoU it is A / (2 - A), for Dice it is A, A being the pixel accuracy.

    Raises:
        ValueError: not a confusion matrix, or counted from labels out of range.
    """
    return score(_pooled(checked(confusion)))[..., 1]


def _pooled(confusion: Tensor) -> Tensor:
    """(2, 2) counts of the questions "is this pixel of class k?", summed over the classes k."""
    total, right = confusion.sum(), confusion.trace()
    wrong = total - right  # each wrong pixel is missed by one class, a false alarm of another
    elsewhere = (len(confusion) - 1) * total - wrong
    return torch.stack([elsewhere, wrong, wrong, right]).reshape(2, 2)
