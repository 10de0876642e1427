"""The exercise on accuracy: what the general tests of every exercise do not see."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score

from course_lib import checks


@pytest.mark.parity
def test_a_peer_passes():
    def student(batches):
        labels = torch.cat([label for _, label in batches])
        best = torch.cat([logits.argmax(1) for logits, _ in batches])
        return float(accuracy_score(labels.numpy(), best.numpy()))

    assert checks.accuracy(student).passed


def test_a_numpy_float_is_a_python_float():
    def student(batches):
        hits = [(logits.argmax(1) == labels).numpy() for logits, labels in batches]
        return np.concatenate(hits).mean()

    assert checks.accuracy(student).passed


def test_the_document_s_line_is_recognised():
    """A column (B, 1), compared with labels (B,), counts pairs (written anew, not copied)."""

    def student(batches):
        hits = images = 0
        for scores, labels in batches:
            _, best = scores.topk(1)
            hits += (best == labels).sum().item()
            images += labels.numel()
        return hits / images

    report = checks.accuracy(student)
    assert report.mistake == "every answer against every label"
    assert "(B, B)" in report.hint


def test_a_wrong_tensor_is_recognised_as_what_it_computes():
    def student(batches):
        shares = [(logits.argmax(1) == labels).float().mean() for logits, labels in batches]
        return torch.stack(shares).mean()

    assert checks.accuracy(student).mistake == "mean of batch means"


def test_an_unknown_mistake_gets_no_hint():
    report = checks.accuracy(lambda batches: 0.123)
    assert report.points < report.total
    assert report.hint is None
