"""Check of the exercise `soft_dice`: Dice as a loss, with pixels that do not count."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    """Return one minus soft Dice, mean over the classes that occur.

    Args:
        logits: (B, K, H, W).
        targets: (B, H, W) integers in [0, K) or ignore_index.
        ignore_index: pixels with this label do not count.

    Returns:
        Scalar with a gradient.
    """
    return _loss(logits, targets, ignore_index)


def _loss(
    logits: Tensor,
    targets: Tensor,
    ignore_index: int = 255,
    *,
    softmax: bool = True,
    hard: bool = False,
    masked: bool = True,
    as_background: bool = False,
    twice: bool = True,
    score: bool = False,
    all_classes: bool = False,
) -> Tensor:
    """The loss, with one thing at a time that can be made wrong."""
    num_classes = logits.shape[1]
    p = logits.softmax(1) if softmax else logits.sigmoid()
    if hard:
        p = torch.nn.functional.one_hot(p.argmax(1), num_classes).movedim(-1, 1).to(logits.dtype)
    valid = targets != ignore_index
    labels = torch.where(valid, targets, 0)
    one_hot = torch.nn.functional.one_hot(labels, num_classes).movedim(-1, 1).to(p.dtype)
    if not as_background:
        one_hot = one_hot * valid[:, None]
        if masked:
            p = p * valid[:, None]
    common = (p * one_hot).sum((0, 2, 3))
    total = p.sum((0, 2, 3)) + one_hot.sum((0, 2, 3))
    dice = (2 if twice else 1) * common / total
    present = one_hot.sum((0, 2, 3)) > 0
    mean = dice.mean() if all_classes else dice[present].mean()
    return mean if score else 1 - mean


def _ignored_probability(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return _loss(logits, targets, ignore_index, masked=False)


def _ignored_as_class_0(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return _loss(logits, targets, ignore_index, as_background=True)


def _absent_counted(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return _loss(logits, targets, ignore_index, all_classes=True)


def _sigmoid(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return _loss(logits, targets, ignore_index, softmax=False)


def _argmax(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return _loss(logits, targets, ignore_index, hard=True)


def _score(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return _loss(logits, targets, ignore_index, score=True)


def _once(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    return _loss(logits, targets, ignore_index, twice=False)


def _per_image(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    pairs = zip(logits, targets, strict=True)
    return torch.stack([_loss(z[None], y[None], ignore_index) for z, y in pairs]).mean()


MISTAKES = [
    Mistake(
        "probabilities of ignored pixels counted",
        _ignored_probability,
        "Ignored pixels are gone from the truth, but their probabilities are still in the sum "
        "below the line. The network would be punished for whatever it says there. Multiply the "
        "probabilities by the mask too.",
    ),
    Mistake(
        "ignored pixels taken as class 0",
        _ignored_as_class_0,
        "You replaced the ignore label by 0 so that one_hot works, and left it there: now these "
        "pixels are class 0. Set their row of the one-hot mask, and their probabilities, to 0.",
    ),
    Mistake(
        "absent classes counted",
        _absent_counted,
        "You took the mean over all classes. A class that no pixel has gets Dice 0 whatever the "
        "network does, so the loss depends on what the batch happens to hold. Mean over the "
        "classes that occur.",
    ),
    Mistake(
        "sigmoid for softmax",
        _sigmoid,
        "You used a sigmoid for each class. One pixel has one class here: take the softmax over "
        "dimension 1, so that the probabilities of a pixel add up to 1.",
    ),
    Mistake(
        "argmax in the loss",
        _argmax,
        "You took the argmax first. Counting labels has no gradient, so nothing could be learned. "
        "Put the probabilities themselves into the sums.",
    ),
    Mistake(
        "the score, not the loss",
        _score,
        "You return Dice. Training makes its loss small: return one minus it.",
    ),
    Mistake(
        "the factor 2 forgotten",
        _once,
        "Your fraction has no 2 above the line, so a perfect answer has the loss 0.5. Dice is "
        "2 sum(p g) / (sum(p) + sum(g)).",
    ),
    Mistake(
        "mean over images",
        _per_image,
        "You computed Dice in each image and took the mean. Here the sums run over the whole "
        "batch: dimensions 0, 2 and 3. (Both versions exist; say which one you use.)",
    ),
]


def _draw(
    generator: torch.Generator, *, classes: int, used: int, ignore: bool
) -> tuple[Tensor, Tensor]:
    """Logits that know something, and labels; each image prefers one class."""
    height, width = (int(n) for n in torch.randint(4, 8, (2,), generator=generator))
    shape = (3, height, width)
    targets = torch.randint(0, used, shape, generator=generator)
    prefer = torch.arange(3).remainder(used)[:, None, None]
    targets = torch.where(torch.rand(shape, generator=generator) < 0.6, prefer, targets)
    targets.view(3, -1)[:, :used] = torch.arange(used)  # each class is in each image
    logits = torch.randn(3, classes, height, width, generator=generator)
    sure = 2 * torch.rand(3, 1, 1, 1, generator=generator)  # images of different quality
    logits += sure * torch.nn.functional.one_hot(targets, classes).movedim(-1, 1)
    if ignore:
        hide = torch.rand(shape, generator=generator) < 0.3
        hide.view(3, -1)[:, :used] = False
        hide.view(3, -1)[:, -2:] = True
        targets = torch.where(hide, 255, targets)
    return logits, targets


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, classes=4, used=3, ignore=True)


def _value(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, classes=3, used=3, ignore=False)
    assert_close(student(*arguments), reference(*arguments), "the loss of three classes")


def _gradient(student: Any, generator: torch.Generator) -> None:
    logits, targets = _draw(generator, classes=3, used=3, ignore=False)
    found = []
    for loss in (student, reference):
        z = logits.clone().requires_grad_()
        value = loss(z, targets)
        if not getattr(value, "requires_grad", False):
            raise AssertionError(
                "the loss has no gradient: somewhere you left the probabilities (argmax, .item(), "
                "detach)"
            )
        value.backward()
        found.append(z.grad)
    assert_close(found[0], found[1], "the gradient at the logits", tolerance=1e-6)


def _ignored(student: Any, generator: torch.Generator) -> None:
    logits, targets = _draw(generator, classes=3, used=3, ignore=True)
    assert_close(student(logits, targets), reference(logits, targets), "the loss with some ignored")
    other = torch.where(targets == 255, 9, targets)
    assert_close(
        student(logits, other, ignore_index=9),
        reference(logits, other, ignore_index=9),
        "with ignore_index=9, the loss",
    )


def _absent(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, classes=5, used=3, ignore=False)
    assert_close(
        student(*arguments), reference(*arguments), "the loss where two classes are absent"
    )


PROPERTIES = [
    Property("the loss: one minus Dice of sums over the batch", 2, _value),
    Property("it has the right gradient", 1, _gradient),
    Property("ignored pixels do not count, above or below the line", 2, _ignored),
    Property("absent classes are left out of the mean", 1, _absent),
]


def soft_dice(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `soft_dice(logits, targets, ignore_index=255)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "soft_dice",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
