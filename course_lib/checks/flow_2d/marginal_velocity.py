"""Check of the exercise `marginal_velocity`: the mean of all the lines that pass at a place."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check


def reference(x: Tensor, t: float, points: Tensor) -> Tensor:
    """Return the marginal velocity where the data are a finite set, each point equally likely.

    Args:
        x: (B, 2) places.
        t: time in [0, 1); 0 is noise and 1 is data.
        points: (N, 2), the data.

    Returns:
        (B, 2).

    Source: eq-finite-weights, eq-finite-velocity.
    """
    return _velocity(x, t, points)


def _velocity(
    x: Tensor,
    t: float,
    points: Tensor,
    *,
    weights: str = "probable",
    scaled: bool = True,
    variance: float = 2.0,
    power: float = 2.0,
    divided: bool = True,
    sign: float = 1.0,
    dim: int = 1,
) -> Tensor:
    """The mean velocity, with one thing at a time that can be made wrong."""
    square = (x[:, None] - (t if scaled else 1.0) * points[None]).square().sum(-1)  # (B, N)
    exponent = -square / (variance * (1 - t) ** power)
    if weights == "equal":
        share = torch.full_like(square, 1 / len(points))
    elif weights == "the nearest":
        share = torch.nn.functional.one_hot(exponent.argmax(1), len(points)).to(square)
    elif weights == "small numbers":
        share = exponent.exp() / exponent.exp().sum(1, keepdim=True)
    elif weights == "not normalised":
        share = exponent.exp()
    else:
        share = exponent.softmax(dim)
    image = share @ points  # (B, 2)
    return sign * (image - x) / ((1 - t) if divided else 1.0)


def _draw(generator: torch.Generator, low: float = 0.3, high: float = 0.7) -> tuple:
    """Places on the way to seven points, two of which lie near each other."""
    points = 1.5 * torch.randn(6, 2, generator=generator, dtype=torch.float64)
    points = torch.cat([points, points[:1] + 0.4])
    t = low + (high - low) * torch.rand((), generator=generator).item()
    chosen = torch.randint(len(points), (5,), generator=generator)
    noise = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    return t * points[chosen] + (1 - t) * noise, t, points


def _early(generator: torch.Generator) -> tuple:
    x, _, points = _draw(generator)
    return x, 0.0, points


def _alone(generator: torch.Generator) -> tuple:
    x, t, points = _draw(generator)
    return x, t, points[:1]


def _late(generator: torch.Generator) -> tuple:
    """Near the end, and far from every point: the exponentials are all 0."""
    _, _, points = _draw(generator)
    away = torch.tensor([[3.0, 1.0], [-2.0, 4.0], [4.0, -4.0]], dtype=torch.float64)
    return away, 0.99, points


def _example(generator: torch.Generator) -> tuple:
    return (_late if torch.rand((), generator=generator) < 0.3 else _draw)(generator)


marginal_velocity = Check(
    "marginal_velocity",
    lab="flow_2d",
    level="build",
    minutes=15,
    reference=reference,
    example=_example,
)
for _name, _points, _from, _what in (
    ("a single point: straight to it", 1, _alone, "with a single point, the velocity"),
    ("at t = 0: to the mean of all points", 1, _early, "at t = 0, the velocity"),
    ("on the way: the mean of the lines that pass there", 2, _draw, "the velocity"),
    ("near the end, far from every point, it is finite", 1, _late, "at t = 0.99, the velocity"),
):
    marginal_velocity.equals_reference(_name, points=_points, example=_from, what=_what)

marginal_velocity.mistake(
    "all points count alike",
    partial(_velocity, weights="equal"),
    hint="You go to the plain mean of all points, wherever you are. A point whose line hardly ever "
    "passes here must count little: weigh each by how probable x is on its line, the normal "
    "density with mean t p and deviation 1 - t.",
)
marginal_velocity.mistake(
    "the nearest point alone",
    partial(_velocity, weights="the nearest"),
    hint="You go to the one most probable point. The marginal velocity is a mean over all of them; "
    "only near the end does one point have all the weight.",
)
marginal_velocity.mistake(
    "the line's place forgotten",
    partial(_velocity, scaled=False),
    hint="You compare x with the points themselves. At time t the line to p is at t p, spread by "
    "noise: compare x with t p.",
)
marginal_velocity.mistake(
    "the spread forgotten",
    partial(_velocity, power=0.0),
    hint="Your weights do not know how much noise is left. The squared distance is divided by "
    "2 (1 - t)^2, so that near the end one point has all the weight.",
)
marginal_velocity.mistake(
    "the deviation for the variance",
    partial(_velocity, power=1.0),
    hint="You divide the squared distance by 1 - t, the deviation. In the exponent of a normal "
    "density stands twice its square.",
)
marginal_velocity.mistake(
    "the 2 forgotten",
    partial(_velocity, variance=1.0),
    hint="A factor of 2 is missing below the squared distance: the exponent is "
    "-|x - t p|^2 / (2 (1 - t)^2).",
)
marginal_velocity.mistake(
    "not divided by the time that is left",
    partial(_velocity, divided=False),
    hint="You return the way that is left, not the velocity. It has to be done in the time that is "
    "left: divide by 1 - t.",
)
marginal_velocity.mistake(
    "the sign",
    partial(_velocity, sign=-1.0),
    hint="Your arrows point away from the data. Time runs from noise to data: the way that is left "
    "is the mean point minus x.",
)
marginal_velocity.mistake(
    "time the wrong way",
    lambda x, t, points: _velocity(x, 1 - t, points) if t else -points.mean(0) + 0 * x,
    hint="You read t the other way round: data at 0, noise at 1. Here a line is at t p + (1 - t) "
    "times the noise.",
)
marginal_velocity.mistake(
    "shares over the places",
    partial(_velocity, dim=0),
    hint="Your shares add up to 1 over the places x. Each place has shares of its own, which add "
    "up to 1 over the points: take the softmax over the other dimension.",
)
marginal_velocity.mistake(
    "shares that do not add up to 1",
    partial(_velocity, weights="not normalised"),
    hint="Your weights do not add up to 1. Divide by their sum, or take softmax.",
)
marginal_velocity.mistake(
    "the exponentials by hand",
    partial(_velocity, weights="small numbers"),
    hint="Right on paper. But near the end every exponential is 0, and 0 / 0 is no number. "
    "softmax takes the largest exponent out first.",
)
marginal_velocity.mistake(
    "the mean point",
    lambda x, t, points: _velocity(x, t, points) * (1 - t) + x,
    hint="You return the mean point itself, where the way probably ends. Wanted is the velocity: "
    "subtract x, and divide by 1 - t.",
)
