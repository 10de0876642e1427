"""The equations of book/math/vae-gan.md: plain sums, linear algebra, scikit-learn, autograd."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from torch import nn

from course_lib.losses import discriminator_loss, gaussian_kl, generator_loss
from course_lib.metrics import auroc
from course_lib.models import VAEGAN, invert


def row(width, start, height=1.0):
    values = np.zeros(60)
    values[start : start + width] = height
    return values


@pytest.mark.equation("eq-shift-pixels")
def test_a_bar_beside_its_place():
    for width in (1, 2, 5):
        for shift in range(9):
            error = ((row(width, 20) - row(width, 20 + shift)) ** 2).sum()
            assert error == 2 * min(shift, width)
        assert (row(width, 20) ** 2).sum() == width
    assert 2 * min(3, 4) > 4  # the first question


@pytest.mark.equation("eq-shift-features")
def test_a_line_through_a_mean():
    for size in (1, 3, 9):
        mean = np.ones(size) / size
        one, none = np.convolve(row(1, 20), mean), np.zeros(59 + size)
        for shift in range(12):
            other = np.convolve(row(1, 20 + shift), mean)
            assert ((one - other) ** 2).sum() == pytest.approx(2 * min(shift, size) / size**2)
        assert ((one - none) ** 2).sum() == pytest.approx(1 / size)
    assert 2 * 4 / 81 < 1 / 9 < 2 * 5 / 81


def terms():
    """The course's networks on images that are not square, and what all three look at."""
    torch.manual_seed(0)
    model = VAEGAN(size=(12, 9), latent_dim=3, width=4, judge_width=4)
    images = 2 * torch.rand(5, 1, 12, 9) - 1
    posterior = model.encoder(images)
    z = posterior.sample()
    again, fresh = model.decoder(z), model.decoder(torch.randn_like(z))
    wanted = model.discriminator.judge(images)[1].detach()
    return model, images, posterior, again, fresh, wanted


@pytest.mark.equation("eq-feature-likelihood")
def test_a_density_of_features():
    model, _, _, again, _, wanted = terms()
    features = model.discriminator.judge(again)[1].detach()
    exact = norm.logpdf(wanted.numpy(), features.numpy(), 1.0).reshape(5, -1).sum(1)
    numbers = wanted[0].numel()
    ours = -0.5 * ((wanted - features) ** 2).flatten(1).sum(1) - numbers / 2 * math.log(2 * math.pi)
    assert ours.tolist() == pytest.approx(exact.tolist(), rel=1e-5)


@pytest.mark.equation("eq-vaegan-losses")
def test_who_gets_which_gradient():
    """What each term could reach by itself, so what must be held back; and the sums by hand."""
    model, images, posterior, again, fresh, wanted = terms()
    judge = model.discriminator
    scores, features = judge.judge(again)
    fresh_scores = judge(fresh)
    like = 0.5 * (features - wanted).square().flatten(1).sum(1).mean()
    divergence = gaussian_kl(*posterior).sum(1).mean()
    kind = "non-saturating"
    taken = 0.5 * (generator_loss(scores, kind=kind) + generator_loss(fresh_scores, kind=kind))
    both = torch.cat([scores, fresh_scores]).detach()
    assert taken.item() == pytest.approx(-both.sigmoid().log().mean().item(), rel=1e-5)

    def reached(loss):
        parts = (model.encoder, model.decoder, judge)
        found = []
        for part in parts:
            grads = torch.autograd.grad(
                loss, [*part.parameters()], retain_graph=True, allow_unused=True
            )
            found.append(any(grad is not None and bool(grad.any()) for grad in grads))
        return found

    assert reached(divergence) == [True, False, False]
    assert reached(like) == [True, True, True]  # the third must be held back
    assert reached(taken) == [True, True, True]  # the first and the third must be
    told = discriminator_loss(judge(images), judge(again.detach()), kind=kind)
    assert reached(told) == [False, False, True]
    # Each loss with `only`, as in the loop: the others keep nothing.
    eta, numbers = 2.0, features[0].numel()
    (like + 0.7 * divergence).backward(inputs=[*model.encoder.parameters()], retain_graph=True)
    (eta / numbers * like + taken).backward(inputs=[*model.decoder.parameters()])
    assert all(
        p.grad is not None for p in [*model.encoder.parameters(), *model.decoder.parameters()]
    )
    assert all(p.grad is None for p in judge.parameters())


