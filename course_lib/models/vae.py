"""A variational autoencoder: an encoder that names a region of codes, a decoder that draws.

Source: Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114, sections 2.3 and 3;
the code's distribution is Gaussian with a diagonal covariance.

Differs from the paper: convolutions, unless `hidden` asks for its fully connected layers; SiLU in
the place of tanh, with which a VAE of several layers lingers where the code says nothing; the
logarithm of the variance is bounded smoothly, for one that runs away ends in NaN.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.conditioning import check_images, check_labels, check_latent, sides
from course_lib.models.pixel_outputs import PixelOutputs, Pixels

COARSEST = 4  # pixels of the coarsest map's shorter side, at most
WIDEST = 10.0  # bound of the logarithm of the variance: deviations from 0.007 to 148


class Gaussian(NamedTuple):
    """Codes that an image may have: normal, each number by itself.

    Attributes:
        mean: (B, latent_dim).
        logvar: (B, latent_dim), the logarithm of the variance.
    """

    mean: Tensor
    logvar: Tensor

    def sample(self) -> Tensor:
        """Draw codes (B, latent_dim), through which gradients reach mean and variance."""
        # The standard deviation is exp(logvar / 2).
        return self.mean + (0.5 * self.logvar).exp() * torch.randn_like(self.mean)  # eq-reparam


class VAEOutput(NamedTuple):
    """What a forward pass of a VAE says.

    Attributes:
        pixels: the distribution over pictures, given the codes that were drawn.
        posterior: of the codes, given the images.
        z: (B, latent_dim), the codes that were drawn.
    """

    pixels: Pixels
    posterior: Gaussian
    z: Tensor


def halvings(size: int | tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes (H, W) of a picture and of its maps, halved until one side has 4 pixels.

    An odd side is rounded up, so any size from 8x8 on will do: 28 becomes 14, 7, 4.

    Raises:
        ValueError: for a side below 8 pixels.
    """
    height, width = sides(size)
    if min(height, width) < 2 * COARSEST:
        raise ValueError(
            f"size is {height}x{width}; a side needs at least {2 * COARSEST} pixels. Load the "
            "images larger."
        )
    sizes = [(height, width)]
    while min(sizes[-1]) > COARSEST:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes


class Down(nn.Sequential):
    """Halve the map: (B, in, H, W) -> (B, out, ceil(H / 2), ceil(W / 2))."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1), nn.SiLU()
        )


class Up(nn.Module):
    """Bring the map to a size: (B, in, h, w) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map, each pixel repeated, then smoothed by a convolution."""
        return F.silu(self.conv(F.interpolate(x, size=self.size)))


def dense(*features: int) -> nn.Sequential:
    """Return fully connected layers, each with a SiLU behind it."""
    layers = [(nn.Linear(before, after), nn.SiLU()) for before, after in pairwise(features)]
    return nn.Sequential(*(part for pair in layers for part in pair))


def check_hidden(widths: tuple[int, ...]) -> None:
    """Raise ValueError for a list of fully connected layers that holds none."""
    if not widths or min(widths) < 1:
        raise ValueError(
            f"hidden is {widths}; name at least one width of 1 or more, or leave it out for "
            "convolutions."
        )


class Encoder(nn.Module):
    """Turn pictures into a Gaussian over codes.

    Args:
        in_channels: channels of the picture.
        size: of the picture (H, W).
        latent_dim: numbers in a code.
        width: channels of the finest map; each coarser one has twice as many.
        hidden: widths of fully connected layers in place of convolutions; ``None``: convolutions.
        num_classes: labels that it is told; 0: none.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        size: int | tuple[int, int],
        latent_dim: int,
        width: int,
        hidden: tuple[int, ...] | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.size = sides(size)
        self.in_channels, self.num_classes = in_channels, num_classes
        self.layers: nn.Module
        if hidden is not None:
            check_hidden(hidden)
            numbers = in_channels * self.size[0] * self.size[1]
            self.layers = nn.Sequential(nn.Flatten(), dense(numbers, *hidden[:-1]))
            features, last = (numbers, *hidden)[-2:]
        else:
            sizes = halvings(self.size)
            channels = [in_channels, *(width * 2**level for level in range(len(sizes) - 1))]
            downs = [Down(a, b) for a, b in pairwise(channels)]
            self.layers = nn.Sequential(*downs, nn.Flatten())
            features, last = channels[-1] * sizes[-1][0] * sizes[-1][1], 8 * width
        self.join = dense(features + num_classes, last)
        self.code = nn.Linear(last, 2 * latent_dim)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Gaussian:
        """Return the posterior of codes (B, latent_dim) for pictures (B, in_channels, H, W)."""
        check_images(images, self.in_channels, self.size)
        check_labels(labels, self.num_classes, len(images))
        x = with_label(self.layers(images), labels, self.num_classes)  # (B, features + classes)
        code = self.code(self.join(x))
        code = code if code.dtype == torch.float64 else code.float()
        mean, logvar = code.chunk(2, dim=1)
        return Gaussian(mean, WIDEST * (logvar / WIDEST).tanh())


