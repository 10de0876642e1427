"""Cross-entropy and focal loss against torch, torchvision, monai and the definitions."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from course_lib.losses import cross_entropy, focal_loss, median_frequency_weights

F64 = torch.float64


def case(seed, classes=4, ignored=0.2, batch=2, size=(5, 7)):
    """Logits in float64 and labels; class 0 may be absent, some pixels are ignored."""
    generator = torch.Generator().manual_seed(seed)
    z = 2 * torch.randn(batch, classes, *size, dtype=F64, generator=generator)
    y = torch.randint(1 if seed % 2 else 0, classes, (batch, *size), generator=generator)
    y[torch.rand(y.shape, generator=generator) < ignored] = 255
    return z.requires_grad_(), y


def assert_same_with_gradient(ours, theirs, z, tolerance=1e-12):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    mine, other = (torch.autograd.grad(value, z)[0] for value in (ours, theirs))
    torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from((0.0, 0.3)), st.booleans())
def test_cross_entropy_equals_torch(seed, classes, ignored, weighted):
    z, y = case(seed, classes, ignored)
    weight = torch.rand(classes, dtype=F64) + 0.1 if weighted else None
    ours = cross_entropy(z, y, weight=weight)
    theirs = F.cross_entropy(z, y, weight=weight, ignore_index=255)
    assert_same_with_gradient(ours, theirs, z)


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((0.0, 0.5, 1.0, 2.0, 5.0)), st.booleans())
def test_focal_loss_equals_its_definition(seed, gamma, weighted):
    z, y = case(seed)
    weight = torch.rand(4, dtype=F64) + 0.1 if weighted else torch.ones(4, dtype=F64)
    counted = y != 255
    p = z.softmax(1).movedim(1, -1)[counted].gather(1, y[counted][:, None])[:, 0]
    w = weight[y[counted]]
    theirs = (w * (1 - p) ** gamma * -p.log()).sum() / w.sum()
    ours = focal_loss(z, y, gamma=gamma, weight=weight if weighted else None)
    assert_same_with_gradient(ours, theirs, z, tolerance=1e-9)


@pytest.mark.parity
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_focal_loss_of_two_classes_equals_torchvisions(gamma):
    """A softmax over two classes is a sigmoid of the logits' difference."""
    from torchvision.ops import sigmoid_focal_loss

    z, y = case(2, classes=2, ignored=0.0)
    theirs = sigmoid_focal_loss(
        z[:, 1] - z[:, 0], y.double(), alpha=-1, gamma=gamma, reduction="mean"
    )
    assert_same_with_gradient(focal_loss(z, y, gamma=gamma), theirs, z)


@pytest.mark.parity
def test_focal_loss_equals_monais():
    from monai.losses import FocalLoss

    z, y = case(4, classes=5, ignored=0.0)
    theirs = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=2.0, reduction="none")
    # It writes a map for each class, 0 outside of the class: their sum is a pixel's loss.
    expected = theirs(z, y[:, None]).sum(1).mean()  # in float32
    assert focal_loss(z, y).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parity
def test_focal_loss_without_focus_is_cross_entropy():
    z, y = case(3)
    weight = (1.0, 2.0, 0.5, 3.0)
    assert_same_with_gradient(
        focal_loss(z, y, gamma=0, weight=weight), cross_entropy(z, y, weight=weight), z
    )


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_are_those_of_finite_differences(gamma):
    z, y = case(0, classes=3, size=(2, 3))
    assert gradcheck(lambda z: cross_entropy(z, y, weight=(1.0, 2.0, 3.0)), (z,))
    assert gradcheck(lambda z: focal_loss(z, y, gamma=gamma), (z,))


def test_a_pixel_that_is_certain_has_a_finite_gradient():
    for gamma in (0.5, 1.0, 2.0):
        z = torch.tensor([[[[200.0]], [[-200.0]]]], requires_grad=True)
        loss = focal_loss(z, torch.zeros(1, 1, 1, dtype=torch.long), gamma=gamma)
        loss.backward()
        assert loss.item() == 0 and z.grad.isfinite().all()
    z = torch.tensor([[[[200.0]], [[-200.0]]]], requires_grad=True)
    focal_loss(z, torch.ones(1, 1, 1, dtype=torch.long)).backward()  # certain, and wrong
    assert z.grad.flatten().tolist() == pytest.approx([1.0, -1.0])


def test_one_label_for_each_image():
    z, y = torch.randn(6, 3, dtype=F64), torch.tensor([0, 1, 2, 255, 1, 0])
    assert cross_entropy(z, y).item() == pytest.approx(
        F.cross_entropy(z, y, ignore_index=255).item()
    )


@pytest.mark.parity
def test_median_frequency_by_hand():
    """Two images of ten pixels: class 0 in both, class 1 only in the second, class 2 nowhere."""
    y = torch.zeros(2, 2, 5, dtype=torch.uint8)
    y[1, 0, :2] = 1
    frequency = [18 / 20, 2 / 10]
    median = sum(frequency) / 2
    got = median_frequency_weights(y, 3)
    assert got == pytest.approx((median / frequency[0], median / frequency[1], 0))
    y[0] = 255  # an image that nobody labelled changes class 0 only
    assert median_frequency_weights(y, 3) == pytest.approx((0.5 / 0.8, 0.5 / 0.2, 0))
    with pytest.raises(ValueError, match="0 to 1 are allowed"):
        median_frequency_weights(torch.full((1, 2, 2), 2), 2)
    with pytest.raises(ValueError, match="no pixel is labelled"):
        median_frequency_weights(torch.full((1, 2, 2), 255), 2)


def test_weights_and_gamma_are_checked():
    z, y = case(0)
    for weight in ((1.0, 2.0), (1.0, -1.0, 1.0, 1.0), (1.0, math.nan, 1.0, 1.0)):
        with pytest.raises(ValueError, match="weights"):
            cross_entropy(z, y, weight=weight)
    with pytest.raises(ValueError, match="gamma is -1"):
        focal_loss(z, y, gamma=-1)
