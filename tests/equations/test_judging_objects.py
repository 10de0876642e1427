"""The equations of book/math/judging-objects.md, each against a library or plain counting."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torchmetrics.detection import PanopticQuality

from course_lib.metrics import count_error, panoptic_counts, panoptic_quality
from course_lib.metrics.average_precision import (
    average_precision,
    detection_curves,
    match_detections,
    match_greedily,
)
from course_lib.metrics.objects import FoundObjects, TrueObjects
from course_lib.post import Segment

few = settings(max_examples=25, deadline=None)
seeds = given(st.integers(0, 2**31))

SCORES = [0.95, 0.90, 0.80, 0.70, 0.60, 0.50, 0.40]
# Overlap of each detection with each of the five objects.
OVERLAP = np.zeros((7, 5))
OVERLAP[[0, 1, 3, 4, 5, 6], [0, 1, 2, 3, 0, 3]] = [0.92, 0.81, 0.66, 0.45, 0.55, 0.58]


def matched(overlap, threshold):
    """For each detection, in order, the object that it takes, or None; by the chapter's rule."""
    free, taken = set(range(overlap.shape[1])), []
    for row in overlap:
        best = max(free, key=lambda m: row[m], default=None)
        if best is None or row[best] < threshold:
            taken.append(None)
        else:
            free.remove(best)
            taken.append(best)
    return taken


def curve(hits, objects):
    """Exact precision and recall after each detection."""
    true = list(itertools.accumulate(int(h) for h in hits))
    return [(Fraction(t, n), Fraction(t, objects)) for n, t in enumerate(true, start=1)]


def interpolated(points, r):
    return max((p for p, recall in points if recall >= r), default=Fraction(0))


def area(hits, objects):
    points = curve(hits, objects)
    return (
        sum((interpolated(points, points[n][1]) for n, h in enumerate(hits) if h), Fraction(0))
        / objects
    )


def sampled(hits, objects, steps=100):
    points = curve(hits, objects)
    return sum(interpolated(points, Fraction(u, steps)) for u in range(steps + 1)) / (steps + 1)


def hits_at(threshold, order=range(7)):
    return [m is not None for m in matched(OVERLAP[list(order)], threshold)]


def some_hits(seed, objects=9):
    rng = np.random.default_rng(seed)
    hits = rng.uniform(size=int(rng.integers(1, 20))) < 0.5
    while hits.sum() > objects:
        hits[np.flatnonzero(hits)[0]] = False
    return hits.tolist()


@pytest.mark.equation("eq-greedy-match")
@few
@given(st.integers(0, 2**31), st.floats(0.3, 0.9))
def test_greedy_matching(seed, threshold):
    overlap = np.random.default_rng(seed).uniform(size=(8, 5))
    # The same as pycocotools writes it: walk over the objects, keep the best free one so far.
    taken_by = [-1] * 5
    for n in range(8):
        best, chosen = threshold, -1
        for m in range(5):
            if taken_by[m] < 0 and overlap[n, m] >= best:
                best, chosen = overlap[n, m], m
        if chosen >= 0:
            taken_by[chosen] = n
    found = matched(overlap, threshold)
    none = torch.zeros(5, dtype=torch.bool)
    ours = match_greedily(torch.tensor(overlap), threshold, none, none).tolist()
    assert [None if m < 0 else m for m in ours] == found
    assert [found.index(m) if m in found else -1 for m in range(5)] == taken_by


@pytest.mark.equation("eq-precision-recall")
def test_the_chapters_table():
    assert matched(OVERLAP, 0.5) == [0, 1, None, 2, None, None, 3]
    points = curve(hits_at(0.5), 5)
    assert [p for p, _ in points] == [1, 1, Fraction(2, 3), Fraction(3, 4), Fraction(3, 5),
                                      Fraction(1, 2), Fraction(4, 7)]  # fmt: skip
    assert [float(r) for _, r in points] == [0.2, 0.4, 0.4, 0.6, 0.6, 0.6, 0.8]
    for n, (p, r) in enumerate(points, start=1):
        true = [k for k in range(n) if hits_at(0.5)[k]]
        assert p == Fraction(len(true), n) and r == Fraction(len(true), 5)


