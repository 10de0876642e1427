"""Bounds against the exact likelihood of a linear-Gaussian model, and the units of the numbers."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from course_lib.losses import bernoulli_log_likelihood, log_likelihood
from course_lib.metrics import bits_per_dim, codes_log_likelihood, elbo, importance_bound
from course_lib.models import CVAE, VAE, CodeGenerator
from course_lib.models.pixel_outputs import PixelOutputs, Pixels
from course_lib.models.vae import Gaussian

SIDE, LATENT, SIGMA = (3, 2), 2, 0.7


class LinearDecoder(nn.Module):
    """x = W z + b + noise: probabilistic principal components, whose likelihood is known."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias, self.outputs = weight, bias, PixelOutputs("gaussian", SIGMA)

    def pixels(self, z: Tensor, labels: Tensor | None = None) -> Pixels:
        flat = z @ self.weight.T.float() + self.bias.float()
        return self.outputs(flat.view(len(z), 1, *SIDE))


class LinearEncoder(nn.Module):
    """The exact posterior's mean, with a diagonal covariance and, if asked, a shift."""

    def __init__(self, weight: Tensor, bias: Tensor, shift: float, spread: float) -> None:
        super().__init__()
        self.bias, self.shift, self.spread = bias, shift, spread
        precision = torch.eye(LATENT).double() + weight.T @ weight / SIGMA**2
        self.covariance = precision.inverse()
        self.gain = self.covariance @ weight.T / SIGMA**2

    def forward(self, images: Tensor) -> Gaussian:
        mean = (images.double().flatten(1) - self.bias) @ self.gain.T + self.shift
        logvar = (self.spread * self.covariance.diag()).log().expand_as(mean)
        return Gaussian(mean.float(), logvar.float())


def linear(
    shift: float = 0.0, spread: float = 1.0, diagonal: bool = False
) -> tuple[VAE, Tensor, Tensor]:
    """A linear VAE, images from it, and their exact log-likelihood."""
    torch.manual_seed(0)
    weight, bias = torch.randn(6, LATENT).double(), torch.randn(6).double()
    if diagonal:  # orthogonal columns: the posterior's covariance is diagonal, so q can be exact
        weight = torch.linalg.qr(weight)[0] * torch.tensor([1.0, 2.0]).double()
    model = VAE(size=8)
    model.encoder = LinearEncoder(weight, bias, shift, spread)
    model.decoder = LinearDecoder(weight, bias)
    marginal = MultivariateNormal(bias, weight @ weight.T + SIGMA**2 * torch.eye(6).double())
    x = marginal.sample((40,))
    return model, x.float().view(40, 1, *SIDE), marginal.log_prob(x)


def test_with_the_exact_posterior_the_bound_is_the_likelihood() -> None:
    """The gap is KL(q ‖ p(z|x)): where q is exact each importance weight is p(x), from one code."""
    model, images, exact = linear(diagonal=True)
    assert torch.allclose(importance_bound(model, images, num=1), exact, atol=1e-4)


def test_the_elbo_lies_below_by_the_divergence_of_the_posteriors() -> None:
    model, images, exact = linear(shift=0.3, spread=1.5)
    encoder = model.encoder
    rounds = torch.stack([(lambda a, b: a - b.sum(1))(*elbo(model, images)) for _ in range(4000)])
    mean, error = rounds.mean(0).double(), rounds.std(0) / 4000**0.5
    covariance = encoder.covariance
    q = MultivariateNormal(torch.full((LATENT,), 0.3).double(), torch.diag(1.5 * covariance.diag()))
    gap = torch.distributions.kl_divergence(
        q, MultivariateNormal(torch.zeros(2).double(), covariance)
    )
    assert ((exact - gap - mean).abs() < 4.5 * error).all()
    assert error.max() < 0.05 and gap > 0.1


