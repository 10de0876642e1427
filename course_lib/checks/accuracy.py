"""Check of the exercise "accuracy": the share of images that get the right label."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

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
    """Draw logits and labels so that each answer is right with probability `share`."""
    labels = torch.randint(classes, (size,), generator=generator)
    logits = torch.randn(size, classes, generator=generator)
    right = torch.rand(size, generator=generator) < share
    wrong = (labels + torch.randint(1, classes, (size,), generator=generator)) % classes
    answer = torch.where(right, labels, wrong)
    logits[torch.arange(size), answer] = 4 + torch.rand(size, generator=generator)
    return logits, labels


def _example(generator: torch.Generator) -> tuple[Batches]:
    """Three batches of 16, mostly right, and a last one of 5, mostly wrong."""
    batches = [_batch(16, 0.7, generator) for _ in range(3)]
    return ([*batches, _batch(5, 0.2, generator)],)


def _extremes(student: Callable, generator: torch.Generator) -> None:
    for share, wanted in ((1.0, 1.0), (0.0, 0.0)):
        batches = [_batch(size, share, generator) for size in (7, 7, 3)]
        which = "every answer is right" if share else "no answer is right"
        assert_close(student(batches), wanted, f"the accuracy when {which}")


def _one_batch(student: Callable, generator: torch.Generator) -> None:
    for size in (1, 2, 13, 64):
        batches = [_batch(size, 0.5, generator)]
        what = f"the accuracy of one batch of {size}"
        assert_close(student(batches), reference(batches), what)


def _ragged(student: Callable, generator: torch.Generator) -> None:
    for _ in range(4):
        (batches,) = _example(generator)
        sizes = [len(labels) for _, labels in batches]
        what = f"the accuracy over batches of {sizes}"
        assert_close(student(batches), reference(batches), what)


def _number(student: Callable, generator: torch.Generator) -> None:
    (batches,) = _example(generator)
    got = student(batches)
    assert isinstance(got, float), (
        f"wanted a Python float, got a {type(got).__name__}: "
        "a tensor of one number becomes a Python number with .item()"
    )


PROPERTIES = (
    Property("1 when every answer is right, 0 when none is", 2, _extremes),
    Property("right for one batch of any size", 2, _one_batch),
    Property("every image counts the same, also in a smaller last batch", 2, _ragged),
    Property("a Python float", 1, _number),
)


def _broadcast(batches: Batches) -> float:
    correct = total = 0
    for logits, labels in batches:
        best = logits.topk(1, dim=1).indices  # (B, 1)
        correct += int((best == labels).sum())  # (B, B)
        total += len(labels)
    return correct / total


def _broadcast_mean(batches: Batches) -> float:
    pairs = [(logits.topk(1, dim=1).indices == labels).flatten() for logits, labels in batches]
    return float(torch.cat(pairs).float().mean())


def _mean_of_means(batches: Batches) -> float:
    return sum(reference([batch]) for batch in batches) / len(batches)


def _last_batch(batches: Batches) -> float:
    return reference(batches[-1:])


def _percent(batches: Batches) -> float:
    return 100 * reference(batches)


def _error(batches: Batches) -> float:
    return 1 - reference(batches)


def _wrong_axis(batches: Batches) -> float:
    correct = total = 0
    for logits, labels in batches:
        correct += int((logits.argmax(dim=0) == labels).sum())
        total += len(labels)
    return correct / total


def _whole_tensor(batches: Batches) -> float:
    correct = total = 0
    for logits, labels in batches:
        correct += int((logits.argmax() == labels).sum())
        total += len(labels)
    return correct / total


def _full_batches(batches: Batches) -> float:
    correct = sum(int((logits.argmax(dim=1) == labels).sum()) for logits, labels in batches)
    return correct / (len(batches) * len(batches[0][1]))


def _per_batch(batches: Batches) -> float:
    correct = sum(int((logits.argmax(dim=1) == labels).sum()) for logits, labels in batches)
    return correct / len(batches)


def _tensor(batches: Batches) -> Tensor:
    return torch.tensor(reference(batches))


MISTAKES = (
    Mistake(
        "every answer against every label",
        _broadcast,
        "You compare a column (B, 1) with a row (B,). PyTorch stretches both to (B, B), so every "
        "answer is compared with every label, and the share can exceed 1. Make the answers (B,): "
        "logits.argmax(dim=1), or squeeze the column.",
    ),
    Mistake(
        "mean over every pair",
        _broadcast_mean,
        "You take the mean of a (B, B) comparison: every answer with every label. It stays below "
        "1, so nothing looks wrong, yet it measures how often two labels coincide. Make the "
        "answers (B,) before you compare.",
    ),
    Mistake(
        "mean of batch means",
        _mean_of_means,
        "You average the accuracies of the batches. The last batch is smaller, so its images "
        "count for more than the others. Add up right answers and images, and divide once.",
    ),
    Mistake(
        "last batch only",
        _last_batch,
        "Your answer is that of the last batch. Set the counters to zero once, before the loop, "
        "and add to them inside.",
    ),
    Mistake(
        "percent",
        _percent,
        "This is the accuracy in percent. The share of right answers lies between 0 and 1; "
        "multiply by 100 only where a person reads it.",
    ),
    Mistake(
        "error rate",
        _error,
        "This is the share of wrong answers, the error rate. Count where answer and label agree.",
    ),
    Mistake(
        "wrong axis",
        _wrong_axis,
        "You take the largest score down the batch (dim=0), which asks for each class which image "
        "fits it best. The classes lie along dim=1.",
    ),
    Mistake(
        "one answer for the whole batch",
        _whole_tensor,
        "argmax() without dim returns one position in the flattened tensor, not one class per "
        "image. Say dim=1.",
    ),
    Mistake(
        "all batches taken as full",
        _full_batches,
        "You divide by batches times batch size, but the last batch is smaller. Count the images "
        "as they come: total += len(labels).",
    ),
    Mistake(
        "divided by batches",
        _per_batch,
        "You divide the right answers by the number of batches. Divide by the number of images.",
    ),
    Mistake(
        "a tensor",
        _tensor,
        "The value is right, but it is a tensor. Return a Python float: call .item() on the "
        "tensor, or divide two Python numbers.",
    ),
)


def _as_number(student: Callable, arguments: tuple) -> object:
    """Compare a tensor with one number by its value, and remember that it was a tensor."""
    got = student(*arguments)
    if isinstance(got, Tensor) and got.numel() == 1:
        value = float(got)
        # A tensor that holds the right value is the mistake "a tensor"; any other is its value.
        return got.detach().float() if abs(value - reference(*arguments)) < 1e-6 else value
    return got


def accuracy(student: Callable[[Batches], float], *, seed: int | None = None) -> Report:
    """Check a learner's `accuracy(batches)`.

    Args:
        student: The learner's function. Takes a list of (logits (B, K), labels (B,)) and returns
            the share of images whose largest logit is that of the label, a float.
        seed: Draws the same inputs again. Fresh ones by default.

    Returns:
        Points per property, and a hint for a known wrong answer.
    """
    return grade(
        "accuracy",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_as_number,
        seed=seed,
    )