@pytest.mark.equation("eq-interpolated-precision")
@few
@seeds
def test_interpolated_precision_is_the_least_falling_curve_above_the_points(seed):
    points = curve(some_hits(seed), 9)
    precision = np.array([float(p) for p, _ in points])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]  # as the libraries compute it
    recalls = [float(r) for _, r in points]
    for u in range(101):
        r = Fraction(u, 100)
        first = next((n for n, (_, recall) in enumerate(points) if recall >= r), None)
        expected = 0 if first is None else envelope[first]
        assert math.isclose(interpolated(points, r), expected)
    assert recalls == sorted(recalls)


@pytest.mark.equation("eq-ap-area")
@few
@seeds
def test_the_area_is_a_mean_over_objects(seed):
    hits = some_hits(seed)
    points = curve(hits, 9)
    steps = sorted({float(r) for _, r in points} - {0.0})
    integral = quad(
        lambda r: float(interpolated(points, Fraction(r))), 0, 1, points=steps or None, limit=200
    )[0]
    assert math.isclose(float(area(hits, 9)), integral, abs_tol=1e-6)


@pytest.mark.equation("eq-ap-101")
@few
@seeds
def test_at_101_recalls(seed):
    hits = some_hits(seed)
    points = curve(hits, 9)
    precision = np.array([float(p) for p, _ in points])
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)
    recalls = np.array([float(r) for _, r in points])
    first = np.searchsorted(recalls, np.linspace(0, 1, 101) - 1e-12, side="left")
    assert math.isclose(float(sampled(hits, 9)), envelope[first].mean())
    assert abs(sampled(hits, 9) - area(hits, 9)) <= 0.01 + 1e-12


def test_the_chapters_averages():
    hits = hits_at(0.5)
    assert area(hits, 5) == (1 + 1 + Fraction(3, 4) + Fraction(4, 7)) / 5
    assert round(float(area(hits, 5)), 3) == 0.664
    assert sampled(hits, 5) == (41 + 20 * Fraction(3, 4) + 20 * Fraction(4, 7)) / 101
    assert round(float(sampled(hits, 5)), 3) == 0.668
    assert round(float(sampled(hits, 5, 10)), 3) == 0.695
    fewer = {4: hits_at(0.5, [0, 1, 2, 3, 4, 6]), 2: hits_at(0.5, [0, 1, 3, 4, 5, 6])}
    assert round(float(area(fewer[4], 5)), 3) == 0.683
    assert round(float(area(fewer[2], 5)), 3) == 0.733
    first = hits_at(0.5, [5, 0, 1, 2, 3, 4, 6])
    assert area(first, 5) == (1 + Fraction(2, 3) + Fraction(3, 5) + Fraction(4, 7)) / 5
    assert round(float(area(first, 5)), 3) == 0.568


@pytest.mark.equation("eq-coco-ap")
def test_the_mean_over_thresholds():
    each = {round(0.5 + 0.05 * v, 2): 0.0 for v in range(10)}
    for threshold in each:
        each[threshold] = float(sampled(hits_at(threshold), 5))
    expected = [0.668] * 2 + [0.554] * 2 + [0.406] * 3 + [0.208] * 2 + [0]
    assert [round(x, 3) for x in each.values()] == expected
    assert round(sum(each.values()) / 10, 3) == 0.408
    assert math.isclose(each[0.75], 41 / 101)
    found, truth = worked_example()
    matches = match_detections(found, truth)
    ours = detection_curves(matches).average_precision[:, 0].tolist()
    np.testing.assert_allclose(ours, list(each.values()))
    assert math.isclose(average_precision(found, truth), sum(each.values()) / 10)


