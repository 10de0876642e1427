"""Nearest training images against scikit-learn, and the share of copies."""

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from course_lib.metrics import copied_share, nearest, nearest_distances


def images(num, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (num, 3, 6, 5), generator=generator, dtype=torch.uint8)


@pytest.mark.parity
def test_it_equals_scikit_learn(monkeypatch):
    samples, training = images(40, 0), images(70, 1)
    neighbours = NearestNeighbors(n_neighbors=1).fit(training.flatten(1).double().numpy())
    distance, index = neighbours.kneighbors(samples.flatten(1).double().numpy())
    for block in (1 << 24, 300):
        monkeypatch.setattr(nearest, "BLOCK", block)
        ours, where = nearest_distances(samples, training)
        assert where.tolist() == index[:, 0].tolist()
        assert ours.tolist() == pytest.approx(distance[:, 0].tolist(), rel=1e-12)


def test_a_copy_has_the_distance_zero_and_a_changed_pixel_its_change():
    training = images(50, 0)
    samples = training[[7, 3]].clone()
    samples[1, 0, 0, 0] ^= 4
    distances, index = nearest_distances(samples, training)
    assert index.tolist() == [7, 3]
    assert distances.tolist() == [0, 4]


def test_within_one_set_an_item_is_not_its_own_neighbour(monkeypatch):
    points = torch.tensor([[0.0], [1.0], [5.0]])
    for block in (1 << 24, 1):
        monkeypatch.setattr(nearest, "BLOCK", block)
        distances, index = nearest_distances(points, points, exclude_self=True)
        assert distances.tolist() == [1, 1, 4] and index.tolist() == [1, 0, 1]


def test_far_from_the_origin_the_nearest_is_still_found():
    points = torch.tensor([[1e4], [1e4 + 1], [1e4 + 2]])
    assert nearest_distances(points + 0.4, points)[1].tolist() == [0, 1, 2]


def test_the_share_of_copies_is_the_quantile_for_new_images():
    expected = torch.linspace(1, 2, 1001)
    assert copied_share(expected, expected) == pytest.approx(0.05, abs=2e-3)
    assert copied_share(torch.zeros(10), expected) == 1
    assert copied_share(torch.full((10,), 3.0), expected) == 0
    held_out = torch.cat([torch.zeros(100), torch.ones(900)])  # a tenth is in the training set too
    assert copied_share(torch.zeros(10), held_out) == 1
    half = torch.cat([torch.zeros(50), torch.full((50,), 1.5)])
    assert copied_share(half, expected, quantile=0.2) == 0.5


@pytest.mark.parametrize(
    ("samples", "training", "exclude"),
    [
        (torch.zeros(0, 3), torch.zeros(4, 3), False),
        (torch.zeros(4, 3), torch.zeros(0, 3), False),
        (torch.zeros(4, 3), torch.zeros(4, 2), False),
        (torch.zeros(4, 3), torch.zeros(3, 3), True),
        (torch.zeros(1, 3), torch.zeros(1, 3), True),
    ],
)
def test_sets_that_do_not_fit_are_refused(samples, training, exclude):
    with pytest.raises(ValueError, match="got|holds? at least|must hold"):
        nearest_distances(samples, training, exclude_self=exclude)


def test_values_that_are_not_finite_are_no_distances():
    broken = torch.tensor([[0.0], [torch.nan]])
    with pytest.raises(ValueError, match="training items hold NaN"):
        nearest_distances(torch.zeros(2, 1), broken)
    with pytest.raises(ValueError, match="samples hold NaN"):
        nearest_distances(broken, torch.zeros(2, 1))


def test_bad_quantiles_are_refused():
    with pytest.raises(ValueError, match="quantile between 0 and 1"):
        copied_share(torch.ones(3), torch.ones(3), quantile=1.0)
    with pytest.raises(ValueError, match="at least one of each"):
        copied_share(torch.ones(0), torch.ones(3))
