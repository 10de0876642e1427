"""Kernel distance between two clouds of features: the squared maximum mean discrepancy, unbiased.

On features of Inception-v3 it is called KID. It compares averages of a kernel k(x, y) within and
between the clouds. A feature is never paired with itself, so the estimate is unbiased: for two
clouds from one distribution it is 0 on average, whatever their sizes, and often negative.
"""

import torch
from torch import Tensor

from course_lib.metrics.frechet import check_features

ROWS = 2048  # of the kernel matrix that are held at a time


def kernel_distance(
    features_a: Tensor,
    features_b: Tensor,
    *,
    subsets: int = 0,
    subset_size: int = 1000,
    seed: int = 0,
) -> float:
    """Return the kernel distance with the cubic kernel (x . y / D + 1)^3.

    Args:
        features_a: (N, D).
        features_b: (M, D).
        subsets: 0 uses all pairs. Otherwise the mean over so many random subsets, which is how
            published numbers are usually made; their spread is in `kernel_distances`.
        subset_size: features of each side in a subset.
        seed: of the subsets.

    Raises:
        ValueError: for other shapes, values that are not finite, or subsets that are too large.

    Source: arXiv:1801.01401, section 3 and equation 4.
    """
    if subsets:
        spread = kernel_distances(
            features_a, features_b, subsets=subsets, subset_size=subset_size, seed=seed
        )
        return float(spread.mean())
    a, b = check_features(features_a, features_b, least=2)
    within_a = _kernel_sum(a, a) - _diagonal_sum(a)
    within_b = _kernel_sum(b, b) - _diagonal_sum(b)
    between = _kernel_sum(a, b)
    n, m = len(a), len(b)
    value = within_a / (n * (n - 1)) + within_b / (m * (m - 1)) - 2 * between / (n * m)
    return float(value)  # eq-kernel-distance


def kernel_distances(
    features_a: Tensor, features_b: Tensor, *, subsets: int, subset_size: int = 1000, seed: int = 0
) -> Tensor:
    """Return the kernel distance of random subsets, (subsets,) float64; see `kernel_distance`."""
    smaller = min(len(features_a), len(features_b))
    if subsets < 1 or not 2 <= subset_size <= smaller:
        raise ValueError(
            f"got {subsets} subsets of {subset_size}; wanted at least 1 subset, and a size from 2 "
            f"to the {smaller} features of the smaller side."
        )
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(subsets):
        rows_a = torch.randperm(len(features_a), generator=generator)[:subset_size]
        rows_b = torch.randperm(len(features_b), generator=generator)[:subset_size]
        part_a = features_a[rows_a.to(features_a.device)]
        part_b = features_b[rows_b.to(features_b.device)]
        values.append(kernel_distance(part_a, part_b))
    return torch.tensor(values, dtype=torch.float64)


def _kernel(products: Tensor, dimensions: int) -> Tensor:
    return (products / dimensions + 1) ** 3


def _kernel_sum(a: Tensor, b: Tensor) -> Tensor:
    """Sum the kernel over all pairs, a block of rows at a time."""
    blocks = (_kernel(rows @ b.T, a.shape[1]).sum() for rows in a.split(ROWS))
    return torch.stack(list(blocks)).sum()


def _diagonal_sum(a: Tensor) -> Tensor:
    """Sum the kernel of every feature with itself."""
    return _kernel(a.square().sum(dim=1), a.shape[1]).sum()
