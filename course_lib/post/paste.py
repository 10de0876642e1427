"""A mask that a network drew inside of a box, put back into the picture.

Source: He et al., "Mask R-CNN", arXiv:1703.06870, section 3.1 ("resized to the RoI size"). The
exact way is Detectron2's, the rounded one torchvision's `paste_masks_in_image`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.ops.nms import check_boxes


def paste_masks(
    masks: Tensor, boxes: Tensor, size: tuple[int, int], *, rounded: bool = False
) -> Tensor:
    """Put masks into pictures: what :func:`~course_lib.ops.roi_align` cut out goes back.

    The value of a pixel is read between the centres of the mask's cells, and fades to 0 across the
    box's border. Threshold afterwards: `paste_masks(...) >= 0.5`.

    Args:
        masks: (n, M, M) probabilities inside of the boxes.
        boxes: (n, 4) float, (x1, y1, x2, y2) in pixels; parts outside of the picture are cut off.
        size: (H, W) of the picture.
        rounded: first round the boxes to whole pixels, and the last pixel in, as torchvision does;
            for objects of few pixels that is a difference.

    Returns:
        (n, H, W) of the masks' dtype, from 0 to 1; all 0 for a box without area (if not rounded).

    Raises:
        ValueError: for masks that are not (n, M, N) float, boxes that are none or another number.
    """
    check_boxes(boxes)
    if masks.ndim != 3 or len(masks) != len(boxes) or not masks.is_floating_point():
        raise ValueError(
            f"masks are {masks.dtype} of shape {tuple(masks.shape)}; give float of shape "
            f"({len(boxes)}, M, M), the probabilities inside of each of the {len(boxes)} boxes."
        )
    if min(size) < 1:
        raise ValueError(f"size is {size}; give (height, width) of the picture, at least 1 each.")
    if rounded:
        return _paste_rounded(masks, boxes, size)
    boxes = boxes.to(masks)
    rows = _axis_weights(boxes[:, 1], boxes[:, 3], size[0], masks.shape[1])  # (n, H, M)
    columns = _axis_weights(boxes[:, 0], boxes[:, 2], size[1], masks.shape[2])  # (n, W, N)
    return rows @ masks @ columns.mT  # eq-paste


def _axis_weights(start: Tensor, end: Tensor, pixels: int, cells: int) -> Tensor:
    """How much each cell counts in each pixel (n, pixels, cells): linear between their centres."""
    length = (end - start)[:, None]  # (n, 1)
    centre = torch.arange(pixels, device=start.device, dtype=start.dtype) + 0.5
    tiny = torch.finfo(start.dtype).tiny
    position = (centre - start[:, None]) / length.clamp(min=tiny) * cells - 0.5  # in cells
    cell = torch.arange(cells, device=start.device, dtype=start.dtype)
    weight = (1 - (position[..., None] - cell).abs()).clamp(min=0)
    return torch.where(length[..., None] > 0, weight, 0.0)


def _paste_rounded(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """What torchvision does: a margin of one cell, whole pixels, then resize and crop."""
    height, width = size
    cells = masks.shape[-1]
    masks = F.pad(masks, (1, 1, 1, 1))
    centre, half = (boxes[:, 2:] + boxes[:, :2]) * 0.5, (boxes[:, 2:] - boxes[:, :2]) * 0.5
    half = half * (float(cells + 2) / cells)
    corners = torch.cat([centre - half, centre + half], 1).to(torch.int64)
    result = masks.new_zeros(len(masks), height, width)
    for picture, mask, (x1, y1, x2, y2) in zip(result, masks, corners.tolist(), strict=True):
        tall, wide = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        resized = F.interpolate(mask[None, None], (tall, wide), mode="bilinear")[0, 0]
        top, bottom, left, right = max(y1, 0), min(y2 + 1, height), max(x1, 0), min(x2 + 1, width)
        if top < bottom and left < right:
            picture[top:bottom, left:right] = resized[
                top - y1 : bottom - y1, left - x1 : right - x1
            ]
    return result
