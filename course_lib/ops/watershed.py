"""Watershed: water rises from markers, and where two waters meet there is a border.

A priority queue holds the pixels at the water's edge, with the height that the water must rise to.
The lowest of them is flooded next, and its neighbours come to the edge, in its colour. So each
pixel goes to a marker that it reaches over the lowest pass. For work take
`skimage.segmentation.watershed`, which does the same in compiled code.

Source: Meyer, "Topographic distance and watershed lines", Signal Processing 38 (1994), 113-125;
the idea: Vincent and Soille, IEEE TPAMI 13 (1991), 583-598.
"""

from heapq import heapify, heappop, heappush

import torch
from torch import Tensor

SIDES = ((-1, 0), (0, -1), (0, 1), (1, 0))
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def watershed(
    height: Tensor, markers: Tensor, mask: Tensor | None = None, *, connectivity: int = 8
) -> Tensor:
    """Flood a landscape from markers.

    Where several markers have equally low passes, the one whose water comes first wins.

    Args:
        height: (H, W) float or integer: the landscape; water begins low. To split a mask into its
            blobs, give the negative distance to its edge.
        markers: (H, W) integer, 0 = none: where water rises, and of which colour.
        mask: (H, W) bool: where water may go; None for everywhere.
        connectivity: 8 if water also flows across corners, 4 if not.

    Returns:
        (H, W) int64 on the height's device: the colour of each pixel, 0 where no water came.

    Raises:
        ValueError: for maps of other or different shapes, NaN heights, markers that are no whole
            numbers from 0 on, a mask that is not bool, or another connectivity.
    """
    _check(height, markers, mask, connectivity)
    rows, columns = height.shape
    level = height.tolist()
    allowed = torch.ones(height.shape, dtype=torch.bool) if mask is None else mask
    # A margin that no water enters: no neighbour needs to be asked whether it is in the picture.
    dry = [[False] * (columns + 2) for _ in range(rows + 2)]
    for y, row in enumerate(allowed.tolist(), 1):
        dry[y][1:-1] = row
    colour = torch.where(allowed.to(markers.device), markers, 0).long().cpu().tolist()
    edge: list[tuple[float, int, int, int]] = []  # (water, arrival, row, column), the lowest first
    for y, x in torch.tensor(colour).reshape(rows, columns).nonzero().tolist():
        edge.append((level[y][x], len(edge), y, x))
        dry[y + 1][x + 1] = False
    arrivals = len(edge)
    heapify(edge)
    steps = SIDES + CORNERS if connectivity == 8 else SIDES
    while edge:
        water, _, y, x = heappop(edge)
        for down, right in steps:
            to_y, to_x = y + down, x + right
            if dry[to_y + 1][to_x + 1]:  # eq-watershed
                dry[to_y + 1][to_x + 1] = False
                colour[to_y][to_x] = colour[y][x]
                over = max(water, level[to_y][to_x])  # the height climbed on the way  eq-pass
                heappush(edge, (over, arrivals, to_y, to_x))
                arrivals += 1
    flooded = torch.tensor(colour, dtype=torch.int64).reshape(rows, columns)
    return flooded.to(height.device)


def _check(height: Tensor, markers: Tensor, mask: Tensor | None, connectivity: int) -> None:
    if height.ndim != 2 or height.shape != markers.shape:
        raise ValueError(
            f"height has shape {tuple(height.shape)}, markers {tuple(markers.shape)}; give two "
            "maps (H, W) of the same picture."
        )
    if height.isnan().any():
        raise ValueError("height has NaN, which is neither low nor high; look for 0 / 0.")
    if markers.is_floating_point() or markers.dtype == torch.bool or (markers < 0).any():
        raise ValueError(
            f"markers are {markers.dtype}; give whole numbers from 0 on, such as "
            "connected_components(peaks)[0]."
        )
    if mask is not None and (mask.dtype != torch.bool or mask.shape != height.shape):
        raise ValueError(
            f"mask is {mask.dtype} of shape {tuple(mask.shape)}; give bool of shape "
            f"{tuple(height.shape)}, or None."
        )
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity is {connectivity}; choose 4 (sides) or 8 (corners too).")
