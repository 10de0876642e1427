"""The equations of book/math/samplers.md: exact flows, SciPy, autograd, moments of linear noise."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.stats import norm

from course_lib.ops import ddim, guided, path_log_density, solve, solve_sde

M, C = 2.0, 0.5  # the chapter's bell


def field(t, x, m=M, c=C):
    return m + (t * c**2 - (1 - t)) / ((t * c) ** 2 + (1 - t) ** 2) * (x - t * m)


def euler(u, t, h, x):
    return x + h * u(t, x)


def midpoint(u, t, h, x):
    return x + h * u(t + h / 2, x + h / 2 * u(t, x))


def heun(u, t, h, x):
    ahead = x + h * u(t, x)
    return x + h / 2 * (u(t, x) + u(t + h, ahead))


def solved(step, num, u=field, x=1.0):
    for k in range(num):
        x = step(u, k / num, 1 / num, x)
    return x


@pytest.mark.equation("eq-flow-euler")
@pytest.mark.equation("eq-midpoint")
@pytest.mark.equation("eq-heun")
@pytest.mark.equation("eq-solver-order")
@pytest.mark.equation("eq-order-observed")
@pytest.mark.parametrize(("step", "order"), [(euler, 1), (midpoint, 2), (heun, 2)])
def test_orders(step, order):
    """On the bell and on another equation; both ends as SciPy finds them."""
    for u, start in ((field, 1.0), (lambda t, x: math.cos(3 * t) * x - x**2, 0.7)):
        exact = solve_ivp(u, (0, 1), [start], rtol=1e-11, atol=1e-12).y[0, -1]
        errors = [abs(solved(step, num, u, start) - exact) for num in (64, 128, 256)]
        for one, half in zip(errors, errors[1:], strict=False):
            seen = math.log2(one / half)  # on the bell, midpoint is lucky: its order is 3
            assert seen == pytest.approx(order, abs=0.12) or (u is field and seen > order)
        assert errors[0] <= 3 * 64.0**-order  # a constant that fits both


def test_the_numbers_of_the_chapter():
    assert (solved(euler, 1), solved(euler, 2), solved(midpoint, 1)) == pytest.approx((2, 2.2, 2.4))
    assert (solved(heun, 1), solved(heun, 2)) == pytest.approx((2.5, 2.48))
    assert M + C * 1.0 == 2.5
    density = norm.logpdf(1.0) - math.log(C)
    assert density == pytest.approx(-0.726, abs=5e-4)
    assert density == pytest.approx(norm.logpdf(2.5, M, C))
    assert pytest.approx(1.275) == 0.01 / (2 / 255)  # the grain in grey levels


def guess(t, x):
    """The best guess of the bell's image."""
    return M + t * C**2 / ((t * C) ** 2 + (1 - t) ** 2) * (x - t * M)


@pytest.mark.equation("eq-last-step")
def test_the_last_step_returns_the_guess():
    for t, x in ((0.9, 1.7), (0.5, -0.4)):
        assert euler(field, t, 1 - t, x) == pytest.approx(guess(t, x))


@pytest.mark.equation("eq-fokker-planck")
def test_a_density_under_drift_and_noise():
    """A point is pulled to 0 at the rate 0.7, with noise of strength 0.9: its bell obeys it."""
    rate, g, start = 0.7, 0.9, 1.5
    rest = g**2 / (2 * rate)

    def density(x, t):
        variance = rest * (1 - math.exp(-2 * rate * t))
        return norm.pdf(x, start * math.exp(-rate * t), math.sqrt(variance))

    h = 1e-3
    for x, t in ((0.3, 0.4), (1.2, 0.8), (-0.5, 1.1)):
        change = (density(x, t + h) - density(x, t - h)) / (2 * h)
        drift = lambda y, s=t: -rate * y * density(y, s)  # noqa: E731
        bend = (density(x + h, t) - 2 * density(x, t) + density(x - h, t)) / h**2
        right = -(drift(x + h) - drift(x - h)) / (2 * h) + g**2 / 2 * bend
        assert change == pytest.approx(right, abs=1e-4)
    # And the exact bell is where simulated points are.
    rng, x = np.random.default_rng(0), np.full(100_000, start)
    for _ in range(100):
        x = x - 0.005 * rate * x + g * math.sqrt(0.005) * rng.normal(size=len(x))
    assert x.mean() == pytest.approx(start * math.exp(-rate * 0.5), abs=0.01)
    assert x.var() == pytest.approx(rest * (1 - math.exp(-rate)), rel=0.02)


