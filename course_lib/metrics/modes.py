"""How much of a mixture a generator covers, where the mixture's centres are known.

Source: the counts of Srivastava et al. (VEEGAN), arXiv:1705.07761, section 4.1: a sample is of high
quality if it lies within three standard deviations of the nearest centre, and a mode is found if it
is the nearest to at least one such sample.
Differs from the paper: the number of such samples that a mode needs can be set, and the divergence
between the shares of the modes and equal shares is reported too.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ModeCoverage:
    """What samples cover of a mixture with equal weights.

    Attributes:
        counts: (M,) high-quality samples whose nearest centre this is.
        covered: modes with at least `min_count` of them.
        high_quality: share of all samples that lie near a centre.
        divergence: Kullback-Leibler divergence in nats from equal shares to the shares of the
            high-quality samples: 0 if all modes are drawn equally often, log M if only one is
            drawn; NaN without any high-quality sample.
    """

    counts: Tensor
    covered: int
    high_quality: float
    divergence: float


def mode_coverage(
    points: Tensor, centres: Tensor, std: float, *, within: float = 3.0, min_count: int = 1
) -> ModeCoverage:
    """Count the modes that samples cover.

    A sample of the mixture itself is of high quality with probability 1 - exp(-within²/2), 0.989
    for three deviations in the plane.

    Args:
        points: (N, 2) samples.
        centres: (M, 2) of the mixture.
        std: standard deviation of each Gaussian.
        within: how many deviations from the centre a sample may lie.
        min_count: high-quality samples that make a mode covered.

    Returns:
        Counts and scores.

    Raises:
        ValueError: no samples, or other shapes.
    """
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1]:
        raise ValueError(
            f"got points of shape {tuple(points.shape)} and centres of shape "
            f"{tuple(centres.shape)}; (N, 2) and (M, 2) are needed."
        )
    if not len(points) or not len(centres):
        raise ValueError(f"got {len(points)} points and {len(centres)} centres; both are needed.")
    # Far from the origin the faster way, by a matrix product, loses the digits that matter.
    away = torch.cdist(
        points, centres.to(points), compute_mode="donot_use_mm_for_euclid_dist"
    )  # (N, M)
    distance, nearest = away.min(dim=1)  # (N,)
    good = distance <= within * std  # False for NaN
    counts = torch.bincount(nearest[good], minlength=len(centres))  # (M,)
    share = counts.double() / counts.sum()
    terms = torch.where(share > 0, share * (share * len(centres)).log(), 0)
    return ModeCoverage(
        counts=counts,
        covered=int((counts >= min_count).sum()),
        high_quality=float(good.double().mean()),
        divergence=float(terms.sum()) if counts.any() else math.nan,
    )
