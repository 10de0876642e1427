"""The equations of book/math/noise-and-score.md: quadrature, finite differences, many draws."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import multivariate_normal, norm

from course_lib.ops import annealed_langevin

LINE = np.linspace(-14, 14, 1401)
WEIGHTS, MEANS, WIDTH = np.array([0.2, 0.5, 0.3]), np.array([-2.0, 0.5, 3.0]), 0.4
LEVELS = [(1.0, 0.6), (0.7, 1.3), (0.4, 0.5)]  # signal and noise scale, none of them 1 and 1


def data(x):
    """A density of one number that is no bell."""
    return sum(w * norm.pdf(x, m, WIDTH) for w, m in zip(WEIGHTS, MEANS, strict=True))


def seen(place, alpha, sigma):
    """The noisy density at places (P,), by quadrature over the data."""
    bells = norm.pdf(np.asarray(place)[..., None], alpha * LINE, sigma)
    return np.trapezoid(bells * data(LINE), LINE, axis=-1)


def moment(power, place, alpha, sigma):
    """E[x^power | x_t] by Bayes' rule on a grid."""
    joint = norm.pdf(np.asarray(place)[..., None], alpha * LINE, sigma) * data(LINE)
    return np.trapezoid(joint * LINE**power, LINE, axis=-1) / np.trapezoid(joint, LINE, axis=-1)


def slope(place, alpha, sigma, h=1e-4):
    logs = [np.log(seen(place + step, alpha, sigma)) for step in (-h, h)]
    return (logs[1] - logs[0]) / (2 * h)


def draws(alpha, sigma, num=200_000):
    rng = np.random.default_rng(0)
    image = rng.choice(MEANS, num, p=WEIGHTS) + WIDTH * rng.normal(size=num)
    noise = rng.normal(size=num)
    return image, noise, alpha * image + sigma * noise


PLACES = np.array([-2.1, -0.7, 0.3, 1.6])


@pytest.mark.equation("eq-noisy")
@pytest.mark.equation("eq-noisy-density")
@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
def test_the_noisy_density_is_that_of_the_noisy_images(alpha, sigma):
    *_, noisy = draws(alpha, sigma)
    for place in PLACES:
        share = (np.abs(noisy - place) < 0.1).mean()
        near = np.linspace(place - 0.1, place + 0.1, 21)
        wanted = np.trapezoid(seen(near, alpha, sigma), near)
        assert share == pytest.approx(wanted, abs=4 * (wanted / len(noisy)) ** 0.5)


@pytest.mark.equation("eq-log-snr")
def test_a_factor_does_not_change_the_level():
    """Signal over noise, from the variances of both parts; and the same guess after scaling."""
    image, noise, _ = draws(1, 1)
    image = image / image.std()
    for alpha, sigma in LEVELS:
        ratio = np.log((alpha * image).var() / (sigma * noise).var())
        assert ratio == pytest.approx(np.log(alpha**2 / sigma**2), abs=0.01)
        at = np.array([0.4, 1.1])
        same = moment(1, 3 * at, 3 * alpha, 3 * sigma)
        assert moment(1, at, alpha, sigma) == pytest.approx(same)
    assert np.log(0.8**2 / 0.8**2) == 0


@pytest.mark.equation("eq-denoiser")
@pytest.mark.equation("eq-denoising-floor")
@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
def test_the_best_guess_is_the_mean_and_its_error_the_variance(alpha, sigma):
    image, _, noisy = draws(alpha, sigma)
    for place in PLACES:
        near = image[np.abs(noisy - place) < 0.05]
        best = minimize_scalar(lambda guess, near=near: ((near - guess) ** 2).mean()).x
        assert best == pytest.approx(moment(1, place, alpha, sigma), abs=0.05)
    grid = np.linspace(noisy.min(), noisy.max(), 501)
    best = np.interp(noisy, grid, moment(1, grid, alpha, sigma))
    variance = moment(2, grid, alpha, sigma) - moment(1, grid, alpha, sigma) ** 2
    floor = np.trapezoid(variance * seen(grid, alpha, sigma), grid)
    assert ((best - image) ** 2).mean() == pytest.approx(floor, rel=0.01)
    assert ((best + 0.2 - image) ** 2).mean() > floor