@pytest.mark.equation("eq-flow-sde")
@pytest.mark.parametrize("strength", [0.0, 0.7, 1.5])
def test_every_strength_has_the_same_densities(strength):
    """Mean and variance of the linear equation, solved exactly, at three times."""

    def moments(t, state):
        mean, variance = state
        spread = (t * C) ** 2 + (1 - t) ** 2
        gain = (t * C**2 - (1 - t)) / spread
        g2 = (strength * (1 + t)) ** 2  # any function of time
        return [
            M + gain * (mean - t * M) - g2 / 2 * (mean - t * M) / spread,
            2 * (gain - g2 / 2 / spread) * variance + g2,
        ]

    times = [0.3, 0.7, 1.0]
    way = solve_ivp(moments, (0, 1), [0.0, 1.0], t_eval=times, rtol=1e-9, atol=1e-10)
    for t, (mean, variance) in zip(times, way.y.T, strict=True):
        assert mean == pytest.approx(t * M, abs=1e-6)
        assert variance == pytest.approx((t * C) ** 2 + (1 - t) ** 2, abs=1e-6)


PLANE = np.array([[2.0, -1.0], [-1.5, 0.5], [0.0, 2.0]])  # three bells, all of deviation C
SHARES = np.array([0.5, 0.3, 0.2])


def plane_score(t, x):
    """The score of the three bells at x (B, 2), and its variance along an axis."""
    variance = (t * C) ** 2 + (1 - t) ** 2
    away = t * PLANE - x[:, None]
    bells = SHARES * np.exp(-(away**2).sum(-1) / 2 / variance)
    return ((bells / bells.sum(1, keepdims=True))[..., None] * away).sum(1) / variance


def plane_velocity(t, x):
    """The marginal velocity, by the denoiser: Tweedie's formula on the straight path."""
    if t == 0:
        return SHARES @ PLANE - x
    return ((x + (1 - t) ** 2 * plane_score(t, x)) / t - x) / (1 - t)


@pytest.mark.equation("eq-flow-sde-drift")
def test_the_drift_from_the_velocity_alone():
    """Against the slope of the log density by differences; and what an error of u becomes."""
    x, h = np.array([[0.3, -0.8], [1.1, 0.6]]), 1e-5

    def log_plane(t, at):
        std = math.sqrt((t * C) ** 2 + (1 - t) ** 2)
        return np.log(sum(w * norm.pdf(at, t * m, std).prod(1) for w, m in zip(SHARES, PLANE)))  # noqa: B905

    for t, g in ((0.3, 0.8), (0.8, 1.7)):
        slopes = [(log_plane(t, x + h * e) - log_plane(t, x - h * e)) / (2 * h) for e in np.eye(2)]
        u = plane_velocity(t, x)
        left = u + g**2 / 2 * np.stack(slopes, 1)
        assert u + g**2 / 2 * (t * u - x) / (1 - t) == pytest.approx(left, abs=1e-6)
        wrong = u + 0.3
        off = wrong + g**2 / 2 * (t * wrong - x) / (1 - t) - left
        assert off == pytest.approx((1 + g**2 / 2 * t / (1 - t)) * 0.3, abs=1e-6)
    # The chapter's numbers.
    assert (0.5 * field(0.5, 1.5) - 1.5) / 0.5 == pytest.approx(-1.6)
    assert pytest.approx(-1.6) == -(1.5 - 0.5 * M) / ((0.5 * C) ** 2 + 0.5**2)
    assert field(0.5, 1.5) - 1.6 / 2 == pytest.approx(0.6)
    assert math.sqrt(0.01) == pytest.approx(0.1)


