"""Check of the exercise `more_friction`: which weight of R1 brings the smallest GAN to rest?"""

from __future__ import annotations

from functools import cache

import torch

from course_lib.checks.kinds import Outcome, Predict
from course_lib.ops import games

GAMMAS = {"a": 0.0, "b": 0.1, "c": 1.0, "d": 4.0}
LR, STEPS, NEAR = 0.3, 400, 0.01


def _rounds(gamma: float) -> int:
    """Rounds in turns until both players stay within `NEAR` of the goal; STEPS if they do not."""
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    game = games.dirac_gan("non-saturating", gamma=gamma)
    away = games.alternating(game, start, lr=LR, steps=STEPS).norm(dim=1) >= NEAR
    return int(away.nonzero().max()) + 1


@cache
def run() -> Outcome:
    """Play the game with each weight."""
    rounds = {letter: _rounds(gamma) for letter, gamma in GAMMAS.items()}
    seen = ", ".join(
        f"γ = {GAMMAS[letter]:g} after "
        + (f"{number} rounds" if number < STEPS else f"more than {STEPS} rounds")
        for letter, number in rounds.items()
    )
    return Outcome(min(rounds, key=lambda letter: rounds[letter]), f"At rest: {seen}.")


def reference() -> str:
    """Return what the run shows."""
    return str(run().answer)


more_friction = Predict(
    "more_friction",
    lab="wgan_gp",
    level="warm-up",
    minutes=5,
    reference=reference,
    choices={letter: f"γ = {gamma:g}" for letter, gamma in GAMMAS.items()},
    run=run,
    tempting="The tempting answer is the largest: friction stops a swing. But the generator moves "
    "only by the slope that the discriminator dares to have, and friction holds that down too. "
    "Where nothing swings any more, more friction only slows the way home.",
)

more_friction.wrong(
    "a",
    "Without a penalty the two circle: each overshoots what the other has just left. What could "
    "take the swing out of it?",
)
more_friction.wrong(
    "b",
    "A little friction wins in the end, but it leaves many swings. Is there one that takes out the "
    "swing and still lets the discriminator move?",
)
more_friction.wrong(
    "d",
    "So much friction holds the discriminator's slope near 0, and the generator follows that "
    "slope: it creeps. What is the least friction without a swing?",
)
