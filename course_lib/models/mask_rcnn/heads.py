"""The second stage: features of each proposal, what it is, where exactly, and which pixels.

Source: He et al., arXiv:1703.06870, section 3 and Fig. 4 (right); equal to torchvision's on the
same weights.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES = 2  # in each direction of a cell


def level_of(rois: Tensor, levels: int, *, smallest: float) -> Tensor:
    """Return the level of the pyramid from which each proposal's features are read.

    Those with a root of the area below `smallest` from the finest; each doubling goes one up.

    Source: Lin et al., arXiv:1612.03144, Eq. 1.

    Args:
        rois: (R, 5): number of the picture and box.
        levels: how many there are.
        smallest: in pixels.

    Returns:
        (R,) int64 from 0.
    """
    sides = rois[:, 3:] - rois[:, 1:3]
    root = (sides[:, 0] * sides[:, 1]).sqrt()
    # A millionth, as in torchvision: a proposal of exactly twice the size is not rounded down.
    level = 1 + torch.floor(torch.log2(root / smallest) + 1e-6)
    return level.nan_to_num(0).clamp(0, levels - 1).long()


def align_rois(
    pyramid: Sequence[Tensor],
    strides: Sequence[int],
    rois: Tensor,
    output_size: int,
    *,
    smallest: float,
    aligned: bool,
) -> Tensor:
    """Return the features of each proposal, from the level that suits its size: RoIAlign.

    The same numbers as `course_lib.ops.roi_align` and torchvision's, for proposals inside the
    picture. All levels are read in one `embedding_bag`, whose gradient on a CPU is found in less
    than half of the time.

    Args:
        pyramid: (B, width, H_i, W_i), fine to coarse.
        strides: of its levels.
        rois: (R, 5): number of the picture and box in its pixels.
        output_size: cells in each direction.
        smallest: as for `level_of`.
        aligned: whether pixel k covers k to k + 1, as everywhere in the course; False: the
            older convention of torchvision, half a pixel off.

    Returns:
        (R, width, output_size, output_size) float32.
    """
    level = level_of(rois, len(pyramid), smallest=smallest)
    sizes = [(len(f) * f.shape[-2] * f.shape[-1], f.shape[-2], f.shape[-1]) for f in pyramid]
    places, heights, widths = torch.tensor(sizes, device=rois.device).T
    # All places of all levels below one another, each a row of features: (places, width).
    table = torch.cat([f.permute(0, 2, 3, 1).flatten(0, 2) for f in pyramid]).to(rois.dtype)
    height, width = heights[level], widths[level]  # (R,)
    first_row = (places.cumsum(0) - places)[level] + rois[:, 0].long() * height * width
    scale = 1 / torch.tensor(strides, device=rois.device, dtype=rois.dtype)[level]
    columns, of_columns = _read(rois[:, 1], rois[:, 3], scale, width, output_size, aligned)
    rows, of_rows = _read(rois[:, 2], rois[:, 4], scale, height, output_size, aligned)
    # Each cell is a weighted sum of 4 x 4 rows: two samples in each direction, two places each.
    index = rows[:, :, None, :, None] * width[:, None, None, None, None]
    index = index + columns[:, None, :, None, :] + first_row[:, None, None, None, None]
    weights = of_rows[:, :, None, :, None] * of_columns[:, None, :, None, :]
    cells = F.embedding_bag(
        index.reshape(-1, 4 * SAMPLES**2),
        table,
        per_sample_weights=weights.reshape(-1, 4 * SAMPLES**2),
        mode="sum",
    )
    return cells.reshape(len(rois), output_size, output_size, table.shape[1]).permute(0, 3, 1, 2)


def _read(
    start: Tensor, end: Tensor, scale: Tensor, size: Tensor, cells: int, aligned: bool
) -> tuple[Tensor, Tensor]:
    """Along one direction: which places each cell of each proposal reads, and with which weights.

    Returns:
        Places (R, cells, 2 * SAMPLES) int64 from 0 to size - 1, and their weights.
    """
    low = start * scale
    side = end * scale - low
    if aligned:
        low = low - 0.5  # from the corners of pixels to their centres
    else:
        side = side.clamp(min=1)
    steps = torch.arange(cells * SAMPLES, device=start.device, dtype=start.dtype)
    at = (low[:, None] + side[:, None] * (steps + 0.5) / (cells * SAMPLES)).clamp(min=0)
    last = size[:, None] - 1
    before = torch.minimum(at.long(), last)
    after = torch.minimum(before + 1, last)
    share = torch.where(before < last, at - before, 0.0)  # beyond the last place: that one
    inside = (at <= size[:, None]) / SAMPLES  # else nothing; only without `aligned` it happens
    places = torch.stack([before, after], dim=-1).reshape(len(at), cells, 2 * SAMPLES)
    weights = torch.stack([inside * (1 - share), inside * share], dim=-1)
    return places, weights.reshape(len(at), cells, 2 * SAMPLES).to(at)


class BoxHead(nn.Module):
    """What a proposal is, and how its box has to move for each class that it may be.

    Args:
        width: channels of the pyramid.
        cells: of a proposal in each direction.
        hidden: width of the two layers between.
        num_classes: with the background.
    """

    def __init__(self, width: int, cells: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(width * cells**2, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.classes = nn.Linear(hidden, num_classes)
        self.codes = nn.Linear(hidden, 4 * num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (R, width, cells, cells) into logits (R, C) and codes (R, C, 4)."""
        x = torch.relu(self.first(features.flatten(1)))
        x = torch.relu(self.second(x))
        return self.classes(x), self.codes(x).reshape(len(x), -1, 4)


class MaskHead(nn.Module):
    """Which pixels of a box the object has, if it is of a class: a small FCN for each proposal.

    Args:
        width: channels of the pyramid.
        hidden: channels of the convolutions.
        num_classes: with the background, whose mask is never read.
        depth: 3x3 convolutions before the upsampling.
    """

    def __init__(self, width: int, hidden: int, num_classes: int, depth: int = 4) -> None:
        super().__init__()
        channels = [width] + [hidden] * depth
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(channels[:-1], channels[1:], strict=True)
        )
        self.enlarge = nn.ConvTranspose2d(channels[-1], hidden, 2, stride=2)
        self.classes = nn.Conv2d(hidden, num_classes, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Turn (P, width, S, S) into logits (P, C, 2 S, 2 S)."""
        x = features
        for conv in self.convs:
            x = torch.relu(conv(x))
        x = torch.relu(self.enlarge(x))
        return self.classes(x)
