"""The five losses of Mask R-CNN by hand, against torchvision's, and where nothing is to be learned.

That all five equal torchvision's on the same samples is tested in tests/models/test_mask_rcnn.py.
"""

import math

import pytest
import torch
from torchvision.models.detection.roi_heads import fastrcnn_loss, maskrcnn_loss
from torchvision.ops import roi_align

from course_lib.losses.detection import (
    anchor_box_loss,
    box_loss,
    class_loss,
    mask_loss,
    objectness_loss,
)


def bools(*values: int) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.bool)


def test_objectness_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0, -1.0, 50.0]])
    found = objectness_loss(logits, bools(0, 1, 0, 0), bools(0, 0, 1, 0))
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert float(found) == pytest.approx(expected)  # the fourth was not sampled


def test_boxes_by_hand() -> None:
    codes = torch.zeros(1, 3, 4)
    targets = torch.tensor([[[1.0, 0, 0, 0], [0.1, 0, 0, 0], [9, 9, 9, 9]]])
    found = anchor_box_loss(codes, targets, bools(1, 1, 0), bools(0, 0, 1))
    # Beyond 1/9 the absolute error less 1/18, below it the square by 2/9.
    expected = (1 - 1 / 18) + 0.1**2 * 9 / 2
    assert float(found) == pytest.approx(expected / 3)  # three were sampled


def test_masks_of_other_classes_get_no_gradient() -> None:
    logits = torch.zeros(2, 3, 4, 4, requires_grad=True)
    targets = torch.ones(2, 4, 4)
    loss = mask_loss(logits, torch.tensor([1, 2]), targets)
    assert float(loss.detach()) == pytest.approx(math.log(2))
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[0, 1] < 0).all() and (logits.grad[1, 2] < 0).all()
    assert not logits.grad[:, 0].any() and not logits.grad[0, 2].any()


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(20))
def test_the_second_stage_equals_torchvision(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rois, classes = int(torch.randint(1, 9, (), generator=generator)), 4
    logits = torch.randn((rois, classes), generator=generator, dtype=torch.float64)
    codes = torch.randn((rois, classes, 4), generator=generator, dtype=torch.float64)
    targets = torch.randn((rois, 4), generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rois,), generator=generator)
    theirs = fastrcnn_loss(logits, codes.flatten(1), [labels], [targets])
    torch.testing.assert_close(class_loss(logits, labels), theirs[0])
    torch.testing.assert_close(box_loss(codes, labels, targets), theirs[1])

    boxes = 10 * torch.rand((rois, 2), generator=generator, dtype=torch.float64)
    sides = 1 + 10 * torch.rand((rois, 2), generator=generator, dtype=torch.float64)
    boxes = torch.cat([boxes, boxes + sides], dim=1)
    masks = (torch.rand((3, 23, 25), generator=generator) < 0.5).to(torch.uint8)
    which = torch.randint(3, (rois,), generator=generator)
    of_objects = torch.tensor([1, 3, 2])
    mask_logits = torch.randn((rois, classes, 6, 6), generator=generator, dtype=torch.float64)
    expected = maskrcnn_loss(mask_logits, [boxes], [masks], [of_objects], [which])
    cells = roi_align(masks[:, None].double(), torch.cat([which[:, None], boxes], 1), 6)[:, 0]
    torch.testing.assert_close(mask_loss(mask_logits, of_objects[which], cells), expected)


def test_nothing_to_learn_from_is_zero_with_zero_gradients() -> None:
    logits = torch.randn(2, 5, requires_grad=True)
    codes = torch.randn(2, 5, 4, requires_grad=True)
    none = torch.zeros(2, 5, dtype=torch.bool)
    empty = torch.zeros(0, dtype=torch.int64)
    class_logits = torch.randn(0, 3, requires_grad=True)
    masks = torch.randn(0, 3, 4, 4, requires_grad=True)
    losses = [
        objectness_loss(logits, none, none),
        anchor_box_loss(codes, torch.zeros(2, 5, 4), none, none),
        class_loss(class_logits, empty),
        box_loss(torch.randn(0, 3, 4, requires_grad=True), empty, torch.zeros(0, 4)),
        mask_loss(masks, empty, torch.zeros(0, 4, 4)),
    ]
    assert [float(loss.detach()) for loss in losses] == [0] * 5
    torch.stack(losses).sum().backward()
    assert logits.grad is not None and not logits.grad.any()
    assert codes.grad is not None and not codes.grad.any()
