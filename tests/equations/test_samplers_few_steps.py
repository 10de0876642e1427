"""The flow map of book/math/samplers.md: a bell in three dimensions, whose paths are known."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad_vec, solve_ivp

MEAN = np.array([2.0, -1.0, 0.5])  # the first direction is the chapter's bell
STD = np.array([0.5, 1.7, 0.9])
START = np.array([1.0, -0.6, 1.4])
SPANS = [(0.0, 1.0), (0.2, 0.7), (0.55, 1.0)]


def spread(t):
    return ((t * STD) ** 2 + (1 - t) ** 2) ** 0.5


def field(t, x):
    return MEAN + (t * STD**2 - (1 - t)) / spread(t) ** 2 * (x - t * MEAN)


def flow_map(t, r, x):
    return r * MEAN + spread(r) / spread(t) * (x - t * MEAN)


def mean_velocity(t, r, x):
    return (flow_map(t, r, x) - x) / (r - t)


def path(t=0.0, r=1.0, x=START):
    """The path as SciPy finds it from the field: a function of time."""
    return solve_ivp(field, (t, r), x, rtol=1e-11, atol=1e-12, dense_output=True).sol


@pytest.mark.equation("eq-flow-map")
@pytest.mark.parametrize(("t", "r"), SPANS)
def test_the_flow_map(t, r):
    way = path(t, r)
    added, _ = quad_vec(lambda s: field(s, way(s)), t, r)
    assert flow_map(t, r, START) == pytest.approx(way(r), abs=1e-7)
    assert START + added == pytest.approx(flow_map(t, r, START), abs=1e-7)
    stop = 0.3 * t + 0.7 * r
    in_parts = flow_map(stop, r, flow_map(t, stop, START))
    assert in_parts == pytest.approx(flow_map(t, r, START))
    assert abs(added - (r - t) * field(t, START)).max() > 0.02  # one step of Euler is not exact


def lines(t, x, num):
    """Images and noises (num, 3) of lines that pass x at t: normal, given their weighted sum."""
    rng = np.random.default_rng(0)
    image = MEAN + STD * rng.normal(size=(num, 3))
    noise = rng.normal(size=(num, 3))
    miss = (x - t * image - (1 - t) * noise) / spread(t) ** 2  # conditioning by Matheron's rule
    return image + t * STD**2 * miss, noise + (1 - t) * miss


def test_the_end_of_a_line_is_not_the_end_of_the_path():
    """The mean image of the lines at x is the denoiser's; in the chapter's numbers, 2 and 2.5."""
    t, num = 0.4, 40_000
    image, noise = lines(t, START, num)
    assert t * image + (1 - t) * noise == pytest.approx(np.tile(START, (num, 1)))
    error = image.std(0) / num**0.5
    denoised = START + (1 - t) * field(t, START)
    assert (abs(image.mean(0) - denoised) < 4 * error).all()
    assert (abs(image.mean(0) - flow_map(t, 1, START)) > 20 * error).any()
    assert (START + field(0, START))[0] == 2
    assert flow_map(0, 1, START)[0] == 2.5


@pytest.mark.equation("eq-consistency")
def test_all_points_of_a_path_have_one_end():
    way = path()
    ends = np.stack([flow_map(t, 1, way(t)) for t in (0.0, 0.3, 0.6, 0.95, 1.0)])
    assert ends == pytest.approx(np.tile(way(1), (5, 1)), abs=1e-7)
    assert flow_map(1, 1, START) == pytest.approx(START)  # a constant would not do this
    other = path(x=START + [0.4, 0, 0])
    assert abs(flow_map(0.6, 1, other(0.6)) - ends[0]).max() > 0.1
    # Without a teacher: the mean of the answers at r on the lines through x_t, for lines so close
    # that it is right in the limit, where the error falls by 4 if the distance is halved.
    t, misses = 0.4, []
    image, noise = lines(t, START, 20_000)
    for r in (0.48, 0.44):
        answers = flow_map(r, 1, r * image + (1 - r) * noise)
        told = flow_map(r, 1, START + (r - t) * field(t, START))
        assert (abs(answers.mean(0) - told) < 4 * answers.std(0) / len(answers) ** 0.5).all()
        misses.append(told - flow_map(t, 1, START))
    assert (abs(misses[0]) > 5e-4).all()
    assert misses[0] / misses[1] == pytest.approx(np.full(3, 4.0), abs=0.5)
    # A second pass: fresh noise on an answer has the right density, and so has the new answer.
    rng = np.random.default_rng(1)
    first = flow_map(0, 1, rng.normal(size=(40_000, 3)))
    second = flow_map(t, 1, t * first + (1 - t) * rng.normal(size=first.shape))
    assert abs(second.mean(0) - MEAN).max() < 4 * STD.max() / 200
    assert second.std(0) == pytest.approx(STD, rel=0.02)


@pytest.mark.equation("eq-mean-velocity")
@pytest.mark.parametrize(("t", "r"), SPANS)
def test_the_mean_velocity(t, r):
    way = path(t, r)
    mean = quad_vec(lambda s: field(s, way(s)), t, r)[0] / (r - t)
    assert mean_velocity(t, r, START) == pytest.approx(mean, abs=1e-7)
    assert START + (r - t) * mean == pytest.approx(way(r), abs=1e-7)
    assert mean_velocity(t, t + 1e-6, START) == pytest.approx(field(t, START), abs=1e-5)


def derivatives(t, r, x):
    """By automatic differentiation: the derivative by t, and by x (3, 3)."""
    mean, std = torch.from_numpy(MEAN), torch.from_numpy(STD)

    def said(at, time):
        now, then = (((s * std) ** 2 + (1 - s) ** 2).sqrt() for s in (time, torch.tensor(r)))
        return (r * mean + then / now * (at - time * mean) - at) / (r - time)

    inputs = torch.from_numpy(x), torch.tensor(t, dtype=torch.float64)
    by_place, by_time = torch.autograd.functional.jacobian(said, inputs)
    return by_time.numpy(), by_place.numpy()


@pytest.mark.equation("eq-mean-flow")
@pytest.mark.parametrize(("t", "r"), [(0.2, 0.7), (0.55, 1.0)])
def test_the_identity_of_the_mean_velocity(t, r):
    """The derivative along the path in two ways, and the mean over lines that training takes."""
    by_time, by_place = derivatives(t, r, START)
    total = by_time + by_place @ field(t, START)
    way, h = path(t - 0.05, r, flow_map(t, t - 0.05, START)), 1e-4
    ends = [mean_velocity(t + s, r, way(t + s)) for s in (h, -h)]
    assert total == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-5)
    exact = quad_vec(lambda s: field(s, way(s)), t, r)[0] / (r - t)
    assert field(t, START) + (r - t) * total == pytest.approx(exact, abs=1e-6)
    assert abs((r - t) * total).max() > 0.1
    image, noise = lines(t, START, 40_000)
    one = image - noise
    target = one + (r - t) * (by_time + one @ by_place.T)
    assert (abs(target.mean(0) - exact) < 4 * target.std(0) / 200).all()
    assert (target.std(0) > 0.05).all()


def test_the_numbers_of_the_section():
    first = START[0], field(0, START)[0], mean_velocity(0, 1, START)[0]
    assert first == pytest.approx((1, 1, 1.5))
    by_time, by_place = derivatives(0.0, 1.0, START)
    assert (by_time + by_place @ field(0, START))[0] == pytest.approx(0.5)
    once = START + field(0, START) / 2
    student = START + (once + field(0.5, once) / 2 - START)  # one step for the teacher's two
    assert student[0] == pytest.approx(2.2)
    there = np.array([1.0, 0, 0])
    assert flow_map(0.5, 1, there)[0] == pytest.approx(2)
    assert mean_velocity(0.5, 1, there)[0] == pytest.approx(2)
