"""Check of the exercise `vae_loss`: repair the loss of a VAE."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks.kinds import Repair

LOG_2PI = math.log(2 * math.pi)


def reference(
    encoder: nn.Module, decoder: nn.Module, log_sigma: Tensor, images: Tensor, noise: Tensor
) -> Tensor:
    """Return minus the evidence lower bound, in nats for each image.

    Args:
        encoder: images to (mean, logvar), (B, D) each.
        decoder: codes (B, D) to mean images (B, C, H, W).
        log_sigma: scalar, the logarithm of the deviation of every pixel; it is learned, too.
        images: (B, C, H, W).
        noise: (B, D), standard normal.

    Returns:
        Scalar, a mean over the batch.

    Source: eq-elbo, eq-gaussian-likelihood.
    """
    return _loss(encoder, decoder, log_sigma, images, noise)


def _loss(
    encoder: nn.Module,
    decoder: nn.Module,
    log_sigma: Tensor,
    images: Tensor,
    noise: Tensor,
    *,
    pixels: str = "sum",
    deviation: float = 0.5,
    path: str = "open",
    codes: str = "sum",
    own_sigma: float = 1.0,
    sign: float = 1.0,
    half: float = 0.5,
    constant: float = LOG_2PI / 2,
    batch: str = "mean",
) -> Tensor:
    """The loss, with each of its parts right or wrong."""
    mean, logvar = encoder(images)
    z = mean + (deviation * logvar).exp() * noise
    drawn = decoder(z.detach() if path == "cut" else z)
    numbers = images[0].numel()
    if pixels == "sum":
        error = (images - drawn).square().sum() / len(images)
    else:
        error = F.mse_loss(drawn, images)
    nats = half * error * (-2 * log_sigma).exp() + numbers * (own_sigma * log_sigma + constant)
    each = 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
    divergence = each.sum(1).mean() if codes == "sum" else each.mean()
    total = nats + sign * divergence
    return total * len(images) if batch == "sum" else total


BUGS: dict[str, Any] = {
    "pixels": "mean",
    "deviation": 1.0,
    "path": "cut",
    "codes": "mean",
    "own_sigma": 0.0,
}


def broken(
    encoder: nn.Module, decoder: nn.Module, log_sigma: Tensor, images: Tensor, noise: Tensor
) -> Tensor:
    """The function that the learner is given."""
    return _loss(encoder, decoder, log_sigma, images, noise, **BUGS)


class _Names(nn.Module):
    """An encoder: the same mean and log-variance for every image, and both can learn."""

    def __init__(self, mean: Tensor, logvar: Tensor) -> None:
        super().__init__()
        self.mean, self.logvar = nn.Parameter(mean), nn.Parameter(logvar)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, D) twice."""
        size = (len(images), -1)
        return self.mean.expand(size), self.logvar.expand(size)


class _Fixed(nn.Module):
    """A decoder that draws the same whatever the code, and keeps what it was given."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()
        self.picture = picture
        self.seen: Tensor | None = None

    def forward(self, z: Tensor) -> Tensor:
        """Return (B, C, H, W)."""
        self.seen = z.detach()
        return self.picture.expand(len(z), *self.picture.shape)


class _Linear(nn.Module):
    """Encoder or decoder: one affine map."""

    def __init__(self, before: int, after: int, generator: torch.Generator) -> None:
        super().__init__()
        size = (after, before)
        self.weight = nn.Parameter(0.3 * torch.randn(size, generator=generator).double())
        self.bias = nn.Parameter(0.3 * torch.randn(after, generator=generator).double())

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, after)."""
        return F.linear(x.flatten(1), self.weight, self.bias)


class _Encoder(_Linear):
    """Images of six pixels to mean and log-variance of codes of three numbers."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__(6, 6, generator)

    def forward(self, x: Tensor) -> Any:
        """Return (B, 3) twice."""
        return super().forward(x).chunk(2, dim=1)


class _Decoder(_Linear):
    """Codes of three numbers to images of six pixels."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__(3, 6, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1, 2, 3)."""
        return super().forward(x).view(-1, 1, 2, 3)


def _draws(generator: torch.Generator, *size: int) -> Tensor:
    return torch.randn(size, generator=generator, dtype=torch.float64)


