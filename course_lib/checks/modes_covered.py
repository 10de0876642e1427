"""Check of the exercise `modes_covered`: count the modes that samples find."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


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
    over_modes: bool = False,
    inside_anything: bool = False,
) -> tuple[int, float]:
    """The count, with one thing at a time that can be made wrong."""
    offset = points[:, None] - centres[None]  # (N, M, 2)
    distance = offset.abs().amax(-1) if box else offset.square().sum(-1).sqrt()
    distance, nearest = distance.min(dim=1)  # (N,)
    good = (distance**2 if squared else distance) <= within * std
    counted = torch.ones_like(good) if all_count else good
    found = nearest[counted].unique().numel()
    share = good.double().mean().item()
    if over_modes:
        share = good.sum().item() / len(centres)
    return found, share


def _one_deviation(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    return _count(points, centres, std, within=1.0)


def _three(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    return _count(points, centres, 1.0)


def _bad_counted(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    return _count(points, centres, std, all_count=True)


def _squared(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    return _count(points, centres, std, squared=True)


def _box(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    return _count(points, centres, std, box=True)


def _share_of_modes(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    found, _ = _count(points, centres, std)
    return found, found / len(centres)


def _good_number(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    found, share = _count(points, centres, std)
    return found, share * len(points)


def _missed(points: Tensor, centres: Tensor, std: float) -> tuple[int, float]:
    found, share = _count(points, centres, std)
    return len(centres) - found, share


MISTAKES = [
    Mistake(
        "one deviation",
        _one_deviation,
        "You count samples within one deviation. In the plane that is less than half of the good "
        "ones even for a perfect generator: take three.",
    ),
    Mistake(
        "std forgotten",
        _three,
        "You compare the distance with 3. The radius is 3 * std, in the units of the plane.",
    ),
    Mistake(
        "bad samples find modes",
        _bad_counted,
        "Every sample has a nearest centre, so you found modes with samples that lie between them. "
        "Keep the good samples first, then look which centres they are nearest to.",
    ),
    Mistake(
        "the squared distance",
        _squared,
        "You compare the *squared* distance with 3 * std. Take its root, or square 3 * std too.",
    ),
    Mistake(
        "a square instead of a circle",
        _box,
        "You compare the larger of the two coordinates' distances: that is a square around the "
        "centre. The distance is the root of the sum of squares.",
    ),
    Mistake(
        "the share of modes",
        _share_of_modes,
        "Your second number is the share of *modes* found. Wanted is the share of samples that are "
        "good: a generator can have one without the other.",
    ),
    Mistake(
        "a number for a share",
        _good_number,
        "Your second answer is the number of good samples. Divide it by the number of all samples.",
    ),
    Mistake(
        "the modes that are missed",
        _missed,
        "You return how many modes are missed. Wanted is how many are found.",
    ),
]


def _draw(
    generator: torch.Generator, *, modes: int = 6, found: int = 4, num: int = 60
) -> tuple[Tensor, Tensor, float]:
    """A ring; good samples at some modes, samples in the corners of the square, and bad ones."""
    turn = 2 * math.pi * torch.rand(1, generator=generator)
    angle = turn + 2 * math.pi * torch.arange(modes) / modes
    centres = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    std = 0.04 + 0.02 * torch.rand(1, generator=generator).item()
    order = torch.randperm(modes, generator=generator)
    home = order[torch.arange(num) % found]
    length = std * (0.3 + 2.6 * torch.rand(num, generator=generator))
    way = 2 * math.pi * torch.rand(num, generator=generator)
    good = centres[home] + length[:, None] * torch.stack([way.cos(), way.sin()], dim=1)
    corner = centres[order[:1]] + 2.7 * std * torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    missed = order[
        found
    ]  # a mode whose samples are all bad: near for a wrong radius, not for 3 std
    bad = centres[missed] + std * torch.tensor([[3.5, 0.0], [0.0, -4.0], [0.5, 5.0]])
    middle = torch.zeros(2, 2)  # far from everything
    points = torch.cat([good, corner, bad, middle])
    return points[torch.randperm(len(points), generator=generator)], centres, std


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator)


def _numbers(function: Any, arguments: tuple) -> tuple[float, float]:
    """Both answers as numbers, so that a tensor with one element is recognised too."""
    found, share = function(*arguments)
    return float(found), float(share)


def _pair(student: Any, arguments: tuple) -> tuple[Any, Any]:
    answer = student(*arguments)
    if answer is None:
        raise AssertionError("the result is None: is the `return` missing?")
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise AssertionError(f"return two numbers, modes and share; got {type(answer).__name__}")
    return answer[0], answer[1]


def _perfect(student: Any, generator: torch.Generator) -> None:
    _, centres, std = _draw(generator)
    got = _pair(student, (centres.repeat(5, 1), centres, std))
    assert_close(got[0], len(centres), "for samples on all centres the number of modes")
    assert_close(got[1], 1.0, "for samples on all centres the share")


def _modes(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator)
    assert_close(_pair(student, arguments)[0], reference(*arguments)[0], "the number of modes")


def _share(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator)
    assert_close(
        _pair(student, arguments)[1], reference(*arguments)[1], "the share of good samples"
    )


def _none(student: Any, generator: torch.Generator) -> None:
    _, centres, std = _draw(generator)
    got = _pair(student, (torch.zeros(4, 2), centres, std))
    assert_close(got[0], 0, "for samples in the middle of the ring the number of modes")
    assert_close(got[1], 0.0, "for samples in the middle of the ring the share")


PROPERTIES = [
    Property("samples on all centres: all modes, all good", 1, _perfect),
    Property("the number of modes with a good sample", 2, _modes),
    Property("the share of good samples", 2, _share),
    Property("samples between the modes find none", 1, _none),
]


def modes_covered(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `modes_covered(points, centres, std)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "modes_covered",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_numbers,
        seed=seed,
    )
