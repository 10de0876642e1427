"""How far a velocity's loss lies above the least that there is on a finite set, by time.

On a finite set the best velocity is a formula, and so is its loss, which no network can beat. That
loss depends on the time, and a network's loss says little until it is taken off.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.ops.paths import SMALLEST, mix, optimal_velocity, target

Velocity = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class VelocityGap:
    """Means in each part of the time, per number of a point or picture.

    Attributes:
        loss: of the velocity: squared distance from the line's own velocity.
        floor: the same of the best velocity on the set, drawn with the same noise.
        gap: what the loss has above the floor; on the set itself below 0 by chance only.
        error: standard error of the gap.
        distance: squared distance between the two velocities; on the set itself the mean of gap.
    """

    loss: list[float]
    floor: list[float]
    gap: list[float]
    error: list[float]
    distance: list[float]


@torch.no_grad()
def velocity_gap(
    velocity: Velocity,
    points: Tensor,
    *,
    data: Tensor | None = None,
    bins: int = 5,
    num: int = 4096,
    path: str = "straight",
    seed: int = 0,
    batch_size: int = 512,
) -> VelocityGap:
    """Hold a velocity against the best one on a finite set, in equal parts of the time.

    Source: the decomposition of the loss is arXiv:2210.02747, theorem 2; the best velocity
    arXiv:2506.03719.

    Args:
        velocity: (x (B, ...), t (B,)) -> (B, ...).
        points: (N, ...), the set that the best velocity knows.
        data: (M, ...) that lines lead to, in the place of `points`: on unseen data the "best" of
            the set has no advantage any more, and the gap may lie below 0.
        bins: equal parts of the time from 0 (noise) to 1 (data).
        num: lines drawn for each part.
        path: one of `course_lib.ops.PATHS`.
        seed: of the lines; the same seed and batch_size draw the same ones.
        batch_size: lines at once.

    Returns:
        Means for each part, in the order of time.

    Raises:
        ValueError: for a set without points, data of another shape, or counts below one; `num`
            below two has no standard error.
    """
    ends = points if data is None else data
    if not len(points) or not len(ends) or ends.shape[1:] != points.shape[1:]:
        raise ValueError(
            f"got points {tuple(points.shape)} and data {tuple(ends.shape)}; wanted at least one "
            "of each, alike behind the first dimension."
        )
    if bins < 1 or num < 2 or batch_size < 1:
        raise ValueError(
            f"bins is {bins}, num {num} and batch_size {batch_size}; give at least 1, 2 and 1."
        )
    rng = torch.Generator().manual_seed(seed)
    means: list[list[float]] = [[], [], [], [], []]
    for part in range(bins):
        told: list[Tensor] = []
        for start in range(0, num, batch_size):
            size = min(batch_size, num - start)
            image = ends[torch.randint(len(ends), (size,), generator=rng).to(ends.device)]
            noise = torch.randn(image.shape, generator=rng).to(image)
            t = ((part + torch.rand(size, generator=rng)) / bins).to(image)
            t = t.clamp(max=1 - SMALLEST)  # beyond it the best velocity is cut off
            x = mix(image, noise, t, path)
            line = target(image, noise, t, "velocity", path)
            said = velocity(x, t)
            # In float32 rounding would choose among near points when little noise is left.
            best = optimal_velocity(x.double(), t.double(), points.double(), path)
            pairs = ((said, line), (best, line), (said, best))
            told.append(torch.stack([(a - b).square().flatten(1).mean(1) for a, b in pairs]))
        loss, floor, distance = torch.cat(told, dim=1).double().cpu()  # (num,) each
        gap = loss - floor
        row = (loss.mean(), floor.mean(), gap.mean(), gap.std() / num**0.5, distance.mean())
        for column, value in zip(means, row, strict=True):
            column.append(float(value))
    return VelocityGap(*means)
