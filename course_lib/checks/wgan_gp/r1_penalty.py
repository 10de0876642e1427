"""Check of the exercise `r1_penalty`: flatness at the data, with its factor."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import gradient_at, one_number
from course_lib.checks.core import Check
from course_lib.checks.fixtures import critic


def reference(discriminator: Any, real: Tensor, gamma: float) -> Tensor:
    """Return gamma / 2 times the mean squared norm of the gradient of the logits at real images.

    Args:
        discriminator: maps (B, ...) to logits (B,).
        real: (B, ...).
        gamma: the weight.

    Returns:
        Scalar with a gradient.
    """
    return _penalty(discriminator, real, gamma)


def _penalty(
    discriminator: Any,
    real: Tensor,
    gamma: float,
    *,
    half: float = 0.5,
    graph: bool = True,
    outputs: str = "logits",
    shape: str = "squared",
    pixels: str = "sum",
    reduce: str = "mean",
) -> Tensor:
    """The penalty, with one thing at a time that can be made wrong."""
    points = real.detach().requires_grad_()
    logits = discriminator(points)
    total = {
        "logits": logits.sum(),
        "mean": logits.mean(),
        "probability": logits.sigmoid().sum(),
        "loss": torch.nn.functional.softplus(-logits).sum(),
    }[outputs]
    (gradient,) = torch.autograd.grad(total, points, create_graph=graph)
    squares = gradient.flatten(1).square()
    norms = squares.sum(dim=1) if pixels == "sum" else squares.mean(dim=1)
    values = {
        "squared": norms,
        "root": norms.sqrt(),
        "slope 1": (norms.sqrt() - 1).square(),
    }[shape]
    return gamma * half * (values.mean() if reduce == "mean" else values.sum())


def _draw(
    generator: torch.Generator, shape: tuple[int, ...] = (5, 2, 3, 4)
) -> tuple[Any, Tensor, float]:
    real = torch.randn(shape, generator=generator)
    gamma = 0.5 + 4 * torch.rand(1, generator=generator).item()
    return critic(real[0].numel(), generator), real, gamma


def _line(generator: torch.Generator) -> tuple[Any, Tensor, float]:
    weight = torch.randn(6, generator=generator).requires_grad_()
    return lambda x: x @ weight, torch.randn(4, 6, generator=generator), 3.0


def _probe(student: Any, arguments: tuple) -> tuple:
    return one_number(student, arguments), gradient_at(0)(student, arguments)


r1_penalty = Check(
    "r1_penalty",
    lab="wgan_gp",
    level="build",
    minutes=10,
    reference=reference,
    example=_draw,
    probe=_probe,
)
r1_penalty.equals_reference(
    "gamma / 2 times the mean squared norm",
    points=2,
    example=[_draw, partial(_draw, shape=(3, 1, 6, 5))],
    probe=one_number,
    what="the penalty",
)
r1_penalty.equals_reference(
    "its gradient reaches the weights",
    points=1,
    probe=gradient_at(0),
    what="the gradients of the discriminator",
    tolerance=1e-4,
)
r1_penalty.equals_reference(
    "for a straight line it is gamma / 2 times the squared slope",
    points=1,
    example=_line,
    probe=one_number,
    what="for D(x) = w x and gamma = 3, the penalty, 1.5 times |w|^2,",
)

r1_penalty.mistake(
    "create_graph forgotten",
    partial(_penalty, graph=False),
    hint="The number is right, but it has no gradient: torch.autograd.grad threw the graph away. "
    "Pass create_graph=True, so that the penalty can change the weights.",
)
r1_penalty.mistake(
    "factor one half missing",
    partial(_penalty, half=1.0),
    hint="Your penalty is twice as large: the weight is gamma / 2. (Libraries differ; the best "
    "gamma then differs too.)",
)
r1_penalty.mistake(
    "norm not squared",
    partial(_penalty, shape="root"),
    hint="You took the norm itself. R1 is its square; no root is needed, and the root has no "
    "gradient where the slope is 0, which is where you want to arrive.",
)
r1_penalty.mistake(
    "mean over the pixels",
    partial(_penalty, pixels="mean"),
    hint="You took a mean over all numbers. The squared norm of one image is the *sum* over its "
    "pixels and channels; only over the batch it is a mean.",
)
r1_penalty.mistake(
    "sum over the batch",
    partial(_penalty, reduce="sum"),
    hint="You sum over the batch. Take the mean, or gamma depends on the batch size.",
)
r1_penalty.mistake(
    "gradient of the mean logit",
    partial(_penalty, outputs="mean"),
    hint="You differentiated the mean of the logits, so each gradient is B times too small. Use "
    "their sum: no logit depends on another image.",
)
r1_penalty.mistake(
    "gradient of the probability",
    partial(_penalty, outputs="probability"),
    hint="You differentiated the sigmoid. Where the discriminator is sure the sigmoid is flat "
    "anyway, however steep the logit is. Penalise the logit.",
)
r1_penalty.mistake(
    "gradient of the loss",
    partial(_penalty, outputs="loss"),
    hint="You differentiated the discriminator's loss. R1 looks at the logits themselves.",
)
r1_penalty.mistake(
    "slope 1 wanted",
    partial(_penalty, shape="slope 1"),
    hint="You ask for a slope of 1, as WGAN-GP does. R1 asks for slope 0, at the real images.",
)
r1_penalty.mistake(
    "gamma forgotten",
    lambda discriminator, real, gamma: _penalty(discriminator, real, 1.0),
    hint="Your answer does not depend on gamma: the weight is gamma / 2.",
)
