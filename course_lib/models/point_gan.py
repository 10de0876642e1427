"""Generator and discriminator for points in the plane: two small perceptrons, seen whole.

They have no normalisation and no tricks, so that whatever happens in training is the game's doing.
Class-conditional: the generator gets the label as a one-hot code beside z; the discriminator is a
projection discriminator, its logit is a linear function of the features plus the inner product of
the features with an embedding of the label.

Source: the sizes follow the ring of Gaussians of Metz et al., arXiv:1611.02163, section 3.1 (128
units a layer); projection: Miyato and Koyama, arXiv:1802.05637, equation 3.
Differs from the paper: two hidden layers in the discriminator too, ReLU in both, a z of 16 numbers.
Parameters of the defaults: generator 18,946, discriminator 17,025.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.conditioning import check_labels


def _perceptron(num_inputs: int, width: int, num_layers: int) -> nn.Sequential:
    """Hidden layers with ReLU: (B, num_inputs) to (B, width)."""
    sizes = [num_inputs, *[width] * num_layers]
    layers: list[nn.Module] = []
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


def _check(width: int, num_layers: int, num_classes: int) -> None:
    if width < 1 or num_layers < 1 or num_classes < 0:
        raise ValueError(
            f"got width {width}, num_layers {num_layers} and num_classes {num_classes}; at least "
            "one unit and one hidden layer are needed, and 0 classes for no labels."
        )


class PointGenerator(nn.Module):
    """Turn noise into points of the plane.

    Args:
        latent_dim: numbers in z.
        width: units in each hidden layer.
        num_layers: hidden layers.
        num_classes: labels that it is told; 0 for none.

    Raises:
        ValueError: for sizes below one.
    """

    def __init__(
        self,
        *,
        latent_dim: int = 16,
        width: int = 128,
        num_layers: int = 2,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        _check(width, num_layers, num_classes)
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.body = _perceptron(latent_dim + num_classes, width, num_layers)
        self.head = nn.Linear(width, 2)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return points.

        Args:
            z: (B, latent_dim), standard normal.
            labels: (B,) integers, for a generator with classes.

        Returns:
            (B, 2).

        Raises:
            ValueError: if labels are missing, misshapen, or given to a generator without classes.
        """
        check_labels(labels, self.num_classes, len(z))
        if labels is not None:
            z = torch.cat([z, F.one_hot(labels, self.num_classes).to(z)], dim=1)
        return self.head(self.body(z))


class PointDiscriminator(nn.Module):
    """Give each point a logit: above 0 it is more likely real than generated.

    Args:
        width: units in each hidden layer.
        num_layers: hidden layers.
        num_classes: labels that it is told; 0 for none.

    Raises:
        ValueError: for sizes below one.
    """

    def __init__(self, *, width: int = 128, num_layers: int = 2, num_classes: int = 0) -> None:
        super().__init__()
        _check(width, num_layers, num_classes)
        self.num_classes = num_classes
        self.body = _perceptron(2, width, num_layers)
        self.head = nn.Linear(width, 1)
        if num_classes:
            self.embedding = nn.Embedding(num_classes, width)
            nn.init.zeros_(self.embedding.weight)  # begins as a discriminator without labels

    def forward(self, points: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (or a critic's scores).

        Args:
            points: (B, 2).
            labels: (B,) integers, for a discriminator with classes.

        Returns:
            (B,).

        Raises:
            ValueError: if labels are missing, misshapen, or given to a discriminator without
                classes.
        """
        check_labels(labels, self.num_classes, len(points))
        features = self.body(points)  # (B, width)
        logits = self.head(features)[:, 0]  # (B,)
        if labels is not None:
            logits = logits + (self.embedding(labels) * features).sum(dim=1)  # eq-projection
        return logits
