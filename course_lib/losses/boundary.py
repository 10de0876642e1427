"""A loss that knows how far a pixel is from where the border should be.

Source: Kervadec et al., "Boundary loss for highly unbalanced segmentation", arXiv:1812.07032,
equation 5.

Differs from the paper: all classes that an image contains count, not only the foreground; contours
run between pixels; distances end at `cap` pixels and are counted in units of it, so that the map
costs little at every step, far pixels do not outweigh those at the border, and the loss has the
size of the others and can be added to them.
"""

from torch import Tensor

from course_lib.losses.labels import IGNORE, labelled
from course_lib.ops.distance import signed_distance


def boundary_loss(
    logits: Tensor, target: Tensor, *, cap: int = 16, ignore_index: int | None = IGNORE
) -> Tensor:
    """Mean over pixels of the probabilities times the signed distances to the true contours.

    Inside of a class the distance is negative, so probability there lowers the loss; outside, the
    more the farther. It is negative for a good answer. It says little to a network that knows
    nothing yet: add it to cross-entropy or Dice.

    Args:
        logits: (B, C, H, W).
        target: (B, H, W) integer labels in [0, C) or ignore_index.
        cap: distances beyond that many pixels count as that; also their unit.
        ignore_index: label of pixels that do not count and make no contour, or None.

    Returns:
        Scalar in (-1, 1): sum over classes, mean over labelled pixels. 0, with zero gradients, if
        no pixel counts or no image has two classes.

    Raises:
        ValueError: a wrong dtype, shapes that do not fit, a cap below 1, a label out of range (on
            an accelerator the loss is NaN instead).
    """
    given = labelled(logits, target, ignore_index)
    if logits.ndim != 4:
        raise ValueError(
            f"logits have shape {tuple(logits.shape)}; a contour needs images: (B, C, H, W)."
        )
    known = given.target.masked_fill(~given.valid, -1)  # ignored pixels are of no class
    distance = signed_distance(known, given.num_classes, cap) / cap  # (B, C, H, W)
    weighted = (given.logits.softmax(dim=1) * distance).sum(1)  # (B, H, W)
    total = (weighted * given.valid).sum()  # eq-boundary-loss
    return given.finish(total / given.valid.sum().clamp(min=1))
