"""The checks of the chapter on the game: right answers in other styles; each mistake is named."""

import importlib

import pytest
import torch
import torch.nn.functional as F

from course_lib import checks
from course_lib.losses import generator_loss
from course_lib.metrics import mode_coverage

best = importlib.import_module("course_lib.checks.optimal_discriminator")
heard = importlib.import_module("course_lib.checks.generator_gradient")
modes = importlib.import_module("course_lib.checks.modes_covered")
ALL = {"optimal_discriminator": best, "generator_gradient": heard, "modes_covered": modes}
POINTS = {"optimal_discriminator": 4, "generator_gradient": 5, "modes_covered": 6}
CASES = [(name, mistake) for name, module in ALL.items() for mistake in module.MISTAKES]


def best_by_sigmoid(p, q):
    logit = (p / q).log()
    return torch.sigmoid(logit), logit


def heard_by_autograd(logits, kind):
    logits.requires_grad_()
    loss = generator_loss(logits, kind=kind)
    return loss.detach(), torch.autograd.grad(loss, logits)[0]


def heard_by_cross_entropy(logits, kind):
    aim = torch.zeros_like(logits) if kind == "minimax" else torch.ones_like(logits)
    sign = -1 if kind == "minimax" else 1
    gradient = sign * (torch.sigmoid(logits) - aim) / len(logits)
    return sign * F.binary_cross_entropy_with_logits(logits, aim), gradient


def modes_by_the_package(points, centres, std):
    got = mode_coverage(points, centres, std)
    return got.covered, got.high_quality


def modes_by_loops(points, centres, std):
    found, good = set(), 0
    for x in points:
        lengths = [(x - c).norm().item() for c in centres]
        if min(lengths) <= 3 * std:
            good += 1
            found.add(lengths.index(min(lengths)))
    return torch.tensor(len(found)), torch.tensor(good / len(points))


RIGHT = [
    ("optimal_discriminator", best.reference),
    ("optimal_discriminator", best_by_sigmoid),
    ("generator_gradient", heard.reference),
    ("generator_gradient", heard_by_autograd),
    ("generator_gradient", heard_by_cross_entropy),
    ("modes_covered", modes.reference),
    ("modes_covered", modes_by_the_package),
    ("modes_covered", modes_by_loops),
]


@pytest.mark.parametrize(("name", "right"), RIGHT, ids=[f"{n}-{f.__name__}" for n, f in RIGHT])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(name, right, seed):
    report = getattr(checks, name)(right, seed=seed)
    assert (report.points, report.total, report.hint) == (POINTS[name], POINTS[name], None), report


@pytest.mark.parametrize(("name", "mistake"), CASES, ids=[f"{n}-{m.name}" for n, m in CASES])
@pytest.mark.parametrize("seed", range(8))
def test_each_known_mistake_is_recognised(name, mistake, seed):
    report = getattr(checks, name)(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    by_name = {m.name: m.mutant for module in ALL.values() for m in module.MISTAKES}
    rounded = checks.optimal_discriminator(by_name["the logit from the rounded probability"])
    assert rounded.points == 3
    swapped = by_name["the two losses swapped"]
    assert checks.generator_gradient(swapped, seed=1).points == 0
    assert checks.generator_gradient(by_name["the logarithm of a rounded number"]).points == 4
    assert checks.modes_covered(by_name["the modes that are missed"], seed=1).points == 2


def test_a_tensor_for_a_number_is_recognised_too():
    def tensors(points, centres, std):
        found, share = modes._missed(points, centres, std)
        return torch.tensor(found), torch.tensor(share)

    assert checks.modes_covered(tensors, seed=0).mistake == "the modes that are missed"


@pytest.mark.parametrize("name", ALL)
def test_an_answer_of_another_kind_is_told_so(name):
    report = getattr(checks, name)(lambda *_: None)
    assert report.points == 0 and "return" in str(report)
    report = getattr(checks, name)(lambda *_: torch.zeros(3))
    assert report.points == 0 and "return two" in str(report)
