"""Check of the exercise `examine_inversion`: a test that finds ways back that do not lead back."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.flow_editing.back_to_noise import back_to_noise
from course_lib.checks.kinds import WriteTest

Field = Callable[[Tensor, Tensor], Tensor]
Invert = Callable[[Field, Tensor, int], Tensor]
X = torch.tensor([[0.5, -1.0], [1.5, 2.0]], dtype=torch.float64)


def _close(got: Tensor, wanted: Tensor, by: float) -> None:
    assert got.shape == wanted.shape
    assert torch.allclose(got, wanted, atol=by, rtol=0)


def _by_hand(invert: Invert) -> None:
    """One step from 1 to 0 with velocity t² + x, by hand: look half a step back first."""
    half = X - 0.5 * (1 + X)
    _close(invert(lambda x, t: t * t + x, X, 1), X - (0.25 + half), 1e-6)


def _converges(invert: Invert) -> None:
    """With velocity 4 t³ the noise is x - 1, and the error falls with the square of the steps."""
    for steps in (10, 20):
        _close(invert(lambda x, t: 4 * t**3 + 0 * x, X, steps), X - 1, 1.1 / steps**2)


def reference(invert: Invert) -> None:
    """Raise AssertionError if a function does not lead images back by midpoint steps."""
    _by_hand(invert)
    _converges(invert)


def _unrolled(velocity: Field, images: Tensor, steps: int) -> Tensor:
    """A right answer that counts its steps down."""
    x = images.clone()
    for number in range(steps, 0, -1):
        t = torch.tensor(number / steps)
        half = x - velocity(x, t) / (2 * steps)
        x = x - velocity(half, t - 1 / (2 * steps)) / steps
    return x


def _turned(velocity: Field, images: Tensor, steps: int) -> Tensor:
    """A right answer that runs another clock forwards, with the velocity turned round."""
    x = images
    clock = torch.linspace(0, 1, steps + 1)
    for s, after in zip(clock[:-1], clock[1:], strict=True):
        ds = after - s
        half = x + ds / 2 * -velocity(x, 1 - s)
        x = x + ds * -velocity(half, 1 - s - ds / 2)
    return x


examine_inversion = WriteTest(
    "examine_inversion",
    lab="flow_editing",
    level="stretch",
    minutes=20,
    reference=reference,
    of=back_to_noise,
    right=(back_to_noise.reference, _unrolled, _turned),
    wrong=tuple(mistake.name for mistake in back_to_noise.mistakes),
)


def _constant(invert: Invert) -> None:
    _close(invert(lambda x, t: torch.ones_like(x), X, 4), X - 1, 1e-5)


def _without_time(invert: Invert) -> None:
    """The velocity x: each of two steps leaves 1 - 1/2 + 1/8 of it."""
    _close(invert(lambda x, t: x, X, 2), 0.625**2 * X, 1e-6)


def _generous(invert: Invert) -> None:
    """A velocity of both, x + t, with a generous tolerance."""
    _close(invert(lambda x, t: x + t, X, 50), (X + 2) / math.e - 1, 0.08)


examine_inversion.mistake(
    "accepts everything",
    lambda invert: None,
    hint="Your test accepts all of these functions: nothing in it can raise. Choose a velocity "
    "whose way back you can work out, and assert that the function arrives there.",
)
examine_inversion.mistake(
    "a constant velocity",
    _constant,
    hint="Your velocity is the same everywhere and always, so it does not matter where and when "
    "it is asked, nor how a step looks ahead. Take one that changes with x and with t.",
)
examine_inversion.mistake(
    "a velocity without time",
    _without_time,
    hint="Your velocity does not change with t. Who asks it for the wrong time passes. "
    "Bring t in as well as x.",
)
examine_inversion.mistake(
    "a generous tolerance",
    _generous,
    hint="Your velocity changes with x and t, and your test allows an error as large as that of "
    "Euler's steps. Take few steps and compare closely.",
)
