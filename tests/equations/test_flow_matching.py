"""The equations of book/math/flow-matching.md: finite differences, draws, SciPy's solver."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from scipy.stats import multivariate_normal, norm

WEIGHTS, MEANS, WIDTH = np.array([0.3, 0.7]), np.array([[-1.0, 0.5], [1.2, -0.3]]), 0.4


def bells(t, means=MEANS):
    """The bells of the noisy density on the straight path."""
    return [multivariate_normal(t * m, (t * WIDTH) ** 2 + (1 - t) ** 2) for m in means]


def density(x, t):
    return sum(w * b.pdf(x) for w, b in zip(WEIGHTS, bells(t), strict=True))


def field(x, t):
    """E[x - noise | x_t] for the mixture: each bell's own regression, weighed by Bayes' rule."""
    variance = (t * WIDTH) ** 2 + (1 - t) ** 2
    parts = np.array([w * b.pdf(x) for w, b in zip(WEIGHTS, bells(t), strict=True)])
    gain = (t * WIDTH**2 - (1 - t)) / variance
    own = [m + gain * (np.asarray(x) - t * m) for m in MEANS]
    return sum(p[..., None] * o for p, o in zip(parts / parts.sum(0), own, strict=True))


def draws(num=300_000):
    rng = np.random.default_rng(0)
    image = MEANS[rng.choice(2, num, p=WEIGHTS)] + WIDTH * rng.normal(size=(num, 2))
    return image, rng.normal(size=(num, 2))


PLACES = np.array([[0.2, 0.1], [-0.6, 0.4], [0.9, -0.8]])


@pytest.mark.equation("eq-marginal-velocity")
@pytest.mark.parametrize("t", [0.3, 0.6])
def test_the_mean_of_the_lines_that_pass(t):
    """By draws near a place, and by the chapter's quotient with a weighted sum over images."""
    image, noise = draws()
    seen = (1 - t) * noise + t * image
    for place in PLACES:
        near = ((seen - place) ** 2).sum(1) < 0.15**2
        lines = (image - noise)[near]
        error = 4 * lines.std(0) / near.sum() ** 0.5 + 0.06
        assert (np.abs(lines.mean(0) - field(place, t)) < error).all()
        few = image[:40_000]
        bell = np.exp(-((place - t * few) ** 2).sum(1) / (2 * (1 - t) ** 2))
        quotient = (bell[:, None] * (few - place) / (1 - t)).mean(0) / bell.mean()
        assert quotient == pytest.approx(field(place, t), abs=0.06)


@pytest.mark.equation("eq-continuity")
@pytest.mark.equation("eq-marginal-continuity")
@pytest.mark.parametrize("t", [0.2, 0.5, 0.8])
def test_mass_is_kept(t):
    """Finite differences of p and p u, for the whole mixture and for one image's own field."""
    h, steps = 1e-4, 1e-4 * np.eye(2)
    one = np.array([0.7, -0.2])
    alone = lambda x, s: multivariate_normal(s * one, (1 - s) ** 2).pdf(x)  # noqa: E731
    for p, u in ((density, field), (alone, lambda x, s: (one - x) / (1 - s))):
        for place in PLACES:
            change = (p(place, t + h) - p(place, t - h)) / (2 * h)
            flows = [
                (p(place + e, t) * u(place + e, t) - p(place - e, t) * u(place - e, t))[i]
                for i, e in enumerate(steps)
            ]
            assert change == pytest.approx(-sum(flows) / (2 * h), abs=1e-5)
    # The plain mean of the fields, not weighed by mass, does not carry the density.
    plain = lambda x, s: (WEIGHTS @ MEANS - x) / (1 - s)  # noqa: E731
    place = PLACES[0]
    flows = [
        (density(place + e, t) * plain(place + e, t) - density(place - e, t) * plain(place - e, t))[
            i
        ]
        for i, e in enumerate(steps)
    ]
    change = (density(place, t + h) - density(place, t - h)) / (2 * h)
    assert abs(change + sum(flows) / (2 * h)) > 1e-2


