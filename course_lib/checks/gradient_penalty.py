"""Check of the exercise `gradient_penalty`: slope 1 between generated and real."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade
from course_lib.checks.fixtures import critic


def reference(critic: Any, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Return the mean over the batch of (norm of the critic's gradient - 1)^2.

    Args:
        critic: maps (B, ...) to scores (B,).
        real: (B, ...).
        fake: (B, ...).
        mix: (B,) places between fake (0) and real (1).

    Returns:
        Scalar with a gradient.
    """
    return _penalty(critic, real, fake, mix)


def _penalty(
    critic: Any,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    *,
    at: str = "between",
    spread: str = "image",
    graph: bool = True,
    outputs: str = "sum",
    norm: str = "image",
    shape: str = "two-sided",
    reduce: str = "mean",
) -> Tensor:
    """The penalty, with one thing at a time that can be made wrong."""
    places = mix.reshape(-1, *[1] * (real.ndim - 1))
    if spread == "batch":
        places = mix[0]
    elif spread == "columns":
        places = mix
    points = {
        "between": places * real + (1 - places) * fake,
        "real": real,
        "fake": fake,
        "swapped": places * fake + (1 - places) * real,
    }[at]
    points = points.detach().requires_grad_()
    scores = critic(points)
    total = scores.sum() if outputs == "sum" else scores.mean()
    (gradient,) = torch.autograd.grad(total, points, create_graph=graph)
    if norm == "batch":
        length = gradient.norm()
    elif norm == "channels":
        length = gradient.norm(dim=1)
    else:
        length = gradient.flatten(1).norm(dim=1)
    values = {
        "two-sided": (length - 1).square(),
        "one-sided": (length - 1).clamp(min=0).square(),
        "squared norm": (length.square() - 1).square(),
        "not squared": (length - 1).abs(),
        "to zero": length.square(),
    }[shape]
    return values.mean() if reduce == "mean" else values.sum()


MISTAKES = [
    Mistake(
        "create_graph forgotten",
        partial(_penalty, graph=False),
        "The number is right, but it has no gradient: torch.autograd.grad threw the graph away. "
        "The penalty must be differentiated once more, by the weights: create_graph=True.",
    ),
    Mistake(
        "penalty at the real points",
        partial(_penalty, at="real"),
        "You took the gradient at the real images only. The generator's images have to walk where "
        "there are no real ones; mix real and fake.",
    ),
    Mistake(
        "penalty at the fakes",
        partial(_penalty, at="fake"),
        "You took the gradient at the generated images only. Mix real and fake, each pair at its "
        "own place.",
    ),
    Mistake(
        "real and fake swapped",
        partial(_penalty, at="swapped"),
        "mix is the share of the real image: mix = 1 must give the real one, mix = 0 the fake.",
    ),
    Mistake(
        "one place for the whole batch",
        partial(_penalty, spread="batch"),
        "All your points lie at the same share of their ways. Each pair has its own mix: reshape "
        "it to (B, 1, 1, 1) so that it is spread over pixels and channels, not over images.",
    ),
    Mistake(
        "mix along the columns",
        partial(_penalty, spread="columns"),
        "mix has the shape (B,), and PyTorch aligns shapes at the last axis: you gave each *column*"
        " of the image its own place. Reshape mix to (B, 1, 1, 1).",
    ),
    Mistake(
        "gradient of the mean score",
        partial(_penalty, outputs="mean"),
        "You differentiated the mean of the scores, so each gradient is B times too small. Use "
        "their sum: no score depends on another image.",
    ),
    Mistake(
        "norm over the batch",
        partial(_penalty, norm="batch"),
        "You took one norm over everything. Each image has its own gradient and its own norm: "
        "flatten(1), then the norm over dimension 1.",
    ),
    Mistake(
        "norm over the channels",
        partial(_penalty, norm="channels"),
        "norm(dim=1) on (B, C, H, W) is a norm over the channels of each pixel. The gradient of one"
        " image is all its pixels: flatten(1) first.",
    ),
    Mistake(
        "norm squared before the comparison",
        partial(_penalty, shape="squared norm"),
        "You compare the squared norm with 1. The penalty is (norm - 1)^2, with the root inside.",
    ),
    Mistake(
        "one-sided",
        partial(_penalty, shape="one-sided"),
        "You punish only slopes above 1. That version exists (and is easier to justify), but here "
        "(norm - 1)^2 is wanted on both sides.",
    ),
    Mistake(
        "not squared",
        partial(_penalty, shape="not squared"),
        "You take the distance of the norm from 1, not its square.",
    ),
    Mistake(
        "slope 0 wanted",
        partial(_penalty, shape="to zero"),
        "Your penalty is the squared norm: it asks for slope 0, as R1 does. Here it is slope 1.",
    ),
    Mistake(
        "sum over the batch",
        partial(_penalty, reduce="sum"),
        "You sum over the batch. Take the mean, or the weight depends on the batch size.",
    ),
]


def _draw(shape: tuple[int, ...], generator: torch.Generator) -> tuple[Any, Tensor, Tensor, Tensor]:
    batch = shape[0]
    real = torch.randn(shape, generator=generator) + 0.5
    fake = 2 * torch.randn(shape, generator=generator) - 0.5
    mix = 0.05 + 0.9 * torch.rand(batch, generator=generator)
    return critic(real[0].numel(), generator), real, fake, mix


def _example(generator: torch.Generator) -> tuple:
    size = int(torch.randint(4, 7, (1,), generator=generator))
    return _draw((size, 2, 3, size), generator)  # as wide as the batch: wrong shapes broadcast


def _value(student: Any, generator: torch.Generator) -> None:
    for size in (5, 8):
        arguments = _draw((size, 2, 3, size), generator)
        assert_close(student(*arguments), reference(*arguments), f"the penalty, {size} images")


def _gradient(student: Any, generator: torch.Generator) -> None:
    critic, real, fake, mix = _draw((5, 2, 3, 4), generator)
    found = []
    for penalty in (student, reference):
        value = penalty(critic, real, fake, mix)
        if not getattr(value, "requires_grad", False):
            raise AssertionError(
                "the penalty has no gradient, so it cannot change the critic: keep the graph of "
                "the gradient"
            )
        (slope,) = torch.autograd.grad(value, critic[1].weight)
        found.append(slope)
    assert_close(found[0], found[1], "the gradient at the critic's weights", tolerance=1e-4)


def _ends(student: Any, generator: torch.Generator) -> None:
    critic, real, fake, mix = _draw((4, 1, 3, 5), generator)
    for name, place in (("real", 1.0), ("generated", 0.0)):
        arguments = (critic, real, fake, torch.full_like(mix, place))
        what = f"with every mix = {place:g}, the penalty at the {name} images,"
        assert_close(student(*arguments), reference(*arguments), what)


def _points(student: Any, generator: torch.Generator) -> None:
    for shape in ((6, 2), (1, 3, 5, 7)):
        arguments = _draw(shape, generator)
        what = f"the penalty for a batch of the shape {shape}"
        assert_close(student(*arguments), reference(*arguments), what)


PROPERTIES = [
    Property("the penalty: the mean of (norm - 1)^2, a norm for each image", 2, _value),
    Property("its gradient reaches the critic's weights", 1, _gradient),
    Property("mix = 1 is real, mix = 0 is generated", 1, _ends),
    Property("points in the plane, and a batch of one", 1, _points),
]


def gradient_penalty(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `gradient_penalty(critic, real, fake, mix)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "gradient_penalty",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
