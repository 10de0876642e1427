"""Check of the exercise `game_step`: one round of the smallest GAN, in the right order."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(theta: float, psi: float, lr: float, gamma: float) -> tuple[float, float]:
    """Play one alternating round of the Dirac-GAN, non-saturating, with R1.

    Args:
        theta: where the generated point lies; the real one lies at 0.
        psi: slope of the discriminator D(x) = psi x.
        lr: learning rate of both.
        gamma: weight of R1.

    Returns:
        theta and psi after the round.
    """
    return _round(theta, psi, lr, gamma)


def _sigmoid(u: float) -> float:
    return 1 / (1 + math.exp(-u))


def _round(
    theta: float,
    psi: float,
    lr: float,
    gamma: float,
    *,
    order: str = "discriminator",
    friction: float = 1.0,
    saturating: bool = False,
    up_theta: float = 1.0,
    up_psi: float = 1.0,
    wasserstein: bool = False,
) -> tuple[float, float]:
    """The round, with one thing at a time that can be made wrong."""

    def generator(psi: float) -> float:
        sure = 1.0 if wasserstein else _sigmoid(psi * theta if saturating else -psi * theta)
        return theta + up_theta * lr * sure * psi

    def discriminator(theta: float) -> float:
        sure = 1.0 if wasserstein else _sigmoid(psi * theta)
        return psi - up_psi * lr * (sure * theta + friction * gamma * psi)

    if order == "together":
        return generator(psi), discriminator(theta)
    if order == "generator":
        new = generator(psi)
        return new, discriminator(new)
    new = discriminator(theta)
    return generator(new), new


MISTAKES = [
    Mistake(
        "simultaneous",
        partial(_round, order="together"),
        "The generator answered the *old* discriminator: these are simultaneous steps. Update psi "
        "first and use the new psi for theta.",
    ),
    Mistake(
        "generator first",
        partial(_round, order="generator"),
        "You let the generator step first. Here the discriminator begins and the generator "
        "answers its new psi.",
    ),
    Mistake(
        "half of gamma in the gradient",
        partial(_round, friction=0.5),
        "The loss holds gamma/2 times psi^2; its derivative is gamma times psi. The 2 of the "
        "square has eaten the half.",
    ),
    Mistake(
        "R1 forgotten",
        partial(_round, friction=0.0),
        "There is no R1 in your step: the discriminator's loss adds gamma/2 times psi^2.",
    ),
    Mistake(
        "R1 with the wrong sign",
        partial(_round, friction=-1.0),
        "Your R1 makes the slope steeper. It is part of the loss, so it is walked *down*: it takes "
        "gamma times psi away.",
    ),
    Mistake(
        "minimax for non-saturating",
        partial(_round, saturating=True),
        "Your generator uses the minimax loss: its gradient dies where the discriminator is sure. "
        "The derivative of softplus(-psi theta) by theta is -sigmoid(-psi theta) psi.",
    ),
    Mistake(
        "generator walks away",
        partial(_round, up_theta=-1.0),
        "Your generator walks *up* its own loss. Each player subtracts the gradient of its loss.",
    ),
    Mistake(
        "discriminator walks up",
        partial(_round, up_psi=-1.0),
        "Your discriminator walks *up* its own loss. Each player subtracts the gradient of its "
        "loss.",
    ),
    Mistake(
        "Wasserstein losses",
        partial(_round, wasserstein=True),
        "There is no sigmoid in your step: these are the Wasserstein losses. Differentiate "
        "softplus; its derivative is the sigmoid.",
    ),
]


def _example(generator: torch.Generator) -> tuple[float, float, float, float]:
    theta, psi = (2 * torch.rand(2, generator=generator) + 0.3).tolist()
    signs = (2 * torch.randint(0, 2, (2,), generator=generator) - 1).tolist()
    lr = 0.1 + 0.4 * torch.rand(1, generator=generator).item()
    gamma = 0.2 + torch.rand(1, generator=generator).item()
    return theta * signs[0], psi * signs[1], lr, gamma


def _compare(got: Any, wanted: tuple[float, float], what: str) -> None:
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise AssertionError(f"{what}: return two numbers, theta and psi, not {got!r}")
    assert_close(got[1], wanted[1], f"{what}: psi")
    assert_close(got[0], wanted[0], f"{what}: theta")


def _without(student: Any, generator: torch.Generator) -> None:
    for _ in range(3):
        theta, psi, lr, _gamma = _example(generator)
        _compare(student(theta, psi, lr, 0.0), reference(theta, psi, lr, 0.0), "without R1")


def _with(student: Any, generator: torch.Generator) -> None:
    for _ in range(3):
        arguments = _example(generator)
        _compare(student(*arguments), reference(*arguments), f"with gamma = {arguments[3]:.3g}")


def _arrives(student: Any, generator: torch.Generator) -> None:
    theta, psi = 1.0, 0.0
    for _ in range(200):
        theta, psi = (float(x) for x in student(theta, psi, 0.2, 0.5))
        if not math.hypot(theta, psi) < 1e3:
            raise AssertionError("200 rounds with gamma = 0.5 run away")
    radius = math.hypot(theta, psi)
    if radius > 0.01:
        raise AssertionError(
            f"after 200 rounds with gamma = 0.5 you are still {radius:.2g} from the middle"
        )


PROPERTIES = [
    Property("without R1: the discriminator steps, then the generator", 2, _without),
    Property("R1 damps the discriminator", 1, _with),
    Property("200 rounds with R1 arrive", 1, _arrives),
]


def game_step(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `game_step(theta, psi, lr, gamma)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "game_step",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
