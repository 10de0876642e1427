"""The check of `soft_dice`: its reference equals the package and smp; each mistake is named."""

import importlib

import pytest
import torch

from course_lib.losses import dice_loss

check = importlib.import_module("course_lib.checks.soft_dice")


def by_indexing(logits, targets, ignore_index=255):
    """A right answer in another style: cut the ignored pixels out, loop over the classes."""
    counted = targets != ignore_index
    p, y = logits.softmax(1).movedim(1, -1)[counted], targets[counted]
    losses = []
    for k in y.unique():
        g = (y == k).float()
        losses.append(1 - 2 * (p[:, k] * g).sum() / (p[:, k] + g).sum())
    return torch.stack(losses).mean()


def by_the_package(logits, targets, ignore_index=255):
    return dice_loss(logits, targets, ignore_index=ignore_index)


@pytest.mark.parametrize("right", [check.reference, by_indexing, by_the_package])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_get_all_points(right, seed):
    report = check.soft_dice(right, seed=seed)
    assert (report.points, report.total, report.hint) == (6, 6, None), report


@pytest.mark.parametrize("mistake", check.MISTAKES, ids=lambda m: m.name)
@pytest.mark.parametrize("seed", range(5))
def test_each_known_mistake_is_recognised(mistake, seed):
    report = check.soft_dice(mistake.mutant, seed=seed)
    assert report.points < report.total
    assert (report.mistake, report.hint) == (mistake.name, mistake.hint)


def test_points_come_per_property():
    by_name = {m.name: m.mutant for m in check.MISTAKES}
    for seed in range(5):
        assert check.soft_dice(by_name["absent classes counted"], seed=seed).points == 5
        ignored = by_name["probabilities of ignored pixels counted"]
        assert check.soft_dice(ignored, seed=seed).points == 4
        assert check.soft_dice(by_name["the score, not the loss"], seed=seed).points == 0


def test_an_answer_without_a_gradient_is_told_so():
    report = check.soft_dice(lambda *args, **kw: check.reference(*args, **kw).detach())
    assert report.points == 5
    assert "has no gradient" in str(report)


@pytest.mark.parity
def test_the_reference_equals_smps():
    import segmentation_models_pytorch as smp

    logits, targets = check._draw(torch.Generator().manual_seed(0), classes=3, used=3, ignore=True)
    theirs = smp.losses.DiceLoss("multiclass", ignore_index=255)(logits, targets)
    assert check.reference(logits, targets).item() == pytest.approx(theirs.item(), rel=1e-5)
