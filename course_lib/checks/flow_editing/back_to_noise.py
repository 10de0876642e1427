"""Check of the exercise `back_to_noise`: an image led back to the noise that draws it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check
from course_lib.checks.flow_editing.restyle import Curved

Field = Callable[[Tensor, Tensor], Tensor]


def reference(velocity: Field, images: Tensor, steps: int) -> Tensor:
    """Return the noise that the images come from, by midpoint steps from time 1 to time 0.

    Args:
        velocity: of (x, t), x (B, ...) and t a tensor with one number.
        images: (B, ...).
        steps: of the midpoint method.
    """
    return _back(velocity, images, steps)


def _back(
    velocity: Field,
    images: Tensor,
    steps: int,
    *,
    times: str = "back",
    sign: float = 1.0,
    method: str = "midpoint",
) -> Tensor:
    """The way back, with its parts right or wrong."""
    x = images
    ways = torch.linspace(1, 0, steps + 1)
    if times == "forwards":
        ways = torch.linspace(0, 1, steps + 1)
    elif times == "clock forwards":  # goes back, but asks at 0 first
        sign = -1.0
        ways = torch.linspace(0, 1, steps + 1)
    for t, after in zip(ways[:-1], ways[1:], strict=True):
        dt = sign * (after - t)
        if method == "euler":
            x = x + dt * velocity(x, t)
            continue
        half = x + dt / 2 * velocity(x, t)
        middle = t if method == "middle asked for t" else (t + after) / 2
        if method == "half a step":
            x = x + dt / 2 * velocity(half, middle)
        else:
            x = x + dt * velocity(half, middle)
    return x


class Constant:
    """A velocity that is the same everywhere and always."""

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the velocity, of the shape of x."""
        return self.value.expand_as(x)


def _draw(generator: torch.Generator, *, kind: str = "curved", steps: int = 4) -> tuple:
    images = torch.randn(2, 1, 3, 4, generator=generator, dtype=torch.float64)
    value = 1 + torch.rand(1, 1, 3, 4, generator=generator, dtype=torch.float64)
    field = Curved(generator) if kind == "curved" else Constant(value)
    return field, images, steps


back_to_noise = Check(
    "back_to_noise",
    lab="flow_editing",
    level="build",
    minutes=10,
    reference=reference,
    example=_draw,
)
back_to_noise.equals_reference(
    "with a constant velocity it goes straight back",
    points=1,
    example=partial(_draw, kind="constant"),
    what="with a constant velocity the result",
)
back_to_noise.equals_reference(
    "one step, and several",
    points=2,
    example=[partial(_draw, steps=steps) for steps in (1, 2, 6)],
    what="with {2} steps the result",
)


@back_to_noise.holds("forwards again, the image comes back", points=1)
def _returns(student: Callable[..., Tensor], generator: torch.Generator) -> None:
    field, images, _ = _draw(generator)
    x = student(field, images, 60)
    assert isinstance(x, Tensor), f"the result is a {type(x).__name__}, wanted a torch.Tensor"
    assert x.shape == images.shape, f"the result has shape {tuple(x.shape)}"
    assert not torch.equal(x, images), "nothing has moved"
    ways = torch.linspace(0, 1, 61)
    for t, after in zip(ways[:-1], ways[1:], strict=True):
        half = x + (after - t) / 2 * field(x, t)
        x = x + (after - t) * field(half, (t + after) / 2)
    apart = float((x - images).abs().max())
    assert apart < 1e-3, f"60 steps back and 60 forwards miss the image by {apart:.2g}"


back_to_noise.mistake(
    "forwards",
    partial(_back, times="forwards"),
    hint="You go forwards, from 0 to 1, and the image is taken for noise. It is at time 1: the "
    "times fall, and every step is negative.",
)
back_to_noise.mistake(
    "the sign twice",
    partial(_back, sign=-1.0),
    hint="Your times fall, and you turn the step round once more: two minus signs lead forwards "
    "again. The step after - t is negative by itself.",
)
back_to_noise.mistake(
    "the clock forwards",
    partial(_back, times="clock forwards"),
    hint="You step backwards and ask for the times 0, 1/steps, ...: the velocity of noise at the "
    "image's place. The first time is 1.",
)
back_to_noise.mistake(
    "Euler",
    partial(_back, method="euler"),
    hint="That is Euler's step. Look half a step ahead first, and follow the velocity of there.",
)
back_to_noise.mistake(
    "the middle asked for t",
    partial(_back, method="middle asked for t"),
    hint="The velocity in the middle of the step is asked for the time at its beginning. There it "
    "is (t + after) / 2.",
)
back_to_noise.mistake(
    "half a step",
    partial(_back, method="half a step"),
    hint="You follow the velocity of the middle for half a step only, and end half way.",
)
