"""Points in the plane whose density is known: what a generator learns where one can see all of it.

`ring` and `grid` are mixtures of Gaussians with equal weights, given by their centres, so the
density itself can be computed (`mixture_log_density`); `two_moons` and `spiral` are curves with
noise. All of them draw exactly the same points for the same seed, in float32, shape (num, 2).

Source: the ring of eight Gaussians with radius 2 and deviation 0.02 is the test of Metz et al.,
arXiv:1611.02163, Fig. 2.
"""

import math

import torch
from torch import Tensor

RING_RADIUS = 2.0
RING_STD = 0.02


def ring_centres(modes: int = 8, radius: float = RING_RADIUS) -> Tensor:
    """Return the centres (modes, 2) of a ring of Gaussians, anticlockwise from the right.

    Args:
        modes: number of Gaussians.
        radius: of the circle on which the centres lie.

    Raises:
        ValueError: fewer than one mode.
    """
    if modes < 1:
        raise ValueError(f"modes is {modes}; a ring needs at least one.")
    angle = 2 * math.pi * torch.arange(modes) / modes
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def grid_centres(side: int = 5, spacing: float = 1.0) -> Tensor:
    """Return the centres (side², 2) of a square grid of Gaussians around the origin, row by row.

    Args:
        side: Gaussians along each axis.
        spacing: distance of neighbours.

    Raises:
        ValueError: fewer than one along an axis.
    """
    if side < 1:
        raise ValueError(f"side is {side}; a grid needs at least one Gaussian along each axis.")
    axis = spacing * (torch.arange(side) - (side - 1) / 2)
    return torch.cartesian_prod(axis, axis).reshape(-1, 2)


def mixture(num: int, centres: Tensor, std: float, *, seed: int = 0) -> Tensor:
    """Draw points from Gaussians with equal weights around the centres.

    Args:
        num: how many points.
        centres: (M, 2).
        std: standard deviation along each axis.
        seed: same seed, same points.

    Returns:
        (num, 2) float32.
    """
    generator = _generator(num, std, seed)
    mode = torch.randint(len(centres), (num,), generator=generator)
    return centres[mode] + std * torch.randn(num, 2, generator=generator)


def ring(
    num: int,
    *,
    modes: int = 8,
    radius: float = RING_RADIUS,
    std: float = RING_STD,
    seed: int = 0,
) -> Tensor:
    """Draw points from a ring of Gaussians; each has the same weight.

    Args:
        num: how many points.
        modes: number of Gaussians.
        radius: of the circle on which their centres lie.
        std: standard deviation along each axis.
        seed: same seed, same points.

    Returns:
        (num, 2) float32.
    """
    return mixture(num, ring_centres(modes, radius), std, seed=seed)


def grid(
    num: int, *, side: int = 5, spacing: float = 1.0, std: float = 0.05, seed: int = 0
) -> Tensor:
    """Draw points from a square grid of Gaussians; each has the same weight.

    Args:
        num: how many points.
        side: Gaussians along each axis.
        spacing: distance of neighbouring centres.
        std: standard deviation along each axis.
        seed: same seed, same points.

    Returns:
        (num, 2) float32.
    """
    return mixture(num, grid_centres(side, spacing), std, seed=seed)


def two_moons(num: int, *, std: float = 0.05, seed: int = 0) -> Tensor:
    """Draw points from two half circles that reach into each other.

    Args:
        num: how many points.
        std: standard deviation of the noise along each axis.
        seed: same seed, same points.

    Returns:
        (num, 2) float32.
    """
    generator = _generator(num, std, seed)
    lower = torch.randint(2, (num,), generator=generator).bool()
    angle = math.pi * torch.rand(num, generator=generator)
    x = torch.where(lower, 1 - angle.cos(), angle.cos()) - 0.5
    y = torch.where(lower, 0.5 - angle.sin(), angle.sin()) - 0.25
    return torch.stack([x, y], dim=1) + std * torch.randn(num, 2, generator=generator)


def spiral(num: int, *, turns: float = 1.5, std: float = 0.05, seed: int = 0) -> Tensor:
    """Draw points along a spiral from radius 0.5 to radius 2, uniformly in the angle.

    Args:
        num: how many points.
        turns: times that it goes round.
        std: standard deviation of the noise along each axis.
        seed: same seed, same points.

    Returns:
        (num, 2) float32.
    """
    generator = _generator(num, std, seed)
    share = torch.rand(num, generator=generator)
    angle, radius = 2 * math.pi * turns * share, 0.5 + 1.5 * share
    points = radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    return points + std * torch.randn(num, 2, generator=generator)


def mixture_log_density(points: Tensor, centres: Tensor, std: float) -> Tensor:
    """Return the logarithm of the density of Gaussians with equal weights.

    Computed with a log-sum-exp, so that it is finite far away from all centres.

    Args:
        points: (..., 2).
        centres: (M, 2).
        std: standard deviation along each axis.

    Returns:
        (...), in nats.

    Raises:
        ValueError: a deviation that is not positive.
    """
    if not std > 0:
        raise ValueError(f"std is {std}; a density needs a positive deviation.")
    centres = centres.to(points)
    square = (points[..., None, :] - centres).square().sum(-1)  # (..., M)
    normaliser = math.log(2 * math.pi * std**2) + math.log(len(centres))
    return torch.logsumexp(-square / (2 * std**2), dim=-1) - normaliser


def _generator(num: int, std: float, seed: int) -> torch.Generator:
    if num < 0 or std < 0:
        raise ValueError(f"num is {num} and std is {std}; neither may be negative.")
    return torch.Generator().manual_seed(seed)
