"""Precision, recall, density and coverage against prdc, torch-fidelity and cases seen by eye."""

import pytest
import torch
from prdc import compute_prdc
from torch_fidelity.metric_prc import calculate_precision_recall_full

from course_lib.metrics import density_coverage, manifold, neighbour_radii, precision_recall


def clouds(n, m, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    real = torch.randn(n, d, generator=generator, dtype=torch.float64)
    fake = 0.8 * torch.randn(m, d, generator=generator, dtype=torch.float64) + 0.3
    return real, fake


@pytest.mark.parity
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 2), (120, 300, 16), (7, 8, 1)])
def test_they_equal_prdc_and_torch_fidelity(n, m, d, k):
    real, fake = clouds(n, m, d)
    theirs = compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
    precision, recall = precision_recall(real, fake, k=k)
    density, coverage = density_coverage(real, fake, k=k)
    assert precision == pytest.approx(theirs["precision"], abs=1e-12)
    assert recall == pytest.approx(theirs["recall"], abs=1e-12)
    assert density == pytest.approx(theirs["density"], rel=1e-12)
    assert coverage == pytest.approx(theirs["coverage"], abs=1e-12)
    # torch-fidelity counts in float32, and names the generated features first.
    theirs = calculate_precision_recall_full(fake, real, neighborhood=k)
    assert (precision, recall) == pytest.approx(theirs, abs=1e-6)


def test_blocks_change_nothing(monkeypatch):
    real, fake = clouds(150, 110, 3)
    whole = precision_recall(real, fake), density_coverage(real, fake)
    monkeypatch.setattr(manifold, "ROWS", 16)
    assert (precision_recall(real, fake), density_coverage(real, fake)) == whole


def test_points_on_a_line_can_be_counted_by_eye():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    fake = torch.tensor([[1.5], [-0.5], [50.0], [51.0]])
    assert neighbour_radii(real, 1).sqrt().tolist() == pytest.approx([1, 1, 1, 8])
    # 1.5 lies in the balls of 1 and 2, -0.5 in that of 0; the ball of 10 reaches from 2 to 18.
    precision, recall = precision_recall(real, fake, k=1)
    assert precision == 0.5
    # Balls around samples: [-0.5, 3.5], [-2.5, 1.5], [49, 51], [50, 52]: they hold 0, 1 and 2.
    assert recall == 0.75
    density, coverage = density_coverage(real, fake, k=1)
    assert density == pytest.approx(3 / 4)
    assert coverage == 0.75


def test_swapping_the_sets_swaps_precision_and_recall():
    real, fake = clouds(150, 110, 3)
    assert precision_recall(real, fake) == precision_recall(fake, real)[::-1]


def test_dropped_modes_cost_recall_and_coverage_but_no_precision():
    generator = torch.Generator().manual_seed(0)
    centres = 20 * torch.eye(4)
    labels = torch.arange(800) % 4
    real = centres[labels] + torch.randn(800, 4, generator=generator)
    fake = centres[labels % 2] + torch.randn(800, 4, generator=generator)
    precision, recall = precision_recall(real, fake)
    density, coverage = density_coverage(real, fake)
    assert precision > 0.85 and density > 0.85
    assert recall < 0.51 and coverage < 0.51


def test_a_copy_of_the_real_set_has_it_all():
    real, _ = clouds(90, 10, 5)
    assert precision_recall(real, real.clone()) == (1, 1)
    assert density_coverage(real, real.clone()).coverage == 1


@pytest.mark.parametrize(
    ("n", "m", "k", "match"),
    [
        (3, 9, 3, "got 3 real features"),
        (9, 3, 3, "got 3 generated features"),
        (9, 9, 0, "k is 0"),
        (0, 9, 3, "got 0 feature vectors"),
    ],
)
def test_too_few_features_are_refused(n, m, k, match):
    real, fake = torch.rand(n, 2), torch.rand(m, 2)
    with pytest.raises(ValueError, match=match):
        precision_recall(real, fake, k=k)


def test_one_sample_has_a_density():
    density, coverage = density_coverage(torch.rand(9, 2), torch.rand(1, 2), k=2)
    assert density >= 0 and 0 <= coverage <= 1
