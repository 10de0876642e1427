"""The boundary loss against SciPy's distances and against what it stands for."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch.autograd import gradcheck

from course_lib.losses import boundary_loss

F64 = torch.float64


def case(classes=3, ignored=False):
    generator = torch.Generator().manual_seed(classes)
    coarse = torch.randint(classes, (2, 3, 4), generator=generator)
    y = coarse.repeat_interleave(3, 1).repeat_interleave(4, 2)
    z = torch.randn(2, classes, *y.shape[1:], dtype=F64, generator=generator)
    if ignored:
        y[:, 4:6] = 255
    return z.requires_grad_(), y


@pytest.mark.parity
@pytest.mark.parametrize("cap", [2, 16])
def test_equals_scipys_distances(cap):
    z, y = case()
    p = z.softmax(1)
    total = 0
    for n in range(2):
        for k in range(3):
            own = (y[n] == k).numpy()
            if own.any() and not own.all():
                away = np.minimum(distance_transform_edt(~own), cap) - 0.5
                within = np.minimum(distance_transform_edt(own), cap) - 0.5
                total = total + (p[n, k] * torch.from_numpy(np.where(own, -within, away))).sum()
    total = total / (cap * y.numel())
    ours = boundary_loss(z, y, cap=cap)
    torch.testing.assert_close(ours, total, rtol=1e-6, atol=1e-6)
    mine, theirs = (torch.autograd.grad(v, z)[0] for v in (ours, total))
    torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


def test_an_ignored_gap_makes_no_contour():
    """Between the classes lie three pixels that nobody labelled."""
    y = torch.tensor([[[0, 0, 255, 255, 255, 1, 1]]])
    probability = torch.tensor([0.3, 0.6, 0.5, 0.5, 0.5, 0.1, 0.8], dtype=F64)
    z = torch.stack([torch.zeros(7, dtype=F64), probability.logit()])[None, :, None]
    to_one = torch.tensor([4.5, 3.5, 0, 0, 0, -3.5, -4.5], dtype=F64)  # half a pixel less than d
    wanted = (to_one * probability - to_one * (1 - probability)).sum() / (8 * 4)
    torch.testing.assert_close(boundary_loss(z, y, cap=8), wanted)


def test_gradients_are_those_of_finite_differences():
    z, y = case(ignored=True)
    assert gradcheck(lambda z: boundary_loss(z, y), (z,), atol=1e-4)


def test_the_truth_is_the_best_answer():
    z, y = case()
    truth = 100 * torch.nn.functional.one_hot(y, 3).movedim(-1, 1).double()
    best = boundary_loss(truth, y)
    assert best < 0
    for other in (truth.roll(1, -1), truth.roll(1, -2), truth.roll(1, 1), z):
        assert boundary_loss(other, y) > best


def test_an_error_costs_more_the_farther_it_lies_from_the_border():
    y = torch.zeros(1, 1, 20, dtype=torch.long)
    y[..., :4] = 1
    truth = 100 * torch.nn.functional.one_hot(y, 2).movedim(-1, 1).double()
    costs = []
    for column in (4, 8, 12, 19):
        wrong = truth.clone()
        wrong[..., column] = wrong[:, :, :, column].flip(1)
        costs.append((boundary_loss(wrong, y) - boundary_loss(truth, y)).item())
    # Class 1 gains its distance, class 0 loses its own: twice d - 1/2, shared by 20 pixels.
    assert costs == pytest.approx([2 * d / 16 / 20 for d in (0.5, 4.5, 8.5, 15.5)])


def test_without_a_contour_there_is_nothing_to_say():
    z, _ = case()
    loss = boundary_loss(z, torch.ones(z.shape[0], *z.shape[2:], dtype=torch.long))
    loss.backward()
    assert loss == 0 and not z.grad.any()


def test_images_are_needed():
    with pytest.raises(ValueError, match="needs images"):
        boundary_loss(torch.randn(4, 3), torch.zeros(4, dtype=torch.long))
    z, y = case()
    with pytest.raises(ValueError, match="cap is 0"):
        boundary_loss(z, y, cap=0)
