"""A small U-Net that is told the time, and the class: the network of a flow or a diffusion.

It sees a picture with noise, the time t from 0 (noise) to 1 (data), and answers with a picture of
the same shape: a velocity, the noise, or the clean picture; which of them is the training's choice.

Source: Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239,
appendix B (the U-Net with residual blocks, attention at a low resolution, the sinusoidal
embedding); Dhariwal and Nichol, arXiv:2105.05233, section 3 (time and class scale and shift what
the normalisation leaves). Default: 2.1 M parameters.

Differs from the paper: pixels are taken in little squares (`patch`), so that the widest maps are
a quarter as large; attention at the coarsest map only; no dropout.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.conditioning import check_labels, check_numbers, sides

NOT_TOLD = -1  # the label of a picture whose class is not told


class TimeEmbedding(nn.Module):
    """Waves of the time, from slow to fast, and the class, as one vector.

    The waves are those of 1000 t. Of t itself, from 0 to 1, nearly all of them would be constant.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.waves = max(2, 2 * (width // 8))  # an even number
        self.layers = nn.Sequential(
            nn.Linear(self.waves, width), nn.SiLU(), nn.Linear(width, width)
        )
        # Row 0 stands for "not told".
        self.classes = nn.Embedding(num_classes + 1, width) if num_classes else None

    def forward(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return (B, width) for times (B,) and labels (B,), of which -1 is "not told"."""
        waves = waves_of(t, self.waves)
        embedded = self.layers(waves.to(next(self.layers.parameters()).dtype))
        if self.classes is not None and labels is not None:
            embedded = embedded + self.classes(labels.long() + 1)
        return F.silu(embedded)


def waves_of(t: Tensor, num: int, *, scale: float = 1000.0, slowest: float = 1e4) -> Tensor:
    """Return num / 2 cosines and as many sines (B, num) of scale * t (B,).

    Source: arXiv:1706.03762, section 3.5, with the time in the place of the position.
    """
    steps = torch.arange(num // 2, device=t.device, dtype=torch.float32) / (num // 2)
    angle = scale * t.float()[:, None] * torch.exp(-math.log(slowest) * steps)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class Norm(nn.GroupNorm):
    """Group normalisation that answers with 32 bits at least, whatever the step's precision.

    CUDA's autocast has it so by itself. A CPU's would round the answer to bfloat16 once more, and
    PyTorch's kernel for that takes twice as long where channels come last.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(groups(channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        return super().forward(x.float() if x.element_size() < 4 else x)


class TimeBlock(nn.Module):
    """Two convolutions with a way around them; the time scales and shifts what is between."""

    def __init__(self, in_channels: int, out_channels: int, embedded: int) -> None:
        super().__init__()
        self.norm1 = Norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.modulate = nn.Linear(embedded, 2 * out_channels)
        self.norm2 = Norm(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1)
        self.around = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, kernel_size=1)
        )
        nn.init.zeros_(self.conv2.weight)  # a block begins as its way around
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) for (B, in_channels, H, W) and (B, embedded)."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulate(embedded)[:, :, None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        return self.around(x) + self.conv2(F.silu(h))