@pytest.mark.equation("eq-flow-ode")
@pytest.mark.equation("eq-straight-path")
def test_followed_points_have_the_density():
    """One image: the field leads along the line. The mixture: moments of solved paths."""
    image, start = np.array([0.7, -0.2]), np.array([1.0, 2.0])
    for t in (0.3, 0.9):
        way = solve_ivp(lambda s, x: (image - x) / (1 - s), (0, t), start, rtol=1e-9)
        assert way.y[:, -1] == pytest.approx((1 - t) * start + t * image)
        there = way.y[:, -1]
        assert (image - there) / (1 - t) == pytest.approx(image - start)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, 2))
    x, steps = noise, 100
    for k in range(steps):
        t, h = k / steps, 1 / steps
        x = x + h * field(x + h / 2 * field(x, t), t + h / 2)
    assert x.mean(0) == pytest.approx(WEIGHTS @ MEANS, abs=0.06)
    away = MEANS - WEIGHTS @ MEANS
    exact = away.T @ (WEIGHTS[:, None] * away) + WIDTH**2 * np.eye(2)
    assert np.cov(x.T) == pytest.approx(exact, abs=0.06)


@pytest.mark.equation("eq-flow-loss")
def test_the_two_losses_differ_by_the_floor():
    """At one time: for wrong fields the difference of both losses is the same number."""
    image, noise = draws()
    t = 0.45
    seen, line = 0.55 * noise + t * image, image - noise
    best = field(seen, t)
    floor = ((line - best) ** 2).sum(1).mean()
    for network in (lambda x: 0 * x, lambda x: -x, lambda x: field(x, t) + np.sin(3 * x)):
        conditional = ((network(seen) - line) ** 2).sum(1).mean()
        marginal = ((network(seen) - best) ** 2).sum(1).mean()
        assert conditional - marginal == pytest.approx(floor, rel=0.02)
    # The floor at both ends of time: for a bell, a sheet (one of two directions), a single image.
    for widths, ends in (((0.4, 0.4), (0.32, 2)), ((0.4, 0), (0.16, 1)), ((0, 0), (0, 0))):
        for s, wanted in zip((1e-6, 1 - 1e-6), ends, strict=True):
            spread = np.array(widths) ** 2
            variance = s**2 * spread + (1 - s) ** 2
            floor = (spread + 1 - (s * spread - (1 - s)) ** 2 / variance).sum()
            assert floor == pytest.approx(wanted, abs=1e-3)


@pytest.mark.equation("eq-flow-denoiser")
@pytest.mark.parametrize("t", [0.25, 0.5, 0.9])
def test_the_field_as_denoiser_and_as_score(t):
    for place in PLACES:
        gain = t * WIDTH**2 / ((t * WIDTH) ** 2 + (1 - t) ** 2)
        parts = np.array([w * b.pdf(place) for w, b in zip(WEIGHTS, bells(t), strict=True)])
        guesses = np.array([m + gain * (place - t * m) for m in MEANS])
        guess = parts @ guesses / parts.sum()
        assert (guess - place) / (1 - t) == pytest.approx(field(place, t))
        score = [
            (np.log(density(place + e, t)) - np.log(density(place - e, t))) / 2e-4
            for e in 1e-4 * np.eye(2)
        ]
        assert (place + (1 - t) * np.array(score)) / t == pytest.approx(field(place, t), abs=1e-5)


def bell_field(t, x, m=2.0, c=0.5):
    """The chapter's field of one bell."""
    return m + (t * c**2 - (1 - t)) / ((t * c) ** 2 + (1 - t) ** 2) * (x - t * m)


@pytest.mark.equation("eq-flow-gaussian")
def test_one_bell():
    for m, c in ((2.0, 0.5), (0.0, 1.0), (-1.0, 3.0)):
        for start in (-1.3, 1.0):
            for t in (0.4, 1.0):
                way = solve_ivp(
                    lambda s, x, m=m, c=c: bell_field(s, x, m, c), (0, t), [start], rtol=1e-9
                )
                spread = math.sqrt((t * c) ** 2 + (1 - t) ** 2)
                assert way.y[0, -1] == pytest.approx(t * m + spread * start, abs=1e-5)
    rng = np.random.default_rng(0)
    image, noise = 2 + 0.5 * rng.normal(size=400_000), rng.normal(size=400_000)
    near = np.abs((image + noise) / 2 - 1.5) < 0.03
    assert (image - noise)[near].mean() == pytest.approx(1.4, abs=0.02)
    assert bell_field(0.5, 1.5) == pytest.approx(1.4)
    assert pytest.approx(1.4) == (2 + 0.125 / 0.3125 * 0.5 - 1.5) / 0.5


