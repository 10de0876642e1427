"""What two chapters say about the papers' measuring sticks holds for the measured results.

Each entry is a page, a sentence, word for word as it stands there, and a condition on the results.
"""

from __future__ import annotations

import re
from pathlib import Path
from statistics import mean, stdev

import pytest

from course_lib import results
from course_lib.models import VQVAE
from course_lib.recipes.variational import BINARISED, VQ_CIFAR10
from course_lib.results.claims.variational import CODES, MANY_CODES, NUM_MANY, ONE_LAYER

MATH = Path(__file__).resolve().parents[2] / "book/math"
VAE, LISTS = "vae.md", "vector-quantisation.md"


def runs(claim: str, metric: str) -> list[float]:
    """One value for each seed."""
    return [float(run["metrics"][metric]) for run in results.load(claim).runs]


def passes() -> float:
    """Times that each of the 55,000 digits was shown."""
    config = BINARISED.family.config
    return config.steps * config.batch_size / 55_000


SAID = [
    (
        VAE,
        "with a code of 50 numbers, and two hidden layers of 500 units in encoder and decoder",
        lambda: (
            BINARISED.family.arguments
            == {"latent_dim": 50, "hidden": (500, 500), "likelihood": "bernoulli"}
        ),
    ),
    (
        VAE,
        "with $k = 500$, averaged over all test digits",
        lambda: CODES == 500 and set(runs(BINARISED.name, "codes_per_image")) == {500},
    ),
    (
        VAE,
        "Minus the ELBO is larger by several nats",
        lambda: all(
            2.5 < elbo - nats < 8
            for elbo, nats in zip(
                runs(BINARISED.name, "nats_by_elbo"), runs(BINARISED.name, "nats"), strict=True
            )
        ),
    ),
    (
        VAE,
        "Five thousand codes gain a little more. The first 300 test digits are easier than the "
        "average",
        lambda: (
            (MANY_CODES, NUM_MANY) == (5000, 300)
            and max(runs(BINARISED.name, "nats_of_some")) < min(runs(BINARISED.name, "nats"))
            and all(
                0 < few - many < 0.6
                for few, many in zip(
                    runs(BINARISED.name, "nats_of_some"),
                    runs(BINARISED.name, "nats_of_some_by_many"),
                    strict=True,
                )
            )
        ),
    ),
    (
        VAE,
        "The paper reports 86.76 with $k = 5000$ for a VAE with one layer of such codes, from a "
        "smaller network and many more passes over the data.",
        lambda: (
            (ONE_LAYER[0].value, MANY_CODES) == (86.76, 5000)
            and "200 hidden units" in ONE_LAYER[0].text
            and BINARISED.family.arguments["hidden"] == (500, 500)
            and f"{passes():.0f} epochs" in ONE_LAYER[0].reason
            and "3,280 epochs" in ONE_LAYER[0].reason
        ),
    ),
    (
        VAE,
        "the numbers are means of three trainings",
        lambda: len(runs(BINARISED.name, "nats")) == 3,
    ),
    (
        VAE,
        "What lies between it and ours is about what 5,000 codes gain on the 300 digits, and not "
        "much more than what lies between our trainings",
        lambda: (
            (apart := mean(runs(BINARISED.name, "nats")) - ONE_LAYER[0].value) > 0
            and abs(
                apart
                - mean(runs(BINARISED.name, "nats_of_some"))
                + mean(runs(BINARISED.name, "nats_of_some_by_many"))
            )
            < 0.1
            and apart < 2 * stdev(runs(BINARISED.name, "nats"))
        ),
    ),
    (
        VAE,
        "Of the 50 numbers 14 or 15 are active in each training",
        lambda: set(runs(BINARISED.name, "active_units")) == {14, 15},
    ),
    (
        LISTS,
        "the course's VQ-VAE with $K = 512$ and maps of 8×8 codes on CIFAR-10",
        lambda: (
            VQ_CIFAR10.family.arguments["num_codes"] == 512
            and VQVAE(**VQ_CIFAR10.family.arguments, size=32).code_size == (8, 8)
        ),
    ),
    (
        LISTS,
        "all that the trained prior saves lies between that and *bits per dim*",
        lambda: (
            max(runs("vqvae-cifar10", "bits_per_dim"))
            < min(runs("vqvae-cifar10", "bits_per_dim_uniform"))
        ),
    ),
    (
        LISTS,
        "so the codes cost something",
        lambda: (
            max(runs("vqvae-cifar10", "accuracy_reconstructed"))
            < min(runs("vqvae-cifar10", "accuracy_test")) - 0.02
        ),
    ),
    (
        LISTS,
        "**what samples lack beside reconstructions is which codes stand where, and that is the "
        "prior's.**",
        lambda: (
            max(runs("vqvae-cifar10", "named_samples"))
            < min(runs("vqvae-cifar10", "named_reconstructed")) - 0.05
        ),
    ),
    (
        LISTS,
        "farther from real photographs than those of the course's DCGAN",
        lambda: min(runs("vqvae-cifar10", "cfd")) > max(runs("dcgan-cifar10", "cfd")),
    ),
]


@pytest.mark.parametrize(("page", "sentence", "holds"), SAID, ids=[s[:50] for _, s, _ in SAID])
def test_what_is_said_holds(page, sentence, holds):
    assert sentence in re.sub(r"\s+", " ", (MATH / page).read_text("utf-8"))
    assert holds(), f"no longer true: {sentence}"
