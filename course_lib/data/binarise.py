"""Black and white pictures from grey ones, for likelihoods of black and white."""

import torch
from torch import Tensor

HOW = ("none", "sample", "threshold")


def binarise(
    images: Tensor, how: str = "sample", *, generator: torch.Generator | None = None
) -> Tensor:
    """Return images whose numbers are -1 or 1.

    Args:
        images: float in [-1, 1].
        how: "sample": white with the probability that the grey level says, drawn anew at each call
            (Salakhutdinov and Murray, 2008; Burda et al., arXiv:1509.00519, draw anew each epoch);
            "threshold": white above the middle; "none": as they are.
        generator: of the random numbers, on the images' device; ``None``: torch's own.

    Raises:
        ValueError: for another way.
    """
    if how not in HOW:
        raise ValueError(f"how is {how!r}; choose one of {', '.join(HOW)}.")
    if how == "none":
        return images
    if how == "threshold":
        return torch.where(images > 0, 1.0, -1.0).to(images.dtype)
    drawn = torch.rand(images.shape, generator=generator, device=images.device)
    return torch.where(2 * drawn - 1 < images, 1.0, -1.0).to(images.dtype)