TURN = np.array([[0.0, -1.2, 0], [1.2, 0, 0], [0, 0, 0]])
OFF = {  # deviations of the data, and M and b of a network that is off by M (x - t m) + b
    "shift": ((1.0, 1.0, 1.0), np.zeros((3, 3)), np.array([0.1, 0, 0])),
    "shift, wide": ((8.0, 8.0, 8.0), np.zeros((3, 3)), np.array([0.1, -0.2, 0.3])),
    "any": ((0.5, 1.0, 2.0), 0.3 * np.random.default_rng(0).normal(size=(3, 3)), np.ones(3) / 9),
    "turn": ((0.7, 0.7, 0.7), TURN, np.zeros(3)),
}


@pytest.mark.equation("eq-flow-gap")
@pytest.mark.parametrize("name", OFF)
def test_the_gap_bounds_how_far_samples_are(name):
    """Bells in space and a network that is off linearly: both ways are linear in their start."""
    widths, off, push = OFF[name]
    mean, widths = np.array([2.0, -1.0, 0.3]), np.array(widths)
    spread = lambda t: (t * widths) ** 2 + (1 - t) ** 2  # noqa: E731
    slope = lambda t: np.diag((t * widths**2 - (1 - t)) / spread(t)) + off  # noqa: E731

    def network(t, x):
        x = x.reshape(3, 4)
        field = mean[:, None] + slope(t) @ (x - t * mean[:, None]) + push[:, None]
        return field.ravel()

    starts = np.hstack([np.zeros((3, 1)), np.eye(3)])
    ends = solve_ivp(network, (0, 1), starts.ravel(), rtol=1e-9, atol=1e-11).y[:, -1].reshape(3, 4)
    centre, linear = ends[:, 0], ends[:, 1:] - ends[:, :1]
    covs = np.diag(widths**2), linear @ linear.T
    cross = np.trace(sqrtm(covs[0] @ covs[1]).real)
    shifted = ((centre - mean) ** 2).sum()
    distance = shifted + np.trace(covs[0]) + np.trace(covs[1]) - 2 * cross
    carried = shifted + ((np.diag(widths) - linear) ** 2).sum()
    gap = quad(lambda t: np.trace(off @ np.diag(spread(t)) @ off.T) + push @ push, 0, 1)[0]
    steepest = max(np.linalg.norm(slope(t), 2) for t in np.linspace(0, 1, 2001))
    bound = math.exp(1 + 2 * steepest) * gap
    assert distance <= carried * (1 + 1e-6) and carried <= bound
    if name == "turn":  # the samples are right, and no pair is
        assert distance == pytest.approx(0, abs=1e-6) and carried > 0.3 * gap
    elif name == "shift, wide":  # no factor without the slope would do
        assert distance > math.e * gap
    else:  # the bound is loose by no more than its factor
        assert gap < distance
    if name == "shift":
        assert gap == pytest.approx(0.01)
        assert distance**0.5 == pytest.approx(0.1 * math.sqrt(2) * math.asinh(1))
        assert (distance**0.5, distance) == pytest.approx((0.1246, 0.0155), abs=6e-5)
        assert steepest == pytest.approx(1)
        assert bound == pytest.approx(0.201, abs=5e-4)


