"""Precision, recall, density and coverage: fidelity and diversity apart, by nearest neighbours.

A cloud of features is turned into a region: around each feature a ball that reaches to its k-th
nearest neighbour in its own cloud. Precision asks how many generated features lie in the region of
the real ones, recall how many real features lie in that of the generated ones. Density counts the
balls in which a generated feature lies; coverage counts the real balls that hold a generated one.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.metrics.frechet import check_features

ROWS = 1024  # of the matrix of distances that are held at a time


class PrecisionRecall(NamedTuple):
    """Two shares, both best at 1."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density is about 1 for two clouds from one distribution, and may exceed it."""

    density: float
    coverage: float


def precision_recall(real: Tensor, fake: Tensor, *, k: int = 3) -> PrecisionRecall:
    """Return the share of generated features that look real, and of real ones that are generated.

    Both depend on the numbers of features: compare at equal numbers only.

    Args:
        real: features (N, D).
        fake: features (M, D) of samples.
        k: which neighbour sets the radius; a feature is no neighbour of itself.

    Raises:
        ValueError: for other shapes, values that are not finite, or k features or fewer on a side.

    Source: arXiv:1904.06991, equations 1 and 2.
    """
    real, fake = _check(real, fake, k)
    _enough("generated", fake, k)
    real_radii, fake_radii = neighbour_radii(real, k), neighbour_radii(fake, k)
    looks_real, found = [], torch.zeros(len(real), dtype=torch.bool)
    for rows, radii in zip(fake.split(ROWS), fake_radii.split(ROWS), strict=True):
        squares = _squared_distances(rows, real)  # (R, N)
        looks_real.append((squares <= real_radii).any(dim=1))
        found |= (squares <= radii[:, None]).any(dim=0)
    precision = torch.cat(looks_real).double().mean()  # eq-manifold-precision
    recall = found.double().mean()  # eq-manifold-recall
    return PrecisionRecall(float(precision), float(recall))


def density_coverage(real: Tensor, fake: Tensor, *, k: int = 5) -> DensityCoverage:
    """Return density and coverage, which only put balls around real features.

    Args:
        real: features (N, D).
        fake: features (M, D) of samples.
        k: which neighbour sets the radius of a real feature's ball.

    Raises:
        ValueError: for other shapes, values that are not finite, or k real features or fewer.

    Source: arXiv:2002.09797, equations 3 and 4.
    """
    real, fake = _check(real, fake, k)
    radii = neighbour_radii(real, k)
    balls, nearest = 0, torch.full((len(real),), torch.inf, dtype=torch.float64)
    for rows in fake.split(ROWS):
        squares = _squared_distances(rows, real)  # (R, N)
        balls += int((squares <= radii).sum())
        nearest = torch.minimum(nearest, squares.amin(dim=0))
    density = balls / (k * len(fake))  # eq-density
    coverage = (nearest <= radii).double().mean()  # eq-coverage
    return DensityCoverage(density, float(coverage))


def neighbour_radii(features: Tensor, k: int) -> Tensor:
    """Return the squared distance of each feature to its k-th nearest neighbour, (N,)."""
    radii = []
    for start in range(0, len(features), ROWS):
        squares = _squared_distances(features[start : start + ROWS], features)
        places = torch.arange(len(squares))
        squares[places, start + places] = torch.inf  # no neighbour of itself
        radii.append(squares.kthvalue(k, dim=1).values)
    return torch.cat(radii)


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return |a_i - b_j|^2, (N, M), from one matrix product."""
    squares = a.square().sum(dim=1, keepdim=True) + b.square().sum(dim=1)
    return squares.addmm_(a, b.T, alpha=-2).clamp_(min=0)


def _check(real: Tensor, fake: Tensor, k: int) -> tuple[Tensor, Tensor]:
    if k < 1:
        raise ValueError(f"k is {k}; the nearest neighbour has the number 1.")
    real, fake = check_features(real, fake, least=1)
    _enough("real", real, k)
    centre = real.mean(dim=0)  # smaller numbers, smaller rounding errors
    return real - centre, fake - centre


def _enough(side: str, features: Tensor, k: int) -> None:
    if len(features) <= k:
        raise ValueError(
            f"got {len(features)} {side} features, and the nearest neighbour number {k} of each; "
            f"there must be at least {k + 1}."
        )
