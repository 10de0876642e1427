"""Check of the exercise "accuracy": the share of images that get the right label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Check

Batches = list[tuple[Tensor, Tensor]]  # (logits (B, K), labels (B,)) for each batch
CLASSES = 6


def reference(batches: Batches) -> float:
    """The answer: right answers over all batches, divided by images over all batches."""
    correct = total = 0
    for logits, labels in batches:
        correct += int((logits.argmax(dim=1) == labels).sum())
        total += len(labels)
    return correct / total


def _batch(
    size: int, share: float, generator: torch.Generator, classes: int = CLASSES
) -> tuple[Tensor, Tensor]:
    """Draw logits and labels so that each answer is right with probability `share`.

    The best class is ahead by little as often as by much, and no logit says by itself that it is
    the best: a threshold does not find it.
    """
    labels = torch.randint(classes, (size,), generator=generator)
    logits = torch.randn(size, classes, generator=generator)
    right = torch.rand(size, generator=generator) < share
    wrong = (labels + torch.randint(1, classes, (size,), generator=generator)) % classes
    answer = torch.where(right, labels, wrong)
    ahead = 0.01 + 4 * torch.rand(size, generator=generator).square()
    logits[torch.arange(size), answer] = logits.amax(1) + ahead
    return logits + 3 * torch.randn(size, 1, generator=generator), labels


def _example(generator: torch.Generator) -> tuple[Batches]:
    """Three batches of 16, mostly right, and a last one of 5, mostly wrong."""
    batches = [_batch(16, 0.7, generator) for _ in range(3)]
    return ([*batches, _batch(5, 0.2, generator)],)


def _of(sizes: Sequence[int], share: float) -> Callable[[torch.Generator], tuple[Batches]]:
    return lambda generator: ([_batch(size, share, generator) for size in sizes],)


def _images(batches: Batches) -> int:
    return sum(len(labels) for _, labels in batches)


def _count(
    batches: Batches,
    *,
    hits: Callable[[Tensor, Tensor], Tensor] = lambda logits, labels: logits.argmax(1) == labels,
    share: Callable[[int, Batches], float] = lambda n, b: n / _images(b),
) -> float:
    """The count, with one half that can be made wrong: what is a hit, or what it is divided by."""
    return share(sum(int(hits(logits, labels).sum()) for logits, labels in batches), batches)


def _broadcast_mean(batches: Batches) -> float:
    pairs = [(logits.topk(1, dim=1).indices == labels).flatten() for logits, labels in batches]
    return float(torch.cat(pairs).float().mean())


def _mean_of_means(batches: Batches) -> float:
    return sum(reference([batch]) for batch in batches) / len(batches)


def _mean_probability(batches: Batches) -> float:
    each = [logits.softmax(1).gather(1, labels[:, None]) for logits, labels in batches]
    return float(torch.cat(each).mean())


def _as_number(student: Callable, arguments: tuple) -> object:
    """Compare a tensor with one number by its value, and remember that it was a tensor."""
    got = student(*arguments)
    if isinstance(got, Tensor) and got.numel() == 1:
        value = float(got)
        # A tensor that holds the right value is the mistake "a tensor"; any other is its value.
        return got.detach().float() if abs(value - reference(*arguments)) < 1e-6 else value
    return got


def _value(student: Any, arguments: tuple) -> Any:
    return student(*arguments)


accuracy = Check(
    "accuracy",
    lab="classifier",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=_example,
    probe=_as_number,
)

accuracy.equals_reference(
    "1 when every answer is right, 0 when none is",
    points=2,
    example=[_of((7, 7, 3), 1.0), _of((7, 7, 3), 0.0)],
    probe=_value,
    what="the accuracy when every answer is right, or none,",
)
accuracy.equals_reference(
    "right for one batch of any size",
    points=2,
    example=[_of((size,), 0.5) for size in (1, 2, 13, 64)],
    probe=_value,
    what="the accuracy of one batch",
)
accuracy.equals_reference(
    "every image counts the same, also in a smaller last batch",
    points=2,
    example=[_example] * 4,
    probe=_value,
    what="the accuracy over batches of 16, 16, 16 and 5",
)


@accuracy.holds("a Python float", points=1)
def _number(student: Any, generator: torch.Generator) -> None:
    got = student(*_example(generator))
    assert isinstance(got, float), (
        f"wanted a Python float, got a {type(got).__name__}: "
        "a tensor of one number becomes a Python number with .item()"
    )


accuracy.mistake(
    "every answer against every label",
    partial(_count, hits=lambda logits, labels: logits.topk(1, dim=1).indices == labels),
    hint="You compare a column (B, 1) with a row (B,). PyTorch stretches both to (B, B), so every "
    "answer is compared with every label, and the share can exceed 1. Make the answers (B,): "
    "logits.argmax(dim=1), or squeeze the column.",
)
accuracy.mistake(
    "mean over every pair",
    _broadcast_mean,
    hint="You take the mean of a (B, B) comparison: every answer with every label. It stays below "
    "1, so nothing looks wrong, yet it measures how often two labels coincide. Make the answers "
    "(B,) before you compare.",
)
accuracy.mistake(
    "mean of batch means",
    _mean_of_means,
    hint="You average the accuracies of the batches. The last batch is smaller, so its images "
    "count for more than the others. Add up right answers and images, and divide once.",
)
accuracy.mistake(
    "last batch only",
    lambda batches: reference(batches[-1:]),
    hint="Your answer is that of the last batch. Set the counters to zero once, before the loop, "
    "and add to them inside.",
)
accuracy.mistake(
    "first batch only",
    lambda batches: reference(batches[:1]),
    hint="Your answer is that of the first batch. Is the `return` inside the loop?",
)
accuracy.mistake(
    "percent",
    lambda batches: 100 * reference(batches),
    hint="This is the accuracy in percent. The share of right answers lies between 0 and 1; "
    "multiply by 100 only where a person reads it.",
)
accuracy.mistake(
    "error rate",
    lambda batches: 1 - reference(batches),
    hint="This is the share of wrong answers, the error rate. Count where answer and label agree.",
)
accuracy.mistake(
    "wrong axis",
    partial(_count, hits=lambda logits, labels: logits.argmax(0) == labels),
    hint="You take the largest score down the batch (dim=0), which asks for each class which image "
    "fits it best. The classes lie along dim=1.",
)
accuracy.mistake(
    "one answer for the whole batch",
    partial(_count, hits=lambda logits, labels: logits.argmax() == labels),
    hint="argmax() without dim returns one position in the flattened tensor, not one class per "
    "image. Say dim=1.",
)
accuracy.mistake(
    "the smallest score",
    partial(_count, hits=lambda logits, labels: logits.argmin(1) == labels),
    hint="You take the class with the smallest score. The answer is the class with the largest: "
    "argmax.",
)
accuracy.mistake(
    "a probability above one half",
    partial(_count, hits=lambda logits, labels: logits.softmax(1).gather(1, labels[:, None]) > 0.5),
    hint="You count an image as right if the label's probability is above 1/2. With more than two "
    "classes the largest one may be smaller than that: compare the argmax with the label.",
)
accuracy.mistake(
    "a positive score",
    partial(_count, hits=lambda logits, labels: logits.gather(1, labels[:, None]) > 0),
    hint="You count an image as right if the label's score is positive. What counts is whether it "
    "is the largest of its row.",
)
accuracy.mistake(
    "a mean of probabilities",
    lambda batches: float(
        torch.cat([x.softmax(1).gather(1, y[:, None]) for x, y in batches]).mean()
    ),
    hint="You average the probabilities of the labels. Accuracy counts decisions: an image is "
    "right or wrong.",
)
accuracy.mistake(
    "all batches taken as full",
    partial(_count, share=lambda n, b: n / (len(b) * len(b[0][1]))),
    hint="You divide by batches times batch size, but the last batch is smaller. Count the images "
    "as they come: total += len(labels).",
)
accuracy.mistake(
    "divided by batches",
    partial(_count, share=lambda n, b: n / len(b)),
    hint="You divide the right answers by the number of batches. Divide by the number of images.",
)
accuracy.mistake(
    "not divided",
    partial(_count, share=lambda n, b: float(n)),
    hint="You return the number of right answers. Divide it by the number of images.",
)
accuracy.mistake(
    "a tensor",
    lambda batches: torch.tensor(reference(batches)),
    hint="The value is right, but it is a tensor. Return a Python float: call .item() on the "
    "tensor, or divide two Python numbers.",
)