def test_a_ripple_has_a_small_gap_and_no_small_divergence():
    """Followed with the logarithm of its density: KL of the samples to a standard normal."""
    a, steps = 1.0, 400
    start, cell = np.linspace(-6, 6, 24_001), 12 / 24_000
    for k in (6, 60):
        x, log, gap = start.copy(), norm.logpdf(start), 0.0

        def off(t, x, k=k):  # the network, and its divergence
            std = math.hypot(t, 1 - t)
            rate = (2 * t - 1) / std**2
            ripple = a / k * std * np.sin(k * x / std)
            return rate * x + ripple, rate + a * np.cos(k * x / std)

        for number in range(steps):
            t, h = number / steps, 1 / steps
            std = math.hypot(t, 1 - t)  # the exact flow is at std * start
            gap += h * (norm.pdf(start) * (a / k * std * np.sin(k * start)) ** 2).sum() * cell
            half = x + h / 2 * off(t, x)[0]
            speed, opens = off(t + h / 2, half)
            x, log = x + h * speed, log - h * opens
        divergence = (norm.pdf(start) * (log - norm.logpdf(x))).sum() * cell
        assert gap < (a / k) ** 2
        assert divergence == pytest.approx(2 * math.log(math.cosh(a / 2)), abs=0.3 / k**2)


@pytest.mark.equation("eq-straight")
def test_one_step_is_enough_where_no_lines_meet():
    """Sorted pairs of a bell: the velocity is constant on the way. Independent pairs: it is not."""
    m, c = 2.0, 0.5
    for start in (-1.0, 0.3, 2.0):
        end = m + c * start
        for t in (0.0, 0.4, 0.9):
            here = (1 - t) * start + t * end
            origin = (here - t * m) / (1 - t + t * c)  # the only line through here
            assert m + c * origin - origin == pytest.approx(end - start)
        assert start + (m + c * start - start) == pytest.approx(end)
    assert 1.0 + bell_field(0.0, 1.0) != pytest.approx(2.5, abs=0.3)  # independent: the mean
    assert 1.0 + bell_field(0.0, 1.0) == pytest.approx(2.0)


@pytest.mark.equation("eq-pairing")
def test_the_best_pairing():
    """Against all permutations; sums and products agree; two of its lines do not meet."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        image, noise = rng.normal(size=(2, 6, 3)) + 0.5
        orders = [list(order) for order in itertools.permutations(range(6))]
        short = min(orders, key=lambda o: ((image[o] - noise) ** 2).sum())
        like = max(orders, key=lambda o: (image[o] * noise).sum())
        cost = ((noise[:, None] - image[None]) ** 2).sum(2)
        assert short == like == list(linear_sum_assignment(cost)[1])
    ends = noise, image[short]
    for t in np.linspace(0, 0.99, 34):
        at = (1 - t) * ends[0] + t * ends[1]
        gaps = ((at[:, None] - at[None]) ** 2).sum(2)[~np.eye(6, dtype=bool)]
        assert gaps.min() > 0
    assert (1 - 0) ** 2 + (3 - 2) ** 2 == 2
    assert (1 - 2) ** 2 + (3 - 0) ** 2 == 10
    a, b = rng.normal(size=(2, 9))  # on a line it is sorting
    order = linear_sum_assignment((a[:, None] - b[None]) ** 2)[1]
    assert (np.argsort(b[order]) == np.argsort(a)).all()


@pytest.mark.equation("eq-flow-shorter")
@pytest.mark.parametrize(("m", "c"), [(0.0, 1.0), (2.0, 0.5), (-1.0, 3.0)])
def test_the_flow_is_shorter_than_its_lines(m, c):
    def speed(t):  # mean square of the field
        spread = (t * c) ** 2 + (1 - t) ** 2
        return m**2 + (t * c**2 - (1 - t)) ** 2 / spread

    ends, lines = m**2 + (c - 1) ** 2, m**2 + c**2 + 1
    between = quad(speed, 0, 1)[0]
    assert ends < between < lines
    if (m, c) == (0, 1):
        assert between == pytest.approx(2 - math.pi / 2)
        assert 2 - math.pi / 2 == pytest.approx(0.429, abs=5e-4)
    rng = np.random.default_rng(0)
    image, noise = m + c * rng.normal(size=200_000), rng.normal(size=200_000)
    assert ((image - noise) ** 2).mean() == pytest.approx(lines, rel=0.02)
    assert bell_field(0.5, 0.7 * image[0], 0, 1) == pytest.approx(0)
    assert norm.cdf(0) == 0.5
