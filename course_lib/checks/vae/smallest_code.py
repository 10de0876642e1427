"""Check of the exercise `smallest_code`: the fewest numbers that hold a digit."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course_lib.checks.kinds import Design
from course_lib.data import ImageSet, load, to_float
from course_lib.losses import gaussian_kl, log_likelihood, negative_elbo
from course_lib.models import VAE

SIZE, TRAIN, JUDGED = 16, 1000, 200
STEPS, BATCH, LR = 400, 64, 3e-3
BAR = 0.1  # mean squared error on validation images
BUDGET = 250_000  # parameters
LIMITS = (16, 8, 4)  # numbers of the code; fewer than 4 are not known to be possible


class Tried(NamedTuple):
    """What came of a VAE: numbers of its code, error, and what its codes say."""

    numbers: int
    error: float
    nats: float


def reference() -> VAE:
    """Return a VAE with a code of four numbers, wide layers and little noise."""
    return VAE(in_channels=1, size=SIZE, latent_dim=4, hidden=(256, 128), sigma=0.1)


def _check(net: Any) -> VAE:
    """Return the VAE; AssertionError for what cannot be tried."""
    assert isinstance(net, VAE), (
        f"you return a {type(net).__name__}, wanted a models.VAE that is made already"
    )
    encoder = net.encoder
    got = (encoder.in_channels, *encoder.size)
    assert got == (1, SIZE, SIZE), (
        f"your VAE takes images of {got[0]}x{got[1]}x{got[2]}, wanted in_channels=1, size={SIZE}"
    )
    assert net.decoder.outputs.likelihood != "bernoulli", (
        'the digits are grey: their likelihood is "gaussian" or "logistic"'
    )
    parameters = sum(p.numel() for p in net.parameters())
    assert parameters <= BUDGET, (
        f"{parameters:,} parameters are over the budget of {BUDGET:,}: it is not trained"
    )
    return net


@cache
def _digits(split: str, num: int) -> Tensor:
    digits: ImageSet = load("digits", split, size=SIZE, num=num, seed=0, task="classification")
    return to_float(digits.images)


def trial(net: Any) -> Tried:
    """Train a VAE, always in the same way, and measure what it makes of validation images."""
    net = _check(net)
    images, others = _digits("train", TRAIN), _digits("val", JUDGED)
    adam = torch.optim.Adam(net.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, LR, total_steps=STEPS)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        x = images[torch.randint(len(images), (BATCH,), generator=generator)]
        pixels, posterior, _ = net(x)
        loss = negative_elbo(log_likelihood(pixels, x, check=False), gaussian_kl(*posterior))
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        error = (net.reconstruct(others) - others).square().mean()
        nats = gaussian_kl(*net.encoder(others)).sum(1).mean()
    return Tried(net.decoder.latent_dim, float(error), float(nats))


def _kind(student: Any, arguments: tuple) -> tuple[int, str, int]:
    """What tells two designs apart without training: class of sizes, noise, class of networks."""
    net = _check(student())
    parameters = sum(p.numel() for p in net.parameters())
    return (
        bisect_left((3, *LIMITS[::-1]), net.decoder.latent_dim),
        _noise(net.decoder.outputs.sigma),
        bisect_left((100_000,), parameters),
    )


def _noise(sigma: float | None) -> str:
    """Whether a decoder's noise is learned, small or large."""
    return "learned" if sigma is None else "small" if sigma < 0.5 else "large"


smallest_code = Design(
    "smallest_code",
    lab="vae",
    level="stretch",
    minutes=30,
    reference=reference,
    trial=trial,
    probe=_kind,
    seconds=180.0,
)


@smallest_code.meets(f"a mean squared error of at most {BAR}, within the budget", points=2)
def _bar(tried: Tried) -> None:
    assert tried.error <= BAR, (
        f"mean squared error {tried.error:.3f} with {tried.numbers} numbers, which say "
        f"{tried.nats:.1f} nats; wanted {BAR}"
    )


def _few(limit: int, tried: Tried) -> None:
    _bar(tried)
    assert tried.numbers <= limit, (
        f"mean squared error {tried.error:.3f} with {tried.numbers} numbers; wanted at most {limit}"
    )


for _limit in LIMITS:
    smallest_code.meets(f"the same with at most {_limit} numbers", points=1)(partial(_few, _limit))


def _vae(
    latent_dim: int = 32, hidden: tuple[int, ...] = (128, 64), sigma: float | None = None
) -> VAE:
    """A VAE for the digits, by default of small layers."""
    return VAE(in_channels=1, size=SIZE, latent_dim=latent_dim, hidden=hidden, sigma=sigma)


smallest_code.mistake(
    "a long code",
    partial(_vae, sigma=0.2),
    hint="A long code reaches the bar. How many of its numbers speak? Print the mean of "
    "losses.gaussian_kl over images, number by number, and take as many as that.",
)
smallest_code.mistake(
    "the noise of a whole grey scale",
    partial(_vae, sigma=1.0),
    hint="With sigma = 1 hardly a number of the code is worth its nats, so more numbers do not "
    "help. Which sigma lets the code say more?",
)
smallest_code.mistake(
    "noise that is learned",
    _vae,
    hint="A learned sigma begins at 1 and falls slowly; 400 steps are over before the code may say "
    "much. Give it a small one.",
)
smallest_code.mistake(
    "two numbers",
    partial(_vae, latent_dim=2, sigma=0.1, hidden=(256, 128)),
    hint="Two numbers are less than a digit needs: class, slant, size, place and width of the pen "
    "all vary. Which is the next larger code that your points allow?",
)
smallest_code.mistake(
    "four numbers, small layers",
    partial(_vae, latent_dim=4, sigma=0.2),
    hint="Four numbers can be enough, but these layers do not fold a digit into so few. You have "
    "not used your budget of parameters.",
)
