"""Check of the exercise `weighted_bound`: the importance-weighted bound from several codes."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import assert_close
from course_lib.checks.core import Check

LOG_2PI = math.log(2 * math.pi)


def reference(likely: Tensor, z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """Return the importance-weighted bound of each image, in nats.

    Args:
        likely: (B, k), log p(x | z) for each of k codes.
        z: (B, k, D), the codes, drawn from the encoder's normal distribution.
        mean: (B, D) of that distribution.
        logvar: (B, D), the logarithm of its variance.

    Returns:
        (B,).

    Source: eq-importance-bound.
    """
    return _bound(likely, z, mean, logvar)


def _log_normal(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """The log-density of codes (..., D), (...)."""
    away = (z - mean).square() * (-logvar).exp()
    return -0.5 * (away + logvar + LOG_2PI).sum(-1)


def _bound(
    likely: Tensor,
    z: Tensor,
    mean: Tensor,
    logvar: Tensor,
    *,
    average: str = "log of the mean",
    prior: float = 1.0,
    encoder: float = -1.0,
    spread: float = 1.0,
    over: int = 1,
    whose: str = "the encoder's",
) -> Tensor:
    """The bound, with one thing at a time that can be made wrong."""
    zero = torch.zeros(())
    log_q = _log_normal(z, mean[:, None], spread * logvar[:, None])
    if whose == "mean over the numbers":
        log_q, log_p = log_q / z.shape[2], _log_normal(z, zero, zero) / z.shape[2]
    else:
        log_p = _log_normal(z, zero, zero)
    log_w = likely + prior * log_p + encoder * log_q  # (B, k)
    if average == "mean of the logs":
        return log_w.mean(over)
    if average == "log of the sum":
        return log_w.logsumexp(over)
    if average == "the largest":
        return log_w.max(over).values
    if average == "by hand":
        return log_w.exp().mean(over).log()
    if average == "no logarithm":
        return log_w.exp().mean(over)
    return log_w.logsumexp(over) - math.log(log_w.shape[over])


def _draw(
    generator: torch.Generator,
    *,
    images: int = 4,
    codes: int = 6,
    numbers: int = 3,
    level: float = -3.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mean = 1 + torch.rand(images, numbers, generator=generator)
    logvar = -1.5 + torch.rand(images, numbers, generator=generator)
    noise = torch.randn(images, codes, numbers, generator=generator)
    z = mean[:, None] + (0.5 * logvar[:, None]).exp() * noise
    return level + 1.5 * torch.randn(images, codes, generator=generator), z, mean, logvar


def _example(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One of the images is a thousand nats less probable than the others."""
    drawn = _draw(generator)
    drawn[0][0] -= 1000
    return drawn


weighted_bound = Check(
    "weighted_bound", lab="vae", level="build", minutes=20, reference=reference, example=_example
)
weighted_bound.equals_reference(
    "with one code, the logarithm of its weight",
    points=2,
    example=[partial(_draw, codes=1), partial(_draw, codes=1, images=1, numbers=5)],
    what="the bound from one code",
    tolerance=1e-4,
)
weighted_bound.equals_reference(
    "with several, the logarithm of their mean",
    points=2,
    example=[_draw, partial(_draw, images=1, codes=7), partial(_draw, images=7, codes=2)],
    what="the bound from {0.shape[1]} codes",
    tolerance=1e-4,
)


@weighted_bound.holds("the right encoder needs no more than one code", points=1)
def _exact(student: Any, generator: torch.Generator) -> None:
    """With the true posterior of x = 2 z + noise each weight is p(x), whatever the code."""
    x = 3 * torch.randn(5, generator=generator)
    mean, logvar = (2 * x / 5)[:, None], torch.full((5, 1), -math.log(5))
    z = mean[:, None] + math.sqrt(0.2) * torch.randn(5, 3, 1, generator=generator)
    likely = -0.5 * (x[:, None] - 2 * z[..., 0]).square() - 0.5 * LOG_2PI
    wanted = -0.5 * (x.square() / 5 + math.log(5) + LOG_2PI)
    got = student(likely, z, mean, logvar)
    assert_close(
        got, wanted, "for x = 2 z + noise and the true posterior, the bound", tolerance=1e-4
    )


weighted_bound.equals_reference(
    "a thousand nats neither vanish nor overflow",
    points=1,
    example=[partial(_draw, level=-1000.0), partial(_draw, level=1000.0)],
    what="the bound of images with log-likelihoods around {0[0][0]:.0f}",
    tolerance=1e-4,
)

weighted_bound.mistake(
    "the mean of the logarithms",
    partial(_bound, average="mean of the logs"),
    hint="You average the logarithms. That is the plain bound again, estimated from k codes: it "
    "does not rise with k. Average the weights, then take the logarithm.",
)
weighted_bound.mistake(
    "the sum for the mean",
    partial(_bound, average="log of the sum"),
    hint="You leave the sum of the weights undivided, so the bound grows by log k for nothing. "
    "Subtract log k.",
)
weighted_bound.mistake(
    "the largest weight",
    partial(_bound, average="the largest"),
    hint="You take the best code. The bound has the mean of all weights inside of the logarithm.",
)
weighted_bound.mistake(
    "exponentials as they are",
    partial(_bound, average="by hand"),
    hint="Your formula is right, and exp of a thousand is infinity, exp of minus a thousand 0. An "
    "image's log-likelihood is that large: use torch.logsumexp, which takes the largest out first.",
)
weighted_bound.mistake(
    "the logarithm forgotten",
    partial(_bound, average="no logarithm"),
    hint="You return the mean weight. The bound is its logarithm.",
)
weighted_bound.mistake(
    "the prior forgotten",
    partial(_bound, prior=0.0),
    hint="Your weights leave out log p(z), the prior's log-density of each code. Without it "
    "nobody charges for codes that are far out.",
)
weighted_bound.mistake(
    "the encoder forgotten",
    partial(_bound, encoder=0.0),
    hint="Your weights leave out the encoder's density. You drew where it is large, so what you "
    "found there has to be divided by it: subtract log q(z | x).",
)
weighted_bound.mistake(
    "the encoder added",
    partial(_bound, encoder=1.0),
    hint="You add log q(z | x). A weight is a quotient, with q below the line: subtract.",
)
weighted_bound.mistake(
    "only the likelihoods",
    partial(_bound, prior=0.0, encoder=0.0),
    hint="You average the likelihoods alone, as if the codes came from the prior. They come from "
    "the encoder: add log p(z) and subtract log q(z | x).",
)
weighted_bound.mistake(
    "the deviation for the variance",
    partial(_bound, spread=2.0),
    hint="You take logvar for the logarithm of the *deviation*, so your q is too narrow. The "
    "variance is exp(logvar).",
)
weighted_bound.mistake(
    "the mean over the images",
    partial(_bound, over=0),
    hint="You average over the images, and keep a number for each code. Each image has its own "
    "bound: average over its k codes, dimension 1.",
)
weighted_bound.mistake(
    "densities averaged over the code",
    partial(_bound, whose="mean over the numbers"),
    hint="You average the log-densities over the numbers of a code. The numbers are independent, "
    "so their logarithms add up: sum over the last dimension.",
)
