"""The gap of a velocity on a finite set, against a brute-force computation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from course_lib.metrics import velocity_gap
from course_lib.ops import optimal_velocity

POINTS = torch.tensor([[1.0, 0.0], [-0.5, 0.9], [-0.4, -1.1]])


def best(x: Tensor, t: Tensor) -> Tensor:
    return optimal_velocity(x, t, POINTS)


def test_the_best_velocity_has_no_gap() -> None:
    found = velocity_gap(best, POINTS, num=500)
    assert found.loss == pytest.approx(found.floor, abs=1e-3)
    assert max(found.distance) < 1e-4
    assert found.floor[-1] < 0.01 < found.floor[0]  # at the end one knows the point


def test_an_error_of_known_size_is_the_gap() -> None:
    found = velocity_gap(lambda x, t: best(x, t) + 0.3, POINTS, num=20_000, bins=4)
    assert found.distance == pytest.approx([0.09] * 4, rel=1e-4)
    for gap, error in zip(found.gap, found.error, strict=True):
        assert abs(gap - 0.09) < 4 * error + 1e-4
        assert error < 0.01


def test_loss_and_floor_are_brute_force_means() -> None:
    """One bin, velocity 0: the loss is that of the lines, the floor by a sum over the set."""
    found = velocity_gap(lambda x, t: torch.zeros_like(x), POINTS, num=40_000, bins=1)
    # E |x - e|² / 2 = (E |x|² + 2) / 2
    assert found.loss[0] == pytest.approx((POINTS.square().sum(1).mean().item() + 2) / 2, rel=0.02)
    rng = torch.Generator().manual_seed(9)
    total = 0.0
    for _ in range(3000):
        which = int(torch.randint(3, (), generator=rng))
        noise = torch.randn(2, generator=rng, dtype=torch.float64)
        t = min(float(torch.rand((), generator=rng)), 0.999)
        x = t * POINTS[which].double() + (1 - t) * noise
        r = [-float((x - t * p.double()).square().sum()) / (2 * (1 - t) ** 2) for p in POINTS]
        shares = [math.exp(one - max(r)) for one in r]
        guess = sum(s * p.double() for s, p in zip(shares, POINTS, strict=True)) / sum(shares)
        total += float((POINTS[which] - guess).square().sum()) / (1 - t) ** 2 / 2
    assert found.floor[0] == pytest.approx(total / 3000, rel=0.1)


def test_on_unseen_data_the_best_of_the_set_can_be_beaten() -> None:
    unseen = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    # what is right for a standard normal distribution
    found = velocity_gap(
        lambda x, t: ((2 * t - 1) / (t**2 + (1 - t) ** 2))[:, None] * x,
        POINTS,
        data=unseen,
    )
    assert all(gap < -3 * error for gap, error in zip(found.gap, found.error, strict=True))


def test_pictures_odd_sizes_and_the_same_seed() -> None:
    pictures = torch.randn(5, 1, 3, 2)
    runs = [velocity_gap(lambda x, t: -x, pictures, bins=3, num=7, batch_size=b) for b in (7, 7)]
    assert runs[0] == runs[1] and len(runs[0].gap) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": torch.zeros(0, 2)}, "at least one"),
        ({"data": torch.zeros(4, 3)}, "alike behind"),
        ({"num": 1}, "num 1"),
        ({"bins": 0}, "bins is 0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        velocity_gap(best, **{"points": POINTS, **change})
