"""The Fréchet distance against torchmetrics, torch-fidelity, a matrix root and closed forms."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance, _compute_fid

from course_lib.metrics import frechet_distance, frechet_from_moments, moments


def clouds(n, m, d, *, rank=None, seed=0):
    """Two clouds with different means and covariances, in a subspace if a rank is given."""
    generator = torch.Generator().manual_seed(seed)
    inner = rank or d
    mix_a, mix_b = (
        torch.randn(inner, d, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    a = torch.randn(n, inner, generator=generator, dtype=torch.float64) @ mix_a
    b = torch.randn(m, inner, generator=generator, dtype=torch.float64) @ mix_b + 0.5
    return a, b


def by_matrix_root(a, b):
    """The definition, word for word."""
    mean_a, mean_b = a.mean(0).numpy(), b.mean(0).numpy()
    cov_a, cov_b = (np.atleast_2d(np.cov(x.numpy(), rowvar=False)) for x in (a, b))
    # The root of C_a^(1/2) C_b C_a^(1/2) has the trace of the root of C_a C_b, and is real.
    root_a = scipy.linalg.sqrtm(cov_a).real
    root = scipy.linalg.sqrtm(root_a @ cov_b @ root_a).real
    return np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root)


CASES = [
    pytest.param(500, 400, 8, None, id="full rank"),
    pytest.param(900, 900, 64, None, id="64 dimensions"),
    pytest.param(300, 200, 12, 5, id="singular covariances"),
    pytest.param(20, 30, 40, None, id="fewer features than dimensions"),
    pytest.param(20, 300, 40, None, id="fewer on one side"),
    pytest.param(41, 41, 40, 3, id="singular, just enough features"),
    pytest.param(100, 90, 1, None, id="one dimension"),
    pytest.param(2, 2, 3, None, id="two features"),
]


@pytest.mark.parity
@pytest.mark.parametrize(("n", "m", "d", "rank"), CASES)
def test_it_equals_torchmetrics_and_torch_fidelity(n, m, d, rank):
    a, b = clouds(n, m, d, rank=rank)
    ours = frechet_distance(a, b)
    cov_a, cov_b = (torch.cov(x.T).reshape(d, d) for x in (a, b))
    theirs = _compute_fid(a.mean(0), cov_a, b.mean(0), cov_b)
    assert ours == pytest.approx(float(theirs), rel=1e-5)
    if d > 1:
        statistics = (fid_features_to_statistics(x) for x in (a, b))
        theirs = fid_statistics_to_metric(*statistics, verbose=False)
        assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:Metric `FrechetInceptionDistance`")
def test_it_equals_the_metric_of_torchmetrics_from_features_to_score():
    class Given(torch.nn.Module):
        """Takes features for images."""

        num_features = 8

        def forward(self, images):
            return images

    metric = FrechetInceptionDistance(feature=Given())
    a, b = clouds(500, 400, 8)
    for features, real in ((a, True), (b, False)):
        for batch in features.split(150):
            metric.update(batch, real=real)
    assert frechet_distance(a, b) == pytest.approx(float(metric.compute()), rel=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize(("n", "m", "d", "rank"), CASES)
@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_it_equals_the_definition_with_a_matrix_root(n, m, d, rank):
    a, b = clouds(n, m, d, rank=rank, seed=1)
    assert frechet_distance(a, b) == pytest.approx(by_matrix_root(a, b), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d", "rank"), CASES)
def test_moments_and_features_give_the_same(n, m, d, rank):
    a, b = clouds(n, m, d, rank=rank, seed=2)
    by_moments = frechet_from_moments(moments(a), moments(b))
    assert by_moments == pytest.approx(frechet_distance(a, b), rel=1e-7)


@pytest.mark.parametrize(("n", "m", "d", "rank"), CASES)
def test_equal_sets_have_distance_zero(n, m, d, rank):
    a, _ = clouds(n, m, d, rank=rank)
    spread = float(moments(a)[1].trace())
    assert 0 <= frechet_distance(a, a.clone()) < 1e-6 * spread
    assert 0 <= frechet_from_moments(moments(a), moments(a)) < 1e-6 * spread


def test_a_shift_costs_its_squared_length_and_the_order_does_not_matter():
    a, b = clouds(300, 300, 6)
    shift = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 3.0], dtype=torch.float64)
    assert frechet_distance(a, a + shift) == pytest.approx(float(shift @ shift), rel=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_commuting_gaussians_have_a_closed_form():
    mean_a, mean_b = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 1.0])
    cov_a, cov_b = torch.diag(torch.tensor([4.0, 9.0])), torch.diag(torch.tensor([1.0, 0.0]))
    # Deviations 2 and 3 against 1 and 0: (2 - 1)^2 + (3 - 0)^2, and the means' 2^2.
    assert frechet_from_moments((mean_a, cov_a), (mean_b, cov_b)) == pytest.approx(14.0)


def test_half_precision_is_computed_in_float64():
    a, b = clouds(400, 400, 16)
    single = frechet_distance(a.float(), b.float())
    assert single == pytest.approx(frechet_distance(a.float().double(), b.float().double()))
    assert math.isfinite(frechet_distance(a.half(), b.half()))


@pytest.mark.parametrize(
    ("a", "b", "match"),
    [
        (torch.zeros(1, 4), torch.zeros(5, 4), "got 1 feature vectors; this needs at least 2"),
        (torch.zeros(5, 4), torch.zeros(0, 4), "got 0 feature vectors"),
        (torch.zeros(5, 4), torch.zeros(5, 3), "4 and 3 dimensions"),
        (torch.zeros(5, 4, 2), torch.zeros(5, 4), "wanted \\(N, D\\)"),
        (torch.zeros(5, 0), torch.zeros(5, 0), "wanted \\(N, D\\)"),
        (torch.full((5, 4), torch.nan), torch.zeros(5, 4), "NaN or infinite"),
        (torch.zeros(5, 4), torch.full((5, 4), torch.inf), "NaN or infinite"),
    ],
)
def test_bad_features_are_refused(a, b, match):
    with pytest.raises(ValueError, match=match):
        frechet_distance(a, b)


@pytest.mark.parametrize(
    ("mean", "covariance", "match"),
    [
        (torch.zeros(3), torch.eye(2), "covariance of shape"),
        (torch.zeros(3), torch.eye(3), "2 and 3 dimensions"),
        (torch.zeros(2), torch.full((2, 2), torch.nan), "NaN or infinite"),
        (torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "no covariance"),
        (torch.zeros(2), -torch.eye(2), "no covariance"),
        (torch.zeros(2), torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "smallest eigenvalue is -1"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_bad_moments_are_refused(mean, covariance, match, first):
    pair = (torch.zeros(2), torch.eye(2)), (mean, covariance)
    if first and "dimensions" in match:
        match = "3 and 2 dimensions"
    with pytest.raises(ValueError, match=match):
        frechet_from_moments(*(pair[::-1] if first else pair))


def test_one_feature_has_no_covariance():
    with pytest.raises(ValueError, match="one point has no covariance"):
        moments(torch.zeros(1, 4))
