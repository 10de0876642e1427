"""Use of codes, reconstructions and disentanglement, against libraries and cases known by hand."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score
from torchmetrics.functional.image import structural_similarity_index_measure

from course_lib.metrics import (
    active_units,
    code_counts,
    factor_information,
    mutual_information_gap,
    perplexity,
    reconstruction_scores,
)
from course_lib.metrics.disentanglement import _binned, _information


def test_perplexity_of_known_uses() -> None:
    assert perplexity(torch.tensor([5, 5, 5, 5])).item() == pytest.approx(4)
    assert perplexity(torch.tensor([0, 9, 0])).item() == pytest.approx(1)
    counts = code_counts(torch.tensor([[[0, 1], [1, 1]]]), 4)
    assert counts.tolist() == [1, 3, 0, 0]
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert perplexity(counts).item() == pytest.approx(math.exp(entropy))
    assert perplexity(torch.zeros(3)).isnan()


def test_active_units() -> None:
    means = torch.randn(4000, 3) * torch.tensor([1.0, 0.2, 0.02])
    assert active_units(means).tolist() == [True, True, False]
    assert active_units(means, threshold=0.5).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="at least 2 images"):
        active_units(means[:1])


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(3, 1, 16, 23), (2, 3, 32, 32)])
def test_reconstructions_equal_torchmetrics(shape: tuple[int, ...]) -> None:
    images = torch.randint(256, shape, dtype=torch.uint8)
    others = (images.float() + 30 * torch.randn(shape)).clamp(0, 255).to(torch.uint8)
    ours = reconstruction_scores(images, others)
    _, everywhere = structural_similarity_index_measure(
        others.double(),
        images.double(),
        data_range=255.0,
        reduction="none",
        return_full_image=True,
    )
    inside = everywhere[..., 5:-5, 5:-5]  # it mirrors the border; the paper's windows lie inside
    assert torch.allclose(ours.ssim, inside.flatten(1).mean(1).double(), atol=1e-9)
    by_hand = [((a.double() - b.double()) ** 2).mean() for a, b in zip(images, others, strict=True)]
    assert torch.allclose(ours.mse, torch.stack(by_hand))
    same = reconstruction_scores(images, images)
    assert (same.mse == 0).all() and torch.allclose(same.ssim, torch.ones(len(images)).double())


def test_reconstructions_refuse_what_they_cannot_compare() -> None:
    small = torch.zeros(1, 1, 10, 20, dtype=torch.uint8)
    with pytest.raises(ValueError, match="at least 11x11"):
        reconstruction_scores(small, small)
    with pytest.raises(ValueError, match="wanted uint8"):
        reconstruction_scores(small.float(), small.float())


@pytest.mark.parity
def test_mutual_information_equals_scikit_learns() -> None:
    a, b = torch.randint(7, (500,)), torch.randint(4, (500,))
    b = torch.where(torch.rand(500) < 0.5, a % 4, b)
    assert _information(a, b).item() == pytest.approx(mutual_info_score(a, b), abs=1e-9)


def test_bins_hold_equally_many() -> None:
    counts = torch.bincount(_binned(torch.randn(2000).exp(), 20))
    assert len(counts) == 20 and counts.min() > 90
    assert _binned(torch.ones(50), 20).unique().numel() == 1


def test_the_gap_of_known_codes() -> None:
    """One number each; the same told twice; a rotation of two; nothing at all."""
    torch.manual_seed(0)
    x, y, kind = torch.rand(8000), torch.rand(8000), torch.randint(4, (8000,))
    factors = {"x": x, "y": y, "kind": kind}
    apart = mutual_information_gap(torch.stack([x, -2 * y, kind.float()], 1), factors)
    assert all(gap > 0.9 for gap in apart.values())
    twice = mutual_information_gap(torch.stack([x, x**3, kind.float()], 1), factors)
    assert twice["x"] == pytest.approx(0, abs=0.01) and twice["y"] < 0.05
    turned = mutual_information_gap(torch.stack([x + y, x - y], 1), factors)
    assert turned["x"] < 0.05
    told = factor_information(torch.stack([x + y, x - y], 1), factors)
    assert told["x"].min() > 0.1  # both know something, so neither leads
    noise = mutual_information_gap(torch.randn(8000, 3), factors)
    assert max(noise.values()) < 0.05
    constant = factor_information(torch.randn(100, 2), {"still": torch.zeros(100)})
    assert constant["still"].tolist() == [0, 0]


def test_the_gap_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(ValueError, match="at least two numbers"):
        mutual_information_gap(torch.randn(9, 1), {})
    with pytest.raises(ValueError, match="there are 9 codes"):
        mutual_information_gap(torch.randn(9, 2), {"x": torch.rand(8)})
