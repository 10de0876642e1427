"""Check of the exercise `restyle`: image to image, from the middle of the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

Field = Callable[[Tensor, Tensor], Tensor]


def reference(velocity: Field, images: Tensor, noise: Tensor, start: float, steps: int) -> Tensor:
    """Return the pictures to which images lead that were made noisy up to the time `start`.

    Args:
        velocity: of (x, t), x (B, C, H, W) and t a tensor with one number.
        images: (B, C, H, W).
        noise: (B, C, H, W).
        start: 0 keeps nothing of the images, near 1 nearly everything.
        steps: of Euler, from `start` to 1.

    Source: arXiv:2108.01073, algorithm 1, for a flow on the straight path.
    """
    return _restyle(velocity, images, noise, start, steps)


def _restyle(
    velocity: Field,
    images: Tensor,
    noise: Tensor,
    start: float,
    steps: int,
    *,
    mixed: str = "right",
    times: str = "from start",
    asked: str = "here",
) -> Tensor:
    """The way, with its parts right or wrong."""
    share = 1 - start if mixed == "reversed" else start
    x = share * images + (1 - share) * noise
    if mixed == "added":
        x = images + (1 - start) * noise
    elif mixed == "variance":
        x = start * images + (1 - start**2) ** 0.5 * noise
    ways = {
        "from start": torch.linspace(start, 1, steps + 1),
        "from 0": torch.linspace(0, 1, steps + 1),
        "to 0": torch.linspace(start, 0, steps + 1),
        "from 1 - start": torch.linspace(1 - start, 1, steps + 1),
        "long steps": start + torch.arange(steps + 1) / steps,
    }[times]
    for t, after in zip(ways[:-1], ways[1:], strict=True):
        x = x + (after - t) * velocity(x, t if asked == "here" else after)
    return x


class Curved:
    """A velocity of each pixel by itself, other at each time."""

    def __init__(self, generator: torch.Generator) -> None:
        self.slope = 0.5 + float(torch.rand((), generator=generator))

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the velocity, of the shape of x."""
        return self.slope * torch.cos(2 * x) + t * x


class Towards:
    """The velocity that leads everything to one picture, which it reaches at time 1."""

    def __init__(self, goal: Tensor) -> None:
        self.goal = goal

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the velocity, of the shape of x."""
        return (self.goal - x) / (1 - t)


class Still:
    """No velocity at all."""

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the velocity, of the shape of x."""
        return torch.zeros_like(x)


def _pictures(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images, noise = (
        torch.randn(2, 1, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    return images, noise


def _draw(generator: torch.Generator, *, kind: str = "curved", steps: int = 4) -> tuple:
    images, noise = _pictures(generator)
    start = 0.6 + 0.2 * float(torch.rand((), generator=generator))
    goal = torch.randn(1, 1, 3, 4, generator=generator, dtype=torch.float64)
    field = {"curved": Curved(generator), "towards": Towards(goal), "still": Still()}[kind]
    return field, images, noise, start, steps


restyle = Check(
    "restyle",
    lab="flow_editing",
    level="build",
    minutes=12,
    reference=reference,
    example=_draw,
)
restyle.equals_reference(
    "the images are mixed with noise up to the time start",
    points=1,
    example=partial(_draw, kind="still"),
    what="with a velocity of 0 and start {3:.2f}, the result",
)
restyle.equals_reference(
    "the way ends at the data",
    points=1,
    example=partial(_draw, kind="towards"),
    what="with a velocity that arrives at one picture at time 1, the result",
)
restyle.equals_reference(
    "one step, and several",
    points=2,
    example=[partial(_draw, steps=steps) for steps in (1, 2, 7)],
    what="with start {3:.2f} and {4} steps the result",
)

restyle.mistake(
    "time from 0",
    partial(_restyle, times="from 0"),
    hint="Your x is at the time start, and your clock begins at 0: the network takes it for noise. "
    "The times go from start to 1.",
)
restyle.mistake(
    "strength and time exchanged",
    partial(_restyle, times="from 1 - start"),
    hint="Your clock begins at 1 - start. start is a time, and 1 - start the share of noise that x "
    "has there.",
)
restyle.mistake(
    "the wrong share",
    partial(_restyle, mixed="reversed"),
    hint="Your mixture has the image's share and the noise's exchanged. At the time start the "
    "image has the share start.",
)
restyle.mistake(
    "towards the noise",
    partial(_restyle, times="to 0"),
    hint="You go from start to 0, which is the way back to noise. Data are at 1.",
)
restyle.mistake(
    "steps of the whole way",
    partial(_restyle, times="long steps"),
    hint="Each of your steps is 1/steps long, and they end beyond 1. The way is 1 - start long.",
)
restyle.mistake(
    "noise added on top",
    partial(_restyle, mixed="added"),
    hint="You add noise to the whole image. On the straight path the image's share is start: "
    "start * images + (1 - start) * noise.",
)
restyle.mistake(
    "the path of a diffusion",
    partial(_restyle, mixed="variance"),
    hint="Your squares of both shares sum to 1, as on a diffusion's path. This flow learned the "
    "straight one, where the shares themselves sum to 1.",
)
restyle.mistake(
    "the velocity of the next time",
    partial(_restyle, asked="there"),
    hint="Euler's step asks for the velocity of here and now: x and t belong together.",
)
