"""The paired bootstrap: against a slow loop, against SciPy, and on cases with a known answer."""

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap as scipy_bootstrap

from course_lib.metrics import accuracy, iou, mean_iou, paired_bootstrap


def matrices(num_images, correct, seed=0, num_pixels=100):
    """Two-class matrices per image with a share of correct pixels that varies between images."""
    generator = np.random.default_rng(seed)
    share = np.clip(correct + generator.normal(0, 0.05, num_images), 0, 1)
    hits = generator.binomial(num_pixels, np.stack([share, share]))
    counts = np.zeros((num_images, 2, 2), dtype=np.int64)
    for label in (0, 1):
        counts[:, label, label] = hits[label]
        counts[:, label, 1 - label] = num_pixels - hits[label]
    return torch.from_numpy(counts)


def test_the_scores_are_those_of_the_whole_set():
    a, b = matrices(30, 0.9), matrices(30, 0.8, seed=1)
    result = paired_bootstrap(a, b, resamples=200)
    assert result.a == pytest.approx(mean_iou(a.sum(0)).item())
    assert result.b == pytest.approx(mean_iou(b.sum(0)).item())
    assert result.difference == pytest.approx(result.a - result.b)
    assert result.low < result.difference < result.high
    assert result.num_images == 30 and result.resamples == 200


def test_equals_a_plain_loop():
    a, b = matrices(12, 0.9), matrices(12, 0.88, seed=1)
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randint(12, (300, 12), generator=generator)
    differences = torch.stack([mean_iou(a[d].sum(0)) - mean_iou(b[d].sum(0)) for d in drawn])
    low, high = np.quantile(differences, [0.05, 0.95])
    got = paired_bootstrap(a, b, resamples=300, confidence=0.9, seed=3)
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-12)
    smaller = min((differences <= 0).sum().item(), (differences >= 0).sum().item()) + 1
    assert got.p_value == pytest.approx(min(1, 2 * smaller / 301))


@pytest.mark.parity
def test_the_interval_is_scipys():
    a, b = matrices(60, 0.9), matrices(60, 0.89, seed=1)
    right_a, right_b = (m.diagonal(dim1=1, dim2=2).sum(1).double() / 200 for m in (a, b))
    theirs = scipy_bootstrap(
        (right_a.numpy(), right_b.numpy()),
        lambda x, y, axis: (x - y).mean(axis),
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    ours = paired_bootstrap(a, b, statistic=accuracy, resamples=20_000)
    assert ours.low == pytest.approx(theirs.low, abs=4e-4)
    assert ours.high == pytest.approx(theirs.high, abs=4e-4)


def test_a_model_against_itself():
    a = matrices(20, 0.9)
    result = paired_bootstrap(a, a, resamples=500)
    assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)


def test_a_clear_difference_is_seen_and_has_a_sign():
    better, worse = matrices(50, 0.95), matrices(50, 0.7, seed=1)
    result = paired_bootstrap(better, worse, resamples=1000)
    assert result.low > 0 and result.p_value == pytest.approx(2 / 1001)
    turned = paired_bootstrap(worse, better, resamples=1000)
    assert (turned.low, turned.high) == pytest.approx((-result.high, -result.low))
    assert turned.p_value == result.p_value


def test_pairing_finds_what_the_images_spread_would_hide():
    generator = np.random.default_rng(0)
    hits = generator.integers(30, 90, 80)  # images of very different difficulty

    def counts(extra):
        right = torch.from_numpy(hits + extra)
        zero = torch.zeros_like(right)
        return torch.stack([right, 100 - right, zero, zero + 100], dim=1).reshape(-1, 2, 2)

    result = paired_bootstrap(counts(3), counts(0), resamples=1000)
    assert result.low > 0


def test_without_a_difference_the_null_is_rarely_rejected():
    rejected = 0
    for seed in range(60):
        a, b = matrices(40, 0.85, seed=2 * seed), matrices(40, 0.85, seed=2 * seed + 1)
        rejected += paired_bootstrap(a, b, resamples=300, seed=seed).p_value < 0.05
    assert rejected <= 9  # 3 expected; 10 or more has a probability below 0.001


def test_several_trainings_are_averaged_inside_each_resample():
    a = torch.stack([matrices(15, 0.9, seed=s) for s in range(3)])
    b = torch.stack([matrices(15, 0.8, seed=s) for s in range(3, 5)])
    result = paired_bootstrap(a, b, resamples=100)
    assert result.a == pytest.approx(mean_iou(a.sum(1)).mean().item())
    assert result.b == pytest.approx(mean_iou(b.sum(1)).mean().item())
    single = paired_bootstrap(a[0], b[0], resamples=100)
    assert single == paired_bootstrap(a[:1], b[:1], resamples=100)


def test_the_seed_decides():
    a, b = matrices(20, 0.9), matrices(20, 0.88, seed=1)
    assert paired_bootstrap(a, b, seed=1) == paired_bootstrap(a, b, seed=1)
    assert paired_bootstrap(a, b, seed=1) != paired_bootstrap(a, b, seed=2)


def test_it_reads_as_a_sentence():
    text = str(paired_bootstrap(matrices(20, 0.9), matrices(20, 0.8, seed=1), resamples=99))
    assert "95 % interval [+" in text and "20 images" in text


def test_wrong_input_says_what_to_do():
    a = matrices(10, 0.9)
    with pytest.raises(ValueError, match="confusion_per_image"):
        paired_bootstrap(a.sum(0), a.sum(0))
    with pytest.raises(ValueError, match="same images and classes"):
        paired_bootstrap(a, a[:9])
    several = torch.stack([a, 2 * a])  # the second training was judged on other images
    with pytest.raises(ValueError, match="different truths"):
        paired_bootstrap(several, torch.stack([a, a]))
    with pytest.raises(ValueError, match="different truths"):
        paired_bootstrap(a, a * torch.arange(1, 11)[:, None, None])
    with pytest.raises(ValueError, match="at least 2"):
        paired_bootstrap(a[:1], a[:1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        paired_bootstrap(a, a, confidence=95)
    with pytest.raises(ValueError, match="not a number"):
        only_one = torch.tensor([[[5, 0], [0, 0]], [[5, 0], [0, 5]]])
        paired_bootstrap(only_one, only_one, statistic=lambda c: iou(c)[..., 1])
