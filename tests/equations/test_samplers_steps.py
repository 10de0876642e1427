"""The steps of book/math/samplers.md: the last one, unequal ones, and the noise of a diffusion."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.stats import norm

from course_lib.models.flow import FIRST
from course_lib.ops import convert, optimal_velocity, solve, time_steps

M, C = 2.0, 0.5  # the chapter's bell


def field(t, x, m=M, c=C):
    return m + (t * c**2 - (1 - t)) / ((t * c) ** 2 + (1 - t) ** 2) * (x - t * m)


@pytest.mark.equation("eq-heun-grain")
def test_half_of_the_last_noise_stays():
    """Three images of five numbers: their exact field before time 1, a regression's answer at 1."""
    rng, h, num = np.random.default_rng(0), 0.1, 6000
    images = 2 * rng.normal(size=(3, 5))
    which = rng.integers(3, size=num)
    x, noise = images[which], rng.normal(size=(num, 5))
    answers = np.stack([(x - noise)[which == k].mean(0) for k in range(3)])
    error = 1 / math.sqrt(num / 3)
    assert abs(answers - images).max() < 4 * error  # image minus nothing
    assert abs(answers - images).max() > 0
    points, clean = torch.from_numpy(images), torch.from_numpy(x)

    def velocity(at, t):
        return at if t == 1 else optimal_velocity(at, t, points)

    start = torch.from_numpy((1 - h) * x + h * noise)
    times = torch.tensor([1 - h, 1.0], dtype=torch.float64)
    ends = solve(velocity, start, times, solver="heun")
    grain = (x + h / 2 * noise) - ends.numpy()
    assert abs(grain).max() < 1e-6
    cured = solve(velocity, start, times, solver="heun", last_euler=True)
    assert torch.allclose(cured, clean, atol=1e-6)
    # Those that name the noise, or v, can say 0 only, and that is the same velocity.
    for word in ("noise", "v"):
        said = convert(torch.zeros_like(clean), clean, times[1], given=word, wanted="velocity")
        assert torch.allclose(said, clean)


def along(u, times, x):
    """Euler's steps along times that need not be equal."""
    for t, r in zip(times[:-1], times[1:], strict=True):
        x = x + (r - t) * u(t, x)
    return x


