"""Test-time augmentation: ask a trained network several times, and average what it answers."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.train.evaluate import predict


def predict_averaged(
    model: nn.Module,
    images: Tensor,
    *,
    scales: Sequence[float] = (0.75, 1.0, 1.25),
    flip: bool = True,
    batch_size: int = 256,
    device: str | torch.device | None = None,
) -> Tensor:
    """Return the mean of the probabilities over rescaled and mirrored copies of the images.

    Every copy's logits are brought back to the images' size and orientation, and turned into
    probabilities there. The
    network runs once for each scale, twice with ``flip``.

    Args:
        model: returns logits (N, C, H, W) at the size of its input, for any size.
        images: (N, 3, H, W) uint8.
        scales: factors of both sides, which are rounded to whole pixels; 1 is the image as it is.
        flip: add the mirror image of each copy.
        batch_size: images at a time.
        device: where to compute; default: where the model is.

    Returns:
        (N, C, H, W) float32 probabilities, on the CPU.

    Raises:
        ValueError: without scales, for one that is not positive, or images that are not uint8 with
            four dimensions.

    Source: inference of Chen et al., arXiv:1706.05587, section 4.1 (several scales, each mirrored
    as well; their code takes the mean of the probabilities, as this does).
    """
    if not scales or min(scales) <= 0:
        raise ValueError(f"scales are {tuple(scales)}; give at least one, each above 0.")
    height, width = images.shape[-2:]
    total = torch.zeros(())
    for scale in scales:
        copies = images if scale == 1 else _rescale(images, scale)
        for mirrored in (False, True) if flip else (False,):
            asked = copies.flip(-1) if mirrored else copies
            logits = predict(model, asked, batch_size=batch_size, device=device)
            answer = logits.flip(-1) if mirrored else logits
            if answer.shape[-2:] != (height, width):
                answer = F.interpolate(answer, (height, width), mode="bilinear")
            # eq-test-time-average: probabilities are averaged, not logits, which have no scale
            total = total + answer.softmax(dim=1)
    return total / (len(scales) * (2 if flip else 1))


def _rescale(images: Tensor, scale: float) -> Tensor:
    """Return uint8 images, larger or smaller, smoothed before they get smaller."""
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; "
            "give uint8 images of shape (N, C, H, W), as a loaded set holds them."
        )
    size = [max(1, round(scale * side)) for side in images.shape[-2:]]
    scaled = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
    return scaled.round().to(torch.uint8)