@pytest.mark.equation("eq-mixture-score")
def test_the_score_of_a_mixture_in_the_plane():
    rng = np.random.default_rng(1)
    means, weights, width = rng.normal(size=(4, 2)), rng.dirichlet(np.ones(4)), 0.3
    for alpha, sigma in LEVELS:
        variance = alpha**2 * width**2 + sigma**2
        bells = [multivariate_normal(alpha * m, variance) for m in means]
        density = lambda x, b=bells: sum(w * f.pdf(x) for w, f in zip(weights, b, strict=True))  # noqa: E731
        x = np.array([0.3, -0.8])
        parts = np.array([w * f.pdf(x) for w, f in zip(weights, bells, strict=True)])
        ours = (parts / parts.sum()) @ (alpha * means - x) / variance
        ends = [
            (np.log(density(x + step)) - np.log(density(x - step))) / 2e-4
            for step in 1e-4 * np.eye(2)
        ]
        assert ours == pytest.approx(ends, abs=1e-6)
    # Far apart, the weights leave it: near one bell only this bell speaks.
    far = lambda w: (  # noqa: E731
        np.log(w * norm.pdf(-3.9, -4, 0.5) + (1 - w) * norm.pdf(-3.9, 4, 0.5)),
        np.log(w * norm.pdf(-3.7, -4, 0.5) + (1 - w) * norm.pdf(-3.7, 4, 0.5)),
    )
    assert np.diff(far(0.1)) == pytest.approx(np.diff(far(0.9)), abs=1e-12)


@pytest.mark.equation("eq-tweedie")
@pytest.mark.equation("eq-score-noise")
@pytest.mark.equation("eq-tweedie-covariance")
@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
def test_mean_noise_and_variance_from_the_score(alpha, sigma):
    score = slope(PLACES, alpha, sigma)
    mean = moment(1, PLACES, alpha, sigma)
    assert (PLACES + sigma**2 * score) / alpha == pytest.approx(mean, abs=1e-5)
    assert score == pytest.approx(-(PLACES - alpha * mean) / sigma / sigma, abs=1e-5)
    h = 1e-3
    bend = (slope(PLACES + h, alpha, sigma) - slope(PLACES - h, alpha, sigma)) / (2 * h)
    turn = (moment(1, PLACES + h, alpha, sigma) - moment(1, PLACES - h, alpha, sigma)) / (2 * h)
    variance = moment(2, PLACES, alpha, sigma) - mean**2
    assert sigma**2 / alpha**2 * (1 + sigma**2 * bend) == pytest.approx(variance, abs=1e-4)
    assert sigma**2 / alpha * turn == pytest.approx(variance, abs=1e-4)


@pytest.mark.equation("eq-two-points")
def test_two_points_and_the_numbers_of_the_chapter():
    for alpha, sigma, at in ((1, 1, 0.5), (1, 0.5, 0.5), (0.6, 0.7, -0.3)):
        up, down = norm.pdf(at, alpha, sigma), norm.pdf(at, -alpha, sigma)
        assert (up - down) / (up + down) == pytest.approx(np.tanh(alpha * at / sigma**2))
    assert np.tanh(0.5) == pytest.approx(0.462, abs=5e-4)
    assert np.tanh(0.5) - 0.5 == pytest.approx(-0.038, abs=5e-4)
    assert np.tanh(2) == pytest.approx(0.964, abs=5e-4)
    assert (np.tanh(2) - 0.5) / 0.25 == pytest.approx(1.856, abs=5e-4)
    # The questions: a bell of variance 4, seen with deviation 2.
    joint = norm.pdf(3, LINE, 2) * norm.pdf(LINE, 0, 2)
    mean = np.trapezoid(joint * LINE, LINE) / np.trapezoid(joint, LINE)
    spread = np.trapezoid(joint * (LINE - mean) ** 2, LINE) / np.trapezoid(joint, LINE)
    assert (mean, spread) == pytest.approx((1.5, 2))
    assert pytest.approx(1.267, abs=5e-4) == (1 - 0.8 * 0.3) / 0.6


