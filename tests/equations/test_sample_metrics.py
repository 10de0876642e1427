"""The equations of book/math/sample-metrics.md, each checked numerically in float64."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data import load
from course_lib.metrics import (
    copied_share,
    density_coverage,
    frechet_distance,
    frechet_from_moments,
    kernel_distance,
    precision_recall,
)

F64 = torch.float64
seeds = given(st.integers(0, 2**31))
few = settings(max_examples=25, deadline=None)


def normal(seed, *shape):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def covariance(seed, d, rank=None):
    mix = normal(seed, rank or d, d)
    return mix.T @ mix


def root(matrix):
    """Symmetric root by the eigenvectors."""
    values, vectors = np.linalg.eigh(np.asarray(matrix))
    return vectors @ np.diag(np.sqrt(values.clip(0))) @ vectors.T


@pytest.mark.equation("eq-frechet")
@few
@seeds
def test_the_frechet_distance_is_its_definition(seed):
    cov_a, cov_b = covariance(seed, 4), covariance(seed + 1, 4)
    mean_a, mean_b = normal(seed + 2, 4), normal(seed + 3, 4)
    middle = scipy.linalg.sqrtm((cov_a @ cov_b).numpy()).real
    by_root = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace()
    expected = float(by_root) - 2 * np.trace(middle)
    ours = frechet_from_moments((mean_a, cov_a), (mean_b, cov_b))
    assert ours == pytest.approx(expected, rel=1e-6)


@pytest.mark.equation("eq-frechet-line")
@few
@seeds
def test_in_one_dimension_sorted_samples_are_the_best_pairs(seed):
    a = 2 * normal(seed, 4000).sort().values + 1
    b = 0.5 * normal(seed + 1, 4000).sort().values - 1
    by_line = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
    assert frechet_distance(a[:, None], b[:, None]) == pytest.approx(float(by_line), rel=1e-9)
    assert float((a - b).square().mean()) == pytest.approx(float(by_line), rel=0.02)


@pytest.mark.equation("eq-frechet-coupling")
@few
@seeds
def test_the_cost_of_a_pairing_depends_on_the_cross_covariance_alone(seed):
    x, y = normal(seed, 500, 3) @ normal(seed + 1, 3, 3), normal(seed + 2, 500, 3)
    y = y + 0.5 * x
    x, y = x - x.mean(0), y - y.mean(0)
    cost = (x - y).square().sum(1).mean()
    cov_a, cov_b, cross = x.T @ x / 500, y.T @ y / 500, x.T @ y / 500
    torch.testing.assert_close(cost, cov_a.trace() + cov_b.trace() - 2 * cross.trace())


@pytest.mark.equation("eq-frechet-best")
@few
@seeds
def test_no_cross_covariance_beats_the_singular_values(seed):
    d = 3
    cov_a, cov_b = covariance(seed, d).numpy(), covariance(seed + 1, d, rank=2).numpy()
    u, s, vt = np.linalg.svd(root(cov_b) @ root(cov_a))
    roots = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0))
    assert s.sum() == pytest.approx(roots.sum(), rel=1e-6)

    def cross(m):
        return root(cov_a) @ m @ root(cov_b)

    best = cross(vt.T @ u.T)
    assert np.trace(best) == pytest.approx(s.sum(), rel=1e-9)
    for number in range(20):
        m = normal(seed + 2 + number, d, d).numpy()
        m /= np.linalg.norm(m, 2)  # makes no vector longer
        k = cross(m)
        pair = np.block([[cov_a, k], [k.T, cov_b]])
        assert np.linalg.eigvalsh(pair).min() > -1e-9 * np.abs(pair).max()  # is possible
        assert np.trace(k) <= s.sum() + 1e-12
    too_far = np.block([[cov_a, 1.5 * best], [1.5 * best.T, cov_b]])
    assert np.linalg.eigvalsh(too_far).min() < 0


@pytest.mark.equation("eq-frechet-eigenvalues")
@few
@seeds
def test_the_symmetric_matrix_has_the_same_trace_of_the_root(seed):
    cov_a, cov_b = covariance(seed, 5, rank=3), covariance(seed + 1, 5)
    lower = torch.linalg.cholesky(cov_b)
    ours = torch.linalg.eigvalsh(lower.T @ cov_a @ lower).clamp(min=0).sqrt().sum()
    inner = root(cov_a) @ cov_b.numpy() @ root(cov_a)
    assert float(ours) == pytest.approx(np.trace(root(inner)), rel=1e-6)


@pytest.mark.equation("eq-frechet-singular")
@few
@seeds
def test_centred_features_give_the_trace_without_covariances(seed):
    a, b = normal(seed, 6, 9), normal(seed + 1, 5, 9) + 1
    x_a, x_b = ((x - x.mean(0)) / math.sqrt(len(x) - 1) for x in (a, b))
    short = torch.linalg.svdvals(x_a @ x_b.T).sum()
    inner = root(torch.cov(a.T)) @ torch.cov(b.T).numpy() @ root(torch.cov(a.T))
    assert float(short) == pytest.approx(np.trace(root(inner)), rel=1e-6)


@pytest.mark.equation("eq-frechet-bias")
def test_equal_gaussians_are_this_far_apart_on_average():
    values = torch.tensor([4.0, 2.0, 1.0, 0.3], dtype=F64)
    pairs = itertools.permutations(values.tolist(), 2)
    bracket = 3 * float(values.sum()) + sum(x * y / (x + y) for x, y in pairs)
    num, repeats = 400, 600
    found = torch.tensor(
        [
            frechet_distance(
                normal(2 * i, num, 4) * values.sqrt(), normal(2 * i + 1, num, 4) * values.sqrt()
            )
            for i in range(repeats)
        ]
    )
    error = float(found.std()) / math.sqrt(repeats)
    assert abs(float(found.mean()) - bracket / num) < 4 * error + 0.01 * bracket / num
    assert error < 0.03 * bracket / num  # precise enough to notice a missing term


@pytest.mark.equation("eq-mmd", "eq-poly-kernel")
def test_the_kernel_compares_moments_up_to_the_third():
    # On the points -1 and 1, and 0, the expectations are finite sums.
    def kernel(x, y):
        return (float(np.dot(x, y)) / len(x) + 1) ** 3

    def mmd(p, q):
        def mean(r, s):
            return sum(a * b * kernel(x, y) for x, a in r.items() for y, b in s.items())

        return mean(p, p) + mean(q, q) - 2 * mean(p, q)

    p = {(-1.0, 0.0): 0.5, (1.0, 0.0): 0.5}
    same_mean = {(0.0, 0.0): 1.0}
    skewed = {(2.0, 0.0): 1 / 3, (-1.0, 0.0): 2 / 3}  # mean 0, third moment 2
    assert mmd(p, p) == pytest.approx(0, abs=1e-12)
    assert mmd(p, same_mean) > 0.1

    # In one dimension: the sum of C(3, n) (difference of the n-th moments)^2 over n.
    def moment(r, n):
        return sum(a * x[0] ** n for x, a in r.items())

    for q in (same_mean, skewed):
        by_moments = sum(
            math.comb(3, n) * (moment(p, n) - moment(q, n)) ** 2 / 2**n for n in range(4)
        )
        assert mmd(p, q) == pytest.approx(by_moments)


@pytest.mark.equation("eq-kernel-distance")
@few
@seeds
def test_the_estimate_averages_to_the_mmd(seed):
    # Two fair coins of three points each: average the estimate over all draws of two and two.
    p, q = normal(seed, 3, 2), normal(seed + 1, 3, 2)

    def k(x, y):
        return (float(x @ y) / 2 + 1) ** 3

    def mean(r, s):
        return sum(k(x, y) for x in r for y in s) / (len(r) * len(s))

    draws = list(itertools.product(range(3), repeat=2))
    average = sum(
        kernel_distance(p[list(i)], q[list(j)]) for i in draws for j in draws
    ) / len(draws) ** 2  # fmt: skip
    exact = mean(p, p) + mean(q, q) - 2 * mean(p, q)
    assert average == pytest.approx(exact, rel=1e-9, abs=1e-12)


def radii(x, k):
    """By sorting, one point at a time."""
    return [sorted(float((a - b).norm()) for j, b in enumerate(x) if j != i)[k - 1]
            for i, a in enumerate(x)]  # fmt: skip


@pytest.mark.equation("eq-manifold-precision", "eq-manifold-recall")
@few
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_precision_and_recall_point_by_point(seed, k):
    x, y = normal(seed, 12, 2), 0.7 * normal(seed + 1, 9, 2) + 0.4
    r_x, r_y = radii(x, k), radii(y, k)
    inside = [any((b - a).norm() <= r for a, r in zip(x, r_x, strict=True)) for b in y]
    found = [any((a - b).norm() <= r for b, r in zip(y, r_y, strict=True)) for a in x]
    ours = precision_recall(x, y, k=k)
    assert ours == pytest.approx((sum(inside) / 9, sum(found) / 12))


@pytest.mark.equation("eq-density", "eq-coverage")
@few
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_density_and_coverage_point_by_point(seed, k):
    x, y = normal(seed, 12, 2), 0.7 * normal(seed + 1, 9, 2) + 0.4
    within = [[float((b - a).norm()) <= r for b in y] for a, r in zip(x, radii(x, k), strict=True)]
    density = sum(map(sum, within)) / (k * 9)
    coverage = sum(map(any, within)) / 12
    assert density_coverage(x, y, k=k) == pytest.approx((density, coverage))


@pytest.mark.equation("eq-coverage-perfect")
def test_a_perfect_generator_has_this_coverage_and_density_one():
    n, m, k, repeats = 12, 8, 2, 4000
    scores = torch.tensor(
        [
            density_coverage(normal(2 * i, n, 3), normal(2 * i + 1, m, 3), k=k)
            for i in range(repeats)
        ]
    )
    above = math.prod(n - i for i in range(1, k + 1))
    below = math.prod(n + m - i for i in range(1, k + 1))
    error = scores.std(dim=0) / math.sqrt(repeats)
    assert abs(float(scores[:, 1].mean()) - (1 - above / below)) < 4 * float(error[1])
    assert abs(float(scores[:, 0].mean()) - 1) < 4 * float(error[0])
    assert 1 - math.prod((1000 - i) / (2000 - i) for i in range(1, 6)) == pytest.approx(
        1 - 2**-5, abs=1e-3
    )


@pytest.mark.equation("eq-copied-share")
@few
@given(st.integers(0, 2**31), st.floats(0.01, 0.9))
def test_the_share_of_samples_nearer_than_a_share_of_the_test_images(seed, q):
    samples, test = normal(seed, 80).abs(), normal(seed + 1, 101).abs()
    limit = np.quantile(test.numpy(), q)
    expected = sum(float(x) <= limit for x in samples) / 80
    assert copied_share(samples, test, quantile=q) == pytest.approx(expected)


def test_a_sample_exactly_at_the_limit_counts():
    """Exact copies of a set that repeats itself: every distance is 0, and so is the limit."""
    nothing = torch.zeros(5)
    assert copied_share(nothing, nothing) == 1
    assert copied_share(torch.tensor([1.0, 2.0]), torch.full((9,), 2.0)) == 1
    assert copied_share(torch.tensor([1.0, 2.1]), torch.full((9,), 2.0)) == 0.5


@pytest.mark.equation("eq-inception-score")
@few
@given(st.integers(0, 2**31))
def test_the_inception_score_is_the_exponential_of_a_mutual_information(seed):
    rng = np.random.default_rng(seed)
    answers = rng.dirichlet(np.ones(6), size=9)  # (images, classes)
    mean = answers.mean(0)
    score = np.exp(np.mean(np.sum(answers * np.log(answers / mean), axis=1)))

    def entropy(p):
        return -np.sum(p * np.log(p), axis=-1)

    assert score == pytest.approx(np.exp(entropy(mean) - entropy(answers).mean()))
    assert 1 <= score <= 6
    same = np.tile(mean, (9, 1))
    assert np.exp(np.mean(np.sum(same * np.log(same / mean), axis=1))) == pytest.approx(1)


def test_one_perfect_image_of_each_class_has_the_best_inception_score():
    sure = np.eye(10)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(sure > 0, sure * np.log(sure / 0.1), 0).sum(1)
    assert each == pytest.approx(np.full(10, math.log(10)))
    assert math.exp(each.mean()) == pytest.approx(10)


def test_the_worked_example():
    mean_a, mean_b = torch.zeros(2), torch.tensor([1.0, 0.0])
    cov_b = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    ours = frechet_from_moments((mean_a, torch.eye(2)), (mean_b, cov_b))
    assert ours == pytest.approx(1 + 6 - 2 * (math.sqrt(3) + 1))
    assert round(ours, 3) == 1.536
    assert round(1 + 6 - 2 * 2 * math.sqrt(2), 3) == 1.343
    assert 2 * 64 + 64 * 65 // 2 == 2208 and 2 * 2048 + 2048 * 2049 // 2 > 2_000_000


def farther_than_the_nearest_other(images: torch.Tensor) -> float:
    """Share of images that, moved by a pixel each way, lie farther off than the nearest other."""
    x = images.double()
    moved = (torch.roll(x, (1, 1), (2, 3)) - x).flatten(1).norm(dim=1)
    others = torch.cdist(x.flatten(1), x.flatten(1)).fill_diagonal_(torch.inf).amin(1)
    return (moved > others).double().mean().item()


def test_a_digit_that_is_moved_is_farther_from_itself_than_from_another() -> None:
    digits = load("digits", "test", num=1000, size=32, task="classification").images
    assert farther_than_the_nearest_other(digits) > 0.6


@pytest.mark.parametrize(("name", "low", "high"), [("mnist", 0.6, 1), ("cifar10", 0, 0.01)])
def test_real_digits_mind_a_pixel_and_photographs_do_not(real_data, name, low, high) -> None:
    images = load(name, "test", num=1000, size=32, task="classification", root=real_data).images
    assert low < farther_than_the_nearest_other(images) < high
