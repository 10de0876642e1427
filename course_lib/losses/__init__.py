"""What is minimised, each a scalar.

Segmentation: losses of logits (B, C, H, W) and labels (B, H, W). All of them leave out pixels with
the ignore label, give 0 with zero gradients where no pixel counts, and refuse labels out of range.

Autoencoders with codes: the parts of the evidence lower bound, in nats for each image.

Adversarial games: losses of the discriminator's outputs (B,), and penalties on its gradients.
"""

from course_lib.losses.adversarial import (
    ADVERSARIAL_LOSSES,
    discriminator_loss,
    generator_loss,
)
from course_lib.losses.boundary import boundary_loss
from course_lib.losses.gradient_penalties import (
    gradient_penalty,
    path_length_penalty,
    r1_penalty,
    r2_penalty,
)
from course_lib.losses.named import LOSSES, Loss, check_loss, make_loss
from course_lib.losses.overlap import dice_loss, lovasz_gradient, lovasz_softmax
from course_lib.losses.pixelwise import cross_entropy, focal_loss, median_frequency_weights
from course_lib.losses.variational import (
    bernoulli_log_likelihood,
    free_bits,
    gaussian_kl,
    gaussian_log_likelihood,
    log_likelihood,
    logistic_log_likelihood,
    negative_elbo,
)

__all__ = [
    "ADVERSARIAL_LOSSES",
    "LOSSES",
    "Loss",
    "bernoulli_log_likelihood",
    "boundary_loss",
    "check_loss",
    "cross_entropy",
    "dice_loss",
    "discriminator_loss",
    "focal_loss",
    "free_bits",
    "gaussian_kl",
    "gaussian_log_likelihood",
    "generator_loss",
    "gradient_penalty",
    "log_likelihood",
    "logistic_log_likelihood",
    "lovasz_gradient",
    "lovasz_softmax",
    "make_loss",
    "median_frequency_weights",
    "negative_elbo",
    "path_length_penalty",
    "r1_penalty",
    "r2_penalty",
]
