"""Check of the exercise `r1_penalty`: flatness at the data, with its factor."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade
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


MISTAKES = [
    Mistake(
        "create_graph forgotten",
        partial(_penalty, graph=False),
        "The number is right, but it has no gradient: torch.autograd.grad threw the graph away. "
        "Pass create_graph=True, so that the penalty can change the weights.",
    ),
    Mistake(
        "factor one half missing",
        partial(_penalty, half=1.0),
        "Your penalty is twice as large: the weight is gamma / 2. (Libraries differ; the best "
        "gamma then differs too.)",
    ),
    Mistake(
        "norm not squared",
        partial(_penalty, shape="root"),
        "You took the norm itself. R1 is its square; no root is needed, and the root has no "
        "gradient where the slope is 0, which is where you want to arrive.",
    ),
    Mistake(
        "mean over the pixels",
        partial(_penalty, pixels="mean"),
        "You took a mean over all numbers. The squared norm of one image is the *sum* over its "
        "pixels and channels; only over the batch it is a mean.",
    ),
    Mistake(
        "sum over the batch",
        partial(_penalty, reduce="sum"),
        "You sum over the batch. Take the mean, or gamma depends on the batch size.",
    ),
    Mistake(
        "gradient of the mean logit",
        partial(_penalty, outputs="mean"),
        "You differentiated the mean of the logits, so each gradient is B times too small. Use "
        "their sum: no logit depends on another image.",
    ),
    Mistake(
        "gradient of the probability",
        partial(_penalty, outputs="probability"),
        "You differentiated the sigmoid. Where the discriminator is sure the sigmoid is flat "
        "anyway, however steep the logit is. Penalise the logit.",
    ),
    Mistake(
        "gradient of the loss",
        partial(_penalty, outputs="loss"),
        "You differentiated the discriminator's loss. R1 looks at the logits themselves.",
    ),
    Mistake(
        "slope 1 wanted",
        partial(_penalty, shape="slope 1"),
        "You ask for a slope of 1, as WGAN-GP does. R1 asks for slope 0, at the real images.",
    ),
]


def _draw(shape: tuple[int, ...], generator: torch.Generator) -> tuple[Any, Tensor, float]:
    real = torch.randn(shape, generator=generator)
    gamma = 0.5 + 4 * torch.rand(1, generator=generator).item()
    return critic(real[0].numel(), generator), real, gamma


def _example(generator: torch.Generator) -> tuple:
    return _draw((5, 2, 3, 4), generator)


def _value(student: Any, generator: torch.Generator) -> None:
    for shape in ((5, 2, 3, 4), (3, 1, 6, 5)):
        arguments = _draw(shape, generator)
        assert_close(student(*arguments), reference(*arguments), f"the penalty for {shape}")


def _gradient(student: Any, generator: torch.Generator) -> None:
    discriminator, real, gamma = _draw((5, 2, 3, 4), generator)
    found = []
    for penalty in (student, reference):
        value = penalty(discriminator, real, gamma)
        if not getattr(value, "requires_grad", False):
            raise AssertionError(
                "the penalty has no gradient, so it cannot change the discriminator: keep the "
                "graph of the gradient"
            )
        (slope,) = torch.autograd.grad(value, discriminator[1].weight)
        found.append(slope)
    assert_close(found[0], found[1], "the gradient at the weights", tolerance=1e-4)


def _linear(student: Any, generator: torch.Generator) -> None:
    weight = torch.randn(6, generator=generator).requires_grad_()
    real = torch.randn(4, 6, generator=generator)
    got = student(lambda x: x @ weight, real, 3.0)
    wanted = 1.5 * weight.square().sum()
    assert_close(got, wanted, "for D(x) = w x and gamma = 3, the penalty, 1.5 times |w|^2,")


PROPERTIES = [
    Property("gamma / 2 times the mean squared norm", 2, _value),
    Property("its gradient reaches the weights", 1, _gradient),
    Property("for a straight line it is gamma / 2 times the squared slope", 1, _linear),
]


def r1_penalty(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `r1_penalty(discriminator, real, gamma)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "r1_penalty",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
