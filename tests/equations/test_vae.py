"""The equations of book/math/vae.md: quadrature, exact models and Monte Carlo with error bars."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import multivariate_normal, norm
from torch import nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from course_lib.losses import (
    bernoulli_log_likelihood,
    free_bits,
    gaussian_kl,
    gaussian_log_likelihood,
    logistic_log_likelihood,
    negative_elbo,
)
from course_lib.metrics import active_units, elbo, importance_bound
from course_lib.models.pixel_outputs import PixelOutputs
from course_lib.models.vae import Gaussian

F64 = torch.float64
LINE = np.linspace(-12, 12, 24_001)
GAIN, AT = 2.0, 2.5  # the worked example: x = 2 z + noise of variance 1


def integral(f):
    """Over a line, of a smooth function of arrays that vanishes at both ends."""
    return np.trapezoid(f(LINE), LINE).item()


def plane(f, centre=(0.0, 0.0)):
    """The same over a plane; f takes points (..., 2)."""
    u, v = (np.linspace(c - 9, c + 9, 601) for c in centre)
    points = np.stack(np.meshgrid(u, v, indexing="ij"), -1)
    return np.trapezoid(np.trapezoid(f(points), v), u).item()


def log_joint(z, x=AT, gain=GAIN, sigma=1.0):
    return norm.logpdf(x, gain * z, sigma) + norm.logpdf(z)


def bound(mean, std, x=AT, gain=GAIN, sigma=1.0):
    """The bound by quadrature, from its first form."""
    return integral(
        lambda z: (
            norm.pdf(z, mean, std) * (log_joint(z, x, gain, sigma) - norm.logpdf(z, mean, std))
        )
    )


def terms(mean, std, x=AT, gain=GAIN, sigma=1.0):
    """Reconstruction and divergence by quadrature."""
    q = lambda z: norm.pdf(z, mean, std)  # noqa: E731
    likely = integral(lambda z: q(z) * norm.logpdf(x, gain * z, sigma))
    return likely, integral(lambda z: q(z) * (norm.logpdf(z, mean, std) - norm.logpdf(z)))


class Line(nn.Module):
    """A model of one number, or of a few: a linear decoder and any normal encoder."""

    def __init__(self, weight, sigma, mean, std):
        super().__init__()
        self.weight, self.outputs = weight.float(), PixelOutputs("gaussian", sigma)
        self.mean, self.std = mean, std

    def encoder(self, images):
        rows = images.flatten(1).double()
        mean = self.mean(rows) if callable(self.mean) else torch.full((len(rows), 1), self.mean)
        return Gaussian(mean.float(), torch.full_like(mean, 2 * math.log(self.std)).float())

    @property
    def decoder(self):
        return self

    def pixels(self, z, labels=None):
        return self.outputs((z @ self.weight.T).view(len(z), 1, 1, -1))


def line(mean, std):
    return Line(torch.tensor([[GAIN]]), 1.0, mean, std)


@pytest.mark.equation("eq-latent-likelihood")
@pytest.mark.equation("eq-vae-example")
def test_all_codes_count():
    exact = integral(lambda z: np.exp(log_joint(z)))
    assert math.log(exact) == pytest.approx(norm.logpdf(AT, 0, math.sqrt(GAIN**2 + 1)), abs=1e-9)
    assert math.log(exact) == pytest.approx(-2.349, abs=5e-4)
    assert -0.5 * math.log(10 * math.pi) == pytest.approx(-1.724, abs=5e-4)


@pytest.mark.equation("eq-elbo-jensen")
@pytest.mark.parametrize(("mean", "std"), [(1, 0.2**0.5), (1, 1), (0, 1), (-2, 0.3), (1.3, 0.6)])
def test_the_bound_is_below_the_likelihood(mean, std):
    exact = norm.logpdf(AT, 0, math.sqrt(5))
    ratio = integral(lambda z: np.exp(log_joint(z)))  # q cancels: the mean of the weights
    assert math.log(ratio) == pytest.approx(exact)
    value = bound(mean, std)
    assert value <= exact + 1e-9
    assert (value == pytest.approx(exact, abs=1e-7)) == (mean == 1 and std**2 < 0.21)


@pytest.mark.equation("eq-elbo")
@pytest.mark.parametrize(
    ("mean", "variance", "likely", "kl", "total", "gap"),
    [
        (1, 0.2, -1.444, 0.905, -2.349, 0.0),
        (1, 1, -3.044, 0.5, -3.544, 1.195),
        (0, 1, -6.044, 0.0, -6.044, 3.695),
    ],
)
def test_two_terms_and_the_table(mean, variance, likely, kl, total, gap):
    """The chapter's table, the integral, and the package's two terms with their error."""
    std = variance**0.5
    first, second = terms(mean, std)
    assert first - second == pytest.approx(bound(mean, std), abs=1e-7)
    exact = norm.logpdf(AT, 0, math.sqrt(5))
    values = (first, second, first - second, exact - first + second)
    assert values == pytest.approx((likely, kl, total, gap), abs=6e-4)
    torch.manual_seed(0)
    images = torch.full((40_000, 1, 1, 1), AT)
    found, divergence = elbo(line(float(mean), std), images)
    error = found.std().item() / len(images) ** 0.5
    assert abs(found.mean().item() - first) < 4 * error
    assert divergence.sum(1)[0].item() == pytest.approx(second, abs=1e-5)
    loss = negative_elbo(found, divergence).item()
    assert abs(loss + total) < 4 * error + 1e-3


@pytest.mark.equation("eq-elbo-gap")
@pytest.mark.parametrize(("mean", "std"), [(1, 1), (0, 1), (-1, 0.3), (1.5, 0.7)])
def test_the_gap_is_a_divergence(mean, std):
    posterior = Normal(1.0, 0.2**0.5)  # by the chapter's formula: a x / 5 and 1 / 5
    gap = kl_divergence(Normal(float(mean), float(std)), posterior).item()
    assert norm.logpdf(AT, 0, 5**0.5) == pytest.approx(bound(mean, std) + gap, abs=1e-6)
    # The posterior itself, from Bayes' rule on a grid.
    z = np.linspace(-8, 8, 20_001)
    density = np.exp(log_joint(z))
    density /= density.sum()
    assert (density * z).sum() == pytest.approx(1.0, abs=1e-6)
    assert (density * (z - 1) ** 2).sum() == pytest.approx(0.2, abs=1e-6)


@pytest.mark.equation("eq-ppca-likelihood")
@pytest.mark.equation("eq-ppca-posterior")
def test_a_linear_model_in_closed_form():
    """Bayes' rule at random codes: the joint is the likelihood times the posterior."""
    rng = np.random.default_rng(0)
    weight, bias, sigma = rng.normal(size=(5, 2)), rng.normal(size=5), 0.7
    x = rng.normal(size=5)
    covariance = np.linalg.inv(np.eye(2) + weight.T @ weight / sigma**2)
    mean = covariance @ weight.T @ (x - bias) / sigma**2
    exact = multivariate_normal.logpdf(x, bias, weight @ weight.T + sigma**2 * np.eye(5))
    for z in rng.normal(size=(20, 2)):
        joint = norm.logpdf(x, weight @ z + bias, sigma).sum() + norm.logpdf(z).sum()
        assert joint == pytest.approx(exact + multivariate_normal.logpdf(z, mean, covariance))

    def density(z):
        likely = norm.logpdf(x, z @ weight.T + bias, sigma).sum(-1)
        return np.exp(likely + norm.logpdf(z).sum(-1))

    whole = plane(density, mean)
    assert math.log(whole) == pytest.approx(exact, abs=1e-4)


