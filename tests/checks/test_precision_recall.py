"""The check of `precision_recall`: its reference equals the package; mistakes are named."""

import importlib

import pytest
import torch

from course_lib import metrics

check = importlib.import_module("course_lib.checks.precision_recall")


def by_loop(real, fake, k):
    """A right answer in another style."""

    def radius(cloud, i):
        return sorted(float((cloud[i] - x).norm()) for j, x in enumerate(cloud) if j != i)[k - 1]

    def share(points, centres):
        radii = [radius(centres, i) for i in range(len(centres))]
        inside = [
            any(float((p - c).norm()) <= r for c, r in zip(centres, radii, strict=True))
            for p in points
        ]
        return sum(inside) / len(inside)

    return share(fake, real), share(real, fake)


def by_the_package(real, fake, k):
    return metrics.precision_recall(real, fake, k=k)


@pytest.mark.parametrize("right", [check.reference, by_loop, by_the_package])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.precision_recall(right, seed=seed)
    assert (report.points, report.total, report.hint) == (6, 6, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(8))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.precision_recall(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.precision_recall(by_name["the two swapped"], seed=seed).points <= 2

        def only_precision(real, fake, k):
            return check.reference(real, fake, k)[0], torch.tensor(0.123)

        assert check.precision_recall(only_precision, seed=seed).points == 2


def test_one_number_is_not_two():
    report = check.precision_recall(lambda real, fake, k: torch.tensor(0.5))
    assert report.points == 0 and "two numbers" in str(report)
