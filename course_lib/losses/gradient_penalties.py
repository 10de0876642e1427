"""Penalties on gradients at images: WGAN-GP, R1, R2, path length. All need a second derivative.

Each takes the gradient of a number *with respect to images or styles*, keeps the graph, and returns
a scalar whose gradient reaches the weights. Images may have any shape behind the batch: (B, 2)
points and (B, C, H, W) images alike.

Sources: Gulrajani et al., arXiv:1704.00028, equation 3; Mescheder et al., arXiv:1801.04406,
equation 9; Karras et al., arXiv:1912.04958, section 3.2 and appendix B.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, *, mix: Tensor | None = None
) -> Tensor:
    """Ask for slope 1 on the way from generated to real: mean of (norm of the gradient - 1)^2.

    Args:
        critic: maps images (B, ...) to scores (B,). It must judge each image by itself: with
            BatchNorm the gradient at one image holds the others' too.
        real: (B, ...) images of the data set.
        fake: as many generated images.
        mix: (B,) places between fake (0) and real (1); None: drawn uniformly, one for each image.

    Returns:
        Scalar with a gradient with respect to the critic's weights.

    Raises:
        ValueError: for shapes that differ, or scores that are not one number for each image.
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"real has shape {tuple(real.shape)} and fake {tuple(fake.shape)}; the points between "
            "them need equal shapes."
        )
    if mix is None:
        mix = torch.rand(len(real), device=real.device, dtype=real.dtype)
    mix = mix.reshape(-1, *[1] * (real.ndim - 1))  # (B, 1, ...): one place for each image
    between = (mix * real.detach() + (1 - mix) * fake.detach()).requires_grad_()
    gradient = _gradient(critic, between)  # (B, ...)
    norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1)  # (B,)
    return (norm - 1).square().mean()  # eq-gradient-penalty


def r1_penalty(discriminator: Critic, real: Tensor) -> Tensor:
    """Ask for flatness at the data: mean of the squared norm of the gradient at real images.

    The loss adds gamma / 2 times this.

    Args:
        discriminator: maps images (B, ...) to logits (B,), each image by itself.
        real: (B, ...) images of the data set.

    Returns:
        Scalar with a gradient with respect to the discriminator's weights.

    Raises:
        ValueError: for logits that are not one number for each image.
    """
    gradient = _gradient(discriminator, real.detach().clone().requires_grad_())  # (B, ...)
    return gradient.flatten(1).square().sum(dim=1).mean()  # eq-r1


def r2_penalty(discriminator: Critic, fake: Tensor) -> Tensor:
    """Ask for flatness where the generator draws: R1's penalty at generated images instead.

    The loss adds gamma / 2 times this, usually beside R1 with the same gamma.

    Args:
        discriminator: maps images (B, ...) to logits (B,), each image by itself.
        fake: (B, ...) generated images; the penalty never reaches the generator.

    Returns:
        Scalar with a gradient with respect to the discriminator's weights.

    Raises:
        ValueError: for logits that are not one number for each image.

    Source: arXiv:1801.04406, section 4.1; with R1, arXiv:2501.05441, equation 4.
    """
    return r1_penalty(discriminator, fake)  # eq-r2


def path_length_penalty(
    images: Tensor,
    styles: Tensor,
    mean: Tensor,
    *,
    noise: Tensor | None = None,
    decay: float = 0.01,
) -> tuple[Tensor, Tensor]:
    """Ask that a step in the styles changes the image by the same length everywhere.

    The length at one style is the norm of J^T y, where J is the derivative of the image with
    respect to the styles and y is noise, divided by the square root of the number of pixels so that
    it does not depend on the resolution. The penalty is the mean squared distance of these lengths
    from their moving average.

    Args:
        images: (B, C, H, W) made from the styles, with the graph.
        styles: (B, D), or (B, L, D) for L layers, of which the lengths are averaged in square.
        mean: scalar, the moving average of the lengths so far.
        noise: as the images, standard normal; None: drawn.
        decay: how far the average moves towards this batch's mean length.

    Returns:
        The penalty, a scalar with a gradient, and the new average, without.

    Raises:
        ValueError: if the images do not depend on the styles.
    """
    if not styles.requires_grad or images.grad_fn is None:
        raise ValueError(
            "the images carry no gradient with respect to the styles; make them from styles that "
            "require one, outside torch.no_grad()."
        )
    if noise is None:
        noise = torch.randn_like(images)
    height, width = images.shape[-2:]
    projected = (images * (noise / math.sqrt(height * width))).sum()
    (gradient,) = torch.autograd.grad(projected, styles, create_graph=True)  # J^T y: as styles
    layers = gradient.shape[1] if gradient.ndim > 2 else 1
    # vector_norm has a slope at length 0, and the root of a sum of squares has none.
    lengths = torch.linalg.vector_norm(gradient.flatten(1), dim=1) / layers**0.5  # (B,)
    mean = torch.lerp(mean, lengths.mean().detach(), decay)
    return (lengths - mean).square().mean(), mean  # eq-path-length


def _gradient(critic: Critic, at: Tensor) -> Tensor:
    """Return the gradient of each image's score with respect to that image, with its graph."""
    scores = critic(at)
    if scores.shape != at.shape[:1]:
        raise ValueError(
            f"got scores of shape {tuple(scores.shape)} for {len(at)} images, wanted one number "
            "for each."
        )
    # The sum's gradient is each score's own, because no score depends on another image.
    (gradient,) = torch.autograd.grad(scores.sum(), at, create_graph=True)
    return gradient
