"""SimpleGAN: the generator and discriminator of Document 1, section 5.2, as they were meant.

There, three transposed convolutions turn a 1x1 code into 8x8 pixels, which the discriminator cannot
take; real images with three channels are viewed as one; and both players sit in one class whose
`forward` ignores its input. Here the first transposed convolution opens 1x1 to 4x4, so that three
doublings end at 32x32, and each player is a model of its own.

Differs from the document: the discriminator returns logits (the sigmoid is part of the loss), and
both players can be given labels.

Parameters of the default for three channels: 370,851 and 2,760,385.
"""

from torch import Tensor, nn

from course_lib.models.conditioning import LabelledCode, check_images, check_labels, check_latent

SIZE = (32, 32)


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
