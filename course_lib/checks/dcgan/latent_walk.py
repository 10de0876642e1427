"""Check of the exercise `latent_walk`: from one latent vector to another along the sphere."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import call
from course_lib.checks.core import Check


def reference(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Return points on the arc from start to end.

    Args:
        start: (D,).
        end: (D,).
        steps: number of points, 2 or more; the first is start, the last is end.

    Returns:
        (steps, D): sin((1-t) w) / sin w * start + sin(t w) / sin w * end, w the angle between the
        two and t from 0 to 1; a straight line where they point the same way.

    Source: K. Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985.
    """
    return _walk(start, end, steps)


def _walk(
    start: Tensor,
    end: Tensor,
    steps: int,
    *,
    straight: bool = False,
    raw_angle: bool = False,
    unit: bool = False,
    divide: bool = True,
    times: Tensor | None = None,
    parallel: bool = True,
    clamp: bool = True,
) -> Tensor:
    """The walk, with one thing at a time that can be made wrong."""
    t = (torch.linspace(0, 1, steps) if times is None else times)[:, None].to(start)  # (steps, 1)
    if straight:
        return (1 - t) * start + t * end
    cosine = start @ end
    if not raw_angle:
        cosine = cosine / (start.norm() * end.norm())
    angle = torch.arccos(cosine.clamp(-1, 1) if clamp else cosine)
    if parallel and angle < 1e-3:
        return (1 - t) * start + t * end
    if unit:
        start, end = start / start.norm(), end / end.norm()
    below = torch.sin(angle) if divide else 1.0
    return torch.sin((1 - t) * angle) / below * start + torch.sin(t * angle) / below * end


def _normalised_line(start: Tensor, end: Tensor, steps: int) -> Tensor:
    line = _walk(start, end, steps, straight=True)
    return line / line.norm(dim=1, keepdim=True) * start.norm()


def _draw(
    generator: torch.Generator, *, steps: int | None = None, angle: float | None = None
) -> tuple[Tensor, Tensor, int]:
    """Two vectors of different length; with an angle between them, if one is given."""
    start, end = torch.randn(2, 12, generator=generator)
    if angle is not None:
        across = end - (end @ start) / (start @ start) * start
        end = start + angle * start.norm() * across / across.norm()
    long, short = 0.7 + torch.rand(2, generator=generator)
    number = int(torch.randint(4, 9, (1,), generator=generator))
    return start * long, end * short, steps or number


def _quarter(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    return torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 2.0]), 3


def _same_way(generator: torch.Generator, times: float = 1.5) -> tuple[Tensor, Tensor, int]:
    start = torch.randn(12, generator=generator)
    return start, times * start, 4


def _exact(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """A vector whose angle with itself is exactly 0: its length is 5."""
    start = torch.tensor([3.0, 0.0, 4.0, 0.0])
    return start, 1.5 * start, 4


def _probe(student: Any, arguments: tuple) -> list:
    """The walk, that along an exact angle of 0, and whether walks along an angle of 0 are NaN."""
    generator = torch.Generator().manual_seed(len(arguments[0]))
    walks = [student(*_same_way(generator)) for _ in range(40)]
    nan = any(bool(walk.isnan().any()) for walk in walks)
    return [student(*arguments), student(*_exact(generator)), nan]


latent_walk = Check(
    "latent_walk",
    lab="dcgan",
    level="build",
    minutes=15,
    reference=reference,
    example=_draw,
    probe=_probe,
)
latent_walk.equals_reference(
    "start, end and the arc between, in equal angles",
    points=2,
    example=[_draw, partial(_draw, steps=2), partial(_draw, angle=0.2), partial(_draw, steps=20)],
    probe=call,
    what="a walk of {2} points",
)
latent_walk.equals_reference(
    "half way round a quarter circle",
    points=1,
    example=_quarter,
    probe=call,
    what="the walk of three points along a quarter circle of radius 2",
)
latent_walk.equals_reference(
    "vectors that point the same way",
    points=1,
    example=[_exact, *[_same_way] * 30, *[partial(_same_way, times=1.0)] * 10],
    probe=call,
    what="the walk from z to a multiple of z",
)

latent_walk.mistake(
    "a straight line",
    partial(_walk, straight=True),
    hint="Yours is the straight line. Half way between two independent normal vectors it is only "
    "0.7 times as long as they are, and in 100 dimensions no drawn vector is that short: the "
    "generator has never seen such a point. Follow the arc.",
)
latent_walk.mistake(
    "the angle of vectors that are not normalised",
    partial(_walk, raw_angle=True),
    hint="The cosine of the angle is the product of the *unit* vectors: divide start @ end by both "
    "lengths. Without it arccos gets numbers far outside of [-1, 1].",
)
latent_walk.mistake(
    "unit vectors returned",
    partial(_walk, unit=True),
    hint="You normalised the two for the angle and then walked between the unit vectors. The "
    "generator expects the length that z has, about sqrt(D). Weight start and end themselves.",
)
latent_walk.mistake(
    "not divided by sin w",
    partial(_walk, divide=False),
    hint="At t = 0 your walk is at start * sin(w), not at start. Divide both weights by sin(w).",
)
latent_walk.mistake(
    "the end is missing",
    lambda start, end, steps: _walk(start, end, steps, times=torch.arange(steps) / steps),
    hint="Your last point is one step short of the end: arange(steps) / steps never reaches 1. "
    "Take linspace(0, 1, steps).",
)
latent_walk.mistake(
    "one point more",
    lambda start, end, steps: _walk(start, end, steps + 1),
    hint="You return steps + 1 points. Both ends count: steps points, steps - 1 gaps.",
)
latent_walk.mistake(
    "backwards",
    lambda start, end, steps: _walk(end, start, steps),
    hint="You walk from the end to the start. At t = 0 the weight of `start` is 1.",
)
latent_walk.mistake(
    "a line pushed out to the sphere",
    _normalised_line,
    hint="You rescaled the straight line to the length of `start`. That stays on the sphere, but "
    "the steps are not equally long on it, and the end gets the start's length. Use the sines.",
)
latent_walk.mistake(
    "divided by zero where both point the same way",
    partial(_walk, parallel=False),
    hint="Where both vectors point the same way, w = 0 and sin(w) = 0, and your walk is not a "
    "number (or noise). There the arc is the straight line: treat small angles apart.",
)
latent_walk.mistake(
    "no clamp before arccos",
    partial(_walk, clamp=False),
    hint="Rounding makes the cosine of a vector with itself 1.0000001 now and then, and arccos of "
    "that is not a number. Clamp it to [-1, 1] first.",
)
