"""The means side by side, against torchmetrics and scikit-learn on thousands of random cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_jaccard_index
from torchmetrics.functional.segmentation import mean_iou as image_mean_iou

from course_lib.metrics import (
    averages,
    confusion_per_image,
    dice,
    frequency_weighted_iou,
    iou,
    mean_dice,
    mean_iou,
    micro,
    pixel_accuracy,
)

CASES = 20  # hypothesis draws the kind of a case; its numbers are drawn that many times


@st.composite
def label_maps(draw):
    """Prediction, target, classes; some absent, some pixels or all ignored, at times one class."""
    num_classes = draw(st.integers(2, 6))
    shape = (CASES, draw(st.integers(1, 3)), draw(st.integers(1, 5)), 4)
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    target = generator.integers(0, draw(st.integers(1, num_classes)), shape)
    prediction = generator.integers(0, draw(st.integers(1, num_classes)), shape)
    target[generator.random(shape) < draw(st.sampled_from((0.0, 0.2, 0.9)))] = 255
    return torch.from_numpy(prediction), torch.from_numpy(target), num_classes


def together(predictions, targets, num_classes):
    """Labels of all cases in one array, those of case i moved up by i times the classes."""
    moved = num_classes * torch.arange(len(targets))[:, None, None, None]
    counted = targets != 255
    return (predictions + moved)[counted].numpy(), (targets + moved)[counted].numpy()


@pytest.mark.parity
@settings(max_examples=100, deadline=None)
@given(label_maps())
def test_pooled_means_equal_sklearns(maps):
    """2000 cases: micro, macro and weighted, IoU and Dice; one call of theirs for 20 cases."""
    predictions, targets, num_classes = maps
    p, t = together(predictions, targets, num_classes)
    present, every = np.union1d(p, t), np.full((2, CASES * num_classes), np.nan)
    if len(present):
        for row, theirs in zip(every, (jaccard_score, f1_score), strict=True):
            row[present] = theirs(t, p, labels=present, average=None, zero_division=0)
    own = every.reshape(2, CASES, num_classes)
    support = np.bincount(t, minlength=CASES * num_classes).reshape(CASES, num_classes)
    right = np.bincount(t[p == t] // num_classes, minlength=CASES)
    for case in range(CASES):
        counts = confusion_per_image(predictions[case], targets[case], num_classes, 255)
        if not support[case].any():
            assert all(math.isnan(value) for value in vars(averages(counts)).values())
            continue
        for score, expected in zip((iou, dice), own[:, case], strict=True):
            np.testing.assert_allclose(score(counts.sum(0)), expected)
            got = averages(counts, score=score)
            assert got.macro == pytest.approx(np.nanmean(expected))
            weighted = np.nansum(expected * support[case]) / support[case].sum()
            assert got.frequency_weighted == pytest.approx(weighted)
        accuracy = right[case] / support[case].sum()
        assert averages(counts, score=dice).micro == pytest.approx(accuracy)
        assert averages(counts).micro == pytest.approx(accuracy / (2 - accuracy))


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(label_maps())
def test_pooled_means_equal_torchmetrics(maps):
    """1200 cases against the other library, the ignored pixels left to it."""
    predictions, targets, num_classes = maps
    for prediction, target in zip(predictions, targets, strict=True):
        if not (target != 255).any():
            continue
        whole = confusion_per_image(prediction, target, num_classes, 255).sum(0)
        given = prediction, target, num_classes
        options = {"ignore_index": 255, "validate_args": False}
        for average, ours in (
            ("micro", micro(whole)),
            ("macro", mean_iou(whole)),
            ("weighted", frequency_weighted_iou(whole)),
        ):
            theirs = multiclass_jaccard_index(*given, average=average, **options)
            assert ours.item() == pytest.approx(theirs.item(), abs=1e-6), average
        theirs = multiclass_f1_score(*given, average="macro", **options)
        assert mean_dice(whole).item() == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parity
@settings(max_examples=50, deadline=None)
@given(label_maps())
def test_means_over_images_equal_torchmetrics(maps):
    """1000 cases; torchmetrics' score of an image takes no ignored pixels, so there are none."""
    predictions, targets, num_classes = maps
    targets = torch.where(targets == 255, 0, targets)
    theirs = image_mean_iou(
        predictions.flatten(0, 1),
        targets.flatten(0, 1),
        num_classes,
        per_class=True,
        input_format="index",
    ).reshape(*targets.shape[:2], num_classes)
    theirs = torch.where(theirs < 0, torch.nan, theirs)  # its sign for "absent"
    for prediction, target, expected in zip(predictions, targets, theirs, strict=True):
        got = averages(confusion_per_image(prediction, target, num_classes))
        assert got.per_image == pytest.approx(expected.nanmean(1).mean().item(), abs=1e-6)
        assert got.per_class == pytest.approx(expected.nanmean(0).nanmean().item(), abs=1e-6)


def test_by_hand():
    """The chapter's worked example: a large object found well, a small one missed."""
    counts = torch.tensor([[[890, 10], [10, 90]], [[990, 0], [9, 1]]])
    got = averages(counts)
    assert got.micro == pytest.approx(1971 / (2 * 2000 - 1971))
    assert got.macro == pytest.approx((1880 / 1909 + 91 / 120) / 2)
    assert got.frequency_weighted == pytest.approx(0.945 * 1880 / 1909 + 0.055 * 91 / 120)
    images = [(890 / 910 + 90 / 110) / 2, (990 / 999 + 1 / 10) / 2]
    assert got.per_image == pytest.approx(sum(images) / 2)
    assert got.per_class == pytest.approx(
        ((890 / 910 + 990 / 999) / 2 + (90 / 110 + 1 / 10) / 2) / 2
    )


def test_images_without_a_label_and_absent_classes_are_left_out():
    one = torch.tensor([[[3, 1, 0], [0, 4, 0], [0, 0, 0]]])
    nothing = torch.zeros(1, 3, 3, dtype=torch.long)
    assert averages(torch.cat([one, nothing])) == averages(one)


def test_it_prints_a_line_for_each_mean():
    text = str(averages(torch.tensor([[[3, 1], [0, 4]]])))
    assert text.splitlines()[1].split() == ["macro:", "0.7750"]
    assert len(text.splitlines()) == 5


def test_a_sum_over_images_is_refused():
    with pytest.raises(ValueError, match="one matrix for each image"):
        averages(torch.eye(3))


def test_frequency_weighting_keeps_leading_axes_and_forgets_rare_classes():
    good, bad = torch.tensor([[90, 0], [10, 0]]), torch.tensor([[80, 10], [0, 10]])
    stack = frequency_weighted_iou(torch.stack([good, bad]))
    assert stack.tolist() == pytest.approx([0.9 * 0.9, 0.9 * 80 / 90 + 0.1 * 0.5])
    assert frequency_weighted_iou(torch.zeros(2, 2)).isnan()
    assert pixel_accuracy(good) == pixel_accuracy(bad)
