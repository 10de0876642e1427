"""Answers to the exercises of the lab `flow-2d`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch.distributions import Normal

from course_lib.checks.flow_2d import density_along as density
from course_lib.checks.flow_2d import examine_density as by_density
from course_lib.checks.flow_2d import follow_field as follow
from course_lib.checks.flow_2d import marginal_velocity as marginal
from course_lib.ops import optimal_velocity, path_log_density, solve, time_steps


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


RIGHT_ANSWERS = {
    "marginal_velocity": [marginal_by_the_package, marginal_by_a_loop, marginal_by_products],
    "follow_field": [follow_by_the_package, follow_by_a_list, follow_by_itself],
    "density_along": [
        density_by_the_package,
        by_density._by_jacobian,
        by_density._by_differences,
        density_in_single_precision,
    ],
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
}

POINTS = {
    "marginal_velocity": {"the exponentials by hand": 4, "all points count alike": 2},
    "follow_field": {"the last step overshoots": 3, "the length forgotten": 0},
    "density_along": {"all four derivatives": 2, "the divergence forgotten": 2},
}
