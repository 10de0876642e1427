"""Check of the exercise `gradient_penalty`: slope 1 between generated and real."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import gradient_at, one_number
from course_lib.checks.core import Check
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
    if spread != "image":
        places = mix[0] if spread == "batch" else mix
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
    length = {
        "image": gradient.flatten(1).norm(dim=1),
        "batch": gradient.norm(),
        "channels": gradient.norm(dim=1),
        "pixels": gradient.flatten(1).square().mean(1).sqrt(),
    }[norm]
    values = {
        "two-sided": (length - 1).square(),
        "one-sided": (length - 1).clamp(min=0).square(),
        "squared norm": (length.square() - 1).square(),
        "not squared": (length - 1).abs(),
        "to zero": length.square(),
        "mean first": (length.mean() - 1).square(),
    }[shape]
    return values.mean() if reduce == "mean" else values.sum()


def _draw(
    generator: torch.Generator, shape: tuple[int, ...] | None = None, share: float | None = None
) -> tuple[Any, Tensor, Tensor, Tensor]:
    """A critic, pairs, and their places; as wide as the batch, so that wrong shapes broadcast."""
    size = int(torch.randint(4, 7, (1,), generator=generator))
    shape = shape or (size, 2, 3, size)
    real = torch.randn(shape, generator=generator) + 0.5
    fake = 2 * torch.randn(shape, generator=generator) - 0.5
    mix = 0.05 + 0.9 * torch.rand(shape[0], generator=generator)
    mix = mix if share is None else torch.full_like(mix, share)
    return critic(real[0].numel(), generator), real, fake, mix


def _probe(student: Any, arguments: tuple) -> tuple:
    return one_number(student, arguments), gradient_at(0)(student, arguments)


gradient_penalty = Check(
    "gradient_penalty",
    lab="wgan_gp",
    level="build",
    minutes=15,
    reference=reference,
    example=_draw,
    probe=_probe,
)
gradient_penalty.equals_reference(
    "the penalty: the mean of (norm - 1)^2, a norm for each image",
    points=2,
    example=[_draw, partial(_draw, shape=(8, 2, 3, 8))],
    probe=one_number,
    what="the penalty",
)
gradient_penalty.equals_reference(
    "its gradient reaches the critic's weights",
    points=1,
    probe=gradient_at(0),
    what="the gradients of the critic",
    tolerance=1e-4,
)
gradient_penalty.equals_reference(
    "mix = 1 is real, mix = 0 is generated",
    points=1,
    example=[partial(_draw, share=share) for share in (1.0, 0.0)],
    probe=one_number,
    what="with every mix = {3[0]:g}, the penalty",
)
gradient_penalty.equals_reference(
    "points in the plane, and a batch of one",
    points=1,
    example=[partial(_draw, shape=shape) for shape in ((6, 2), (1, 3, 5, 7))],
    probe=one_number,
    what="the penalty for points in the plane, or for one image,",
)

gradient_penalty.mistake(
    "create_graph forgotten",
    partial(_penalty, graph=False),
    hint="The number is right, but it has no gradient: torch.autograd.grad threw the graph away. "
    "The penalty must be differentiated once more, by the weights: create_graph=True.",
)
gradient_penalty.mistake(
    "penalty at the real points",
    partial(_penalty, at="real"),
    hint="You took the gradient at the real images only. The generator's images have to walk where "
    "there are no real ones; mix real and fake.",
)
gradient_penalty.mistake(
    "penalty at the fakes",
    partial(_penalty, at="fake"),
    hint="You took the gradient at the generated images only. Mix real and fake, each pair at its "
    "own place.",
)
gradient_penalty.mistake(
    "real and fake swapped",
    partial(_penalty, at="swapped"),
    hint="mix is the share of the real image: mix = 1 must give the real one, mix = 0 the fake.",
)
gradient_penalty.mistake(
    "one place for the whole batch",
    partial(_penalty, spread="batch"),
    hint="All your points lie at the same share of their ways. Each pair has its own mix: reshape "
    "it to (B, 1, 1, 1) so that it is spread over pixels and channels, not over images.",
)
gradient_penalty.mistake(
    "mix along the columns",
    partial(_penalty, spread="columns"),
    hint="mix has the shape (B,), and PyTorch aligns shapes at the last axis: you gave each "
    "*column* of the image its own place. Reshape mix to (B, 1, 1, 1).",
)
gradient_penalty.mistake(
    "gradient of the mean score",
    partial(_penalty, outputs="mean"),
    hint="You differentiated the mean of the scores, so each gradient is B times too small. Use "
    "their sum: no score depends on another image.",
)
gradient_penalty.mistake(
    "norm over the batch",
    partial(_penalty, norm="batch"),
    hint="You took one norm over everything. Each image has its own gradient and its own norm: "
    "flatten(1), then the norm over dimension 1.",
)
gradient_penalty.mistake(
    "norm over the channels",
    partial(_penalty, norm="channels"),
    hint="norm(dim=1) on (B, C, H, W) is a norm over the channels of each pixel. The gradient of "
    "one image is all its pixels: flatten(1) first.",
)
gradient_penalty.mistake(
    "norm squared before the comparison",
    partial(_penalty, shape="squared norm"),
    hint="You compare the squared norm with 1. The penalty is (norm - 1)^2, with the root inside.",
)
gradient_penalty.mistake(
    "one-sided",
    partial(_penalty, shape="one-sided"),
    hint="You punish only slopes above 1. That version exists (and is easier to justify), but here "
    "(norm - 1)^2 is wanted on both sides.",
)
gradient_penalty.mistake(
    "not squared",
    partial(_penalty, shape="not squared"),
    hint="You take the distance of the norm from 1, not its square.",
)
gradient_penalty.mistake(
    "slope 0 wanted",
    partial(_penalty, shape="to zero"),
    hint="Your penalty is the squared norm: it asks for slope 0, as R1 does. Here it is slope 1.",
)
gradient_penalty.mistake(
    "sum over the batch",
    partial(_penalty, reduce="sum"),
    hint="You sum over the batch. Take the mean, or the weight depends on the batch size.",
)
gradient_penalty.mistake(
    "the mean norm compared with 1",
    partial(_penalty, shape="mean first"),
    hint="You averaged the norms first and compared the average with 1, so a slope of 2 here and 0 "
    "there costs nothing. First (norm - 1)^2 for each point, then the mean.",
)
gradient_penalty.mistake(
    "the mean over the pixels in the norm",
    partial(_penalty, norm="pixels"),
    hint="Your norm is the root of the *mean* square. A Euclidean norm is the root of the sum over "
    "all pixels and channels.",
)