@pytest.mark.equation("eq-inverse-encoder")
def test_the_best_answer_is_a_mean_of_codes():
    """A generator with few outcomes, so that the best answer is a table; then z squared."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=200_000)
    drawn = np.floor(z)  # all codes between two whole numbers draw the same
    table = {x: z[drawn == x].mean() for x in (-2, -1, 0, 1)}
    for x, answer in table.items():
        own = z[drawn == x]
        errors = [((own - a) ** 2).mean() for a in np.linspace(x, x + 1, 101)]
        assert x + np.argmin(errors) / 100 == pytest.approx(answer, abs=0.006)
        mass = norm.cdf(x + 1) - norm.cdf(x)
        assert answer == pytest.approx((norm.pdf(x) - norm.pdf(x + 1)) / mass, abs=0.01)
    near = np.abs(z**2 - 4) < 0.2
    assert z[near].mean() == pytest.approx(0, abs=0.06)


class Linear(nn.Module):
    """G(z) = W z + b as a picture of 1x2x3."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias, self.latent_dim = weight, bias, weight.shape[1]

    def forward(self, z):
        return (z @ self.weight.T + self.bias).view(len(z), 1, 2, 3)


@pytest.mark.equation("eq-inversion")
@pytest.mark.equation("eq-inversion-residual")
@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_the_descent_finds_the_closed_form(weight):
    torch.manual_seed(0)
    generator = Linear(torch.randn(6, 2), torch.randn(6))
    x = torch.randn(4, 1, 2, 3)
    found = invert(generator, x, start=torch.zeros(4, 2), steps=1500, prior_weight=weight)
    w, away = generator.weight.double().numpy(), (x.flatten(1) - generator.bias).double().numpy()
    noise = weight * 6 / (2 * 2)
    exact = away @ w @ np.linalg.inv(w.T @ w + noise * np.eye(2))
    # The smallest value of the objective, and the place where it is reached.
    value = lambda z: ((z @ w.T - away) ** 2).mean(1) + weight / 4 * (z**2).sum(1)  # noqa: E731
    for _ in range(20):
        other = exact + 0.1 * np.random.default_rng(_).normal(size=exact.shape)
        assert (value(exact) <= value(other)).all()
    if noise:
        posterior = np.linalg.inv(np.eye(2) + w.T @ w / noise) @ w.T @ away.T / noise
        assert exact == pytest.approx(posterior.T)
    else:
        projection = w @ np.linalg.pinv(w)
        left = ((away - away @ projection.T) ** 2).mean(1)
        assert found.error.numpy() == pytest.approx(left, abs=1e-5)
    assert found.z.numpy() == pytest.approx(exact, abs=1e-3)
    assert found.error.numpy() == pytest.approx(((exact @ w.T - away) ** 2).mean(1), abs=1e-4)


@pytest.mark.equation("eq-auroc")
def test_the_probability_of_the_right_order():
    def by_pairs(planted, ordinary):
        pairs = [(a > b) + 0.5 * (a == b) for a in planted for b in ordinary]
        return sum(pairs) / len(pairs)

    assert by_pairs([1, 0.5], [0.5, 0.2]) == 0.875
    rng = np.random.default_rng(0)
    planted, ordinary = rng.integers(2, 12, 17), rng.integers(0, 9, 23)
    labels = np.r_[np.ones(17), np.zeros(23)]
    theirs = roc_auc_score(labels, np.r_[planted, ordinary])
    assert by_pairs(planted, ordinary) == pytest.approx(theirs)
    ours = auroc(torch.from_numpy(planted), torch.from_numpy(ordinary))
    assert ours == pytest.approx(theirs)
