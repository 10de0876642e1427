"""Soft Dice and Lovász-softmax against segmentation_models_pytorch, monai and the definitions."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from course_lib.losses import dice_loss, lovasz_gradient, lovasz_softmax
from course_lib.metrics import confusion_matrix, dice, iou

F64 = torch.float64


def case(seed, classes=4, present=4, ignored=0.2, size=(5, 7)):
    generator = torch.Generator().manual_seed(seed)
    z = 2 * torch.randn(3, classes, *size, dtype=F64, generator=generator)
    y = torch.randint(min(present, classes), (3, *size), generator=generator)
    y[torch.rand(y.shape, generator=generator) < ignored] = 255
    return z.requires_grad_(), y


def assert_same_with_gradient(ours, theirs, z, tolerance=1e-9):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    mine, other = (torch.autograd.grad(value, z)[0] for value in (ours, theirs))
    torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)


cases = given(
    st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 5), st.sampled_from((0, 0.3))
)


@pytest.mark.parity
@settings(max_examples=50, deadline=None)
@cases
def test_dice_equals_smps(seed, classes, present, ignored):
    import segmentation_models_pytorch as smp

    z, y = case(seed, classes, present, ignored)
    theirs = smp.losses.DiceLoss("multiclass", ignore_index=255, eps=0.0)(z, y)
    # smp divides by all classes and gives absent ones the loss 0; here only those present count.
    num_present = len(set(y.unique().tolist()) - {255})
    assert_same_with_gradient(dice_loss(z, y), theirs * classes / num_present, z)


@pytest.mark.parity
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_dice_equals_monais(per_image, smooth):
    from monai.losses import DiceLoss

    z, y = case(1, ignored=0.0)
    theirs = DiceLoss(
        softmax=True, to_onehot_y=True, batch=not per_image, smooth_nr=smooth, smooth_dr=smooth
    )
    assert_same_with_gradient(
        dice_loss(z, y, smooth=smooth, per_image=per_image), theirs(z, y[:, None]), z
    )


@pytest.mark.parity
@settings(max_examples=50, deadline=None)
@cases
def test_lovasz_equals_smps(seed, classes, present, ignored):
    import segmentation_models_pytorch as smp

    z, y = case(seed, classes, present, ignored)
    z = z.detach().float().requires_grad_()  # smp's takes no float64
    for per_image in (False, True):
        theirs = smp.losses.LovaszLoss("multiclass", per_image=per_image, ignore_index=255)(z, y)
        assert_same_with_gradient(
            lovasz_softmax(z, y, per_image=per_image), theirs, z, tolerance=2e-6
        )


@pytest.mark.parity
@pytest.mark.parametrize("loss, score", [(dice_loss, dice), (lovasz_softmax, iou)])
def test_of_a_certain_answer_they_are_one_minus_the_score(loss, score):
    z, y = case(5)
    guess = z.argmax(1)
    certain = 2000 * torch.nn.functional.one_hot(guess, 4).movedim(-1, 1).double()
    scores = score(confusion_matrix(guess, y, 4, ignore_index=255))
    assert loss(certain, y).item() == pytest.approx(1 - scores.nanmean().item(), abs=1e-6)


def test_lovasz_gradient_by_hand():
    """Three true pixels of five; wrong in this order: a true one, a false one, a true one, ..."""
    true = torch.tensor([True, False, True, False, True])
    jaccard = [0, 1 - 2 / 3, 1 - 2 / 4, 1 - 1 / 4, 1 - 1 / 5, 1]
    wanted = [b - a for a, b in itertools.pairwise(jaccard)]
    assert lovasz_gradient(true).tolist() == pytest.approx(wanted)


def test_gradients_are_those_of_finite_differences():
    z, y = case(0, classes=3, size=(2, 3))
    for per_image in (False, True):
        assert gradcheck(lambda z, p=per_image: dice_loss(z, y, smooth=0.5, per_image=p), (z,))
        assert gradcheck(lambda z, p=per_image: lovasz_softmax(z, y, per_image=p), (z,), atol=1e-4)


def test_per_image_is_the_mean_of_the_images():
    z, y = case(7)
    y[2] = 255  # an image without a label has no loss, and no say in the mean
    for loss in (dice_loss, lovasz_softmax):
        single = [loss(z[i : i + 1], y[i : i + 1]) for i in (0, 1)]
        assert loss(z, y, per_image=True).item() == pytest.approx(sum(single).item() / 2, rel=1e-6)
        assert loss(z, y).item() != pytest.approx(sum(single).item() / 2, rel=1e-3)


def test_an_absent_class_gets_no_gradient_of_its_own():
    """Only through the softmax: the loss of the others is what it is without that class."""
    z, y = case(0, classes=3, present=2, ignored=0.0)
    p = z.softmax(1)
    own = 0
    for k in (0, 1):
        own = own + (1 - 2 * (p[:, k] * (y == k)).sum() / (p[:, k].sum() + (y == k).sum())) / 2
    assert_same_with_gradient(dice_loss(z, y), own, z)


def test_smooth_is_checked():
    z, y = case(0)
    with pytest.raises(ValueError, match="smooth is -1"):
        dice_loss(z, y, smooth=-1)


def test_dice_loses_no_digits_over_a_million_pixels():
    generator = torch.Generator().manual_seed(0)
    sure = 0.97 + 0.02 * torch.rand(16, 1, 256, 256, generator=generator)
    logits = torch.cat([sure.logit(), torch.zeros_like(sure)], 1)
    target = torch.zeros(16, 256, 256, dtype=torch.int64)
    exact = dice_loss(logits.double(), target)
    torch.testing.assert_close(dice_loss(logits, target).double(), exact, rtol=1e-5, atol=0)
