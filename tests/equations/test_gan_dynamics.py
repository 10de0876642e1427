"""The equations of book/math/gan-dynamics.md, each checked numerically in float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import minimize
from scipy.special import expit

from course_lib.losses import discriminator_loss, generator_loss, r1_penalty, r2_penalty
from course_lib.ops.games import (
    DIRAC_LOSSES,
    alternating,
    averaged,
    dirac_gan,
    field,
    flow,
    jacobian,
    linear_flow,
    simultaneous,
)
from tools.common import ROOT

F64 = torch.float64
ORIGIN = torch.zeros(2, dtype=F64)
number = st.floats(-3, 3)
some = settings(max_examples=15, deadline=None)


def state(theta, psi):
    return torch.tensor([theta, psi], dtype=F64)


def by_hand(kind, theta, psi, gamma=0.0):
    """The field of the chapter, without autograd."""
    u = psi * theta
    pull = {
        "minimax": expit(u), "non-saturating": expit(-u), "relativistic": expit(-u),
        "wasserstein": 1.0,
    }[kind]  # fmt: skip
    push = 1.0 if kind == "wasserstein" else expit(u)
    return np.array([pull * psi, -push * theta - gamma * psi])


@pytest.mark.equation("eq-game-field")
@some
@given(number, number)
def test_the_field_is_minus_each_players_own_slope(theta, psi):
    game = dirac_gan("non-saturating", gamma=0.7)
    step = 1e-6
    slopes = []
    for loss, move in ((game.generator_loss, (step, 0)), (game.discriminator_loss, (0, step))):
        high = loss(*state(theta + move[0], psi + move[1]))
        low = loss(*state(theta - move[0], psi - move[1]))
        slopes.append(-(high - low).item() / (2 * step))
    assert field(game, state(theta, psi)).numpy() == pytest.approx(np.array(slopes), abs=1e-7)


@pytest.mark.equation("eq-dirac-gan")
@pytest.mark.parametrize("kind", DIRAC_LOSSES)
@some
@given(number, number)
def test_the_dirac_gan(kind, theta, psi):
    got = field(dirac_gan(kind), state(theta, psi)).numpy()
    assert got == pytest.approx(by_hand(kind, theta, psi), abs=1e-12)


@pytest.mark.equation("eq-simultaneous")
@pytest.mark.parametrize("kind", DIRAC_LOSSES)
def test_simultaneous_steps_are_eulers_method(kind):
    path = simultaneous(dirac_gan(kind), state(1.0, 0.3), lr=0.2, steps=4)
    w = np.array([1.0, 0.3])
    for got in path:
        assert got.numpy() == pytest.approx(w)
        w = w + 0.2 * by_hand(kind, *w)


@pytest.mark.equation("eq-alternating")
@pytest.mark.parametrize("kind", DIRAC_LOSSES)
def test_alternating_steps_answer_the_new_parameter(kind):
    path = alternating(dirac_gan(kind), state(1.0, 0.3), lr=0.2, steps=4)
    theta, psi = 1.0, 0.3
    for got in path:
        assert got.tolist() == pytest.approx([theta, psi])
        psi += 0.2 * by_hand(kind, theta, psi)[1]
        theta += 0.2 * by_hand(kind, theta, psi)[0]


@pytest.mark.slow
@pytest.mark.equation("eq-bilinear-flow")
@some
@given(number, number, st.floats(0.1, 7))
def test_the_bilinear_flow_rotates(theta, psi, time):
    rotation = np.array([[math.cos(time), math.sin(time)], [-math.sin(time), math.cos(time)]])
    end = flow(dirac_gan(), state(theta, psi), time=time, steps=40)[-1].numpy()
    assert end == pytest.approx(rotation @ [theta, psi], abs=3e-3)
    assert expm(time * np.array([[0, 1], [-1, 0]])) == pytest.approx(rotation)


@pytest.mark.equation("eq-bilinear-simultaneous")
@some
@given(st.floats(0.1, 3), number, st.floats(0.01, 2))
def test_each_simultaneous_step_is_farther_out(theta, psi, lr):
    radius = simultaneous(dirac_gan(), state(theta, psi), lr=lr, steps=20).norm(dim=1)
    torch.testing.assert_close(radius[1:], math.sqrt(1 + lr**2) * radius[:-1])


@pytest.mark.equation("eq-bilinear-alternating")
@some
@given(st.floats(0.1, 3), number, st.floats(0.01, 1.9))
def test_alternating_steps_stay_on_an_ellipse(theta, psi, lr):
    path = alternating(dirac_gan(), state(theta, psi), lr=lr, steps=60)
    matrix = torch.tensor([[1 - lr**2, lr], [-lr, 1]], dtype=F64)
    torch.testing.assert_close(path[1:], path[:-1] @ matrix.T)
    kept = path.square().sum(dim=1) - lr * path.prod(dim=1)
    torch.testing.assert_close(kept, kept[:1].expand_as(kept))
    least = np.linalg.eigvalsh([[1, -lr / 2], [-lr / 2, 1]])[0]
    assert least > 0  # so that the level lines are ellipses
    assert path.norm(dim=1).max() ** 2 <= kept[0] / least + 1e-9


def test_beyond_a_rate_of_two_alternating_steps_explode():
    path = alternating(dirac_gan(), state(1.0, 0.0), lr=2.1, steps=60)
    assert path[-1].norm() > 1e6


def test_the_worked_example():
    together = simultaneous(dirac_gan(), state(1.0, 0.0), lr=0.5, steps=3)
    assert together.tolist() == [[1, 0], [1, -0.5], [0.75, -1], [0.25, -1.375]]
    assert together.square().sum(dim=1).tolist() == [1, 1.25, 1.5625, 1.953125]
    turns = alternating(dirac_gan(), state(1.0, 0.0), lr=0.5, steps=3)
    assert turns.tolist() == [[1, 0], [0.75, -0.5], [0.3125, -0.875], [-0.203125, -1.03125]]


@pytest.mark.equation("eq-linear-flow")
@pytest.mark.parametrize("kind", DIRAC_LOSSES)
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 3.0])
def test_the_trajectory_near_rest_is_that_of_the_linearised_system(kind, gamma):
    game = dirac_gan(kind, gamma=gamma)
    matrix = jacobian(game, ORIGIN)
    times = torch.linspace(0, 6, 61, dtype=F64)
    errors = []
    for size in (0.2, 0.1):
        start = size * state(0.8, 0.6)
        path = flow(game, start, time=6.0, steps=120)[::2]
        linear = linear_flow(matrix, start, times)
        wanted = np.stack([expm(t * matrix.numpy()) @ start.numpy() for t in times.numpy()])
        assert linear.numpy() == pytest.approx(wanted, abs=1e-12)
        solved = solve_ivp(  # an independent integrator, the field by hand
            lambda _, w: by_hand(kind, *w, gamma), (0, 6), start.numpy(), rtol=1e-10, atol=1e-12
        )
        assert path[-1].numpy() == pytest.approx(solved.y[:, -1], abs=1e-7)
        errors.append((path - linear).norm(dim=1).max().item())
    if kind == "wasserstein":
        assert max(errors) < 1e-6  # the game is linear
    else:
        assert errors[0] < 0.02 * 0.2  # 2 % of the distance, and of third order:
        assert errors[1] < errors[0] / 6


@pytest.mark.equation("eq-step-stability")
@some
@given(st.floats(-2, 2), st.floats(-3, 3), st.floats(0.01, 3))
def test_when_a_step_comes_nearer(real, imaginary, lr):
    value = complex(real, imaginary)
    if abs(value) < 1e-3:
        return
    size = abs(1 + lr * value)
    limit = -2 * real / abs(value) ** 2
    if abs(size - 1) > 1e-9:
        assert (size < 1) == (real < 0 and lr < limit)
    assert size**2 == pytest.approx(1 + 2 * lr * real + lr**2 * abs(value) ** 2)


@pytest.mark.equation("eq-dirac-jacobian")
@pytest.mark.parametrize("kind", DIRAC_LOSSES)
@pytest.mark.parametrize("gamma", [0.0, 0.4, 2.5])
def test_the_jacobian_at_rest(kind, gamma):
    k = 1.0 if kind == "wasserstein" else 0.5
    wanted = np.array([[0, k], [-k, -gamma]])
    assert jacobian(dirac_gan(kind, gamma=gamma), ORIGIN).numpy() == pytest.approx(wanted)
    step = 1e-6
    numerical = np.stack(
        [
            (by_hand(kind, *(step * e), gamma) - by_hand(kind, *(-step * e), gamma)) / (2 * step)
            for e in np.eye(2)
        ],
        axis=1,
    )
    assert numerical == pytest.approx(wanted, abs=1e-8)


def ordered(values):
    return np.array(sorted(values, key=lambda z: (round(z.imag, 9), z.real)))


def eigenvalues(k, gamma, rate=1.0):
    return np.linalg.eigvals(np.array([[0, k], [-rate * k, -rate * gamma]], dtype=complex))


@pytest.mark.equation("eq-dirac-eigenvalues")
@pytest.mark.parametrize("k", [0.5, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.9, 1.5, 4.0])
def test_the_eigenvalues(k, gamma):
    root = np.sqrt(complex(gamma**2 / 4 - k**2))
    wanted = [-gamma / 2 + root, -gamma / 2 - root]
    assert ordered(eigenvalues(k, gamma)) == pytest.approx(ordered(wanted))


@pytest.mark.equation("eq-non-saturating-decay")
@some
@given(number, number)
def test_the_non_saturating_flow_comes_in_slowly(theta, psi):
    v = by_hand("non-saturating", theta, psi)
    wanted = -2 * theta * psi * math.tanh(theta * psi / 2)
    assert 2 * (theta * v[0] + psi * v[1]) == pytest.approx(wanted, abs=1e-12)
    circle = by_hand("minimax", theta, psi)
    assert theta * circle[0] + psi * circle[1] == pytest.approx(0, abs=1e-12)


def test_it_comes_in_like_the_root_of_eight_over_the_time():
    times = np.linspace(380, 400, 200)
    solved = solve_ivp(
        lambda _, w: by_hand("non-saturating", *w), (0, 400), [1.0, 0.0], t_eval=times, rtol=1e-8
    )
    late = (solved.y**2).sum(axis=0).mean()
    assert late == pytest.approx(8 / (390 + 8), rel=0.02)  # 8 / t, with r = 1 at t = 0


@pytest.mark.equation("eq-non-saturating-radius")
@pytest.mark.parametrize("lr", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("start", [0.1, 1.0])
def test_simultaneous_steps_of_the_non_saturating_gan_end_on_a_circle(lr, start):
    first = simultaneous(dirac_gan("non-saturating"), state(start, 0.0), lr=lr, steps=3)
    theta, psi, squares = start, 0.0, []
    for step in range(int(60 / lr**2)):
        if step < 4:
            assert first[step].tolist() == pytest.approx([theta, psi])
        sure = 1 / (1 + math.exp(-theta * psi))
        theta, psi = theta + lr * (1 - sure) * psi, psi - lr * sure * theta
        squares.append(theta**2 + psi**2)
    assert np.mean(squares[-int(60 / lr) :]) == pytest.approx(2 * lr, rel=0.02)


@pytest.mark.slow
def test_a_quarter_of_the_rate_halves_the_swings_of_the_non_saturating_game():
    """And those of the bilinear game are as large as ever after the same time, and then larger."""
    radii = []
    for lr in (0.2, 0.05):
        path = simultaneous(dirac_gan("non-saturating"), state(0.5, 0.0), lr=lr, steps=int(40 / lr))
        for _ in range(3):
            path = simultaneous(
                dirac_gan("non-saturating"), path[-1], lr=lr, steps=int(40 / lr**1.5)
            )
        radii.append(path[-int(20 / lr) :].square().sum(dim=1).mean().sqrt().item())
    assert radii[0] / radii[1] == pytest.approx(2, rel=0.05)
    assert radii == pytest.approx([math.sqrt(0.4), math.sqrt(0.1)], rel=0.05)
    for lr in (0.2, 0.05):
        path = simultaneous(dirac_gan(), state(0.5, 0.0), lr=lr, steps=int(12 / lr))
        assert path[-1].norm() > 0.5  # outwards at every rate


@pytest.mark.equation("eq-r1")
def test_r1_adds_half_of_gamma_times_the_squared_slope():
    x = torch.zeros(4, 1, dtype=F64)
    for psi in (-1.3, 0.4):
        line = torch.tensor(psi, dtype=F64)
        slope = r1_penalty(lambda points, line=line: (line * points).sum(dim=1), x)
        game = dirac_gan("non-saturating", gamma=0.8)
        plain = math.log1p(math.exp(psi * 0.5)) + math.log(2)
        loss = game.discriminator_loss(*state(0.5, psi)).item()
        assert loss == pytest.approx(plain + 0.8 / 2 * slope.item())


def rate(k, gamma):
    return gamma / 2 if gamma <= 2 * k else gamma / 2 - math.sqrt(gamma**2 / 4 - k**2)


@pytest.mark.equation("eq-critical-gamma")
@pytest.mark.parametrize("k", [0.5, 1.0])
def test_the_rate_is_best_at_the_critical_damping(k):
    weights = np.linspace(0, 6, 301)
    rates = np.array([-eigenvalues(k, g).real.max() for g in weights])
    assert rates == pytest.approx(np.array([rate(k, g) for g in weights]), abs=1e-7)
    assert weights[rates.argmax()] == pytest.approx(2 * k)
    assert rates.max() == pytest.approx(k)
    assert rate(k, 100) == pytest.approx(k**2 / 100, rel=1e-3)


@pytest.mark.equation("eq-r1-step")
@pytest.mark.parametrize("kind", DIRAC_LOSSES)
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_largest_step_with_r1(kind, share):
    k = 1.0 if kind == "wasserstein" else 0.5
    gamma = 2 * k * share
    game = dirac_gan(kind, gamma=gamma)
    for factor, inward in ((0.97, True), (1.03, False)):
        lr = factor * gamma / k**2
        path = simultaneous(game, state(1e-4, 0.0), lr=lr, steps=200)
        assert (path[-1].norm() < 1e-4) == inward


@pytest.mark.slow
@pytest.mark.equation("eq-dirac-gradient-penalty")
def test_with_a_slope_of_one_the_generator_passes_the_data():
    weight = 10.0
    game = dirac_gan(gradient_weight=weight)
    for theta, psi in ((0.5, 0.3), (-0.2, -1.4), (0.0, 0.01)):
        wanted = [psi, -theta - 2 * weight * (abs(psi) - 1) * math.copysign(1, psi)]
        assert field(game, state(theta, psi)).tolist() == pytest.approx(wanted)
    path = flow(game, state(1.0, -1.0), time=250.0, steps=3000)
    theta, psi = path.unbind(dim=1)
    crossing = int((theta < 0).nonzero()[0])
    assert psi[crossing] < -0.9  # at full speed
    assert theta[-1].item() == pytest.approx(-2 * weight, abs=1e-4)
    assert psi[-1].item() == pytest.approx(0, abs=1e-4)


@pytest.mark.equation("eq-instance-noise")
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_instance_noise_acts_like_r1(sigma):
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    noise, share = sigma * nodes, weights / weights.sum()

    def v(theta, psi):
        pull = (share * expit(-psi * (theta + noise))).sum() * psi
        push = (share * (noise * expit(-psi * noise))).sum()
        push -= (share * ((theta + noise) * expit(psi * (theta + noise)))).sum()
        return np.array([pull, push])

    step = 1e-5
    numerical = np.stack([(v(*(step * e)) - v(*(-step * e))) / (2 * step) for e in np.eye(2)], 1)
    wanted = np.array([[0, 0.5], [-0.5, -(sigma**2) / 2]])
    assert numerical == pytest.approx(wanted, abs=1e-7)
    same = jacobian(dirac_gan("non-saturating", gamma=sigma**2 / 2), ORIGIN).numpy()
    assert same == pytest.approx(wanted)


@pytest.mark.equation("eq-two-rates")
@pytest.mark.parametrize("k", [0.5, 1.0])
@pytest.mark.parametrize("ratio", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_two_learning_rates(k, ratio, gamma):
    root = np.sqrt(complex(ratio**2 * gamma**2 / 4 - ratio * k**2))
    wanted = [-ratio * gamma / 2 + root, -ratio * gamma / 2 - root]
    game = dirac_gan("wasserstein" if k == 1 else "minimax", gamma=gamma)
    matrix = jacobian(game, ORIGIN, rates=(1.0, ratio)).numpy().astype(complex)
    assert ordered(np.linalg.eigvals(matrix)) == pytest.approx(ordered(wanted))
    critical = 2 * k / math.sqrt(ratio)
    around = (0.9 * critical, critical, 1.1 * critical)
    rates = [-eigenvalues(k, g, ratio).real.max() for g in around]
    assert rates[1] == max(rates)


@pytest.mark.equation("eq-two-rates")
@pytest.mark.parametrize("k", [0.5, 1.0])
def test_a_faster_discriminator_helps_a_weak_damping_only(k):
    def rate(gamma, ratio):
        return -eigenvalues(k, gamma, ratio).real.max()

    weak, best = 0.1 * k, 2 * k  # both for equal rates
    assert rate(weak, 4.0) == pytest.approx(4 * rate(weak, 1.0)) == pytest.approx(2 * weak)
    assert rate(best, 2.0) < 0.6 * rate(best, 1.0)
    assert rate(best, 1e4) == pytest.approx(k**2 / best, rel=1e-3)


@pytest.mark.equation("eq-momentum-growth")
@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_momentum_drives_outwards(beta):
    lr = 1e-3
    wanted = {
        simultaneous: lr**2 / 2 * (1 + beta) / (1 - beta),
        alternating: lr**2 * beta / (1 - beta),
    }
    for play, growth in wanted.items():
        # One step is linear in (theta, psi, mean of each player's gradients): read its matrix.
        def step(x, play=play):
            theta, psi, a, b = x
            b = beta * b + (1 - beta) * -theta
            if play is simultaneous:
                a = beta * a + (1 - beta) * psi
                return [theta + lr * a, psi + lr * b, a, b]
            psi = psi + lr * b
            a = beta * a + (1 - beta) * psi
            return [theta + lr * a, psi, a, b]

        matrix = np.stack([step(e) for e in np.eye(4)], axis=1)
        largest = np.abs(np.linalg.eigvals(matrix)).max()
        assert math.log(largest) == pytest.approx(growth, abs=0.02 * lr**2 + 200 * lr**4)
        path = play(dirac_gan(), state(1.0, 0.5), lr=lr, steps=3, momentum=beta)
        x = np.array([1.0, 0.5, 0.0, 0.0])
        for got in path:
            assert got.tolist() == pytest.approx(x[:2].tolist())
            x = matrix @ x


@pytest.mark.equation("eq-average-circle")
@pytest.mark.parametrize("angle", [0.02, 0.1, 0.7])
@pytest.mark.parametrize("decay", [0.9, 0.99])
def test_the_average_of_a_circle_lies_near_its_middle(angle, decay):
    turns = angle * torch.arange(int(20 / (1 - decay)), dtype=F64)
    circle = torch.stack([turns.cos(), -turns.sin()], dim=1)
    wanted = (1 - decay) / math.sqrt(1 - 2 * decay * math.cos(angle) + decay**2)
    assert averaged(circle, decay)[-1].norm().item() == pytest.approx(wanted, rel=1e-6)
    small = (1 - 0.9999) / math.sqrt(1 - 2 * 0.9999 * math.cos(0.01) + 0.9999**2)
    assert small == pytest.approx((1 - 0.9999) / 0.01, rel=1e-3)


@pytest.mark.equation("eq-relativistic")
def test_the_relativistic_losses_are_those_of_the_package_over_all_pairs():
    """With x and z independent, an expectation over all pairs."""
    real, fake = torch.randn(2, 5, dtype=F64, generator=torch.Generator().manual_seed(4))
    pairs = [(a, b) for a in real for b in fake]
    first, second = (torch.stack(part) for part in zip(*pairs, strict=True))
    wanted = np.mean([-np.log(expit((a - b).item())) for a, b in pairs])
    assert discriminator_loss(first, second, kind="relativistic").item() == pytest.approx(wanted)
    wanted = np.mean([-np.log(expit((b - a).item())) for a, b in pairs])
    ours = generator_loss(second, kind="relativistic", real=first).item()
    assert ours == pytest.approx(wanted)


@pytest.mark.equation("eq-relativistic-best")
@some
@given(st.integers(0, 2**31))
def test_the_best_paired_discriminator_is_the_log_ratio_up_to_a_constant(seed):
    """Free scores on five places, minimised by BFGS; the formula is not used."""
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.full(5, 4.0)), rng.dirichlet(np.full(5, 4.0))
    weights = np.outer(p, q)

    def loss(d):
        return float(np.sum(weights * np.logaddexp(0, d[None, :] - d[:, None])))

    def slope(d):
        pull = weights * expit(d[None, :] - d[:, None])
        return pull.sum(0) - pull.sum(1)

    found = minimize(loss, np.zeros(5), jac=slope, method="BFGS", options={"gtol": 1e-12}).x
    wanted = np.log(p / q)
    assert slope(wanted + 3.3) == pytest.approx(np.zeros(5), abs=1e-12)
    assert found - found.mean() == pytest.approx(wanted - wanted.mean(), abs=2e-3)


def test_pairing_changes_nothing_in_the_smallest_gan():
    starts = torch.randn(20, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    plain, paired = dirac_gan("non-saturating"), dirac_gan("relativistic")
    torch.testing.assert_close(field(plain, starts), field(paired, starts))
    path = simultaneous(paired, state(0.3, 0.0), lr=0.2, steps=4000)
    assert path[-400:].square().sum(1).mean().item() == pytest.approx(0.4, rel=0.05)


def test_an_offset_of_the_line():
    """D(x) = psi x + offset, linearised at rest by differences of the losses' slopes."""

    def v(w, kind):
        theta, psi, offset = (x.requires_grad_() for x in torch.tensor(w, dtype=F64))
        real, fake = offset.reshape(1), (psi * theta + offset).reshape(1)
        loss_g = generator_loss(fake, kind=kind, real=real)
        loss_d = discriminator_loss(real, fake, kind=kind)
        up = torch.autograd.grad(loss_g, theta, retain_graph=True)
        down = torch.autograd.grad(loss_d, (psi, offset))
        return -torch.stack([*up, *down]).numpy()

    for kind, rate_of_offset in (("non-saturating", -0.5), ("relativistic", 0.0)):
        step = 1e-5
        matrix = np.stack(
            [(v(step * e, kind) - v(-step * e, kind)) / (2 * step) for e in np.eye(3)], axis=1
        )
        wanted = np.array([[0, 0.5, 0], [-0.5, 0, 0], [0, 0, rate_of_offset]])
        assert matrix == pytest.approx(wanted, abs=1e-8)


