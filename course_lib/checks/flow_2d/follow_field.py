"""Check of the exercise `follow_field`: Euler's steps from noise to data, and no farther."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

Field = Callable[[Tensor, float], Tensor]


def reference(velocity: Field, x: Tensor, step: float) -> Tensor:
    """Follow a velocity from t = 0 to t = 1 with Euler's steps.

    Args:
        velocity: (x (B, 2), t) to (B, 2).
        x: (B, 2), noise.
        step: length of a step in time; the last one is shorter where the steps do not fit.

    Returns:
        (B, 2) at t = 1.

    Source: eq-flow-euler.
    """
    return _follow(velocity, x, step)


def _follow(
    velocity: Field,
    x: Tensor,
    step: float,
    *,
    last: str = "shorter",
    clock: Callable[[float, float], float] = lambda t, h: t,
    way: float = 1.0,
    length: str = "step",
    start: bool = False,
) -> Tensor:
    """The steps, with one thing at a time that can be made wrong."""
    full = math.floor(1 / step + 1e-9)
    times = [k * step for k in range(full + 1)]
    if times[-1] < 1 - 1e-9:
        if last == "shorter":
            times.append(1.0)
        elif last == "overshoots":
            times.append((full + 1) * step)
    if last == "equal":
        times = [k / full for k in range(full + 1)]
    first = x
    for t, after in zip(times[:-1], times[1:], strict=True):
        h = after - t
        here = velocity(first if start else x, clock(t, h))
        x = x + way * (1.0 if length == "forgotten" else h) * here
    return x


def _field(generator: torch.Generator) -> Field:
    """A velocity that depends on place and time."""
    matrix = 0.8 * torch.randn(2, 2, generator=generator, dtype=torch.float64)
    drift = torch.randn(2, generator=generator, dtype=torch.float64)

    def velocity(x: Tensor, t: float) -> Tensor:
        return x @ matrix.T * (0.5 + t) + (1 + 2 * t) * drift + (x + 3 * t).sin()

    return velocity


def _noise(generator: torch.Generator) -> Tensor:
    return torch.randn(4, 2, generator=generator, dtype=torch.float64)


def _draw(generator: torch.Generator) -> tuple:
    """Steps that do not fit."""
    steps = (0.3, 0.4, 0.23, 0.15)
    index = int(torch.randint(len(steps), (), generator=generator))
    return _field(generator), _noise(generator), steps[index]


def _even(generator: torch.Generator) -> tuple:
    steps = (0.5, 0.25, 0.2, 0.1)
    index = int(torch.randint(len(steps), (), generator=generator))
    return _field(generator), _noise(generator), steps[index]


def _constant(generator: torch.Generator) -> tuple:
    drift = torch.randn(2, generator=generator, dtype=torch.float64)
    return (lambda x, t: drift.expand_as(x)), _noise(generator), 0.25


follow_field = Check(
    "follow_field",
    lab="flow_2d",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=_draw,
)
follow_field.equals_reference(
    "a constant velocity moves points by itself",
    points=1,
    example=_constant,
    what="with a constant velocity and steps of {2}, the end",
)
follow_field.equals_reference(
    "steps that fit",
    points=2,
    example=_even,
    what="with steps of {2}, the end",
)
follow_field.equals_reference(
    "steps that do not fit end at 1 as well",
    points=2,
    what="with steps of {2}, the end",
)

follow_field.mistake(
    "the last step overshoots",
    partial(_follow, last="overshoots"),
    hint="Your last step has the full length and ends beyond t = 1, where there is neither data "
    "nor a velocity. Take what is left: min(step, 1 - t).",
)
follow_field.mistake(
    "the rest is left out",
    partial(_follow, last="left out"),
    hint="You take as many full steps as fit and stop before t = 1: some of the noise stays in "
    "your points. One shorter step is missing.",
)
follow_field.mistake(
    "fewer steps of equal length",
    partial(_follow, last="equal"),
    hint="You have made the steps longer so that they fit. Wanted are steps of the given length, "
    "and a shorter one at the end.",
)
follow_field.mistake(
    "the clock runs backwards",
    partial(_follow, clock=lambda t, h: 1 - t),
    hint="You ask for the velocity at 1 - t. In this course t = 0 is noise, where you begin.",
)
follow_field.mistake(
    "back instead of forth",
    partial(_follow, way=-1.0),
    hint="You subtract the velocity: that is the way back, from data to noise.",
)
follow_field.mistake(
    "the velocity of the step's end",
    partial(_follow, clock=lambda t, h: t + h),
    hint="You ask for the velocity at the time at which the step ends. Euler's step takes that of "
    "its beginning: use t first, then raise it.",
)
follow_field.mistake(
    "the clock stands still",
    partial(_follow, clock=lambda t, h: 0.0),
    hint="You ask for the velocity at t = 0 all the way. The time passes with every step.",
)
follow_field.mistake(
    "the velocity of the start",
    partial(_follow, start=True),
    hint="You ask for the velocity at the place where the way began. Ask where the point is now.",
)
follow_field.mistake(
    "the length forgotten",
    partial(_follow, length="forgotten"),
    hint="You add the whole velocity in each step. A step of length h moves a point by h times its "
    "velocity.",
)
