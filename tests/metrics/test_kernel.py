"""The kernel distance against torchmetrics, torch-fidelity and a sum over pairs."""

import pytest
import torch
from torch_fidelity.metric_kid import kernel_mmd
from torchmetrics.image.kid import poly_mmd

from course_lib.metrics import kernel, kernel_distance, kernel_distances


def clouds(n, m, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, d, generator=generator, dtype=torch.float64)
    b = 1.3 * torch.randn(m, d, generator=generator, dtype=torch.float64) + 0.2
    return a, b


@pytest.mark.parity
@pytest.mark.parametrize(("n", "d"), [(2, 3), (50, 1), (300, 64)])
def test_it_equals_torchmetrics_and_torch_fidelity(n, d):
    a, b = clouds(n, n, d)
    ours = kernel_distance(a, b)
    assert ours == pytest.approx(float(poly_mmd(a, b)), rel=1e-9)
    theirs = kernel_mmd(a.numpy(), b.numpy(), verbose=False)
    assert ours == pytest.approx(float(theirs), rel=1e-9)


def test_it_is_the_sum_over_pairs_of_different_features():
    a, b = clouds(7, 5, 4)

    def k(x, y):
        return (float(x @ y) / 4 + 1) ** 3

    within_a = [k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j]
    within_b = [k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j]
    between = [k(x, y) for x in a for y in b]
    means = (sum(values) / len(values) for values in (within_a, within_b, between))
    xx, yy, xy = means
    assert kernel_distance(a, b) == pytest.approx(xx + yy - 2 * xy, rel=1e-12)


def test_blocks_change_nothing(monkeypatch):
    a, b = clouds(130, 90, 8)
    whole = kernel_distance(a, b)
    monkeypatch.setattr(kernel, "ROWS", 32)
    assert kernel_distance(a, b) == pytest.approx(whole, rel=1e-12)


def test_it_is_unbiased_where_the_frechet_distance_is_not():
    values = []
    for seed in range(300):
        a, b = (torch.randn(12, 3, generator=torch.Generator().manual_seed(2 * seed + i)).double()
                for i in range(2))  # fmt: skip
        values.append(kernel_distance(a, b))
    values = torch.tensor(values)
    assert (values < 0).any()
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5


def test_subsets_are_drawn_by_the_seed():
    a, b = clouds(200, 150, 6)
    first = kernel_distances(a, b, subsets=20, subset_size=50, seed=3)
    assert torch.equal(first, kernel_distances(a, b, subsets=20, subset_size=50, seed=3))
    assert not torch.equal(first, kernel_distances(a, b, subsets=20, subset_size=50, seed=4))
    assert len(first.unique()) == 20
    mean = kernel_distance(a, b, subsets=20, subset_size=50, seed=3)
    assert mean == pytest.approx(float(first.mean()))
    whole = kernel_distance(a, b)
    assert abs(mean - whole) < 4 * float(first.std()) / 20**0.5
    every = kernel_distance(a, b[:150], subsets=1, subset_size=150)
    assert every == pytest.approx(kernel_distance(a, b), rel=0.5)


@pytest.mark.parametrize(("subsets", "size"), [(1, 151), (1, 1), (-1, 10)])
def test_bad_subsets_are_refused(subsets, size):
    a, b = clouds(200, 150, 6)
    with pytest.raises(ValueError, match="from 2 to the 150 features"):
        kernel_distance(a, b, subsets=subsets, subset_size=size)


def test_one_feature_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(4, 3))
