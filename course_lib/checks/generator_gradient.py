"""Check of the exercise `generator_gradient`: what the generator hears from its two losses."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

KINDS = ("minimax", "non-saturating")


def reference(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Return the generator's loss and its gradient with respect to each logit.

    Args:
        logits: (B,) of the discriminator, for generated points.
        kind: "minimax" for the mean of log(1 - D), "non-saturating" for the mean of -log D, where
            D is the sigmoid of the logit.

    Returns:
        A scalar, and (B,).
    """
    num = len(logits)
    if kind == "minimax":
        return -F.softplus(logits).mean(), -torch.sigmoid(logits) / num
    return F.softplus(-logits).mean(), -torch.sigmoid(-logits) / num


def _kinds_swapped(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    return reference(logits, KINDS[1 - KINDS.index(kind)])


def _label_zero(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    if kind == "minimax":
        return reference(logits, kind)
    return F.softplus(logits).mean(), torch.sigmoid(logits) / len(logits)


def _sign(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    loss, gradient = reference(logits, kind)
    return -loss, -gradient


def _ascent(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    loss, gradient = reference(logits, kind)
    return loss, -gradient


def _not_divided(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    loss, gradient = reference(logits, kind)
    return loss, gradient * len(logits)


def _summed(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    loss, gradient = reference(logits, kind)
    return loss * len(logits), gradient * len(logits)


def _at_probability(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    d = torch.sigmoid(logits)
    slope = -1 / (1 - d) if kind == "minimax" else -1 / d
    return reference(logits, kind)[0], slope / len(logits)


def _no_sigmoid(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    if kind == "minimax":
        return (1 - logits).log().mean(), -1 / (1 - logits) / len(logits)
    return -logits.log().mean(), -1 / logits / len(logits)


def _rounded(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    d = torch.sigmoid(logits)
    loss = (1 - d).log().mean() if kind == "minimax" else -d.log().mean()
    return loss, reference(logits, kind)[1]


MISTAKES = [
    Mistake(
        "the two losses swapped",
        _kinds_swapped,
        "Each formula is right, under the other's name. Minimax is what the game says: the mean of "
        "log(1 - D). Non-saturating is the mean of -log D.",
    ),
    Mistake(
        "label 0 for the generator",
        _label_zero,
        "Your non-saturating loss is the cross-entropy with label 0: minimising it teaches the "
        "generator to be recognised. It aims at label 1: the mean of -log D.",
    ),
    Mistake(
        "maximised",
        _sign,
        "Loss and gradient have the wrong sign: this generator would help the discriminator. "
        "Minimising must push the logits up, so every gradient is negative.",
    ),
    Mistake(
        "the gradient's sign",
        _ascent,
        "The loss is right, its gradient has the wrong sign. You return the direction of descent; "
        "wanted is the derivative, which is negative: the loss falls as a logit rises.",
    ),
    Mistake(
        "the gradient not divided by the batch",
        _not_divided,
        "The loss is a mean, so each logit has a share of 1/B in it: divide the gradient by B.",
    ),
    Mistake(
        "summed over the batch",
        _summed,
        "You added over the batch. Both losses are means: with a sum, the step would grow with the "
        "batch.",
    ),
    Mistake(
        "the derivative at the probability",
        _at_probability,
        "You took the derivative with respect to D. The network's output is the logit: multiply by "
        "the sigmoid's derivative, D (1 - D), and most of it cancels.",
    ),
    Mistake(
        "no sigmoid",
        _no_sigmoid,
        "You put the logits where the probabilities belong. D is their sigmoid.",
    ),
    Mistake(
        "the logarithm of a rounded number",
        _rounded,
        "Right on paper, but at a logit of 200 the sigmoid rounds to 1, or to 0 at -200, and its "
        "logarithm is infinite. -log sigmoid(l) is softplus(-l), and log(1 - sigmoid(l)) is "
        "-softplus(l).",
    ),
]


def _draw(generator: torch.Generator) -> Tensor:
    num = int(torch.randint(3, 8, (1,), generator=generator))
    return 3 * torch.randn(num, generator=generator)


def _example(generator: torch.Generator) -> tuple:
    """Ordinary logits in all examples, and two that no sigmoid survives."""
    return torch.cat([_draw(generator), torch.tensor([200.0, -200.0])]), KINDS


def _both(function: Any, arguments: tuple) -> list[Any]:
    logits, kinds = arguments
    return [function(logits.clone(), kind) for kind in kinds]


def _pair(student: Any, logits: Tensor, kind: str) -> tuple[Any, Any]:
    answer = student(logits.clone(), kind)
    if answer is None:
        raise AssertionError("the result is None: is the `return` missing?")
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise AssertionError(f"return two things, loss and gradient; got {type(answer).__name__}")
    return answer[0], answer[1]


def _losses(student: Any, generator: torch.Generator) -> None:
    logits = _draw(generator)
    for kind in KINDS:
        got = _pair(student, logits, kind)[0]
        assert_close(got, reference(logits, kind)[0].item(), f"the {kind} loss")


def _gradient(kind: str) -> Any:
    def test(student: Any, generator: torch.Generator) -> None:
        logits = _draw(generator)
        got = _pair(student, logits, kind)[1]
        assert_close(got, reference(logits, kind)[1], f"the gradient of the {kind} loss")

    return test


def _sure(student: Any, generator: torch.Generator) -> None:
    logits = torch.tensor([200.0, -200.0]) + _draw(generator)[:2]
    for kind in KINDS:
        loss, gradient = _pair(student, logits, kind)
        wanted = reference(logits, kind)
        assert_close(loss, wanted[0].item(), f"for logits near 200 and -200 the {kind} loss")
        assert_close(gradient, wanted[1], f"for logits near 200 and -200 the {kind} gradient")


PROPERTIES = [
    Property("both losses, as means", 2, _losses),
    Property("the gradient of the minimax loss", 1, _gradient("minimax")),
    Property("the gradient of the non-saturating loss", 1, _gradient("non-saturating")),
    Property("finite where the discriminator is sure", 1, _sure),
]


def generator_gradient(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `generator_gradient(logits, kind)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "generator_gradient",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_both,
        seed=seed,
    )
