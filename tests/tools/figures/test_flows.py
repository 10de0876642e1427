"""The figures of the chapters on flows show what independent computations give."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import norm

from tools.figures import flows
from tools.figures.__main__ import draw

drawn = cache(draw)


def curves(axes):
    return [line.get_xydata() for line in axes.lines]


def mixture(t, x, means, std):
    """The velocity of equal bells on a line, from the slope of their log density."""
    density = lambda y: sum(norm.pdf(y, t * m, math.hypot(t * std, 1 - t)) for m in means)  # noqa: E731
    slope = (math.log(density(x + 1e-5)) - math.log(density(x - 1e-5))) / 2e-5
    return (x + (1 - t) * slope) / t


def test_the_best_guess_is_bayes_rule():
    seen, guess = drawn("noise-denoiser").axes
    for sigma, density, curve in zip((0.3, 0.6, 1.2), curves(seen), curves(guess), strict=True):
        x = curve[:, 0]
        up, down = norm.pdf(x, 1, sigma), norm.pdf(x, -1, sigma)
        assert density[:, 1] == pytest.approx((up + down) / 2)
        assert curve[:, 1] == pytest.approx((up - down) / (up + down), abs=1e-6)
    heights = [curve[np.abs(curve[:, 0]) < 1e-9, 1].item() for curve in curves(seen)]
    tops = [curve[:, 1].max() for curve in curves(seen)]
    assert [round(h / t, 1) for h, t in zip(heights, tops, strict=True)] == [0.0, 0.5, 1.0]


def test_the_weights_cross_where_the_words_say():
    level = curves(drawn("diffusion-weights").axes[0])[0][:, 0]
    bound, noise, turned, flow, hill = (
        curve[:, 1] for curve in curves(drawn("diffusion-weights").axes[0])
    )
    assert (bound == 1).all()
    assert np.argmax(noise) == len(noise) // 2
    assert turned / flow == pytest.approx(np.full(len(flow), 2 / math.pi))
    assert (np.diff(flow) < 0).all()
    t = 1 / (1 + np.exp(level / 2))  # from the image; the density of a logit-normal time by steps
    density = (norm.cdf(np.log((t + 1e-6) / (1 - t - 1e-6))) - norm.cdf(-level / 2)) / 1e-6
    assert hill == pytest.approx(flow * density, rel=1e-3)
    assert level[np.argmax(hill)] == pytest.approx(-3.4, abs=0.06)
    above = level[hill > flow]
    assert (above[0], above[-1]) == pytest.approx((-2.6, 2.6), abs=0.06)
    assert noise[0] < hill[0] < min(bound[0], turned[0], flow[0])
    assert hill[-1] < min(bound[-1], noise[-1], turned[-1], flow[-1])


def test_the_paths_are_those_of_another_solver_and_do_not_cross():
    single, mean = (np.array(curves(axes)) for axes in drawn("flow-paths").axes)
    assert single.shape[1:] == (2, 2)  # straight
    for path in mean[::5]:
        way = solve_ivp(
            lambda t, x: [mixture(max(t, 1e-4), x[0], (-1.5, 1.5), 0.3)], (0, 1), path[:1, 1],
            t_eval=path[:, 0], rtol=1e-6,
        )  # fmt: skip
        assert path[:, 1] == pytest.approx(way.y[0], abs=0.02)
    assert (np.diff(mean[:, :, 1], axis=0) > 0).all()  # sorted at the start, so sorted for ever
    assert (np.sign(mean[:, -1, 1]) == np.sign(mean[:, 0, 1])).all()
    crossed = np.argsort(single[:, 1, 1]) != np.arange(len(single))
    assert crossed.sum() > 10
    assert single[:, 0, 1] == pytest.approx(mean[:, 0, 1])


def test_the_arrows_point_to_the_middle_and_then_outwards():
    first, _, last = drawn("flow-field").axes
    for axes, t in ((first, 0.0), (last, 0.9)):
        arrows = [text for text in axes.texts if text.arrowprops]
        assert len(arrows) == 49
        for arrow in arrows:
            start, way = np.array(arrow.xyann), np.array(arrow.xy) - np.array(arrow.xyann)
            middle = flows.BELLS.mean(0)
            if t == 0:
                wanted = middle - start
            else:  # by the densities of the three bells
                std = math.hypot(0.9 * 0.3, 0.1)
                shares = np.exp(-((start - 0.9 * flows.BELLS) ** 2).sum(1) / (2 * std**2))
                guesses = flows.BELLS + 0.9 * 0.09 / std**2 * (start - 0.9 * flows.BELLS)
                wanted = shares @ guesses / shares.sum() - start
            assert way @ wanted > 0.99 * np.linalg.norm(way) * np.linalg.norm(wanted) - 1e-9
    heaps = last.collections[0].get_offsets()
    nearest = np.linalg.norm(heaps[:, None] - 0.9 * flows.BELLS, axis=2).min(1)
    assert np.median(nearest) < 0.45


def test_pairing_helps_in_few_dimensions():
    small, large = curves(drawn("flow-pairing").axes[0])
    for curve in (small, large):
        assert curve[0, 1] < 0.2
        assert 0.93 < curve[-1, 1] < 1
        assert (np.diff(curve[:, 1]) > 0).all()
    assert (large[:, 1] < small[:, 1]).all()
    # On a line the best pairing is sorting: mean squared gap of ordered draws, against 2.
    rng = np.random.default_rng(5)
    pairs = np.sort(rng.standard_normal((2, 4000, 16)), axis=2)
    assert small[0, 1] == pytest.approx(((pairs[0] - pairs[1]) ** 2).mean() / 2, abs=0.02)


def test_the_solvers_have_their_orders_and_the_exact_end_is_right():
    euler, middle, heun = curves(drawn("solver-order").axes[0])[:3]
    for curve, order in ((euler, 1), (middle, 2), (heun, 2)):
        last = curve[-3:]
        slopes = np.diff(np.log(last[:, 1])) / np.diff(np.log(last[:, 0]))
        assert slopes == pytest.approx([-order, -order], abs=0.2)
    assert heun[0, 1] == max(curve[0, 1] for curve in (euler, middle, heun))
    assert euler[-1, 1] > 100 * max(middle[-1, 1], heun[-1, 1])
    start = 0.7
    way = solve_ivp(
        lambda t, x: [mixture(max(t, 1e-4), x[0], flows.ORDER[:, 0], 0.3)], (0, 1), [start],
        rtol=1e-8, atol=1e-9,
    )  # fmt: skip
    ours = flows.followed(
        lambda t, x: flows.mixture_field(t, x, flows.ORDER, 0.3), np.array([[start]]), 2000
    )[-1, 0, 0]
    assert ours == pytest.approx(way.y[0, -1], abs=1e-3)


def test_guided_samples_are_not_the_tilted_density():
    tilted, guided = curves(drawn("guidance-line").axes[0])
    for curve in (tilted, guided):
        assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(1, abs=0.02)
    means = [np.trapezoid(c[:, 0] * c[:, 1], c[:, 0]) for c in (tilted, guided)]
    assert means == pytest.approx([1.08, 1.6], abs=0.08)
    own = norm.pdf(tilted[:, 0], 1, 0.6)
    total = (own + norm.pdf(tilted[:, 0], -1, 0.6)) / 2
    ratio = tilted[:, 1] / (own**3 / total**2)
    assert ratio == pytest.approx(np.full(len(ratio), ratio[0]))
    # The share of guided samples below a place, by following another solver from noise.
    below = guided[:, 0] <= 1.5
    mass = np.trapezoid(guided[below, 1], guided[below, 0])

    def field(t, x):
        t = max(t, 1e-4)
        return [3 * mixture(t, x[0], (1,), 0.6) - 2 * mixture(t, x[0], (-1, 1), 0.6)]

    place = guided[below][-1, 0]
    start = solve_ivp(field, (1, 0), [place], rtol=1e-7, atol=1e-8).y[0, -1]
    assert mass == pytest.approx(norm.cdf(start), abs=0.02)


def test_every_perfect_path_ends_in_the_training_set():
    left, right = drawn("perfect-field").axes
    train = left.lines[-1].get_xydata()
    assert len(train) == 5
    ends = np.array([line.get_xydata()[-1] for line in left.lines[:-2]])
    gaps = np.linalg.norm(ends[:, None] - train, axis=2)
    assert gaps.min(1).max() < 0.02
    assert set(gaps.argmin(1)) == set(range(5))
    assert np.linalg.norm(right.collections[0].get_offsets(), axis=1) == pytest.approx(1.5, abs=0.4)


def test_when_a_fate_is_decided():
    low, middle, high = curves(drawn("perfect-decided").axes[0])
    for curve, number, before in ((low, 2, None), (middle, 48, 0.4), (high, 3072, 0.1)):
        at = curve[np.abs(curve[:, 0] - 0.03).argmin()]
        gap = math.sqrt(2 * number)
        assert at[1] == pytest.approx(norm.cdf(at[0] * gap / 2 / (1 - at[0])))
        if before:
            assert curve[curve[:, 0] >= before, 1].min() > 0.99
    assert low[np.abs(low[:, 0] - 0.5).argmin(), 1] < 0.9
