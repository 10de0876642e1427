"""The evidence lower bound, part by part, in nats for each image.

The two terms have one unit, so neither has a free weight: the reconstruction is a log-likelihood,
*summed* over the numbers of a picture, and the divergence is summed over the numbers of a code. A
mean over pixels in the place of the first sum is a weight of C·H·W on the second.

Source: Kingma and Welling, arXiv:1312.6114, appendix B (the closed form); Kingma et al.,
arXiv:1606.04934, section 5 and appendix C.8 (free bits); Salimans et al., arXiv:1701.05517, section
2.1 (the discretised logistic); Higgins et al., ICLR 2017 (beta).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.models.pixel_outputs import Pixels

LEVELS = 256  # of grey
HALF = 1 / (LEVELS - 1)  # half the gap between two levels, where black is -1 and white 1


def gaussian_kl(
    mean: Tensor,
    logvar: Tensor,
    prior_mean: Tensor | None = None,
    prior_logvar: Tensor | None = None,
) -> Tensor:
    """Return the Kullback-Leibler divergence of each number of a code, in nats.

    Args:
        mean: (B, D) of the posterior q.
        logvar: (B, D), the logarithm of its variance.
        prior_mean: of the prior p, broadcast; ``None``: 0.
        prior_logvar: of the prior, broadcast; ``None``: 0, a variance of 1.

    Returns:
        (B, D), KL(q ‖ p) of each number by itself; their sum over D is that of the code.
    """
    if prior_mean is None and prior_logvar is None:
        return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)  # eq-gaussian-kl
    away = mean if prior_mean is None else mean - prior_mean
    ratio = logvar if prior_logvar is None else logvar - prior_logvar
    precision = 1.0 if prior_logvar is None else (-prior_logvar).exp()
    return 0.5 * (away.square() * precision + ratio.exp() - 1 - ratio)


def bernoulli_log_likelihood(logits: Tensor, images: Tensor, *, check: bool = True) -> Tensor:
    """Return the log-probability of black and white pictures, in nats.

    Args:
        logits: (B, C, H, W) of white.
        images: (B, C, H, W), -1 or 1 and nothing between: of a grey pixel a Bernoulli
            distribution has no probability.
        check: whether to look at the images' values, which waits for their device.

    Returns:
        (B,), summed over the numbers of a picture.

    Raises:
        ValueError: for grey pixels.
    """
    if check and not (images.abs() == 1).all():
        raise ValueError(
            "images hold grey pixels, of which a Bernoulli distribution has no probability: "
            'binarise them first (`data.binarise`), or use the likelihood "gaussian" or "logistic".'
        )
    # log σ(a) for white (1) and log σ(-a) for black (-1).
    return F.logsigmoid(images * logits).flatten(1).sum(1)  # eq-bernoulli-likelihood


def gaussian_log_likelihood(mean: Tensor, log_sigma: Tensor, images: Tensor) -> Tensor:
    """Return the log-density of pictures under a normal distribution of each pixel, in nats.

    Args:
        mean: (B, C, H, W).
        log_sigma: logarithm of the standard deviation, a scalar or broadcast.
        images: (B, C, H, W).

    Returns:
        (B,), summed over the numbers of a picture. A density may exceed 1, so this may be positive,
        and it is no number of bits.
    """
    error = (images - mean) * (-log_sigma).exp()
    density = -0.5 * error.square() - log_sigma - 0.5 * math.log(2 * math.pi)
    return density.flatten(1).sum(1)  # eq-gaussian-likelihood


def logistic_log_likelihood(
    mean: Tensor, log_scale: Tensor, images: Tensor, *, check: bool = True
) -> Tensor:
    """Return the log-probability of pictures of 256 grey levels, in nats.

    A level's probability is the mass of a logistic distribution between the middles to its
    neighbours; black and white get all that lies beyond. So the 256 probabilities sum to one.

    Args:
        mean: (B, C, H, W), where black is -1 and white 1.
        log_scale: (B, C, H, W).
        images: (B, C, H, W), whole grey levels in the same unit.
        check: whether to look at the images' values, which waits for their device.

    Returns:
        (B,), summed over the numbers of a picture.

    Raises:
        ValueError: for values outside [-1, 1].
    """
    if check and not (images.abs() <= 1).all():
        low, high = float(images.min()), float(images.max())
        raise ValueError(
            f"images go from {low:.3g} to {high:.3g}; the grey levels lie between -1 and 1. Use "
            "`data.to_float` on uint8 images."
        )
    away, inverse = images - mean, (-log_scale).exp()
    above, below = (away + HALF) * inverse, (away - HALF) * inverse
    # log(σ(b) - σ(a)) = log σ(b) + log σ(-a) + log(1 - exp(a - b)): exact in the tails, too.
    width = 2 * HALF * inverse
    between = F.logsigmoid(above) + F.logsigmoid(-below) + torch.log(-torch.expm1(-width))
    black, white = F.logsigmoid(above), F.logsigmoid(-below)
    chance = torch.where(images < -1 + HALF, black, torch.where(images > 1 - HALF, white, between))
    return chance.flatten(1).sum(1)  # eq-logistic-likelihood


def log_likelihood(pixels: Pixels, images: Tensor, *, check: bool = True) -> Tensor:
    """Return the log-likelihood (B,) of pictures (B, C, H, W) under what a decoder says, in nats.

    Args:
        pixels: of the decoder.
        images: in [-1, 1]; -1 or 1 alone for "bernoulli".
        check: whether to look at the images' values, which waits for their device.

    Raises:
        ValueError: for images of another shape, or with values that have no probability.
    """
    if pixels.location.shape != images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)} and the decoder draws "
            f"{tuple(pixels.location.shape)}; give it as many codes as images, of one size."
        )
    if pixels.likelihood == "bernoulli":
        return bernoulli_log_likelihood(pixels.location, images, check=check)
    assert pixels.log_scale is not None
    if pixels.likelihood == "gaussian":
        return gaussian_log_likelihood(pixels.location, pixels.log_scale, images)
    return logistic_log_likelihood(pixels.location, pixels.log_scale, images, check=check)


def free_bits(kl: Tensor, floor: float) -> Tensor:
    """Return the divergence that is charged, when each number of a code has some for nothing.

    Args:
        kl: (B, D), of each number of each image's code.
        floor: nats, per number of the code, that cost nothing, so that nothing is gained by giving
            them up.

    Returns:
        Scalar: the mean over the batch, at least the floor, summed over the numbers of a code.
    """
    return kl.mean(0).clamp(min=floor).sum()  # eq-free-bits


def negative_elbo(
    log_likelihood: Tensor, kl: Tensor, *, beta: float = 1.0, floor: float = 0.0
) -> Tensor:
    """Return what a VAE minimises: minus the evidence lower bound, in nats for each image.

    With a weight above 1, or with a floor, it is a looser bound; with one below 1 it is none.

    Args:
        log_likelihood: (B,) of the images, given codes drawn from their posteriors.
        kl: (B, D), of each number of each image's code.
        beta: weight of the divergence.
        floor: nats per number of the code that cost nothing, see `free_bits`.

    Returns:
        Scalar, a mean over the batch.
    """
    return -log_likelihood.mean() + beta * free_bits(kl, floor)  # eq-elbo
