"""The equations of book/math/diffusion.md: Bayes' rule by matrices, quadrature, exact Gaussians."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch.distributions import Normal, kl_divergence

from course_lib.train import FlowConfig
from course_lib.train.flow import draw_times

BETAS = np.array([0.05, 0.19, 0.3, 0.36, 0.5])
ALPHA = np.cumprod(np.sqrt(1 - BETAS))  # ALPHA[t - 1] is that of step t
SIGMA2 = 1 - ALPHA**2


def chain(num=200_000, image=1.3):
    """The forward chain from one number, step by step: (T + 1, num)."""
    rng = np.random.default_rng(0)
    states = [np.full(num, image)]
    for beta in BETAS:
        states.append(math.sqrt(1 - beta) * states[-1] + math.sqrt(beta) * rng.normal(size=num))
    return np.array(states)


def posterior(t):
    """The chapter's a, b and variance of step t >= 2."""
    a, b = ALPHA[t - 1], ALPHA[t - 2]
    return (
        a * SIGMA2[t - 2] / (b * SIGMA2[t - 1]),
        b * BETAS[t - 1] / SIGMA2[t - 1],
        SIGMA2[t - 2] / SIGMA2[t - 1] * BETAS[t - 1],
    )


@pytest.mark.equation("eq-forward-step")
@pytest.mark.equation("eq-forward-jump")
def test_many_steps_are_one():
    states = chain()
    for t in range(1, len(BETAS) + 1):
        assert states[t].mean() == pytest.approx(ALPHA[t - 1] * 1.3, abs=0.01)
        assert states[t].var() == pytest.approx(SIGMA2[t - 1], abs=0.01)
    rng = np.random.default_rng(1)
    kept = rng.normal(size=200_000)  # variance 1 stays variance 1
    kept = math.sqrt(1 - 0.36) * kept + math.sqrt(0.36) * rng.normal(size=len(kept))
    assert kept.var() == pytest.approx(1, abs=0.01)


@pytest.mark.equation("eq-forward-posterior")
@pytest.mark.parametrize("t", range(2, len(BETAS) + 1))
def test_the_way_back_by_bayes(t):
    """Against Bayes' rule on a grid, and the mean over x_t gives back the jump."""
    a, b, variance = posterior(t)
    image, here, grid = 1.3, -0.4, np.linspace(-8, 8, 16_001)
    joint = norm.pdf(grid, ALPHA[t - 2] * image, math.sqrt(SIGMA2[t - 2])) * norm.pdf(
        here, math.sqrt(1 - BETAS[t - 1]) * grid, math.sqrt(BETAS[t - 1])
    )
    joint /= np.trapezoid(joint, grid)
    mean = np.trapezoid(joint * grid, grid)
    assert mean == pytest.approx(a * here + b * image)
    assert np.trapezoid(joint * (grid - mean) ** 2, grid) == pytest.approx(variance)
    assert a * ALPHA[t - 1] + b == pytest.approx(ALPHA[t - 2])


def test_the_questions():
    first, second = 0.9, 0.9 * 0.8
    noise = 1 - second**2
    assert math.log(second**2 / noise) == pytest.approx(0.074, abs=5e-4)
    a, b = second * 0.19 / (first * noise), first * 0.36 / noise
    assert (a, b, 0.19 * 0.36 / noise) == pytest.approx((0.3156, 0.6728, 0.1420), abs=5e-5)


@pytest.mark.equation("eq-diffusion-bound")
def test_the_bound_by_its_terms_and_as_one_mean():
    """Three wrong steps back: the sum of terms is Jensen's bound, and below the likelihood."""
    steps, image = 3, 0.8
    slopes, spreads = [0.7, 0.9, 0.8], [0.5, 0.6, 0.55]  # p(x_{t-1} | x_t), any numbers
    rng = np.random.default_rng(0)
    states = [np.full(400_000, image)]
    logs = 0
    for beta in BETAS[:steps]:
        fresh = rng.normal(size=400_000)
        states.append(math.sqrt(1 - beta) * states[-1] + math.sqrt(beta) * fresh)
        logs = logs - norm.logpdf(states[-1], math.sqrt(1 - beta) * states[-2], math.sqrt(beta))
    logs = logs + norm.logpdf(states[-1])
    for t in range(1, steps + 1):
        logs = logs + norm.logpdf(states[t - 1], slopes[t - 1] * states[t], spreads[t - 1])
    last = norm.logpdf(image, slopes[0] * states[1], spreads[0]).mean()
    start = kl_divergence(
        Normal(ALPHA[steps - 1] * image, math.sqrt(SIGMA2[steps - 1])), Normal(0.0, 1.0)
    ).item()
    between = 0.0
    for t in range(2, steps + 1):
        a, b, variance = posterior(t)
        q = Normal(torch.tensor(a * states[t] + b * image), math.sqrt(variance))
        p = Normal(torch.tensor(slopes[t - 1] * states[t]), spreads[t - 1])
        between += kl_divergence(q, p).mean().item()
    error = logs.std() / len(logs) ** 0.5
    assert logs.mean() == pytest.approx(last - start - between, abs=5 * error)
    variance = 1.0
    for s, d in zip(slopes[::-1], spreads[::-1], strict=True):
        variance = s**2 * variance + d**2
    assert logs.mean() < norm.logpdf(image, 0, math.sqrt(variance))


