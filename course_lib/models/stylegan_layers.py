"""What StyleGAN2 is built of: sizes and widths, smoothing, the mapping network, styled layers.

Sources: Karras et al., arXiv:1812.04948 (mapping network, noise) and arXiv:1912.04958 (modulated
convolutions), Fig. 2; see `course_lib.models.stylegan` for what differs.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.equalised import EqualisedLinear, activate
from course_lib.ops.modulated import modulated_conv2d

CHANNELS = (96, 64, 32, 16)  # of the 32x32 default, coarsest resolution first


def resolutions(size: int | tuple[int, int]) -> list[tuple[int, int]]:
    """List the heights and widths of a pyramid that ends in `size`, coarsest first.

    Both sides are halved as long as they are even and neither falls below 4 pixels.

    Raises:
        ValueError: if no halving is possible, or a side of the coarsest map is above 16.
    """
    height, width = (size, size) if isinstance(size, int) else size
    steps = [(height, width)]
    while height % 2 == width % 2 == 0 and min(height, width) >= 8:
        height, width = height // 2, width // 2
        steps.append((height, width))
    if len(steps) == 1 or max(height, width) > 16:
        raise ValueError(
            f"size is {steps[0][0]}x{steps[0][1]}: halving both sides leads to {height}x{width}; "
            "it must lead to 4 to 16 pixels a side after at least one halving, as 32 = 4 * 2**3 "
            "and 28 = 7 * 2**2 do. Resize the images."
        )
    return steps[::-1]


def widths_for(channels: int | Sequence[int] | None, levels: int) -> list[int]:
    """List the channels at each resolution, coarsest first.

    Args:
        channels: all of them; or those of the finest resolution, doubled at each coarser one up to
            128; or None for those of the 32x32 default, of which the coarsest is repeated.
        levels: number of resolutions.

    Raises:
        ValueError: for another number of channels than resolutions, or a number below 1.
    """
    if channels is None:
        widths = [*[CHANNELS[0]] * (levels - len(CHANNELS)), *CHANNELS[-levels:]]
    elif isinstance(channels, int):
        widths = [min(channels * 2**level, max(128, channels)) for level in range(levels)][::-1]
    else:
        widths = list(channels)
    if len(widths) != levels or min(widths) < 1:
        raise ValueError(
            f"channels is {widths}; this size has {levels} resolutions, so give {levels} numbers "
            "of at least 1, coarsest first, or one number for the finest."
        )
    return widths


def blur_kernel(channels: int, like: Tensor) -> Tensor:
    """Return (channels, 1, 4, 4): the outer product of 1, 3, 3, 1 with itself, of sum 1."""
    # Computed where it is needed: a list would be copied to a GPU, which waits for the copy.
    places = torch.arange(4, dtype=like.dtype, device=like.device)
    taps = (4 - 2 * (places - 1.5).abs()) / 8  # 1, 3, 3, 1, of sum 1
    return torch.outer(taps, taps).expand(channels, 1, 4, 4)


def blur(x: Tensor, *, padding: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """Smooth every channel by 1, 3, 3, 1, so that changing the resolution causes no aliasing."""
    # In half precision a strided convolution of single channels is forty times as slow on a CPU.
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    channels = x.shape[1]
    with torch.autocast(x.device.type, enabled=False):
        kernel = gain * blur_kernel(channels, wide)
        y = F.conv2d(wide, kernel, stride=stride, padding=padding, groups=channels)
    return y.to(x.dtype)


def normalise(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Divide each row by the root of its mean square: (B, D) to (B, D) of length sqrt(D)."""
    return x * (x.square().mean(1, keepdim=True) + eps).rsqrt()  # eq-stylegan-normalise


class Mapping(nn.Module):
    """Turn codes of a fixed distribution into styles of a learned one.

    Args:
        latent_dim: numbers of a code z.
        style_dim: numbers of a style w, and width of the hidden layers.
        num_layers: linear layers.
        num_classes: 0, or how many labels there are; a label's learned vector joins the code.
    """

    def __init__(
        self, *, latent_dim: int, style_dim: int, num_layers: int, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_classes, style_dim) if num_classes else None
        inputs = latent_dim + (style_dim if num_classes else 0)
        self.layers = nn.ModuleList(
            EqualisedLinear(inputs if i == 0 else style_dim, style_dim, lr_multiplier=0.01)
            for i in range(num_layers)
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:  # (B, latent_dim)
        """Return styles (B, style_dim)."""
        w = normalise(z)
        if self.embed is not None and labels is not None:
            w = torch.cat([w, normalise(self.embed(labels))], dim=1)
        for layer in self.layers:
            w = activate(layer(w))
        return w


class ModulatedConv(nn.Module):
    """A convolution whose input channels a style scales.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel: taps along each axis, an odd number.
        style_dim: numbers of a style w.
        up: whether it doubles the resolution.
        demodulate: whether the outputs get their size back; without it a style can blow them up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        style_dim: int,
        up: bool = False,
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style_dim, in_channels, bias=1.0)  # styles start around 1
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.weight_scale = 1 / math.sqrt(in_channels * kernel**2)
        self.padding = kernel // 2
        self.up, self.demodulate = up, demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:  # (B, C, H, W), (B, style_dim)
        """Return (B, out_channels, H, W), or twice that height and width with `up`."""
        with torch.autocast(x.device.type, enabled=False):
            style = self.affine(w.to(self.weight.dtype))  # (B, C)
            weight = self.weight * self.weight_scale
        padding = 0 if self.up else self.padding
        y = modulated_conv2d(
            x, weight, style, demodulate=self.demodulate, padding=padding, up=self.up
        )
        return blur(y, padding=1, gain=4.0) if self.up else y  # 2 H + 1 rows become 2 H


class StyledConv(nn.Module):
    """A modulated 3x3 convolution, noise of a learned strength, a bias, an activation.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        size: height and width of the result, for the fixed noise.
        style_dim: numbers of a style w.
        up: whether it doubles the resolution.
        noise: whether there is noise at all.
    """

    noise_fixed: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: tuple[int, int],
        *,
        style_dim: int,
        up: bool = False,
        noise: bool = True,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style_dim=style_dim, up=up)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.strength = nn.Parameter(torch.zeros(())) if noise else None
        if noise:
            self.register_buffer("noise_fixed", torch.randn(1, 1, *size))

    def forward(self, x: Tensor, w: Tensor, *, noise: str = "random") -> Tensor:
        """Return (B, out_channels, *size) for features (B, C, H, W) and styles (B, style_dim)."""
        x = self.conv(x, w)
        if self.strength is not None and noise != "none":
            grain = self.noise_fixed
            if noise == "random":
                grain = torch.randn_like(grain.expand(len(x), -1, -1, -1))  # (B, 1, H, W)
            x = x + (self.strength * grain).to(x.dtype)  # eq-stylegan-noise
        return activate(x + self.bias.to(x.dtype)[:, None, None])
