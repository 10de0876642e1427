"""What each model with a likelihood minimises on a batch, and what is noted beside it."""

import torch
from torch import Tensor, nn

from course_lib.losses import gaussian_kl, log_likelihood, negative_elbo
from course_lib.metrics.codes import code_counts, perplexity
from course_lib.models import CVAE, VAE, VQVAE, CodeGenerator

ACTIVE = 0.01  # nats from which a number of a code counts as active

Terms = dict[str, Tensor]  # scalars; the one called "loss" is minimised


def autoencoder_terms(
    model: VAE | CVAE, images: Tensor, labels: Tensor, *, beta: float, floor: float
) -> Terms:
    """Return the terms of a VAE's bound, in nats for each image.

    Args:
        model: which is told the labels, if it knows classes.
        images: (B, C, H, W).
        labels: (B,).
        beta: weight of the divergence.
        floor: nats for each number of a code that cost nothing.
    """
    pixels, posterior, _ = model(images, labels) if isinstance(model, CVAE) else model(images)
    likely = log_likelihood(pixels, images, check=False)  # (B,)
    kl = gaussian_kl(*posterior)  # (B, D)
    divergence = kl.sum(1).mean()
    terms = {
        "loss": negative_elbo(likely, kl, beta=beta, floor=floor),
        "elbo": likely.mean() - divergence,
        "log_likelihood": likely.mean(),
        "divergence": divergence,
        "active": (kl.mean(0) > ACTIVE).sum(),
        "beta": torch.full((), beta, device=images.device),
    }
    return terms if pixels.log_scale is None else {**terms, "scale": pixels.log_scale.exp().mean()}


def codebook_terms(model: VQVAE, images: Tensor) -> Terms:
    """Return the terms of a VQ-VAE: nats for each image, and the quantiser's loss.

    The quantiser's loss counts per number of its input, the likelihood per number of the picture:
    both are means, so that neither grows with the image.
    """
    pixels, codes, loss = model(images)
    likely = log_likelihood(pixels, images, check=False).mean()
    used = code_counts(codes, model.num_codes)
    terms = {
        "loss": -likely / images[0].numel() + loss,
        "log_likelihood": likely,
        "quantiser_loss": loss,
        "perplexity": perplexity(used),
        "vectors": torch.full((), float(codes.numel()), device=images.device),
    }
    return terms if pixels.log_scale is None else {**terms, "scale": pixels.log_scale.exp().mean()}


def prior_terms(model: CodeGenerator, images: Tensor, labels: Tensor) -> Terms:
    """Return the terms of a prior of codes; the VQ-VAE that makes them learns nothing.

    Args:
        model: both.
        images: (B, C, H, W), which are turned into codes.
        labels: (B,), which a prior with classes is told.
    """
    with torch.no_grad():
        codes = model.codes.encode(images)
    told = labels if model.num_classes else None
    nats = -model.prior.log_prob(codes, told).mean()
    return {"loss": nats / model.prior.length, "nats": nats}


def terms_of(
    model: nn.Module, images: Tensor, labels: Tensor, *, beta: float, floor: float
) -> Terms:
    """Return the terms of a model of any of these kinds.

    Raises:
        ValueError: for another kind.
    """
    if isinstance(model, VAE | CVAE):
        return autoencoder_terms(model, images, labels, beta=beta, floor=floor)
    if isinstance(model, VQVAE):
        return codebook_terms(model, images)
    if isinstance(model, CodeGenerator):
        return prior_terms(model, images, labels)
    raise ValueError(
        f"train_variational trains a VAE, CVAE, VQVAE or CodeGenerator and got a "
        f"{type(model).__name__}; a VAEGAN is trained by train_vaegan."
    )
