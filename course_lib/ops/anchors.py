"""Anchors: boxes of fixed sizes and shapes, all over the picture, from which objects are described.

Source: Ren et al., arXiv:1506.01497, section 3.1.1; one size for each level of a pyramid: Lin et
al., arXiv:1612.03144, section 4.1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def anchor_shapes(sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """Return the anchors of one place, around (0, 0).

    Args:
        sizes: square roots of areas, in pixels.
        ratios: height over width.

    Returns:
        (len(ratios) * len(sizes), 4) float32, ratio by ratio. Corners are rounded to whole pixels,
        as in torchvision (half a pixel goes to the even neighbour), but never so that a side
        vanishes.

    Raises:
        ValueError: for a size or ratio that is not positive, or none at all.
    """
    if not sizes or not ratios or min(*sizes, *ratios) <= 0:
        raise ValueError(
            f"sizes are {tuple(sizes)} and ratios {tuple(ratios)}; give at least one of each, "
            "all above 0."
        )
    tall = torch.tensor(ratios).sqrt()
    heights = (tall[:, None] * torch.tensor(sizes)).reshape(-1)
    widths = ((1 / tall)[:, None] * torch.tensor(sizes)).reshape(-1)
    half = torch.stack([widths, heights], dim=1).div(2).round().clamp(min=1)
    return torch.cat([-half, half], dim=1)


def anchor_grid(
    feature_size: tuple[int, int],
    stride: int,
    sizes: Sequence[float],
    ratios: Sequence[float],
) -> Tensor:
    """Return the anchors of one feature map.

    Args:
        feature_size: (height, width) of the map.
        stride: pixels of the picture from one place of the map to the next.
        sizes: as for `anchor_shapes`.
        ratios: as for `anchor_shapes`.

    Returns:
        (height * width * k, 4) float32 for k shapes: place by place in reading order, the shapes of
        one place together, which is how a convolution's k channels are read in (H, W, k). Place
        (row, column) has its anchors around the pixel corner (column * stride, row * stride), as in
        torchvision. They reach beyond the border.
    """
    height, width = feature_size
    shapes = anchor_shapes(sizes, ratios)
    y, x = torch.meshgrid(
        torch.arange(height) * stride, torch.arange(width) * stride, indexing="ij"
    )
    places = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)  # (H * W, 1, 4)
    return (places + shapes).reshape(-1, 4)