@pytest.mark.equation("eq-r2")
@pytest.mark.parametrize(("first", "second"), [(0.3, 0.5), (0.0, 0.7), (1.1, 0.0)])
def test_r1_and_r2_add_half_of_their_weights_times_the_squared_slopes(first, second):
    """A line is as steep at both ends; a parabola is not."""
    real, fake = torch.zeros(3, 1, dtype=F64), torch.full((3, 1), 0.5, dtype=F64)
    psi = torch.tensor(-1.3, dtype=F64)

    def line(points):
        return (psi * points).sum(dim=1)

    game = dirac_gan("relativistic", gamma=first, gamma_fake=second)
    plain = math.log1p(math.exp(-1.3 * 0.5))
    extra = first / 2 * r1_penalty(line, real) + second / 2 * r2_penalty(line, fake)
    assert game.discriminator_loss(*state(0.5, -1.3)).item() == pytest.approx(plain + extra.item())
    assert r1_penalty(lambda x: (psi * x**2).sum(dim=1), real).item() == 0  # flat at the data
    assert r2_penalty(lambda x: (psi * x**2).sum(dim=1), fake).item() == pytest.approx(1.3**2)


@pytest.mark.equation("eq-relativistic-eigenvalues")
@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (0.2, 0.1), (0.5, 0.5), (2.0, 0.7)])
def test_the_eigenvalues_of_the_paired_game_with_both_penalties(first, second):
    """Against the field by hand, linearised by differences, and against a simulation."""
    both = first + second
    root = np.sqrt(complex(both**2 / 4 - 0.25))
    wanted = [-both / 2 + root, -both / 2 - root]
    step = 1e-6
    numerical = np.stack(
        [
            (
                by_hand("relativistic", *(step * e), both)
                - by_hand("relativistic", *(-step * e), both)
            )
            / (2 * step)
            for e in np.eye(2)
        ],
        axis=1,
    )
    assert ordered(np.linalg.eigvals(numerical.astype(complex))) == pytest.approx(
        ordered(wanted), abs=1e-4
    )
    game = dirac_gan("relativistic", gamma=first, gamma_fake=second)
    matrix = jacobian(game, ORIGIN).numpy()
    assert matrix == pytest.approx(numerical, abs=1e-8)
    start = state(1e-4, 0.5e-4)
    end = flow(game, start, time=8.0, steps=400)[-1].numpy()
    assert end == pytest.approx(expm(8 * matrix) @ start.numpy(), abs=1e-9)
    rates = -np.real(wanted)
    assert (rates.min() > 0) == (both > 0)


