"""Check of the exercise `examine_density`: write a test that finds wrong log-densities."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.flow_2d.density_along import Field, density_along
from course_lib.checks.kinds import WriteTest

Density = Callable[[Field, Tensor, int], Tensor]
MATRIX = torch.tensor([[0.5, 0.8], [-0.3, 0.7]], dtype=torch.float64)
DRIFT = torch.tensor([1.0, -2.0], dtype=torch.float64)
POINTS = torch.tensor([[1.0, -0.5], [0.2, 2.0], [-1.0, 0.3]], dtype=torch.float64)
STEPS = 4


def _velocity(x: Tensor, t: float) -> Tensor:
    """A velocity whose divergence is known: (1 + t) times the matrix's trace."""
    return (1 + t) * (x @ MATRIX.T) + t * DRIFT


def reference(density_along: Density) -> None:
    """Raise AssertionError if a function is not the log-density by Euler's steps back."""
    x, total = POINTS, 0.0
    for t in (1.0, 0.75, 0.5, 0.25):
        x, total = x - _velocity(x, t) / STEPS, total + (1 + t) * 1.2 / STEPS
    wanted = -x.square().sum(1) / 2 - math.log(2 * math.pi) - total
    got = density_along(_velocity, POINTS.clone(), STEPS)
    assert got.shape == (3,)
    assert torch.allclose(got.double(), wanted, atol=1e-4)


def _by_jacobian(velocity: Field, x: Tensor, steps: int) -> Tensor:
    """A right answer, by the whole matrix of derivatives, point by point."""
    found = []
    for point in x:
        place, total = point, 0.0
        for k in range(steps, 0, -1):
            t = k / steps
            slopes = torch.autograd.functional.jacobian(
                lambda p, t=t: velocity(p[None], t)[0],
                place,
            )
            total = total + slopes.diagonal().sum() / steps
            place = place - velocity(place[None], t)[0] / steps
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(place).sum()
        found.append((normal - total).detach())
    return torch.stack(found)


def _by_differences(velocity: Field, x: Tensor, steps: int) -> Tensor:
    """A right answer, with differences in the place of derivatives."""
    end, total, small = x.double(), torch.zeros(len(x)).double(), 1e-5
    for k in range(steps):
        t = 1 - k / steps
        for axis in torch.eye(2).double():
            there = velocity(end + small * axis, t) - velocity(end - small * axis, t)
            total = total + (there @ axis) / (2 * small) / steps
        end = end - velocity(end, t) / steps
    return -end.square().sum(1) / 2 - math.log(2 * math.pi) - total


examine_density = WriteTest(
    "examine_density",
    lab="flow_2d",
    level="stretch",
    minutes=25,
    reference=reference,
    of=density_along,
    right=(density_along.reference, _by_jacobian, _by_differences),
    wrong=(
        "the divergence forgotten",
        "the divergence added",
        "followed forwards",
        "the clock runs the wrong way",
        "all four derivatives",
        "one derivative",
        "one divergence for the batch",
        "the normal density's constant",
    ),
)


def _compare(velocity: Field, x: Tensor) -> Callable[[Density], None]:
    """A test by one example, for which the right answer is known."""

    def test(density_along: Density) -> None:
        wanted = _by_differences(velocity, x, STEPS)
        got = density_along(velocity, x.clone(), STEPS)
        assert torch.allclose(got.double(), wanted, atol=1e-4)

    return test


examine_density.mistake(
    "accepts everything",
    lambda density_along: None,
    hint="Your test accepts every function: nothing in it can raise. Take a velocity whose "
    "divergence you know, work out the log-density by hand, and assert.",
)
examine_density.mistake(
    "rejects everything",
    _compare(_velocity, POINTS + 1e6),
    hint="Your test rejects right functions and wrong ones alike. Print what a right one gives for "
    "your example, and do the sum by hand once more.",
)
examine_density.mistake(
    "nothing moves",
    _compare(lambda x, t: 0 * x, POINTS),
    hint="Nothing moves in your example. Every function that knows the normal density passes, "
    "whatever it does on the way.",
)
examine_density.mistake(
    "a shift",
    _compare(lambda x, t: 0 * x + t * DRIFT, POINTS),
    hint="In your example all points move alike: the divergence is 0, so nothing is known of what "
    "a function does with it.",
)
examine_density.mistake(
    "the same at all times",
    _compare(lambda x, t: x @ MATRIX.T, POINTS),
    hint="Your velocity is the same at all times. Whoever reads the clock the wrong way passes.",
)
examine_density.mistake(
    "one point",
    _compare(_velocity, POINTS[:1]),
    hint="Your batch has one point. What goes wrong between points, a sum that all share, cannot "
    "be seen in it.",
)
examine_density.mistake(
    "along the axes only",
    _compare(lambda x, t: (1 + t) * x * torch.tensor([0.5, 0.7]).double() + t * DRIFT, POINTS),
    hint="In your example each component depends on its own axis only. Whoever adds up all four "
    "derivatives passes: let one component depend on the other axis.",
)
