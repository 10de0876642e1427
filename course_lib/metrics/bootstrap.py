"""Is model A better than model B on this test set, or could it be the choice of images?"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.metrics.confusion import checked
from course_lib.metrics.segmentation import mean_iou


@dataclass(frozen=True)
class PairedBootstrap:
    """What :func:`paired_bootstrap` found.

    Attributes:
        a: the statistic of model A on all images.
        b: the statistic of model B on all images.
        difference: a - b.
        low: lower end of the interval of the difference.
        high: upper end of the interval of the difference.
        p_value: two-sided; small means that images alone hardly explain the difference.
        confidence: coverage of the interval, for instance 0.95.
        num_images: how many images were drawn from.
        resamples: how many test sets were drawn.
    """

    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value: float
    confidence: float
    num_images: int
    resamples: int

    def __str__(self) -> str:
        """One line for a page or a terminal."""
        return (
            f"difference {self.difference:+.4f}, {100 * self.confidence:g} % interval "
            f"[{self.low:+.4f}, {self.high:+.4f}], p = {self.p_value:.2g} "
            f"(paired bootstrap, {self.num_images} images, {self.resamples} resamples)"
        )


def paired_bootstrap(
    confusions_a: Tensor,
    confusions_b: Tensor,
    *,
    statistic: Callable[[Tensor], Tensor] = mean_iou,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedBootstrap:
    """Compare two models on the same images by drawing the images anew, many times.

    Each resample draws N of the N images with replacement, *the same for both models*, adds up
    their confusion matrices and takes the difference of the statistic: the data-set-level score,
    not a mean of image scores. The interval is the middle part of these differences; the p-value
    is twice the smaller share of differences on one side of zero (counting the observed one), so
    it falls below 1 - confidence where the interval leaves zero out.

    It answers for the choice of *test images* only. Training is random too: pass the matrices of
    several trainings as (S, N, C, C), and the statistic is averaged over the S trainings inside
    each resample; their spread is not resampled and has to be reported beside it.

    Args:
        confusions_a: (N, C, C) or (S, N, C, C) counts per image, of
            :func:`course_lib.metrics.confusion_per_image`.
        confusions_b: (N, C, C) or (S', N, C, C) counts of the other model, same images in the
            same order.
        statistic: (..., C, C) counts to (...) scores.
        resamples: how many test sets to draw.
        confidence: coverage of the interval, between 0 and 1.
        seed: of the draw.

    Returns:
        The difference a - b, its interval and its p-value.

    Raises:
        ValueError: shapes that do not fit, different images, fewer than 2 images, or a statistic
            that is not a number on some resample.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16.
    """
    counts_a, counts_b = (
        _stacked(confusions_a, "confusions_a"),
        _stacked(confusions_b, "confusions_b"),
    )
    if counts_a.shape[1:] != counts_b.shape[1:]:
        raise ValueError(
            f"confusions_a has shape {tuple(confusions_a.shape)} and confusions_b "
            f"{tuple(confusions_b.shape)}; both need the same images and classes: (N, C, C)."
        )
    truth = counts_a[:1].sum(-1)  # of the first training; all the others have to agree with it
    if any(bool((counts.sum(-1) != truth).any()) for counts in (counts_a, counts_b)):
        raise ValueError(
            "the two models were judged on different truths: the row sums (pixels of each true "
            "class, for each image) differ. Use the same images in the same order for both."
        )
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(
            f"confidence is {confidence} and resamples {resamples}; confidence lies between 0 "
            "and 1, resamples is at least 1."
        )
    num_images = counts_a.shape[1]
    if num_images < 2:
        raise ValueError(f"got {num_images} image(s); a bootstrap needs at least 2.")
    generator = torch.Generator().manual_seed(seed)

    def score(counts: Tensor, weights: Tensor) -> Tensor:
        """(S, N, C, C) counts, (R, N) weights -> (R,) scores, mean over the S trainings."""
        summed = torch.einsum("rn,snij->srij", weights, counts)  # whole numbers: exact in float64
        return statistic(summed).double().mean(0)

    whole = torch.ones(1, num_images, dtype=torch.float64)
    a, b = float(score(counts_a, whole)), float(score(counts_b, whole))
    differences = []
    for start in range(0, resamples, 1000):  # 1000 at a time bounds the memory
        num = min(1000, resamples - start)
        drawn = torch.randint(num_images, (num, num_images), generator=generator)
        weights = torch.zeros(num, num_images, dtype=torch.float64)
        weights.scatter_add_(1, drawn, torch.ones_like(weights))  # how often each image is drawn
        differences.append(score(counts_a, weights) - score(counts_b, weights))
    difference = torch.cat(differences)  # (resamples,)
    if not bool(difference.isfinite().all()):
        raise ValueError(
            "the statistic is not a number on some resamples; choose one that is defined when a "
            "class is missing, such as mean_iou."
        )
    tail = (1 - confidence) / 2
    low, high = torch.quantile(
        difference, torch.tensor([tail, 1 - tail], dtype=torch.float64)
    ).tolist()
    on_left = int((difference <= 0).sum()) + 1  # + 1: the p-value of a sample is never 0
    on_right = int((difference >= 0).sum()) + 1
    p_value = min(1.0, 2 * min(on_left, on_right) / (resamples + 1))
    return PairedBootstrap(a, b, a - b, low, high, p_value, confidence, num_images, resamples)


def _stacked(confusions: Tensor, name: str) -> Tensor:
    """(S, N, C, C) float64 on the CPU."""
    if confusions.ndim not in (3, 4):
        raise ValueError(
            f"{name} has shape {tuple(confusions.shape)}; one matrix for each image is needed, "
            "(N, C, C), or (S, N, C, C) for several trainings: see confusion_per_image."
        )
    counts = checked(confusions.cpu())
    return counts if counts.ndim == 4 else counts[None]
