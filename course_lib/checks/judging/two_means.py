"""Check of the exercise `two_means`: mean IoU of the data set, and mean over images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import pair
from course_lib.checks.core import Check


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


def _micro(confusions: Tensor) -> tuple[Tensor, Tensor]:
    hits = confusions.diagonal(dim1=-2, dim2=-1).sum(-1).to(torch.float64)
    total = confusions.sum((-1, -2))
    return hits.sum() / (2 * total.sum() - hits.sum()), (hits / (2 * total - hits)).mean()


def _means(
    score: Callable[[Tensor], Tensor] = _iou,
    pooled: Callable[[Tensor], Tensor] = torch.nanmean,
    single: Callable[[Tensor], Tensor] = lambda scores: scores.nanmean(-1).nanmean(),
) -> Any:
    """An answer of which one part can be made wrong: the score, or one of the two means."""
    return lambda confusions: (pooled(score(confusions.sum(0))), single(score(confusions)))


def _ratio(ratio: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A score made from hits, row sums (truth) and column sums (prediction)."""

    def score(confusions: Tensor) -> Tensor:
        hits = confusions.diagonal(dim1=-2, dim2=-1).to(torch.float64)
        return ratio(hits, confusions.sum(-1).double(), confusions.sum(-2).double())

    return score


def _only(keep: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Any:
    """Leave out more classes than those that are nowhere."""
    return _means(
        _ratio(lambda h, t, p: torch.where(keep(h, t, p), h / (t + p - h), torch.nan)),
    )


def _draw(generator: torch.Generator, *, num: int, classes: int, gaps: bool) -> tuple[Tensor]:
    """Matrices of images with objects of very different sizes.

    With gaps, some classes are absent; one is missed in every image, and one a false alarm in some
    of them: both have the IoU 0, and count.
    """
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
        counts[:, -2], counts[:, :, -3] = 0, 0  # predicted, never true; true, never predicted
        counts[::2, 0, -2] += 1
        counts[:, -3, 0] += 1
    return (counts,)


def _numbers(answer: Any) -> tuple[Any, Any]:
    first, second = pair(answer, "two numbers")
    return torch.as_tensor(first), torch.as_tensor(second)  # Python numbers will do


two_means = Check(
    "two_means",
    lab="judging",
    level="build",
    minutes=15,
    reference=reference,
    example=partial(_draw, num=6, classes=7, gaps=True),
    probe=lambda student, arguments: _numbers(student(*arguments)),
)
two_means.equals_reference(
    "one image: both numbers are its mean IoU",
    points=1,
    example=partial(_draw, num=1, classes=4, gaps=False),
    what=("for a single image the first number", "for a single image the second number"),
)
for _part, _name, _what in (
    (0, "the data set: matrices added up, then divided", "the data set's mean IoU"),
    (1, "the mean over images: divided in each image", "the mean over images"),
):
    two_means.equals_reference(
        _name,
        points=1,
        example=partial(_draw, num=5, classes=4, gaps=False),
        probe=lambda student, arguments, part=_part: _numbers(student(*arguments))[part],  # type: ignore[misc]
        what=_what,
    )
two_means.equals_reference(
    "absent classes are left out",
    points=2,
    what=(
        "with absent classes, the data set's mean IoU",
        "with absent classes, the mean over images",
    ),
)

two_means.mistake(
    "the two swapped",
    lambda confusions: reference(confusions)[::-1],
    hint="Both numbers are right, in the wrong order: first the data set's (matrices added up, "
    "then divided), second the mean over images.",
)
two_means.mistake(
    "the data set twice",
    lambda confusions: (reference(confusions)[0],) * 2,
    hint="Your second number is the first one again. Do not add the matrices up for it: compute "
    "IoU in each image, the mean over its classes, then the mean over images.",
)
two_means.mistake(
    "mean over all pairs at once",
    _means(single=torch.nanmean),
    hint="Your second number is the mean over all (image, class) pairs. An image with eight "
    "classes then counts four times as much as one with two. First the mean over the classes of "
    "each image, then over images.",
)
two_means.mistake(
    "images before classes",
    _means(single=lambda scores: scores.nanmean(0).nanmean()),
    hint="Your second number takes the mean over images for each class first, and then over "
    "classes. That is a score too (the per-class mean), but here it is: classes first, then "
    "images. Gaps in the table make the two differ.",
)
two_means.mistake(
    "absent classes count as 0",
    _means(lambda confusions: _iou(confusions).nan_to_num()),
    hint="A class that neither truth nor prediction contains was counted as 0. In single images "
    "that happens all the time; leave it out (NaN and torch.nanmean).",
)
two_means.mistake(
    "absent classes count as 1",
    _means(lambda confusions: _iou(confusions).nan_to_num(1.0)),
    hint="A class that neither truth nor prediction contains was counted as 1, a gift for a class "
    "that was never tested. Leave it out (NaN and torch.nanmean).",
)
two_means.mistake(
    "classes with IoU 0 left out",
    _only(lambda hits, true, predicted: hits > 0),
    hint="You leave out every class whose IoU is 0. A class that is there and was never hit "
    "counts, as 0: only a class that neither truth nor prediction contains is left out.",
)
two_means.mistake(
    "classes absent from the truth left out",
    _only(lambda hits, true, predicted: true > 0),
    hint="You leave out classes that the truth does not contain. If one was predicted, it is a "
    "false alarm: its union is not empty, its IoU is 0, and it counts.",
)
two_means.mistake(
    "classes never predicted left out",
    _only(lambda hits, true, predicted: predicted > 0),
    hint="You leave out classes that were never predicted. If the truth contains one, it was "
    "missed: its IoU is 0, and it counts.",
)
two_means.mistake(
    "classes pooled",
    _micro,
    hint="You pooled the classes as well: that is micro IoU, which is pixel accuracy on another "
    "scale. Divide for each class, then take the mean over classes.",
)
two_means.mistake(
    "Dice",
    _means(_ratio(lambda hits, true, predicted: 2 * hits / (true + predicted))),
    hint="That is Dice. IoU has the union below the line: row sum + column sum - diagonal.",
)
two_means.mistake(
    "recall",
    _means(_ratio(lambda hits, true, predicted: hits / true)),
    hint="You divide by the true pixels only (the row sums): that is recall. Add the column sums "
    "and take the diagonal off once.",
)
two_means.mistake(
    "precision",
    _means(_ratio(lambda hits, true, predicted: hits / predicted)),
    hint="You divide by the predicted pixels only (the column sums): that is precision. Add the "
    "row sums and take the diagonal off once.",
)
two_means.mistake(
    "the intersection counted twice",
    _means(_ratio(lambda hits, true, predicted: hits / (true + predicted))),
    hint="Your union is row sum + column sum, which holds the diagonal twice: a perfect prediction "
    "would score 0.5. Take the diagonal off once.",
)
