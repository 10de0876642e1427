"""Check of the exercise `batch_norm`: whose mean, and which of the two variances."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import gradient_at
from course_lib.checks.core import Check


def reference(
    x: Tensor, mean: Tensor, var: Tensor, training: bool, momentum: float = 0.1, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the normalised maps, and the stored statistics after this batch.

    Args:
        x: (B, C, H, W).
        mean: (C,), stored.
        var: (C,), stored.
        training: normalise with the batch's statistics and update the stored ones; otherwise
            normalise with the stored ones and leave them.
        momentum: share of the new batch in the stored statistics.
        eps: added to the variance before the root.

    Returns:
        (B, C, H, W), (C,), (C,).

    Source: arXiv:1502.03167, algorithms 1 and 2, without the learnt scale and shift.
    """
    return _norm(x, mean, var, training, momentum, eps)


def _norm(
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    axes: tuple[int, ...] = (0, 2, 3),
    correction: int = 0,
    stored_correction: int = 1,
    reverse: bool = False,
    outside: bool = False,
    ignore_mode: bool = False,
    stored_at_once: bool = False,
    always_update: bool = False,
    never_update: bool = False,
    divide_by_var: bool = False,
    cut: bool = False,
    columns: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """BatchNorm, with one thing at a time that can be made wrong."""
    new_mean, new_var = mean, var
    if (training or always_update) and not never_update:
        share = 1 - momentum if reverse else momentum
        new_mean = torch.lerp(mean, x.mean((0, 2, 3)), share)
        new_var = torch.lerp(var, x.var((0, 2, 3), correction=stored_correction), share)
    source = x.detach() if cut else x
    if stored_at_once:
        mean, var = new_mean, new_var
    elif training or ignore_mode:
        mean = source.mean(axes, keepdim=True)
        var = source.var(axes, correction=correction, keepdim=True)
    if columns:
        mean, var = mean.flatten(), var.flatten()
    elif mean.ndim == 1:
        mean, var = mean[:, None, None], var[:, None, None]
    below = var.sqrt() + eps if outside else (var + eps).sqrt()
    return (x - mean) / (var + eps if divide_by_var else below), new_mean, new_var


def _draw(generator: torch.Generator, options: tuple = ()) -> tuple:
    """Maps as wide as they have channels, so that a wrong shape broadcasts; and the options."""
    scale = torch.tensor([0.3, 1.5, 3.0])[:, None, None]
    x = torch.randn(2, 3, 2, 3, generator=generator) * scale
    x = x + torch.randn(3, generator=generator)[:, None, None] + torch.tensor([[[[0.0]]], [[[1]]]])
    mean = torch.randn(3, generator=generator)
    return x, mean, 0.5 + torch.rand(3, generator=generator), *options


def _three(student: Any, arguments: tuple) -> tuple:
    answer = student(*arguments)
    if not (isinstance(answer, tuple | list) and len(answer) == 3):
        raise AssertionError(f"got {type(answer).__name__}, wanted (y, mean, var)")
    return tuple(answer)


def _output(student: Any, arguments: tuple) -> Any:
    return _three(student, arguments)[0]


def _gradient(student: Any, arguments: tuple) -> Tensor:
    gradient: Tensor = gradient_at(0)(lambda *inputs: _output(student, inputs), arguments)
    return gradient


def _probe(student: Any, arguments: tuple) -> list:
    options = ((True,), (False,), (True, 0.3, 0.5))
    values = [_three(student, arguments + option) for option in options]
    return [*values, _gradient(student, (*arguments, True))]


batch_norm = Check(
    "batch_norm",
    lab="normalisation",
    level="build",
    minutes=20,
    reference=reference,
    example=_draw,
    probe=_probe,
)
batch_norm.equals_reference(
    "training: each channel by the batch's mean and variance",
    points=1,
    example=[partial(_draw, options=(True, 0.1, eps)) for eps in (1e-5, 0.5)],
    probe=_output,
    what="in training, with eps {5}, the output",
)
batch_norm.equals_reference(
    "training: the gradient passes through mean and variance too",
    points=1,
    example=partial(_draw, options=(True,)),
    probe=_gradient,
    what="in training, the gradient at x",
    tolerance=1e-4,
)
batch_norm.equals_reference(
    "training: the stored statistics move by their share",
    points=1,
    example=[partial(_draw, options=(True, share)) for share in (0.1, 0.3)],
    probe=lambda student, arguments: _three(student, arguments)[1:],
    what=("with momentum {4}, the stored mean", "with momentum {4}, the stored variance"),
)
batch_norm.equals_reference(
    "evaluation: by the stored statistics, which stay",
    points=1,
    example=partial(_draw, options=(False,)),
    probe=_three,
    what=("in evaluation the output", "in evaluation the mean", "in evaluation the variance"),
)

batch_norm.mistake(
    "statistics over the batch only",
    partial(_norm, axes=(0,)),
    hint="You took mean and variance over the batch for each pixel by itself. A convolution does "
    "the same at every place, so all places of a channel share their statistics: dimensions 0, 2 "
    "and 3.",
)
batch_norm.mistake(
    "statistics of each image",
    partial(_norm, axes=(2, 3)),
    hint="You took mean and variance in each image by itself: that is instance normalisation. "
    "BatchNorm's run over the whole batch: dimensions 0, 2 and 3.",
)
batch_norm.mistake(
    "statistics over the channels too",
    partial(_norm, axes=(0, 1, 2, 3)),
    hint="You took one mean and one variance for all channels. Each channel has its own: "
    "dimensions 0, 2 and 3.",
)
batch_norm.mistake(
    "normalised by n - 1",
    partial(_norm, correction=1),
    hint="You normalise with the variance divided by n - 1. PyTorch normalises with the one "
    "divided by n, so that the result has variance 1 exactly, and keeps n - 1 for the stored one.",
)
batch_norm.mistake(
    "stored by n",
    partial(_norm, stored_correction=0),
    hint="You store the variance divided by n. It is to stand for images to come, so PyTorch "
    "stores the unbiased estimate, divided by n - 1.",
)
batch_norm.mistake(
    "momentum the wrong way round",
    partial(_norm, reverse=True),
    hint="With momentum 0.1 the new batch has a share of 0.1 in the stored value, not 0.9. "
    "(Optimisers use the word the other way round.)",
)
batch_norm.mistake(
    "batch statistics in evaluation too",
    partial(_norm, ignore_mode=True),
    hint="In evaluation you still use the batch's statistics, so an image's result depends on the "
    "images beside it. Use the stored ones.",
)
batch_norm.mistake(
    "stored statistics in training",
    partial(_norm, stored_at_once=True),
    hint="In training you normalise with the stored average. It lags behind the weights; the batch "
    "itself gives the statistics, the stored ones are for evaluation.",
)
batch_norm.mistake(
    "updated in evaluation",
    partial(_norm, always_update=True),
    hint="You change the stored statistics in evaluation as well: looking at images would change "
    "the network.",
)
batch_norm.mistake(
    "never updated",
    partial(_norm, never_update=True),
    hint="The stored statistics stay as they were. In training they move towards the batch's by "
    "the share `momentum`.",
)
batch_norm.mistake(
    "eps outside of the root",
    partial(_norm, outside=True),
    hint="You add eps after the root. It belongs to the variance: sqrt(var + eps).",
)
batch_norm.mistake(
    "divided by the variance",
    partial(_norm, divide_by_var=True),
    hint="You divide by the variance. Its root, the standard deviation, has the unit of x.",
)
batch_norm.mistake(
    "mean and variance without a graph",
    partial(_norm, cut=True),
    hint="The values are right, but in training the batch's mean and variance depend on x, and "
    "yours are cut from the graph (detach, no_grad, .data). Their gradient belongs to BatchNorm: "
    "keep it.",
)
batch_norm.mistake(
    "statistics along the columns",
    partial(_norm, columns=True),
    hint="x has the shape (B, C, H, W) and mean (C,), and PyTorch aligns shapes at the last axis: "
    "you gave each *column* the statistics of a channel. Reshape them to (C, 1, 1).",
)