@pytest.mark.equation("eq-step-divergence")
@pytest.mark.parametrize("t", range(2, len(BETAS) + 1))
def test_a_step_costs_what_it_wins_in_ratio(t):
    a, b, variance = posterior(t)
    image, guess, here = 0.8, 0.3, -0.4
    q = Normal(a * here + b * image, math.sqrt(variance))
    p = Normal(a * here + b * guess, math.sqrt(variance))
    ratios = ALPHA**2 / SIGMA2
    cost = 0.5 * (ratios[t - 2] - ratios[t - 1]) * (image - guess) ** 2
    assert kl_divergence(q, p).item() == pytest.approx(cost)
    assert b**2 / (2 * variance) * (image - guess) ** 2 == pytest.approx(cost)


def rectangles(steps, first=1000.0, last=0.001):
    ratios = np.geomspace(first, last, steps + 1)
    return (0.5 * (ratios[:-1] - ratios[1:]) / (1 + ratios[1:])).sum()


@pytest.mark.equation("eq-diffusion-example")
def test_the_cost_of_few_steps():
    """The table; the information by the joint covariance; a chain's divergences one by one."""
    need = 0.5 * math.log(1001 / 1.001)
    for steps, cost, more in ((1, 499.5, 496.0), (10, 6.71, 3.26), (100, 3.667, 0.213)):
        assert rectangles(steps) == pytest.approx(cost, abs=0.006 if steps < 100 else 6e-4)
        assert rectangles(steps) - need == pytest.approx(more, abs=0.06 if steps < 10 else 0.006)
    assert rectangles(1000) == pytest.approx(3.474, abs=6e-4)
    assert rectangles(1000) - need == pytest.approx(0.020, abs=6e-4)
    # I(x; x_1) - I(x; x_T), by determinants.
    inform = []
    for ratio in (1000.0, 0.001):
        alpha = math.sqrt(ratio / (1 + ratio))
        inform.append(-0.5 * math.log(np.linalg.det([[1, alpha], [alpha, 1]])))
    assert inform[0] - inform[1] == pytest.approx(need)
    # A step's mean divergence from draws.
    rng = np.random.default_rng(0)
    image, noise = rng.normal(size=(2, 400_000))
    a, b, variance = posterior(3)
    here = ALPHA[2] * image + math.sqrt(SIGMA2[2]) * noise
    cost = b**2 / (2 * variance) * (image - ALPHA[2] * here) ** 2
    ratios = ALPHA**2 / SIGMA2
    assert cost.mean() == pytest.approx(0.5 * (ratios[1] - ratios[2]) / (1 + ratios[2]), rel=0.01)


def error(level, width=0.5):
    """Mean squared error of the best guess at a level, for a bell of this deviation."""
    alpha2 = 1 / (1 + math.exp(-level))
    return 1 / (1 / width**2 + alpha2 / (1 - alpha2))


@pytest.mark.equation("eq-bound-integral")
def test_rectangles_become_an_integral():
    """Of x and of the noise, on two schedules, for data that are not of variance 1."""
    low, high = -6.0, 6.0
    by_image = quad(lambda level: 0.5 * math.exp(level) * error(level), low, high)[0]
    exact = 0.5 * math.log((1 + 0.25 * math.exp(high)) / (1 + 0.25 * math.exp(low)))
    assert by_image == pytest.approx(exact)
    for bend in (1.0, 1.7):  # two schedules between the same ends
        levels = high - (high - low) * np.linspace(0, 1, 40_001) ** bend
        ratios = np.exp(levels)
        errors = np.array([error(level) for level in levels[1:]])
        steps = (0.5 * (ratios[:-1] - ratios[1:]) * errors).sum()
        assert steps == pytest.approx(exact, rel=2e-3)
    # The error of the noise that belongs to a guess.
    rng = np.random.default_rng(0)
    image, noise = rng.normal(size=(2, 7))
    alpha, sigma, guess = 0.6, 0.8, rng.normal(size=7)
    implied = (alpha * image + sigma * noise - alpha * guess) / sigma
    assert (noise - implied) ** 2 == pytest.approx((alpha / sigma) ** 2 * (image - guess) ** 2)


SCHEDULES = {
    "cosine": (lambda t: math.cos(math.pi * t / 2), lambda t: math.sin(math.pi * t / 2)),
    "straight": (lambda t: 1 - t, lambda t: t),
}


