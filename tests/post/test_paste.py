"""Pasted masks equal torchvision's if they round as it does, and are better if they do not."""

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import paste_masks_in_image

from course_lib.ops import box_iou, boxes_of_masks, roi_align
from course_lib.post import paste_masks

CASES = 1500


def random_case(generator: torch.Generator) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Probabilities and boxes inside, across and beyond the border, some without area."""

    def pick(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    height, width, number = pick(1, 20), pick(1, 25), pick(0, 5)
    start = (torch.rand(number, 2, generator=generator) * 1.8 - 0.4) * torch.tensor([width, height])
    sides = torch.rand(number, 2, generator=generator) * torch.tensor([width, height]) * 1.2
    sides[torch.rand(number, 2, generator=generator) < 0.1] = 0
    masks = torch.rand(number, *(pick(1, 9),) * 2, generator=generator)
    return masks, torch.cat([start, start + sides], 1), (height, width)


@pytest.mark.parity
def test_rounded_it_equals_torchvision() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = 0
    for _ in range(CASES):
        masks, boxes, size = random_case(generator)
        beyond = (boxes[:, :2] > torch.tensor(size[::-1])).any(1) | (boxes[:, 2:] < 0).any(1)
        assert paste_masks(masks, boxes, size, rounded=True)[beyond].isfinite().all()
        masks, boxes = masks[~beyond], boxes[~beyond]  # torchvision raises an error for those
        ours = paste_masks(masks, boxes, size, rounded=True)
        assert ours.shape == (len(masks), *size)
        if len(masks):
            theirs = paste_masks_in_image(masks[:, None], boxes, size)[:, 0]
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
            seen += bool(theirs.any())
    assert seen > CASES // 3


@pytest.mark.parity
def test_exact_it_equals_grid_sampling() -> None:
    """Detectron2's way: sample the mask at the pixels' centres, zeros outside."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(CASES):
        masks, boxes, (height, width) = random_case(generator)
        sides = boxes[:, 2:] - boxes[:, :2]
        masks, boxes = masks[(sides > 0).all(1)].double(), boxes[(sides > 0).all(1)].double()
        if not len(masks):
            continue
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        low, high = boxes[:, None, None, :2], boxes[:, None, None, 2:]
        grid = (torch.stack([x, y], -1)[None] - low) / (high - low) * 2 - 1
        theirs = torch.nn.functional.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]
        ours = paste_masks(masks, boxes, (height, width))
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_what_roi_align_cut_out_goes_back() -> None:
    """Discs of three to twelve pixels: cut out, pasted, compared; exact beats rounded."""
    generator = torch.Generator().manual_seed(2)
    y, x = torch.meshgrid(torch.arange(24) + 0.5, torch.arange(31) + 0.5, indexing="ij")
    scores: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(300):
        radius = float(torch.rand((), generator=generator)) * 4.5 + 1.5
        cx, cy = (torch.rand(2, generator=generator) * torch.tensor([15.0, 8.0]) + 8).tolist()
        disc = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
        box = boxes_of_masks(disc[None])
        cut = roi_align(disc[None, None].float(), [box], 28)[:, 0]
        for rounded in scores:
            back = paste_masks(cut, box, (24, 31), rounded=rounded)[0] >= 0.5
            scores[rounded].append(float((back & disc).sum() / (back | disc).sum()))
    exact, whole = (sum(scores[key]) / 300 for key in (False, True))
    assert exact > 0.99 and exact > whole + 0.03


def test_by_hand() -> None:
    ones = torch.ones(1, 2, 2)
    pasted = paste_masks(ones, torch.tensor([[1.0, 1.0, 5.0, 3.0]]), (4, 6))[0]
    # Cells of 2 x 1 pixels. Along x the pixels beside the box's border lie a quarter of a cell from
    # it, so that its value fades over two of them; along y they are on the cells' centres.
    assert pasted[1].tolist() == [0.25, 0.75, 1, 1, 0.75, 0.25]
    assert pasted[:, 2].tolist() == [0, 1, 1, 0]
    assert boxes_of_masks(pasted[None] >= 0.5).tolist() == [[1, 1, 5, 3]]


def test_a_box_is_where_it_was() -> None:
    boxes = torch.tensor([[3.0, 2.0, 11.0, 7.0], [0.0, 0.0, 1.0, 1.0], [-4.0, 5.0, 3.0, 40.0]])
    pasted = paste_masks(torch.ones(3, 28, 28), boxes, (9, 13)) >= 0.5
    cut = torch.tensor([[3.0, 2.0, 11.0, 7.0], [0.0, 0.0, 1.0, 1.0], [0.0, 5.0, 3.0, 9.0]])
    assert box_iou(boxes_of_masks(pasted), cut).diagonal().tolist() == [1.0, 1.0, 1.0]


def test_none_many_and_without_area() -> None:
    assert paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (5, 7)).shape == (0, 5, 7)
    flat = torch.tensor([[2.0, 2.0, 2.0, 5.0], [2.5, 2.5, 2.5, 2.5]])
    assert paste_masks(torch.ones(2, 4, 4), flat, (9, 9)).abs().max() == 0
    many = torch.tensor([[1.0, 1.0, 9.0, 9.0]]).repeat(1000, 1)
    assert paste_masks(torch.ones(1000, 28, 28), many, (16, 20)).shape == (1000, 16, 20)


@pytest.mark.adversarial
def test_what_does_not_fit_is_refused() -> None:
    box = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    for masks in (torch.ones(1, 1, 4, 4), torch.ones(2, 4, 4), torch.ones(1, 4, 4).bool()):
        with pytest.raises(ValueError, match=r"give float of shape \(1, M, M\)"):
            paste_masks(masks, box, (5, 5))
    with pytest.raises(ValueError, match="xywh"):
        paste_masks(torch.ones(1, 4, 4), box.flip(1), (5, 5))
    with pytest.raises(ValueError, match="height, width"):
        paste_masks(torch.ones(1, 4, 4), box, (0, 5))
