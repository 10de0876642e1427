"""Boxes: their overlap, and how a network says where one is.

A box is (x1, y1, x2, y2) in pixels, half-open: x2 is the last column plus 1, so that an object of
one pixel is 1 wide. Any number of dimensions may stand before the last two, so that a batch needs
no loop.
"""

import math

import torch
from torch import Tensor

LARGEST_GROWTH = math.log(1000 / 16)  # of a decoded side, in log: exp() of more may overflow
Weights = tuple[float, float, float, float]


def box_area(boxes: Tensor) -> Tensor:
    """Return the area of boxes (..., 4) in square pixels: (...); 0 for a side of negative length.

    Source: eq-iou.
    """
    boxes = _wide(boxes)
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def _wide(boxes: Tensor) -> Tensor:
    """Return boxes in float32 at least: an area of 300 x 300 is too large for 16 bits."""
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of each box of one list with each of another.

    Args:
        a: (..., n, 4).
        b: (..., m, 4); leading dimensions broadcast.

    Returns:
        (..., n, m), from 0 to 1. Two boxes without area have 0, where 0 / 0 would be NaN.

    Raises:
        ValueError: for anything but boxes of four numbers.
    """
    for name, boxes in (("a", a), ("b", b)):
        if boxes.ndim < 2 or boxes.shape[-1] != 4:
            raise ValueError(
                f"{name} has shape {tuple(boxes.shape)}; give boxes (n, 4), and (0, 4) for none."
            )
    a, b = _wide(a), _wide(b)
    first, second = a[..., :, None, :], b[..., None, :, :]
    low = torch.maximum(first[..., :2], second[..., :2])  # (..., n, m, 2)
    high = torch.minimum(first[..., 2:], second[..., 2:])
    sides = (high - low).clamp_(min=0)
    shared = sides[..., 0] * sides[..., 1]
    union = box_area(a)[..., :, None] + box_area(b)[..., None, :] - shared
    return torch.where(union > 0, shared / union.clamp(min=torch.finfo(union.dtype).tiny), 0.0)


def encode_boxes(boxes: Tensor, anchors: Tensor, weights: Weights = (1, 1, 1, 1)) -> Tensor:
    """Say where boxes are, as seen from anchors: shift of the centre and growth of the sides.

    Source: Ren et al., arXiv:1506.01497, Eq. 2.

    Args:
        boxes: (..., 4), with sides above 0.
        anchors: (..., 4), with sides above 0.
        weights: each of the four numbers is multiplied by one of these.

    Returns:
        (..., 4): (dx, dy) in sides of the anchor, (dw, dh) as logarithms.
    """
    centre, sides = _centre_and_sides(boxes)
    anchor_centre, anchor_sides = _centre_and_sides(anchors)
    scale = boxes.new_tensor(weights)
    shift = (centre - anchor_centre) / anchor_sides
    growth = torch.log(sides / anchor_sides)
    return torch.cat([shift, growth], dim=-1) * scale


def decode_boxes(codes: Tensor, anchors: Tensor, weights: Weights = (1, 1, 1, 1)) -> Tensor:
    """Undo `encode_boxes`: return the boxes (..., 4) that codes (..., 4) describe.

    A side grows to at most 62.5 times the anchor's, as in torchvision, so that a wild prediction
    early in a training does not become infinite.
    """
    shift, growth = (codes / codes.new_tensor(weights)).split(2, dim=-1)
    anchor_centre, anchor_sides = _centre_and_sides(anchors.to(codes.dtype))
    centre = shift * anchor_sides + anchor_centre
    half = growth.clamp(max=LARGEST_GROWTH).exp() * anchor_sides * 0.5
    return torch.cat([centre - half, centre + half], dim=-1)


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut boxes (..., 4) at the border of a picture of (height, width) pixels."""
    height, width = size
    most = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), most)


def boxes_of_masks(masks: Tensor) -> Tensor:
    """Return the tight box of each mask.

    Half-open, where torchvision's `masks_to_boxes` counts the last pixel out, so that an object of
    one pixel has no width there.

    Args:
        masks: (n, H, W), true or above 0 inside.

    Returns:
        (n, 4) float32; zeros for a mask without a pixel.
    """
    if masks.ndim != 3:
        raise ValueError(
            f"masks has shape {tuple(masks.shape)}; give (n, H, W), one plane for each object."
        )
    inside = masks > 0
    return torch.stack([*_bounds(inside.any(1)), *_bounds(inside.any(2))]).T[:, [0, 2, 1, 3]]


def boxes_of_ids(ids: Tensor, number: int) -> Tensor:
    """Return the tight boxes of numbered objects, for a batch at once.

    Args:
        ids: (B, H, W) whole numbers: 0 = background, k = the k-th object of that picture.
        number: how many objects a picture has at most.

    Returns:
        (B, number, 4) float32; row k - 1 is object k, zeros where it has no pixel.
    """
    batch, height, width = ids.shape
    image, row, column = (ids > 0).nonzero(as_tuple=True)
    which = ids[image, row, column].long() - 1
    rows = ids.new_zeros((batch, number, height), dtype=torch.bool)
    columns = ids.new_zeros((batch, number, width), dtype=torch.bool)
    rows[image, which, row] = True
    columns[image, which, column] = True
    left, right = _bounds(columns)
    top, bottom = _bounds(rows)
    return torch.stack([left, top, right, bottom], dim=-1)


def _bounds(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First true place and the one after the last, along the last dimension; 0, 0 for none."""
    size = occupied.shape[-1]
    if size == 0 or occupied.numel() == 0:
        nothing = torch.zeros(occupied.shape[:-1], device=occupied.device)
        return nothing, nothing
    counted = occupied.to(torch.int8)
    some = occupied.any(-1)
    first = counted.argmax(-1)
    after = size - counted.flip(-1).argmax(-1)
    return (first * some).float(), (after * some).float()


def _centre_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes[..., :2], boxes[..., 2:]
    sides = high - low
    return low + 0.5 * sides, sides
