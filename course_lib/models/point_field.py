"""A network that is told a point of the plane and the time, and answers with an arrow.

The smallest network that a flow can be made of. Default: 0.06 M parameters.
"""

import math

import torch
from torch import Tensor, nn

from course_lib.models.conditioning import check_labels
from course_lib.models.time_unet import check_pair


class PointField(nn.Module):
    """A velocity (or a noise, or a point without noise) at every point and time.

    Args:
        width: of the hidden layers.
        num_layers: hidden layers.
        waves: of the time, as many cosines as sines, from one half turn to `waves` half turns.
        num_classes: labels that it can be told; 0: none.

    Raises:
        ValueError: for sizes below one.
    """

    def __init__(
        self, *, width: int = 128, num_layers: int = 4, waves: int = 8, num_classes: int = 0
    ) -> None:
        super().__init__()
        if width < 1 or num_layers < 1 or waves < 1:
            raise ValueError(
                f"width is {width}, num_layers {num_layers} and waves {waves}; each is at least 1."
            )
        self.waves, self.num_classes = waves, num_classes
        sizes = [2 + 2 * waves] + [width] * num_layers
        self.classes = nn.Embedding(num_classes + 1, sizes[0]) if num_classes else None
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(a, b), nn.SiLU())
                for a, b in zip(sizes[:-1], sizes[1:], strict=True)
            )
        )
        self.last = nn.Linear(width, 2)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return arrows (B, 2) at points (B, 2) and times (B,).

        Args:
            x: (B, 2).
            t: (B,), 0 is noise and 1 is data.
            labels: (B,) for a network with classes; -1: this one is not told its class.

        Raises:
            ValueError: for points or times of another shape, or labels that are missing.
        """
        check_pair(x, t, (2,))
        check_labels(labels, self.num_classes, len(x))
        turns = torch.arange(1, self.waves + 1, device=x.device, dtype=x.dtype)
        angle = math.pi * t[:, None] * turns  # (B, waves)
        h = torch.cat([x, angle.cos(), angle.sin()], dim=1)  # (B, 2 + 2 * waves)
        if self.classes is not None and labels is not None:
            h = h + self.classes(labels.long() + 1)
        return self.last(self.layers(h))