class Decoder(nn.Module):
    """Turn codes into a distribution over pictures; called as a generator it returns the mean.

    Args:
        out_channels: channels of the picture.
        size: of the picture (H, W).
        latent_dim: numbers in a code.
        width: channels of the finest map; each coarser one has twice as many.
        hidden: widths of fully connected layers in place of convolutions, in the encoder's order;
            ``None``: convolutions.
        num_classes: labels that it is told; 0: none.
        likelihood: "bernoulli", "gaussian" or "logistic", see `course_lib.models.pixel_outputs`.
        sigma: of "gaussian"; ``None``: it is learned.
        bounded: whether the means of "gaussian" come from a tanh, for pictures that another network
            judges.
    """

    def __init__(
        self,
        *,
        out_channels: int,
        size: int | tuple[int, int],
        latent_dim: int,
        width: int,
        hidden: tuple[int, ...] | None = None,
        num_classes: int = 0,
        likelihood: str = "gaussian",
        sigma: float | None = None,
        bounded: bool = False,
    ) -> None:
        super().__init__()
        self.size = sides(size)
        self.latent_dim, self.out_channels, self.num_classes = latent_dim, out_channels, num_classes
        self.outputs = PixelOutputs(likelihood, sigma, bounded=bounded)
        channels = out_channels * self.outputs.per_channel
        self.layers: nn.Module
        if hidden is not None:
            check_hidden(hidden)
            numbers = channels * self.size[0] * self.size[1]
            self.layers = nn.Sequential(
                dense(latent_dim + num_classes, *reversed(hidden)),
                nn.Linear(hidden[0], numbers),
                nn.Unflatten(1, (channels, *self.size)),
            )
        else:
            *finer, start = halvings(self.size)
            widths = [width * 2**level for level in reversed(range(len(finer)))]
            ups = [
                Up(a, b, to)
                for a, b, to in zip(widths, [*widths[1:], width], reversed(finer), strict=True)
            ]
            self.layers = nn.Sequential(
                nn.Linear(latent_dim + num_classes, widths[0] * start[0] * start[1]),
                nn.SiLU(),
                nn.Unflatten(1, (widths[0], *start)),
                *ups,
                nn.Conv2d(width, channels, kernel_size=3, padding=1),
            )

    def pixels(self, z: Tensor, labels: Tensor | None = None) -> Pixels:
        """Return the distribution over pictures for codes (B, latent_dim)."""
        check_latent(z, self.latent_dim)
        check_labels(labels, self.num_classes, len(z))
        return self.outputs(self.layers(with_label(z, labels, self.num_classes)))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return pictures (B, out_channels, H, W) in [-1, 1]: the means, without pixel noise."""
        return self.pixels(z, labels).picture()


def with_label(x: Tensor, labels: Tensor | None, num_classes: int) -> Tensor:
    """Return features (B, F) with the label beside them, as (B, F + num_classes)."""
    if labels is None:
        return x
    return torch.cat([x, F.one_hot(labels, num_classes).to(x.dtype)], dim=1)


class VAE(nn.Module):
    """A variational autoencoder. `VAE.decoder` is its generator.

    Args:
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); at least 8 pixels, odd ones too.
        latent_dim: numbers in a code.
        width: channels of the finest map; each coarser one has twice as many.
        hidden: widths of fully connected layers in place of convolutions; ``None``: convolutions.
        likelihood: of pixels: "bernoulli" for black and white alone, "gaussian", or "logistic",
            which gives probabilities of the 256 grey levels.
        sigma: standard deviation of "gaussian", where white is 1 and black -1; ``None``: learned.

    Raises:
        ValueError: for a size that is too small, or an unknown likelihood.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size: int | tuple[int, int] = 32,
        latent_dim: int = 32,
        width: int = 32,
        hidden: tuple[int, ...] | None = None,
        likelihood: str = "gaussian",
        sigma: float | None = None,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(
            in_channels=in_channels, size=size, latent_dim=latent_dim, width=width, hidden=hidden
        )
        self.decoder = Decoder(
            out_channels=in_channels,
            size=size,
            latent_dim=latent_dim,
            width=width,
            hidden=hidden,
            likelihood=likelihood,
            sigma=sigma,
        )

    def forward(self, images: Tensor) -> VAEOutput:
        """Encode pictures (B, in_channels, H, W) in [-1, 1], draw a code for each, decode it."""
        posterior = self.encoder(images)
        z = posterior.sample()
        return VAEOutput(self.decoder.pixels(z), posterior, z)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the pictures (B, C, H, W) that the means of the codes stand for."""
        return self.decoder(self.encoder(images).mean)
