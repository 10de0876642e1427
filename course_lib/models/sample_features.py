"""SampleFeatures: the small network in whose features the course judges generated images.

Samples are compared with real images as clouds of feature vectors. The customary features come
from Inception-v3, a network of 24 million parameters trained on ImageNet at 299x299. This one takes
32x32 images and was trained on three sets of the course at once: digits, photographs, shapes.
Distances in its features are comparable among themselves and with nothing else; the Fréchet
distance in them is called CFD, the course's Fréchet distance, and is no FID.

The features are 64 numbers for each image. A covariance in D dimensions has D (D + 1) / 2 entries,
2,080 of them here, which a few thousand images determine well. Inception's 2,048 dimensions make
2,098,176 entries, and its users need 50,000 images.

Parameters of the default: 538,686.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import to_float


class ConvBlock(nn.Sequential):
    """A 3x3 convolution, BatchNorm, ReLU: (B, in, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )


class ResidualPair(nn.Module):
    """Two blocks and the way around them: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = ConvBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the input plus what two blocks make of it."""
        return x + self.second(self.first(x))


class SampleFeatures(nn.Module):
    """Turn an image into the features in which samples are judged.

    Args:
        widths: channels at 32x32, 16x16 and 8x8.
        num_features: dimensions of the features.
        num_classes: labels that it is trained on: ten for each of the three sets.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, int, int] = (32, 64, 128),
        num_features: int = 64,
        num_classes: int = 30,
    ) -> None:
        super().__init__()
        first, second, third = widths
        self.num_features = num_features
        self.stem = ConvBlock(3, first)
        self.fine = nn.Sequential(ConvBlock(first, second), nn.MaxPool2d(2), ResidualPair(second))
        self.coarse = nn.Sequential(ConvBlock(second, third), nn.MaxPool2d(2), ResidualPair(third))
        self.last = ConvBlock(third, num_features)
        self.head = nn.Linear(num_features, num_classes)

    def features(self, images: Tensor) -> Tensor:  # (B, C, H, W)
        """Return features (B, num_features), none of them negative.

        Args:
            images: (B, 1 or 3, H, W), uint8 or float in [-1, 1], at least 8x8; a grey image counts
                as a colour image with three equal channels.

        Raises:
            ValueError: for another shape.
        """
        if images.ndim != 4 or images.shape[1] not in (1, 3) or min(images.shape[-2:]) < 8:
            raise ValueError(
                f"SampleFeatures got {tuple(images.shape)}; wanted grey or colour images "
                "(B, 1 or 3, H, W) of at least 8x8 pixels."
            )
        x = to_float(images) if images.dtype == torch.uint8 else images
        x = x.expand(-1, 3, -1, -1)  # (B, 3, H, W)
        x = F.max_pool2d(self.stem(x), 2)  # (B, 32, H/2, W/2)
        x = self.fine(x)  # (B, 64, H/4, W/4)
        x = self.coarse(x)  # (B, 128, H/8, W/8)
        return self.last(x).mean(dim=(2, 3))  # (B, num_features)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, num_classes), which only training needs."""
        return self.head(self.features(images))
