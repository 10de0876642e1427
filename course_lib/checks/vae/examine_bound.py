"""Check of the exercise `examine_bound`: write a test that finds wrong bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Normal

from course_lib.checks.kinds import WriteTest
from course_lib.checks.vae.weighted_bound import weighted_bound

Bound = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
# Two images, three codes of two numbers each.
LIKELY = torch.tensor([[-3.0, -1.0, -2.0], [-1.0, -4.0, -2.5]])
Z = torch.tensor([[[1.0, 0.0], [0.5, 2.0], [-1.0, 1.0]], [[0.0, 1.0], [2.0, 0.5], [1.0, 1.0]]])
MEAN = torch.tensor([[0.5, 1.0], [1.0, 0.0]])
LOGVAR = torch.tensor([[0.5, -1.0], [1.0, -0.5]])


def _close(got: Tensor, wanted: Tensor) -> None:
    assert tuple(got.shape) == tuple(wanted.shape)
    assert torch.allclose(got.double(), wanted.double(), rtol=1e-4, atol=1e-4)


def _wanted(shift: float = 0.0) -> Tensor:
    """By the densities of torch.distributions, in double precision."""
    z, deviation = Z.double(), (0.5 * LOGVAR.double()).exp()
    log_p = Normal(0.0, 1.0).log_prob(z).sum(2)
    log_q = Normal(MEAN.double()[:, None], deviation[:, None]).log_prob(z).sum(2)
    weights = (LIKELY.double() + log_p - log_q).exp()
    return weights.mean(1).log() + shift


def _by_hand(bound: Bound) -> None:
    _close(bound(LIKELY, Z, MEAN, LOGVAR), _wanted())


def _far(bound: Bound) -> None:
    """A thousand nats below: the bound is lower by as much."""
    _close(bound(LIKELY - 1000, Z, MEAN, LOGVAR), _wanted(-1000.0))


def reference(bound: Bound) -> None:
    """Raise AssertionError if a function is not the importance-weighted bound."""
    _by_hand(bound)
    _far(bound)


def _by_distributions(likely: Tensor, z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """A right answer with torch.distributions, in double precision."""
    spread = (0.5 * logvar.double()).exp()
    log_q = Normal(mean.double()[:, None], spread[:, None]).log_prob(z.double()).sum(-1)
    log_p = Normal(0.0, 1.0).log_prob(z.double()).sum(-1)
    return torch.logsumexp(likely.double() + log_p - log_q, 1) - math.log(likely.shape[1])


def _one_by_one(likely: Tensor, z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """A right answer that adds one code after the other."""
    total = torch.full((len(likely),), -math.inf)
    for r in range(likely.shape[1]):
        noise = (z[:, r] - mean) * (-0.5 * logvar).exp()
        ratio = 0.5 * (noise.square() + logvar - z[:, r].square()).sum(1)
        total = torch.logaddexp(total, likely[:, r] + ratio)
    return total - math.log(likely.shape[1])


examine_bound = WriteTest(
    "examine_bound",
    lab="vae",
    level="stretch",
    minutes=25,
    reference=reference,
    of=weighted_bound,
    right=(weighted_bound.reference, _by_distributions, _one_by_one),
    wrong=(
        "the mean of the logarithms",
        "the sum for the mean",
        "the largest weight",
        "exponentials as they are",
        "the prior forgotten",
        "the encoder forgotten",
        "the deviation for the variance",
        "the mean over the images",
    ),
)


def _one_code(bound: Bound) -> None:
    weight = (
        LIKELY[:, 0]
        + Normal(0.0, 1.0).log_prob(Z[:, 0]).sum(1)
        - Normal(MEAN, (0.5 * LOGVAR).exp()).log_prob(Z[:, 0]).sum(1)
    )
    _close(bound(LIKELY[:, :1], Z[:, :1], MEAN, LOGVAR), weight)


def _at_the_prior(bound: Bound) -> None:
    """An encoder that says the prior: the weights are the likelihoods."""
    zeros = torch.zeros(2, 2)
    wanted = LIKELY.logsumexp(1) - math.log(3)
    _close(bound(LIKELY, Z, zeros, zeros), wanted)
    _close(bound(LIKELY - 1000, Z, zeros, zeros), wanted - 1000)


def _equal_weights(bound: Bound) -> None:
    """With the true posterior of x = 2 z + noise, at 2.5, every weight is p(x)."""
    z = torch.tensor([[[1.0], [0.5], [1.7]]])
    likely = Normal(2 * z[..., 0], 1.0).log_prob(torch.tensor(2.5))
    mean, logvar = torch.tensor([[1.0]]), torch.tensor([[math.log(0.2)]])
    _close(bound(likely, z, mean, logvar), torch.tensor([-2.348658]))


examine_bound.mistake(
    "accepts everything",
    lambda bound: None,
    hint="Your test accepts all of these functions: nothing in it can raise. Choose two images "
    "with three codes each, work their bounds out with torch.distributions.Normal, and assert that "
    "they agree.",
)
examine_bound.mistake(
    "one code",
    _one_code,
    hint="You ask for the bound from one code. With one code the mean of logarithms, the "
    "logarithm of the mean, the sum and the largest are all the same: take several, with different "
    "weights.",
)
examine_bound.mistake(
    "an encoder that is the prior",
    _at_the_prior,
    hint="The encoder of your test is the prior, so log p(z) and log q(z | x) cancel: who forgets "
    "both, or takes the variance for the deviation, passes. Choose another mean and another "
    "variance.",
)
examine_bound.mistake(
    "the true posterior",
    _equal_weights,
    hint="With the true posterior every code has the same weight, and it does not matter how they "
    "are averaged. It is a good test of the weights; add one in which they differ.",
)
examine_bound.mistake(
    "small numbers",
    _by_hand,
    hint="All likelihoods of your test are near 1, and exponentials of such numbers are harmless. "
    "What should happen to the bound if every log-likelihood is lower by 1,000?",
)
