"""The equations of book/math/wasserstein.md, each checked numerically in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog, minimize
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance
from torch import nn

from course_lib.losses import discriminator_loss, gradient_penalty
from course_lib.metrics import wasserstein_1d

F64 = torch.float64
some = settings(max_examples=15, deadline=None)
seeds = given(st.integers(0, 2**31))


def problem(seed, dim=2, sizes=(4, 5)):
    """Places and masses of two distributions."""
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=(n, dim)) for n in sizes)
    p, q = (rng.dirichlet(np.ones(n)) for n in sizes)
    return x, y, p, q


def cheapest(x, y, p, q):
    """The plan of least work, by linear programming; returns work and plan."""
    n, m = len(p), len(q)
    rows = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    found = linprog(
        cdist(x, y).ravel(), A_eq=np.vstack(rows), b_eq=np.concatenate([p, q]), bounds=(0, None)
    )
    return found.fun, found.x.reshape(n, m)


def potentials(x, y, p, q):
    """The dual programme: one number for each place; returns optimum, u and v."""
    n, m = len(p), len(q)
    pairs = np.hstack([np.kron(np.eye(n), np.ones((m, 1))), np.kron(np.ones((n, 1)), np.eye(m))])
    found = linprog(
        -np.concatenate([p, q]), A_ub=pairs, b_ub=cdist(x, y).ravel(), bounds=(None, None)
    )
    return -found.fun, found.x[:n], found.x[n:]


def transform(points, y, v):
    """The chapter's f, one function made of the dual numbers."""
    return (cdist(points, y) - v).min(axis=1)


BINS = np.array([[0.0], [1.0], [2.0]])
P, Q = np.array([0.1, 0.4, 0.5]), np.array([0.6, 0.3, 0.1])


@pytest.mark.equation("eq-earth-mover")
def test_the_worked_example():
    work, plan = cheapest(BINS, BINS, P, Q)
    assert work == pytest.approx(0.9)
    assert plan.sum(axis=1) == pytest.approx(P) and plan.sum(axis=0) == pytest.approx(Q)
    ways = np.abs(BINS - BINS.T)
    by_hand = np.array([[0.1, 0, 0], [0.4, 0, 0], [0.1, 0.3, 0.1]])  # to row, from column
    other = np.array([[0.1, 0, 0], [0.1, 0.3, 0], [0.4, 0, 0.1]])
    for carried in (by_hand, other):
        assert carried.sum(axis=1) == pytest.approx(P) and carried.sum(axis=0) == pytest.approx(Q)
        assert (carried * ways).sum() == pytest.approx(0.9)
    assert P @ BINS[:, 0] - Q @ BINS[:, 0] == pytest.approx(0.9)  # the certificate f(x) = x


@pytest.mark.equation("eq-earth-mover")
@some
@seeds
def test_no_plan_is_cheaper_and_it_is_a_distance(seed):
    x, y, p, q = problem(seed)
    work, plan = cheapest(x, y, p, q)
    assert (plan > -1e-12).all() and (plan * cdist(x, y)).sum() == pytest.approx(work)
    assert work <= (np.outer(p, q) * cdist(x, y)).sum() + 1e-9
    assert cheapest(y, x, q, p)[0] == pytest.approx(work)
    assert cheapest(x, x, p, p)[0] == pytest.approx(0, abs=1e-9)
    z, _, r, _ = problem(seed + 1)
    assert work <= cheapest(x, z, p, r)[0] + cheapest(z, y, r, q)[0] + 1e-9


@pytest.mark.equation("eq-wasserstein-line")
@some
@seeds
def test_on_a_line_the_shares_decide(seed):
    x, y, p, q = problem(seed, dim=1)
    edges = np.sort(np.concatenate([x, y]), axis=0).ravel()
    inside = (edges[1:] + edges[:-1]) / 2
    shares = [
        np.array([m[places[:, 0] <= t].sum() for t in inside]) for places, m in ((x, p), (y, q))
    ]
    integral = (np.abs(shares[0] - shares[1]) * np.diff(edges)).sum()
    assert cheapest(x, y, p, q)[0] == pytest.approx(integral)
    assert wasserstein_distance(x[:, 0], y[:, 0], p, q) == pytest.approx(integral)
    uniform = [np.full(len(m), 1 / len(m)) for m in (p, q)]
    got = wasserstein_1d(torch.tensor(x[:, 0]), torch.tensor(y[:, 0])).item()
    assert got == pytest.approx(cheapest(x, y, *uniform)[0])