def by_torch(velocity):
    """As the package asks: tensors, and the time last."""
    return lambda x, t: torch.from_numpy(velocity(float(t), x.numpy()))


@pytest.mark.equation("eq-flow-sde")
@pytest.mark.parametrize("strength", [0.0, 1.0, 2.0])
def test_the_package_draws_the_same_densities_for_every_strength(strength):
    """Three bells in the plane at three times: means, covariances, and shares below a place."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6000, 2, generator=generator, dtype=torch.float64)
    shots = {}
    solve_sde(
        by_torch(plane_velocity),
        x,
        torch.linspace(0, 1, 401, dtype=torch.float64),
        noise=strength,
        generator=generator,
        seen=lambda x, t: shots.update({round(float(t), 4): x.numpy()}),
    )
    way = np.array([0.8, 0.6])  # the shares are looked at along it
    for t in (0.4, 0.75, 1.0):
        seen, variance = shots[t], (t * C) ** 2 + (1 - t) ** 2
        mean = t * SHARES @ PLANE
        spread = t**2 * np.cov(PLANE.T, aweights=SHARES, ddof=0) + variance * np.eye(2)
        assert seen.mean(0) == pytest.approx(mean, abs=4 * math.sqrt(spread.max() / len(seen)))
        rest = seen - mean
        products = rest[:, :, None] * rest[:, None]
        bar = 4 * products.std(0).max() / math.sqrt(len(seen)) + 0.01  # and the steps' own error
        assert products.mean(0) == pytest.approx(spread, abs=bar)
        for place in np.linspace(-1.5, 1.5, 7) * t:
            below = SHARES @ norm.cdf(place, t * PLANE @ way, math.sqrt(variance))
            bar = 4 * math.sqrt(below * (1 - below) / len(seen)) + 0.004
            assert (seen @ way < place).mean() == pytest.approx(below, abs=bar)


@pytest.mark.equation("eq-flow-sde")
@pytest.mark.equation("eq-flow-sde-drift")
@pytest.mark.parametrize(("until", "fades"), [(0.5, True), (1.0, False)])
def test_noise_mends_what_went_wrong_before_and_not_what_is_wrong_to_the_end(until, fades):
    """A bell's field that is off by a constant; the error of the mean, measured and by its ODE."""
    bias, centre, found = np.array([0.8, -0.5]), np.array([M, -1.0]), []
    times = torch.linspace(0, 1, 401, dtype=torch.float64)

    def wrong(t, x):
        return np.stack([field(t, x[:, i], centre[i]) for i in range(2)], 1) + bias * (t < until)

    for g in (0.0, 1.0, 2.0):
        squared = (lambda t, g=g: g**2) if fades else (lambda t, g=g: g**2 * (1 - t))
        generator = torch.Generator().manual_seed(2)
        x = torch.randn(8000, 2, generator=generator, dtype=torch.float64)
        end = solve_sde(
            by_torch(wrong),
            x,
            times,
            noise=g if fades else lambda t, s=squared: math.sqrt(s(t)),
            generator=generator,
        ).numpy()

        def grows(t, error, s=squared):
            spread = (t * C) ** 2 + (1 - t) ** 2
            pull = (t * C**2 - (1 - t)) / spread - s(t) / 2 / spread
            return pull * error + bias * (t < until) * (1 + s(t) / 2 * t / (1 - t))

        wanted = solve_ivp(grows, (0, 1 - 1e-6), [0.0, 0.0], max_step=0.01).y[:, -1]
        error = end.mean(0) - centre
        assert error == pytest.approx(wanted, abs=4 * C / math.sqrt(len(end)) + 0.01)
        found.append(np.linalg.norm(error))
    none, some, more = found
    if fades:
        assert none > 0.25 and some < none / 2 and more < none / 8
    else:
        assert some > 1.02 * none and more > 1.15 * none