@pytest.mark.equation("eq-multivariate-gaussian")
def test_the_density_of_a_vector_integrates_to_one():
    mean, sigma = np.array([0.3, -0.5]), np.array([[1.2, 0.5], [0.5, 0.8]])
    inverse, volume = np.linalg.inv(sigma), np.linalg.det(sigma)

    def shape(z):
        return np.exp(-0.5 * np.einsum("...i,ij,...j", z - mean, inverse, z - mean))

    whole = plane(shape)
    assert whole == pytest.approx((2 * math.pi) ** (2 / 2) * volume**0.5, rel=1e-6)
    # Without the dimension the density of two numbers integrates to 2.5, and no density does that.
    assert whole / math.sqrt(2 * math.pi * volume) == pytest.approx(math.sqrt(2 * math.pi))
    at = np.array([1.0, 1.0])
    ours = shape(at) / ((2 * math.pi) * volume**0.5)
    assert ours == pytest.approx(multivariate_normal.pdf(at, mean, sigma))


def random_gaussian(rng, d):
    root = rng.normal(size=(d, d))
    return rng.normal(size=d), root @ root.T + 0.3 * np.eye(d)


@pytest.mark.equation("eq-gaussian-kl-full")
@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_divergence_of_two_gaussians(d):
    rng = np.random.default_rng(d)
    (mu, sigma), (nu, lam) = random_gaussian(rng, d), random_gaussian(rng, d)
    inverse = np.linalg.inv(lam)
    ours = 0.5 * (
        np.trace(inverse @ sigma)
        + (nu - mu) @ inverse @ (nu - mu)
        - d
        + math.log(np.linalg.det(lam) / np.linalg.det(sigma))
    )
    q, p = (
        MultivariateNormal(torch.tensor(m), torch.tensor(s)) for m, s in ((mu, sigma), (nu, lam))
    )
    assert ours == pytest.approx(kl_divergence(q, p).item())
    torch.manual_seed(0)
    z = q.sample((200_000,))
    ratio = q.log_prob(z) - p.log_prob(z)
    assert abs(ours - ratio.mean().item()) < 4 * ratio.std().item() / len(z) ** 0.5


