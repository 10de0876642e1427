"""What is minimised: losses of logits (B, C, H, W) and labels (B, H, W), each a scalar.

All of them leave out pixels with the ignore label, give 0 with zero gradients where no pixel
counts, and refuse labels out of range.
"""

from course_lib.losses.boundary import boundary_loss
from course_lib.losses.choose import LOSSES, Loss, check_loss, make_loss
from course_lib.losses.overlap import dice_loss, lovasz_gradient, lovasz_softmax
from course_lib.losses.pixelwise import cross_entropy, focal_loss, median_frequency_weights

__all__ = [
    "LOSSES",
    "Loss",
    "boundary_loss",
    "check_loss",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "lovasz_gradient",
    "lovasz_softmax",
    "make_loss",
    "median_frequency_weights",
]
