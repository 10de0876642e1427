"""The second stage: features of each proposal, what it is, where exactly, and which pixels.

Source: He et al., arXiv:1703.06870, section 3 and Fig. 4 (right); equal to torchvision's on the
same weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

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
    """Return the features of each proposal, from the level that suits its size.

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
    parts, places = [], []
    for number, (features, stride) in enumerate(zip(pyramid, strides, strict=True)):
        here = (level == number).nonzero()[:, 0]
        part = roi_align(
            features.to(rois.dtype), rois[here], output_size, 1 / stride, SAMPLES, aligned
        )
        parts.append(part)
        places.append(here)
    return torch.cat(parts)[torch.cat(places).argsort()]


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