def worked_example():
    """The chapter's table as boxes: squares of 100 pixels, shifted until the overlap is right."""
    objects = torch.tensor([[0.0, 1000.0 * m, 100, 1000 * m + 100] for m in range(5)])
    boxes = []
    for row in OVERLAP:
        if row.max() == 0:
            boxes.append([5000.0, 0, 5100, 100])
        else:
            shift = 100 * (1 - row.max()) / (1 + row.max())  # eq-box-shift, solved
            x1, y1, x2, y2 = objects[int(row.argmax())].tolist()
            boxes.append([x1 + shift, y1, x2 + shift, y2])
    found = FoundObjects(
        torch.tensor(boxes), torch.ones(7, dtype=torch.int64), torch.tensor(SCORES)
    )
    return [found], [TrueObjects(objects, torch.ones(5, dtype=torch.int64))]


def by_scores(scores, hits, objects):
    order = sorted(range(len(scores)), key=lambda n: -scores[n])
    return area([hits[n] for n in order], objects)


@pytest.mark.equation("eq-ap-order")
@few
@seeds
def test_only_the_order_of_scores_counts(seed):
    hits = some_hits(seed)
    scores = np.random.default_rng(seed).permutation(len(hits)) / len(hits)
    before = by_scores(scores, hits, 9)
    for change in (lambda s: s / 2, lambda s: s**2, lambda s: 1 / (1 + np.exp(-5 * s))):
        assert by_scores(change(scores), hits, 9) == before


@pytest.mark.equation("eq-ap-tail")
@few
@given(st.integers(0, 2**31), st.integers(0, 2**31), st.integers(0, 6))
def test_a_tail_never_costs(seed, other, right):
    hits, rng = some_hits(seed), np.random.default_rng(other)
    right = min(right, 9 - sum(hits))
    tail = rng.permutation([True] * right + [False] * 30).tolist()
    assert area(hits + tail, 9) >= area(hits, 9)
    assert sampled(hits + tail, 9) >= sampled(hits, 9)
    assert area(hits + [False] * 93, 9) == area(hits, 9)


@pytest.mark.equation("eq-count-error")
@few
@seeds
def test_counting_error(seed):
    rng = np.random.default_rng(seed)
    guess, truth = rng.integers(0, 9, 12), rng.integers(0, 9, 12)
    distance = torch.nn.functional.l1_loss(torch.tensor(guess).double(), torch.tensor(truth))
    assert math.isclose(distance, sum(abs(a - b) for a, b in zip(guess, truth, strict=True)) / 12)
    bias = (guess.mean() - truth.mean()).item()
    ours = count_error(torch.tensor(guess), torch.tensor(truth))
    assert math.isclose(ours.absolute, distance) and math.isclose(ours.bias, bias, abs_tol=1e-12)
    assert math.isclose(bias, sum(guess - truth) / 12, abs_tol=1e-12) and abs(bias) <= distance


def segments(row):
    """Number to the set of its pixels; 0 is void."""
    return {int(s): set(np.flatnonzero(row == s).tolist()) for s in np.unique(row) if s}


def overlap_of(p, g, void):
    common = len(p & g)
    return common / (len(p) + len(g) - common - len(p & void))


def panoptic(truth, guess):
    """Sum of overlaps, TP, FP, FN of one class, by the chapter's rules; rows of numbers."""
    void = set(np.flatnonzero(truth == 0).tolist())
    true, said = segments(truth), segments(guess)
    pairs = {
        (a, b): overlap_of(p, g, void)
        for a, p in said.items()
        for b, g in true.items()
        if overlap_of(p, g, void) > 0.5
    }
    matched_p, matched_g = {a for a, _ in pairs}, {b for _, b in pairs}
    assert len(pairs) == len(matched_p) == len(matched_g)  # the theorem
    wrong = [a for a in said if a not in matched_p and 2 * len(said[a] & void) <= len(said[a])]
    return sum(pairs.values()), len(pairs), len(wrong), len(true) - len(matched_g)


def quality(truth, guess):
    total, tp, fp, fn = panoptic(np.asarray(truth), np.asarray(guess))
    return total / (tp + fp / 2 + fn / 2) if tp + fp + fn else math.nan


