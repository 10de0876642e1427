"""Check of the exercise `split_touching`: one mark for each cell, from the distance to the edge."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.kinds import Design
from course_lib.data import load
from course_lib.ops import connected_components
from course_lib.ops.distance import distance_to

Marker = Callable[[Tensor], Tensor]  # distances (H, W) to marks (H, W)
SIZE, IMAGES, CAP = (64, 64), 60, 24
GOOD, BETTER, BEST = 4.0, 2.5, 2.0  # wrong marks for one image; the solution has 1.9


class Tried(NamedTuple):
    """What came of a way of marking, over all validation images."""

    wrong: float
    missing: float
    extra: float


def reference() -> Marker:
    """Return a marker: the largest distance within 2 pixels, equal ones together."""
    return partial(_peaks, reach=2)


def _peaks(distance: Tensor, reach: int, sigma: float = 0.0) -> Tensor:
    """Pixels with the largest (smoothed) distance of the square around them."""
    smooth = _smooth(distance, sigma) if sigma else distance
    highest = F.max_pool2d(smooth[None], 2 * reach + 1, stride=1, padding=reach)[0]
    return (smooth == highest) & (distance > 0)


def _smooth(distance: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian; the border is repeated."""
    reach = int(4 * sigma + 1)
    line = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).view(1, 1, 1, -1)
    x = F.pad(distance[None, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, line), line.transpose(2, 3))[0, 0]


@cache
def _cells() -> tuple[tuple[Tensor, Tensor], ...]:
    """Of each validation image: distances, and the number of each pixel's cell."""
    images = load("cells", "val", size=SIZE, num=IMAGES, seed=0, task="instance")
    targets = [target.long() for target in images.targets]
    return tuple((distance_to(target == 0, CAP), target) for target in targets)


def _marks(marker: Any, distance: Tensor) -> Tensor:
    """What a marker gives; AssertionError if it is no mask."""
    assert callable(marker), (
        f"you return a {type(marker).__name__}, wanted a function that takes a map of distances"
    )
    marks = marker(distance.clone())
    assert isinstance(marks, Tensor) and marks.dtype == torch.bool, (
        "your function gives "
        + (f"{marks.dtype}" if isinstance(marks, Tensor) else f"a {type(marks).__name__}")
        + ", wanted a bool tensor: true where a mark is"
    )
    assert marks.shape == distance.shape, (
        f"your function gives shape {tuple(marks.shape)} for distances {tuple(distance.shape)}"
    )
    return marks


def trial(marker: Any) -> Tried:
    """Mark all validation images, and count the cells without a mark of their own."""
    missing = extra = 0
    for distance, cells in _cells():
        labels, number = connected_components(_marks(marker, distance), 8)
        own = torch.zeros(int(cells.max()) + 1, dtype=torch.long)
        for k in range(1, number + 1):  # a mark belongs where most of it lies
            own[cells[labels == k].bincount().argmax()] += 1
        missing += int((own[1:] == 0).sum())
        extra += int((own[1:] - 1).clamp(min=0).sum() + own[0])
    return Tried((missing + extra) / IMAGES, missing / IMAGES, extra / IMAGES)


def _first_maps(student: Any, arguments: tuple) -> list[Tensor]:
    """What tells two designs apart without trying them on everything."""
    marker = student()
    return [_marks(marker, distance) for distance, _ in _cells()[:3]]


split_touching = Design(
    "split_touching",
    lab="after_the_network",
    level="stretch",
    minutes=30,
    reference=reference,
    trial=trial,
    probe=_first_maps,
    seconds=60.0,
)


def _at_most(limit: float, tried: Tried) -> None:
    assert tried.wrong <= limit, (
        f"{tried.wrong:.2f} wrong marks for one image, wanted at most {limit:g}: "
        f"{tried.missing:.2f} cells have none of their own, and {tried.extra:.2f} are too many"
    )


for _limit, _points in ((GOOD, 2), (BETTER, 1), (BEST, 1)):
    split_touching.meets(f"at most {_limit:g} wrong marks for one image", points=_points)(
        partial(_at_most, _limit)
    )

split_touching.mistake(
    "the mask itself",
    lambda: lambda distance: distance > 0,
    hint="You mark every pixel of the mask, so cells that touch share a mark: this is counting "
    "connected components. Mark only where the distance is large compared with its surroundings.",
)
split_touching.mistake(
    "a threshold",
    lambda: lambda distance: distance > 2.5,
    hint="One threshold for all cells loses the small ones, and leaves the large ones joined. "
    "Compare each pixel with its surroundings instead of with a number.",
)
split_touching.mistake(
    "half of the largest distance",
    lambda: lambda distance: distance > distance.max() / 2,
    hint="You measure every cell by the largest of its image. A small cell beside a large one gets "
    "no mark: compare with the surroundings of each pixel.",
)
split_touching.mistake(
    "every little peak",
    lambda: partial(_peaks, reach=1),
    hint="You mark every pixel that no direct neighbour exceeds. The ridge of a long cell has "
    "several of these: look further around, or smooth the distances first.",
)
split_touching.mistake(
    "only the large ones",
    lambda: partial(_peaks, reach=6),
    hint="You look so far around that a small cell loses against its large neighbour. Look less "
    "far.",
)
split_touching.mistake(
    "smoothed away",
    lambda: partial(_peaks, reach=1, sigma=3.0),
    hint="So much smoothing makes one hill of two cells. Less of it is enough against little "
    "peaks.",
)
split_touching.mistake(
    "the deepest places",
    lambda: lambda distance: _peaks(-distance, 2) | ((distance > 0) & (distance <= 1)),
    hint="You mark where the distance is small: the edges of the cells. Their middles are where it "
    "is large.",
)