def _example(generator: torch.Generator) -> tuple:
    """Five images of 2 by 3 pixels, codes of three numbers."""
    log_sigma = (0.3 + 0.3 * torch.rand((), generator=generator)).double().requires_grad_()
    parts = _Encoder(generator), _Decoder(generator)
    return *parts, log_sigma, _draws(generator, 5, 1, 2, 3), _draws(generator, 5, 3)


def _gradients(student: Any, arguments: tuple) -> tuple:
    """The loss, and where it pulls encoder, decoder and deviation."""
    loss = student(*arguments)
    assert isinstance(loss, Tensor), f"the loss is a {type(loss).__name__}, wanted a torch.Tensor"
    assert loss.ndim == 0, f"the loss has shape {tuple(loss.shape)}, wanted one number"
    assert loss.requires_grad, "the loss has no gradient at all"
    encoder, decoder = student.given[:2]
    parts = [list(encoder.parameters()), list(decoder.parameters()), [arguments[2]]]
    pulls = torch.autograd.grad(loss, [p for part in parts for p in part], allow_unused=True)
    whole = [
        torch.zeros_like(p) if g is None else g
        for g, p in zip(pulls, [p for part in parts for p in part], strict=True)
    ]
    first = len(parts[0])
    return loss.detach(), whole[:first], whole[first:-1], whole[-1]


vae_loss = Repair(
    "vae_loss",
    lab="vae",
    level="build",
    minutes=25,
    reference=reference,
    broken=broken,
    example=_example,
    probe=_gradients,
)


def _value(student: Any, *arguments: Any) -> float:
    loss = student(*arguments)
    assert isinstance(loss, Tensor), f"the loss is a {type(loss).__name__}, wanted a torch.Tensor"
    assert loss.numel() == 1, f"the loss has shape {tuple(loss.shape)}, wanted one number"
    return loss.detach().item()


ZERO = torch.zeros((), dtype=torch.float64)


@vae_loss.bug(
    "the error is summed over the pixels",
    left=partial(_loss, pixels="mean"),
    hint="mse_loss averages over the pixels and the batch. The log-likelihoods of independent "
    "pixels add up: sum them, and average over the batch only. The mean would be a decoder with "
    "far more noise, and the codes would fall silent.",
)
def _pixels(student: Any, generator: torch.Generator) -> None:
    noise = _draws(generator, 3, 2)
    encoder = _Names(_draws(generator, 2), _draws(generator, 2))
    decoder = _Fixed(torch.zeros(1, 3, 4, dtype=torch.float64))
    away = 1 + torch.rand((), generator=generator).double()
    images = torch.ones(3, 1, 3, 4, dtype=torch.float64)
    near, far = (
        _value(student, encoder, decoder, ZERO, x, noise) for x in (0 * images, away * images)
    )
    wanted = 12 * float(away) ** 2 / 2
    assert math.isclose(far - near, wanted, rel_tol=1e-6), (
        f"each of 12 pixels is off by {float(away):.2f}, with sigma = 1, and the loss rises by "
        f"{far - near:.3f} nats; wanted {wanted:.3f}"
    )


@vae_loss.bug(
    "codes spread by their deviation",
    left=partial(_loss, deviation=1.0),
    hint="You multiply the noise by exp(logvar), the variance. The deviation is exp(logvar / 2).",
)
def _spread(student: Any, generator: torch.Generator) -> None:
    logvar = 1 + torch.rand(2, generator=generator).double()
    encoder = _Names(torch.zeros(2, dtype=torch.float64), logvar)
    decoder = _Fixed(torch.zeros(1, 3, 4, dtype=torch.float64))
    student(encoder, decoder, ZERO, torch.zeros(3, 1, 3, 4).double(), torch.ones(3, 2).double())
    seen = student.given[1].seen
    assert seen is not None, "the decoder was not called"
    wanted = (0.5 * logvar).exp()
    assert torch.allclose(seen, wanted.expand(3, 2)), (
        f"for the mean 0, a variance of {float(logvar[0].exp()):.3f} and a noise of 1 the decoder "
        f"gets {float(seen[0, 0]):.3f}; wanted {float(wanted[0]):.3f}"
    )


