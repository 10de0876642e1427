"""StyleGAN2, small: a style at every layer says what is drawn, noise says where the grain falls.

Sources: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks",
arXiv:1812.04948 (mapping network, learned constant, noise, style mixing, truncation), and
"Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958 (modulated convolutions,
skip generator, residual discriminator), Fig. 2 and 7. Labels are projected onto the discriminator's
features as in Miyato and Koyama, arXiv:1802.05637.

Differs from the papers: widths, number of mapping layers and code length are small; any image size
that halvings lead to a small constant is accepted, square or not; images are enlarged bilinearly,
which equals the papers' filter except at the border; each image of a batch has a crossing of its
own where styles are mixed; batches that the group size does not divide are accepted; in evaluation
mode the noise is fixed, so that a code always gives the same image; the steps to colours share one
bias.

Parameters of the default (32x32, widths 96, 64, 32, 16): generator 267,896 for grey images and
268,314 for colour, discriminator 367,313 and 367,345.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.conditioning import check_images, check_labels, check_latent
from course_lib.models.equalised import EqualisedConv2d, EqualisedLinear, activate, minibatch_std
from course_lib.models.stylegan_layers import (
    Mapping,
    ModulatedConv,
    StyledConv,
    blur,
    resolutions,
    widths_for,
)

NOISE = ("random", "fixed", "none")


class StyleGANGenerator(nn.Module):
    """Draw images from codes: codes to styles, styles to scales of every layer's channels.

    Values are in about [-1, 1]. Nothing squashes them, as in the paper: clamp what you show or
    store, as `draw_samples` does, not what you train on.

    Args:
        latent_dim: numbers of a code z.
        style_dim: numbers of a style w.
        out_channels: channels of the image.
        size: height and width, or one number for both; see `resolutions`.
        channels: see `widths_for`.
        mapping_layers: linear layers from z to w.
        num_classes: 0, or how many labels there are.
        mixing: in training mode, the share of images that take the styles from some layer on from
            a second code.
        noise: whether every layer adds noise.

    Attributes:
        num_layers: styles that an image takes. Layers 0 and 1 draw at the coarsest resolution, and
            every resolution has two more; the last style serves only the last step to colours.
        style_mean: (style_dim,), the moving average of w, from training.

    Raises:
        ValueError: for a size or channels that do not fit, or mixing outside [0, 1].
    """

    style_mean: Tensor

    def __init__(
        self,
        *,
        latent_dim: int = 64,
        style_dim: int = 64,
        out_channels: int = 3,
        size: int | tuple[int, int] = 32,
        channels: int | Sequence[int] | None = None,
        mapping_layers: int = 4,
        num_classes: int = 0,
        mixing: float = 0.9,
        noise: bool = True,
    ) -> None:
        super().__init__()
        if not 0 <= mixing <= 1:
            raise ValueError(f"mixing is {mixing}; it is a probability, from 0 to 1.")
        sizes = resolutions(size)
        widths = widths_for(channels, len(sizes))
        self.latent_dim, self.style_dim, self.out_channels = latent_dim, style_dim, out_channels
        self.size, self.num_classes, self.mixing = sizes[-1], num_classes, mixing
        self.num_layers = 2 * len(sizes)
        self.mapper = Mapping(
            latent_dim=latent_dim,
            style_dim=style_dim,
            num_layers=mapping_layers,
            num_classes=num_classes,
        )
        self.register_buffer("style_mean", torch.zeros(style_dim))
        self.constant = nn.Parameter(torch.randn(widths[0], *sizes[0]))
        convs = [StyledConv(widths[0], widths[0], sizes[0], style_dim=style_dim, noise=noise)]
        for a, b, here in zip(widths[:-1], widths[1:], sizes[1:], strict=True):
            convs.append(StyledConv(a, b, here, style_dim=style_dim, up=True, noise=noise))
            convs.append(StyledConv(b, b, here, style_dim=style_dim, noise=noise))
        self.convs = nn.ModuleList(convs)  # layer i takes style i
        self.to_image = nn.ModuleList(
            ModulatedConv(width, out_channels, 1, style_dim=style_dim, demodulate=False)
            for width in widths
        )
        self.colour = nn.Parameter(torch.zeros(out_channels))  # what an image starts from

    def mapping(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Turn codes (B, latent_dim), and labels (B,) if there are classes, into (B, style_dim).

        Raises:
            ValueError: for codes of another shape, or labels where there are no classes, or none
                where there are.
        """
        check_latent(z, self.latent_dim)
        check_labels(labels, self.num_classes, len(z))
        with torch.autocast(z.device.type, enabled=False):
            return self.mapper(z.to(self.constant.dtype), labels)

    def truncate(self, styles: Tensor, psi: float) -> Tensor:
        """Pull styles (B, style_dim) or (B, num_layers, style_dim) towards their mean.

        1 leaves them as they are, 0 gives the mean, in between lies less variety.
        """
        return torch.lerp(self.style_mean, styles, psi)  # eq-stylegan-truncation

    def styles(self, z: Tensor, labels: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """Turn codes into a style for every layer: (B, num_layers, style_dim).

        In training mode this also updates `style_mean`, and mixes in styles of second codes, drawn
        here.
        """
        w = self.mapping(z, labels)  # (B, style_dim)
        if self.training:
            with torch.no_grad():
                self.style_mean.lerp_(w.mean(0).to(self.style_mean.dtype), 0.005)
        every = w[:, None].expand(-1, self.num_layers, -1)  # (B, num_layers, style_dim)
        if self.training and self.mixing > 0:
            other = self.mapping(torch.randn_like(z), labels)
            mixed = torch.rand(len(z), device=z.device) < self.mixing
            crossing = torch.randint(1, self.num_layers, (len(z),), device=z.device)
            crossing = torch.where(mixed, crossing, self.num_layers)  # (B,)
            every = mix_styles(w, other, crossing, num_layers=self.num_layers)
        return every if truncation == 1 else self.truncate(every, truncation)

    def synthesis(self, styles: Tensor, *, noise: str = "random") -> Tensor:
        """Draw images (B, out_channels, H, W) from styles.

        Args:
            styles: (B, num_layers, style_dim), or (B, style_dim) for one style at all layers.
            noise: "random" (drawn anew), "fixed" (the generator's own, the same for every image) or
                "none".

        Raises:
            ValueError: for styles of another shape or an unknown noise.
        """
        if styles.ndim == 2:
            styles = styles[:, None].expand(-1, self.num_layers, -1)
        if styles.shape[1:] != (self.num_layers, self.style_dim):
            raise ValueError(
                f"styles have shape {tuple(styles.shape)}; want (B, {self.num_layers}, "
                f"{self.style_dim}), or (B, {self.style_dim}) for one style at all layers."
            )
        if noise not in NOISE:
            raise ValueError(f"noise is {noise!r}; choose one of {', '.join(NOISE)}.")
        w = styles.unbind(1)  # num_layers times (B, style_dim)
        x = self.constant.expand(len(styles), -1, -1, -1)  # (B, C, h, w)
        x = self.convs[0](x, w[0], noise=noise)
        image = self.colour[:, None, None] + self.to_image[0](x, w[1])
        for level in range(1, len(self.to_image)):
            first, second = 2 * level - 1, 2 * level
            x = self.convs[first](x, w[first], noise=noise)  # twice the height and width
            x = self.convs[second](x, w[second], noise=noise)
            image = F.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)
            image = image + self.to_image[level](x, w[second + 1])
        return image  # (B, out_channels, H, W), float32 also under autocast

    def forward(
        self, z: Tensor, labels: Tensor | None = None, *, truncation: float = 1.0
    ) -> Tensor:  # (B, latent_dim), (B,)
        """Return images (B, out_channels, H, W): random noise in training mode, else fixed."""
        styles = self.styles(z, labels, truncation=truncation)
        return self.synthesis(styles, noise="random" if self.training else "fixed")