LEVELS = [((0.3, 0.9), (0.7, 0.5)), ((0.2, 0.8), (0.6, 0.4))]  # (alpha, sigma) at t and r


def fresh(before, after):
    (a, s), (b, r) = before, after
    return math.sqrt(r**2 * (1 - a**2 * r**2 / (b**2 * s**2)))


@pytest.mark.equation("eq-ddim")
def test_the_true_image_and_noise_give_the_right_next_level():
    rng = np.random.default_rng(0)
    image, noise, new = rng.normal(size=(3, 400_000))
    for _, (b, r) in LEVELS:
        for part in (0.0, 0.3 * r, r):
            there = b * image + math.sqrt(r**2 - part**2) * noise + part * new
            rest = there - b * image
            assert rest.var() == pytest.approx(r**2, rel=0.01)
            assert np.corrcoef(rest, image)[0, 1] == pytest.approx(0, abs=0.01)


@pytest.mark.equation("eq-ancestral-noise")
def test_the_noise_of_the_chain():
    """For neighbours of a chain, mean and variance of the way back; and the joint distribution."""
    beta, alpha = 0.19, 0.8
    now = alpha * math.sqrt(1 - beta)
    before, after = (now, math.sqrt(1 - now**2)), (alpha, math.sqrt(1 - alpha**2))
    variance = after[1] ** 2 / before[1] ** 2 * beta
    assert fresh(before, after) ** 2 == pytest.approx(variance)
    image, x = 0.4, -1.1
    implied = (x - before[0] * image) / before[1]
    ours = alpha * image + math.sqrt(after[1] ** 2 - variance) * implied
    a = now * after[1] ** 2 / (alpha * before[1] ** 2)
    assert ours == pytest.approx(a * x + alpha * beta / before[1] ** 2 * image)
    assert fresh(before, (1.0, 0.0)) == 0  # the last step
    # Any two levels: noise may be added to x_r to get to x_t, of a scale that is real.
    rng = np.random.default_rng(0)
    noise, new = rng.normal(size=(2, 400_000))
    for (t, s), (r, q) in LEVELS:
        part = fresh((t, s), (r, q))
        there = math.sqrt(q**2 - part**2) * noise + part * new
        added = s * noise - t / r * there  # what the forward way adds must not depend on x_r
        assert np.corrcoef(added, there)[0, 1] == pytest.approx(0, abs=0.01)


@pytest.mark.equation("eq-ddim-euler")
def test_ddim_is_a_step_of_euler():
    x = 0.6
    for (a, s), (b, r) in LEVELS:
        image = 0.2 * x + 0.1  # any guess
        noise = (x - a * image) / s
        there = b * image + r * noise
        assert there / b == pytest.approx(x / a + (r / b - s / a) * noise)
    for t, r in ((0.2, 0.5), (0.6, 0.7)):
        image = guess(t, x)
        noise = (x - t * image) / (1 - t)
        assert r * image + (1 - r) * noise == pytest.approx(euler(field, t, r - t, x))


def mixture(t, x, means=(-1.5, 0.5, 2.0), weights=(0.3, 0.5, 0.2), c=0.4):
    """Velocity of a mixture on a line, in torch."""
    t = torch.as_tensor(t, dtype=torch.float64)
    m, w = (torch.tensor(v, dtype=torch.float64) for v in (means, weights))
    variance = (t * c) ** 2 + (1 - t) ** 2
    logs = w.log() - (x[:, None] - t * m) ** 2 / (2 * variance)
    own = m + (t * c**2 - (1 - t)) / variance * (x[:, None] - t * m)
    return (logs.softmax(1) * own).sum(1)


