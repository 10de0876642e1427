"""Losses that are made from the overlap score itself: soft Dice and Lovász-softmax.

Neither is a mean over pixels: a pixel's gradient depends on all others of its class.

Sources: Dice as a loss, Milletari et al., arXiv:1606.04797, section 3 (with squares in the
denominator, which are left out here, as in Drozdzal et al., arXiv:1608.04117, equation 1);
Lovász-softmax, Berman et al., arXiv:1705.08790, equations 9 to 12 and algorithm 1.
"""

import torch
from torch import Tensor

from course_lib.losses.labels import IGNORE, Labelled, labelled, mean_over_present


def dice_loss(
    logits: Tensor,
    target: Tensor,
    *,
    smooth: float = 0.0,
    per_image: bool = False,
    ignore_index: int | None = IGNORE,
) -> Tensor:
    """One minus the Dice coefficient of probabilities, mean over the classes that occur.

    Args:
        logits: (B, C, H, W).
        target: (B, H, W) integer labels in [0, C) or ignore_index.
        smooth: added above and below the fraction, in pixels; softens the loss of small classes.
        per_image: compute it in each image and take the mean; by default over the whole batch.
        ignore_index: label of pixels that do not count, or None.

    Returns:
        Scalar in [0, 1]. 0, with zero gradients, if no pixel counts.

    Raises:
        ValueError: a wrong dtype, shapes that do not fit, a negative `smooth`, a label out of range
            (on an accelerator the loss is NaN instead).
    """
    if smooth < 0:
        raise ValueError(f"smooth is {smooth}; it must be at least 0 pixels.")
    given = labelled(logits, target, ignore_index)
    p, y, valid = _grouped(given, per_image)  # (G, C, P), (G, P), (G, P)
    classes = torch.arange(given.num_classes, device=p.device)[None, :, None]
    true = (y[:, None] == classes) & valid[:, None]  # (G, C, P)
    # `sum` adds in pairs. One number after the other (`scatter_add`) would lose digits: from a
    # million pixels on, a probability of 0.98 counts as 1.
    common = torch.where(true, p, 0).sum(2)  # (G, C)
    all_of_it = torch.where(valid[:, None], p, 0).sum(2) + true.sum(2)
    above, below = 2 * common + smooth, all_of_it + smooth  # eq-dice-loss
    present = true.any(2)
    loss = 1 - above / torch.where(present, below, 1)
    return given.finish(mean_over_present(loss, present))


def lovasz_softmax(
    logits: Tensor,
    target: Tensor,
    *,
    per_image: bool = False,
    ignore_index: int | None = IGNORE,
) -> Tensor:
    """Lovász extension of one minus IoU, at the errors of the softmax; mean over present classes.

    Args:
        logits: (B, C, H, W).
        target: (B, H, W) integer labels in [0, C) or ignore_index.
        per_image: compute it in each image and take the mean; by default over the whole batch.
        ignore_index: label of pixels that do not count, or None.

    Returns:
        Scalar in [0, 1]. 0, with zero gradients, if no pixel counts.

    Raises:
        ValueError: a wrong dtype, shapes that do not fit, a label out of range (on an accelerator
            the loss is NaN instead).
    """
    given = labelled(logits, target, ignore_index)
    p, y, valid = _grouped(given, per_image)  # (G, C, P), (G, P), (G, P)
    classes = torch.arange(given.num_classes, device=p.device)[None, :, None]
    true = (y[:, None] == classes) & valid[:, None]  # (G, C, P)
    error = torch.where(true, 1 - p, p)  # eq-lovasz-errors
    # Ignored pixels get error 0 and go last: they can neither add to the loss nor to a union
    # that counts.
    error = torch.where(valid[:, None], error, 0)
    order = torch.where(valid[:, None], error.detach(), -1).argsort(-1, descending=True)
    error, true = error.gather(-1, order), true.gather(-1, order)
    growth = lovasz_gradient(true, dtype=error.dtype)
    loss = (error * growth).sum(-1)  # (G, C), eq-lovasz-extension
    return given.finish(mean_over_present(loss, true.any(-1)))


def lovasz_gradient(true: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """How much one minus IoU grows with each further wrong pixel, the worst ones first.

    Args:
        true: (..., P) bool, whether the pixel belongs to the class; sorted by error, largest first.
        dtype: of the result.

    Returns:
        (..., P): differences of the Jaccard loss of the first 0, 1, ..., P pixels.

    Source: arXiv:1705.08790, algorithm 1.
    """
    area = true.sum(-1, keepdim=True)
    # Wrong so far: true pixels missed leave the intersection, others enter the union.
    common = area - true.cumsum(-1)
    union = area + (~true).cumsum(-1)
    # An absent class has an empty union before its first wrong pixel; callers leave it out.
    jaccard = 1 - common.to(dtype) / union.clamp(min=1)
    return torch.diff(jaccard, dim=-1, prepend=torch.zeros_like(jaccard[..., :1]))


def _grouped(given: Labelled, per_image: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities (G, C, P), labels (G, P), what counts (G, P); a group is an image or all."""
    batch, num_classes = given.logits.shape[:2]
    p = given.logits.softmax(dim=1).reshape(batch, num_classes, -1)  # (B, C, H W)
    y, valid = given.target.reshape(batch, -1), given.valid.reshape(batch, -1)
    if not per_image:
        p = p.transpose(0, 1).reshape(1, num_classes, -1)  # (1, C, B H W)
        y, valid = y.reshape(1, -1), valid.reshape(1, -1)
    return p, y, valid