def level(kind, t):
    alpha, sigma = (f(t) for f in SCHEDULES[kind])
    return 2 * math.log(alpha / sigma)


@pytest.mark.equation("eq-loss-weight")
@pytest.mark.equation("eq-loss-weights-in-use")
@pytest.mark.parametrize(
    ("kind", "factor", "weight"),
    [
        ("cosine", lambda a, s: 1, lambda lam: 1 / (math.pi * math.cosh(lam / 2))),
        ("cosine", lambda a, s: 1 / a**2, lambda lam: 2 / math.pi * math.exp(-lam / 2)),
        ("straight", lambda a, s: 1 / a**2, lambda lam: math.exp(-lam / 2)),
    ],
    ids=["noise", "v", "flow"],
)
def test_what_the_losses_weigh(kind, factor, weight):
    """The mean over uniform times of a loss, and the weighted integral, for one error by level."""
    missed = lambda lam: 1 / (1 + math.exp(0.3 * lam)) + 0.2  # noqa: E731
    ends = (0.02, 0.97)

    def plain(t):
        alpha, sigma = (f(t) for f in SCHEDULES[kind])
        return factor(alpha, sigma) * missed(level(kind, t))

    mean = quad(plain, *ends)[0]
    levels = sorted(level(kind, t) for t in ends)
    assert mean == pytest.approx(quad(lambda x: 0.5 * weight(x) * missed(x), *levels)[0])
    # The factors, from v and the velocity themselves.
    alpha, sigma = (f(0.3) for f in SCHEDULES[kind])
    image, noise, guess = 0.7, -1.1, 0.2
    seen = alpha * image + sigma * noise
    implied = (seen - alpha * guess) / sigma
    if kind == "straight":
        off = (noise - image) - (implied - guess)
    else:
        off = (alpha * noise - sigma * image) - (alpha * implied - sigma * guess)
    assert off**2 == pytest.approx((noise - implied) ** 2 / alpha**2)


@pytest.mark.equation("eq-logit-normal-weight")
def test_what_logit_normal_times_weigh():
    """The flow's loss over such times against the weighted integral; a hill, and no mixture."""
    weight = lambda lam: norm.pdf(lam / 2) * (1 + math.exp(-lam / 2)) ** 2  # noqa: E731
    missed = lambda lam: 1 / (1 + math.exp(0.3 * lam)) + 0.2  # noqa: E731

    def plain(t):  # t from the image
        return missed(level("straight", t)) / (1 - t) ** 2

    mean = quad(lambda z: norm.pdf(z) * plain(1 / (1 + math.exp(-z))), -9, 9)[0]
    assert mean == pytest.approx(quad(lambda x: 0.5 * weight(x) * missed(x), -18, 18)[0])
    torch.manual_seed(0)
    drawn = 1 - draw_times(400_000, FlowConfig(steps=1).times).double().numpy()
    errors = np.array([plain(t) for t in drawn if t < 0.95])  # the rest has a long tail
    below = quad(lambda x: 0.5 * weight(x) * missed(x), level("straight", 0.95), 18)[0]
    error = errors.std() / len(errors) ** 0.5
    assert errors.sum() / len(drawn) == pytest.approx(below, abs=6 * error)
    for place, height in ((-8, 0.41), (-6, 1.97), (-4, 3.80), (-3.4, 3.94), (-2, 3.35),
                          (0, 1.60), (4, 0.07)):  # fmt: skip
        assert weight(place) == pytest.approx(height, abs=5e-3)
    levels = np.linspace(-20, 20, 4001)
    heights = np.array([weight(x) for x in levels])
    top = np.argmax(heights)
    assert levels[top] == pytest.approx(-3.4, abs=0.05)
    assert (np.diff(heights)[:top] > 0).all() and (np.diff(heights)[top:] < 0).all()
    assert math.exp(-levels[top] / 2) == pytest.approx(5, abs=0.5)  # noise beside image


@pytest.mark.equation("eq-reverse-variance")
@pytest.mark.parametrize("t", [2, 4])
def test_the_variance_of_a_step_back(t):
    """By the joint covariance, for three widths of the data; a point and a standard bell."""
    _, b, variance = posterior(t)
    for width in (0.0, 0.6, 1.0, 2.0):
        here = ALPHA[t - 1] ** 2 * width**2 + SIGMA2[t - 1]
        before = ALPHA[t - 2] ** 2 * width**2 + SIGMA2[t - 2]
        both = math.sqrt(1 - BETAS[t - 1]) * before
        of_image = width**2 - (ALPHA[t - 1] * width**2) ** 2 / here
        assert before - both**2 / here == pytest.approx(variance + b**2 * of_image)
        if width == 1:
            assert before - both**2 / here == pytest.approx(BETAS[t - 1])
