"""The check of `iou`: its reference equals torchmetrics; each known mistake is named."""

import importlib

import pytest
import torch

check = importlib.import_module("course_lib.checks.iou")


def from_confusion(predictions, targets, num_classes, ignore_index=255):
    """A right answer in another style: one bincount."""
    valid = targets != ignore_index
    pairs = targets[valid] * num_classes + predictions[valid]
    confusion = torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)
    union = confusion.sum(0) + confusion.sum(1) - confusion.diag()
    return confusion.diag() / union  # 0 / 0 is NaN; float32


def by_loop(predictions, targets, num_classes, ignore_index=255):
    """Another one: a loop over classes, and a list of numbers made a tensor."""
    scores = []
    for k in range(num_classes):
        p = (predictions == k) & (targets != ignore_index)
        t = targets == k
        union = (p | t).sum().item()
        scores.append((p & t).sum().item() / union if union else float("nan"))
    return torch.tensor(scores)


@pytest.mark.parametrize("right", [check.reference, from_confusion, by_loop])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.iou(right, seed=seed)
    assert (report.points, report.total, report.hint) == (5, 5, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.iou(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert report.mistake == mistake.name
    assert report.hint == mistake.hint


def test_half_right_gets_half():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.iou(by_name["mean over images"], seed=seed).points == 4
        assert check.iou(by_name["an absent class counts as 0"], seed=seed).points == 4
        assert check.iou(by_name["Dice"], seed=seed).points == 0


@pytest.mark.parity
def test_the_reference_equals_torchmetrics():
    from torchmetrics.functional.classification import multiclass_jaccard_index

    generator = torch.Generator().manual_seed(3)
    predictions, targets, classes = check._draw(generator, num=3, classes=4, used=4, ignore=True)
    theirs = multiclass_jaccard_index(
        predictions, targets, classes, average="none", ignore_index=255
    )
    ours = check.reference(predictions, targets, classes)
    assert torch.allclose(ours.float(), theirs, atol=1e-6)


@pytest.mark.parity
def test_the_reference_equals_the_package():
    from course_lib.metrics import confusion_matrix, iou

    generator = torch.Generator().manual_seed(4)
    predictions, targets, classes = check._example(generator)
    ours = iou(confusion_matrix(predictions, targets, classes, ignore_index=255))
    assert torch.allclose(
        ours.double(), check.reference(predictions, targets, classes), equal_nan=True
    )
