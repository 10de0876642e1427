"""How much codes are used, and how much they say.

Source: the perplexity of a codebook, van den Oord et al., arXiv:1711.00937; active units, Burda,
Grosse and Salakhutdinov, arXiv:1509.00519, section 5.2.
"""

import torch
from torch import Tensor


def code_counts(codes: Tensor, num_codes: int) -> Tensor:
    """Return how often each code is used, (num_codes,) int64.

    Args:
        codes: of any shape, 0 to num_codes - 1.
        num_codes: K.
    """
    counts = torch.zeros(num_codes, dtype=torch.int64, device=codes.device)
    # torch.bincount would wait for a GPU.
    return counts.index_add_(0, codes.flatten(), torch.ones_like(codes).flatten())


def perplexity(counts: Tensor) -> Tensor:
    """Return as many equally used codes as would be as hard to guess: exp of the entropy.

    Args:
        counts: (K,) uses of each code.

    Returns:
        Scalar float64 from 1 (one code for everything) to K (all equally often); NaN without uses.
    """
    share = counts.double() / counts.sum()
    return torch.special.entr(share).sum().exp()  # eq-perplexity


def active_units(means: Tensor, *, threshold: float = 0.01) -> Tensor:
    """Return which numbers of a code say something about the image, (D,) bool.

    A number is active if its posterior mean varies over images by more than the threshold.

    Args:
        means: (N, D) posterior means of N images.
        threshold: of the variance.

    Raises:
        ValueError: for fewer than two images.
    """
    if means.ndim != 2 or len(means) < 2:
        raise ValueError(
            f"means have shape {tuple(means.shape)}; wanted (N, D) of at least 2 images."
        )
    return means.double().var(0) > threshold  # eq-active-unit
