"""The way back: which code would make a generator draw this picture?

Two answers. A network that learned it from pictures whose codes are known, because the generator
drew them, answers at once. A descent on the code itself takes some hundred steps and comes closer.
What is left over is what this generator cannot draw.

Source: Zhu et al., "Generative Visual Manipulation on the Natural Image Manifold",
arXiv:1609.03552, section 3.1: both, and the one as the start of the other.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.models.modes import eval_mode
from course_lib.models.vae import Encoder


class InverseEncoder(nn.Module):
    """A network that names the code of a picture.

    Args:
        latent_dim: numbers in a code of the generator.
        in_channels: channels of the picture.
        size: of the picture: its side, or (H, W); at least 8 pixels, odd ones too.
        width: channels of the finest map.
    """

    def __init__(
        self,
        *,
        latent_dim: int = 100,
        in_channels: int = 1,
        size: int | tuple[int, int] = 32,
        width: int = 32,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = Encoder(
            in_channels=in_channels, size=size, latent_dim=latent_dim, width=width
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return codes (B, latent_dim) of pictures (B, in_channels, H, W) in [-1, 1]."""
        return self.encoder(images).mean


class Inversion(NamedTuple):
    """What was found for each picture.

    Attributes:
        z: (B, latent_dim), the codes.
        images: (B, C, H, W) in [-1, 1], what the generator draws from them.
        error: (B,), their mean squared difference from the picture, where white is 1, black -1.
        errors: (steps + 1, B), the same along the way.
    """

    z: Tensor
    images: Tensor
    error: Tensor
    errors: Tensor


def invert(
    generator: nn.Module,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    start: Tensor,
    steps: int = 200,
    lr: float = 0.05,
    prior_weight: float = 1e-3,
) -> Inversion:
    """Find codes whose pictures are like the given ones, by Adam on the codes.

    What is minimised is the error, the mean squared difference of the pictures, plus
    ``prior_weight`` times half the mean square of the code's numbers. For each picture the code of
    the way with the least sum is kept. The generator is asked in eval mode and its weights stay as
    they are.

    Args:
        generator: maps codes (B, latent_dim) and labels to images (B, C, H, W) in [-1, 1].
        images: (B, C, H, W) in [-1, 1].
        labels: (B,) for a generator with classes.
        start: (B, latent_dim), where the descent begins: what an `InverseEncoder` says, or zeros.
        steps: of Adam.
        lr: its rate.
        prior_weight: of the second term, which keeps codes where the generator was trained.

    Raises:
        ValueError: for a start of another shape, images of another shape than the generator's
            pictures, integers, NaN, steps below 0, a prior_weight below 0, or a generator whose
            pictures have no gradient.
    """
    if not images.is_floating_point() or not images.isfinite().all():
        raise ValueError(
            f"images are {images.dtype}, or hold NaN or infinite values; wanted finite floats in "
            "[-1, 1], such as `to_float` makes."
        )
    if steps < 0:
        raise ValueError(f"steps is {steps}; it must be 0 or more.")
    if not 0 <= prior_weight < math.inf:
        raise ValueError(f"prior_weight is {prior_weight}; it must be a number of 0 or more.")
    if start.shape != (len(images), int(generator.latent_dim)):  # type: ignore[arg-type]
        raise ValueError(
            f"start has shape {tuple(start.shape)}; wanted ({len(images)}, "
            f"{int(generator.latent_dim)}), a code for each image."  # type: ignore[arg-type]
        )
    told = () if labels is None else (labels,)
    z = start.detach().clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=lr)
    least = torch.full((len(images),), torch.inf, device=images.device)  # of error and prior
    best, lowest = z.detach().clone(), least.clone()  # the code with the least sum, and its error
    errors = []
    with eval_mode(generator), torch.enable_grad():
        for step in range(steps + 1):
            drawn = generator(z, *told)
            if drawn.shape != images.shape:  # else the difference would be broadcast
                raise ValueError(
                    f"images have shape {tuple(images.shape)}, and the generator draws "
                    f"{tuple(drawn.shape)}."
                )
            if not step:
                check_gradient(generator, drawn, z)
            error = (drawn - images).square().flatten(1).mean(1)  # (B,)
            both = error + prior_weight * 0.5 * z.square().mean(1)  # (B,)
            better = both.detach() < least
            best = torch.where(better[:, None], z.detach(), best)
            lowest = torch.where(better, error.detach(), lowest)
            least = torch.where(better, both.detach(), least)
            errors.append(error.detach())
            if step < steps:
                # A sum: each picture's code is moved as if it were alone.
                (z.grad,) = torch.autograd.grad(both.sum(), z)
                adam.step()
        with torch.no_grad():
            made = generator(best, *told)
    return Inversion(best, made, lowest, torch.stack(errors))


def check_gradient(generator: nn.Module, drawn: Tensor, z: Tensor) -> None:
    """Raise ValueError unless pictures say how they change with the codes they were drawn from."""
    slope = None
    if drawn.requires_grad:
        (slope,) = torch.autograd.grad(drawn.sum(), z, retain_graph=True, allow_unused=True)
    if slope is None:
        raise ValueError(
            f"The pictures of a {type(generator).__name__} have no gradient in its code, as where "
            "codes are drawn one by one, so no descent leads back. Invert a generator that is "
            "differentiable, such as that of a GAN or the decoder of a VAE."
        )
