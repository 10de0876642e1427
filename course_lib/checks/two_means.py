"""Check of the exercise `two_means`: mean IoU of the data set, and mean over images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(confusions: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean IoU over the data set, and the mean of the images' mean IoUs.

    Args:
        confusions: (N, K, K) counts of each image, rows = truth.

    Returns:
        Two scalars.
    """
    return _iou(confusions.sum(0)).nanmean(), _iou(confusions).nanmean(-1).nanmean()


def _iou(confusions: Tensor) -> Tensor:
    hits = confusions.diagonal(dim1=-2, dim2=-1).to(torch.float64)
    return hits / (confusions.sum(-1) + confusions.sum(-2) - hits)


def _swapped(confusions: Tensor) -> tuple[Tensor, Tensor]:
    pooled, single = reference(confusions)
    return single, pooled


def _twice_pooled(confusions: Tensor) -> tuple[Tensor, Tensor]:
    pooled, _ = reference(confusions)
    return pooled, pooled


def _flat(confusions: Tensor) -> tuple[Tensor, Tensor]:
    return reference(confusions)[0], _iou(confusions).nanmean()


def _classes_last(confusions: Tensor) -> tuple[Tensor, Tensor]:
    return reference(confusions)[0], _iou(confusions).nanmean(0).nanmean()


def _absent_zero(confusions: Tensor) -> tuple[Tensor, Tensor]:
    means = _iou(confusions.sum(0)).nan_to_num().mean(), _iou(confusions).nan_to_num().mean()
    return means


def _micro(confusions: Tensor) -> tuple[Tensor, Tensor]:
    hits = confusions.diagonal(dim1=-2, dim2=-1).sum(-1).to(torch.float64)
    total = confusions.sum((-1, -2))
    return hits.sum() / (2 * total.sum() - hits.sum()), (hits / (2 * total - hits)).mean()


def _dice(confusions: Tensor) -> tuple[Tensor, Tensor]:
    def dice(c: Tensor) -> Tensor:
        hits = c.diagonal(dim1=-2, dim2=-1).to(torch.float64)
        return 2 * hits / (c.sum(-1) + c.sum(-2))

    return dice(confusions.sum(0)).nanmean(), dice(confusions).nanmean(-1).nanmean()


def _recall(confusions: Tensor) -> tuple[Tensor, Tensor]:
    def recall(c: Tensor) -> Tensor:
        return c.diagonal(dim1=-2, dim2=-1).to(torch.float64) / c.sum(-1)

    return recall(confusions.sum(0)).nanmean(), recall(confusions).nanmean(-1).nanmean()


MISTAKES = [
    Mistake(
        "the two swapped",
        _swapped,
        "Both numbers are right, in the wrong order: first the data set's (matrices added up, then "
        "divided), second the mean over images.",
    ),
    Mistake(
        "the data set twice",
        _twice_pooled,
        "Your second number is the first one again. Do not add the matrices up for it: compute "
        "IoU in each image, the mean over its classes, then the mean over images.",
    ),
    Mistake(
        "mean over all pairs at once",
        _flat,
        "Your second number is the mean over all (image, class) pairs. An image with eight classes "
        "then counts four times as much as one with two. First the mean over the classes of each "
        "image, then over images.",
    ),
    Mistake(
        "images before classes",
        _classes_last,
        "Your second number takes the mean over images for each class first, and then over "
        "classes. That is a score too (the per-class mean), but here it is: classes first, then "
        "images. Gaps in the table make the two differ.",
    ),
    Mistake(
        "absent classes count as 0",
        _absent_zero,
        "A class that neither truth nor prediction contains was counted as 0. In single images "
        "that happens all the time; leave it out (NaN and torch.nanmean).",
    ),
    Mistake(
        "classes pooled",
        _micro,
        "You pooled the classes as well: that is micro IoU, which is pixel accuracy on another "
        "scale. Divide for each class, then take the mean over classes.",
    ),
    Mistake(
        "Dice",
        _dice,
        "That is Dice. IoU has the union below the line: row sum + column sum - diagonal.",
    ),
    Mistake(
        "recall",
        _recall,
        "You divide by the true pixels only (the row sums): that is recall. Add the column sums "
        "and take the diagonal off once.",
    ),
]


def _draw(generator: torch.Generator, *, num: int, classes: int, gaps: bool) -> tuple[Tensor]:
    """Matrices of images with objects of very different sizes; some classes are absent."""
    size = 10 ** (3 * torch.rand(num, classes, 1, generator=generator))  # 1 to 1000
    share = torch.rand(num, classes, classes, generator=generator)
    share = share + 6 * torch.rand(num, classes, 1, generator=generator) * torch.eye(classes)
    counts = (1 + size * share).long()
    if gaps:
        absent = torch.rand(num, classes, generator=generator) < 0.4
        absent[:, :2] = False  # each image has two classes
        absent[0], absent[1, 2:] = False, True  # one has all, one has only these
        absent[:, -1] = True  # nobody has the last one
        counts = counts.masked_fill(absent[:, :, None] | absent[:, None, :], 0)
    return (counts,)


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator, num=6, classes=6, gaps=True)


def _pair(student: Any, confusions: Tensor) -> tuple[Any, Any]:
    answer = student(confusions)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise AssertionError(f"return two numbers, got {type(answer).__name__}")
    return answer[0], answer[1]


def _one_image(student: Any, generator: torch.Generator) -> None:
    (counts,) = _draw(generator, num=1, classes=4, gaps=False)
    for got, what in zip(_pair(student, counts), ("first", "second"), strict=True):
        assert_close(got, reference(counts)[0].item(), f"for a single image the {what} number")


def _data_set(student: Any, generator: torch.Generator) -> None:
    (counts,) = _draw(generator, num=5, classes=4, gaps=False)
    assert_close(_pair(student, counts)[0], reference(counts)[0].item(), "the data set's mean IoU")


def _images(student: Any, generator: torch.Generator) -> None:
    (counts,) = _draw(generator, num=5, classes=4, gaps=False)
    assert_close(_pair(student, counts)[1], reference(counts)[1].item(), "the mean over images")


def _gaps(student: Any, generator: torch.Generator) -> None:
    (counts,) = _draw(generator, num=6, classes=6, gaps=True)
    for got, wanted, what in zip(
        _pair(student, counts), reference(counts), ("data set's mean IoU", "mean over images"),
        strict=True,
    ):  # fmt: skip
        assert_close(got, wanted.item(), f"with absent classes, the {what}")


PROPERTIES = [
    Property("one image: both numbers are its mean IoU", 1, _one_image),
    Property("the data set: matrices added up, then divided", 1, _data_set),
    Property("the mean over images: divided in each image", 1, _images),
    Property("absent classes are left out", 2, _gaps),
]


def two_means(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `two_means(confusions)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "two_means",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
