"""VQ-VAE: a picture becomes a small map of codes from a learned codebook, and is drawn from them.

Source: van den Oord, Vinyals and Kavukcuoglu, "Neural Discrete Representation Learning",
arXiv:1711.00937, sections 3.2 and 4.1: two strided convolutions, two residual blocks, and the
mirror image of both.

Differs from the paper: any size of at least 8 pixels; vectors of fewer numbers than the hidden maps
have channels (arXiv:2110.04627, section 3.2); the decoder states a distribution of pixels.
"""

import math
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.conditioning import check_images, sides
from course_lib.models.pixel_outputs import PixelOutputs, Pixels
from course_lib.ops.quantiser import VectorQuantizer


class VQOutput(NamedTuple):
    """What a forward pass of a VQ-VAE says.

    Attributes:
        pixels: the distribution over pictures, given the codes.
        codes: (B, h, w) int64.
        loss: scalar, of the quantiser.
    """

    pixels: Pixels
    codes: Tensor
    loss: Tensor


class Residual(nn.Module):
    """Two convolutions and the way around them: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels // 2, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the input plus what two layers make of it."""
        return x + self.layers(x)


class Enlarge(nn.Module):
    """Bring the map to a size: (B, in, h, w) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, each pixel repeated, then smoothed by a convolution."""
        return self.conv(F.interpolate(F.relu(x), size=self.size))


class VQVAE(nn.Module):
    """A vector-quantised autoencoder; a prior of its codes makes it a generator.

    Args:
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); at least 8 pixels, odd ones too.
        width: channels of the hidden maps.
        dim: numbers in a code vector.
        num_codes: K, code vectors in the codebook.
        halvings: how often the map is halved: 2 turn 32x32 into 8x8 codes.
        blocks: residual blocks, in the encoder and in the decoder.
        likelihood: of pixels, "gaussian", "logistic" or "bernoulli".
        sigma: standard deviation of "gaussian", where white is 1 and black -1; ``None``: learned.
        decay: of the codebook's averages; ``None``: it learns by gradient.
        commitment: weight of the distance that pulls vectors towards their codes.
        restart: share of an equal use below which a code is put elsewhere; 0: never.

    Attributes:
        code_size: (h, w) of the map of codes.

    Raises:
        ValueError: for a size that is too small, or numbers out of range.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        size: int | tuple[int, int] = 32,
        width: int = 64,
        dim: int = 32,
        num_codes: int = 512,
        halvings: int = 2,
        blocks: int = 2,
        likelihood: str = "gaussian",
        sigma: float | None = None,
        decay: float | None = 0.99,
        commitment: float = 0.25,
        restart: float = 0.1,
    ) -> None:
        super().__init__()
        self.size = sides(size)
        if halvings < 0:
            raise ValueError(f"halvings is {halvings}; it must be 0 or more.")
        if min(self.size) < max(8, 2**halvings):
            raise ValueError(
                f"size is {self.size[0]}x{self.size[1]}; with {halvings} halvings a side needs at "
                f"least {max(8, 2**halvings)} pixels. Load the images larger, or halve less often."
            )
        self.in_channels, self.num_codes = in_channels, num_codes
        sizes = [self.size]
        for _ in range(halvings):  # an odd side is rounded up
            sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
        self.code_size = sizes[-1]
        downs: list[nn.Module] = []
        for level in range(halvings):
            before = width if level else in_channels
            downs += [nn.Conv2d(before, width, kernel_size=3, stride=2, padding=1), nn.ReLU()]
        self.encoder = nn.Sequential(
            *downs,
            nn.Conv2d(width if halvings else in_channels, width, kernel_size=3, padding=1),
            *(Residual(width) for _ in range(blocks)),
            nn.ReLU(),
            nn.Conv2d(width, dim, kernel_size=1),
        )  # (B, C, H, W) -> (B, dim, h, w)
        self.quantiser = VectorQuantizer(
            num_codes=num_codes, dim=dim, decay=decay, commitment=commitment, restart=restart
        )
        self.outputs = PixelOutputs(likelihood, sigma)
        self.decoder = nn.Sequential(
            nn.Conv2d(dim, width, kernel_size=3, padding=1),
            *(Residual(width) for _ in range(blocks)),
            *(Enlarge(width, width, to) for to in reversed(sizes[:-1])),
            nn.ReLU(),
            nn.Conv2d(width, in_channels * self.outputs.per_channel, kernel_size=3, padding=1),
        )  # (B, dim, h, w) -> (B, C, H, W), twice as many channels for "logistic"

    def forward(self, images: Tensor) -> VQOutput:
        """Encode pictures (B, in_channels, H, W) in [-1, 1], quantise, decode."""
        check_images(images, self.in_channels, self.size)
        quantised, codes, loss = self.quantiser(self.encoder(images))
        return VQOutput(self.outputs(self.decoder(quantised)), codes, loss)

    def vectors(self, images: Tensor) -> Tensor:
        """Return the vectors (B, dim, h, w) of pictures, before each is replaced by its code."""
        check_images(images, self.in_channels, self.size)
        return self.encoder(images)

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes (B, h, w) of pictures (B, in_channels, H, W) in [-1, 1]."""
        return self.quantiser.codes(self.vectors(images))

    def pixels(self, codes: Tensor) -> Pixels:
        """Return the distribution over pictures for codes (B, h, w)."""
        if codes.shape[1:] != self.code_size or codes.is_floating_point():
            raise ValueError(
                f"codes: got {codes.dtype} of shape {tuple(codes.shape)}, wanted whole numbers of "
                f"shape (B, {self.code_size[0]}, {self.code_size[1]})."
            )
        return self.outputs(self.decoder(self.quantiser.lookup(codes)))

    def decode(self, codes: Tensor) -> Tensor:
        """Return pictures (B, in_channels, H, W) in [-1, 1] for codes (B, h, w)."""
        return self.pixels(codes).picture()

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the pictures (B, C, H, W) that the codes of pictures stand for."""
        return self.decode(self.encode(images))
