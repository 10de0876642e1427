"""The equations of book/math/metrics.md, each checked numerically in float64."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.metrics import (
    averages,
    best_temperature,
    boundary_counts,
    boundary_iou,
    confusion_matrix,
    confusion_per_image,
    dice,
    expected_calibration_error,
    frequency_weighted_iou,
    iou,
    micro,
)

F64 = torch.float64
seeds = given(st.integers(0, 2**31))
few = settings(max_examples=25, deadline=None)
shares = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def labels(seed, images=4, classes=4):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(classes, (images, 5, 6), generator=generator)
    truth[0][truth[0] == 1] = 0  # absent from one image
    same = torch.rand(truth.shape, generator=generator) < 0.6
    guess = torch.where(same, truth, torch.randint(classes, truth.shape, generator=generator))
    guess[0][guess[0] == 1] = 0
    return guess, truth


def table(guess, truth, classes=4):
    """J of each image and class from sets of pixels; NaN where a class is absent."""
    j = torch.full((len(truth), classes), math.nan, dtype=F64)
    for n, k in itertools.product(range(len(truth)), range(classes)):
        a, b = guess[n] == k, truth[n] == k
        if (a | b).any():
            j[n, k] = (a & b).sum() / (a | b).sum()
    return j


@pytest.mark.equation("eq-counts")
@few
@seeds
def test_counts_are_read_from_the_matrix(seed):
    guess, truth = labels(seed)
    m = confusion_matrix(guess, truth, 4)
    for k in range(4):
        tp = ((guess == k) & (truth == k)).sum().item()
        fp = ((guess == k) & (truth != k)).sum().item()
        fn = ((guess != k) & (truth == k)).sum().item()
        others = [t for t in range(4) if t != k]
        assert (m[k, k], m[others, k].sum(), m[k, others].sum()) == (tp, fp, fn)
        assert math.isclose(iou(m)[k], tp / (tp + fp + fn))
        assert math.isclose(dice(m)[k], 2 * tp / (2 * tp + fp + fn))


@pytest.mark.equation("eq-dice-gap")
@given(st.floats(0, 1))
def test_how_far_dice_lies_above_iou(j):
    d = 2 * j / (1 + j)
    assert math.isclose(d - j, j * (1 - j) / (1 + j), abs_tol=1e-15)
    assert d - j <= 3 - 2 * math.sqrt(2) + 1e-15
    top = math.sqrt(2) - 1
    assert math.isclose(top * (1 - top) / (1 + top), 3 - 2 * math.sqrt(2))
    assert (round(top, 2), round(2 * top / (1 + top), 2)) == (0.41, 0.59)


@pytest.mark.equation("eq-dice-jensen")
@given(shares)
def test_the_mean_dice_is_at_most_what_the_formula_makes_of_the_mean_iou(js):
    mean = sum(js) / len(js)
    assert sum(2 * j / (1 + j) for j in js) / len(js) <= 2 * mean / (1 + mean) + 1e-12


def test_two_models_may_change_places():
    a, b = np.array([0.5, 0.5]), np.array([0.1, 0.95])
    assert a.mean() == 0.5 and b.mean() == pytest.approx(0.525)
    assert (2 * a / (1 + a)).mean() == pytest.approx(0.667, abs=5e-4)
    assert (2 * b / (1 + b)).mean() == pytest.approx(0.578, abs=5e-4)


@pytest.mark.equation("eq-micro-iou")
@few
@seeds
def test_micro_iou_is_accuracy_on_another_scale(seed):
    guess, truth = labels(seed)
    m = confusion_matrix(guess, truth, 4)
    a = (guess == truth).double().mean()
    tp, both = 0, 0
    for k in range(4):
        tp += ((guess == k) & (truth == k)).sum()
        both += ((guess == k) | (truth == k)).sum()
    assert math.isclose(tp / both, a / (2 - a), rel_tol=1e-6)
    assert math.isclose(micro(m), a / (2 - a)) and math.isclose(micro(m, score=dice), a)


@pytest.mark.equation("eq-frequency-weighted-iou")
@few
@seeds
def test_frequency_weighted_iou(seed):
    guess, truth = labels(seed)
    total = sum(
        (truth == k).double().mean()
        * ((guess == k) & (truth == k)).sum()
        / ((guess == k) | (truth == k)).sum()
        for k in range(4)
    )
    assert math.isclose(frequency_weighted_iou(confusion_matrix(guess, truth, 4)), total)


@pytest.mark.equation("eq-image-mean-iou", "eq-class-mean-iou")
@few
@seeds
def test_the_two_means_over_images(seed):
    guess, truth = labels(seed)
    j = table(guess, truth)
    rows = [[x for x in row if not math.isnan(x)] for row in j.tolist()]
    columns = [[x for x in row if not math.isnan(x)] for row in j.T.tolist()]
    got = averages(confusion_per_image(guess, truth, 4))
    assert got.per_image == pytest.approx(sum(sum(r) / len(r) for r in rows if r) / len(rows))
    full = [sum(c) / len(c) for c in columns if c]
    assert got.per_class == pytest.approx(sum(full) / len(full))
    assert len(rows[0]) < 4  # there is a gap, so the two differ


def test_the_worked_example_of_the_means():
    got = averages(torch.tensor([[[890, 10], [10, 90]], [[990, 0], [9, 1]]]))
    shown = {"macro": 0.872, "micro": 0.971, "frequency_weighted": 0.972}
    for name, value in (shown | {"per_image": 0.722, "per_class": 0.722}).items():
        assert round(getattr(got, name), 3) == value, name
    assert round(0.9855 / 1.0145, 3) == 0.971


def disc(radius, size):
    y, x = torch.meshgrid(*[torch.arange(size) - size // 2] * 2, indexing="ij")
    return (x * x + y * y <= radius * radius)[None].long()


@pytest.mark.equation("eq-thick-disc")
@pytest.mark.parametrize(("radius", "thicker"), [(40, 2), (60, 5), (100, 30)])
def test_a_disc_that_is_too_large(radius, thicker):
    truth, guess = disc(radius, 280), disc(radius + thicker, 280)
    area = iou(confusion_matrix(guess, truth, 2))[1]
    assert area.item() == pytest.approx((radius / (radius + thicker)) ** 2, abs=0.005)
    assert round((32 / 34) ** 2, 2) == 0.89 and round((8 / 10) ** 2, 2) == 0.64


def band(mask, width):
    """The definition, pixel by pixel; `mask` is a set of places, the image 9 by 12."""
    inside = set()
    steps = range(-width, width + 1)
    for r, c in mask:
        if any((r + a, c + b) not in mask for a in steps for b in steps):
            inside.add((r, c))
    return inside


@pytest.mark.equation("eq-boundary-band", "eq-boundary-iou")
@few
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_bands_and_their_overlap(seed, width):
    generator = torch.Generator().manual_seed(seed)
    truth, guess = (
        (torch.rand(1, 3, 4, generator=generator) < 0.7)
        .repeat_interleave(3, 1)
        .repeat_interleave(3, 2)
        for _ in range(2)
    )
    g, p = ({tuple(i) for i in m[0].nonzero().tolist()} for m in (truth, guess))
    shared, covered = band(g, width) & band(p, width), band(g, width) | band(p, width)
    counts = boundary_counts(guess.long(), truth.long(), 2, width=width)
    assert counts[0, 1].tolist() == [len(shared), len(covered)]
    if covered:
        assert boundary_iou(counts.sum(0))[1].item() == pytest.approx(len(shared) / len(covered))


@pytest.mark.equation("eq-best-threshold")
@few
@given(st.lists(st.integers(1, 99), min_size=1, max_size=9))
def test_the_best_threshold_is_half_of_the_best_dice(hundredths):
    """Try every set of pixels, with expected counts."""
    q = [h / 100 for h in hundredths]
    best, chosen = 0.0, ()
    for size in range(1, len(q) + 1):
        for s in itertools.combinations(range(len(q)), size):
            d = 2 * sum(q[i] for i in s) / (size + sum(q))
            if d > best + 1e-12:
                best, chosen = d, s
    j = best / (2 - best)
    assert math.isclose(best / 2, j / (1 + j)) and best / 2 <= 0.5
    for i, value in enumerate(q):
        if abs(value - best / 2) > 1e-9:  # on the edge both are as good
            assert (i in chosen) == (value > best / 2)


@pytest.mark.equation("eq-ece")
@few
@given(st.integers(0, 2**31), st.integers(1, 12))
def test_the_calibration_error_is_the_mean_gap(seed, bins):
    generator = torch.Generator().manual_seed(seed)
    p = (2 * torch.randn(2, 3, 4, 5, dtype=F64, generator=generator)).softmax(1)
    y = torch.randint(3, (2, 4, 5), generator=generator)
    c, right = p.amax(1).flatten(), (p.argmax(1) == y).flatten().double()
    total = 0.0
    for m in range(1, bins + 1):
        own = (c > (m - 1) / bins) & (c <= m / bins)
        if own.any():
            total += own.sum() / len(c) * (right[own].mean() - c[own].mean()).abs()
    got = expected_calibration_error(p, y, bins=bins)
    assert got == pytest.approx(float(total))
    assert got >= abs(float(right.mean() - c.mean())) - 1e-12  # the sixth question


@pytest.mark.equation("eq-temperature")
@few
@given(st.integers(0, 2**31), st.floats(0.2, 8))
def test_a_temperature_changes_confidence_and_no_label(seed, t):
    z = torch.randn(2, 4, 3, 5, dtype=F64, generator=torch.Generator().manual_seed(seed))
    p = (z / t).exp() / (z / t).exp().sum(1, keepdim=True)
    assert torch.equal(p.argmax(1), z.argmax(1))
    torch.testing.assert_close(p, (z / t).softmax(1))
    modest = p.amax(1) <= z.softmax(1).amax(1) + 1e-12
    assert modest.all() if t >= 1 else not modest.any()


@pytest.mark.equation("eq-temperature-slope")
@few
@seeds
def test_slope_and_curvature_of_the_loss_in_one_over_the_temperature(seed):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(40, 3, dtype=F64, generator=generator)
    y = torch.randint(3, (40,), generator=generator)
    beta = torch.tensor(0.7, dtype=F64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(beta * z, y)
    (slope,) = torch.autograd.grad(loss, beta, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, beta)
    p = (0.7 * z).softmax(1)
    expected = (p * z).sum(1)
    torch.testing.assert_close(slope.detach(), (expected - z[range(40), y]).mean())
    variance = (p * (z - expected[:, None]) ** 2).sum(1)
    torch.testing.assert_close(curvature, variance.mean())
    best = 1 / best_temperature(z.T[None, :, :, None], y[None, :, None])
    if 0.011 < best < 99:
        p = (best * z).softmax(1)
        assert ((p * z).sum(1) - z[range(40), y]).mean().item() == pytest.approx(0, abs=1e-5)


def test_the_answers_of_the_metrics():
    assert math.isclose(0.8 / (2 - 0.8), 2 / 3) and round(0.9 / 1.1, 3) == 0.818
    truth, guess = torch.zeros(1, 50, 8).long(), torch.zeros(1, 50, 8).long()
    truth[..., 3:5], guess[..., 4:6] = 1, 1
    assert iou(confusion_matrix(guess, truth, 2))[1].item() == pytest.approx(1 / 3)