class MapAttention(nn.Module):
    """Every place of a map looks at every other."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm(channels)
        self.project = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        places = self.norm(x).flatten(2).transpose(1, 2)  # (B, HW, C)
        split = self.project(places).unflatten(2, (3, self.heads, -1))  # (B, HW, 3, heads, D)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (B, heads, HW, D) each
        seen = F.scaled_dot_product_attention(query, key, value)
        seen = self.out(seen.transpose(1, 2).flatten(2))  # (B, HW, C)
        return x + seen.transpose(1, 2).unflatten(2, x.shape[-2:])


class TimeUNet(nn.Module):
    """What a flow or a diffusion asks at every time: a picture in, a picture out.

    Args:
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); odd ones too.
        num_classes: labels that it can be told; 0: none.
        widths: channels at each resolution, from fine to coarse.
        blocks: residual blocks at each resolution, on the way down; one more on the way up.
        patch: side of the squares of pixels that are read as one place; 1: pixel by pixel.
        heads: of the attention at the coarsest resolution; 0: no attention.

    Raises:
        ValueError: for widths that the heads do not divide, or a picture too small for so many
            resolutions.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size: int | tuple[int, int] = 32,
        num_classes: int = 0,
        widths: tuple[int, ...] = (48, 64, 96),
        blocks: int = 1,
        patch: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.in_channels, self.size, self.num_classes = in_channels, sides(size), num_classes
        self.patch = patch
        if not widths or min(*widths, blocks, patch) < 1:
            raise ValueError(
                f"widths are {widths}, blocks {blocks} and patch {patch}; there must be at least "
                "one of each, and none below 1."
            )
        check_numbers(in_channels, num_classes)
        if heads < 0:
            raise ValueError(f"heads is {heads}; it must be 0, for no attention, or more.")
        if heads and widths[-1] % heads:
            raise ValueError(
                f"The coarsest width is {widths[-1]}, which {heads} heads do not divide."
            )
        if min(self.size) < patch * 2 ** (len(widths) - 1):
            raise ValueError(
                f"size is {self.size}; {len(widths)} resolutions of squares of {patch} need sides "
                f"of at least {patch * 2 ** (len(widths) - 1)} pixels. Give fewer widths."
            )
        embedded = 4 * widths[0]
        self.embedding = TimeEmbedding(embedded, num_classes)
        inside = in_channels * patch**2
        self.first = nn.Conv2d(inside, widths[0], kernel_size=3, padding=1)

        self.down = nn.ModuleList()
        self.shrink = nn.ModuleList()
        kept, now = [widths[0]], widths[0]  # channels of each map that the way up sees again
        for level, width in enumerate(widths):
            for _ in range(blocks):
                self.down.append(TimeBlock(now, width, embedded))
                now = width
                kept.append(now)
            if level < len(widths) - 1:
                self.shrink.append(nn.Conv2d(now, now, kernel_size=3, stride=2, padding=1))
                kept.append(now)
        self.middle1 = TimeBlock(now, now, embedded)
        self.attention = MapAttention(now, heads) if heads else nn.Identity()
        self.middle2 = TimeBlock(now, now, embedded)
        self.up = nn.ModuleList()
        self.enlarge = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(TimeBlock(now + kept.pop(), width, embedded))
                now = width
            if level:
                self.enlarge.append(nn.Conv2d(now, now, kernel_size=3, padding=1))
        self.blocks = blocks
        self.norm = Norm(now)
        self.last = nn.Conv2d(now, inside, kernel_size=3, padding=1)
        nn.init.zeros_(self.last.weight)  # it begins by answering 0
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return (B, in_channels, H, W) for pictures with noise, at times.

        Args:
            x: (B, in_channels, H, W).
            t: (B,), 0 is noise and 1 is data.
            labels: (B,) for a network with classes; -1: this one is not told its class.

        Raises:
            ValueError: for pictures or times of another shape, or labels that are missing.
        """
        self._check(x, t, labels)
        height, width = x.shape[-2:]
        embedded = self.embedding(t, labels)  # (B, 4 * widths[0])
        h = self.first(squares(x, self.patch))  # (B, widths[0], H / patch, W / patch)

        maps, down, shrink = [h], iter(self.down), iter(self.shrink)
        for level in range(len(self.shrink) + 1):
            for _ in range(self.blocks):
                h = next(down)(h, embedded)
                maps.append(h)
            if level < len(self.shrink):
                h = next(shrink)(h)
                maps.append(h)
        h = self.middle2(self.attention(self.middle1(h, embedded)), embedded)
        up, enlarge = iter(self.up), iter(self.enlarge)
        for level in reversed(range(len(self.shrink) + 1)):
            for _ in range(self.blocks + 1):
                h = next(up)(torch.cat([h, maps.pop()], dim=1), embedded)
            if level:
                h = next(enlarge)(F.interpolate(h, maps[-1].shape[-2:], mode="nearest"))
        out = self.last(F.silu(self.norm(h)))  # (B, in_channels * patch², ...)
        return F.pixel_shuffle(out, self.patch)[..., :height, :width]

    def _check(self, x: Tensor, t: Tensor, labels: Tensor | None) -> None:
        check_pair(x, t, (self.in_channels, *self.size))
        check_labels(labels, self.num_classes, len(x))


def squares(x: Tensor, patch: int) -> Tensor:
    """Return (B, C * patch², ceil(H / patch), ceil(W / patch)); what is missing is repeated."""
    below, right = (-side % patch for side in x.shape[-2:])
    if below or right:
        x = F.pad(x, (0, right, 0, below), mode="replicate")
    return F.pixel_unshuffle(x, patch)


def check_pair(x: Tensor, t: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `x` is (B, *shape) and `t` is (B,)."""
    if x.shape[1:] != shape:
        raise ValueError(
            f"x: got shape {tuple(x.shape)}, wanted (B, {', '.join(map(str, shape))}). Build the "
            "network for that shape, or load the set at the network's."
        )
    if t.shape != (len(x),) or not t.is_floating_point():
        raise ValueError(
            f"t: got {t.dtype} of shape {tuple(t.shape)}, wanted floating-point times of shape "
            f"({len(x)},), 0 for noise and 1 for data."
        )


def groups(channels: int, most: int = 8) -> int:
    """Return into how many groups channels are normalised: the largest divisor up to `most`."""
    return max(n for n in range(1, most + 1) if channels % n == 0)
