"""The checks of the WGAN lab's exercises: references equal the package, each mistake is named."""

import importlib

import pytest
import torch

from course_lib import losses
from course_lib.ops import games

penalty = importlib.import_module("course_lib.checks.gradient_penalty")
r1 = importlib.import_module("course_lib.checks.r1_penalty")
step = importlib.import_module("course_lib.checks.game_step")
CHECKS = {"gradient_penalty": (penalty, 5), "r1_penalty": (r1, 4), "game_step": (step, 4)}


def check(name):
    module, _ = CHECKS[name]
    return getattr(module, name)


def penalty_by_the_package(critic, real, fake, mix):
    return losses.gradient_penalty(critic, real, fake, mix=mix)


def penalty_image_by_image(critic, real, fake, mix):
    """A right answer in another style."""
    values = []
    for x, y, m in zip(real, fake, mix, strict=True):
        between = torch.lerp(y, x, m)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between)[0], between, create_graph=True)
        values.append((gradient.pow(2).sum().sqrt() - 1) ** 2)
    return sum(values) / len(values)


def r1_by_the_package(discriminator, real, gamma):
    return gamma / 2 * losses.r1_penalty(discriminator, real)


def step_by_the_package(theta, psi, lr, gamma):
    game = games.dirac_gan("non-saturating", gamma=gamma)
    start = torch.tensor([theta, psi], dtype=torch.float64)
    return tuple(games.alternating(game, start, lr=lr, steps=1)[1].tolist())


RIGHT = [
    ("gradient_penalty", penalty.reference),
    ("gradient_penalty", penalty_by_the_package),
    ("gradient_penalty", penalty_image_by_image),
    ("r1_penalty", r1.reference),
    ("r1_penalty", r1_by_the_package),
    ("game_step", step.reference),
    ("game_step", step_by_the_package),
]
WRONG = [(name, m) for name, (module, _) in CHECKS.items() for m in module.MISTAKES]


@pytest.mark.parametrize(("name", "right"), RIGHT)
@pytest.mark.parametrize("seed", range(4))
def test_right_answers_get_all_points(name, right, seed):
    report = check(name)(right, seed=seed)
    total = CHECKS[name][1]
    assert (report.points, report.total, report.hint) == (total, total, None), report


@pytest.mark.parametrize(("name", "mistake"), WRONG, ids=lambda v: getattr(v, "name", v))
@pytest.mark.parametrize("seed", range(4))
def test_each_known_mistake_is_recognised(name, mistake, seed):
    report = check(name)(mistake.mutant, seed=seed)
    assert report.points < report.total, report
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    def points(name, mistake):
        by_name = {m.name: m.mutant for m in CHECKS[name][0].MISTAKES}
        return check(name)(by_name[mistake], seed=1).points

    assert points("gradient_penalty", "create_graph forgotten") == 4
    assert points("gradient_penalty", "real and fake swapped") == 0
    assert points("r1_penalty", "create_graph forgotten") == 3
    assert points("game_step", "R1 forgotten") == 2
    assert points("game_step", "simultaneous") < 2


def test_a_step_that_returns_something_else_is_told_so():
    report = step.game_step(lambda theta, psi, lr, gamma: theta)
    assert report.points == 0 and "return two numbers" in str(report)
