"""Check of the exercise `latent_walk`: from one latent vector to another along the sphere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


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
) -> Tensor:
    """The walk, with one thing at a time that can be made wrong."""
    t = (torch.linspace(0, 1, steps) if times is None else times)[:, None].to(start)  # (steps, 1)
    if straight:
        return (1 - t) * start + t * end
    cosine = start @ end
    if not raw_angle:
        cosine = cosine / (start.norm() * end.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    if parallel and angle < 1e-3:
        return (1 - t) * start + t * end
    if unit:
        start, end = start / start.norm(), end / end.norm()
    below = torch.sin(angle) if divide else 1.0
    return torch.sin((1 - t) * angle) / below * start + torch.sin(t * angle) / below * end


def _straight(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(start, end, steps, straight=True)


def _raw_angle(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(start, end, steps, raw_angle=True)


def _unit(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(start, end, steps, unit=True)


def _not_divided(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(start, end, steps, divide=False)


def _end_missing(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(start, end, steps, times=torch.arange(steps) / steps)


def _one_more(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(start, end, steps + 1)


def _backwards(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(end, start, steps)


def _normalised_line(start: Tensor, end: Tensor, steps: int) -> Tensor:
    line = _walk(start, end, steps, straight=True)
    return line / line.norm(dim=1, keepdim=True) * start.norm()


def _parallel(start: Tensor, end: Tensor, steps: int) -> Tensor:
    return _walk(start, end, steps, parallel=False)


MISTAKES = [
    Mistake(
        "a straight line",
        _straight,
        "Yours is the straight line. Half way between two independent normal vectors it is only "
        "0.7 times as long as they are, and in 100 dimensions no drawn vector is that short: the "
        "generator has never seen such a point. Follow the arc.",
    ),
    Mistake(
        "the angle of vectors that are not normalised",
        _raw_angle,
        "The cosine of the angle is the product of the *unit* vectors: divide start @ end by both "
        "lengths. Without it arccos gets numbers far outside of [-1, 1].",
    ),
    Mistake(
        "unit vectors returned",
        _unit,
        "You normalised the two for the angle and then walked between the unit vectors. The "
        "generator expects the length that z has, about sqrt(D). Weight start and end themselves.",
    ),
    Mistake(
        "not divided by sin w",
        _not_divided,
        "At t = 0 your walk is at start * sin(w), not at start. Divide both weights by sin(w).",
    ),
    Mistake(
        "the end is missing",
        _end_missing,
        "Your last point is one step short of the end: arange(steps) / steps never reaches 1. Take "
        "linspace(0, 1, steps).",
    ),
    Mistake(
        "one point more",
        _one_more,
        "You return steps + 1 points. Both ends count: steps points, steps - 1 gaps.",
    ),
    Mistake(
        "backwards",
        _backwards,
        "You walk from the end to the start. At t = 0 the weight of `start` is 1.",
    ),
    Mistake(
        "a line pushed out to the sphere",
        _normalised_line,
        "You rescaled the straight line to the length of `start`. That stays on the sphere, but "
        "the steps are not equally long on it, and the end gets the start's length. Use the sines.",
    ),
    Mistake(
        "divided by zero where both point the same way",
        _parallel,
        "Where both vectors point the same way, w = 0 and sin(w) = 0, and your walk is not a "
        "number (or noise). There the arc is the straight line: treat small angles apart.",
    ),
]


EXACT = torch.tensor([3.0, 0.0, 4.0, 0.0])  # of length 5: its angle with itself is exactly 0


def _draw(generator: torch.Generator, dimensions: int = 12) -> tuple[Tensor, Tensor]:
    start, end = torch.randn(2, dimensions, generator=generator)
    length = 0.7 + torch.rand(2, generator=generator)
    return start * length[0], end * length[1]


def _example(generator: torch.Generator) -> tuple:
    start, end = _draw(generator)
    return start, end, int(torch.randint(4, 9, (1,), generator=generator))


def _probe(student: Any, arguments: tuple) -> list:
    start, end, steps = arguments
    return [student(start, end, steps), student(EXACT, 1.5 * EXACT, steps)]


def _ends(student: Any, generator: torch.Generator) -> None:
    start, end = _draw(generator)
    walk = student(start, end, 5)
    assert_close(walk, reference(start, end, 5), "a walk of 5 points between random vectors")


def _right_angle(student: Any, generator: torch.Generator) -> None:
    start, end = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 2.0])
    half = torch.tensor([2**0.5, 0.0, 2**0.5])
    assert_close(student(start, end, 3)[1], half, "half way of a quarter circle of radius 2")


def _same_way(student: Any, generator: torch.Generator) -> None:
    wanted = torch.linspace(1, 1.5, 4)[:, None] * EXACT
    assert_close(student(EXACT, 1.5 * EXACT, 4), wanted, "the walk from z to 1.5 z")
    start, _ = _draw(generator)
    assert_close(student(start, start.clone(), 2), start.expand(2, -1), "the walk from z to z")


PROPERTIES = [
    Property("start, end and the arc between, in equal angles", 2, _ends),
    Property("half way round a quarter circle", 1, _right_angle),
    Property("vectors that point the same way", 1, _same_way),
]


def latent_walk(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `latent_walk(start, end, steps)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "latent_walk",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
