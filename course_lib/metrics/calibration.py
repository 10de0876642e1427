"""Does a pixel that is called with 80 % turn out right in 80 % of the cases?

Counts are kept in bins of confidence and may be added over batches; every number is read from them.

Sources: Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, equations 2 to 5
and section 4.2 (temperature scaling).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reliability:
    """Pixels counted in bins of confidence: what a reliability diagram draws.

    Attributes:
        count: (bins,) float64, pixels in each bin.
        sum_confidence: (bins,) float64, sum of their confidences.
        sum_right: (bins,) float64, how many of them were right.
    """

    count: Tensor
    sum_confidence: Tensor
    sum_right: Tensor

    def __add__(self, other: "Reliability") -> "Reliability":
        """Counts of both together, for batches."""
        return Reliability(
            self.count + other.count,
            self.sum_confidence + other.sum_confidence,
            self.sum_right + other.sum_right,
        )

    @property
    def confidence(self) -> Tensor:
        """Mean confidence in each bin (bins,), NaN where it is empty."""
        return self.sum_confidence / self.count

    @property
    def accuracy(self) -> Tensor:
        """Share of right pixels in each bin (bins,), NaN where it is empty."""
        return self.sum_right / self.count

    @property
    def share(self) -> Tensor:
        """Share of all pixels in each bin (bins,), NaN if nothing was counted."""
        return self.count / self.count.sum()

    @property
    def error(self) -> float:
        """Expected calibration error: mean over pixels of their bin's |accuracy - confidence|."""
        gap = (self.sum_right - self.sum_confidence).abs().sum()  # eq-ece, times the count
        return float(gap / self.count.sum())


def reliability(
    probabilities: Tensor, target: Tensor, *, bins: int = 15, ignore_index: int | None = None
) -> Reliability:
    """Count the pixels of each level of confidence, and how many of them are right.

    Confidence is the largest probability of a pixel. Bin m of M holds those in
    ((m - 1) / M, m / M]; a confidence on an edge belongs to the bin below it.

    Args:
        probabilities: (B, C, ...) after the softmax, adding up to 1 over C.
        target: (B, ...) integers in [0, C) or ignore_index.
        bins: number M of bins of equal width.
        ignore_index: pixels with this true label are not counted.

    Returns:
        The counts, on the CPU.

    Raises:
        ValueError: shapes that do not fit, labels that are no integers, numbers that are no
            probabilities (logits, for instance), fewer than one bin, a label out of range.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; at least 1 is needed.")
    p, y = _flat(probabilities, target, ignore_index)  # (P, C), (P,)
    if len(p) and not bool((p >= 0).all() and ((p.sum(1) - 1).abs() < 1e-3).all()):
        raise ValueError(
            "these are no probabilities (each at least 0, adding up to 1 over the classes); pass "
            "logits.softmax(dim=1)."
        )
    confidence, guess = p.max(dim=1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    index = torch.bucketize(confidence.double(), edges[1:-1])  # edges[i - 1] < v <= edges[i]
    values = torch.stack([torch.ones_like(confidence), confidence, (guess == y).to(p.dtype)])
    sums = torch.zeros(3, bins, dtype=torch.float64).index_add(1, index, values.double())
    return Reliability(*sums.unbind(0))


def expected_calibration_error(
    probabilities: Tensor, target: Tensor, *, bins: int = 15, ignore_index: int | None = None
) -> float:
    """Mean over pixels of the gap between accuracy and confidence in their bin.

    0 does not mean that a model knows anything: always answering with the frequencies of the
    classes is calibrated too.

    Args:
        probabilities: (B, C, ...) after the softmax.
        target: (B, ...) integers in [0, C) or ignore_index.
        bins: of equal width.
        ignore_index: pixels with this true label are not counted.

    Returns:
        A number in [0, 1]; NaN if nothing was counted.

    Raises:
        ValueError: as :func:`reliability`.
    """
    return reliability(probabilities, target, bins=bins, ignore_index=ignore_index).error


def best_temperature(
    logits: Tensor, target: Tensor, *, ignore_index: int | None = None, steps: int = 50
) -> float:
    """Temperature T for which softmax(logits / T) has the smallest cross-entropy.

    Choose it on validation data, never on those that are reported. It changes no label: the largest
    logit stays the largest.

    The cross-entropy is convex in 1 / T, so Newton's method, kept inside of an interval that holds
    the minimum, finds it.

    Args:
        logits: (B, C, ...) before the softmax.
        target: (B, ...) integers in [0, C) or ignore_index.
        ignore_index: pixels with this true label are not counted.
        steps: at most that many iterations.

    Returns:
        T, from 0.01 to 100.

    Raises:
        ValueError: shapes that do not fit, labels that are no integers or out of range, or no
            labelled pixel.
    """
    z, y = _flat(logits, target, ignore_index)  # (P, C), (P,)
    if not len(z):
        raise ValueError("no pixel is labelled, so no temperature is better than another.")
    z = z - z.gather(1, y[:, None])  # so that -logsumexp(beta z) is log p of the true class
    low, high, beta = 0.01, 100.0, 1.0  # beta = 1 / T
    if _slope(z, low)[0] >= 0:
        return 1 / low
    if _slope(z, high)[0] <= 0:
        return 1 / high
    for _ in range(steps):
        slope, curvature = _slope(z, beta)
        low, high = (low, beta) if slope > 0 else (beta, high)
        newton = beta - slope / curvature if curvature > 0 else 0.0
        new = newton if low < newton < high else (low * high) ** 0.5
        done = abs(new - beta) <= 1e-7 * beta
        beta = new
        if done:
            break
    return 1 / beta


def _slope(z: Tensor, beta: float) -> tuple[float, float]:
    """First and second derivative of the mean cross-entropy by beta; z is 0 at the true class."""
    p = (beta * z).softmax(1)  # (P, C)
    mean = (p * z).sum(1)  # eq-temperature-slope
    spread = (p * z.square()).sum(1) - mean.square()
    return float(mean.double().mean()), float(spread.double().mean())


def _flat(scores: Tensor, target: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor]:
    """Scores (P, C) float32 or float64 and labels (P,) of the counted pixels, on the CPU."""
    if scores.ndim < 2 or not scores.dtype.is_floating_point:
        raise ValueError(
            f"got scores of dtype {scores.dtype} and shape {tuple(scores.shape)}; floats "
            "(B, C, ...) are needed, not labels."
        )
    if target.shape != scores.shape[:1] + scores.shape[2:]:
        raise ValueError(
            f"the scores have shape {tuple(scores.shape)} and target {tuple(target.shape)}; "
            f"target must be {tuple(scores.shape[:1] + scores.shape[2:])}."
        )
    if target.dtype.is_floating_point:
        raise ValueError(f"target has dtype {target.dtype}; integer labels are needed.")
    num_classes = scores.shape[1]
    flat = scores.detach().cpu().movedim(1, -1).reshape(-1, num_classes)  # (P, C)
    labels = target.cpu().reshape(-1).long()
    if ignore_index is not None:
        counted = labels != ignore_index
        flat, labels = flat[counted], labels[counted]
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= num_classes):
        raise ValueError(
            f"target holds labels from {int(labels.min())} to {int(labels.max())}; with scores for "
            f"{num_classes} classes 0 to {num_classes - 1} are allowed. Pass ignore_index for a "
            "label that is not to be counted."
        )
    return (flat if flat.dtype == torch.float64 else flat.float()), labels
