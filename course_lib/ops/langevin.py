"""Langevin's recipe, level by level of noise: samples from scores alone.

Source: Song and Ermon, arXiv:1907.05600, algorithm 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[Tensor, Tensor], Tensor]  # (x (B, ...), sigma scalar) -> (B, ...)


def annealed_langevin(
    score: Score,
    x: Tensor,
    sigmas: Tensor,
    *,
    steps: int,
    rate: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Repeat Langevin's step at each level of noise, from the strongest to the weakest.

    Args:
        score: of the data with noise of deviation sigma, (B, ...), at x (B, ...) and sigma (a
            scalar).
        x: (B, ...), where the way begins.
        sigmas: (L,), the levels, falling; the first about as wide as the data.
        steps: how many at each level.
        rate: size of a step, in units of sigma²; 0.1 is that of the paper, where the step is
            written as twice this one.
        generator: of the noise.

    Returns:
        (B, ...), samples that still have the noise of the last level.

    Raises:
        ValueError: for levels that do not fall or are not above 0, fewer than one step, or a rate
            outside (0, 2), where the steps do not come to rest.

    Source: eq-annealed-langevin; arXiv:1907.05600, algorithm 1.
    """
    if (
        sigmas.ndim != 1
        or not len(sigmas)
        or bool((sigmas.diff() >= 0).any() | (sigmas <= 0).any())
    ):
        raise ValueError(f"sigmas are {sigmas.tolist()}; wanted levels above 0 that fall.")
    if steps < 1:
        raise ValueError(f"steps is {steps}; there must be at least one at each level.")
    if not 0 < rate < 2:
        raise ValueError(f"rate is {rate}; wanted more than 0 and less than 2, say 0.1.")
    for sigma in sigmas:
        for _ in range(steps):
            h, z = rate * sigma**2, _normal(x, generator)
            x = x + h * score(x, sigma) + (2 * h).sqrt() * z  # eq-annealed-langevin
    return x


def _normal(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal numbers of the shape of x."""
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
