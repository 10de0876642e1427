"""Check of the exercise `silent_numbers`: a code that is longer than needed."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from course_lib.checks.kinds import Outcome, Predict

VARIANCES = (9.0, 4.0, 0.5, 0.5, 0.5, 0.5)  # of the data, along six directions
NOISE = 1.0  # the decoder's variance
SHORT, LONG = 2, 5
STEPS = 1500
ANSWERS = {"a": 1.5, "b": 0.0, "c": -1.5, "d": -4.5}  # how the bound changes


def _bound(weight: Tensor, gain: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """Bound, and nats of each number of the code, on average over normal data.

    The decoder draws weight z, the encoder says the mean gain x and the variance exp(logvar): for
    them every expectation is exact, and nothing is drawn.

    Args:
        weight: (N, D).
        gain: (D, N).
        logvar: (D,).
    """
    spread = torch.tensor(VARIANCES, dtype=torch.float64)
    left = torch.eye(len(spread), dtype=torch.float64) - weight @ gain
    error = (left.square() * spread).sum() + (weight.square() * logvar.exp()).sum()
    likely = -0.5 * error / NOISE - 0.5 * len(spread) * math.log(2 * math.pi * NOISE)
    nats = 0.5 * ((gain.square() * spread).sum(1) + logvar.exp() - 1 - logvar)
    return likely - nats.sum(), nats


@cache
def trained(numbers: int) -> tuple[float, list[float]]:
    """Train a linear VAE with a code of so many numbers; its bound, and the nats of each."""
    generator = torch.Generator().manual_seed(0)
    size = (len(VARIANCES), numbers)
    start = 0.3 * torch.randn(2, *size, generator=generator, dtype=torch.float64)
    weight, gain = start[0].requires_grad_(), start[1].T.clone().requires_grad_()
    logvar = torch.zeros(numbers, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([weight, gain, logvar], lr=0.02)
    for _ in range(STEPS):
        loss = -_bound(weight, gain, logvar)[0]
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        bound, nats = _bound(weight, gain, logvar)
    return float(bound), sorted(nats.tolist(), reverse=True)


@cache
def run() -> Outcome:
    """Train with a short and with a long code, and compare the bounds."""
    (short, _), (long, nats) = trained(SHORT), trained(LONG)
    change = long - short
    nearest = min(ANSWERS, key=lambda letter: abs(ANSWERS[letter] - change))
    said = ", ".join(f"{max(0.0, value):.2f}" for value in nats)
    return Outcome(
        nearest,
        f"The bound is {short:.2f} nats with {SHORT} numbers and {long:.2f} with {LONG}; the "
        f"{LONG} numbers say {said} nats.",
    )


def reference() -> str:
    """Return what the run shows."""
    return str(run().answer)


silent_numbers = Predict(
    "silent_numbers",
    lab="vae",
    level="warm-up",
    minutes=6,
    reference=reference,
    choices={
        "a": "it rises by about 1.5 nats",
        "b": "it stays as it is",
        "c": "it falls by about 1.5 nats",
        "d": "it falls by about 4.5 nats",
    },
    run=run,
    tempting="The tempting answers are a and c: more room must help, or every number must cost. A "
    "number costs what it says, and one that says nothing costs nothing.",
)
silent_numbers.wrong(
    "a",
    "A further number could draw a direction of variance 0.5, which the decoder takes for noise of "
    "variance 1 anyway. Would the nats that it costs come back?",
)
silent_numbers.wrong(
    "c",
    "Nobody forces a number to say anything. What is the divergence of one whose mean is 0 and "
    "whose variance is 1 for every image?",
)
silent_numbers.wrong(
    "d",
    "You charge every further number. The price is not for having a number but for moving it away "
    "from the prior: what does one cost that stays there?",
)
