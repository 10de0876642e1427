"""Small networks that more than one exercise hands to the learner's function."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Judge(nn.Module):
    """A small discriminator with BatchNorm, images (B, 1, 4, 4) to logits (B,)."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(16, 5), nn.BatchNorm1d(5), nn.Linear(5, 1)
        with torch.no_grad():
            for layer in (self.first, self.last):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * 0.6)
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) * 0.3)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (B,)."""
        h = self.norm(self.first(images.flatten(1)))
        out: Tensor = self.last(F.leaky_relu(h, 0.2)).flatten()
        return out


def critic(numbers: int, generator: torch.Generator) -> nn.Module:
    """Make a curved critic, (B, ...) to scores (B,), whose gradients have norms around 1."""
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(numbers, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0)
    )
    for parameter in net.parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.data = values * (0.9 if parameter.ndim == 2 else 0.3)
    net[1].weight.data /= (numbers / 6) ** 0.5
    return net
