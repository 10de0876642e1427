"""Check of the exercise `generator_gradient`: what the generator hears from its two losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import pair
from course_lib.checks.core import Check

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


def _scaled(change: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]) -> Any:
    """Change the right loss and gradient of B logits."""
    return lambda logits, kind: change(*reference(logits, kind), len(logits))


def _not_averaged(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    each = -F.softplus(logits) if kind == "minimax" else F.softplus(-logits)
    return each, reference(logits, kind)[1]


def _minimax_sign(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    loss, gradient = reference(logits, kind)
    return (-loss, -gradient) if kind == "minimax" else (loss, gradient)


def _small_number(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    d = logits.sigmoid()
    loss = (1 - d + 1e-8).log() if kind == "minimax" else -(d + 1e-8).log()
    return loss.mean(), reference(logits, kind)[1]


def _label_zero(logits: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    if kind == "minimax":
        return reference(logits, kind)
    return F.softplus(logits).mean(), torch.sigmoid(logits) / len(logits)


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


def _draw(generator: torch.Generator) -> Tensor:
    num = int(torch.randint(3, 8, (1,), generator=generator))
    return 3 * torch.randn(num, generator=generator)


def _example(generator: torch.Generator) -> tuple:
    """Ordinary logits in all examples, and two that no sigmoid survives."""
    return torch.cat([_draw(generator), torch.tensor([200.0, -200.0])]), KINDS


def _both(function: Any, arguments: tuple) -> list[Any]:
    """Loss and gradient, for both kinds."""
    logits, kinds = arguments
    return [pair(function(logits, kind), "two things, loss and gradient") for kind in kinds]


def _gradients(function: Any, arguments: tuple) -> list[Any]:
    return [gradient for _, gradient in _both(function, arguments)]


generator_gradient = Check(
    "generator_gradient",
    lab="gan_2d",
    level="build",
    minutes=15,
    reference=reference,
    example=_example,
    probe=_both,
)
generator_gradient.equals_reference(
    "both losses, as means",
    points=2,
    example=lambda generator: (_draw(generator), KINDS),
    probe=lambda function, arguments: [loss for loss, _ in _both(function, arguments)],
    what=[f"the {kind} loss" for kind in KINDS],
)
for _kind in KINDS:
    generator_gradient.equals_reference(
        f"the gradient of the {_kind} loss",
        points=1,
        example=lambda generator, kind=_kind: (_draw(generator), (kind,)),  # type: ignore[misc]
        probe=_gradients,
        what=[f"the gradient of the {_kind} loss"],
    )
generator_gradient.equals_reference(
    "finite where the discriminator is sure",
    points=1,
    example=lambda generator: (torch.tensor([200.0, -200.0]) + _draw(generator)[:2], KINDS),
    probe=lambda function, arguments: [x for both in _both(function, arguments) for x in both],
    what=[f"for logits near 200 and -200 the {k} {x}" for k in KINDS for x in ("loss", "gradient")],
)

generator_gradient.mistake(
    "the two losses swapped",
    lambda logits, kind: reference(logits, KINDS[1 - KINDS.index(kind)]),
    hint="Each formula is right, under the other's name. Minimax is what the game says: the mean "
    "of log(1 - D). Non-saturating is the mean of -log D.",
)
generator_gradient.mistake(
    "label 0 for the generator",
    _label_zero,
    hint="Your non-saturating loss is the cross-entropy with label 0: minimising it teaches the "
    "generator to be recognised. It aims at label 1: the mean of -log D.",
)
generator_gradient.mistake(
    "maximised",
    _scaled(lambda loss, gradient, num: (-loss, -gradient)),
    hint="Loss and gradient have the wrong sign: this generator would help the discriminator. "
    "Minimising must push the logits up, so every gradient is negative.",
)
generator_gradient.mistake(
    "the gradient's sign",
    _scaled(lambda loss, gradient, num: (loss, -gradient)),
    hint="The loss is right, its gradient has the wrong sign. You return the direction of descent; "
    "wanted is the derivative, which is negative: the loss falls as a logit rises.",
)
generator_gradient.mistake(
    "the gradient not divided by the batch",
    _scaled(lambda loss, gradient, num: (loss, gradient * num)),
    hint="The loss is a mean, so each logit has a share of 1/B in it: divide the gradient by B.",
)
generator_gradient.mistake(
    "summed over the batch",
    _scaled(lambda loss, gradient, num: (loss * num, gradient * num)),
    hint="You added over the batch. Both losses are means: with a sum, the step would grow with "
    "the batch.",
)
generator_gradient.mistake(
    "the derivative at the probability",
    _at_probability,
    hint="You took the derivative with respect to D. The network's output is the logit: multiply "
    "by the sigmoid's derivative, D (1 - D), and most of it cancels.",
)
generator_gradient.mistake(
    "no sigmoid",
    _no_sigmoid,
    hint="You put the logits where the probabilities belong. D is their sigmoid.",
)
generator_gradient.mistake(
    "the logarithm of a rounded number",
    _rounded,
    hint="Right on paper, but at a logit of 200 the sigmoid rounds to 1, or to 0 at -200, and its "
    "logarithm is infinite. -log sigmoid(l) is softplus(-l), and log(1 - sigmoid(l)) is "
    "-softplus(l).",
)
generator_gradient.mistake(
    "one number for all logits",
    _scaled(lambda loss, gradient, num: (loss, gradient.mean().expand(num))),
    hint="Your gradient is the same for every logit. Each sample hears its own: a sample that is "
    "recognised with certainty hears something else than one that passes for real.",
)
generator_gradient.mistake(
    "no mean over the losses",
    _not_averaged,
    hint="Your loss has a value for each logit. Take their mean: one number.",
)
generator_gradient.mistake(
    "minimax without the sign",
    _minimax_sign,
    hint="Your minimax loss has the wrong sign. log(1 - D) is never positive: it is "
    "-softplus(logit).",
)
generator_gradient.mistake(
    "a small number inside the logarithm",
    _small_number,
    hint="You added a small number inside the logarithm. It hides the infinity and changes the "
    "value: at a logit of -200 the loss -log D is 200, not 18. Use softplus.",
)