def mix_styles(first: Tensor, second: Tensor, crossing: Tensor, *, num_layers: int) -> Tensor:
    """Take one style up to a layer, another from it on.

    Args:
        first: (B, style_dim), for layers before the crossing.
        second: (B, style_dim), for the layer `crossing` and those after it.
        crossing: (B,) whole numbers from 0 (all of the second) to num_layers (all of the first).
        num_layers: of the generator.

    Returns:
        (B, num_layers, style_dim).
    """
    layers = torch.arange(num_layers, device=crossing.device)
    early = layers < crossing[:, None]  # (B, num_layers)
    return torch.where(early[:, :, None], first[:, None], second[:, None])  # eq-stylegan-mixing


class ResidualDown(nn.Module):
    """Two 3x3 convolutions, the second at half the resolution, and a 1x1 path around them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualisedConv2d(in_channels, in_channels, 3)
        self.conv2 = EqualisedConv2d(in_channels, out_channels, 3, stride=2, padding=0)
        self.skip = EqualisedConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return (B, out_channels, H / 2, W / 2)."""
        y = activate(self.conv1(x))
        y = activate(self.conv2(blur(y, padding=2)))  # H + 1 rows become H / 2
        return (y + self.skip(blur(x, padding=1, stride=2))) / math.sqrt(2)