@pytest.mark.slow
@pytest.mark.equation("eq-alternating-damped")
@pytest.mark.parametrize("kind", ["relativistic", "wasserstein"])
@pytest.mark.parametrize("gamma", [0.02, 0.1, 1.0, 3.0])
def test_the_largest_step_of_alternating_players(kind, gamma):
    k = 1.0 if kind == "wasserstein" else 0.5
    limit = (-gamma + math.sqrt(gamma**2 + 4 * k**2)) / k**2  # where h^2 k^2 + 2 h gamma = 4
    assert limit**2 * k**2 + 2 * limit * gamma == pytest.approx(4)
    for factor, inward in ((0.3, True), (0.98, True), (1.02, False)):
        lr = factor * limit
        assert (lr**2 * k**2 + 2 * lr * gamma < 4) == inward
        game = dirac_gan(kind, gamma=gamma / 2, gamma_fake=gamma / 2)
        step = np.stack(
            [alternating(game, 1e-7 * torch.tensor(e, dtype=F64), lr=lr, steps=1)[-1] / 1e-7
             for e in np.eye(2)],
            axis=1,
        )  # fmt: skip
        wanted = [[1 - lr**2 * k**2, lr * k * (1 - lr * gamma)], [-lr * k, 1 - lr * gamma]]
        assert step == pytest.approx(np.array(wanted), abs=1e-5)
        assert (np.abs(np.linalg.eigvals(step)).max() < 1) == inward
        path = alternating(game, state(1e-7, 0.3e-7), lr=lr, steps=3000)
        assert (path[-1].norm() < path[0].norm()) == inward


