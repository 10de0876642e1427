"""Check of the open exercise `choose_rates`: rates of a pyramid that fit the map they look at.

Many answers are right, so there is no one reference to compare with: the properties say what a
good choice does.
"""

from __future__ import annotations

from typing import Any

import torch

from course_lib.checks.compare import wholes
from course_lib.checks.core import Check
from course_lib.ops.atrous import taps_inside

ENOUGH = 0.4  # share of the largest kernel's taps that must be inside: what the paper's has
ROUNDING = 1e-9  # a share of exactly 40 % is 0.39999... or 0.40000...1, by the way it is counted
Rates = tuple[int, int, int]


def share(height: int, width: int, rate: int) -> float:
    """Share of a 3x3 kernel's taps inside of the map: eq-taps-inside, both axes."""
    return taps_inside(height, rate) * taps_inside(width, rate)


def largest(height: int, width: int) -> int:
    """The largest rate that keeps enough of its taps on the map."""
    rate = 1
    while share(height, width, rate + 1) >= ENOUGH - ROUNDING:
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


def _example(generator: torch.Generator) -> tuple:
    height, width = (int(n) for n in torch.randint(24, 60, (2,), generator=generator))
    return (height, height + 12) if width >= height else (height, height - 9)


def _maps(generator: torch.Generator) -> list[tuple[int, int]]:
    drawn = [_example(generator) for _ in range(4)]
    return [(6, 8), (12, 16), (33, 33), *drawn]


def _answer(student: Any, height: int, width: int) -> list[int]:
    return wholes(student(height, width), 3, f"the answer for a map of {height}x{width}")


choose_rates = Check(
    "choose_rates",
    lab="deeplab",
    level="stretch",
    minutes=20,
    reference=reference,
    example=_example,
)


@choose_rates.holds("three different rates, smallest first", points=1)
def _ordered(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        low, middle, top = _answer(student, height, width)
        assert 1 <= low < middle < top, (
            f"for a map of {height}x{width} you return {(low, middle, top)}; wanted three "
            "different rates of at least 1, the smallest first"
        )


@choose_rates.holds("the largest has at least 40 % of its taps on the map", points=2)
def _fits(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        top = max(_answer(student, height, width))
        found = share(height, width, top) if top >= 1 else 0.0
        assert found >= ENOUGH - ROUNDING, (
            f"on a map of {height}x{width}, {found:.0%} of the taps at rate {top} are inside; "
            f"wanted at least {ENOUGH:.0%}"
        )


@choose_rates.holds("the next larger one would not", points=1)
def _far(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        top = max(_answer(student, height, width))
        assert share(height, width, top + 1) <= ENOUGH + ROUNDING, (
            f"on a map of {height}x{width} your largest rate is {top}; a larger one would still "
            f"have {ENOUGH:.0%} of its taps inside"
        )


@choose_rates.holds("the rates are spread over the range", points=1)
def _spread(student: Any, generator: torch.Generator) -> None:
    for height, width in _maps(generator):
        rates = sorted(_answer(student, height, width))
        low, middle, top = rates
        gap = top / 5
        assert low <= top / 2 and middle - low >= gap and top - middle >= gap, (
            f"for a map of {height}x{width} you return {tuple(rates)}: wanted the smallest at most "
            "half of the largest, and neighbours at least a fifth of the largest apart"
        )


choose_rates.mistake(
    "the paper's rates",
    lambda height, width: (6, 12, 18),
    hint="You return 6, 12 and 18 for every map. They were chosen for a map of 33x33 places. On a "
    "smaller one their taps fall on padding; on a larger one they do not see far enough.",
)
choose_rates.mistake(
    "the paper's rates for output stride 8",
    lambda height, width: (12, 24, 36),
    hint="You return 12, 24 and 36 for every map: the paper's choice for 65x65 places. Compute the "
    "rates from the map's height and width.",
)
choose_rates.mistake(
    "image instead of map",
    lambda height, width: reference(16 * height, 16 * width),
    hint="Your rates fit the image, not the map: 16 times too large for a map at output stride 16. "
    "A rate counts places of the map that the pyramid looks at.",
)
choose_rates.mistake(
    "only the height",
    lambda height, width: reference(height, height),
    hint="Your answer does not change with the width. Multiply the shares of both axes.",
)
choose_rates.mistake(
    "only the width",
    lambda height, width: reference(width, width),
    hint="Your answer does not change with the height. Multiply the shares of both axes.",
)
choose_rates.mistake(
    "axes not multiplied",
    _one_axis,
    hint="You ask for the share along each axis by itself. A tap of a 3x3 kernel is inside only if "
    "its row and its column are: multiply the two shares.",
)
choose_rates.mistake(
    "the last rate with a tap inside",
    lambda height, width: _thirds(min(height, width) - 1),
    hint="Your largest rate is one less than the shorter side. There, only the first and the last "
    "row of places still have an outer tap inside; all others are 1x1 convolutions.",
)
choose_rates.mistake(
    "the whole kernel inside",
    lambda height, width: _thirds((min(height, width) - 1) // 2),
    hint="You ask that the whole kernel fit into the map, 2r + 1 places. That holds for one place "
    "only, the middle; count the taps over all places and compare with the criterion.",
)
choose_rates.mistake(
    "largest first",
    lambda height, width: reference(height, width)[::-1],
    hint="The rates are right, but the largest comes first. Return the smallest first.",
)
choose_rates.mistake(
    "three times the same",
    lambda height, width: (largest(height, width),) * 3,
    hint="All three rates are the same: the pyramid looks at one distance three times. Spread "
    "them.",
)
choose_rates.mistake(
    "crowded at the far end",
    _crowded,
    hint="Your rates follow one another at the far end. Nothing looks at the middle distances: "
    "spread them over the range.",
)
choose_rates.mistake(
    "twice too large",
    _doubled,
    hint="Your rates are twice those of a good choice. Does your count take the taps of only one "
    "side? A kernel reaches r places to the left *and* to the right.",
)