@pytest.mark.equation("eq-gaussian-kl")
def test_the_divergence_from_the_prior():
    """By quadrature, by the package, and each number by itself."""
    means, stds = [1.0, 0.0, -0.7], [0.2**0.5, 1.0, 1.8]
    exact = [
        integral(lambda z, m=m, s=s: norm.pdf(z, m, s) * (norm.logpdf(z, m, s) - norm.logpdf(z)))
        for m, s in zip(means, stds, strict=True)
    ]
    by_hand = [0.5 * (m**2 + s**2 - 1 - math.log(s**2)) for m, s in zip(means, stds, strict=True)]
    assert by_hand == pytest.approx(exact, abs=1e-7)
    logvar = 2 * torch.tensor(stds, dtype=F64).log()
    ours = gaussian_kl(torch.tensor([means], dtype=F64), logvar[None])
    assert ours[0].tolist() == pytest.approx(exact, abs=1e-7)
    assert by_hand[:2] == pytest.approx([0.905, 0.0], abs=5e-4)


@pytest.mark.equation("eq-score-gradient")
@pytest.mark.parametrize("f", [np.sin, lambda z: (z > 0.2) + 0.5 * (z == 0.2), lambda z: z**3])
def test_the_score_function_gives_the_gradient(f):
    """Also where f jumps. Both sides by quadrature; the left one by a difference."""
    mu, std, step = 0.4, 0.8, 1e-4

    def mean(mu, std):
        grid = 0.2 + np.arange(-80_000, 80_001) / 10_000  # the jump lies on a grid point
        return np.trapezoid(f(grid) * norm.pdf(grid, mu, std), grid)

    by_mean = (mean(mu + step, std) - mean(mu - step, std)) / (2 * step)
    by_std = (mean(mu, std + step) - mean(mu, std - step)) / (2 * step)
    grid = 0.2 + np.arange(-80_000, 80_001) / 10_000
    weight = f(grid) * norm.pdf(grid, mu, std)
    score_mean, score_std = (grid - mu) / std**2, ((grid - mu) ** 2 / std**2 - 1) / std
    assert np.trapezoid(weight * score_mean, grid) == pytest.approx(by_mean, abs=1e-5)
    assert np.trapezoid(weight * score_std, grid) == pytest.approx(by_std, abs=1e-5)


@pytest.mark.equation("eq-reparam")
def test_a_code_is_a_mean_and_scaled_noise():
    """The package's draw: its distribution, and its slopes by mean and log-variance."""
    torch.manual_seed(0)
    mean = torch.tensor([[0.5, -2.0]], dtype=F64).repeat(100_000, 1).requires_grad_()
    logvar = torch.tensor([[1.0, -3.0]], dtype=F64).repeat(100_000, 1).requires_grad_()
    z = Gaussian(mean, logvar).sample()
    std = (0.5 * logvar).exp().detach()
    assert torch.allclose(z.mean(0), mean[0], atol=0.03)
    assert torch.allclose(z.std(0), std[0], rtol=0.02)
    z.sum().backward()
    noise = (z - mean).detach() / std
    assert torch.equal(mean.grad, torch.ones_like(mean))
    assert torch.allclose(logvar.grad, 0.5 * std * noise)  # ds / dlog s² is s / 2


