"""Check of the exercise `likeliest`: is a picture that is never drawn unlikely?"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from course_lib.checks.kinds import Outcome, Predict
from course_lib.ops import path_log_density, time_steps

NUMBERS = 1024  # of a picture of 32x32
ANSWERS = {"a": -512.0, "b": 0.0, "c": 512.0}  # nats by which the grey picture is ahead


def velocity(x: Tensor, t: Tensor) -> Tensor:
    """Return the exact velocity of a flow from noise to data that are standard normal, too."""
    return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x


@cache
def run() -> Outcome:
    """Compare the grey picture with 200 samples, by the flow's own likelihood."""
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(200, NUMBERS, generator=generator, dtype=torch.float64)
    both = torch.cat([torch.zeros(1, NUMBERS, dtype=torch.float64), samples])
    signs = torch.ones(1, *both.shape, dtype=torch.float64)  # exact for this velocity
    times = time_steps(200, 1.0, 0.0).double()
    told = path_log_density(velocity, both, times, probes=signs).log_density
    ahead = float(told[0] - told[1:].mean())
    length = float(samples.norm(dim=1).min())
    nearest = min(ANSWERS, key=lambda letter: abs(ANSWERS[letter] - ahead))
    return Outcome(
        nearest,
        f"The grey picture has {ahead:.0f} nats more than a sample, on average over 200; the "
        f"shortest of them has length {length:.1f}, against {math.sqrt(NUMBERS):.1f} on average "
        "and 0 of the grey one.",
    )


def reference() -> str:
    """Return what the run shows."""
    return str(run().answer)


likeliest = Predict(
    "likeliest",
    lab="flow_editing",
    level="warm-up",
    minutes=6,
    reference=reference,
    choices={
        "a": "it is lower by about 500 nats",
        "b": "they are about equal",
        "c": "it is higher by about 500 nats",
    },
    run=run,
    tempting="The tempting answer is a: what never occurs must be unlikely. A density is a "
    "probability for each bit of volume, and there is hardly any volume near the middle.",
)
likeliest.wrong(
    "a",
    "Write the logarithm of the normal density down: which x makes minus half the squared length "
    "largest?",
)
likeliest.wrong(
    "b",
    "The two differ by half the squared length of a sample. How long is a vector of 1,024 "
    "independent standard normal numbers?",
)