@pytest.mark.equation("eq-rho-spacing")
@pytest.mark.parametrize(("rho", "num"), [(7.0, 10), (3.0, 6), (1.0, 5)])
def test_levels_whose_roots_are_equally_spaced(rho, num):
    from diffusers import EDMEulerScheduler

    high, low = 80.0, 0.002
    peer = EDMEulerScheduler(sigma_min=low, sigma_max=high, rho=rho)
    peer.set_timesteps(num)
    place = np.arange(num) / (num - 1)
    levels = (high ** (1 / rho) + place * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    times = np.append(1 / (1 + levels), 1.0)
    theirs = peer.sigmas.double().numpy()
    assert (1 - times) / times == pytest.approx(theirs, rel=1e-4, abs=1e-9)
    roots = levels ** (1 / rho)
    assert np.diff(roots) == pytest.approx(np.full(num - 1, roots[1] - roots[0]))
    if rho == 1:
        assert np.diff(levels) == pytest.approx(np.full(num - 1, (low - high) / (num - 1)))
    if rho == 7:
        steps = np.diff(times)
        longest = steps.argmax()
        assert 0 < longest < len(steps) - 1
        assert steps[0] < steps[longest] / 10 and steps[-1] < steps[longest] / 10
        last = []  # the last step to the lowest level is the shorter, the larger rho
        for other in (1.0, 2.0, 4.0, 7.0, 20.0):
            there = (high ** (1 / other) + place * (low ** (1 / other) - high ** (1 / other)))[-2]
            last.append(there**other - low)
        assert (np.diff(last) < 0).all()


@pytest.mark.equation("eq-time-shift")
@pytest.mark.parametrize("shift", [0.4, 1.0, 3.0, 7.5])
def test_shifted_times(shift):
    """The package's times, the two forms of the equation, and the numbers of the section."""
    equal = np.linspace(0, 1, 8)
    times = time_steps(7, shift=shift).double().numpy()
    assert times == pytest.approx(equal / (equal + shift * (1 - equal)), abs=1e-7)
    inner, before = times[1:-1], equal[1:-1]
    assert (1 - inner) / inner == pytest.approx(shift * (1 - before) / before, rel=1e-5)
    steps = np.diff(times)
    if shift != 1:
        assert ((np.diff(steps) > 0) == (shift > 1)).all()  # the shorter steps are near noise


def test_the_numbers_of_unequal_steps():
    assert FIRST == 0.02  # where the course begins if the network names the noise
    assert time_steps(4, shift=3.0).tolist() == pytest.approx([0, 0.1, 0.25, 0.5, 1])
    two = time_steps(2, shift=3.0).tolist()
    assert two == pytest.approx([0, 0.25, 1])
    wide = lambda t, x: field(t, x, 0.0, 3.0)  # noqa: E731
    assert along(wide, [0, 0.5, 1], 1.0) == pytest.approx(0.9)
    assert along(wide, two, 1.0) == pytest.approx(1.5)
    assert along(field, [0, 0.5, 1], 1.0) == pytest.approx(2.2)
    assert along(field, two, 1.0) == pytest.approx(2.08, abs=5e-3)
    # Where the path of a bell bends: the second derivative, and the place of the least deviation.
    for c in (0.5, 3.0):
        deviation = lambda t, c=c: np.sqrt((t * c) ** 2 + (1 - t) ** 2)  # noqa: E731
        grid, h = np.linspace(0.01, 0.99, 981), 1e-4
        bend = (deviation(grid + h) - 2 * deviation(grid) + deviation(grid - h)) / h**2
        assert bend == pytest.approx(c**2 / deviation(grid) ** 3, rel=1e-4)
        assert grid[bend.argmax()] == pytest.approx(1 / (1 + c**2), abs=2e-3)
    pixels = np.random.default_rng(0).normal(size=(20_000, 2, 2))
    assert pixels.mean((1, 2)).std() == pytest.approx(0.5, rel=0.02)


PAIRS = {  # alpha, sigma and g² as the chapter gives it; the last is no path of the course
    "straight": (lambda t: t, lambda t: 1 - t, lambda t: 2 * (1 - t) / t),
    "cosine": (
        lambda t: np.sin(np.pi * t / 2),
        lambda t: np.cos(np.pi * t / 2),
        lambda t: np.pi / np.tan(np.pi * t / 2),
    ),
    "other": (lambda t: t**2, lambda t: (1 - t) ** 1.5 + 0 * t, None),
}


def diffusion_noise(path, t):
    """g² from alpha, sigma and their rates, which are derived by a complex step."""
    alpha, sigma, _ = PAIRS[path]
    rate = lambda f: f(t + 1e-20j).imag / 1e-20  # noqa: E731
    return 2 * sigma(t) * (rate(alpha) * sigma(t) - alpha(t) * rate(sigma)) / alpha(t)


def fresh(before, after):
    """The deviation of an ancestral step's new noise, as the chapter gives it."""
    (a, s), (b, r) = before, after
    return math.sqrt(r**2 * (1 - a**2 * r**2 / (b**2 * s**2)))


@pytest.mark.equation("eq-diffusion-noise")
@pytest.mark.parametrize("path", PAIRS)
def test_the_noise_of_the_way_out(path):
    """The way out with it has the right share of the image and the right variance at each time."""
    alpha, sigma, given = PAIRS[path]
    start = 0.9

    def out(gone, state):
        t = start - gone
        share, variance = state
        shrink = alpha(t + 1e-20j).imag / 1e-20 / alpha(t)
        g2 = given(t) if given else diffusion_noise(path, t)
        return [-shrink * share, -2 * shrink * variance + g2]

    first = [alpha(start), sigma(start) ** 2]
    seen = solve_ivp(out, (0, 0.7), first, t_eval=[0.3, 0.7], rtol=1e-9, atol=1e-11).y.T
    for t, (share, variance) in zip((0.6, 0.2), seen, strict=True):
        assert share == pytest.approx(alpha(t), rel=1e-6)
        assert variance == pytest.approx(sigma(t) ** 2, rel=1e-6)
        if given:
            assert given(t) == pytest.approx(diffusion_noise(path, t))
        h = 1e-5  # a short ancestral step draws it
        part = fresh((alpha(t), sigma(t)), (alpha(t + h), sigma(t + h)))
        assert part**2 / h == pytest.approx(diffusion_noise(path, t), rel=1e-3)
    if given:
        assert given(1e-6) > 1e5 and given(1 - 1e-9) < 1e-8


def test_the_way_out_turned_round():
    """Its drift, turned round by Anderson's rule, is that of the equation; and what overshoots."""
    for t, x in ((0.2, 1.3), (0.7, -0.4)):
        score = -(x - t * M) / ((t * C) ** 2 + (1 - t) ** 2)
        g2 = 2 * (1 - t) / t
        assert field(t, x) + g2 / 2 * score == pytest.approx(x / t + g2 * score)
    # Data on a line in the plane: the score across it, and the pull of one step.
    t, delta, g = 0.95, 0.03, 1.4
    across = lambda y: norm.logpdf(0.3, 0, math.hypot(t, 1 - t)) + norm.logpdf(y, 0, 1 - t)  # noqa: E731
    score = (across(delta + 1e-6) - across(delta - 1e-6)) / 2e-6
    assert score == pytest.approx(-delta / (1 - t) ** 2, rel=1e-6)
    most = 2 * (1 - t) ** 2 / g**2
    assert delta + 0.9 * most * g**2 / 2 * score > 0 > delta + 1.1 * most * g**2 / 2 * score