@vae_loss.bug(
    "the encoder hears the decoder",
    left=partial(_loss, path="cut"),
    hint="You detach the code before it goes into the decoder. The encoder then hears the "
    "divergence alone, and says nothing. Let the gradient pass through the draw.",
)
def _path(student: Any, generator: torch.Generator) -> None:
    encoder, decoder = _Encoder(generator), _Decoder(generator)
    images, noise = _draws(generator, 5, 1, 2, 3), _draws(generator, 5, 3)
    pulls = []
    for factor in (1.0, 3.0):  # decoders that draw otherwise
        with torch.no_grad():
            decoder.weight.mul_(factor)
        loss = student(encoder, decoder, ZERO, images, noise)
        assert isinstance(loss, Tensor) and loss.requires_grad, "the loss has no gradient at all"
        pulls.append(torch.autograd.grad(loss, list(student.given[0].parameters())))
    assert not all(torch.allclose(a, b) for a, b in zip(*pulls, strict=True)), (
        "the encoder gets the same gradient whatever the decoder draws"
    )


@vae_loss.bug(
    "the divergence is summed over the code",
    left=partial(_loss, codes="mean"),
    hint="The divergence is averaged over the numbers of the code. They are independent, so their "
    "nats add up: .sum(1) first, then the mean over the batch.",
)
def _codes(student: Any, generator: torch.Generator) -> None:
    away = 1 + torch.rand((), generator=generator).double()
    decoder = _Fixed(torch.zeros(1, 3, 4, dtype=torch.float64))
    zeros = torch.zeros(4, dtype=torch.float64)
    images, noise = _draws(generator, 3, 1, 3, 4), _draws(generator, 3, 4)
    near, far = (
        _value(student, _Names(mean, zeros), decoder, ZERO, images, noise)
        for mean in (zeros, zeros + away)
    )
    wanted = 4 * float(away) ** 2 / 2
    assert math.isclose(far - near, wanted, rel_tol=1e-6), (
        f"all 4 numbers of the code move from 0 to {float(away):.2f}, with variance 1, and the "
        f"loss rises by {far - near:.3f} nats; wanted {wanted:.3f}"
    )


@vae_loss.bug(
    "a large sigma costs",
    left=partial(_loss, own_sigma=0.0),
    hint="The term N log sigma is missing. Without it a larger sigma always lowers the loss, and "
    "it grows until nothing is left of the error.",
)
def _sigma(student: Any, generator: torch.Generator) -> None:
    picture = _draws(generator, 1, 3, 4)
    encoder = _Names(_draws(generator, 2), _draws(generator, 2))
    images, noise = picture.expand(3, 1, 3, 4).clone(), _draws(generator, 3, 2)
    log_sigma = 0.5 + torch.rand((), generator=generator).double()
    one, more = (
        _value(student, encoder, _Fixed(picture), s, images, noise) for s in (ZERO, log_sigma)
    )
    wanted = 12 * float(log_sigma)
    assert math.isclose(more - one, wanted, rel_tol=1e-6), (
        f"every image is drawn exactly, sigma goes from 1 to {math.exp(float(log_sigma)):.2f}, and "
        f"the loss of 12 pixels rises by {more - one:.3f} nats; wanted {wanted:.3f}"
    )


vae_loss.equals_reference(
    "loss and gradients are right",
    points=2,
    what=(
        "the loss",
        "the encoder's gradient",
        "the decoder's gradient",
        "the gradient at log_sigma",
    ),
)

vae_loss.mistake(
    "unchanged",
    broken,
    hint="This is the loss as it was given to you. Compare it line by line with the bound; five "
    "things are wrong.",
)
vae_loss.mistake(
    "the divergence subtracted",
    partial(_loss, sign=-1.0),
    hint="You subtract the divergence from the loss. It is subtracted from the *bound*, and the "
    "loss is minus the bound: add it.",
)
vae_loss.mistake(
    "the half forgotten",
    partial(_loss, half=1.0),
    hint="Your squared error is not halved. The exponent of the normal density has "
    "1 / (2 sigma^2).",
)
vae_loss.mistake(
    "without the constant",
    partial(_loss, constant=0.0),
    hint="N / 2 times log(2 pi) is missing. No gradient changes, but what you report is no number "
    "of nats then, and compares with nobody's.",
)
vae_loss.mistake(
    "summed over the batch",
    partial(_loss, batch="sum"),
    hint="You sum over the batch. The only mean in this loss is the one over the images.",
)
