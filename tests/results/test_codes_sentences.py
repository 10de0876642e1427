"""What the page on generators by a code says in words holds for the measured results as they are.

Each entry is a sentence, word for word as it stands on the page, and a condition on the results.
"""

from __future__ import annotations

import re
from pathlib import Path
from statistics import mean, stdev

import pytest

from course_lib import results
from course_lib.recipes.variational import COMPARED_ON, FAMILIES, RECIPES

PAGE = Path(__file__).resolve().parents[2] / "book/comparison-codes.md"
KINDS = ("vae", "cvae", "vqvae", "vaegan")
GANS = ("dcgan", "wgan-gp", "stylegan")
NEW = 0.05  # share of new images that count as copied


def runs(claim: str, metric: str = "cfd") -> list[float]:
    """One value for each seed."""
    return [float(run["metrics"][metric]) for run in results.load(claim).runs]


def of(claim: str, metric: str = "cfd") -> float:
    return mean(runs(claim, metric))


def apart(one: str, two: str) -> float:
    """How far two means of the CFD lie apart, in the sum of their deviations."""
    return abs(of(one) - of(two)) / (stdev(runs(one)) + stdev(runs(two)))


def rest(task: str, without: str) -> list[str]:
    return [f"{name}-{task}" for name in (*KINDS, *GANS) if name != without]


