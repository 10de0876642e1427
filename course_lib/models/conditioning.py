"""What networks with codes and labels share: the label joined to the code, and checks of inputs."""

import torch
from torch import Tensor, nn


def exact_dtype(device: torch.device) -> torch.dtype:
    """Return the most exact type of a device's numbers: float64, but on Apple's GPUs."""
    return torch.float32 if device.type == "mps" else torch.float64


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


def check_numbers(in_channels: int, num_classes: int) -> None:
    """Raise ValueError for a network without channels, or with fewer classes than none."""
    if in_channels < 1 or num_classes < 0:
        raise ValueError(
            f"in_channels is {in_channels} and num_classes {num_classes}; give at least 1 channel, "
            "and 0 or more classes."
        )


def check_range(labels: Tensor, num_classes: int, what: str = "labels") -> None:
    """Raise ValueError unless labels are 0 to num_classes - 1; waits for their device."""
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ValueError(
            f"{what} go from {int(labels.min())} to {int(labels.max())}; with {num_classes} "
            f"classes they are 0 to {num_classes - 1}."
        )


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return a picture's size as (H, W), from its side or from both."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


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