@pytest.mark.equation("eq-reparam-gradient")
def test_the_reparameterised_gradient():
    mu, std, step = 0.4, 0.8, 1e-5

    def mean(mu, std):
        return integral(lambda e: norm.pdf(e) * np.sin(mu + std * e))

    by_mean = (mean(mu + step, std) - mean(mu - step, std)) / (2 * step)
    by_std = (mean(mu, std + step) - mean(mu, std - step)) / (2 * step)
    slope = lambda e: norm.pdf(e) * np.cos(mu + std * e)  # noqa: E731
    assert integral(slope) == pytest.approx(by_mean, abs=1e-7)
    assert integral(lambda e: e * slope(e)) == pytest.approx(by_std, abs=1e-7)


@pytest.mark.equation("eq-gradient-variance")
@pytest.mark.parametrize("d", [1, 4, 32])
def test_the_variances_of_three_gradients(d):
    """Measured on draws; torch computes the gradients of the density and of the function."""
    torch.manual_seed(0)
    draws = 400_000
    mean = torch.zeros(draws, d, dtype=F64, requires_grad=True)
    z = torch.randn(draws, d, dtype=F64)
    (score,) = torch.autograd.grad(Normal(mean, 1.0).log_prob(z).sum(), mean)
    f = z.square().sum(1)
    (path,) = torch.autograd.grad((mean + z).square().sum(), mean)
    for values, exact in (
        (f * score[:, 0], (d + 2) * (d + 4)),
        ((f - d) * score[:, 0], 2 * d + 8),
        (path[:, 0], 4),
    ):
        assert abs(values.mean().item()) < 5 * math.sqrt(exact / draws)
        assert values.var().item() == pytest.approx(exact, rel=0.05)
    if d == 32:
        assert ((d + 2) * (d + 4), 2 * d + 8) == (1224, 72)
        assert 1224 / 4 == 306


@pytest.mark.equation("eq-gradient-variance-line")
@pytest.mark.parametrize(("mu", "std"), [(0.0, 1.0), (1.0, 0.5), (-2.0, 0.3), (0.7, 2.0)])
def test_the_variances_on_a_line(mu, std):
    def moments(f):
        first = integral(lambda e: norm.pdf(e) * f(e))
        return first, integral(lambda e: norm.pdf(e) * f(e) ** 2) - first**2

    mean, variance = moments(lambda e: (mu + std * e) ** 2 * e / std)
    assert mean == pytest.approx(2 * mu, abs=1e-7)
    assert variance == pytest.approx(mu**4 / std**2 + 14 * mu**2 + 15 * std**2)
    mean, variance = moments(lambda e: 2 * (mu + std * e))
    assert (mean, variance) == pytest.approx((2 * mu, 4 * std**2), abs=1e-7)


@pytest.mark.equation("eq-bernoulli-likelihood")
def test_black_and_white():
    torch.manual_seed(0)
    logits, white = torch.randn(3, 1, 3, 5, dtype=F64), torch.rand(3, 1, 3, 5) < 0.4
    x = 2.0 * white.double() - 1
    by_hand = np.log(1 / (1 + np.exp(-(logits * x).numpy()))).reshape(3, -1).sum(1)
    assert bernoulli_log_likelihood(logits, x).tolist() == pytest.approx(by_hand)
    theirs = Bernoulli(logits=logits).log_prob(white.double()).flatten(1).sum(1)
    assert theirs.tolist() == pytest.approx(by_hand)


@pytest.mark.equation("eq-gaussian-likelihood")
def test_a_normal_density_of_pixels():
    torch.manual_seed(0)
    mean, x, sigma = torch.randn(2, 3, 3, 5, dtype=F64), torch.rand(2, 3, 3, 5, dtype=F64), 0.3
    n, error = 45, (x - mean).square().flatten(1).sum(1)
    by_hand = -error / (2 * sigma**2) - n * math.log(sigma) - n / 2 * math.log(2 * math.pi)
    theirs = norm.logpdf(x.numpy(), mean.numpy(), sigma).reshape(2, -1).sum(1)
    assert by_hand.tolist() == pytest.approx(theirs.tolist())
    ours = gaussian_log_likelihood(mean, torch.tensor(math.log(sigma), dtype=F64), x)
    assert ours.tolist() == pytest.approx(theirs.tolist())


