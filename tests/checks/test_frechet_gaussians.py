"""The check of `frechet_gaussians`: its reference equals the package; mistakes are named."""

import importlib

import numpy as np
import pytest
import scipy.linalg
import torch

from course_lib.metrics import frechet_from_moments

check = importlib.import_module("course_lib.checks.frechet_gaussians")


def by_the_package(mean_a, cov_a, mean_b, cov_b):
    return frechet_from_moments((mean_a, cov_a), (mean_b, cov_b))


def by_eigenvalues(mean_a, cov_a, mean_b, cov_b):
    """A right answer in another style: the eigenvalues of the product, which are real."""
    values = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0)
    return (mean_a - mean_b) @ (mean_a - mean_b) + (cov_a + cov_b).trace() - 2 * values.sqrt().sum()


def by_matrix_root(mean_a, cov_a, mean_b, cov_b):
    root = scipy.linalg.sqrtm(cov_a.numpy()).real
    inner = scipy.linalg.sqrtm(root @ cov_b.numpy() @ root).real
    means = np.square((mean_a - mean_b).numpy()).sum()
    return float(means + np.trace(cov_a.numpy() + cov_b.numpy() - 2 * inner))


@pytest.mark.parametrize("right", [check.reference, by_the_package, by_eigenvalues, by_matrix_root])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_right_answers_get_all_points(right, seed):
    report = check.frechet_gaussians(right, seed=seed)
    assert (report.points, report.total, report.hint) == (6, 6, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.frechet_gaussians(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.frechet_gaussians(by_name["means forgotten"], seed=seed).points == 1
        assert check.frechet_gaussians(by_name["factor 2 forgotten"], seed=seed).points == 0
        assert check.frechet_gaussians(by_name["entries multiplied"], seed=seed).points < 6


@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_a_complex_number_is_named():
    def complex_root(mean_a, cov_a, mean_b, cov_b):
        values = torch.linalg.eigvals(cov_a @ cov_b).sqrt()
        return (mean_a - mean_b).square().sum() + (cov_a + cov_b).trace() - 2 * values.sum()

    report = check.frechet_gaussians(complex_root, seed=0)
    assert "complex number" in str(report)
