"""Check of the exercise `batch_norm`: whose mean, and which of the two variances."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

Answer = tuple[Tensor, Tensor, Tensor]


def reference(
    x: Tensor, mean: Tensor, var: Tensor, training: bool, momentum: float = 0.1, eps: float = 1e-5
) -> Answer:
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
    normalise_unbiased: bool = False,
    store_unbiased: bool = True,
    reverse: bool = False,
    outside: bool = False,
    ignore_mode: bool = False,
    stored_at_once: bool = False,
    always_update: bool = False,
    never_update: bool = False,
    divide_by_var: bool = False,
) -> Answer:
    """BatchNorm, with one thing at a time that can be made wrong."""
    batch_mean = x.mean(axes, keepdim=True)
    batch_var = x.var(axes, unbiased=normalise_unbiased, keepdim=True)
    new_mean, new_var = mean, var
    if (training or always_update) and not never_update:
        share = 1 - momentum if reverse else momentum
        fresh_mean = x.mean((0, 2, 3))
        fresh_var = x.var((0, 2, 3), unbiased=store_unbiased)
        new_mean = (1 - share) * mean + share * fresh_mean
        new_var = (1 - share) * var + share * fresh_var
    if training or ignore_mode:
        use_mean, use_var = batch_mean, batch_var
        if stored_at_once:
            use_mean, use_var = new_mean[:, None, None], new_var[:, None, None]
    else:
        use_mean, use_var = mean[:, None, None], var[:, None, None]
    below = use_var.sqrt() + eps if outside else (use_var + eps).sqrt()
    if divide_by_var:
        below = use_var + eps
    return (x - use_mean) / below, new_mean, new_var


MISTAKES = [
    Mistake(
        "statistics over the batch only",
        partial(_norm, axes=(0,)),
        "You took mean and variance over the batch for each pixel by itself. A convolution does "
        "the same at every place, so all places of a channel share their statistics: dimensions "
        "0, 2 and 3.",
    ),
    Mistake(
        "statistics of each image",
        partial(_norm, axes=(2, 3)),
        "You took mean and variance in each image by itself: that is instance normalisation. "
        "BatchNorm's run over the whole batch: dimensions 0, 2 and 3.",
    ),
    Mistake(
        "statistics over the channels too",
        partial(_norm, axes=(0, 1, 2, 3)),
        "You took one mean and one variance for all channels. Each channel has its own: dimensions "
        "0, 2 and 3.",
    ),
    Mistake(
        "normalised by n - 1",
        partial(_norm, normalise_unbiased=True),
        "You normalise with the variance divided by n - 1. PyTorch normalises with the one divided "
        "by n, so that the result has variance 1 exactly, and keeps n - 1 for the stored one.",
    ),
    Mistake(
        "stored by n",
        partial(_norm, store_unbiased=False),
        "You store the variance divided by n. It is to stand for images to come, so PyTorch stores "
        "the unbiased estimate, divided by n - 1.",
    ),
    Mistake(
        "momentum the wrong way round",
        partial(_norm, reverse=True),
        "With momentum 0.1 the new batch has a share of 0.1 in the stored value, not 0.9. "
        "(Optimisers use the word the other way round.)",
    ),
    Mistake(
        "batch statistics in evaluation too",
        partial(_norm, ignore_mode=True),
        "In evaluation you still use the batch's statistics, so an image's result depends on the "
        "images beside it. Use the stored ones.",
    ),
    Mistake(
        "stored statistics in training",
        partial(_norm, stored_at_once=True),
        "In training you normalise with the stored average. It lags behind the weights; the batch "
        "itself gives the statistics, the stored ones are for evaluation.",
    ),
    Mistake(
        "updated in evaluation",
        partial(_norm, always_update=True),
        "You change the stored statistics in evaluation as well: looking at images would change "
        "the network.",
    ),
    Mistake(
        "never updated",
        partial(_norm, never_update=True),
        "The stored statistics stay as they were. In training they move towards the batch's by the "
        "share `momentum`.",
    ),
    Mistake(
        "eps outside of the root",
        partial(_norm, outside=True),
        "You add eps after the root. It belongs to the variance: sqrt(var + eps).",
    ),
    Mistake(
        "divided by the variance",
        partial(_norm, divide_by_var=True),
        "You divide by the variance. Its root, the standard deviation, has the unit of x.",
    ),
]


def _draw(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    scale = torch.tensor([0.3, 1.5, 3.0])[:, None, None]
    x = torch.randn(2, 3, 2, 3, generator=generator) * scale
    x = x + torch.randn(3, generator=generator)[:, None, None] + torch.tensor([[[[0.0]]], [[[1]]]])
    mean = torch.randn(3, generator=generator)
    return x, mean, 0.5 + torch.rand(3, generator=generator)


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator)


def _probe(student: Any, arguments: tuple) -> list:
    return [
        student(*arguments, True),
        student(*arguments, False),
        student(*arguments, True, momentum=0.3, eps=0.5),
    ]


def _three(answer: Any) -> Answer:
    if not (isinstance(answer, tuple | list) and len(answer) == 3):
        raise AssertionError(f"got {type(answer).__name__}, wanted (y, mean, var)")
    return answer[0], answer[1], answer[2]


def _training(student: Any, generator: torch.Generator) -> None:
    for eps in (1e-5, 0.5):
        arguments = (*_draw(generator), True, 0.1, eps)
        got, wanted = _three(student(*arguments)), reference(*arguments)
        assert_close(got[0], wanted[0], f"in training, with eps {eps}, the output")


def _stored(student: Any, generator: torch.Generator) -> None:
    for momentum in (0.1, 0.3):
        arguments = (*_draw(generator), True, momentum)
        got, wanted = _three(student(*arguments)), reference(*arguments)
        assert_close(got[1], wanted[1], f"with momentum {momentum}, the stored mean")
        assert_close(got[2], wanted[2], f"with momentum {momentum}, the stored variance")


def _evaluation(student: Any, generator: torch.Generator) -> None:
    arguments = (*_draw(generator), False)
    before = [a.clone() for a in arguments[1:3]]
    got, wanted = _three(student(*arguments)), reference(*arguments)
    assert_close(got[0], wanted[0], "in evaluation the output")
    assert_close(got[1], before[0], "in evaluation the stored mean")
    assert_close(got[2], before[1], "in evaluation the stored variance")


PROPERTIES = [
    Property("training: each channel by the batch's mean and variance", 2, _training),
    Property("training: the stored statistics move by their share", 1, _stored),
    Property("evaluation: by the stored statistics, which stay", 1, _evaluation),
]


def batch_norm(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `batch_norm(x, mean, var, training, momentum=0.1, eps=1e-5)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "batch_norm",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