@pytest.mark.equation("eq-logistic-likelihood")
@pytest.mark.parametrize(("mean", "scale"), [(0.1, 0.02), (-1.2, 0.3), (0.99, 0.05)])
def test_the_mass_of_a_grey_level(mean, scale):
    from scipy.stats import logistic

    levels = np.arange(256) / 127.5 - 1
    edges = np.concatenate([[-np.inf], levels[:-1] + 1 / 255, [np.inf]])
    mass = np.diff(logistic.cdf(edges, mean, scale))
    assert mass.sum() == pytest.approx(1)
    x = torch.tensor(levels).view(256, 1, 1, 1)
    log_scale = torch.full_like(x, math.log(scale))
    ours = logistic_log_likelihood(torch.full_like(x, mean), log_scale, x).exp()
    assert ours.numpy() == pytest.approx(mass, rel=1e-6, abs=1e-13)


@pytest.mark.equation("eq-kl-weight")
@pytest.mark.parametrize(("n", "weight"), [(1024, 1.0), (784, 0.001), (6, 0.7)])
def test_each_weight_is_a_noise(n, weight):
    torch.manual_seed(0)
    x, mean = torch.rand(4, n, dtype=F64), torch.randn(4, n, dtype=F64)
    kl = 3 * torch.rand(4, 1, dtype=F64)
    sigma = math.sqrt(weight * n / 2)
    log_sigma = torch.tensor(math.log(sigma), dtype=F64)
    pixels = gaussian_log_likelihood(mean[:, None, None], log_sigma, x[:, None, None])
    negative = negative_elbo(pixels, kl)
    right = 2 * sigma**2 / n * (negative - n * log_sigma - n / 2 * math.log(2 * math.pi))
    left = (x - mean).square().mean(1).mean() + weight * kl.mean()
    assert right.item() == pytest.approx(left.item())
    if n == 1024:
        assert sigma == pytest.approx(22.6, abs=0.05)
    if n == 784:
        assert sigma == pytest.approx(0.63, abs=0.005)


@pytest.mark.equation("eq-sigma-beta")
@pytest.mark.parametrize("beta", [0.3, 4.0])
def test_beta_is_the_noise_of_a_gaussian_decoder(beta):
    torch.manual_seed(0)
    n, sigma = 7, 0.6
    constants = []
    for _ in range(3):  # whatever the networks say, the two differ by the same constant
        x, mean = torch.rand(1, 1, 1, n, dtype=F64), torch.randn(1, 1, 1, n, dtype=F64)
        kl = 5 * torch.rand(1, 2, dtype=F64)
        at = [
            gaussian_log_likelihood(mean, torch.tensor(math.log(s), dtype=F64), x)
            for s in (sigma, sigma * beta**0.5)
        ]
        left = -negative_elbo(at[0], kl, beta=beta)
        right = -beta * negative_elbo(at[1], kl)
        constants.append((left - right).item())
    wanted = n / 2 * ((beta - 1) * math.log(2 * math.pi * sigma**2) + beta * math.log(beta))
    assert constants == pytest.approx([wanted] * 3)


@pytest.mark.equation("eq-best-sigma")
def test_the_best_noise_is_the_error():
    torch.manual_seed(0)
    x, mean = torch.rand(200, 1, 2, 3, dtype=F64), torch.rand(200, 1, 2, 3, dtype=F64)

    def likely(log_sigma):
        value = torch.tensor(log_sigma, dtype=F64)
        return gaussian_log_likelihood(mean, value, x).mean().item()

    best = minimize_scalar(lambda s: -likely(s), bounds=(-5, 3), method="bounded").x
    error = (x - mean).square().mean().item()
    assert math.exp(2 * best) == pytest.approx(error, rel=1e-4)
    assert likely(best) == pytest.approx(-6 / 2 * math.log(2 * math.pi * math.e * error))


