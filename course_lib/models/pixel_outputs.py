"""What a decoder says about each pixel: not a picture, but a distribution over pictures.

Three kinds. "bernoulli": the probability of white, for images of black and white alone. "gaussian":
a mean, and one standard deviation for all pixels, fixed or learned (a σ-VAE, arXiv:2006.13202).
"logistic": location and scale of a logistic distribution whose mass is dealt out to the 256 grey
levels, so that it gives probabilities and not densities (arXiv:1701.05517, section 2.1).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LIKELIHOODS = ("bernoulli", "gaussian", "logistic")
LOWEST_SIGMA, LOWEST_SCALE = -6.0, -7.0  # logarithms, in units of half the range of grey levels


class Pixels(NamedTuple):
    """A distribution over pictures, each number of a picture by itself.

    Attributes:
        likelihood: one of `LIKELIHOODS`.
        location: (B, C, H, W): logits of white, or means in the images' unit, black -1, white 1.
        log_scale: logarithm of the standard deviation (a scalar) or of the logistic's scale
            (B, C, H, W); ``None`` for "bernoulli".
    """

    likelihood: str
    location: Tensor
    log_scale: Tensor | None = None

    def picture(self) -> Tensor:
        """Return its mean (B, C, H, W) in [-1, 1], beyond which nothing can be shown."""
        if self.likelihood == "bernoulli":
            return 2 * self.location.sigmoid() - 1
        return self.location.clamp(-1, 1)


class PixelOutputs(nn.Module):
    """Turn a decoder's last map into a distribution over pictures.

    Args:
        likelihood: one of `LIKELIHOODS`.
        sigma: standard deviation of "gaussian", in units of half the range of grey levels;
            ``None``: it is learned.
        bounded: whether the means of "gaussian" come from a tanh. A likelihood needs none; a
            picture that is judged by another network does, for beyond black and white, where it is
            cut off, no gradient comes back.

    Attributes:
        per_channel: numbers that are needed for each number of the picture.

    Raises:
        ValueError: for an unknown likelihood, or a sigma that is not positive or not needed.
    """

    def __init__(
        self, likelihood: str, sigma: float | None = None, *, bounded: bool = False
    ) -> None:
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise ValueError(
                f"likelihood is {likelihood!r}; choose one of {', '.join(LIKELIHOODS)}."
            )
        if sigma is not None and likelihood != "gaussian":
            raise ValueError(f'sigma is {sigma}, and the likelihood "{likelihood}" has none.')
        if sigma is not None and not 0 < sigma < math.inf:
            raise ValueError(f"sigma is {sigma}; it must be positive, or None to be learned.")
        if bounded and likelihood != "gaussian":
            raise ValueError(f'bounded is for "gaussian", and the likelihood is {likelihood!r}.')
        self.likelihood, self.sigma, self.bounded = likelihood, sigma, bounded
        self.per_channel = 2 if likelihood == "logistic" else 1
        learned = likelihood == "gaussian" and sigma is None
        self.raw_sigma = nn.Parameter(torch.zeros(())) if learned else None

    @property
    def log_sigma(self) -> Tensor | None:
        """The logarithm of the standard deviation, for "gaussian"."""
        if self.raw_sigma is not None:
            # Softly bounded: a picture that can be drawn exactly would ask for a deviation of 0.
            return softly_above(self.raw_sigma, LOWEST_SIGMA)
        return None if self.sigma is None else torch.tensor(math.log(self.sigma))

    def forward(self, raw: Tensor) -> Pixels:  # (B, per_channel * C, H, W)
        """Return the distribution, in float32, or in float64 where the network has that."""
        raw = raw if raw.dtype == torch.float64 else raw.float()
        if self.likelihood == "bernoulli":
            return Pixels(self.likelihood, raw)
        if self.likelihood == "gaussian":
            # A fixed one is made on the CPU; what is noted in a step has to lie on one device.
            log_sigma = self.log_sigma.to(raw.device) if self.log_sigma is not None else None
            return Pixels(self.likelihood, raw.tanh() if self.bounded else raw, log_sigma)
        location, scale = raw.chunk(2, dim=1)  # (B, C, H, W) each
        return Pixels(self.likelihood, location, softly_above(scale - 2, LOWEST_SCALE))


def softly_above(x: Tensor, bound: float) -> Tensor:
    """Return about x where it lies above a bound, and about the bound where it does not."""
    return bound + F.softplus(x - bound)
