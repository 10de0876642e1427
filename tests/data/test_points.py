"""Points in the plane: their moments, their density, and the same seed gives the same points."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from scipy.stats import multivariate_normal

from course_lib import data

DRAW = {
    "ring": data.ring,
    "grid": data.grid,
    "two moons": data.two_moons,
    "spiral": data.spiral,
}


@pytest.mark.parametrize("name", DRAW)
def test_the_same_seed_gives_the_same_points(name):
    draw = DRAW[name]
    assert draw(50, seed=3).shape == (50, 2) and draw(50, seed=3).dtype == torch.float32
    assert torch.equal(draw(50, seed=3), draw(50, seed=3))
    assert not torch.equal(draw(50, seed=3), draw(50, seed=4))
    assert draw(0).shape == (0, 2)
    state = torch.random.get_rng_state()
    draw(5)
    assert torch.equal(state, torch.random.get_rng_state())  # nobody else's dice are touched
    with pytest.raises(ValueError, match="negative"):
        draw(-1)


def test_centres():
    ring = data.ring_centres(8, 2.0)
    assert ring.norm(dim=1).tolist() == pytest.approx([2] * 8)
    assert (ring[0] - ring[1]).norm().item() == pytest.approx(4 * math.sin(math.pi / 8))
    assert ring.mean(0).abs().max() < 1e-6
    grid = data.grid_centres(5, 1.0)
    assert grid.shape == (25, 2) and grid.min() == -2 and grid.max() == 2
    assert torch.cdist(grid, grid).add(9 * torch.eye(25)).min() == 1
    assert data.grid_centres(1).tolist() == [[0, 0]] and data.ring_centres(1).shape == (1, 2)


@pytest.mark.parametrize(("name", "std"), [("ring", 0.02), ("grid", 0.05)])
def test_a_mixture_has_its_weights_and_deviation(name, std):
    centres = data.ring_centres() if name == "ring" else data.grid_centres()
    points = DRAW[name](20_000)
    distance, nearest = torch.cdist(points, centres).min(1)
    share = torch.bincount(nearest, minlength=len(centres)) / len(points)
    assert (share * len(centres) - 1).abs().max() < 0.2
    assert distance.square().mean().sqrt().item() == pytest.approx(std * math.sqrt(2), rel=0.03)


def test_the_density_is_scipys():
    centres, std = data.ring_centres(3, 1.0), 0.4
    x = torch.randn(7, 2, dtype=torch.float64)
    wanted = np.mean(
        [multivariate_normal(c.numpy(), std**2 * np.eye(2)).pdf(x) for c in centres], axis=0
    )
    got = data.mixture_log_density(x, centres, std)
    assert got.exp().tolist() == pytest.approx(wanted.tolist(), rel=1e-5)

    def density(y, x):
        at = torch.tensor([x, y], dtype=torch.float64)
        return data.mixture_log_density(at, centres, std).exp().item()

    assert dblquad(density, -3, 3, -3, 3, epsabs=1e-4)[0] == pytest.approx(1, abs=1e-3)
    assert data.mixture_log_density(torch.full((2,), 1e4), centres, std).isfinite()


def test_curves_lie_where_they_should():
    moons = data.two_moons(4000, std=0.0)
    upper = (moons + torch.tensor([0.5, 0.25])).norm(dim=1)
    lower = (moons + torch.tensor([-0.5, -0.25])).norm(dim=1)
    assert torch.minimum((upper - 1).abs(), (lower - 1).abs()).max() < 1e-5
    assert moons.mean(0).abs().max() < 0.05  # around the origin
    radius = data.spiral(4000, std=0.0).norm(dim=1)
    assert radius.min() >= 0.5 - 1e-5 and radius.max() <= 2 + 1e-5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.ring_centres(0), "at least one"),
        (lambda: data.grid_centres(0), "at least one"),
        (lambda: data.ring(5, std=-1.0), "negative"),
        (lambda: data.mixture_log_density(torch.zeros(2), data.ring_centres(), 0.0), "positive"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
