"""Scores of a classifier against scikit-learn and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score
from torchmetrics.functional.classification import multiclass_accuracy

from course_lib.metrics import (
    accuracy,
    auroc,
    confusion_matrix,
    f1_score,
    precision,
    recall,
    top_k_accuracy,
)


@pytest.mark.parity
@settings(max_examples=80, deadline=None)
@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 2**31))
def test_equals_sklearn(num_classes, num_items, seed):
    generator = np.random.default_rng(seed)
    target = generator.integers(0, num_classes, num_items)
    prediction = generator.integers(0, num_classes, num_items)
    counts = confusion_matrix(torch.from_numpy(prediction), torch.from_numpy(target), num_classes)
    theirs = precision_recall_fscore_support(
        target, prediction, labels=range(num_classes), zero_division=np.nan
    )
    for ours, expected in zip((precision, recall, f1_score), theirs[:3], strict=True):
        np.testing.assert_allclose(ours(counts), expected)
    assert accuracy(counts).item() == pytest.approx((target == prediction).mean())


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(1, 20), st.integers(0, 2**31), st.data())
def test_top_k_equals_torchmetrics(num_classes, num_items, seed, data):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_items, num_classes, generator=generator)
    target = torch.randint(num_classes, (num_items,), generator=generator)
    k = data.draw(st.integers(1, num_classes))
    theirs = multiclass_accuracy(logits, target, num_classes, average="micro", top_k=k)
    assert top_k_accuracy(logits, target, k).item() == pytest.approx(theirs.item())


def test_equal_logits_earn_chance_and_not_everything():
    logits, target = torch.zeros(10, 10), torch.arange(10)
    assert top_k_accuracy(logits, target, k=1).item() == pytest.approx(0.1)
    assert top_k_accuracy(logits, target, k=5).item() == pytest.approx(0.5)


def test_logits_that_are_not_numbers_are_never_right():
    assert top_k_accuracy(torch.full((4, 3), math.nan), torch.zeros(4).long(), k=1).item() == 0


def test_an_empty_batch_has_no_accuracy():
    assert top_k_accuracy(torch.zeros(0, 3), torch.zeros(0).long(), k=1).isnan()


@pytest.mark.parametrize(
    ("logits", "target", "k", "said"),
    (
        (torch.zeros(4, 3), torch.zeros(4, 1).long(), 1, r"\(B, C\) and \(B,\)"),
        (torch.zeros(4, 3), torch.zeros(4).long(), 4, "1 to 3"),
        (torch.zeros(4, 3), torch.zeros(4).long(), 0, "1 to 3"),
        (torch.zeros(4, 3), torch.zeros(4), 1, "integer labels"),
        (torch.zeros(4, 3), torch.full((4,), 3), 1, "0 to 2 are allowed"),
    ),
)
def test_wrong_input_says_what_to_do(logits, target, k, said):
    with pytest.raises(ValueError, match=said):
        top_k_accuracy(logits, target, k)


@pytest.mark.parity
@settings(max_examples=80, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**31))
def test_auroc_equals_sklearn(num_positive, num_negative, seed):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 12, num_positive + num_negative) / 4  # with ties
    labels = np.arange(len(scores)) < num_positive
    found = torch.from_numpy(scores)
    value = auroc(found[:num_positive], found[num_positive:])
    assert value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auroc_by_hand():
    assert auroc(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0])) == 1
    assert auroc(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])) == 0.375
    assert auroc(torch.zeros(2), torch.zeros(3)) == 0.5


@pytest.mark.parametrize("bad", [torch.zeros(0), torch.zeros(2, 1), torch.tensor([math.nan])])
def test_auroc_refuses_what_has_no_order(bad):
    with pytest.raises(ValueError, match=r"positive has .*give one score"):
        auroc(bad, torch.zeros(2))
