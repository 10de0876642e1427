"""Check of the exercise `optimal_discriminator`: what the best discriminator answers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best discriminator's probability of "real", and its logit.

    Args:
        p: (N,) densities of the data at N places, positive.
        q: (N,) densities of the generator at the same places, positive.

    Returns:
        (N,) probabilities in (0, 1), and (N,) logits.
    """
    return p / (p + q), p.log() - q.log()


def _ratio(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    return p / q, p.log() - q.log()


def _swapped(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    return q / (p + q), q.log() - p.log()


def _sigmoid_of_difference(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(p - q), p - q


def _hard(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    return (p > q).to(p.dtype), p.log() - q.log()


def _log_probability(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    best = p / (p + q)
    return best, best.log()


def _probability_twice(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    best = p / (p + q)
    return best, best


def _normalised(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    best = p / (p + q)
    return best / best.sum(), p.log() - q.log()


def _logit_of_rounded(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    best = p / (p + q)
    return best, (best / (1 - best)).log()


def _plain_ratio_as_logit(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    return p / (p + q), p / q


MISTAKES = [
    Mistake(
        "the ratio as a probability",
        _ratio,
        "p/q is the odds of real against generated: it can be any positive number. A probability "
        "is odds / (1 + odds), here p / (p + q).",
    ),
    Mistake(
        "real and generated swapped",
        _swapped,
        "You return the probability of *generated*. The discriminator's label 1 is real, so the "
        "data's density p stands above the line, and first in the logit.",
    ),
    Mistake(
        "a sigmoid of the difference",
        _sigmoid_of_difference,
        "You put p - q through a sigmoid. The best logit is the difference of the *logarithms*, "
        "log p - log q; the sigmoid of that is p / (p + q).",
    ),
    Mistake(
        "a hard decision",
        _hard,
        "You answer 0 or 1. That is the decision with the fewest errors, but the loss is a "
        "cross-entropy: it is smallest for the probability itself, p / (p + q).",
    ),
    Mistake(
        "the logarithm of the probability as logit",
        _log_probability,
        "Your logit is log D. A logit is the logarithm of the odds, log D - log(1 - D), here "
        "log p - log q: 0 where the two densities are equal.",
    ),
    Mistake(
        "the probability as logit",
        _probability_twice,
        "You return the probability twice. The logit is what stands before the sigmoid: "
        "log p - log q, any real number.",
    ),
    Mistake(
        "divided by the sum over the places",
        _normalised,
        "Your answers add up to 1 over the places. Each place has a probability of its own, real "
        "against generated: p and q at that place add up, not the places.",
    ),
    Mistake(
        "the ratio as logit",
        _plain_ratio_as_logit,
        "Your logit is p/q, without a logarithm. It is never negative, so its sigmoid could never "
        "say generated. Take the logarithm.",
    ),
    Mistake(
        "the logit from the rounded probability",
        _logit_of_rounded,
        "Right on paper. But where q is tiny, p / (p + q) rounds to 1, 1 - D to 0, and the logit "
        "becomes infinite. Take the logarithms of the densities: log p - log q.",
    ),
]


def _draw(generator: torch.Generator, num: int = 6) -> tuple[Tensor, Tensor]:
    """Densities over four orders of magnitude."""
    p, q = 10 ** (4 * torch.rand(2, num, generator=generator, dtype=torch.float64) - 3)
    return p, q


def _example(generator: torch.Generator) -> tuple:
    """Ordinary places, and two where the generator hardly ever draws."""
    p, q = _draw(generator)
    far = torch.tensor([1e-60, 1e-80], dtype=torch.float64)
    return torch.cat([p, p[:2]]), torch.cat([q, far])


def _pair(student: Any, p: Tensor, q: Tensor) -> tuple[Any, Any]:
    answer = student(p, q)
    if answer is None:
        raise AssertionError("the result is None: is the `return` missing?")
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise AssertionError(
            f"return two tensors, the probability and the logit; got {type(answer).__name__}"
        )
    return answer[0], answer[1]


def _undecided(student: Any, generator: torch.Generator) -> None:
    p, _ = _draw(generator)
    probability, logit = _pair(student, p, p.clone())
    assert_close(probability, torch.full_like(p, 0.5), "where both densities agree, D")
    assert_close(logit, torch.zeros_like(p), "where both densities agree, the logit")


def _probability(student: Any, generator: torch.Generator) -> None:
    p, q = _draw(generator)
    assert_close(_pair(student, p, q)[0], reference(p, q)[0], "D")


def _logit(student: Any, generator: torch.Generator) -> None:
    p, q = _draw(generator)
    assert_close(_pair(student, p, q)[1], reference(p, q)[1], "the logit")


def _far_apart(student: Any, generator: torch.Generator) -> None:
    exponent = 100 + 100 * torch.rand(4, generator=generator, dtype=torch.float64)
    p, q = torch.ones(4, dtype=torch.float64), (-exponent).exp()
    wanted = exponent
    assert_close(_pair(student, p, q)[1], wanted, "the logit where q is tiny (D rounds to 1)")


PROPERTIES = [
    Property("undecided where the densities agree", 1, _undecided),
    Property("the probability of real", 1, _probability),
    Property("the logit", 1, _logit),
    Property("the logit stays finite where the probability rounds to 1", 1, _far_apart),
]


def optimal_discriminator(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `optimal_discriminator(p, q)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "optimal_discriminator",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
