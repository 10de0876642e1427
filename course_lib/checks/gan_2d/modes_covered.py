"""Check of the exercise `modes_covered`: count the modes that samples find."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import pair
from course_lib.checks.core import Check


def reference(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    """Return how many modes have a good sample, and the share of good samples.

    A sample is good if it lies within 3 std of its nearest centre.

    Args:
        points: (N, 2) samples.
        centres: (M, 2) of the modes.
        std: standard deviation of each mode.

    Returns:
        The number of modes, and a share in [0, 1].
    """
    return _count(points, centres, std)


def _count(
    points: Tensor,
    centres: Tensor,
    std: float,
    *,
    within: float = 3.0,
    box: bool = False,
    squared: bool = False,
    all_count: bool = False,
    any_centre: bool = False,
    largest: bool = False,
    of: Callable[[int, float, int, int], tuple[int, float]] = lambda found, share, num, modes: (
        found,
        share,
    ),
) -> tuple[int, float]:
    """The count, with one thing at a time that can be made wrong."""
    offset = points[:, None] - centres[None]  # (N, M, 2)
    distance = offset.abs().amax(-1) if box else offset.square().sum(-1).sqrt()
    distance, nearest = distance.min(dim=1)  # (N,)
    good = (distance**2 if squared else distance) <= within * std
    counted = torch.ones_like(good) if all_count else good
    found = nearest[counted].unique().numel()
    if any_centre:  # of all centres, not of the nearest one
        found = int((offset.norm(dim=-1) <= within * std).any(0).sum())
    if largest:
        found = int(nearest[counted].max()) + 1 if counted.any() else 0
    return of(found, good.double().mean().item(), len(points), len(centres))


def _mean_distance(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    distance, nearest = torch.cdist(points, centres).min(dim=1)
    near = [bool(distance[nearest == k].mean() <= 3 * std) for k in range(len(centres))]
    return sum(near), _count(points, centres, std)[1]


def _draw(generator: torch.Generator, *, num: int = 60) -> tuple[Tensor, Tensor, float]:
    """A ring with a close pair of modes; good samples at some, and bad ones.

    The last mode is never missed and the first of the close pair is, so that neither the largest
    index nor every centre within reach counts the modes.
    """
    modes, found = 6, 4
    turn = 2 * math.pi * torch.rand(1, generator=generator)
    angle = turn + 2 * math.pi * torch.arange(modes) / modes
    centres = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    std = 0.04 + 0.02 * torch.rand(1, generator=generator).item()
    order = torch.cat([torch.tensor([5]), torch.randperm(5, generator=generator)])
    home = order[torch.arange(num) % found]
    length = std * (0.3 + 2.6 * torch.rand(num, generator=generator))
    way = 2 * math.pi * torch.rand(num, generator=generator)
    good = centres[home] + length[:, None] * torch.stack([way.cos(), way.sin()], dim=1)
    corner = centres[order[:1]] + 2.7 * std * torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    missed = order[found]  # its samples are all bad: near for a wrong radius, not for 3 std
    bad = centres[missed] + std * torch.tensor([[3.5, 0.0], [0.0, -4.0], [0.5, 5.0]])
    # A twin whose circle overlaps that of a found mode; no sample is nearer to the twin.
    away = centres[order[1]] / 2
    twin = centres[order[1]] + 4 * std * away
    between = centres[order[1]] + 1.8 * std * away
    # Samples far off, nearest to a mode that is found: a mean over them would miss it.
    stray = 1.6 * centres[order[2]].expand(40, 2)
    points = torch.cat(
        [good[home != order[1]], between[None], corner, bad, stray, torch.zeros(2, 2)]
    )
    centres = torch.cat([twin[None], centres])
    return points[torch.randperm(len(points), generator=generator)], centres, std


def _perfect(generator: torch.Generator) -> tuple:
    _, centres, std = _draw(generator)
    return centres.repeat(5, 1), centres, std


def _between(generator: torch.Generator) -> tuple:
    return torch.zeros(4, 2), *_draw(generator)[1:]


def _pair(student: Any, arguments: tuple) -> tuple[Any, Any]:
    return pair(student(*arguments), "two numbers, modes and share")


modes_covered = Check(
    "modes_covered",
    lab="gan_2d",
    level="build",
    minutes=10,
    reference=reference,
    example=_draw,
    probe=_pair,
)
for _name, _points, _from, _what in (
    ("samples on all centres: all modes, all good", 1, _perfect, "for samples on all centres "),
    ("samples between the modes find none", 1, _between, "for samples in the middle of the ring "),
):
    modes_covered.equals_reference(
        _name, points=_points, example=_from, what=(f"{_what}the modes", f"{_what}the share")
    )
modes_covered.equals_reference(
    "the number of modes with a good sample",
    points=2,
    probe=lambda student, arguments: _pair(student, arguments)[0],
    what="the number of modes",
)
modes_covered.equals_reference(
    "the share of good samples",
    points=2,
    probe=lambda student, arguments: _pair(student, arguments)[1],
    what="the share of good samples",
)

modes_covered.mistake(
    "the mean distance of each mode",
    _mean_distance,
    hint="You average the distances to each centre before comparing. Far samples then hide a mode "
    "that good ones have found: decide for each sample first.",
)
modes_covered.mistake(
    "one deviation",
    partial(_count, within=1.0),
    hint="You count samples within one deviation. In the plane that is less than half of the good "
    "ones even for a perfect generator: take three.",
)
modes_covered.mistake(
    "std forgotten",
    lambda points, centres, std: _count(points, centres, 1.0),
    hint="You compare the distance with 3. The radius is 3 * std, in the units of the plane.",
)
modes_covered.mistake(
    "bad samples find modes",
    partial(_count, all_count=True),
    hint="Every sample has a nearest centre, so you found modes with samples that lie between "
    "them. Keep the good samples first, then look which centres they are nearest to.",
)
modes_covered.mistake(
    "the squared distance",
    partial(_count, squared=True),
    hint="You compare the *squared* distance with 3 * std. Take its root, or square 3 * std too.",
)
modes_covered.mistake(
    "a square instead of a circle",
    partial(_count, box=True),
    hint="You compare the larger of the two coordinates' distances: that is a square around the "
    "centre. The distance is the root of the sum of squares.",
)
modes_covered.mistake(
    "the share of modes",
    partial(_count, of=lambda found, share, num, modes: (found, found / modes)),
    hint="Your second number is the share of *modes* found. Wanted is the share of samples that "
    "are good: a generator can have one without the other.",
)
modes_covered.mistake(
    "a number for a share",
    partial(_count, of=lambda found, share, num, modes: (found, share * num)),
    hint="Your second answer is the number of good samples. Divide it by the number of all "
    "samples.",
)
modes_covered.mistake(
    "the modes that are missed",
    partial(_count, of=lambda found, share, num, modes: (modes - found, share)),
    hint="You return how many modes are missed. Wanted is how many are found.",
)
modes_covered.mistake(
    "every centre within reach",
    partial(_count, any_centre=True),
    hint="You ask for each centre whether a sample is within 3 * std of it. Where two circles "
    "overlap, one sample then finds two modes. A sample belongs to its *nearest* centre only: take "
    "the minimum over the centres first.",
)
modes_covered.mistake(
    "the largest index plus one",
    partial(_count, largest=True),
    hint="You take the largest index of a found centre, plus 1. That is their number only if no "
    "smaller one is missed. Count the different indices: unique().",
)
modes_covered.mistake(
    "the share of bad samples",
    partial(_count, of=lambda found, share, num, modes: (found, 1 - share)),
    hint="Your second number is the share of samples that are *not* good. Wanted is the share of "
    "the good ones.",
)
modes_covered.mistake(
    "percent",
    partial(_count, of=lambda found, share, num, modes: (found, 100 * share)),
    hint="Your second number is in percent. A share lies between 0 and 1.",
)
modes_covered.mistake(
    "the two answers swapped",
    lambda points, centres, std: _count(points, centres, std)[::-1],
    hint="You return the share first. Wanted is the number of modes first, then the share.",
)
