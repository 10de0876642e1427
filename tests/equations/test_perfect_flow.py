"""The equations of book/math/perfect-flow.md: Bayes' rule by counting, brute force, many draws."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from course_lib.ops import optimal_denoiser, optimal_velocity

POINTS = np.array([[1.0, 0.2], [-0.5, 1.1], [-0.8, -0.9], [0.6, -1.2], [0.1, 0.0]])


def weights(x, t, points=POINTS):
    """The chapter's softmax, (B, n)."""
    away = ((x[:, None] - t * points) ** 2).sum(2) / (2 * (1 - t) ** 2)
    grown = np.exp(-(away - away.min(1, keepdims=True)))
    return grown / grown.sum(1, keepdims=True)


def velocity(x, t, points=POINTS):
    return (weights(x, t, points) @ points - x) / (1 - t)


def draws(t, num=400_000):
    rng = np.random.default_rng(0)
    which, noise = rng.integers(0, len(POINTS), num), rng.normal(size=(num, 2))
    return which, noise, (1 - t) * noise + t * POINTS[which]


@pytest.mark.equation("eq-finite-weights")
@pytest.mark.parametrize("t", [0.3, 0.6])
def test_where_a_noisy_image_came_from(t):
    """By counting where the draws near a place came from."""
    which, _, seen = draws(t)
    for place in np.array([[0.1, 0.1], [-0.3, 0.5], [0.4, -0.6]]):
        near = ((seen - place) ** 2).sum(1) < 0.12**2
        counts = np.bincount(which[near], minlength=5) / near.sum()
        assert counts == pytest.approx(weights(place[None], t)[0], abs=4 * 0.5 / near.sum() ** 0.5)


@pytest.mark.equation("eq-finite-velocity")
def test_the_best_field_and_where_it_leads():
    """Against a table by places (the best any network can do), and followed to the end."""
    which, noise, seen = draws(0.5)
    line = POINTS[which] - noise
    cells = np.floor(seen / 0.25).astype(int)
    for cell in ([0, 0], [-2, 1], [1, -3]):
        inside = (cells == cell).all(1)
        ours = velocity(seen[inside], 0.5).mean(0)
        error = 4 * line[inside].std(0) / inside.sum() ** 0.5
        assert (np.abs(line[inside].mean(0) - ours) < error).all()
    x = np.random.default_rng(1).normal(size=(300, 2))
    for k in range(400):
        x = x + velocity(x, k / 400) / 400  # Euler; its last step is the guess itself
    nearest = np.sqrt(((x[:, None] - POINTS) ** 2).sum(2)).min(1)
    assert np.quantile(nearest, 0.97) < 1e-3
    # The numbers of the chapter.
    pair = np.array([[-1.0], [1.0]])
    share = weights(np.array([[0.2]]), 0.5, pair)[0, 1]
    assert share == pytest.approx(0.690, abs=5e-4)
    assert share == pytest.approx(1 / (1 + math.exp(-0.8)))
    assert 2 * share - 1 == pytest.approx(math.tanh(0.4))
    assert velocity(np.array([[0.2]]), 0.5, pair)[0, 0] == pytest.approx(0.360, abs=5e-4)


@pytest.mark.equation("eq-finite-floor")
@pytest.mark.parametrize("t", [0.2, 0.5, 0.8])
def test_no_loss_is_below_the_floor(t):
    which, noise, seen = draws(t)
    line, best = POINTS[which] - noise, velocity(seen, t)
    loss = ((best - line) ** 2).sum(1)
    r = weights(seen, t)
    guesses = r @ POINTS
    spread = (r * ((POINTS[None] - guesses[:, None]) ** 2).sum(2)).sum(1) / (1 - t) ** 2
    assert loss.mean() == pytest.approx(spread.mean(), rel=0.02)
    for wrong in (best + 0.1, 0.9 * best, -seen):
        assert ((wrong - line) ** 2).sum(1).mean() > loss.mean()


@pytest.mark.equation("eq-finite-odds")
@pytest.mark.equation("eq-finite-decided")
@pytest.mark.parametrize(("numbers", "t"), [(2, 0.4), (48, 0.2), (3072, 0.03)])
def test_when_the_fate_is_decided(numbers, t):
    rng = np.random.default_rng(numbers)
    own, other = rng.normal(size=(2, numbers))
    num = 4000 if numbers > 100 else 100_000
    noise = rng.normal(size=(num, numbers))
    seen = (1 - t) * noise + t * own
    odds = (((seen - t * other) ** 2).sum(1) - ((seen - t * own) ** 2).sum(1)) / (2 * (1 - t) ** 2)
    gap = np.linalg.norm(own - other)
    rho = (t * gap / (1 - t)) ** 2
    assert odds.mean() == pytest.approx(rho / 2, abs=4 * (rho / num) ** 0.5)
    assert odds.std() == pytest.approx(rho**0.5, rel=0.04)
    right = norm.cdf(t * gap / (2 * (1 - t)))
    assert (odds > 0).mean() == pytest.approx(right, abs=4 * 0.5 / num**0.5)
    if numbers > 100:
        assert gap**2 == pytest.approx(2 * numbers, rel=0.1)
    assert norm.cdf(0.5 * 2 / (2 * 0.5)) == pytest.approx(0.841, abs=5e-4)
    assert norm.cdf(4 / 3 / (2 * 2 / 3)) == norm.cdf(1)


@pytest.mark.equation("eq-local-denoiser")
def test_a_network_that_sees_one_pixel_recombines():
    """The best guess by counting, for each pixel by itself; and four images from two."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], 400_000)
    t = 0.4
    seen = (1 - t) * rng.normal(size=(400_000, 2)) + t * sign[:, None]
    for place in (-0.4, 0.1, 0.7):
        near = np.abs(seen[:, 0] - place) < 0.02
        wanted = math.tanh(t * place / (1 - t) ** 2)
        assert sign[near].mean() == pytest.approx(wanted, abs=4 / near.sum() ** 0.5)
    x = rng.normal(size=(4000, 2))
    y = x.copy()
    pair = np.array([[-1.0, -1.0], [1.0, 1.0]])
    for k in range(300):
        t = k / 300
        x = x + (np.tanh(t * x / (1 - t) ** 2) - x) / (1 - t) / 300
        y = y + velocity(y, t, pair) / 300
    kinds, counts = np.unique(np.round(x), axis=0, return_counts=True)
    assert kinds.tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert counts / 4000 == pytest.approx([0.25] * 4, abs=0.04)
    assert np.unique(np.round(y), axis=0).tolist() == pair.tolist()


@pytest.mark.parametrize("t", [0.0, 0.35, 0.9])
def test_the_package_s_best_field(t):
    x = np.random.default_rng(3).normal(size=(9, 2))
    tensors = torch.tensor(x), torch.tensor(t, dtype=torch.float64), torch.tensor(POINTS)
    assert optimal_velocity(*tensors).numpy() == pytest.approx(velocity(x, t))
    assert optimal_denoiser(*tensors).numpy() == pytest.approx(weights(x, t) @ POINTS)