class StyleGANDiscriminator(nn.Module):
    """Give each image a logit: large for what looks real.

    Args:
        in_channels: channels of the image.
        size: height and width, or one number for both; see `resolutions`.
        channels: see `widths_for`.
        num_classes: 0, or how many labels there are.
        group_size: images whose difference is measured together; see `minibatch_std`. Real and fake
            images are judged in batches of their own.

    Raises:
        ValueError: for a size, channels or a group size that do not fit.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        size: int | tuple[int, int] = 32,
        channels: int | Sequence[int] | None = None,
        num_classes: int = 0,
        group_size: int = 4,
    ) -> None:
        super().__init__()
        if group_size < 1:
            raise ValueError(f"group_size is {group_size}; it must be at least 1 image.")
        sizes = resolutions(size)
        widths = widths_for(channels, len(sizes))[::-1]  # finest first
        self.in_channels, self.size = in_channels, sizes[-1]
        self.num_classes, self.group_size = num_classes, group_size
        self.from_image = EqualisedConv2d(in_channels, widths[0], 1)
        self.blocks = nn.ModuleList(
            ResidualDown(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        last, pixels = widths[-1], sizes[0][0] * sizes[0][1]
        self.conv = EqualisedConv2d(last + 1, last, 3)
        self.hidden = EqualisedLinear(last * pixels, last)
        self.head = EqualisedLinear(last, 1)
        self.embed = nn.Embedding(num_classes, last) if num_classes else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (B,) for images (B, in_channels, H, W), and labels (B,) if there are any.

        Raises:
            ValueError: for images of another shape, or labels where there are no classes, or none
                where there are.
        """
        check_images(images, self.in_channels, self.size)
        check_labels(labels, self.num_classes, len(images))
        x = activate(self.from_image(images))
        for block in self.blocks:
            x = block(x)  # (B, C, H, W), half the height and width each time
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.head.weight.dtype)
            x = torch.cat([x, minibatch_std(x, self.group_size)], dim=1)  # (B, C + 1, h, w)
            x = activate(self.conv(x))
            x = activate(self.hidden(x.flatten(1)))  # (B, C)
            logits = self.head(x)[:, 0]  # (B,)
            if self.embed is not None and labels is not None:
                logits = logits + (self.embed(labels) * x).sum(1) / math.sqrt(x.shape[1])
        return logits
