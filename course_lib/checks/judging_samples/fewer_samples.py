"""Check of the exercise `fewer_samples`: the Fréchet distance of perfect samples."""

from __future__ import annotations

from functools import cache

import torch

from course_lib.checks.kinds import Outcome, Predict
from course_lib.metrics import frechet_distance

FACTORS = {"a": 1.0, "b": 10**0.5, "c": 10.0, "d": 100.0}
FEW, MANY, FEATURES, DRAWS = 200, 2000, 64, 5


def _distance(num: int, generator: torch.Generator) -> float:
    """The mean distance of two sets of `num` features from one and the same distribution."""
    shape = (DRAWS, 2, num, FEATURES)
    pairs = torch.randn(shape, generator=generator, dtype=torch.float64)
    return sum(float(frechet_distance(a, b)) for a, b in pairs) / DRAWS


@cache
def run() -> Outcome:
    """Measure the distance of perfect samples for few and for many."""
    generator = torch.Generator().manual_seed(0)
    few, many = _distance(FEW, generator), _distance(MANY, generator)
    nearest = min(FACTORS, key=lambda letter: abs(torch.tensor(few / many / FACTORS[letter]).log()))
    return Outcome(
        nearest,
        f"Fréchet distance of perfect samples: {few:.2f} for {FEW}, {many:.2f} for {MANY}, a "
        f"factor of {few / many:.1f}.",
    )


def reference() -> str:
    """Return what the run shows."""
    return str(run().answer)


fewer_samples = Predict(
    "fewer_samples",
    lab="judging_samples",
    level="warm-up",
    minutes=5,
    reference=reference,
    choices={
        "a": "about as large",
        "b": "about 3 times as large",
        "c": "about 10 times as large",
        "d": "about 100 times as large",
    },
    run=run,
    tempting="The tempting answer is b: errors of a mean shrink with the root of the number. But a "
    "distance is a square. It adds up squared errors of means and deviations, whatever their sign, "
    "and squares shrink with the number itself. So this is no scatter that more draws would "
    "average away.",
)

fewer_samples.wrong(
    "a",
    "Both sets come from one distribution, so the true distance is 0 for any number. What is "
    "compared are the sets' own means and covariances. Do they agree better in small sets or in "
    "large ones?",
)
fewer_samples.wrong(
    "b",
    "Each mean is off by about one over the root of the number. How does the distance depend on "
    "that error?",
)
fewer_samples.wrong(
    "d",
    "The distance is a square of errors, not a square of a square. How far off is a mean of n "
    "numbers?",
)
