"""SimpleGAN: the generator and discriminator of Document 1, section 5.2, as they were meant.

There, three transposed convolutions turn a 1x1 code into 8x8 pixels, which the discriminator cannot
take; real images with three channels are viewed as one; and both players sit in one class whose
`forward` ignores its input. Here the first transposed convolution opens 1x1 to 4x4, so that three
doublings end at 32x32, and each player is a model of its own.

Differs from the document: the discriminator returns logits (the sigmoid is part of the loss), and
both players can be given labels.

Parameters of the default for three channels: 370,851 and 2,760,385.
"""

import torch
from torch import Tensor, nn

SIZE = (32, 32)


def check_latent(z: Tensor, latent_dim: int) -> None:
    """Raise ValueError unless `z` is (B, latent_dim), floating point."""
    if z.ndim != 2 or z.shape[1] != latent_dim or not z.is_floating_point():
        raise ValueError(
            f"z: got {z.dtype} of shape {tuple(z.shape)}, wanted floating-point codes of shape "
            f"(B, {latent_dim})."
        )


def check_images(images: Tensor, in_channels: int, size: tuple[int, int]) -> None:
    """Raise ValueError unless `images` is (B, in_channels, *size)."""
    if images.shape[1:] != (in_channels, *size) or images.ndim != 4:
        hint = ""
        if images.ndim == 4 and images.shape[1] != in_channels:
            hint = f" Build the model with {images.shape[1]} channel(s) for such images."
        elif images.ndim == 4:
            hint = f" Load the set with size={size}, or build the model for that size."
        raise ValueError(
            f"images: got shape {tuple(images.shape)}, wanted (B, {in_channels}, {size[0]}, "
            f"{size[1]}).{hint}"
        )


def check_labels(labels: Tensor | None, num_classes: int, batch: int) -> None:
    """Raise ValueError unless labels are given exactly where the model has classes."""
    if num_classes and labels is None:
        raise ValueError(f"This model has {num_classes} classes; give labels of shape ({batch},).")
    if labels is None:
        return
    if not num_classes:
        raise ValueError("This model knows no classes; build it with num_classes, or omit labels.")
    if labels.shape != (batch,) or labels.is_floating_point():
        raise ValueError(
            f"labels: got {labels.dtype} of shape {tuple(labels.shape)}, wanted whole numbers of "
            f"shape ({batch},)."
        )


def check_range(labels: Tensor, num_classes: int, what: str = "labels") -> None:
    """Raise ValueError unless labels are 0 to num_classes - 1; waits for their device."""
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ValueError(
            f"{what} go from {int(labels.min())} to {int(labels.max())}; with {num_classes} "
            f"classes they are 0 to {num_classes - 1}."
        )


class LabelledCode(nn.Module):
    """Join a code with an embedding of its label; without classes, leave it as it is."""

    def __init__(self, latent_dim: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.dim = latent_dim * (2 if num_classes else 1)
        self.embedding = nn.Embedding(num_classes, latent_dim) if num_classes else None
        if self.embedding is not None:
            # Quieter than the code: as loud, it would soon make one picture of each class.
            nn.init.normal_(self.embedding.weight, 0.0, 0.1)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Return (B, dim) for codes (B, latent_dim) and labels (B,)."""
        check_labels(labels, self.num_classes, len(z))
        if self.embedding is None:
            return z
        return torch.cat([z, self.embedding(labels)], dim=1)


class Projection(nn.Module):
    """Score a feature vector, and how well it fits its label.

    logit = w^T phi + b + v_y^T phi; without classes the last term is absent. Source: Miyato and
    Koyama, arXiv:1802.05637, equation 3.
    """

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.score = nn.Linear(in_features, 1)
        self.embedding = nn.Embedding(num_classes, in_features) if num_classes else None
        if self.embedding is not None:  # starts without an opinion on labels
            nn.init.zeros_(self.embedding.weight)

    def forward(self, phi: Tensor, labels: Tensor | None) -> Tensor:
        """Return (B,) logits for features (B, in_features) and labels (B,)."""
        check_labels(labels, self.num_classes, len(phi))
        logits = self.score(phi)[:, 0]  # (B,)
        if self.embedding is not None:
            logits = logits + (self.embedding(labels) * phi).sum(dim=1)
        return logits


class SimpleGANGenerator(nn.Module):
    """Turn a code into a picture of 32x32 pixels: 1x1, 4x4, 8x8, 16x16, 32x32.

    Args:
        latent_dim: numbers in a code.
        out_channels: channels of the picture.
        num_classes: labels that it is told; 0: none.
        widths: channels at 4x4, 8x8 and 16x16.

    Source: the listing in Document 1, section 5.2, repaired.
    """

    def __init__(
        self,
        *,
        latent_dim: int = 100,
        out_channels: int = 3,
        num_classes: int = 0,
        widths: tuple[int, int, int] = (128, 64, 32),
    ) -> None:
        super().__init__()
        self.latent_dim, self.out_channels = latent_dim, out_channels
        self.num_classes, self.size = num_classes, SIZE
        self.code = LabelledCode(latent_dim, num_classes)
        layers: list[nn.Module] = []
        before = self.code.dim
        for level, width in enumerate(widths):
            stride, padding = (1, 0) if level == 0 else (2, 1)
            layers += [
                nn.ConvTranspose2d(before, width, kernel_size=4, stride=stride, padding=padding),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            before = width
        layers.append(nn.ConvTranspose2d(before, out_channels, kernel_size=4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return pictures (B, out_channels, 32, 32) in [-1, 1] for codes (B, latent_dim)."""
        check_latent(z, self.latent_dim)
        x = self.code(z, labels)[:, :, None, None]  # (B, dim, 1, 1)
        return self.layers(x).tanh()  # (B, out_channels, 32, 32)


class SimpleGANDiscriminator(nn.Module):
    """Tell pictures of a data set from generated ones: 32x32, 16x16, 8x8, 4x4, 2x2, one logit.

    Args:
        in_channels: channels of the picture.
        num_classes: labels that it is told; 0: none.
        widths: channels at 16x16, 8x8, 4x4 and 2x2.

    Source: the listing in Document 1, section 5.2; its sigmoid is part of the loss here.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 0,
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
    ) -> None:
        super().__init__()
        self.in_channels, self.num_classes, self.size = in_channels, num_classes, SIZE
        layers: list[nn.Module] = []
        before = in_channels
        for level, width in enumerate(widths):
            layers.append(nn.Conv2d(before, width, kernel_size=4, stride=2, padding=1))
            if level:  # none at the input, as in the document
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            before = width
        self.layers = nn.Sequential(*layers)
        # The document's last convolution, 4x4 with padding 1, sees the four cells of a 2x2 map.
        self.head = Projection(before * 2 * 2, num_classes)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (B,) for pictures (B, in_channels, 32, 32) in [-1, 1]."""
        check_images(images, self.in_channels, SIZE)
        features = self.layers(images)  # (B, 512, 2, 2)
        return self.head(features.flatten(start_dim=1), labels)  # (B,)
