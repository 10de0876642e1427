"""Check of the warm-up "conv_output": how many positions a window takes along one axis."""

from __future__ import annotations

import math
from typing import Any

import torch

from course_lib.checks.compare import whole
from course_lib.checks.core import Check

Question = tuple[int, int, int, int]  # size, kernel, stride, padding


def reference(size: int, kernel: int, stride: int, padding: int) -> int:
    """The answer: eq-output-size."""
    return (size + 2 * padding - kernel) // stride + 1


def _integer(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _draw(generator: torch.Generator, left_over: int | None = None) -> Question:
    """Every rule matters: padding and stride are used, and so many pixels are left over."""
    stride = _integer(3, 5, generator)
    kernel, padding = _integer(2, 6, generator), _integer(1, 3, generator)
    steps = _integer(3, 9, generator)
    left_over = stride - 1 if left_over is None else left_over
    return steps * stride + left_over + kernel - 2 * padding, kernel, stride, padding


def _example(generator: torch.Generator) -> tuple[Question, ...]:
    """Nine questions: nothing left over, one pixel, or one pixel short of another step.

    Between them they tell "rounded up", "one added too early" and "one forgotten" apart.
    """
    return tuple(_draw(generator, left_over) for left_over in (0, 1, None) * 3)


def _slides(generator: torch.Generator) -> tuple[Question, ...]:
    return (5, 5, 1, 0), *((_integer(8, 40, generator), kernel, 1, 0) for kernel in (2, 3, 7))


def _keeps(generator: torch.Generator) -> tuple[Question, ...]:
    return tuple((_integer(8, 40, generator), kernel, 1, kernel // 2) for kernel in (1, 3, 5))


def _values(student: Any, questions: tuple[Question, ...]) -> list:
    return [student(*question) for question in questions]


def _values_and_types(student: Any, questions: tuple[Question, ...]) -> list:
    return [(value, isinstance(value, float)) for value in _values(student, questions)]


conv_output = Check(
    "conv_output",
    lab="classifier",
    level="warm-up",
    minutes=5,
    reference=reference,
    example=_example,
    probe=_values_and_types,
)

for _name, _points, _questions in (
    ("without padding, a window of k leaves size - k + 1 positions", 1, _slides),
    ("padding k // 2 keeps the size for odd k and stride 1", 1, _keeps),
    ("strides, and a last step that does not fit, are counted right", 2, _example),
):
    conv_output.equals_reference(
        _name,
        points=_points,
        example=_questions,
        probe=_values,
        what=[f"the answer for (size, kernel, stride, padding) = {{{i}}}" for i in range(9)],
    )


@conv_output.holds("the answer is a whole number", points=1)
def _counts(student: Any, generator: torch.Generator) -> None:
    whole(student(*_draw(generator)), "the number of positions")


conv_output.mistake(
    "padding counted once",
    lambda n, k, s, p: (n + p - k) // s + 1,
    hint="You count the padding once. Zeros are added at both ends of the axis, left and right, so "
    "the axis grows by 2 * padding.",
)
conv_output.mistake(
    "padding forgotten",
    lambda n, k, s, p: (n - k) // s + 1,
    hint="Your answer does not change with the padding. First pad, then count windows: the axis "
    "has size + 2 * padding places.",
)
conv_output.mistake(
    "first position forgotten",
    lambda n, k, s, p: (n + 2 * p - k) // s,
    hint="You count steps, not positions. A window that can move 4 times has stood at 5 places: "
    "add 1 for the place where it starts.",
)
conv_output.mistake(
    "stride ignored",
    lambda n, k, s, p: n + 2 * p - k + 1,
    hint="Your answer does not change with the stride. The window moves by `stride` pixels at a "
    "time, so the room that it has is divided by the stride.",
)
conv_output.mistake(
    "rounded up",
    lambda n, k, s, p: math.ceil((n + 2 * p - k) / s) + 1,
    hint="You round up. A last step that would carry the window over the edge is not taken; the "
    "pixels left over are not used. Round down.",
)
conv_output.mistake(
    "one added before the division",
    lambda n, k, s, p: (n + 2 * p - k + 1) // s,
    hint="You add 1 before dividing. Divide the room by the stride first: that is the number of "
    "steps. Then add 1 for the position where the window starts.",
)
conv_output.mistake(
    "not rounded",
    lambda n, k, s, p: (n + 2 * p - k) / s + 1,
    hint="You keep the fraction. Half a step is not taken: use whole-number division, //.",
)
conv_output.mistake(
    "a float",
    lambda n, k, s, p: float(reference(n, k, s, p)),
    hint="The value is right, but it is a float. A layer cannot have 8.0 rows: range() and "
    "torch.zeros() will refuse it. Divide with //, which keeps whole numbers whole.",
)
conv_output.mistake(
    "range() ends too early",
    lambda n, k, s, p: len(range(0, n + 2 * p - k, s)),
    hint="You count with range(), which leaves its end out, so the last place is missing wherever "
    "the window ends exactly at the edge. Let range() go to size + 2 * padding - kernel + 1.",
)
