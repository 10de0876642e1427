"""U-Net: an encoder, a decoder, and a skip between them at every resolution.

Source: Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", arXiv:1505.04597, Fig. 1.

Differs from the paper: convolutions are padded, so the output has the size of the input and skips
need no cropping; each convolution is followed by a normalisation (the paper has none); widths are a
parameter (the paper's are 64, 128, 256, 512, 1024); sizes that 2**(levels - 1) does not divide are
accepted.

Parameters of the default (widths 32, 64, 128, 256): 1,927,042.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def normalisation(name: str, channels: int) -> nn.Module:
    """Return the layer called "batch", "group" (groups of up to 8 channels) or "none"."""
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "group":
        return nn.GroupNorm(max(1, channels // 8), channels)
    if name == "none":
        return nn.Identity()
    raise ValueError(f'norm is {name!r}; choose "batch", "group" or "none".')


class DoubleConv(nn.Sequential):
    """Two times: 3x3 convolution, normalisation, ReLU. Keeps height and width."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: str = "batch") -> None:
        def conv(channels: int) -> nn.Conv2d:  # a normalisation brings its own bias
            return nn.Conv2d(channels, out_channels, 3, padding=1, bias=norm == "none")

        super().__init__(
            conv(in_channels),
            normalisation(norm, out_channels),
            nn.ReLU(inplace=True),
            conv(out_channels),
            normalisation(norm, out_channels),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """Double the resolution, join the skip, and mix the two.

    Args:
        in_channels: channels of the coarse feature map.
        out_channels: channels of the skip and of the result.
        skip: whether the skip is joined; without it only the coarse map is used.
        up: "transpose" (learned 2x2 transposed convolution) or "bilinear" (fixed, then 1x1).
        norm: see `normalisation`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, skip: bool, up: str, norm: str
    ) -> None:
        super().__init__()
        self.skip = skip
        self.up: nn.Module
        if up == "transpose":
            self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        elif up == "bilinear":
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(in_channels, out_channels, kernel_size=1),
            )
        else:
            raise ValueError(f'up is {up!r}; choose "transpose" or "bilinear".')
        self.mix = DoubleConv(out_channels * (2 if skip else 1), out_channels, norm=norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) for x of half that size and a skip of that size."""
        x = self.up(x)  # (B, C, 2h, 2w)
        # An odd side was pooled to its floor: repeat the last row or column to meet the skip.
        missing = [skip.shape[-1] - x.shape[-1], skip.shape[-2] - x.shape[-2]]
        if any(missing):
            x = F.pad(x, [0, missing[0], 0, missing[1]], mode="replicate")  # (B, C, H, W)
        if self.skip:
            x = torch.cat([skip, x], dim=1)  # (B, 2C, H, W)
        return self.mix(x)  # (B, C, H, W)


class UNet(nn.Module):
    """Label every pixel; what is seen coarsely is joined with where it is, finely.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        widths: channels at each level, finest first; the last one is the bottleneck.
        skips: whether encoder maps are handed across; ``False`` shows what they are for.
        norm: "batch", "group" (independent of the batch, for small batches and exact multi-process
            runs) or "none" (as in the paper).
        up: "transpose" (as in the paper) or "bilinear".
        dropout: probability with which a bottleneck channel is dropped in training.

    Raises:
        ValueError: for fewer than two widths, or an unknown norm or up.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 2,
        widths: Sequence[int] = (32, 64, 128, 256),
        skips: bool = True,
        norm: str = "batch",
        up: str = "transpose",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(
                f"widths is {tuple(widths)}; a U-Net needs at least two levels, finest first."
            )
        self.stem = DoubleConv(in_channels, widths[0], norm=norm)
        self.encoder = nn.ModuleList(
            DoubleConv(a, b, norm=norm) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.decoder = nn.ModuleList(
            Up(b, a, skip=skips, up=up, norm=norm)
            for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return logits (B, num_classes, H, W), for any H, W of at least 2**(levels - 1)."""
        smallest = 2 ** len(self.encoder)
        if min(x.shape[-2:]) < smallest:
            raise ValueError(
                f"This U-Net halves the image {len(self.encoder)} times and got "
                f"{tuple(x.shape[-2:])} pixels; give it at least {smallest}x{smallest}, "
                "or fewer widths."
            )
        features = [self.stem(x)]  # e_0: (B, widths[0], H, W)
        for level in self.encoder:  # e_l: (B, widths[l], H / 2**l, W / 2**l)
            features.append(level(F.max_pool2d(features[-1], 2)))
        y = self.dropout(features.pop())  # d_L = e_L, the bottleneck
        for level in self.decoder:  # d_l = mix(e_l, up(d_{l+1})): (B, widths[l], H/2**l, W/2**l)
            y = level(y, features.pop())
        return self.head(y)  # (B, num_classes, H, W)
