"""How far a pixel is from the nearest pixel of each class, and from the border of its own.

The square of the Euclidean distance is a minimum over rows of a minimum over columns, so the plane
is searched along one axis after the other. A cap keeps the search short: distances beyond it are
reported as the cap.

Source: Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions", Theory of
Computing 8 (2012), section 2 (the separable minimum); the signed map is Kervadec et al.,
arXiv:1812.07032, section 2.
"""

import torch
from torch import Tensor


def distance_to(mask: Tensor, cap: int) -> Tensor:
    """Distance of every pixel to the nearest pixel of a mask, at most `cap`.

    Args:
        mask: (..., H, W) bool.
        cap: largest distance that is told apart, in pixels; the work grows with it.

    Returns:
        (..., H, W) float32 in pixels: 0 on the mask, `cap` where nothing is as near as that.

    Raises:
        ValueError: not a bool mask with two axes, or a cap below 1.
    """
    if mask.dtype != torch.bool or mask.ndim < 2:
        raise ValueError(
            f"got a mask of dtype {mask.dtype} and shape {tuple(mask.shape)}; a bool mask "
            "(..., H, W) is needed, for instance target == 1."
        )
    if cap < 1:
        raise ValueError(f"cap is {cap}; it must be at least 1 pixel.")
    far = cap * cap
    small = torch.int16 if 2 * far < 2**15 else torch.int32  # of all sums below
    square = torch.where(mask, 0, far).to(small)  # (..., H, W)
    for axis in (-1, -2):  # eq-distance-separable
        best = square.clone()
        size = mask.shape[axis]
        for step in range(1, min(cap, size)):
            moved = square + step * step
            for start, other in ((step, 0), (0, step)):
                here = best.narrow(axis, start, size - step)
                torch.minimum(here, moved.narrow(axis, other, size - step), out=here)
        square = best
    return square.float().sqrt()


def signed_distance(target: Tensor, num_classes: int, cap: int) -> Tensor:
    """Distance of every pixel to the contour of every class: negative inside, positive outside.

    Contours run between pixels: the two pixels beside one lie half a pixel from it. A pixel whose
    label is not in [0, num_classes), such as an ignored one, belongs to no class and makes no
    contour. A class that an image lacks, or that has all its labelled pixels, has no contour there:
    its map is 0.

    Args:
        target: (B, H, W) integer labels.
        num_classes: number of classes C.
        cap: largest distance that is told apart, in pixels.

    Returns:
        (B, C, H, W) float32 in pixels, from -(cap - 1/2) to cap - 1/2.

    Raises:
        ValueError: as :func:`distance_to`.
    """
    classes = torch.arange(num_classes, device=target.device)[:, None, None]
    own = target[:, None] == classes  # (B, C, H, W)
    outside = distance_to(own, cap)  # (B, C, H, W), 0 inside
    # The nearest pixel outside of its class is the nearest one of any other class.
    others = torch.where(own, float(cap), outside)
    inside = others.amin(dim=1, keepdim=True)  # (B, 1, H, W)
    signed = torch.where(own, 0.5 - inside, outside - 0.5)  # eq-signed-distance
    present = own.flatten(2).any(-1)  # (B, C)
    contour = present & (present.sum(1, keepdim=True) > 1)
    return signed * contour[:, :, None, None]
