"""Check of the open exercise `choose_rates`: rates of a pyramid that fit the map they look at.

Many answers are right, so there is no one reference to compare with: the properties say what a
good choice does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from course_lib.checks.core import Mistake, Property, Report, grade
from course_lib.ops.atrous import taps_inside

ENOUGH = 0.4  # share of the largest kernel's taps that must be inside: what the paper's has
Rates = tuple[int, int, int]


def share(height: int, width: int, rate: int) -> float:
    """Share of a 3x3 kernel's taps inside of the map: eq-taps-inside, both axes."""
    return taps_inside(height, rate) * taps_inside(width, rate)


def largest(height: int, width: int) -> int:
    """The largest rate that keeps enough of its taps on the map."""
    rate = 1
    while share(height, width, rate + 1) >= ENOUGH:
        rate += 1
    return rate


def _thirds(top: int) -> Rates:
    return max(1, round(top / 3)), max(2, round(2 * top / 3)), top


def reference(height: int, width: int) -> Rates:
    """One right answer: the largest rate that fits, and a third and two thirds of it.

    Args:
        height: Rows of the map, at least 6.
        width: Columns of the map, at least 6.

    Returns:
        Three rates, smallest first.
    """
    return _thirds(largest(height, width))


def _one_axis(height: int, width: int) -> Rates:
    rate = 1
    while min(taps_inside(height, rate + 1), taps_inside(width, rate + 1)) >= ENOUGH:
        rate += 1
    return _thirds(rate)


def _crowded(height: int, width: int) -> Rates:
    top = largest(height, width)
    return top - 2, top - 1, top


def _doubled(height: int, width: int) -> Rates:
    low, middle, top = reference(height, width)
    return 2 * low, 2 * middle, 2 * top


MISTAKES = [
    Mistake(
        "the paper's rates",
        lambda height, width: (6, 12, 18),
        "You return 6, 12 and 18 for every map. They were chosen for a map of 33x33 places. On a "
        "smaller one their taps fall on padding; on a larger one they do not see far enough.",
    ),
    Mistake(
        "the paper's rates for output stride 8",
        lambda height, width: (12, 24, 36),
        "You return 12, 24 and 36 for every map: the paper's choice for 65x65 places. Compute the "
        "rates from the map's height and width.",
    ),
    Mistake(
        "image instead of map",
        lambda height, width: reference(16 * height, 16 * width),
        "Your rates fit the image, not the map: 16 times too large for a map at output stride 16. "
        "A rate counts places of the map that the pyramid looks at.",
    ),
    Mistake(
        "only the height",
        lambda height, width: reference(height, height),
        "Your answer does not change with the width. Multiply the shares of both axes.",
    ),
    Mistake(
        "only the width",
        lambda height, width: reference(width, width),
        "Your answer does not change with the height. Multiply the shares of both axes.",
    ),
    Mistake(
        "axes not multiplied",
        _one_axis,
        "You ask for the share along each axis by itself. A tap of a 3x3 kernel is inside only if "
        "its row and its column are: multiply the two shares.",
    ),
    Mistake(
        "the last rate with a tap inside",
        lambda height, width: _thirds(min(height, width) - 1),
        "Your largest rate is one less than the shorter side. There, only the first and "
        "the last row of places still have an outer tap inside; all others are 1x1 convolutions.",
    ),
    Mistake(
        "the whole kernel inside",
        lambda height, width: _thirds((min(height, width) - 1) // 2),
        "You ask that the whole kernel fit into the map, 2r + 1 places. That holds for one place "
        "only, the middle; count the taps over all places and compare with the criterion.",
    ),
    Mistake(
        "largest first",
        lambda height, width: reference(height, width)[::-1],
        "The rates are right, but the largest comes first. Return the smallest first.",
    ),
    Mistake(
        "three times the same",
        lambda height, width: (largest(height, width),) * 3,
        "All three rates are the same: the pyramid looks at one distance three times. Spread them.",
    ),
    Mistake(
        "crowded at the far end",
        _crowded,
        "Your rates follow one another at the far end. Nothing looks at the middle distances: "
        "spread them over the range.",
    ),
    Mistake(
        "twice too large",
        _doubled,
        "Your rates are twice those of a good choice. Does your count take the taps of only one "
        "side? A kernel reaches r places to the left *and* to the right.",
    ),
]


def _example(generator: torch.Generator) -> tuple:
    height, width = (int(n) for n in torch.randint(24, 60, (2,), generator=generator))
    return (height, height + 12) if width >= height else (height, height - 9)


def _maps(generator: torch.Generator) -> list[tuple[int, int]]:
    drawn = [_example(generator) for _ in range(4)]
    return [(6, 8), (12, 16), (33, 33), *drawn]


def _answer(student: Any, height: int, width: int) -> list[int]:
    got = student(height, width)
    try:
        rates = list(got)
    except TypeError:
        raise AssertionError(
            f"you return a {type(got).__name__}, wanted three whole numbers"
        ) from None
    assert len(rates) == 3 and all(type(rate) is int for rate in rates), (
        f"for a map of {height}x{width} you return {tuple(rates)}, wanted three whole numbers"
    )
    return rates


def _ordered(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        low, middle, top = _answer(student, height, width)
        assert 1 <= low < middle < top, (
            f"for a map of {height}x{width} you return {(low, middle, top)}; wanted three "
            "different rates of at least 1, the smallest first"
        )


def _fits(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        top = max(_answer(student, height, width))
        found = share(height, width, top) if top >= 1 else 0.0
        assert found >= ENOUGH, (
            f"on a map of {height}x{width}, {found:.0%} of the taps at rate {top} are inside; "
            f"wanted at least {ENOUGH:.0%}"
        )


def _far(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        top = max(_answer(student, height, width))
        better = largest(height, width)
        assert top >= better, (
            f"on a map of {height}x{width} your largest rate is {top}; a larger one would still "
            f"have {ENOUGH:.0%} of its taps inside"
        )


def _spread(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        rates = sorted(_answer(student, height, width))
        low, middle, top = rates
        gap = top / 5
        assert low <= top / 2 and middle - low >= gap and top - middle >= gap, (
            f"for a map of {height}x{width} you return {tuple(rates)}: wanted the smallest at most "
            "half of the largest, and neighbours at least a fifth of the largest apart"
        )


PROPERTIES = [
    Property("three different rates, smallest first", 1, _ordered),
    Property("the largest has at least 40 % of its taps on the map", 2, _fits),
    Property("the next larger one would not", 1, _far),
    Property("the rates are spread over the range", 1, _spread),
]


def choose_rates(student: Callable[[int, int], Rates], *, seed: int | None = None) -> Report:
    """Check a learner's `choose_rates(height, width)`.

    Args:
        student: The learner's function; returns three whole numbers.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "choose_rates",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
