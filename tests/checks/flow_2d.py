"""Answers to the exercises of the lab `flow-2d`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math
from functools import partial

import torch
from scipy.optimize import linear_sum_assignment
from torch.distributions import Normal

from course_lib.checks.flow_2d import density_along as density
from course_lib.checks.flow_2d import diagnose_flows as flows
from course_lib.checks.flow_2d import examine_density as by_density
from course_lib.checks.flow_2d import follow_field as follow
from course_lib.checks.flow_2d import marginal_velocity as marginal
from course_lib.checks.flow_2d import noisy_step as noisy
from course_lib.checks.flow_2d import paired_loss as pairing
from course_lib.ops import (
    convert,
    optimal_velocity,
    pair_by_transport,
    path_log_density,
    solve,
    time_steps,
)
from tests.checks.shared import by_the_name, causes, letters, with_an_error


def marginal_by_the_package(x, t, points):
    return optimal_velocity(x, torch.tensor(t).to(x), points)


def marginal_by_a_loop(x, t, points):
    out = []
    for place in x:
        likely = torch.stack(
            [Normal(0.0, 1.0).log_prob((place - t * p) / (1 - t)).sum() for p in points]
        )
        share = (likely - likely.logsumexp(0)).exp()
        lines = torch.stack([(p - place) / (1 - t) for p in points])  # the conditional velocities
        out.append((share[:, None] * lines).sum(0))
    return torch.stack(out)


def marginal_by_products(x, t, points):
    """Without the term that all points share."""
    score = t * (x @ points.T) - t**2 / 2 * points.square().sum(1)
    share = torch.softmax(score / (1 - t) ** 2, dim=-1)
    return torch.einsum("bn,nd->bd", share, points).sub(x).div(1 - t)


def marginal_of(change):
    return lambda x, t, points: change(marginal.reference(x, t, points))


def marginal_in_place(x, t, points):
    right = marginal.reference(x, t, points)
    x.sub_(1)
    return right


def follow_by_the_package(velocity, x, step):
    times = torch.cat([torch.arange(0, 1 - 1e-9, step).double(), torch.ones(1).double()])
    return solve(lambda at, t: velocity(at, float(t)), x, times, solver="euler")


def follow_by_a_list(velocity, x, step):
    full = int(1 / step + 1e-9)
    lengths = [step] * full + [1 - full * step]
    t = 0.0
    for h in lengths:
        x, t = x + h * velocity(x, min(t, 1.0)), t + h
    return x


def follow_by_itself(velocity, x, step, t=0.0):
    if t > 1 - 1e-9:
        return x
    h = min(step, 1 - t)
    return follow_by_itself(velocity, x + h * velocity(x, t), step, t + h)


def follow_by_midpoints(velocity, x, step):
    def better(at, t):
        h = min(step, 1 - t)
        return velocity(at + h / 2 * velocity(at, t), t + h / 2)

    return follow.reference(better, x, step)


def noisy_by_the_guesses(x, velocity, t, h, g, z):
    """By the two ends that the velocity means, and noise given by its variance."""
    start = x - t * velocity  # the noise
    pull = -start / (1 - t)
    variance = g * g * h
    return x + h * velocity + variance / 2 * pull + math.sqrt(variance) * z


def noisy_by_the_package(x, velocity, t, h, g, z):
    time = torch.tensor(t).to(x)
    score = convert(velocity, x, time, given="velocity", wanted="score")
    return (
        torch.add(x + h * velocity, score, alpha=h * g**2 / 2)
        + Normal(0.0, h**0.5).icdf(Normal(0.0, 1.0).cdf(z)) * g
    )


def noisy_in_one_line(x, velocity, t, h, g, z):
    return x.lerp(x + velocity, h) + g * (g * h / 2 * (t * velocity - x) / (1 - t) + h**0.5 * z)


def noisy_of(change):
    return lambda *given: change(noisy.reference(*given))


def density_by_the_package(velocity, x, steps):
    times = time_steps(steps, 1.0, 0.0).double()

    def field(at, t):
        return velocity(at, float(t)) + 0 * at

    return path_log_density(field, x, times, solver="euler").log_density


def density_in_single_precision(velocity, x, steps):
    """The last digits go, which is no mistake."""
    return density.reference(velocity, x, steps).float()


def density_of(change):
    return lambda velocity, x, steps: change(density.reference(velocity, x, steps))


def density_against_the_bell(density_along):
    """A field with a known end in closed form, a product of factors, and a clock that matters."""
    matrix = torch.tensor([[0.4, 1.0], [0.2, -0.9]]).double()

    def velocity(x, t):
        return (2 * t - 0.2) * (x @ matrix.T) + 3 * t

    x = torch.tensor([[0.3, -1.0], [2.0, 0.5], [-0.4, 0.1]]).double()
    end, volume = x, 0.0
    for t in (1.0, 2 / 3, 1 / 3):
        end = end - velocity(end, t) / 3
        volume += (2 * t - 0.2) * (0.4 - 0.9) / 3
    wanted = Normal(0.0, 1.0).log_prob(end).sum(1) - volume
    assert torch.allclose(density_along(velocity, x, 3).double(), wanted, atol=1e-3)


def density_only_shapes(density_along):
    assert density_along(by_density._velocity, by_density.POINTS.clone(), 4).shape == (3,)


def density_swallows(density_along):
    try:
        by_density.reference(density_along)
    except AssertionError:
        print("wrong!")


def density_wants_float32(density_along):
    by_density.reference(density_along)
    got = density_along(by_density._velocity, by_density.POINTS.clone(), 4)
    assert got.dtype == torch.float32


def density_returns(density_along):
    return by_density.reference(density_along) is None


def paired_changed(**changes):
    return partial(pairing._loss, **changes)


def paired_by_the_rows(network, points, noise, t):
    """Pairs by SciPy, one after the other."""
    ways = (points[:, None] - noise[None]).square().sum(-1).double().numpy()
    _, order = linear_sum_assignment(ways)
    start = torch.stack([noise[i] for i in order])
    x = torch.lerp(start, points, t[:, None])
    return torch.nn.functional.mse_loss(network(x, t), points - start)


def paired_by_the_end(network, points, noise, t):
    """The target from where x is: the rest of the way by the rest of the time."""
    start = noise[pair_by_transport(noise, points)]
    x = start + t[:, None] * (points - start)
    line = points.sub(start)
    return ((network(x, t) - line) ** 2).sum() / points.numel()


RIGHT_ANSWERS = {
    "marginal_velocity": [marginal_by_the_package, marginal_by_a_loop, marginal_by_products],
    "follow_field": [follow_by_the_package, follow_by_a_list, follow_by_itself],
    "noisy_step": [noisy_by_the_guesses, noisy_by_the_package, noisy_in_one_line],
    "density_along": [
        density_by_the_package,
        by_density._by_jacobian,
        by_density._by_differences,
        density_in_single_precision,
    ],
    "paired_loss": [paired_by_the_rows, paired_by_the_end],
    "examine_density": [density_against_the_bell],
    "first_step": [lambda: "c"],
    "diagnose_flows": [causes(flows)],
}

WRONG_ANSWERS = {
    "marginal_velocity": [
        (lambda *_: None, "FAIL"),
        (lambda x, t, points: points, "shape"),
        (marginal_in_place, "changed your input `x`"),
        (marginal_of(lambda u: u.mean(0)), "shape"),
        (marginal_of(lambda u: 2 * u), "FAIL on the way"),
        (marginal_of(lambda u: u.tolist()), "FAIL"),
        (marginal_of(lambda u: u.T), "FAIL"),
        (marginal_of(lambda u: u / u.norm(dim=1, keepdim=True)), "FAIL"),
        (lambda x, t, points: points.mean(0) - x, "FAIL on the way"),
        (partial(marginal._velocity, weights="equal"), "plain mean of all points"),
        (partial(marginal._velocity, variance=1.0), "A factor of 2"),
        (partial(marginal._velocity, weights="small numbers"), "4 of 5 points"),
    ],
    "follow_field": [
        (lambda *_: None, "FAIL"),
        (lambda velocity, x, step: x, "FAIL"),
        (lambda velocity, x, step: x + velocity(x, 0.0), "FAIL steps that fit"),
        (lambda velocity, x, step: x + velocity(x, step), "FAIL steps that fit"),
        (lambda v, x, step: x + step * v(x, 0.0), "FAIL a constant velocity"),
        (follow_by_midpoints, "FAIL steps that fit"),
        (lambda v, x, step: follow.reference(v, x, step / 2), "FAIL steps that fit"),
        (lambda v, x, step: follow.reference(v, x, step).mean(0), "shape"),
        (lambda v, x, step: follow.reference(v, x, step).tolist(), "FAIL"),
        (lambda v, x, step: follow.reference(v, x.sub_(1), step), "changed your input `x`"),
        (lambda v, x, step: v(x), "TypeError"),
    ],
    "noisy_step": [
        (lambda *_: None, "FAIL"),
        (lambda x, velocity, t, h, g, z: x + h * velocity, "FAIL at t = 0"),
        (lambda x, velocity, t, h, g, z: h * velocity + g * h**0.5 * z, "FAIL"),
        (lambda x, u, t, h, g, z: noisy.reference(x, u, 1 - t, h, g, z), "FAIL"),
        (lambda x, u, t, h, g, z: noisy.reference(x, u, t, h, g, -z), "FAIL a whole step"),
        (lambda x, u, t, h, g, z: noisy.reference(x, u, t, 2 * h, g, z), "FAIL"),
        (lambda x, u, t, h, g, z: noisy.reference(x, u, t, h, g, torch.randn_like(x)), "FAIL"),
        (lambda x, u, t, h, g, z: noisy.reference(x.sub_(1), u, t, h, g, z), "input `x`"),
        (noisy_of(lambda end: end.mean(0)), "shape"),
        (noisy_of(lambda end: end.tolist()), "FAIL"),
        (partial(noisy._step, pull=1.0), "twice too strong"),
        (partial(noisy._step, fresh="not scaled"), "g sqrt(h)"),
        (partial(noisy._step, score="by t"), "Solve u ="),
    ],
    "density_along": [
        (lambda *_: None, "FAIL"),
        (lambda velocity, x, steps: x, "shape"),
        (density_of(lambda d: d[:, None]), "shape"),
        (density_of(lambda d: -d), "FAIL"),
        (density_of(lambda d: d / math.log(2)), "FAIL"),
        (density_of(lambda d: d.tolist()), "FAIL"),
        (lambda v, x, steps: density.reference(v, x, 2 * steps), "FAIL"),
        (lambda v, x, steps: density.reference(v, x, 1), "FAIL"),
        (lambda v, x, steps: -x.square().sum(1) / 2 - math.log(2 * math.pi), "FAIL"),
        (lambda v, x, steps: density.reference(v, x.sub_(1), steps), "changed your input `x`"),
        (partial(density._density, spread="all"), "all four derivatives"),
        (partial(density._density, spread="forgotten"), "gathers points"),
    ],
    "paired_loss": [
        (paired_changed(**{**pairing.BUGS, "pairs": "noise in order"}), "FAIL t = 0 is noise"),
        (paired_changed(wanted="back"), "FAIL the network learns a velocity"),
        (paired_changed(wanted="noise"), "FAIL the network learns a velocity"),
        (paired_changed(pairs="as they came"), "belong to the shortest pairs"),
        (paired_changed(way="to the noise", told="all the first"), "away from the noise"),
        (paired_changed(over="sum"), "FAIL"),
        (lambda network, points, noise, t: network(points, t), "wanted one number"),
        (lambda network, points, noise, t: 0.0, "wanted a torch.Tensor"),
        (lambda network, points, noise, t: points.mean(), "the network was not asked"),
        (lambda *a: pairing.reference(*a).detach(), "no gradient at all"),
        (lambda *a: pairing.reference(*a).sqrt(), "FAIL"),
    ],
    "examine_density": [
        (with_an_error, "RuntimeError"),
        (by_the_name, "rejects a right function"),
        (density_returns, "returns True"),
        (density_swallows, "accepts every wrong one"),
        (density_wants_float32, "rejects a right function"),
        (density_only_shapes, "accepts it"),
        (lambda d: d(by_density._velocity, by_density.POINTS), "TypeError"),
        (lambda d: d(None, by_density.POINTS, 4), "TypeError"),
        (lambda d: 0, "returns 0"),
        (lambda d: by_density._compare(by_density._velocity, by_density.POINTS[:1])(d), "accepts"),
    ],
    "first_step": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 3, "", ["c"], None, b"c")],
    ],
    "diagnose_flows": [
        (causes(flows, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(flows, A="data as target"), "not 'data as target'"),
        (causes(flows, B="clock backwards"), "not 'clock backwards'"),
        (causes(flows, C="noise on the way"), "not 'noise on the way'"),
        (causes(flows, D="one step"), "not 'one step'"),
        (causes(flows, E="few lines"), "not 'few lines'"),
        (causes(flows, E="Data as target"), "wanted one of"),
        (causes(flows, B=None), "your cause is None"),
        (lambda: {"A": "few lines"}, "says nothing about run 'B'"),
        (lambda: list(flows.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "clock backwards", "wanted a dictionary"),
    ],
}

POINTS = {
    "marginal_velocity": {"the exponentials by hand": 4, "all points count alike": 2},
    "follow_field": {"the last step overshoots": 3, "the length forgotten": 0},
    "noisy_step": {"the other end's denominator": 1, "the root of h forgotten": 3},
    "density_along": {"all four derivatives": 2, "the divergence forgotten": 2},
    "paired_loss": {"left: t = 0 is noise and t = 1 is data": 3, "unchanged": 0},
    "examine_density": {"one point": 9, "nothing moves": 3},
    "diagnose_flows": {"every fault sought in the training": 3},
}
