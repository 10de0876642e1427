"""The ranking orders models rightly, says how firm that is, and corrects its p-values."""

import pytest
import torch

from course_lib.metrics import mean_iou
from course_lib.results.claims.ranking import holm, rank


def judged(accuracy: float, *, runs: int = 3, images: int = 30, seed: int = 0) -> torch.Tensor:
    """(S, N, 2, 2) counts of a model that gets this share of each class right, with noise."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.tensor([600, 400])
    noise = 0.02 * torch.randn(runs, images, 2, generator=generator, dtype=torch.float64)
    right = (truth * (accuracy + noise).clamp(0, 1)).round().long()
    counts = torch.zeros(runs, images, 2, 2, dtype=torch.int64)
    counts[..., 0, 0], counts[..., 0, 1] = right[..., 0], truth[0] - right[..., 0]
    counts[..., 1, 1], counts[..., 1, 0] = right[..., 1], truth[1] - right[..., 1]
    return counts


def test_clear_differences_are_ranked_the_same_in_every_resample() -> None:
    counts = {"low": judged(0.6, seed=1), "high": judged(0.9, seed=2), "middle": judged(0.75)}
    ranking = rank(counts, resamples=200)
    assert ranking.order == ("high", "middle", "low")
    assert ranking.rank_shares["high"] == [1, 0, 0]
    assert ranking.rank_shares["middle"] == [0, 1, 0]
    assert ranking.rank_shares["low"] == [0, 0, 1]


def test_equal_models_share_the_ranks() -> None:
    ranking = rank({"a": judged(0.8, seed=1), "b": judged(0.8, seed=2)}, resamples=1000)
    for shares in ranking.rank_shares.values():
        assert sum(shares) == pytest.approx(1)
        assert 0.02 < shares[0] < 0.98


def test_trainings_are_drawn_too() -> None:
    """One good and two bad trainings: which are drawn decides, though all images agree."""
    lucky = torch.cat([judged(0.95, runs=1), judged(0.7, runs=2)])  # mean IoU 0.90 and 0.53
    steady = judged(0.82, seed=3)  # 0.69
    shares = rank({"lucky": lucky, "steady": steady}, resamples=1000).rank_shares["lucky"]
    # With the good one drawn once in three, the mean is 0.66, with two 0.78: two are needed.
    wanted = 1 - (2 / 3) ** 3 - 3 * (1 / 3) * (2 / 3) ** 2
    assert shares[0] == pytest.approx(wanted, abs=0.08)


def test_the_order_is_that_of_the_mean_over_trainings() -> None:
    counts = {name: judged(a, seed=i) for i, (name, a) in enumerate([("x", 0.7), ("y", 0.71)])}
    means = {name: float(mean_iou(c.sum(1)).mean()) for name, c in counts.items()}
    assert list(rank(counts, resamples=10).order) == sorted(means, key=lambda n: -means[n])


def test_other_truths_are_refused() -> None:
    other = judged(0.8)
    other[..., 0, 0] += 1
    with pytest.raises(ValueError, match="different truths"):
        rank({"a": judged(0.8), "b": other})


def test_holm_equals_the_definition() -> None:
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    assert holm(p) == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
