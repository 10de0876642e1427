"""Check of the exercise `draw_code`: a random code through which a gradient passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Check


def reference(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """Return codes with the given means and variances, from standard normal noise.

    Args:
        mean: (B, D).
        logvar: (B, D), the logarithm of the variance.
        noise: (B, D).

    Returns:
        (B, D).

    Source: eq-reparam.
    """
    return mean + (0.5 * logvar).exp() * noise


def _draw(
    generator: torch.Generator, *, codes: int = 5, spread: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Means, log-variances that are nowhere near 0 unless the spread is 0, and noise."""
    size = (codes, 3)
    sign = torch.where(torch.rand(size, generator=generator) < 0.5, -1.0, 1.0)
    logvar = spread * sign * (0.5 + torch.rand(size, generator=generator))
    return (
        2 * torch.randn(size, generator=generator),
        logvar,
        torch.randn(size, generator=generator),
    )


def _with_slopes(function: Any, arguments: tuple) -> Any:
    """The codes, and the gradients at mean and log-variance; None where none arrives."""
    mean, logvar, noise = arguments
    leaves = [part.clone().requires_grad_() for part in (mean, logvar)]
    codes = function(*leaves, noise)
    if not isinstance(codes, Tensor) or codes.shape != mean.shape:
        return codes
    if not codes.requires_grad:
        return codes, None, None
    weights = torch.linspace(1, 2, codes.numel()).view_as(codes)
    slopes = torch.autograd.grad((codes * weights).sum(), leaves, allow_unused=True)
    return codes.detach(), *slopes


draw_code = Check(
    "draw_code",
    lab="vae",
    level="warm-up",
    minutes=8,
    reference=reference,
    example=_draw,
    probe=_with_slopes,
)


def _values(function: Any, arguments: tuple) -> Any:
    return function(*arguments)


def _slope(place: int) -> Callable[[Any, tuple], Any]:
    """The gradient at one of the arguments."""

    def probe(function: Any, arguments: tuple) -> Any:
        found = _with_slopes(function, arguments)
        assert isinstance(found, tuple), "the codes are not a tensor of the shape of `mean`"
        name = ("mean", "logvar")[place - 1]
        assert found[place] is not None, f"no gradient arrives at `{name}`"
        return found[place]

    return probe


draw_code.equals_reference(
    "where the variance is 1, mean plus noise",
    points=1,
    example=[partial(_draw, spread=0.0), partial(_draw, codes=1, spread=0.0)],
    probe=_values,
    what="where logvar is 0, the codes",
)
draw_code.equals_reference(
    "elsewhere, the noise times the deviation",
    points=2,
    example=[_draw, partial(_draw, codes=1), partial(_draw, spread=4.0)],
    probe=_values,
    what="the codes",
)
draw_code.equals_reference(
    "a gradient arrives at the mean",
    points=1,
    probe=_slope(1),
    what="the gradient at `mean`",
)
draw_code.equals_reference(
    "a gradient arrives at the log-variance",
    points=1,
    probe=_slope(2),
    what="the gradient at `logvar`",
)

draw_code.mistake(
    "the variance for the deviation",
    lambda mean, logvar, noise: mean + logvar.exp() * noise,
    hint="You multiply the noise by exp(logvar), which is the variance. The deviation is its "
    "root, exp(logvar / 2). At a variance of 1 both are the same, so the first training steps "
    "would not tell you.",
)
draw_code.mistake(
    "half of the variance",
    lambda mean, logvar, noise: mean + 0.5 * logvar.exp() * noise,
    hint="Your half stands outside of the exponential. The root of exp(a) is exp(a / 2): put it "
    "inside.",
)
draw_code.mistake(
    "the logarithm itself",
    lambda mean, logvar, noise: mean + logvar * noise,
    hint="You multiply by logvar as it is. It is a logarithm, and may be negative; the deviation "
    "is exp(logvar / 2).",
)
draw_code.mistake(
    "the root of the logarithm",
    lambda mean, logvar, noise: mean + logvar.abs().sqrt() * noise,
    hint="You take the root of the logarithm. First the exponential gives the variance, then its "
    "root the deviation.",
)
draw_code.mistake(
    "one over the deviation",
    lambda mean, logvar, noise: mean + (-0.5 * logvar).exp() * noise,
    hint="Your spread is the reciprocal of the deviation: the surer the encoder, the wider you "
    "draw. Leave out the minus in the exponent.",
)
draw_code.mistake(
    "the mean is spread as well",
    lambda mean, logvar, noise: (mean + noise) * (0.5 * logvar).exp(),
    hint="You multiply the mean by the deviation, too. Only the noise is scaled; the mean is "
    "added afterwards.",
)
draw_code.mistake(
    "the noise subtracted",
    lambda mean, logvar, noise: mean - (0.5 * logvar).exp() * noise,
    hint="You subtract the noise. The codes have the right distribution, but they are not those "
    "that the statement asks for: mean *plus* deviation times noise.",
)
draw_code.mistake(
    "noise of its own",
    lambda mean, logvar, noise: mean + (0.5 * logvar).exp() * torch.randn_like(mean),
    hint="You draw noise of your own. Use the noise that is given: only so can anybody compare "
    "your codes with others.",
)
draw_code.mistake(
    "one number of noise for a code",
    lambda mean, logvar, noise: mean + (0.5 * logvar).exp() * noise[:, :1],
    hint="All numbers of one of your codes share one number of noise. Each has its own; there is "
    "no need for an index.",
)
draw_code.mistake(
    "no noise",
    lambda mean, logvar, noise: mean,
    hint="Your code is the mean. It is what one decodes to show a reconstruction; training needs "
    "codes that are drawn.",
)
draw_code.mistake(
    "cut off",
    lambda mean, logvar, noise: reference(mean, logvar, noise).detach(),
    hint="Your codes are right, and no gradient comes back through them: the encoder would learn "
    "nothing from the decoder. Leave out detach, no_grad, torch.normal or .data.",
)
draw_code.mistake(
    "the deviation cut off",
    lambda mean, logvar, noise: mean + (0.5 * logvar).exp().detach() * noise,
    hint="The gradient reaches the mean and not the log-variance. The encoder has to learn how "
    "sure it is: let the deviation stay in the graph.",
)
