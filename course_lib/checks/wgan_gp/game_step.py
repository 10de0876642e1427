"""Check of the exercise `game_step`: one round of the smallest GAN, in the right order."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from course_lib.checks.compare import pair
from course_lib.checks.core import Check

SIGNS = [(1, 1), (1, -1), (-1, 1), (-1, -1)]  # of theta and psi


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


def _draw(
    generator: torch.Generator, gamma: float | None = None, signs: tuple[int, int] = (1, 1)
) -> tuple[float, float, float, float]:
    theta, psi = (2 * torch.rand(2, generator=generator) + 0.3).tolist()
    lr, weight = torch.rand(2, generator=generator).tolist()
    weight = 0.2 + weight if gamma is None else gamma
    return theta * signs[0], psi * signs[1], 0.1 + 0.4 * lr, weight


def _probe(student: Any, arguments: tuple) -> tuple[Any, Any]:
    """Psi first, the new theta depends on it."""
    return pair(student(*arguments), "two numbers, theta and psi")[::-1]


game_step = Check(
    "game_step",
    lab="wgan_gp",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=_draw,
    probe=_probe,
)
game_step.equals_reference(
    "without R1: the discriminator steps, then the generator",
    points=2,
    example=[partial(_draw, gamma=0.0, signs=signs) for signs in SIGNS],
    what=("without R1, psi", "without R1, theta"),
)
game_step.equals_reference(
    "R1 damps the discriminator",
    points=1,
    example=[partial(_draw, signs=signs) for signs in SIGNS],
    what=("with gamma = {3:.3g}, psi", "with gamma = {3:.3g}, theta"),
)


@game_step.holds("200 rounds with R1 arrive", points=1)
def _arrives(student: Any, generator: torch.Generator) -> None:
    theta, psi = 1.0, 0.0
    for _ in range(200):
        theta, psi = (float(x) for x in pair(student(theta, psi, 0.2, 0.5), "theta and psi"))
        if not math.hypot(theta, psi) < 1e3:
            raise AssertionError("200 rounds with gamma = 0.5 run away")
    radius = math.hypot(theta, psi)
    if radius > 0.01:
        raise AssertionError(
            f"after 200 rounds with gamma = 0.5 you are still {radius:.2g} from the middle"
        )


game_step.mistake(
    "simultaneous",
    partial(_round, order="together"),
    hint="The generator answered the *old* discriminator: these are simultaneous steps. Update psi "
    "first and use the new psi for theta.",
)
game_step.mistake(
    "generator first",
    partial(_round, order="generator"),
    hint="You let the generator step first. Here the discriminator begins and the generator "
    "answers its new psi.",
)
game_step.mistake(
    "half of gamma in the gradient",
    partial(_round, friction=0.5),
    hint="The loss holds gamma/2 times psi^2; its derivative is gamma times psi. The 2 of the "
    "square has eaten the half.",
)
game_step.mistake(
    "R1 forgotten",
    partial(_round, friction=0.0),
    hint="There is no R1 in your step: the discriminator's loss adds gamma/2 times psi^2.",
)
game_step.mistake(
    "R1 with the wrong sign",
    partial(_round, friction=-1.0),
    hint="Your R1 makes the slope steeper. It is part of the loss, so it is walked *down*: it "
    "takes gamma times psi away.",
)
game_step.mistake(
    "minimax for non-saturating",
    partial(_round, saturating=True),
    hint="Your generator uses the minimax loss: its gradient dies where the discriminator is sure. "
    "The derivative of softplus(-psi theta) by theta is -sigmoid(-psi theta) psi.",
)
game_step.mistake(
    "generator walks away",
    partial(_round, up_theta=-1.0),
    hint="Your generator walks *up* its own loss. Each player subtracts the gradient of its loss.",
)
game_step.mistake(
    "discriminator walks up",
    partial(_round, up_psi=-1.0),
    hint="Your discriminator walks *up* its own loss. Each player subtracts the gradient of its "
    "loss.",
)
game_step.mistake(
    "Wasserstein losses",
    partial(_round, wasserstein=True),
    hint="There is no sigmoid in your step: these are the Wasserstein losses. Differentiate "
    "softplus; its derivative is the sigmoid.",
)
game_step.mistake(
    "the two answers swapped",
    lambda *arguments: reference(*arguments)[::-1],
    hint="You return psi first. Wanted is theta first, then psi.",
)
