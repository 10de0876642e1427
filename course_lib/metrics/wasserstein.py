"""The earth mover's distance where it can be computed exactly: on a line, by sorting."""

from __future__ import annotations

import torch
from torch import Tensor


def wasserstein_1d(a: Tensor, b: Tensor) -> Tensor:
    """The Wasserstein-1 distance of two samples of numbers, exactly.

    On a line nobody overtakes: the cheapest plan sends the smallest of the one to the smallest of
    the other, and so on. Samples of different sizes are compared by their distribution functions.

    Args:
        a: (N,) numbers, each of weight 1/N.
        b: (M,) numbers, each of weight 1/M.

    Returns:
        Scalar, in the unit of the numbers; it has a gradient.

    Raises:
        ValueError: an empty sample or another shape.

    Source: arXiv:1803.00567, Section 2.6.
    """
    if a.ndim != 1 or b.ndim != 1 or not len(a) or not len(b):
        raise ValueError(
            f"got samples of shape {tuple(a.shape)} and {tuple(b.shape)}; two lists of numbers, "
            "(N,) and (M,), each with at least one, are needed."
        )
    if len(a) == len(b):
        return (a.sort().values - b.sort().values).abs().mean()  # eq-wasserstein-sorted
    a, b = a.sort().values, b.sort().values
    every = torch.cat([a, b]).sort().values
    inside = every[:-1].detach()
    share_a = torch.searchsorted(a.detach(), inside, right=True).to(every.dtype) / len(a)
    share_b = torch.searchsorted(b.detach(), inside, right=True).to(every.dtype) / len(b)
    return ((share_a - share_b).abs() * every.diff()).sum()  # eq-wasserstein-line