@pytest.mark.equation("eq-importance-weight")
def test_a_weight_has_the_likelihood_as_its_mean():
    mean, std = 0.6, 0.8

    def log_weight(z):
        return norm.logpdf(AT, GAIN * z) + norm.logpdf(z) - norm.logpdf(z, mean, std)

    q = lambda z: norm.pdf(z, mean, std)  # noqa: E731
    assert integral(lambda z: q(z) * np.exp(log_weight(z))) == pytest.approx(
        norm.pdf(AT, 0, 5**0.5)
    )
    assert integral(lambda z: q(z) * log_weight(z)) == pytest.approx(bound(mean, std), abs=1e-7)
    # The package's weight of one code: the same function of the code that it drew.
    torch.manual_seed(3)
    noise = torch.randn(5, 1)
    torch.manual_seed(3)
    found = importance_bound(line(mean, std), torch.full((5, 1, 1, 1), AT), num=1)
    assert found.tolist() == pytest.approx(log_weight(mean + std * noise[:, 0].numpy()), abs=1e-4)


@pytest.mark.equation("eq-importance-bound")
def test_two_codes_by_quadrature():
    """The package's mean over many images lies at the double integral."""
    mean, std = 1.0, 1.0

    def inside(z):
        weight = log_joint(z) - norm.logpdf(z, mean, std)
        middle = np.logaddexp(weight[..., 0], weight[..., 1]) - math.log(2)
        return norm.pdf(z, mean, std).prod(-1) * middle

    exact = plane(inside, (mean, mean))
    torch.manual_seed(0)
    found = importance_bound(line(mean, std), torch.full((100_000, 1, 1, 1), AT), num=2)
    assert abs(found.mean().item() - exact) < 4 * found.std().item() / len(found) ** 0.5


@pytest.mark.equation("eq-importance-order")
def test_more_codes_are_never_worse():
    torch.manual_seed(0)
    exact = norm.logpdf(AT, 0, 5**0.5)
    images, values = torch.full((20_000, 1, 1, 1), AT), []
    for k in (1, 2, 5, 20, 100):
        found = importance_bound(line(0.0, 1.0), images, num=k)
        values.append((found.mean().item(), found.std().item() / len(images) ** 0.5))
    for (low, error), (high, other) in zip(values, values[1:], strict=False):
        assert high - low > 5 * math.hypot(error, other)  # each step is clear of its error
    assert values[0][0] == pytest.approx(bound(0, 1), abs=5 * values[0][1])
    assert exact - 0.02 < values[-1][0] < exact + 4 * values[-1][1]


@pytest.mark.equation("eq-kl-information")
def test_the_divergence_is_information_and_a_charge():
    """Four images, codes on a line; all three terms by quadrature."""
    means, stds = [-1.5, 0.2, 0.4, 2.0], [0.5, 0.9, 0.3, 1.2]
    images = list(zip(means, stds, strict=True))
    z = np.linspace(-12, 12, 200_001)
    densities = np.array([norm.pdf(z, m, s) for m, s in images])
    mixture = densities.mean(0)
    kl = np.mean([0.5 * (m**2 + s**2 - 1 - math.log(s**2)) for m, s in images])
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.nan_to_num(densities * np.log(densities / mixture))
        charge = np.trapezoid(np.nan_to_num(mixture * np.log(mixture / norm.pdf(z))), z)
    information = np.mean([np.trapezoid(row, z) for row in parts])
    assert kl == pytest.approx(information + charge, abs=1e-6)
    assert 0 < information < math.log(4)


@pytest.mark.equation("eq-collapse-threshold")
@pytest.mark.parametrize(("variance", "noise"), [(4, 1), (1, 0.25), (2, 1.9), (1, 1), (0.25, 1)])
def test_a_number_goes_silent_at_the_noise(variance, noise):
    """The mean bound, maximised over decoder and encoder by a library."""

    def negative(parameters):
        gain, slope, log_std = parameters
        s2 = math.exp(2 * log_std)
        error = variance * (1 - gain * slope) ** 2 + gain**2 * s2
        kl = 0.5 * (slope**2 * variance + s2 - 1 - math.log(s2))
        return 0.5 * math.log(2 * math.pi * noise) + error / (2 * noise) + kl

    best = min(
        (minimize(negative, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13,
         "maxiter": 20_000}) for start in ([1.0, 0.5, -0.3], [0.3, 0.1, 0.0])),
        key=lambda found: found.fun,
    )  # fmt: skip
    gain, slope, log_std = best.x
    assert gain**2 == pytest.approx(max(variance - noise, 0), abs=2e-3)
    s2 = math.exp(2 * log_std)
    kl = 0.5 * (slope**2 * variance + s2 - 1 - math.log(s2))
    assert kl == pytest.approx(max(0.5 * math.log(variance / noise), 0), abs=2e-3)
    assert slope**2 * variance == pytest.approx(max(1 - noise / variance, 0), abs=2e-3)


