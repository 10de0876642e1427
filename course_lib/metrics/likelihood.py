"""How likely a model finds images: bounds on the log-likelihood, and bits for each number.

Source: Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", arXiv:1509.00519,
equation 8 (the bound) and section 5 (5,000 samples at test).
"""

import math

import torch
from torch import Tensor, nn

from course_lib.losses import gaussian_kl, log_likelihood
from course_lib.models import CVAE, VAE, CodeGenerator
from course_lib.models.conditioning import exact_dtype
from course_lib.models.pixel_outputs import Pixels
from course_lib.models.vae import Gaussian

CHUNK = 2_000_000  # numbers of pictures that are held at once


@torch.no_grad()
def elbo(model: VAE | CVAE, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the two parts of the evidence lower bound of each image, in nats.

    Args:
        model: in eval mode or not, it makes no difference.
        images: (N, C, H, W) in [-1, 1], as the model was trained on: binarised for "bernoulli".
        labels: (N,) for a CVAE.

    Returns:
        The expected log-likelihood (N,), estimated from one code of each image, and the divergence
        (N, D) of each number of the code, exact. The bound is the first minus the second's sum.
    """
    posterior = _posterior(model, images, labels)
    likely = log_likelihood(_pixels(model, posterior.sample(), labels), images)
    return likely, gaussian_kl(*posterior)


@torch.no_grad()
def importance_bound(
    model: VAE | CVAE, images: Tensor, labels: Tensor | None = None, *, num: int = 5000
) -> Tensor:
    """Return the importance-weighted bound on the log-likelihood of each image, in nats.

    log 1/k Σ p(x, z_i) / q(z_i | x), with k codes from the posterior. With one code its mean is the
    evidence lower bound; it grows with k, towards the log-likelihood.

    Args:
        model: a VAE or CVAE.
        images: (N, C, H, W) in [-1, 1], as the model was trained on: binarised for "bernoulli".
        labels: (N,) for a CVAE.
        num: k, codes for each image. Say it beside the number.

    Returns:
        (N,).

    Raises:
        ValueError: for fewer than one code.
    """
    if num < 1:
        raise ValueError(f"num is {num}; at least one code for each image is needed.")
    together = max(1, min(num, CHUNK // images[0].numel()))  # codes of one image at once
    rows = max(1, CHUNK // (images[0].numel() * together))  # images at once
    parts, exact = [], exact_dtype(images.device)
    for start in range(0, len(images), rows):
        some = images[start : start + rows]
        told = None if labels is None else labels[start : start + rows]
        posterior = _posterior(model, some, told)
        total = torch.full((len(some),), -math.inf, device=some.device, dtype=exact)
        for first in range(0, num, together):
            k = min(together, num - first)
            mean, logvar = (part.repeat_interleave(k, dim=0) for part in posterior)
            noise = torch.randn_like(mean)
            z = mean + (0.5 * logvar).exp() * noise  # (n k, D)
            labels_k = None if told is None else told.repeat_interleave(k, dim=0)
            pixels = _pixels(model, z, labels_k)
            likely = log_likelihood(pixels, some.repeat_interleave(k, dim=0), check=first == 0)
            # log p(z) - log q(z|x): the constants of both normal densities are the same.
            ratio = 0.5 * (noise.square() + logvar - z.square()).sum(1)
            weights = (likely + ratio).to(exact).view(len(some), k)  # eq-importance-weight
            total = torch.logaddexp(total, weights.logsumexp(1))
        parts.append(total - math.log(num))  # eq-importance-bound
    return torch.cat(parts)


@torch.no_grad()
def codes_log_likelihood(
    model: CodeGenerator, images: Tensor, labels: Tensor | None = None, *, batch_size: int = 250
) -> tuple[Tensor, Tensor]:
    """Return the two parts of a VQ-VAE's bound of each image, in nats.

    The encoder names one map of codes with certainty, so log p(x) >= log p(x | codes) + log
    p(codes): the sum of the two parts.

    Args:
        model: the VQ-VAE with its prior.
        images: (N, C, H, W) in [-1, 1].
        labels: (N,) for a prior with classes.
        batch_size: images at once.

    Returns:
        log p(x | codes) (N,), and log p(codes) (N,).
    """
    likely, prior = [], []
    for start in range(0, len(images), batch_size):
        some = images[start : start + batch_size]
        told = None if labels is None else labels[start : start + batch_size]
        codes = model.codes.encode(some)
        likely.append(log_likelihood(model.codes.pixels(codes), some))
        prior.append(model.prior.log_prob(codes, told))
    return torch.cat(likely), torch.cat(prior)


def bits_per_dim(log_likelihood: Tensor, numbers: int) -> Tensor:
    """Return how many bits each number of a picture costs, from log-probabilities.

    Args:
        log_likelihood: of pictures of whole grey levels, in nats; of a density, as "gaussian" gives
            it, there is no such number.
        numbers: of a picture, C·H·W.

    Raises:
        ValueError: for fewer than one number.
    """
    if numbers < 1:
        raise ValueError(f"numbers is {numbers}; a picture has at least one.")
    return -log_likelihood / (numbers * math.log(2))  # eq-bits-per-dim


def _posterior(model: nn.Module, images: Tensor, labels: Tensor | None) -> Gaussian:
    encoder: nn.Module = model.encoder  # type: ignore[assignment]
    return encoder(images) if labels is None else encoder(images, labels)


def _pixels(model: nn.Module, z: Tensor, labels: Tensor | None) -> Pixels:
    return model.decoder.pixels(z, labels)  # type: ignore[union-attr,operator]