def test_the_importance_bound_rises_to_the_exact_value() -> None:
    """Means over images and repetitions rise with k and end within their error of the truth."""
    model, images, exact = linear(shift=0.4, spread=2.0)
    gaps, errors = [], []
    for k in (1, 4, 16, 64, 1024):
        rounds = torch.stack([importance_bound(model, images, num=k) - exact for _ in range(60)])
        gaps.append(rounds.mean().item())
        errors.append((rounds.mean(1).std() / 60**0.5).item())
    assert all(a < b for a, b in zip(gaps[:-1], gaps[1:], strict=True))
    assert gaps[0] < -0.3 and abs(gaps[-1]) < 0.01
    assert all(gap < 4 * error + 1e-4 for gap, error in zip(gaps, errors, strict=True))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes are drawn in other groups, but the average over them is the same kind of number."""
    model, images, exact = linear(diagonal=True)  # with the exact posterior every draw agrees
    monkeypatch.setattr("course_lib.metrics.likelihood.CHUNK", 6 * 7)
    assert torch.allclose(importance_bound(model, images, num=20), exact, atol=1e-4)


def test_a_conditional_model_is_asked_with_its_labels() -> None:
    torch.manual_seed(1)
    model = CVAE(num_classes=3, size=(8, 9), latent_dim=4, width=4, likelihood="bernoulli")
    images = torch.where(torch.rand(5, 1, 8, 9) < 0.5, 1.0, -1.0)
    labels = torch.tensor([0, 1, 2, 0, 1])
    bound = importance_bound(model, images, labels, num=30)
    likely, kl = elbo(model, images, labels)
    assert bound.shape == likely.shape == (5,) and kl.shape == (5, 4)
    with pytest.raises(ValueError, match="num is 0"):
        importance_bound(model, images, labels, num=0)


@pytest.mark.parametrize("chunk", [72, 72 * 3, 72 * 7 * 2, 10**6])
def test_each_image_is_bounded_with_its_own_label(monkeypatch, chunk: int) -> None:
    """With codes at the posterior's mean each weight is known, however images are grouped."""
    torch.manual_seed(1)
    model = CVAE(num_classes=3, size=(8, 9), latent_dim=4, width=4, likelihood="bernoulli")
    images = torch.where(torch.rand(5, 1, 8, 9) < 0.5, 1.0, -1.0)
    labels = torch.tensor([0, 1, 2, 0, 1])
    monkeypatch.setattr("course_lib.metrics.likelihood.CHUNK", chunk)
    monkeypatch.setattr("torch.randn_like", torch.zeros_like)
    told = importance_bound(model, images, labels, num=7)
    kept = elbo(model, images, labels)[0]
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        with torch.no_grad():
            mean, logvar = model.encoder(image[None], label[None])
            logit = model.decoder.pixels(mean, label[None]).location
        white = (image[None] + 1) / 2
        likely = -nn.functional.binary_cross_entropy_with_logits(logit, white, reduction="sum")
        at_mean = torch.distributions.Normal(mean, (logvar / 2).exp()).log_prob(mean).sum()
        prior = torch.distributions.Normal(0, 1).log_prob(mean).sum()
        assert told[i].item() == pytest.approx((likely + prior - at_mean).item(), abs=1e-4)
        assert kept[i].item() == pytest.approx(likely.item(), abs=1e-4)
    others = importance_bound(model, images, labels.roll(1), num=7)
    assert ((told - others).abs() > 1e-3)[labels != labels.roll(1)].all()


def test_bits() -> None:
    """A uniform choice among 256 levels costs 8 bits a number; a fair coin 1."""
    uniform = torch.tensor([-12 * math.log(256)]).double()
    assert bits_per_dim(uniform, 12).item() == pytest.approx(8)
    coin = bernoulli_log_likelihood(torch.zeros(1, 1, 3, 5), torch.ones(1, 1, 3, 5))
    assert bits_per_dim(coin, 15).item() == pytest.approx(1)
    with pytest.raises(ValueError, match="numbers is 0"):
        bits_per_dim(uniform, 0)


def test_a_code_generators_bound_has_the_priors_part() -> None:
    torch.manual_seed(2)
    model = CodeGenerator(
        codes={"size": (8, 12), "width": 8, "dim": 4, "num_codes": 5, "likelihood": "logistic"},
        prior={"width": 16, "layers": 1, "heads": 2},
    ).eval()
    images = torch.randint(256, (3, 3, 8, 12)).float() / 127.5 - 1
    likely, prior = codes_log_likelihood(model, images, batch_size=2)
    # A prior that has learned nothing finds all codes equally likely: 2 x 3 of them.
    assert torch.allclose(prior, torch.full((3,), -6 * math.log(5)), atol=1e-5)
    assert (likely < 0).all() and likely.shape == (3,)


def test_a_prior_is_asked_with_each_images_label() -> None:
    torch.manual_seed(3)
    model = CodeGenerator(
        codes={"size": (8, 12), "width": 8, "dim": 4, "num_codes": 5, "likelihood": "logistic"},
        prior={"width": 16, "layers": 1, "heads": 2, "num_classes": 3},
    ).eval()
    for weight in model.prior.parameters():
        nn.init.normal_(weight, 0.0, 0.5)
    images = torch.randint(256, (5, 3, 8, 12)).float() / 127.5 - 1
    labels = torch.tensor([2, 0, 1, 1, 0])
    likely, prior = codes_log_likelihood(model, images, labels, batch_size=2)
    for i in range(5):
        codes = model.codes.encode(images[i : i + 1])
        own = model.prior.log_prob(codes, labels[i : i + 1]).item()
        assert prior[i].item() == pytest.approx(own, abs=1e-4)
        pixels = log_likelihood(model.codes.pixels(codes), images[i : i + 1]).item()
        assert likely[i].item() == pytest.approx(pixels, rel=1e-5)
    others = codes_log_likelihood(model, images, labels.roll(2), batch_size=2)[1]
    assert ((prior - others).abs() > 1e-2)[labels != labels.roll(2)].all()


def test_a_bound_in_float64() -> None:
    """The model in float64 says what it says in float32, more exactly."""
    torch.manual_seed(1)
    model = CVAE(num_classes=3, size=(8, 9), latent_dim=4, width=4, likelihood="bernoulli")
    images = torch.where(torch.rand(2, 1, 8, 9) < 0.5, 1.0, -1.0)
    labels = torch.tensor([0, 2])
    single = model.encoder(images, labels)
    double = model.double().encoder(images.double(), labels)
    assert double.mean.dtype == double.logvar.dtype == torch.float64
    assert torch.allclose(single.mean.double(), double.mean, atol=1e-5)
    bound = importance_bound(model, images.double(), labels, num=3)
    assert bound.isfinite().all() and bound.dtype == torch.float64
