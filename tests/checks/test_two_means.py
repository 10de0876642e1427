"""The check of `two_means`: its reference equals the package; each known mistake is named."""

import importlib

import pytest
import torch

from course_lib.metrics import averages

check = importlib.import_module("course_lib.checks.two_means")


def by_loop(confusions):
    """A right answer in another style."""

    def mean_iou(matrix):
        scores = []
        for k in range(len(matrix)):
            union = (matrix[k].sum() + matrix[:, k].sum() - matrix[k, k]).item()
            if union:
                scores.append(matrix[k, k].item() / union)
        return sum(scores) / len(scores)

    return mean_iou(confusions.sum(0)), sum(map(mean_iou, confusions)) / len(confusions)


def by_the_package(confusions):
    means = averages(confusions)
    return [means.macro, means.per_image]


@pytest.mark.parametrize("right", [check.reference, by_loop, by_the_package])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.two_means(right, seed=seed)
    assert (report.points, report.total, report.hint) == (5, 5, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.two_means(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.two_means(by_name["absent classes count as 0"], seed=seed).points == 3
        assert check.two_means(by_name["the data set twice"], seed=seed).points == 2
        assert check.two_means(by_name["Dice"], seed=seed).points == 0


def test_one_number_is_not_two():
    report = check.two_means(lambda confusions: torch.tensor(0.5))
    assert report.points == 0 and "two numbers" in str(report)
