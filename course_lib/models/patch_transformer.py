"""A small transformer on patches that is told the time, and the class.

It answers the same question as `TimeUNet`: a picture with noise and a time in, a picture of the
same shape out. The picture is cut into squares, each becomes one place of a sequence, and every
place looks at every other in each block. What the network is told arrives through the scale, the
shift and the gate of each layer, and all gates begin at 0.

Source: Peebles and Xie, "Scalable Diffusion Models with Transformers", arXiv:2212.09748, section
3.2, "DiT block with adaLN-Zero". Default: 1.2 M parameters.

Differs from the paper: the waves of the time, the class and what is missing of the last squares of
an odd size are those of `TimeUNet`; no noise variance is learned.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.conditioning import check_labels, check_numbers, sides
from course_lib.models.time_unet import TimeEmbedding, check_pair, squares, waves_of


class Attention(nn.Module):
    """Every place of a sequence looks at every other: (B, L, width) -> (B, L, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, L, width) for (B, L, width)."""
        split = self.project(x).unflatten(2, (3, self.heads, -1))  # (B, L, 3, heads, D)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (B, heads, L, D) each
        seen = F.scaled_dot_product_attention(query, key, value)
        return self.out(seen.transpose(1, 2).flatten(2))


class ToldBlock(nn.Module):
    """Attention, then two layers for each place; time and class scale, shift and gate both.

    With every gate at 0, as at the beginning, the block hands on what it got.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        self.modulate = zeros(nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """Return (B, L, width) for (B, L, width) and what is told, (B, width)."""
        told = self.modulate(embedded)[:, None].chunk(6, dim=2)  # (B, 1, width) each
        shift1, scale1, gate1, shift2, scale2, gate2 = told
        x = x + gate1 * self.attention(moved(self.norm1(x), shift1, scale1))
        return x + gate2 * self.layers(moved(self.norm2(x), shift2, scale2))


class PatchTransformer(nn.Module):
    """What a flow or a diffusion asks at every time, answered by a transformer.

    Args:
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); odd ones too.
        num_classes: labels that it can be told; 0: none.
        width: numbers at each place, a multiple of 4 and of the heads.
        layers: blocks.
        heads: of the attention.
        patch: side of the squares of pixels that are one place; half of it: four times the places.

    Raises:
        ValueError: for a width that the heads or 4 do not divide, or numbers below 1.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size: int | tuple[int, int] = 32,
        num_classes: int = 0,
        width: int = 128,
        layers: int = 4,
        heads: int = 4,
        patch: int = 4,
    ) -> None:
        super().__init__()
        self.in_channels, self.size, self.num_classes = in_channels, sides(size), num_classes
        self.patch = patch
        if min(width, layers, heads, patch) < 1:
            raise ValueError(
                f"width is {width}, layers {layers}, heads {heads} and patch {patch}; each must "
                "be at least 1."
            )
        if min(self.size) < 1:
            raise ValueError(f"size is {self.size}; each side must be at least 1 pixel.")
        check_numbers(in_channels, num_classes)
        if width % heads or width % 4:
            raise ValueError(
                f"width is {width}; it must be a multiple of 4, for the positions, and of the "
                f"{heads} heads. Try {4 * heads * max(1, round(width / (4 * heads)))}."
            )
        self.grid = tuple(-(-side // patch) for side in self.size)  # (h, w), rounded up
        inside = in_channels * patch**2
        self.embedding = TimeEmbedding(width, num_classes)
        self.first = nn.Linear(inside, width)
        self.positions: Tensor
        self.register_buffer("positions", positions(self.grid[0], self.grid[1], width))
        self.blocks = nn.ModuleList(ToldBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.modulate = zeros(nn.Linear(width, 2 * width))
        self.last = zeros(nn.Linear(width, inside))  # it begins by answering 0

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return (B, in_channels, H, W) for pictures with noise, at times.

        Args:
            x: (B, in_channels, H, W).
            t: (B,), 0 is noise and 1 is data.
            labels: (B,) for a network with classes; -1: this one is not told its class.

        Raises:
            ValueError: for pictures or times of another shape, or labels that are missing.
        """
        check_pair(x, t, (self.in_channels, *self.size))
        check_labels(labels, self.num_classes, len(x))
        height, width = self.size
        embedded = self.embedding(t, labels)  # (B, width)
        h = squares(x, self.patch).flatten(2).transpose(1, 2)  # (B, L, C * patch²)
        h = self.first(h) + self.positions  # (B, L, width)
        for block in self.blocks:
            h = block(h, embedded)
        shift, scale = self.modulate(embedded)[:, None].chunk(2, dim=2)
        h = self.last(moved(self.norm(h), shift, scale))  # (B, L, C * patch²)
        maps = h.transpose(1, 2).unflatten(2, self.grid)  # (B, C * patch², h, w)
        return F.pixel_shuffle(maps, self.patch)[..., :height, :width]


def moved(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return x (B, L, width), scaled and shifted (B, 1, width): scale 0 and shift 0 leave it."""
    return torch.addcmul(shift, x, 1 + scale)


def positions(height: int, width: int, numbers: int) -> Tensor:
    """Return waves of row and of column (height * width, numbers) for each place, row by row.

    Source: arXiv:2212.09748, section 3.2: those of arXiv:1706.03762, half of the numbers for each.
    """
    rows = waves_of(torch.arange(height), numbers // 2, scale=1.0)  # (h, numbers / 2)
    columns = waves_of(torch.arange(width), numbers // 2, scale=1.0)
    return torch.cat(
        [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], dim=2
    ).flatten(0, 1)


def zeros(layer: nn.Linear) -> nn.Linear:
    """Return the layer with weights and bias of 0."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
