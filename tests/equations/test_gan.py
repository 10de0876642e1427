"""The equations of book/math/gan.md, each against quadrature, minimisation or finite sums."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import norm

from course_lib.losses import discriminator_loss, generator_loss
from tools.figures import gan as figure_gan

seeds = given(st.integers(0, 2**31))
few = settings(max_examples=25, deadline=None)
P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])  # the chapter's example


def finite(seed, num=4):
    """Two distributions on a few places."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(num)), rng.dirichlet(np.ones(num))


def value(p, q, d):
    return float(np.sum(p * np.log(d) + q * np.log(1 - d)))


def kl(a, b):
    return float(np.sum(a * np.log(a / b), where=a > 0))


def js(p, q):
    return kl(p, (p + q) / 2) / 2 + kl(q, (p + q) / 2) / 2


def integral(f, low=-30.0, high=40.0):
    return quad(f, low, high, limit=400, epsabs=1e-12, points=[0, 1, 3, 6])[0]


def softplus(x):
    return np.logaddexp(0, x)


@pytest.mark.equation("eq-gan-value", "eq-gan-game")
@few
@seeds
def test_the_value_is_minus_the_discriminators_loss_and_a_game(seed):
    generator = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(2, 7, dtype=torch.float64, generator=generator)
    d = torch.sigmoid
    v = d(real).log().mean() + (1 - d(fake)).log().mean()
    for kind in ("minimax", "non-saturating"):
        torch.testing.assert_close(-discriminator_loss(real, fake, kind=kind), v)
    labels = torch.cat([torch.ones(7), torch.zeros(7)]).double()  # two classes, each weight 1
    entropy = F.binary_cross_entropy_with_logits(torch.cat([real, fake]), labels)
    torch.testing.assert_close(-2 * entropy, v)
    # only the generator's term depends on it: what it minimises is its part of the value
    torch.testing.assert_close(generator_loss(fake, kind="minimax"), (1 - d(fake)).log().mean())
    nothing = torch.zeros(7)
    assert -discriminator_loss(nothing, nothing).item() == pytest.approx(-math.log(4))


def test_the_game_is_solved_by_the_data():
    """Minimise over q, given as softmax of three numbers, the maximum over D."""

    def worst(z):
        q = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        return value(P, q, P / (P + q))

    found = minimize(worst, np.zeros(3), tol=1e-10)
    q = np.exp(found.x) / np.exp(found.x).sum()
    assert q == pytest.approx(P, abs=1e-4)
    assert found.fun == pytest.approx(-math.log(4))


@pytest.mark.equation("eq-optimal-discriminator", "eq-discriminator-logit")
@few
@seeds
def test_the_best_discriminator_by_maximisation(seed):
    """Free logits, Newton's method of another library: neither formula is used."""
    p, q = finite(seed)

    def loss(z):
        return float(np.sum(p * softplus(-z) + q * softplus(z)))

    def slope(z):
        return -p / (1 + np.exp(z)) + q / (1 + np.exp(-z))

    found = minimize(loss, np.zeros(len(p)), jac=slope, method="BFGS", options={"gtol": 1e-11})
    mask = (p > 1e-3) & (q > 1e-3)  # elsewhere the loss is too flat to find the place
    assert found.x[mask] == pytest.approx((np.log(p) - np.log(q))[mask], abs=1e-3)
    assert (1 / (1 + np.exp(-found.x)))[mask] == pytest.approx((p / (p + q))[mask], abs=1e-3)


@pytest.mark.slow
def test_the_best_discriminator_of_two_gaussians_by_quadrature():
    """Among all straight-line logits a x + b the formula's line has the largest value."""
    d = 1.3

    def loss(line):
        a, b = line
        real = integral(lambda x: norm.pdf(x, 0) * softplus(-(a * x + b)))
        return real + integral(lambda x: norm.pdf(x, d) * softplus(a * x + b))

    found = minimize(loss, [0.0, 0.0], tol=1e-9)
    assert found.x == pytest.approx([-d, d * d / 2], abs=1e-3)  # l*(x) = d (d/2 - x)


@pytest.mark.equation("eq-value-pointwise")
def test_the_value_as_an_integral_over_the_same_place():
    """The generator 2 z + 1 pushes noise to a Gaussian: both ways of writing give one number."""

    def d(x):
        return 1 / (1 + np.exp(-np.sin(x)))

    by_noise = integral(lambda x: norm.pdf(x) * np.log(d(x)))
    by_noise += integral(lambda z: norm.pdf(z) * np.log(1 - d(2 * z + 1)))
    by_place = integral(lambda x: norm.pdf(x) * np.log(d(x)) + norm.pdf(x, 1, 2) * np.log(1 - d(x)))
    assert by_noise == pytest.approx(by_place, abs=1e-8)