@pytest.mark.equation("eq-denoising-score-matching")
@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
def test_both_losses_differ_by_a_constant(alpha, sigma):
    """For several wrong networks: the loss that one can compute by draws, the other by grid."""
    _, noise, noisy = draws(alpha, sigma)
    grid = np.linspace(noisy.min() - 1, noisy.max() + 1, 801)
    density, score = seen(grid, alpha, sigma), slope(grid, alpha, sigma)
    constant = 1 / sigma**2 - np.trapezoid(score**2 * density, grid)
    assert constant > 0
    for network in (np.sin, lambda x: -x, lambda x: 0 * x):
        other = np.trapezoid((network(grid) - score) ** 2 * density, grid)
        loss = (network(noisy) + noise / sigma) ** 2
        error = loss.std() / len(loss) ** 0.5
        assert loss.mean() == pytest.approx(other + constant, abs=4 * error)


PLANE = [
    (0.5, [-1.5, 0.4], [[0.5, 0.2], [0.2, 0.9]]),
    (0.5, [1.2, -0.3], [[0.8, -0.3], [-0.3, 0.4]]),
]


def density_in_the_plane(x):
    """Two bells that are not round, at x (..., 2)."""
    return sum(w * multivariate_normal(m, v).pdf(x) for w, m, v in PLANE)


def arrows(x, how):
    """A family of networks (two numbers each) at x (..., 2), and their divergence by hand."""
    turn, bend = np.array([[0.9, -0.7], [0.4, 1.1]]), np.array([[0.6, 0.2], [-0.5, 0.8]])
    pull, wave = how
    inner = x @ turn.T
    said = -pull * x + wave * np.sin(inner) @ bend.T  # s = -pull x + wave B sin(A x)
    spread = -2 * pull + wave * (np.cos(inner) * np.diag(turn @ bend)).sum(-1)
    return said, spread


@pytest.mark.equation("eq-implicit-score-matching")
def test_the_implicit_loss_has_the_same_best_network():
    """In the plane: both losses by quadrature, the implicit one by draws; the constant; the min."""
    axis = np.linspace(-7, 7, 281)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    cell, step = (axis[1] - axis[0]) ** 2, 1e-4
    weight = density_in_the_plane(grid) * cell
    score = np.stack(
        [
            (np.log(density_in_the_plane(grid + e)) - np.log(density_in_the_plane(grid - e)))
            / (2 * step)
            for e in step * np.eye(2)
        ],
        -1,
    )
    assert weight.sum() == pytest.approx(1, abs=1e-6)
    constant = -(weight * (score**2).sum(-1)).sum() / 2

    def implicit(how):
        said, spread = arrows(grid, how)
        return (weight * ((said**2).sum(-1) / 2 + spread)).sum()

    def explicit(how):
        return (weight * ((arrows(grid, how)[0] - score) ** 2).sum(-1)).sum() / 2

    rng = np.random.default_rng(0)
    bell = rng.random(100_000) < PLANE[0][0]
    drawn = np.where(
        bell[:, None], *(rng.multivariate_normal(m, v, len(bell)) for _, m, v in PLANE)
    )
    for how in ((0.0, 1.0), (0.7, -0.4), (1.3, 0.8)):
        assert implicit(how) == pytest.approx(explicit(how) + constant, abs=1e-5)
        said, spread = arrows(drawn, how)
        losses = (said**2).sum(1) / 2 + spread
        bar = 4 * losses.std() / len(losses) ** 0.5
        assert losses.mean() == pytest.approx(implicit(how), abs=bar)
    best = [minimize(loss, (0.5, 0.5)).x for loss in (implicit, explicit)]
    assert best[0] == pytest.approx(best[1], abs=1e-4) and np.abs(best[0]).min() > 0.1
    # The divergence by hand, and no lower bound where the data are one image.
    x = np.array([0.4, -1.1])
    ends = [(arrows(x + e, (0.7, 0.9))[0] - arrows(x - e, (0.7, 0.9))[0]) for e in 1e-5 * np.eye(2)]
    slopes = np.stack(ends) / 2e-5
    assert np.trace(slopes) == pytest.approx(arrows(x, (0.7, 0.9))[1], abs=1e-8)
    alone = []
    for pull in (1, 10, 100):
        network = lambda y, k=pull: -k * (y - x)  # noqa: E731
        ends = [network(x + e) - network(x - e) for e in 1e-5 * np.eye(2)]
        alone.append((network(x) ** 2).sum() / 2 + np.trace(np.stack(ends)) / 2e-5)
    assert alone == pytest.approx([-2, -20, -200])