def some_rows(seed, length=40):
    """Two rows of segments in runs, alike but not equal; 0 is void."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.permutation(8), rng.multinomial(length, np.ones(8) / 8))
    guess = np.roll(truth, int(rng.integers(-2, 3)))
    for _ in range(3):
        start = int(rng.integers(length - 4))
        guess[start : start + 4] = rng.integers(0, 9)
    return truth, guess


def with_torchmetrics(truth, guess, open_category=2):
    """The same rows as one class of things.

    What the prediction leaves open is said to be of another class, 2: torchmetrics would leave it
    out of the truth too, were it unknown (99).
    """
    metric = PanopticQuality(
        things={1}, stuffs={2}, allow_unknown_preds_category=True, return_per_class=True
    )
    pair = [
        torch.tensor(np.stack([np.where(row > 0, 1, other), row], -1))[None, None]
        for row, other in ((guess, open_category), (truth, 99))
    ]
    metric.update(*pair)
    return float(metric.compute()[0, 0])


def ours_of(truth, guess):
    """Panoptic quality of the one class by the course's function."""
    maps = []
    for row in (guess, truth):
        ids = torch.tensor(row)[None]
        maps += [ids, [Segment(int(s), 0, True) for s in ids.unique() if s]]
    return float(panoptic_quality(panoptic_counts(*maps, num_classes=1)).pq[0])


@pytest.mark.equation("eq-pq", "eq-pq-void")
@few
@seeds
def test_panoptic_quality(seed):
    truth, guess = some_rows(seed)
    expected = quality(truth, guess)
    assert math.isclose(with_torchmetrics(truth, guess), expected, rel_tol=1e-6)
    assert math.isclose(ours_of(truth, guess), expected)


@pytest.mark.equation("eq-pq-factors", "eq-pq-words")
@few
@seeds
def test_two_factors(seed):
    total, tp, fp, fn = panoptic(*some_rows(seed))
    if tp:
        dice = 2 * tp / (2 * tp + fp + fn)
        assert math.isclose(total / tp * dice, total / (tp + fp / 2 + fn / 2))
        assert total / tp > 0.5


def test_the_chapters_quality():
    assert math.isclose(1.5 / 3, (1.5 / 2) * (2 / 3))
    assert round((1.5 + 0.51) / 3, 2) == 0.67
    assert math.isclose(0.8 * 6 / (6 + 2 + 2), 0.48)


@pytest.mark.equation("eq-unique-match")
@few
@given(st.sets(st.integers(0, 14), min_size=1), st.sets(st.integers(0, 14), min_size=1))
def test_who_overlaps_by_more_than_half_holds_more_than_half(p, g):
    if len(p & g) / len(p | g) > 0.5:
        assert 2 * len(p & g) > len(p | g) >= len(g)


def test_matches_are_unique_without_overlap_only():
    """All ways to give six pixels to two disjoint segments; and masks that overlap."""
    g = set(range(4))
    for owner in itertools.product(range(3), repeat=6):
        both = [{i for i in range(6) if owner[i] == s} for s in (1, 2)]
        assert sum(len(p & g) / len(p | g) > 0.5 for p in both) <= 1
    assert [len(p & g) / len(p | g) for p in ({0, 1}, {2, 3})] == [0.5, 0.5]
    assert all(len(p & g) / len(p | g) > 0.5 for p in ({0, 1, 2}, {1, 2, 3}))


@pytest.mark.equation("eq-pq-asymmetric")
def test_the_chapters_swap():
    a = [1] * 10 + [0] * 10
    b = [1] * 8 + [0] * 2 + [2] * 10
    assert quality(a, b) == 0.8 and math.isclose(quality(b, a), 1 / 1.5)
    for truth, guess in ((a, b), (b, a)):
        found = with_torchmetrics(np.array(truth), np.array(guess))
        assert math.isclose(found, quality(truth, guess), rel_tol=1e-6)
        assert math.isclose(ours_of(truth, guess), quality(truth, guess))
    # If the prediction's open pixels are unknown to it, torchmetrics is kinder than the paper.
    assert with_torchmetrics(np.array(a), np.array(b), open_category=99) == 1


@few
@seeds
def test_without_void_it_is_symmetric(seed):
    truth, guess = some_rows(seed)
    truth, guess = truth + 1, guess + 1
    assert math.isclose(quality(truth, guess), quality(guess, truth))
