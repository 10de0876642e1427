"""Scores of a segmentation: known answers, two oracles, absent classes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score as sklearn_f1
from sklearn.metrics import jaccard_score
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_jaccard_index

from course_lib.metrics import (
    confusion_matrix,
    dice,
    iou,
    mean_dice,
    mean_iou,
    pixel_accuracy,
)

KNOWN = torch.tensor([[6, 2, 0], [1, 3, 0], [0, 0, 0]])


def test_known_answers():
    assert pixel_accuracy(KNOWN).item() == 9 / 12
    assert iou(KNOWN)[:2].tolist() == [6 / 9, 3 / 6] and math.isnan(iou(KNOWN)[2])
    assert dice(KNOWN)[:2].tolist() == [12 / 15, 6 / 9] and math.isnan(dice(KNOWN)[2])
    assert mean_iou(KNOWN).item() == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert mean_dice(KNOWN).item() == pytest.approx((12 / 15 + 6 / 9) / 2)


def test_a_class_that_is_only_predicted_counts_as_zero():
    only_predicted = torch.tensor([[4, 1], [0, 0]])
    assert iou(only_predicted).tolist() == [0.8, 0.0]
    assert mean_iou(only_predicted).item() == pytest.approx(0.4)


def test_a_class_that_is_only_true_counts_as_zero():
    assert iou(torch.tensor([[4, 0], [1, 0]])).tolist() == [0.8, 0.0]


def test_nothing_counted_is_not_a_number():
    empty = torch.zeros(3, 3, dtype=torch.int64)
    assert iou(empty).isnan().all() and dice(empty).isnan().all()
    for score in (mean_iou, mean_dice, pixel_accuracy):
        assert math.isnan(score(empty))


CASES = 25  # of each example: 2,500 in all


def random_labels(generator, num_classes, num_pixels):
    """Truth and prediction; sometimes a class is in neither, or one is everywhere, or ignored."""
    present = generator.random(num_classes) < generator.choice([0.2, 0.6, 1.0])
    present[generator.integers(num_classes)] = True
    target, prediction = (generator.choice(np.flatnonzero(present), num_pixels) for _ in range(2))
    agree = generator.random(num_pixels) < generator.choice([0.0, 0.5, 1.0])
    prediction = np.where(agree, target, prediction)
    ignored = generator.random(num_pixels) < generator.choice([0.0, 0.3])
    ignored[generator.integers(num_pixels)] = False  # something is left to be counted
    return np.where(ignored, 255, target), prediction


@pytest.mark.parity
@settings(max_examples=100, deadline=None)
@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2**31))
def test_equals_sklearn_and_torchmetrics(num_classes, num_pixels, seed):
    generator = np.random.default_rng(seed)
    for _ in range(CASES):
        target, prediction = random_labels(generator, num_classes, num_pixels)
        tensors = torch.from_numpy(prediction), torch.from_numpy(target)
        counts = confusion_matrix(*tensors, num_classes, ignore_index=255)
        counted = target != 255
        truth, guess = target[counted], prediction[counted]
        present = np.union1d(truth, guess)
        every = {"labels": present, "average": None, "zero_division": 0}
        of_sklearn = {
            iou: jaccard_score(truth, guess, **every),
            dice: sklearn_f1(truth, guess, **every),
        }
        absent = np.setdiff1d(np.arange(num_classes), present)
        for score, mean, peer in (
            (iou, mean_iou, multiclass_jaccard_index),
            (dice, mean_dice, multiclass_f1_score),
        ):
            ours = score(counts).numpy()
            np.testing.assert_allclose(ours[present], of_sklearn[score])
            assert np.isnan(ours[absent]).all()
            assert mean(counts).item() == pytest.approx(of_sklearn[score].mean())
            theirs = peer(*tensors, num_classes, average="none", ignore_index=255).numpy()
            np.testing.assert_allclose(ours[present], theirs[present], rtol=1e-6)
        assert pixel_accuracy(counts).item() == pytest.approx((truth == guess).mean())


def test_leading_axes_are_kept():
    stack = torch.stack([KNOWN, KNOWN * 2, torch.eye(3).long()]).reshape(3, 1, 3, 3)
    assert iou(stack).shape == (3, 1, 3) and mean_iou(stack).shape == (3, 1)
    assert mean_iou(stack)[2, 0].item() == 1.0
    assert torch.equal(mean_iou(stack)[0], mean_iou(stack)[1])


def test_the_data_sets_score_is_not_the_mean_of_the_images_scores():
    images = torch.tensor([[[0, 0], [0, 10]], [[9, 1], [0, 0]]])
    assert mean_iou(images.sum(0)).item() != pytest.approx(mean_iou(images).mean().item(), abs=0.01)


@pytest.mark.parametrize("wrong", (torch.zeros(3), torch.zeros(2, 3), torch.zeros(4, 3, 2)))
def test_what_is_no_matrix_is_refused(wrong):
    with pytest.raises(ValueError, match="num_classes, num_classes"):
        iou(wrong)
