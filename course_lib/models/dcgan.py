"""DCGAN: a generator and a discriminator of strided convolutions, with the paper's rules.

Source: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", arXiv:1511.06434, section 3 and Fig. 1: no pooling and no fully
connected hidden layers; BatchNorm in both, but neither at the generator's output nor at the
discriminator's input; ReLU and tanh in the one, LeakyReLU in the other; weights drawn from
N(0, 0.02^2).

Differs from the paper: the size is a parameter, square or not; logits instead of a sigmoid; the
critic of a WGAN-GP is the same network with `norm="none"` or `"layer"`; labels can be given to both
(a joined embedding in the generator, a projection in the discriminator, arXiv:1802.05637).

With `width=64` and `size=64` the two are the networks of PyTorch's well-known DCGAN example, weight
by weight (a test compares them). Parameters of the default: 3,576,704 and 2,765,568.
"""

import math

from torch import Tensor, nn

from course_lib.models.conditioning import LabelledCode, check_images, check_labels, check_latent

NORMS = ("batch", "layer", "none")


def initialise(module: nn.Module) -> None:
    """Draw convolutions' weights from N(0, 0.02^2), BatchNorm's scales from N(1, 0.02^2)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)


def levels(size: int | tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Return the size as (H, W), the size of the coarsest map, and how often it is doubled.

    The shorter side of the coarsest map has 4 pixels: 64x64 comes from 4x4 in four doublings,
    32x48 from 4x6 in three.

    Raises:
        ValueError: for a size that doubling cannot reach, naming the next one that it can.
    """
    height, width = (size, size) if isinstance(size, int) else size
    short = min(height, width)
    doublings = round(math.log2(short / 4)) if short >= 4 else 0
    factor = 2**doublings
    if doublings < 1 or short != 4 * factor or height % factor or width % factor:
        good = 4 * 2 ** max(1, math.ceil(math.log2(max(short, 8) / 4)))
        raise ValueError(
            f"size is {height}x{width}; the shorter side must be 8, 16, 32, 64, … and the other a "
            f"multiple of a quarter of it, for the network doubles a map of 4 pixels. Load the "
            f"images with size={good}, for instance."
        )
    return (height, width), (height // factor, width // factor), doublings


class LayerNorm2d(nn.GroupNorm):
    """Normalise over channels and pixels of each image by itself: LayerNorm for feature maps."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels)


def normalisation(name: str, channels: int) -> nn.Module:
    """Return the layer called "batch", "layer" or "none"."""
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "layer":
        return LayerNorm2d(channels)
    if name == "none":
        return nn.Identity()
    raise ValueError(f"norm is {name!r}; choose one of {', '.join(NORMS)}.")


class DCGANGenerator(nn.Module):
    """Turn a code into a picture, doubling a small map again and again.

    Args:
        latent_dim: numbers in a code.
        out_channels: channels of the picture.
        width: channels of the finest hidden map; each coarser one has twice as many.
        size: of the picture: its side, or (H, W).
        num_classes: labels that it is told; 0: none.
        norm: "batch" (the paper's), "layer" or "none".

    Raises:
        ValueError: for a size that cannot be reached, or an unknown norm.
    """

    def __init__(
        self,
        *,
        latent_dim: int = 100,
        out_channels: int = 3,
        width: int = 64,
        size: int | tuple[int, int] = 64,
        num_classes: int = 0,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.size, start, doublings = levels(size)
        self.latent_dim, self.out_channels, self.num_classes = latent_dim, out_channels, num_classes
        self.code = LabelledCode(latent_dim, num_classes)
        channels = [width * 2**level for level in reversed(range(doublings))]  # coarse to fine

        def block(layer: nn.Module, after: int) -> list[nn.Module]:
            return [layer, normalisation(norm, after), nn.ReLU(inplace=True)]

        bias = norm == "none"  # a normalisation brings its own
        opening = nn.ConvTranspose2d(self.code.dim, channels[0], kernel_size=start, bias=bias)
        layers = block(opening, channels[0])  # 1x1 -> 4x4
        for before, after in zip(channels[:-1], channels[1:], strict=True):
            up = nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1, bias=bias)
            layers += block(up, after)  # h x w -> 2h x 2w
        layers.append(
            nn.ConvTranspose2d(
                channels[-1], out_channels, kernel_size=4, stride=2, padding=1, bias=bias
            )
        )
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return pictures (B, out_channels, H, W) in [-1, 1] for codes (B, latent_dim)."""
        check_latent(z, self.latent_dim)
        x = self.code(z, labels)[:, :, None, None]  # (B, dim, 1, 1)
        return self.layers(x).tanh()  # (B, out_channels, H, W)


class DCGANDiscriminator(nn.Module):
    """Tell pictures of a data set from generated ones, halving the map again and again.

    Args:
        in_channels: channels of the picture.
        width: channels of the finest hidden map; each coarser one has twice as many.
        size: of the picture: its side, or (H, W).
        num_classes: labels that it is told; 0: none.
        norm: "batch" (the paper's); for a gradient penalty "layer" or "none", with which each
            picture is judged by itself.

    Raises:
        ValueError: for a size that cannot be halved to 4 pixels, or an unknown norm.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        width: int = 64,
        size: int | tuple[int, int] = 64,
        num_classes: int = 0,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.size, end, halvings = levels(size)
        self.in_channels, self.num_classes = in_channels, num_classes
        channels = [width * 2**level for level in range(halvings)]  # fine to coarse
        bias = norm == "none"
        layers: list[nn.Module] = []
        for level, after in enumerate(channels):
            before = channels[level - 1] if level else in_channels
            layers.append(nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1, bias=bias))
            if level:  # none at the input: the paper's rule
                layers.append(normalisation(norm, after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        # One weight for each cell and channel of the coarsest map: the paper's last convolution.
        self.score = nn.Conv2d(channels[-1], 1, kernel_size=end, bias=bias)
        features = channels[-1] * end[0] * end[1]
        self.label = nn.Embedding(num_classes, features) if num_classes else None
        initialise(self)
        if self.label is not None:  # starts without an opinion on labels
            nn.init.zeros_(self.label.weight)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (B,) for pictures (B, in_channels, H, W) in [-1, 1]."""
        check_images(images, self.in_channels, self.size)
        check_labels(labels, self.num_classes, len(images))
        features = self.layers(images)  # (B, C, 4, 4)
        logits = self.score(features).flatten()  # (B,)
        if self.label is not None:  # the projection of arXiv:1802.05637, equation 3
            logits = logits + (self.label(labels) * features.flatten(start_dim=1)).sum(dim=1)
        return logits
