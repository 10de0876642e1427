"""The feature pyramid: maps of all sizes, each of which knows what the coarser ones know.

Source: Lin et al., arXiv:1612.03144, Fig. 3; equal to torchvision's `FeaturePyramidNetwork`.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """From coarse to fine: enlarge, add the backbone's map, smooth.

    Args:
        channels: of the backbone's maps, from fine to coarse.
        width: channels of every level of the pyramid.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_uniform_(conv.weight, a=1)
                assert conv.bias is not None
                nn.init.zeros_(conv.bias)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Turn maps (B, channels[i], H_i, W_i), fine to coarse, into (B, width, H_i, W_i)."""
        sides = [conv(x) for conv, x in zip(self.lateral, features, strict=True)]
        merged = [sides[-1]]
        for side in reversed(sides[:-1]):
            above = F.interpolate(merged[0], size=side.shape[-2:], mode="nearest")
            merged.insert(0, side + above)
        return [conv(x) for conv, x in zip(self.smooth, merged, strict=True)]