@pytest.mark.equation("eq-annealed-langevin")
def test_annealed_langevin_finds_the_weights():
    """All points begin in the lighter of two bells, and plain Langevin leaves them there."""
    means = torch.tensor([[-4.0, 1.0], [4.0, -1.0]], dtype=torch.float64)
    weights, width = torch.tensor([0.2, 0.8], dtype=torch.float64), 0.5
    start = means[:1].expand(2500, 2)

    def score(x, sigma):
        variance = width**2 + sigma**2
        away = means - x[:, None]
        part = (weights.log() - away.square().sum(-1) / 2 / variance).softmax(1)
        return (part[..., None] * away).sum(1) / variance

    def run(sigmas, steps, rate=0.1, score=score):
        generator = torch.Generator().manual_seed(0)
        return annealed_langevin(score, start, sigmas, steps=steps, rate=rate, generator=generator)

    levels = torch.logspace(np.log10(8), np.log10(0.05), 20, dtype=torch.float64)
    x = run(levels, 60)
    heavy = x[:, 0] > 0
    bar = 4 * (0.2 * 0.8 / len(x)) ** 0.5
    assert heavy.double().mean().item() == pytest.approx(0.8, abs=bar + 0.015)
    for side, mean in ((~heavy, means[0]), (heavy, means[1])):
        num, spread = int(side.sum()), (width**2 + 0.05**2) ** 0.5
        assert (x[side].mean(0) - mean).abs().max().item() < 4 * spread / num**0.5
        assert x[side].std(0).tolist() == pytest.approx(
            [spread] * 2, rel=4 / (2 * num) ** 0.5 + 0.03
        )
    # As many steps on the density itself; their length is a tenth of a bell's variance.
    plain = run(levels.new_tensor([width]), 20 * 60, score=lambda x, _: score(x, 0.0))
    assert (plain[:, 0] > 0).double().mean().item() < 0.01
    # The same rule written out once, in the order of the equation.
    generator = torch.Generator().manual_seed(0)
    x = start
    for sigma in levels[:3]:
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        h = 0.3 * sigma.item() ** 2
        x = x + h * score(x, sigma) + (2 * h) ** 0.5 * z
    assert torch.allclose(run(levels[:3], 1, rate=0.3), x, atol=1e-12)


@pytest.mark.equation("eq-langevin")
def test_langevin_leaves_the_density_and_forgets_slowly():
    """Near its limit it has the moments of the data; between far bells it does not mix."""
    rng = np.random.default_rng(0)
    score = lambda x: slope_of(x, MEANS, WEIGHTS, 1.2)  # noqa: E731
    x, h = rng.normal(size=5000), 0.05
    for _ in range(400):
        x = x + h * score(x) + (2 * h) ** 0.5 * rng.normal(size=len(x))
    mean = WEIGHTS @ MEANS
    spread = WEIGHTS @ (MEANS - mean) ** 2 + 1.2**2
    assert x.mean() == pytest.approx(mean, abs=0.12)
    assert x.var() == pytest.approx(spread, rel=0.1)
    far = np.array([-5.0, 5.0])
    x = rng.choice(far, 2000)  # half each, though the weights are 0.9 and 0.1
    for _ in range(500):
        x = (
            x
            + h * slope_of(x, far, np.array([0.9, 0.1]), 1)
            + (2 * h) ** 0.5 * rng.normal(size=len(x))
        )
    assert (x < 0).mean() == pytest.approx(0.5, abs=0.05)


def slope_of(x, means, weights, width):
    """The score of a mixture on a line."""
    bells = weights * norm.pdf(x[:, None], means, width)
    return (bells * (means - x[:, None])).sum(1) / bells.sum(1) / width**2