def test_with_little_friction_turns_bear_larger_steps():
    assert round((-0.1 + math.sqrt(0.1**2 + 1)) / 0.25, 2) == 3.62 and 0.1 / 0.25 == 0.4


def test_the_price_of_leaving_a_collapse():
    """The chapter's table: the highest value that free scores on three places reach."""

    def best(pairs):
        """Scores of both real places and of an empty one; pairs of (wins, loses) and plain ones."""

        def loss(d):
            scores = np.append(d, 0.0)  # the last "place" is the constant 0 of an unpaired score
            return sum(w * np.logaddexp(0, scores[b] - scores[a]) for w, a, b in pairs)

        starts = np.random.default_rng(0).normal(size=(6, 3))
        bounds = [(-40, 40)] * 3
        return -min(minimize(loss, s, bounds=bounds, method="L-BFGS-B").fun for s in starts)

    one, two, empty, zero = range(4)
    shown = []
    for fakes in ((one, one), (one, empty), (one, two)):
        reals = (one, two)
        plain = [(0.5, x, zero) for x in reals] + [(0.5, zero, y) for y in fakes]
        fixed = [(0.5, x, y) for x, y in zip(reals, fakes, strict=True)]
        fresh = [(0.25, x, y) for x in reals for y in fakes]
        shown.append([f"{best(pairs):.3f}".replace("-", "−") for pairs in (plain, fixed, fresh)])
    page = (ROOT / "book/math/gan-dynamics.md").read_text(encoding="utf-8")
    rows = page.split("| two generated points |")[1].split("\n\n")[0].splitlines()[2:]
    table = [[cell.strip() for cell in row.split("|")[2:-1]] for row in rows]
    assert table == [list(row) for row in zip(*shown, strict=True)]


def test_the_answers():
    assert rate(0.5, 0.8) == pytest.approx(0.4) and rate(0.5, 1.6) == pytest.approx(
        0.176, abs=5.1e-4
    )
    assert math.log(2) / math.log(math.sqrt(1 + 0.1**2)) == pytest.approx(139.3, abs=0.05)
    assert math.ceil(math.log(2) / math.log(math.sqrt(1 + 0.01**2))) == 13_864
    assert 2 * 0.1 / abs(-0.1 + 2j) ** 2 == pytest.approx(0.2 / 4.01)
    assert rate(0.5, 2) == pytest.approx(0.134, abs=5e-4)
    assert rate(0.5, 4) == pytest.approx(0.0635, abs=5e-5)
    factor = (1 - 0.999) / math.sqrt(1 - 2 * 0.999 * math.cos(0.1) + 0.999**2)
    assert factor == pytest.approx(0.01, rel=0.02)
