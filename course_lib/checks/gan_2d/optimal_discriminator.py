"""Check of the exercise `optimal_discriminator`: what the best discriminator answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import pair
from course_lib.checks.core import Check


def reference(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best discriminator's probability of "real", and its logit.

    Args:
        p: (N,) densities of the data at N places, positive.
        q: (N,) densities of the generator at the same places, positive.

    Returns:
        (N,) probabilities in (0, 1), and (N,) logits.
    """
    return p / (p + q), p.log() - q.log()


def _best(
    probability: Callable[[Tensor, Tensor], Tensor] = lambda p, q: p / (p + q),
    logit: Callable[[Tensor, Tensor], Tensor] = lambda p, q: p.log() - q.log(),
) -> Any:
    """An answer of which one part can be made wrong."""
    return lambda p, q: (probability(p, q), logit(p, q))


def _draw(generator: torch.Generator, num: int = 6) -> tuple[Tensor, Tensor]:
    """Densities over four orders of magnitude."""
    p, q = 10 ** (4 * torch.rand(2, num, generator=generator, dtype=torch.float64) - 3)
    return p, q


def _example(generator: torch.Generator) -> tuple:
    """Ordinary places, and two where the generator hardly ever draws."""
    p, q = _draw(generator)
    far = torch.tensor([1e-60, 1e-80], dtype=torch.float64)
    return torch.cat([p, p[:2]]), torch.cat([q, far])


def _pair(student: Any, arguments: tuple) -> tuple[Any, Any]:
    return pair(student(*arguments), "two tensors, the probability and the logit")


def _same(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    p, _ = _draw(generator)
    return p, p.clone()


def _far_apart(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    exponent = 100 + 100 * torch.rand(4, generator=generator, dtype=torch.float64)
    return torch.ones(4, dtype=torch.float64), (-exponent).exp()


optimal_discriminator = Check(
    "optimal_discriminator",
    lab="gan_2d",
    level="warm-up",
    minutes=5,
    reference=reference,
    example=_example,
    probe=_pair,
)
optimal_discriminator.equals_reference(
    "undecided where the densities agree",
    points=1,
    example=_same,
    what=("where both densities agree, D", "where both densities agree, the logit"),
)
for _name, _part, _from, _what in (
    ("the probability of real", 0, _draw, "D"),
    ("the logit", 1, _draw, "the logit"),
    (
        "the logit stays finite where the probability rounds to 1",
        1,
        _far_apart,
        "the logit where q is tiny (D rounds to 1)",
    ),
):
    optimal_discriminator.equals_reference(
        _name,
        points=1,
        example=_from,
        probe=lambda student, arguments, part=_part: _pair(student, arguments)[part],  # type: ignore[misc]
        what=_what,
    )

optimal_discriminator.mistake(
    "the ratio as a probability",
    _best(lambda p, q: p / q),
    hint="p/q is the odds of real against generated: it can be any positive number. A probability "
    "is odds / (1 + odds), here p / (p + q).",
)
optimal_discriminator.mistake(
    "real and generated swapped",
    lambda p, q: reference(q, p),
    hint="You return the probability of *generated*. The discriminator's label 1 is real, so the "
    "data's density p stands above the line, and first in the logit.",
)
optimal_discriminator.mistake(
    "a sigmoid of the difference",
    _best(lambda p, q: torch.sigmoid(p - q), lambda p, q: p - q),
    hint="You put p - q through a sigmoid. The best logit is the difference of the *logarithms*, "
    "log p - log q; the sigmoid of that is p / (p + q).",
)
optimal_discriminator.mistake(
    "a hard decision",
    _best(lambda p, q: (p > q).to(p.dtype)),
    hint="You answer 0 or 1. That is the decision with the fewest errors, but the loss is a "
    "cross-entropy: it is smallest for the probability itself, p / (p + q).",
)
optimal_discriminator.mistake(
    "the logarithm of the probability as logit",
    _best(logit=lambda p, q: (p / (p + q)).log()),
    hint="Your logit is log D. A logit is the logarithm of the odds, log D - log(1 - D), here log "
    "p - log q: 0 where the two densities are equal.",
)
optimal_discriminator.mistake(
    "the probability as logit",
    _best(logit=lambda p, q: p / (p + q)),
    hint="You return the probability twice. The logit is what stands before the sigmoid: log p - "
    "log q, any real number.",
)
optimal_discriminator.mistake(
    "divided by the sum over the places",
    _best(lambda p, q: p / (p + q) / (p / (p + q)).sum()),
    hint="Your answers add up to 1 over the places. Each place has a probability of its own, real "
    "against generated: p and q at that place add up, not the places.",
)
optimal_discriminator.mistake(
    "the ratio as logit",
    _best(logit=lambda p, q: p / q),
    hint="Your logit is p/q, without a logarithm. It is never negative, so its sigmoid could never "
    "say generated. Take the logarithm.",
)
optimal_discriminator.mistake(
    "the logit from the rounded probability",
    _best(logit=lambda p, q: torch.logit(p / (p + q))),
    hint="Right on paper. But where q is tiny, p / (p + q) rounds to 1, 1 - D to 0, and the logit "
    "becomes infinite. Take the logarithms of the densities: log p - log q.",
)
optimal_discriminator.mistake(
    "a small number in the logarithm",
    _best(logit=lambda p, q: (p + 1e-8).log() - (q + 1e-8).log()),
    hint="You added a small number inside the logarithm. The densities are positive, so none is "
    "needed, and where q is smaller than that number the logit is wrong: take log p - log q.",
)
optimal_discriminator.mistake(
    "the logarithm of the quotient, cut",
    _best(logit=lambda p, q: torch.logit(p / (p + q), eps=1e-6)),
    hint="You cut the probability off before taking its logit, so no logit is beyond 14. Take the "
    "logarithms of the densities: log p - log q.",
)
optimal_discriminator.mistake(
    "the logit with base 2",
    _best(logit=lambda p, q: p.log2() - q.log2()),
    hint="Your logit has base 2. The sigmoid uses the natural logarithm.",
)
optimal_discriminator.mistake(
    "the logit's sign",
    _best(logit=lambda p, q: q.log() - p.log()),
    hint="The probability is right, and the sign of your logit is not: it must be positive where "
    "real is more likely.",
)