def log_density(t, x, means=(-1.5, 0.5, 2.0), weights=(0.3, 0.5, 0.2), c=0.4):
    std = math.sqrt((t * c) ** 2 + (1 - t) ** 2)
    return math.log(sum(w * norm.pdf(x, t * m, std) for w, m in zip(weights, means, strict=True)))


def slope(t, x):
    at = torch.tensor([float(x)], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(mixture(t, at).sum(), at)[0].item()


def velocity(t, x):
    return mixture(t, torch.tensor([float(x)], dtype=torch.float64)).item()


@pytest.mark.equation("eq-density-along")
def test_the_density_that_a_point_carries():
    h = 1e-5
    for t, x in ((0.3, 0.2), (0.6, -0.8), (0.9, 1.4)):
        step = h * velocity(t, x)
        change = (log_density(t + h, x + step) - log_density(t - h, x - step)) / (2 * h)
        assert change == pytest.approx(-slope(t, x), abs=1e-4)
        assert abs(change) > 0.05


@pytest.mark.equation("eq-flow-likelihood")
def test_the_likelihood_of_a_mixture():
    for end in (-1.2, 0.1, 1.1, 2.6):
        both = lambda t, s: [velocity(t, s[0]), slope(t, s[0])]  # noqa: E731
        way = solve_ivp(both, (1, 0), [end, 0.0], rtol=1e-8, atol=1e-9)
        start, back = way.y[:, -1]
        assert norm.logpdf(start) + back == pytest.approx(log_density(1.0, end), abs=1e-5)
    # A linear field, as in the questions: log N(x_0) minus the trace.
    matrix = np.array([[0.3, -0.8], [0.1, -0.5]])
    grown = solve_ivp(lambda t, x: matrix @ x, (0, 1), [1.0, 0.0], rtol=1e-9).y[:, -1]
    other = solve_ivp(lambda t, x: matrix @ x, (0, 1), [0.0, 1.0], rtol=1e-9).y[:, -1]
    spread = np.linalg.slogdet(np.stack([grown, other], 1))[1]
    assert spread == pytest.approx(np.trace(matrix), abs=1e-6)


@pytest.mark.equation("eq-hutchinson")
def test_a_trace_from_random_signs():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(5, 5))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1).T  # all 32: exact moments
    values = ((signs @ matrix) * signs).sum(1)
    assert values.mean() == pytest.approx(np.trace(matrix))
    symmetric = (matrix + matrix.T) / 2
    exact = 2 * (symmetric**2).sum() - 2 * (np.diag(symmetric) ** 2).sum()
    assert values.var() == pytest.approx(exact)


def label_density(t, x, c=0.6):
    return norm.pdf(x, t * 1.0, math.sqrt((t * c) ** 2 + (1 - t) ** 2))


def all_density(t, x, c=0.6):
    other = norm.pdf(x, -t * 1.0, math.sqrt((t * c) ** 2 + (1 - t) ** 2))
    return (label_density(t, x) + other) / 2


def log_slope(f, t, x, h=1e-5):
    return (math.log(f(t, x + h)) - math.log(f(t, x - h))) / (2 * h)


