"""A flow on the codes of an autoencoder: the autoencoder first, and then a flow in its place.

A picture becomes a small map of vectors by the encoder of a trained VQ-VAE. The flow learns how
these maps are distributed; what it draws goes through the list of codes and the decoder. The
autoencoder learns nothing more.

Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models",
arXiv:2112.10752, section 3.1 ("VQ-reg": the codes are those before quantising, and the list belongs
to the decoder) and appendix G (codes are scaled to a variance of 1).

Differs from the paper: each channel has a mean and a scale of its own; a flow in the place of a
diffusion.
"""

from typing import Any

import torch
from torch import Tensor

from course_lib.models.flow import Flow
from course_lib.models.vqvae import VQVAE


class LatentFlow(Flow):
    """A flow whose samples are codes; asked as a generator it returns pictures.

    What a flow does to samples (`follow`, `velocity`, `denoise`, `invert`, `edit`, `inpaint`,
    `log_density`) it does to codes. `encode` and `decode` lead there and back.

    Args:
        codes: arguments of the `VQVAE`, whose weights are to be loaded into `codes`.
        network: arguments of the network, besides those that the codes determine (`in_channels` and
            `size`).
        architecture: as the other arguments, see `Flow`.
        path: from noise to codes.
        predicts: what the network says.
        solver: of samples.
        steps: of it.
        guidance: weight of the class.

    Attributes:
        shape: (dim, h, w) of the codes.
        size: (H, W) of the pictures.
        mean: (dim, 1, 1), of the codes as the encoder gives them.
        std: (dim, 1, 1).
    """

    def __init__(
        self,
        *,
        codes: dict[str, Any],
        network: dict[str, Any],
        architecture: str = "unet",
        path: str = "straight",
        predicts: str = "velocity",
        solver: str = "heun",
        steps: int = 12,
        guidance: float = 1.0,
    ) -> None:
        autoencoder = VQVAE(**codes)
        size, dim = autoencoder.code_size, autoencoder.quantiser.dim
        super().__init__(
            network={**network, "in_channels": dim, "size": size},
            architecture=architecture,
            path=path,
            predicts=predicts,
            solver=solver,
            steps=steps,
            guidance=guidance,
        )
        self.codes = autoencoder.requires_grad_(False)
        self.out_channels, self.size = autoencoder.in_channels, autoencoder.size
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(dim, 1, 1))
        self.register_buffer("std", torch.ones(dim, 1, 1))

    def train(self, mode: bool = True) -> "LatentFlow":
        """Set the mode of the flow's network; the autoencoder stays in eval mode."""
        super().train(mode)
        self.codes.eval()
        return self

    @torch.no_grad()
    def measure(self, images: Tensor, *, batch_size: int = 500) -> None:
        """Set mean and std to those of the codes of pictures (N, C, H, W) in [-1, 1].

        Raises:
            ValueError: for pictures of another shape, or codes that do not vary.
        """
        vectors = torch.cat([self._vectors(part) for part in images.split(batch_size)])
        std, mean = torch.std_mean(vectors.double(), dim=(0, 2, 3))  # (dim,)
        if not (std > 0).all():  # one picture of one place has no spread: NaN
            raise ValueError(
                f"{int((~(std > 0)).sum())} of {len(std)} channels of the codes do not vary over "
                f"{len(images)} pictures, so they cannot be scaled. Load a trained autoencoder "
                "into `codes`, and give more pictures."
            )
        self.mean.copy_(mean[:, None, None])
        self.std.copy_(std[:, None, None])

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return scaled codes (B, dim, h, w) of pictures (B, C, H, W) in [-1, 1]."""
        return (self._vectors(images) - self.mean) / self.std

    def decode(self, x: Tensor) -> Tensor:
        """Return pictures (B, C, H, W), about in [-1, 1], for scaled codes (B, dim, h, w)."""
        vectors = self.mean + self.std * x
        return self.codes.decode(self.codes.quantiser.codes(vectors))

    def _vectors(self, images: Tensor) -> Tensor:
        return self.codes.vectors(images).float()