SAID = [
    (
        "| Seeds | 3 | 3 | 3 | 3 |",
        lambda: (
            [len(runs(f"{kind}-digits")) for kind in KINDS] == [3] * 4
            and [len(runs(f"{kind}-shapes")) for kind in KINDS] == [3] * 4
        ),
    ),
    (
        "| Batch, learning rate | 64; 0.001 | 64; 0.001 | 64; 0.001, prior 0.002 | 64; 0.0005 |",
        lambda: (
            [(FAMILIES[k].config.batch_size, FAMILIES[k].config.lr) for k in KINDS]
            == [(64, 0.001)] * 3 + [(64, 0.0005)]
            and FAMILIES["vqvae"].prior.config.lr == 0.002
        ),
    ),
    (
        "| Code of an image | 32 numbers | 32 numbers, and the class is told | 64 names out of 128 "
        "| 32 numbers |",
        lambda: (
            [FAMILIES[k].arguments.get("latent_dim") for k in KINDS] == [32, 32, None, 32]
            and FAMILIES["vqvae"].arguments["num_codes"] == 128
        ),
    ),
    (
        "| Optimiser, schedule | Adam, cosine | Adam, cosine | Adam, cosine | Adam, constant |",
        lambda: (
            all(FAMILIES[k].config.schedule == "cosine" for k in KINDS[:3])
            and not hasattr(FAMILIES["vaegan"].config, "schedule")
        ),
    ),
    (
        "| Different images among them | 20,000 | the same | the same | the same |",
        lambda: (
            {RECIPES[k, task].data.num_train for k in KINDS for task in COMPARED_ON} == {20_000}
        ),
    ),
    (
        "By CFD each of its trainings is ahead of each of the VAE's",
        lambda: max(runs("cvae-shapes")) < min(runs("vae-shapes")),
    ),
    (
        "its three lie farther apart than those of any other kind",
        lambda: (
            stdev(runs("cvae-shapes")) > 2 * max(stdev(runs(n)) for n in rest("shapes", "cvae"))
        ),
    ),
    (
        "And the one that is worst by CFD has the highest precision of the three.",
        lambda: (
            max(zip(runs("cvae-shapes"), runs("cvae-shapes", "precision"), strict=True))[1]
            == max(runs("cvae-shapes", "precision"))
        ),
    ),
    (
        "on shapes StyleGAN2 saw an eighth of the images that DCGAN saw",
        lambda: (
            7.5 < of("dcgan-shapes", "images_seen") / of("stylegan-shapes", "images_seen") < 8.5
        ),
    ),
    (
        "| Numbers, order in memory | bfloat16, channels last | the same; on shapes two trainings "
        "in float32 |",
        lambda: (
            sum(
                "no bfloat16" in run.get("hardware", "") for run in results.load("cvae-shapes").runs
            )
            == 2
        ),
    ),
    (
        "The best alone would look level with the VQ-VAE, the worst alone hardly better than the "
        "VAE.",
        lambda: (
            abs(min(runs("cvae-shapes")) - of("vqvae-shapes")) < 2
            and max(runs("cvae-shapes")) > 0.9 * of("vae-shapes")
        ),
    ),
    (
        "the VAE-GAN saw half as many images",
        lambda: all(
            of(f"vaegan-{task}", "images_seen") * 2 == of(f"vae-{task}", "images_seen")
            for task in ("digits", "shapes")
        ),
    ),
    (
        "of the GANs the digits' were trained once each, StyleGAN2 for longer",
        lambda: (
            [len(results.load(f"{name}-digits").runs) for name in GANS] == [1, 1, 1]
            and of("stylegan-digits", "train_seconds") > 2 * of("dcgan-digits", "train_seconds")
        ),
    ),
    (
        "**By CFD the VAE-GAN draws the best digits, and the VAE the worst.**",
        lambda: (
            max(runs("vaegan-digits")) < min(min(runs(n)) for n in rest("digits", "vaegan"))
            and min(runs("vae-digits")) > max(max(runs(n)) for n in rest("digits", "vae"))
        ),
    ),
    (
        "(By precision StyleGAN2 is a little ahead of it; by recall DCGAN is level.)",
        lambda: (
            0 < of("stylegan-digits", "precision") - max(runs("vaegan-digits", "precision")) < 0.02
            and min(runs("vaegan-digits", "recall"))
            < of("dcgan-digits", "recall")
            < max(runs("vaegan-digits", "recall"))
        ),
    ),
    (
        "the VQ-VAE has fewer weights in all, but needs more of them to draw",
        lambda: (
            of("vqvae-digits", "parameters")
            < min(of(f"{k}-digits", "parameters") for k in KINDS if k != "vqvae")
            and of("vqvae-digits", "generator_parameters")
            > max(of(f"{k}-digits", "generator_parameters") for k in KINDS if k != "vqvae")
        ),
    ),
    (
        "the difference is many times both deviations",
        lambda: apart("vaegan-digits", "vae-digits") > 10,
    ),
    (
        "The VQ-VAE with its prior lies between them, much nearer to the first",
        lambda: (
            of("vaegan-digits") < of("vqvae-digits")
            and of("vqvae-digits") - of("vaegan-digits")
            < (of("vae-digits") - of("vqvae-digits")) / 4
        ),
    ),
    (
        "What the VAE lacks is *precision*",
        lambda: of("vae-digits", "precision") < of("vaegan-digits", "precision") / 2,
    ),
    (
        "is behind by far less,",
        lambda: (
            of("vae-digits", "recall") > 0.75 * max(of(f"{k}-digits", "recall") for k in KINDS)
            and of("vae-digits", "coverage") < 0.4 * of("vaegan-digits", "coverage")
        ),
    ),
    (
        "To be told the class helps it by little",
        lambda: 0.75 * of("vae-digits") < of("cvae-digits") < of("vae-digits"),
    ),
    (
        "**On shapes the VQ-VAE leads**, by CFD and by precision",
        lambda: (
            of("vqvae-shapes", "precision")
            > max(of(n, "precision") for n in rest("shapes", "vqvae"))
        ),
    ),
    (
        "By precision every one of its seeds is ahead of every seed of all other generators in the "
        "table; by CFD, too, but for one of the CVAE's, which is ahead of two of the three.",
        lambda: (
            min(runs("vqvae-shapes", "precision"))
            > max(max(runs(n, "precision")) for n in rest("shapes", "vqvae"))
            and sum(run > min(runs("cvae-shapes")) for run in runs("vqvae-shapes")) == 2
            and max(runs("vqvae-shapes"))
            < min(min(runs(n)) for n in rest("shapes", "vqvae") if n != "cvae-shapes")
            and sorted(runs("cvae-shapes"))[0]
            < max(runs("vqvae-shapes"))
            < sorted(runs("cvae-shapes"))[1]
        ),
    ),
    (
        "By CFD the VAE-GAN is ahead of the VAE again, and about level with DCGAN",
        lambda: (
            max(runs("vaegan-shapes")) < min(runs("vae-shapes"))
            and apart("vaegan-shapes", "vae-shapes") > 2
            and apart("vaegan-shapes", "dcgan-shapes") < 1
        ),
    ),
    (
        "by precision, recall and coverage, the VAE is ahead of it here.",
        lambda: all(
            min(runs("vae-shapes", metric)) > max(runs("vaegan-shapes", metric))
            for metric in ("precision", "recall", "coverage")
        ),
    ),
    (
        "All are far from the row of real images",
        lambda: (
            min(of(f"{name}-shapes") for name in (*KINDS, *GANS)) > 20 * max(runs("real-shapes"))
        ),
    ),
    (
        "On shapes VAE, CVAE and VQ-VAE are about level, and the VAE-GAN's error is the largest",
        lambda: (
            max(level := [of(f"{k}-shapes", "reconstruction_mse") for k in KINDS[:3]])
            < 1.1 * min(level)
            and of("vaegan-shapes", "reconstruction_mse") > 2 * max(level)
        ),
    ),
    (
        "VAE and CVAE bring a test image back with the smallest errors",
        lambda: (
            max(max(runs(f"{k}-digits", "reconstruction_mse")) for k in ("vae", "cvae"))
            < min(min(runs(f"{k}-digits", "reconstruction_mse")) for k in ("vqvae", "vaegan"))
        ),
    ),
    (
        "first among them in drawing, has the largest",
        lambda: (
            of("vaegan-digits", "reconstruction_mse") > 3 * of("vqvae-digits", "reconstruction_mse")
        ),
    ),
    (
        "No kind is above that, so there is no sign of copies here, from 20,000 images seen fewer "
        "than twenty times each.",
        lambda: (
            all(
                max(runs(f"{name}-{task}", f"copied_{space}")) < NEW
                for task, names in {
                    "digits": (*KINDS, "dcgan"),
                    "shapes": ("vae", "vqvae", "vaegan", "dcgan"),
                }.items()
                for name in names
                for space in ("pixels", "features")
            )
            and max(max(runs(f"{k}-digits", "images_seen")) for k in KINDS) < 20 * 20_000
        ),
    ),
    (
        "Digits of all kinds lie a little *farther* from the nearest training image than test "
        "images do",
        lambda: all(
            of(f"{name}-digits", "nearest_pixels") > of(f"{name}-digits", "nearest_pixels_test")
            for name in (*KINDS, "dcgan")
        ),
    ),
    (
        "The VAE's bound on a drawn digit is above 1,000 nats, and the VQ-VAE's codes cost about "
        "100.",
        lambda: (
            min(runs("vae-digits", "elbo")) > 1000
            and abs(of("vqvae-digits", "code_nats") - 100) < 12
        ),
    ),
]


@pytest.mark.parametrize(("sentence", "holds"), SAID, ids=[s[:50] for s, _ in SAID])
def test_what_is_said_holds(sentence, holds):
    page = re.sub(r"\s+", " ", PAGE.read_text("utf-8"))
    assert sentence in re.sub(r"\{[a-z]+\}`[^`]*`", "", page) or sentence in page
    assert holds(), f"no longer true: {sentence}"
