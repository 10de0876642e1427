"""How far reconstructions are from their images: squared error, and structural similarity.

Structural similarity compares means, deviations and correlation in windows: Wang et al., "Image
Quality Assessment: From Error Visibility to Structural Similarity", 2004; computed by scikit-image
with the paper's Gaussian windows.
"""

from typing import NamedTuple

import torch
from skimage.metrics import structural_similarity
from torch import Tensor

SMALLEST = 11  # pixels of a window


class Reconstruction(NamedTuple):
    """Scores of each image.

    Attributes:
        mse: (N,), mean squared difference in grey levels of 0 to 255, squared.
        ssim: (N,), 1 for equal images.
    """

    mse: Tensor
    ssim: Tensor


def reconstruction_scores(images: Tensor, others: Tensor) -> Reconstruction:
    """Compare images with their reconstructions.

    Args:
        images: (N, C, H, W) uint8, at least 11x11 pixels.
        others: the same shape.

    Raises:
        ValueError: for other types, shapes or sizes.
    """
    if images.dtype != torch.uint8 or others.dtype != torch.uint8 or images.shape != others.shape:
        raise ValueError(
            f"got {images.dtype} of shape {tuple(images.shape)} and {others.dtype} of shape "
            f"{tuple(others.shape)}; wanted uint8 (N, C, H, W) twice, as `data.to_uint8` gives."
        )
    if images.ndim != 4 or min(images.shape[-2:]) < SMALLEST:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; (N, C, H, W) of at least {SMALLEST}x"
            f"{SMALLEST} pixels are needed for a window."
        )
    mse = (images.double() - others.double()).square().flatten(1).mean(1)
    pairs = zip(images.cpu().numpy(), others.cpu().numpy(), strict=True)
    ssim = [
        structural_similarity(
            a,
            b,
            channel_axis=0,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in pairs
    ]
    return Reconstruction(mse, torch.tensor(ssim, dtype=torch.float64))
