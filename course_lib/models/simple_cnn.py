"""SimpleCNN: two convolutions, two poolings, two linear layers, one label per image.

The classifier of Document 1, section 5.1, as its author meant it. There, the first linear layer
expects 64 * 16 * 16 inputs; two poolings of a 32x32 image leave 64 * 8 * 8, and a ``view(-1, ...)``
hides the difference by folding four images into one row. Here the rows are images by construction.

Differs from the document: images of any size are accepted, because an adaptive pooling brings the
last feature map to 8x8 (for a 32x32 image it is the identity).

Parameters of the default: 545,098 (524,416 of them in the first linear layer).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class SimpleCNN(nn.Module):
    """Classify an image with two convolutional and two linear layers.

    Args:
        in_channels: channels of the image.
        num_classes: number of labels.
        widths: channels after the first and the second convolution.
        hidden: width of the layer between the features and the scores.

    Source: the listing in Document 1, section 5.1, repaired.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        num_classes: int = 10,
        widths: tuple[int, int] = (32, 64),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=3, padding=1)
        self.fc1 = nn.Linear(widths[1] * 8 * 8, hidden)
        self.fc2 = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        """Return logits (B, num_classes) for images (B, C, H, W) of at least 4x4 pixels."""
        if min(x.shape[-2:]) < 4:
            raise ValueError(
                f"SimpleCNN halves the image twice and got {tuple(x.shape[-2:])}; "
                "give it at least 4x4 pixels."
            )
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (B, 32, H/2, W/2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (B, 64, H/4, W/4)
        x = F.adaptive_avg_pool2d(x, 8)  # (B, 64, 8, 8); the identity for 32x32 images
        x = x.flatten(start_dim=1)  # (B, 64*8*8): one row per image, whatever the size
        return self.fc2(F.relu(self.fc1(x)))  # (B, num_classes)
