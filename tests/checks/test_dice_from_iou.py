"""The check of `dice_from_iou`: its reference equals scikit-learn; each known mistake is named."""

import importlib

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score

check = importlib.import_module("course_lib.checks.dice_from_iou")


def by_loop(iou):
    """A right answer in another style."""
    scores = [2 * j / (1 + j) for j in iou.tolist() if j == j]
    return torch.tensor(sum(scores) / len(scores))


@pytest.mark.parametrize("right", [check.reference, by_loop])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.dice_from_iou(right, seed=seed)
    assert (report.points, report.total, report.hint) == (4, 4, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.dice_from_iou(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.dice_from_iou(by_name["the mean is NaN"], seed=seed).points == 3
        assert check.dice_from_iou(by_name["the mean was converted"], seed=seed).points == 1
        assert check.dice_from_iou(by_name["half of it"], seed=seed).points == 0


@pytest.mark.parity
def test_the_reference_equals_sklearn():
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 4, (2, 200))
    iou = jaccard_score(truth, guess, average=None)
    ours = check.reference(torch.from_numpy(iou))
    assert ours.item() == pytest.approx(f1_score(truth, guess, average="macro"))