@pytest.mark.equation("eq-gan-value-js", "eq-jensen-shannon")
@few
@seeds
def test_the_value_at_the_best_discriminator(seed):
    p, q = finite(seed)
    best = value(p, q, p / (p + q))
    assert best == pytest.approx(-math.log(4) + 2 * js(p, q))
    assert 0 <= js(p, q) <= math.log(2) and js(p, p) == 0 and js(p, q) == pytest.approx(js(q, p))

    # another definition of the same divergence: entropy of the mixture minus the mean entropy
    def entropy(a):
        return -float(np.sum(a * np.log(a)))

    assert js(p, q) == pytest.approx(entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2)


def test_the_worked_example():
    d = P / (P + Q)
    assert d.round(3).tolist() == [0.714, 0.6, 0.25]
    assert np.log(P / Q).round(3).tolist() == [0.916, 0.405, -1.099]
    assert (P * np.log(d)).round(3).tolist() == [-0.168, -0.153, -0.277]
    assert (Q * np.log(1 - d)).round(3).tolist() == [-0.251, -0.183, -0.173]
    assert round(value(P, Q, d), 3) == -1.205 and round(-math.log(4), 3) == -1.386
    assert round(js(P, Q), 3) == 0.091


@pytest.mark.equation("eq-js-disjoint")
def test_without_a_common_place_the_divergence_is_log_2():
    p, q = np.array([0.3, 0.7, 0, 0, 0]), np.array([0, 0, 0.2, 0.5, 0.3])
    with np.errstate(divide="ignore", invalid="ignore"):
        assert js(p, q) == pytest.approx(math.log(2))
    # approached, not jumped to, by uniforms that overlap on a share s: (1 - s) log 2
    for s in (0.5, 0.1, 1e-6):
        p, q = np.array([1 - s, s, 0]), np.array([0, s, 1 - s])
        with np.errstate(divide="ignore", invalid="ignore"):
            assert js(p, q) == pytest.approx((1 - s) * math.log(2))
    assert 0.5 * math.log(2) == pytest.approx(0.347, abs=5e-4)  # question 4
    real, fake = torch.full((3,), 300.0), torch.full((3,), -300.0)
    assert discriminator_loss(real, fake).item() == 0  # the value of a perfect discriminator


def js_by_quadrature(d):
    def integrand(x):
        p, q = norm.pdf(x, 0), norm.pdf(x, d)
        m = (p + q) / 2
        return (p * np.log(p / m) + q * np.log(q / m)) / 2 if min(p, q) > 0 else 0.0

    return integral(integrand, -8, d + 8)


@pytest.mark.equation("eq-js-gaussians")
@pytest.mark.parametrize("d", [0.0, 0.3, 1.0, 2.5, 6.0])
def test_js_of_two_gaussians(d):
    formula = math.log(2) - integral(lambda e: norm.pdf(e) * softplus(-d * d / 2 - d * e))
    assert formula == pytest.approx(js_by_quadrature(d), abs=1e-8)
    assert figure_gan.jensen_shannon(np.array([d]))[0] == pytest.approx(formula, abs=1e-6)


def fooled(d):
    """Mean of D* where the generator draws."""
    return integral(
        lambda x: norm.pdf(x, d) * norm.pdf(x) / (norm.pdf(x) + norm.pdf(x, d)), -8, d + 8
    )


@pytest.mark.equation("eq-js-gradient")
@pytest.mark.parametrize("d", [0.3, 1.0, 2.5, 4.0])
def test_the_pull_is_the_slope_times_how_often_it_is_fooled(d):
    h = 1e-3
    slope = 2 * (js_by_quadrature(d + h) - js_by_quadrature(d - h)) / (2 * h)
    assert slope == pytest.approx(d * fooled(d), abs=1e-5)
    assert d * fooled(d) <= d / 2 * math.exp(-d * d / 8)
    assert d * figure_gan.fooled(np.array([d]))[0] == pytest.approx(d * fooled(d), abs=1e-6)


def test_the_numbers_of_the_vanishing_pull():
    assert round(1.0 * fooled(1.0), 2) == 0.40
    assert 6 * fooled(6.0) < 3 * math.exp(-4.5) < 0.034
    assert 5 * math.exp(-12.5) < 0.00002
    peak = minimize_scalar(lambda d: -d * fooled(d), bounds=(0.5, 4), method="bounded")
    assert peak.x == pytest.approx(1.6, abs=0.06) and 0.45 < -peak.fun < 0.5  # the figure


