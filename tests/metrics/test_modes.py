"""The count of modes against loops and closed forms."""

import math

import pytest
import torch

from course_lib.data import ring, ring_centres
from course_lib.metrics import mode_coverage

CENTRES = ring_centres()


def test_the_mixture_itself_covers_everything():
    got = mode_coverage(ring(40_000), CENTRES, 0.02)
    assert got.covered == 8 and got.counts.sum() == round(got.high_quality * 40_000)
    assert got.high_quality == pytest.approx(1 - math.exp(-4.5), abs=2e-3)
    assert 0 <= got.divergence < 1e-3


def test_counts_equal_a_loop():
    points = 2 * torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    counts = [0] * 8
    for x in points:
        lengths = [math.dist(x.tolist(), c.tolist()) for c in CENTRES]
        if min(lengths) <= 3 * 0.3:
            counts[lengths.index(min(lengths))] += 1
    got = mode_coverage(points, CENTRES, 0.3, min_count=12)
    assert got.counts.tolist() == counts
    assert got.covered == sum(c >= 12 for c in counts)
    shares = [c / sum(counts) for c in counts]
    assert got.divergence == pytest.approx(sum(s * math.log(8 * s) for s in shares if s))


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_the_divergence_of_a_collapse_is_the_chapters(k):
    got = mode_coverage(CENTRES[:k].repeat(5, 1), CENTRES, 0.02)
    assert got.covered == k and got.high_quality == 1
    assert got.divergence == pytest.approx(math.log(8 / k))


def test_far_from_the_origin_distances_are_still_right():
    centres = CENTRES + 1000
    assert mode_coverage(centres.repeat(8, 1) + 0.1, centres, 0.02).high_quality == 0
    assert mode_coverage(centres.repeat(8, 1) + 0.01, centres, 0.02).high_quality == 1


def test_without_a_good_sample():
    got = mode_coverage(torch.zeros(3, 2), CENTRES, 0.02)
    assert (got.covered, got.high_quality) == (0, 0) and math.isnan(got.divergence)
    got = mode_coverage(torch.full((3, 2), math.nan), CENTRES, 0.02)
    assert (got.covered, got.high_quality) == (0, 0)
    everywhere = mode_coverage(torch.ones(3, 2), CENTRES, 0.02, within=math.inf)
    assert everywhere.divergence == pytest.approx(math.log(8))  # all nearest to one centre


@pytest.mark.parametrize(
    ("points", "message"),
    [(torch.zeros(0, 2), "both are needed"), (torch.zeros(3, 3), "are needed")],
)
def test_bad_arguments_are_named(points, message):
    with pytest.raises(ValueError, match=message):
        mode_coverage(points, CENTRES, 0.02)