@pytest.mark.equation("eq-free-bits")
def test_what_is_free_is_not_pushed():
    kl = torch.tensor([[0.1, 2.0], [0.3, 4.0], [0.2, 0.0]], dtype=F64, requires_grad=True)
    by_hand = max(0.5, 0.2) + max(0.5, 2.0)
    charged = free_bits(kl, 0.5)
    assert charged.item() == pytest.approx(by_hand)
    charged.backward()
    assert (kl.grad[:, 0] == 0).all() and (kl.grad[:, 1] > 0).all()
    assert charged.item() >= kl.sum(1).mean().item()  # so the loss stays above that of the bound


@pytest.mark.equation("eq-active-unit")
def test_active_units_of_a_linear_model():
    """Posterior means of normal data along directions with the variances 9, 4 and 0.5."""
    rng = np.random.default_rng(0)
    variance = np.array([9.0, 4.0, 0.5])
    for beta, wanted in ((1.0, 2), (5.0, 1)):
        x = rng.normal(size=(20_000, 3)) * variance**0.5
        gain = np.maximum(variance - beta, 0) ** 0.5  # the threshold of the chapter
        means = x * gain / (gain**2 + beta)
        moved = means.var(0)
        assert moved == pytest.approx(np.maximum(variance - beta, 0) / variance, abs=0.03)
        assert (moved > 0.01).sum() == wanted
        assert active_units(torch.tensor(means)).sum().item() == wanted


@pytest.mark.equation("eq-conditional-elbo")
def test_the_bound_with_a_label():
    """Two classes, x = y + a z + noise, and an encoder that is told y or is not."""
    x, gain, sigma = 1.3, 0.8, 0.5
    for y in (0.0, 1.0):
        exact = norm.logpdf(x, y, math.hypot(gain, sigma))
        total = gain**2 + sigma**2
        right = gain * (x - y) / total, sigma / total**0.5
        for mean, std in (right, (0.5, 0.6)):
            likely, kl = terms(mean, std, x - y, gain, sigma)
            assert likely - kl <= exact + 1e-8
        assert bound(*right, x - y, gain, sigma) == pytest.approx(exact, abs=1e-7)


@pytest.mark.equation("eq-decoder-mean")
@pytest.mark.equation("eq-blur-variance")
def test_the_best_decoder_draws_a_mean():
    """Three images of two pixels; a decoder that may say anything at each code of a grid."""
    images = np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
    z = np.linspace(-6, 6, 1201)
    q = np.array([norm.pdf(z, m, 0.5) for m in (-0.6, 0.6, 2.0)])  # (image, code)
    q /= q.sum(1, keepdims=True)
    mean = (q.T @ images) / q.sum(0)[:, None]  # the chapter's formula
    # The least squared error at some codes, by a library.
    for place in (400, 600, 660, 750):
        loss = lambda m, w=q[:, place]: (w * ((images - m) ** 2).sum(1)).sum()  # noqa: E731
        scale = q[:, place].sum()
        found = minimize(lambda m, f=loss, s=scale: f(m) / s, [0.0, 0.0]).x
        assert found == pytest.approx(mean[place], abs=1e-5)
    assert mean[600] == pytest.approx([0, 0], abs=0.05)  # A and B share the middle: grey
    error = sum((q[i] * ((images[i] - mean) ** 2).sum(1)).sum() for i in range(3)) / 3 / 2
    mixture = q.mean(0)
    weight = q / q.sum(0)  # of each image, given the code
    second = np.einsum("iz,ip->zp", weight, images**2)
    variance = second - mean**2  # (code, pixel)
    assert error == pytest.approx((mixture * variance.sum(1)).sum() / 2)
