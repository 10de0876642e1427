"""Check of the exercise `soft_dice`: Dice as a loss, with pixels that do not count."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.compare import gradient_at, one_number
from course_lib.checks.core import Check


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
    factor: float = 2.0,
    smooth: float = 0.0,
    squared: bool = False,
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
    total = (p.square() if squared else p).sum((0, 2, 3)) + one_hot.sum((0, 2, 3))
    dice = (factor * common + smooth) / (total + smooth)
    present = one_hot.sum((0, 2, 3)) > 0
    mean = dice.mean() if all_classes else dice[present].mean()
    return mean if score else 1 - mean


def _per_image(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    pairs = zip(logits, targets, strict=True)
    return torch.stack([_loss(z[None], y[None], ignore_index) for z, y in pairs]).mean()


def _draw(
    generator: torch.Generator, *, classes: int, used: int, ignore: int | None = None
) -> tuple:
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
    if ignore is not None:
        hide = torch.rand(shape, generator=generator) < 0.3
        hide.view(3, -1)[:, :used] = False
        hide.view(3, -1)[:, -2:] = True
        targets = torch.where(hide, ignore, targets)
    return (logits, targets) + ((ignore,) if ignore not in (None, 255) else ())


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, classes=4, used=3, ignore=255)


soft_dice = Check(
    "soft_dice",
    lab="judging",
    level="build",
    minutes=20,
    reference=reference,
    example=_example,
    probe=one_number,
)

soft_dice.equals_reference(
    "the loss: one minus Dice of sums over the batch",
    points=2,
    example=partial(_draw, classes=3, used=3),
    what="the loss of three classes",
)
soft_dice.equals_reference(
    "it has the right gradient",
    points=1,
    example=partial(_draw, classes=3, used=3),
    probe=gradient_at(0),
    what="the gradient at the logits",
    tolerance=1e-6,
)
soft_dice.equals_reference(
    "ignored pixels do not count, above or below the line, whatever number marks them",
    points=2,
    example=[partial(_draw, classes=3, used=3, ignore=label) for label in (255, 9)],
    what="the loss with ignored pixels",
)
soft_dice.equals_reference(
    "absent classes are left out of the mean",
    points=1,
    example=partial(_draw, classes=5, used=3),
    what="the loss where two classes are absent",
)

soft_dice.mistake(
    "probabilities of ignored pixels counted",
    partial(_loss, masked=False),
    hint="Ignored pixels are gone from the truth, but their probabilities are still in the sum "
    "below the line. The network would be punished for whatever it says there. Multiply the "
    "probabilities by the mask too.",
)
soft_dice.mistake(
    "ignored pixels taken as class 0",
    partial(_loss, as_background=True),
    hint="You replaced the ignore label by 0 so that one_hot works, and left it there: now these "
    "pixels are class 0. Set their row of the one-hot mask, and their probabilities, to 0.",
)
soft_dice.mistake(
    "absent classes counted",
    partial(_loss, all_classes=True),
    hint="You took the mean over all classes. A class that no pixel has gets Dice 0 whatever the "
    "network does, so the loss depends on what the batch happens to hold. Mean over the classes "
    "that occur.",
)
soft_dice.mistake(
    "sigmoid for softmax",
    partial(_loss, softmax=False),
    hint="You used a sigmoid for each class. One pixel has one class here: take the softmax over "
    "dimension 1, so that the probabilities of a pixel add up to 1.",
)
soft_dice.mistake(
    "argmax in the loss",
    partial(_loss, hard=True),
    hint="You took the argmax first. Counting labels has no gradient, so nothing could be learned. "
    "Put the probabilities themselves into the sums.",
)
soft_dice.mistake(
    "the score, not the loss",
    partial(_loss, score=True),
    hint="You return Dice. Training makes its loss small: return one minus it.",
)
soft_dice.mistake(
    "the factor 2 forgotten",
    partial(_loss, factor=1.0),
    hint="Your fraction has no 2 above the line, so a perfect answer has the loss 0.5. Dice is 2 "
    "sum(p g) / (sum(p) + sum(g)).",
)
soft_dice.mistake(
    "mean over images",
    _per_image,
    hint="You computed Dice in each image and took the mean. Here the sums run over the whole "
    "batch: dimensions 0, 2 and 3. (Both versions exist; say which one you use.)",
)
soft_dice.mistake(
    "smoothed by 1",
    partial(_loss, smooth=1.0),
    hint="You added 1 above and below the line, as many listings do against 0 / 0. The loss is "
    "another one then, most of all for small classes. Classes that do not occur are left out of "
    "the mean, so nothing is divided by 0 here.",
)
soft_dice.mistake(
    "probabilities squared below the line",
    partial(_loss, squared=True),
    hint="You squared the probabilities below the line, as V-Net does. That is another Dice, with "
    "another gradient; here it is 2 sum(p g) / (sum(p) + sum(g)).",
)
