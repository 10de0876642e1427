"""The bound's parts against torch.distributions, Monte Carlo, and each known trap."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from course_lib.losses import (
    bernoulli_log_likelihood,
    free_bits,
    gaussian_kl,
    gaussian_log_likelihood,
    log_likelihood,
    logistic_log_likelihood,
    negative_elbo,
)
from course_lib.losses.variational import HALF, LEVELS
from course_lib.models.pixel_outputs import PixelOutputs, Pixels


@pytest.mark.parity
def test_the_divergence_equals_torchs() -> None:
    mean, logvar = torch.randn(7, 5), torch.randn(7, 5)
    prior_mean, prior_logvar = torch.randn(7, 5), torch.randn(5)
    q = Normal(mean, (0.5 * logvar).exp())
    assert torch.allclose(gaussian_kl(mean, logvar), kl_divergence(q, Normal(0.0, 1.0)), atol=1e-5)
    p = Normal(prior_mean, (0.5 * prior_logvar).exp())
    ours = gaussian_kl(mean, logvar, prior_mean, prior_logvar)
    assert torch.allclose(ours, kl_divergence(q, p), atol=1e-4)
    p = Normal(0.0, (0.5 * prior_logvar).exp())
    assert torch.allclose(
        gaussian_kl(mean, logvar, prior_logvar=prior_logvar), kl_divergence(q, p), atol=1e-4
    )


def test_the_divergence_against_monte_carlo() -> None:
    """A million draws: the closed form lies within four standard errors, each number."""
    mean, logvar = torch.tensor([[1.5, -0.2, 0.0]]).double(), torch.tensor([[-1.0, 0.7, 0.0]])
    q, p = Normal(mean, (0.5 * logvar.double()).exp()), Normal(0.0, 1.0)
    z = q.sample((1_000_000,))
    ratio = q.log_prob(z) - p.log_prob(z)  # (draws, 1, 3)
    error = ratio.std(0) / len(z) ** 0.5
    gap = (gaussian_kl(mean, logvar.double()) - ratio.mean(0)).abs()
    assert (gap <= 4 * error + 1e-12).all() and error.max() < 0.01
    # The two mistakes that are made: the other sign, and the variance for its logarithm.
    wrong = -0.5 * (mean.square() + logvar.exp() - 1 - logvar)
    assert ((wrong - ratio.mean(0)).abs() > 10 * error)[0, 0]


@pytest.mark.parity
def test_the_likelihoods_equal_torchs() -> None:
    shape = (3, 2, 5, 7)
    raw = torch.randn(shape)
    white = torch.rand(shape) < 0.3
    theirs = Independent(Bernoulli(logits=raw), 3).log_prob(white.float())
    assert torch.allclose(bernoulli_log_likelihood(raw, 2.0 * white - 1), theirs, atol=1e-4)
    images, log_sigma = torch.rand(shape) * 2 - 1, torch.tensor(-0.7)
    theirs = Independent(Normal(raw, log_sigma.exp().expand(shape)), 3).log_prob(images)
    assert torch.allclose(gaussian_log_likelihood(raw, log_sigma, images), theirs, atol=1e-3)


@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -1.0, 2.0])
@pytest.mark.parametrize("mean", [-1.5, -0.99, 0.1234, 1.0])
def test_the_grey_levels_probabilities_sum_to_one(mean: float, log_scale: float) -> None:
    levels = torch.arange(LEVELS).double().view(LEVELS, 1, 1, 1) / 127.5 - 1
    at = torch.full_like(levels, mean)
    chance = logistic_log_likelihood(at, torch.full_like(levels, log_scale), levels)
    assert chance.exp().sum().item() == pytest.approx(1, abs=1e-9)
    # Each is the mass between the middles, from the distribution function itself.
    edge = (levels.flatten() + HALF - mean) / math.exp(log_scale)
    upper = torch.sigmoid(edge)
    upper[-1] = 1
    mass = upper.diff(prepend=torch.zeros(1).double())
    big = mass > 1e-9
    assert torch.allclose(chance.exp()[big], mass[big], rtol=1e-5)


def test_the_tails_keep_a_gradient() -> None:
    """Where a difference of two sigmoids is 0 in float32, the logarithm is finite all the same."""
    mean = torch.tensor([[[[0.9]]]], requires_grad=True)
    scale = torch.full((1, 1, 1, 1), -7.0)
    value = logistic_log_likelihood(mean, scale, torch.full((1, 1, 1, 1), 1 / 255))
    value.sum().backward()
    assert value.isfinite().all() and mean.grad.isfinite().all() and mean.grad.item() < -100


def test_grey_pixels_have_no_bernoulli_likelihood() -> None:
    with pytest.raises(ValueError, match="grey pixels"):
        bernoulli_log_likelihood(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))


def test_values_out_of_range_are_refused() -> None:
    pixels = Pixels("logistic", torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    with pytest.raises(ValueError, match="lie between -1 and 1"):
        log_likelihood(pixels, torch.full((1, 1, 2, 2), 3.0))
    with pytest.raises(ValueError, match="lie between -1 and 1"):
        log_likelihood(pixels, torch.full((1, 1, 2, 2), math.nan))
    with pytest.raises(ValueError, match=r"images have shape \(1, 1, 2, 3\)"):
        log_likelihood(pixels, torch.zeros(1, 1, 2, 3))


def test_free_bits_by_hand() -> None:
    kl = torch.tensor([[0.1, 2.0, 0.0], [0.3, 4.0, 0.0]], requires_grad=True)
    charged = free_bits(kl, 0.5)
    assert charged.item() == pytest.approx(0.5 + 3.0 + 0.5)  # means 0.2, 3.0, 0.0
    charged.backward()
    assert kl.grad.tolist() == [[0.0, 0.5, 0.0], [0.0, 0.5, 0.0]]  # what is free is not pushed
    assert free_bits(kl.detach(), 0.0).item() == pytest.approx(kl.detach().sum(1).mean().item())


def test_the_bound_is_a_sum_over_pixels_and_a_mean_over_images() -> None:
    """The trap: a mean over pixels is a weight of as many on the divergence."""
    likely, kl = torch.tensor([-10.0, -20.0]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert negative_elbo(likely, kl).item() == pytest.approx(15 + 5)
    assert negative_elbo(likely, kl, beta=0.1).item() == pytest.approx(15 + 0.5)
    raw, images = torch.randn(4, 1, 6, 5), torch.ones(4, 1, 6, 5)
    whole = bernoulli_log_likelihood(raw, images)
    top, bottom = (
        bernoulli_log_likelihood(raw[:, :, rows], images[:, :, rows])
        for rows in (slice(0, 2), slice(2, 6))
    )
    assert torch.allclose(whole, top + bottom, atol=1e-5)


def test_a_learned_deviation_is_that_of_the_errors_and_bounded() -> None:
    """σ-VAE: the best deviation is the root mean square error; an exact picture asks for none."""
    images = torch.randn(64, 1, 4, 5)
    outputs = PixelOutputs("gaussian")
    adam = torch.optim.Adam(outputs.parameters(), lr=0.1)
    for _ in range(400):
        loss = -log_likelihood(outputs(torch.full_like(images, 0.3)), images).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    wanted = (images - 0.3).square().mean().sqrt()
    assert outputs.log_sigma.exp().item() == pytest.approx(wanted.item(), rel=1e-2)
    with torch.no_grad():
        outputs.raw_sigma.fill_(-1e6)
    loss = -log_likelihood(outputs(images), images).mean()  # constant images, drawn exactly
    loss.backward()
    assert loss.isfinite() and outputs.raw_sigma.grad.isfinite()
    assert outputs.log_sigma.item() == pytest.approx(-6)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("poisson",), "likelihood is 'poisson'"),
        (("bernoulli", 0.1), "has none"),
        (("gaussian", 0.0), "must be positive"),
    ],
)
def test_unknown_outputs_are_refused(arguments: tuple, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        PixelOutputs(*arguments)
