"""Check of the exercise `density_along`: the log-density of points, by following them back."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

Field = Callable[[Tensor, float], Tensor]


def reference(velocity: Field, x: Tensor, steps: int) -> Tensor:
    """Return the log-density of points at t = 1, with Euler's steps back to their noise.

    Args:
        velocity: (x (B, 2), t) to (B, 2), each point by itself.
        x: (B, 2), data.
        steps: from t = 1 to t = 0, all equally long.

    Returns:
        (B,), in nats.

    Source: eq-flow-likelihood.
    """
    return _density(velocity, x, steps)


def _parts(velocity: Field, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """The velocity (B, 2), and all its derivatives (B, 2, 2): the row says which component."""
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        u = velocity(at, t)
        rows = [
            torch.autograd.grad(u[:, i].sum(), at, retain_graph=True, allow_unused=True)[0]
            if u.requires_grad
            else None
            for i in range(2)
        ]
    zero = torch.zeros_like(x)
    return u.detach(), torch.stack([zero if row is None else row for row in rows], dim=1)


def _density(
    velocity: Field,
    x: Tensor,
    steps: int,
    *,
    spread: str = "trace",
    sign: float = -1.0,
    way: float = -1.0,
    clock: Callable[[float, float], float] = lambda t, h: t,
    constant: float = math.log(2 * math.pi),
    half: float = 0.5,
    where: str = "noise",
    length: str = "step",
) -> Tensor:
    """The log-density, with one thing at a time that can be made wrong."""
    h, total, end = 1 / steps, x.new_zeros(len(x)), x
    for k in range(steps):
        u, slopes = _parts(velocity, end, clock(1 - k * h, h))
        one = {
            "trace": slopes[:, 0, 0] + slopes[:, 1, 1],
            "forgotten": 0 * total,
            "all": slopes.sum((1, 2)),
            "first": slopes[:, 0, 0],
            "of the batch": (slopes[:, 0, 0] + slopes[:, 1, 1]).sum().expand(len(x)),
        }[spread]
        total = total + (1.0 if length == "forgotten" else h) * one
        end = end + way * h * u
    at = end if where == "noise" else x
    return -half * at.square().sum(1) - constant + sign * total


def _tensor(generator: torch.Generator, *size: int) -> Tensor:
    return torch.randn(size, generator=generator, dtype=torch.float64)


def _number(generator: torch.Generator) -> int:
    return int(torch.randint(3, 7, (), generator=generator))


def _draw(generator: torch.Generator) -> tuple:
    """A velocity that bends and spreads, and changes with time."""
    matrix, inner, drift = (
        0.5 * _tensor(generator, 2, 2),
        _tensor(generator, 2, 2),
        _tensor(generator, 2),
    )

    def velocity(x: Tensor, t: float) -> Tensor:
        return (0.4 + t) * (x @ matrix.T) + (x @ inner.T).tanh() * (1 - t / 2) + t * drift

    return velocity, _tensor(generator, 5, 2), _number(generator)


def _shift(generator: torch.Generator) -> tuple:
    drift = 1 + _tensor(generator, 2)

    def velocity(x: Tensor, t: float) -> Tensor:
        return 0 * x + (0.5 + t) * drift

    return velocity, _tensor(generator, 4, 2), _number(generator)


def _shear(generator: torch.Generator) -> tuple:
    """Points slide along one axis, the farther the higher: nothing is spread."""
    rate = 0.5 + torch.rand((), generator=generator).item()

    def velocity(x: Tensor, t: float) -> Tensor:
        return torch.stack([rate * x[:, 1], 0 * x[:, 1]], dim=1)

    return velocity, _tensor(generator, 4, 2), _number(generator)


def _stretch(generator: torch.Generator) -> tuple:
    rates = 0.3 + torch.rand(2, generator=generator).double()

    def velocity(x: Tensor, t: float) -> Tensor:
        return rates * x

    return velocity, _tensor(generator, 4, 2), _number(generator)


density_along = Check(
    "density_along",
    lab="flow_2d",
    level="build",
    minutes=20,
    reference=reference,
    example=_draw,
)
for _name, _points, _from, _what in (
    ("where all points shift alike, the density shifts", 1, _shift, "after a shift"),
    ("a shear moves points and spreads nothing", 1, _shear, "after a shear"),
    ("stretched, the density falls", 1, _stretch, "after a stretch"),
    ("a velocity that bends and changes with time", 2, _draw, "of a velocity that bends"),
):
    density_along.equals_reference(
        _name, points=_points, example=_from, what=f"{_what}, the log-density", tolerance=1e-4
    )

density_along.mistake(
    "the divergence forgotten",
    partial(_density, spread="forgotten"),
    hint="You return the log-density of the noise at which the way ends. On the way the flow "
    "gathers points, and that makes them denser: subtract the divergence, step by step.",
)
density_along.mistake(
    "the divergence added",
    partial(_density, sign=1.0),
    hint="You add the divergence. Where the flow spreads, on its way to the data, the density "
    "falls: log p(data) is log p(noise) minus the sum.",
)
density_along.mistake(
    "followed forwards",
    partial(_density, way=1.0),
    hint="You follow the points in the direction of the velocity. They are data, at t = 1, and "
    "their noise lies the other way: x - h u.",
)
density_along.mistake(
    "the clock runs the wrong way",
    partial(_density, clock=lambda t, h: 1 - t),
    hint="You begin with the velocity of t = 0. The points are data, so the way begins at t = 1 "
    "and t falls with each step.",
)
density_along.mistake(
    "the time of the step's end",
    partial(_density, clock=lambda t, h: t - h),
    hint="You ask for the velocity at the time at which a step ends. The first step begins at "
    "t = 1, and Euler's step takes the velocity of its beginning.",
)
density_along.mistake(
    "all four derivatives",
    partial(_density, spread="all"),
    hint="You add up all four derivatives: the gradient of the *sum* of both components. The "
    "divergence has two of them, that of the first component along the first axis, and of the "
    "second along the second.",
)
density_along.mistake(
    "one derivative",
    partial(_density, spread="first"),
    hint="You have the first component's derivative along the first axis. The second component's, "
    "along the second axis, is missing.",
)
density_along.mistake(
    "one divergence for the batch",
    partial(_density, spread="of the batch"),
    hint="You add up the divergences of all points of the batch. Each point has its own: keep the "
    "shape (B,).",
)
density_along.mistake(
    "the step's length forgotten in the sum",
    partial(_density, length="forgotten"),
    hint="You add up divergences without the length of a step. The sum stands for an integral: "
    "each counts times h.",
)
density_along.mistake(
    "the normal density at the data",
    partial(_density, where="data"),
    hint="You take the normal density at the data. It belongs to where the way ends, the noise.",
)
density_along.mistake(
    "the normal density's constant",
    partial(_density, constant=0.0),
    hint="The constant of the normal density is missing: -log(2 pi) for two numbers. Without it "
    "these are no nats of a density.",
)
density_along.mistake(
    "the constant of one number",
    partial(_density, constant=math.log(2 * math.pi) / 2),
    hint="Your constant is that of a normal density of one number. A point has two: -log(2 pi).",
)
density_along.mistake(
    "the half forgotten",
    partial(_density, half=1.0),
    hint="The exponent of the standard normal density is -|x|^2 / 2. The half is missing.",
)
density_along.mistake(
    "the density itself",
    lambda velocity, x, steps: _density(velocity, x, steps).exp(),
    hint="You return the density. Wanted is its logarithm, in nats.",
)
density_along.mistake(
    "the mean over the points",
    lambda velocity, x, steps: _density(velocity, x, steps).mean(),
    hint="You return one number. Wanted is the log-density of each point, (B,).",
)