@pytest.mark.equation("eq-non-saturating")
@few
@seeds
def test_the_non_saturating_loss_is_cross_entropy_with_the_other_label(seed):
    fake = torch.randn(9, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    got = generator_loss(fake, kind="non-saturating")
    torch.testing.assert_close(got, -torch.sigmoid(fake).log().mean())
    ones = torch.ones(9, dtype=torch.float64)
    torch.testing.assert_close(got, F.binary_cross_entropy_with_logits(fake, ones))


@pytest.mark.equation("eq-generator-slopes")
def test_how_hard_each_loss_pulls():
    for at in (-6.0, -2.0, 0.0, 2.0, 6.0):
        s = 1 / (1 + math.exp(-at))
        wanted = {"minimax": -s, "non-saturating": s - 1, "least-squares": at - 1}
        for kind, slope in {**wanted, "hinge": -1.0, "wasserstein": -1.0}.items():
            h = 1e-6
            up, down = (
                generator_loss(torch.tensor([at + e], dtype=torch.float64), kind=kind).item()
                for e in (h, -h)
            )
            assert (up - down) / (2 * h) == pytest.approx(slope, abs=1e-6), (kind, at)
    assert 0.73 < 1 / (1 + math.exp(-1.0)) < 0.7311  # a sigmoid, and a loss with logits


@pytest.mark.equation("eq-non-saturating-gradient")
@pytest.mark.parametrize("shift", [0.5, 1.5, 3.0])
def test_what_the_non_saturating_loss_minimises(shift):
    """A generator a + s z against Gaussian data: both parameters, by finite differences."""
    s, h = 1.4, 1e-4

    def held(a, s, a0, s0):  # -E[log D*], with D* of the parameters a0, s0
        def logit(x):
            return norm.logpdf(x) - norm.logpdf(x, a0, s0)

        return integral(lambda z: norm.pdf(z) * softplus(-logit(a + s * z)), -9, 9)

    def wanted(a, s):
        def integrand(x):
            p, q = norm.logpdf(x), norm.logpdf(x, a, s)
            m = np.logaddexp(p, q) - math.log(2)
            divergence = (np.exp(p) * (p - m) + np.exp(q) * (q - m)) / 2
            return np.exp(q) * (q - p) - 2 * divergence

        return integral(integrand, -15, 18)

    for da, ds in ((h, 0), (0, h)):
        left = held(shift + da, s + ds, shift, s) - held(shift - da, s - ds, shift, s)
        right = wanted(shift + da, s + ds) - wanted(shift - da, s - ds)
        assert left / (2 * h) == pytest.approx(right / (2 * h), abs=1e-4)


@pytest.mark.equation("eq-non-saturating-divergence")
@few
@seeds
def test_the_difference_is_the_divergence_of_the_mixture_to_the_data(seed):
    p, q = finite(seed)
    assert kl(q, p) - 2 * js(q, p) == pytest.approx(2 * kl((p + q) / 2, p), abs=1e-12)
    assert kl((p + q) / 2, p) > 0 and kl(p, p) == 0


@pytest.mark.parametrize("shift", [0.5, 1.5, 3.0])
def test_a_step_of_the_non_saturating_generator_descends_it_by_quadrature(shift):
    """The package's loss at a held best discriminator, against the mixture's divergence itself."""
    s, h = 1.4, 1e-4
    nodes = np.linspace(-12, 15, 1081)
    step = nodes[1] - nodes[0]

    def held(a):  # the package's generator loss at each place, weighted by the moved density
        logit = torch.tensor(norm.logpdf(nodes) - norm.logpdf(nodes, shift, s))
        each = [generator_loss(part, kind="non-saturating").item() for part in logit.split(1)]
        return float(np.sum(norm.pdf(nodes, a, s) * each)) * step

    def mixture(a):
        p, q = norm.logpdf(nodes), norm.logpdf(nodes, a, s)
        m = np.logaddexp(p, q) - math.log(2)
        return 2 * float(np.sum(np.exp(m) * (m - p))) * step

    left = (held(shift + h) - held(shift - h)) / (2 * h)
    assert left == pytest.approx((mixture(shift + h) - mixture(shift - h)) / (2 * h), abs=1e-5)


@few
@seeds
def test_on_finitely_many_places_the_gradient_is_the_same_to_the_last_digit(seed):
    """The generator is a softmax; autograd differentiates both sides."""
    p, q = (torch.tensor(x) for x in finite(seed, 5))
    free = q.log().requires_grad_()
    share = free.softmax(0)
    logit = (p / share).log().detach()  # the best discriminator, held
    loss = sum(
        w * generator_loss(each, kind="non-saturating")
        for w, each in zip(share, logit.split(1), strict=True)
    )
    m = (p + share) / 2
    divergence = 2 * (m * (m / p).log()).sum()
    for a, b in zip(
        torch.autograd.grad(loss, free, retain_graph=True),
        torch.autograd.grad(divergence, free),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
    loss_at_rest = generator_loss(torch.zeros(1), kind="non-saturating").item()
    assert loss_at_rest == pytest.approx(math.log(2))  # and not 0: no divergence


def test_drawing_what_the_data_lack_costs_without_end_and_leaving_out_does_not():
    prices = []
    for p_there in (1e-3, 1e-6, 1e-9):
        p, q = np.array([1 - p_there, p_there]), np.array([0.5, 0.5])
        prices.append(2 * kl((p + q) / 2, p))
    assert prices[0] + 1 < prices[1] < prices[2] - 1  # half of the samples where no data are
    p, q = np.array([0.5, 0.5]), np.array([1 - 1e-9, 1e-9])
    assert 2 * kl((p + q) / 2, p) < 0.3  # half of the data left out