@pytest.mark.equation("eq-guidance")
@pytest.mark.equation("eq-guidance-bayes")
@pytest.mark.equation("eq-tilted")
def test_what_the_guided_field_is_at_one_time():
    """Its score is that of the tilted density; the bracket is a classifier's slope."""
    for t, x in ((0.4, 0.3), (0.8, -0.6)):
        of_label = lambda s, y: label_density(s, y) / (2 * all_density(s, y))  # noqa: E731
        bracket = log_slope(label_density, t, x) - log_slope(all_density, t, x)
        assert bracket == pytest.approx(log_slope(of_label, t, x), abs=1e-6)
        told = (x + (1 - t) * log_slope(label_density, t, x)) / t
        none = (x + (1 - t) * log_slope(all_density, t, x)) / t
        for w in (0.0, 1.0, 3.0):
            tilted = lambda s, y, w=w: label_density(s, y) ** w * all_density(s, y) ** (1 - w)  # noqa: E731
            guided = none + w * (told - none)
            assert guided == pytest.approx((x + (1 - t) * log_slope(tilted, t, x)) / t, abs=1e-5)
            again = lambda s, y, w=w, f=of_label: all_density(s, y) * f(s, y) ** w  # noqa: E731
            assert log_slope(again, t, x) == pytest.approx(log_slope(tilted, t, x), abs=1e-6)
            assert guided == pytest.approx({0.0: none, 1.0: told}.get(w, guided), rel=1e-12)


@pytest.mark.equation("eq-guidance-gaussian")
@pytest.mark.parametrize(("w", "agree"), [(0.0, True), (1.0, True), (0.5, False), (2.0, False)])
def test_guidance_does_not_sample_the_tilted_density(w, agree):
    narrow, wide = 0.5, 1.3

    def guided(t, x):
        none = field(t, x, 0.0, wide)
        return none + w * (field(t, x, 0.0, narrow) - none)

    end = solve_ivp(guided, (0, 1), [1.0], rtol=1e-9, atol=1e-10).y[0, -1]
    assert end == pytest.approx(narrow**w * wide ** (1 - w), abs=1e-6)
    grid = np.linspace(-9, 9, 20_001)
    tilted = norm.pdf(grid, 0, narrow) ** w * norm.pdf(grid, 0, wide) ** (1 - w)
    tilted /= np.trapezoid(tilted, grid)
    spread = math.sqrt(np.trapezoid(tilted * grid**2, grid))
    assert spread == pytest.approx((w / narrow**2 + (1 - w) / wide**2) ** -0.5)
    assert (abs(end - spread) < 1e-5) == agree
    numbers = 0.5**2, (2 / 0.5**2 - 1) ** -0.5
    assert numbers == pytest.approx((0.25, 0.378), abs=5e-4)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_the_package_takes_the_same_steps(solver):
    step = {"euler": euler, "midpoint": midpoint, "heun": heun}[solver]
    times = torch.linspace(0, 1, 8, dtype=torch.float64)
    start = torch.tensor([1.0, -0.4], dtype=torch.float64)
    ours = solve(lambda x, t: field(float(t), x), start, times, solver=solver)
    assert ours.tolist() == pytest.approx([solved(step, 7, x=1.0), solved(step, 7, x=-0.4)])


def test_the_package_s_ddim_likelihood_and_guidance():
    times = torch.linspace(0.1, 1, 6, dtype=torch.float64)
    start = torch.tensor([[0.3], [-1.2]], dtype=torch.float64)
    ours = ddim(lambda x, t: guess(float(t), x), start, times, path="straight")
    x = start
    for t, r in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        image = guess(t, x)
        x = r * image + (1 - r) * (x - t * image) / (1 - t)
    assert ours.numpy() == pytest.approx(x.numpy())
    back = torch.linspace(1, 0, 401, dtype=torch.float64)
    ends = torch.tensor([[-1.2], [1.1], [2.6]], dtype=torch.float64)
    seen = path_log_density(lambda x, t: mixture(t, x[:, 0])[:, None], ends, back)
    exact = [log_density(1.0, end) for end in ends[:, 0].tolist()]
    assert seen.log_density.tolist() == pytest.approx(exact, abs=1e-3)
    none, told = torch.tensor([0.2, 1.0]), torch.tensor([0.7, -1.0])
    assert torch.equal(guided(none, told, 0), none)
    assert torch.equal(guided(none, told, 1), told)
    assert guided(none, told, 3).tolist() == pytest.approx([1.7, -5.0])
