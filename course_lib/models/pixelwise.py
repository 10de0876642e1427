"""A per-pixel classifier: it sees one pixel's colour and nothing around it.

The yardstick for a segmentation data set. What it reaches can be read off the colour alone; only
the rest of the score needs context.

Parameters of the default: 5,001 for nine classes.
"""

from torch import Tensor, nn


class PixelwiseClassifier(nn.Sequential):
    """Label every pixel from its own colour by 1x1 convolutions.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        width: channels of the two hidden layers.
    """

    def __init__(self, *, in_channels: int = 3, num_classes: int = 2, width: int = 64) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, num_classes, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, num_classes, H, W) for images (B, C, H, W)."""
        return super().forward(x)