@pytest.mark.equation("eq-wasserstein-sorted")
@some
@seeds
def test_on_a_line_it_is_sorting(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 7, 1))
    rows, columns = linear_sum_assignment(cdist(x, y))  # a best plan is one to one
    wanted = cdist(x, y)[rows, columns].mean()
    assert np.abs(np.sort(x, 0) - np.sort(y, 0)).mean() == pytest.approx(wanted)
    assert wasserstein_1d(torch.tensor(x[:, 0]), torch.tensor(y[:, 0])).item() == pytest.approx(
        wanted
    )


@pytest.mark.equation("eq-parallel-lines")
@pytest.mark.parametrize("theta", [-0.7, 0.0, 0.01, 2.0])
def test_parallel_lines(theta):
    heights = (np.arange(40) + 0.5) / 40
    real = np.stack([np.zeros(40), heights], axis=1)
    fake = real + [theta, 0]
    rows, columns = linear_sum_assignment(cdist(real, fake))
    assert cdist(real, fake)[rows, columns].mean() == pytest.approx(abs(theta))
    places = sorted({tuple(point) for point in np.concatenate([real, fake])})
    mass = [
        np.array([(points == place).all(axis=1).mean() for place in places])
        for points in (real, fake)
    ]
    middle = sum(mass) / 2
    terms = [np.where(m > 0, m * np.log(np.where(m > 0, m, 1) / middle), 0).sum() for m in mass]
    assert sum(terms) / 2 == pytest.approx(math.log(2) if theta else 0, abs=1e-12)


