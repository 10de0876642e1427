"""Connected components: which pixels of a mask hang together.

The classical way in two passes (Rosenfeld and Pfaltz, Journal of the ACM 13 (1966), 471-494), over
runs of neighbouring pixels in a row instead of single pixels: the first pass joins runs of
neighbouring rows that touch, the second gives each group its number. For work take
`scipy.ndimage.label` or `skimage.measure.label`, which do the same in compiled code.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def connected_components(mask: Tensor, connectivity: int = 8) -> tuple[Tensor, int]:
    """Number the connected components of a mask.

    Args:
        mask: (H, W) bool, or whole numbers of which all but 0 count as true.
        connectivity: 8 if pixels that touch at a corner belong together, 4 if a side is needed.

    Returns:
        Labels (H, W) int64 on the mask's device, 0 = background, components numbered from 1 in the
        order in which reading (left to right, top to bottom) meets them; and how many there are.

    Raises:
        ValueError: for another shape, floats or another connectivity.
    """
    if mask.ndim != 2 or mask.is_floating_point():
        raise ValueError(
            f"mask is {mask.dtype} of shape {tuple(mask.shape)}; give (H, W) bool, such as "
            "probability >= 0.5 of one image."
        )
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity is {connectivity}; choose 4 (sides) or 8 (corners too).")
    inside = mask.cpu() != 0
    row, start, end = _runs(inside)
    parent = list(range(len(row)))  # of each run: a run of the same component, or itself
    reach = 1 if connectivity == 8 else 0
    above = 0
    for run in range(len(row)):
        # Runs come in reading order: skip those above that end too early for this one, for good.
        while row[above] < row[run] - 1 or (
            row[above] == row[run] - 1 and end[above] + reach <= start[run]
        ):
            above += 1
        other = above
        while row[other] == row[run] - 1 and start[other] < end[run] + reach:
            _join(parent, other, run)
            other += 1
    number: dict[int, int] = {}  # of each root, in the order in which it is met
    values = [number.setdefault(_root(parent, run), len(number) + 1) for run in range(len(row))]
    lengths = torch.tensor(end, dtype=torch.int64) - torch.tensor(start, dtype=torch.int64)
    labels = torch.zeros(mask.shape, dtype=torch.int64)
    labels[inside] = torch.tensor(values, dtype=torch.int64).repeat_interleave(lengths)
    return labels.to(mask.device), len(number)


def _runs(inside: Tensor) -> tuple[list[int], list[int], list[int]]:
    """Row, first column and column after the last of each run of true pixels, in reading order."""
    change = F.pad(inside, (1, 1)).to(torch.int8).diff(dim=1)
    starts, ends = (change == 1).nonzero(), (change == -1).nonzero()
    return starts[:, 0].tolist(), starts[:, 1].tolist(), ends[:, 1].tolist()


def _root(parent: list[int], run: int) -> int:
    """The first run of the component, as far as is known; shortens the way for next time."""
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


def _join(parent: list[int], a: int, b: int) -> None:
    """Make one component of two: the root that comes first stays a root."""
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)
