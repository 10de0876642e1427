"""A flow of points, trained and followed with one thing at a time that can be wrong."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from course_lib.data import ring
from course_lib.models import PointField
from course_lib.ops import mix

STD, NUM = 0.12, 20_000  # of the ring's clouds, points to learn from
UPDATES, READ_EVERY, BATCH = 2000, 100, 128
LR = 4e-3  # of Adam; it falls to 0 along a quarter of a wave
STEPS = 32  # of Euler's method
FIFTHS, JUDGED = 5, 4000  # parts of the time, fresh lines in each


def lead(
    *,
    tells_time: bool = True,
    wanted: str = "velocity",
    num_lines: int = 0,
    clock: str = "forward",
    stirred: float = 0.0,
) -> dict[str, Any]:
    """Learn arrows from noise to a ring of eight clouds, and let points follow them.

    Args:
        tells_time: whether the network is told at which time it is asked.
        wanted: what it learns to say, "velocity" or "data", and what is followed all the same.
        num_lines: drawn before the training, each with its time; 0: new ones for each update.
        clock: "forward", or "backward" while points are led.
        stirred: noise that is added to the points along the way, as a deviation over the whole.

    Returns:
        The loss over the updates, the loss on fresh lines by fifth of the time, and 200 points.
    """
    torch.manual_seed(0)
    points, network = ring(NUM, std=STD, seed=0), PointField(width=64, num_layers=3)
    rng = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(network.parameters(), lr=LR)

    def say(x: Tensor, t: Tensor) -> Tensor:
        return network(x, t if tells_time else torch.full_like(t, 0.5))

    def loss_on(x1: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        aim = x1 if wanted == "data" else x1 - x0
        return (say(mix(x1, x0, t), t) - aim).square().mean()

    kept = (
        points[:num_lines],
        torch.randn(num_lines, 2, generator=rng),
        torch.rand(num_lines, generator=rng),
    )
    curve, losses = [], []
    for step in range(UPDATES):
        for group in adam.param_groups:
            group["lr"] = LR * math.cos(math.pi / 2 * step / UPDATES)
        if num_lines:
            chosen = torch.randint(num_lines, (BATCH,), generator=rng)
            x1, x0, t = (part[chosen] for part in kept)
        else:
            x1 = points[torch.randint(NUM, (BATCH,), generator=rng)]
            x0, t = torch.randn(BATCH, 2, generator=rng), torch.rand(BATCH, generator=rng)
        loss = loss_on(x1, x0, t)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
        if len(losses) == READ_EVERY:
            curve.append(round(sum(losses) / READ_EVERY, 3))
            losses.clear()

    rng.manual_seed(1)  # equal lines and equal noise for every run
    with torch.no_grad():
        x1, parts = ring(JUDGED, std=STD, seed=1), []
        for part in range(FIFTHS):
            x0 = torch.randn(JUDGED, 2, generator=rng)
            t = (part + torch.rand(JUDGED, generator=rng)) / FIFTHS
            parts.append(round(loss_on(x1, x0, t).item(), 3))
        x, h = torch.randn(200, 2, generator=rng), 1 / STEPS
        for step in range(STEPS):
            t = torch.full((200,), step * h if clock == "forward" else 1 - step * h)
            x = x + h * say(x, t)
            x = x + stirred * math.sqrt(h) * torch.randn(200, 2, generator=rng)
    drawn = [[round(value, 2) for value in point] for point in x.tolist()]
    return {"loss": curve, "by time": parts, "points": drawn}