@pytest.mark.equation("eq-lipschitz")
@some
@seeds
def test_a_bounded_slope_is_a_bounded_gradient(seed):
    torch.manual_seed(seed % 2**31)
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x, y = torch.randn(2, 200, 2, dtype=F64)
    steepest = ((net(x) - net(y))[:, 0].abs() / (x - y).norm(dim=1)).max()
    between = torch.linspace(0, 1, 101, dtype=F64)[:, None, None]
    points = (between * x + (1 - between) * y).reshape(-1, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(net(points).sum(), points)
    largest = gradient.norm(dim=1).max()
    assert steepest <= largest * (1 + 1e-3)  # the gradients along the segments bound the slope
    tip = points[gradient.norm(dim=1).argmax()].detach()
    way = gradient[gradient.norm(dim=1).argmax()] / largest * 1e-5
    reached = (net(tip + way) - net(tip - way)).abs() / (2 * way.norm())
    assert reached.item() == pytest.approx(largest.item(), rel=1e-6)  # and are reached near by


@pytest.mark.equation("eq-weak-duality")
@some
@seeds
def test_any_certificate_is_below_any_plan(seed):
    x, y, p, q = problem(seed)
    rng = np.random.default_rng(seed)
    centres, heights = rng.normal(size=(3, 2)), rng.normal(size=3)
    f_x, f_y = transform(x, centres, heights), transform(y, centres, heights)
    plan = np.outer(p, q)
    middle = (plan * (f_x[:, None] - f_y)).sum()
    assert p @ f_x - q @ f_y == pytest.approx(middle)
    assert middle <= (plan * cdist(x, y)).sum()
    assert middle <= cheapest(x, y, p, q)[0] + 1e-9


@pytest.mark.equation("eq-kantorovich-rubinstein", "eq-c-transform")
@some
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_the_best_certificate_reaches_the_best_plan(seed, dim):
    x, y, p, q = problem(seed, dim)
    work, _ = cheapest(x, y, p, q)
    optimum, u, v = potentials(x, y, p, q)
    assert optimum == pytest.approx(work)
    f_x, f_y = transform(x, y, v), transform(y, y, v)
    assert (f_x >= u - 1e-9).all() and (f_y <= -v + 1e-9).all()
    assert p @ f_x - q @ f_y == pytest.approx(work)
    a, b = np.random.default_rng(seed).normal(size=(2, 300, dim))
    rise = np.abs(transform(a, y, v) - transform(b, y, v))
    assert (rise <= np.linalg.norm(a - b, axis=1) + 1e-9).all()


@pytest.mark.equation("eq-wgan-generator-gradient")
@some
@seeds
def test_the_generator_may_follow_the_best_critic(seed):
    """Two real points, each taking half of twenty fakes: the best critic is known, and smooth."""
    x, z, _, _ = problem(seed, sizes=(2, 20))
    p, q = np.full(2, 1 / 2), np.full(20, 1 / 20)

    def made(theta):  # the generator turns and stretches its noise
        return z * theta[0] + theta[1] * z[:, ::-1] * [1, -1]

    def critic(y):  # max_i (height_i - |y - x_i|): nowhere steeper than 1
        return (heights - cdist(y, x)).max(axis=1)

    theta, step = np.array([0.8, 0.3]), 1e-6
    ways = cdist(made(theta), x)
    heights = np.array([np.median(ways[:, 0] - ways[:, 1]), 0])  # half of the fakes go to each
    work = cheapest(x, made(theta), p, q)[0]
    assert p @ critic(x) - q @ critic(made(theta)) == pytest.approx(work)  # it is the best one
    for move in np.eye(2) * step:
        high, low = made(theta + move), made(theta - move)
        true = (cheapest(x, high, p, q)[0] - cheapest(x, low, p, q)[0]) / (2 * step)
        followed = -(q @ critic(high) - q @ critic(low)) / (2 * step)  # the critic stays as it is
        assert followed == pytest.approx(true, abs=1e-5)


@pytest.mark.equation("eq-lipschitz-scale")
@some
@given(st.integers(0, 2**31), st.floats(0.1, 5))
def test_a_steeper_critic_gives_a_multiple(seed, constant):
    x, y, p, q = problem(seed)
    n, m = len(p), len(q)
    places, mass = np.concatenate([x, y]), np.concatenate([p, -q])
    pairs = [(i, j) for i in range(n + m) for j in range(n + m) if i != j]
    slope = np.zeros((len(pairs), n + m))
    for row, (i, j) in enumerate(pairs):
        slope[row, i], slope[row, j] = 1, -1
    limits = [constant * np.linalg.norm(places[i] - places[j]) for i, j in pairs]
    bounds = [(0, 0)] + [(None, None)] * (n + m - 1)
    found = linprog(-mass, A_ub=slope, b_ub=limits, bounds=bounds)
    assert -found.fun == pytest.approx(constant * cheapest(x, y, p, q)[0])


@pytest.mark.equation("eq-clipping-bound")
@pytest.mark.parametrize("widths", [(3, 64, 64, 1), (8, 5, 7, 2), (4, *[16] * 6, 1)])
def test_clipped_weights_bound_the_slope(widths):
    clip = 0.05
    bound = math.prod(clip * math.sqrt(a * b) for a, b in zip(widths[1:], widths[:-1], strict=True))
    torch.manual_seed(0)
    for draw in range(5):
        layers = []
        for rows, columns in zip(widths[1:], widths[:-1], strict=True):
            layer = nn.Linear(columns, rows, dtype=F64)
            nn.init.uniform_(layer.weight, -clip, clip)
            if draw == 4:
                nn.init.constant_(layer.weight, clip)
                nn.init.constant_(layer.bias, 1.0)
            layers += [layer, nn.ReLU()]
        net = nn.Sequential(*layers[:-1])
        point = torch.rand(widths[0], dtype=F64)
        derivative = torch.autograd.functional.jacobian(net, point)
        steepness = torch.linalg.matrix_norm(derivative, 2).item()
        assert steepness <= bound * (1 + 1e-9)
        if draw == 4:  # all weights at the clip, all ReLUs open: the bound is reached
            assert steepness == pytest.approx(bound)
    hidden = [c * math.sqrt(64 * 64) for c in (0.01, 0.1)]
    assert hidden[0] ** 10 == pytest.approx(0.0115, abs=5e-5) and hidden[1] ** 10 > 1e8


@pytest.mark.equation("eq-critic-gradient")
@some
@given(st.integers(0, 2**31), st.integers(1, 3), st.floats(0.05, 0.95))
def test_the_best_critic_has_slope_one_along_the_ways(seed, dim, t):
    x, y, p, q = problem(seed, dim)
    _, plan = cheapest(x, y, p, q)
    _, _, v = potentials(x, y, p, q)
    step = 1e-6
    for i, j in np.argwhere(plan > 1e-6):
        way = x[i] - y[j]
        way /= np.linalg.norm(way)
        at = t * x[i] + (1 - t) * y[j]
        moves = np.concatenate([np.eye(dim), -np.eye(dim)]) * step
        values = transform(at + moves, y, v)
        if abs(values[:dim] + values[dim:] - 2 * transform(at[None], y, v)).max() > 1e-9:
            continue  # a corner of f: no gradient here
        gradient = (values[:dim] - values[dim:]) / (2 * step)
        assert gradient == pytest.approx(way, abs=1e-3)


@pytest.mark.equation("eq-gradient-penalty")
@some
@seeds
def test_the_critics_loss(seed):
    generator = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(2, 6, 3, dtype=F64, generator=generator)
    matrix = torch.randn(3, 3, dtype=F64, generator=generator)
    mix = torch.rand(6, dtype=F64, generator=generator)

    def critic(x):  # x^T A x, whose gradient is (A + A^T) x
        return torch.einsum("bi,ij,bj->b", x, matrix, x)

    between = mix[:, None] * real + (1 - mix[:, None]) * fake
    norms = (between @ (matrix + matrix.T)).norm(dim=1)
    wanted = critic(fake).mean() - critic(real).mean() + 10 * ((norms - 1) ** 2).mean()
    got = discriminator_loss(critic(real), critic(fake), kind="wasserstein")
    got = got + 10 * gradient_penalty(critic, real, fake, mix=mix)
    torch.testing.assert_close(got, wanted)


@pytest.mark.equation("eq-penalty-overshoot")
@pytest.mark.parametrize("distance", [0.5, 4.0, 20.0])
@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_what_the_penalty_settles_for(distance, weight):
    cells = 8  # of [0, distance], with a slope of its own in each

    def loss(slopes):
        penalty = weight * ((np.abs(slopes) - 1) ** 2).mean()
        return -slopes.mean() * distance + penalty

    found = minimize(loss, np.ones(cells), method="BFGS", options={"gtol": 1e-9})
    wanted = 1 + distance / (2 * weight)
    assert found.x == pytest.approx(np.full(cells, wanted), rel=1e-4)
    line = torch.tensor(wanted, dtype=F64, requires_grad=True)
    real, fake = torch.full((5, 1), distance, dtype=F64), torch.zeros(5, 1, dtype=F64)
    total = discriminator_loss((line * real)[:, 0], (line * fake)[:, 0], kind="wasserstein")
    total = total + weight * gradient_penalty(lambda x: (line * x)[:, 0], real, fake)
    (slope,) = torch.autograd.grad(total, line)
    assert slope.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.equation("eq-batch-critic")
def test_a_batch_critic_mixes_the_images():
    torch.manual_seed(0)
    x = torch.randn(5, 4, dtype=F64)
    alone = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    mixed = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1)).double()
    for net, others in ((alone, False), (mixed, True)):
        jacobian = torch.autograd.functional.jacobian(lambda b, net=net: net(b)[:, 0], x)  # i, j, :
        own = jacobian[torch.arange(5), torch.arange(5)]
        strangers = jacobian.sum(dim=0) - own
        points = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(net(points).sum(), points)
        torch.testing.assert_close(gradient, own + strangers)
        assert (strangers.abs().max() > 1e-3) == others
    scores = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 1)).double()
    penalty = gradient_penalty(lambda b: scores(b)[:, 0], x, torch.randn_like(x))
    assert penalty.item() == pytest.approx(1)  # whatever the weights


def test_the_answers():
    assert wasserstein_distance([3], [0, 4]) == pytest.approx(2)
    slope = 1 + 4 / (2 * 10)
    assert (slope, 4 * slope) == pytest.approx((1.2, 4.8))


def test_the_error_of_a_sample_follows_the_intrinsic_dimension():
    """A cube laid into ten dimensions converges like a cube, one of six dimensions more slowly."""
    rng = np.random.default_rng(0)

    def error(dimension, num):
        basis, _ = np.linalg.qr(rng.normal(size=(10, 10)))
        a, b = (rng.random((num, dimension)) @ basis[:dimension] for _ in range(2))
        ways = np.linalg.norm(a[:, None] - b, axis=2)
        return ways[linear_sum_assignment(ways)].mean()

    for dimension, lower, upper in ((3, 1 / 4, 1 / 2), (6, 1 / 7, 1 / 4)):
        few, many = (np.mean([error(dimension, num) for _ in range(4)]) for num in (40, 640))
        rate = math.log(few / many) / math.log(16)
        assert lower < rate < upper  # about 1 / s
    assert pytest.approx(1e6, rel=0.05) == 2**20  # s = 20: to halve the error
