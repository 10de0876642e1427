"""Check of the warm-up "conv_output": how many positions a window takes along one axis."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(size: int, kernel: int, stride: int, padding: int) -> int:
    """The answer: eq-output-size."""
    return (size + 2 * padding - kernel) // stride + 1


def _whole(student: Callable, arguments: tuple[int, int, int, int]) -> None:
    got = student(*arguments)
    size, kernel, stride, padding = arguments
    what = f"the answer for size={size}, kernel={kernel}, stride={stride}, padding={padding}"
    assert_close(got, reference(*arguments), what)


def _integer(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _draw(generator: torch.Generator, left_over: int | None = None) -> tuple[int, int, int, int]:
    """Every rule matters: padding and stride are used and the last step does not fit exactly."""
    stride = _integer(3, 5, generator)
    kernel, padding = _integer(2, 6, generator), _integer(1, 3, generator)
    steps = _integer(3, 9, generator)
    left_over = stride - 1 if left_over is None else left_over
    return steps * stride + left_over + kernel - 2 * padding, kernel, stride, padding


def _example(generator: torch.Generator) -> tuple[tuple[int, int, int, int], ...]:
    """Eight questions: one pixel left over, or one pixel short of another step.

    Between them they tell "rounded up", "one added too early" and "one forgotten" apart.
    """
    return tuple(_draw(generator, left_over) for left_over in (1, None) * 4)


def _answers(student: Callable, questions: tuple[tuple[int, int, int, int], ...]) -> list:
    return [student(*question) for question in questions]


def _keeps(student: Callable, generator: torch.Generator) -> None:
    for kernel in (1, 3, 5):
        _whole(student, (_integer(8, 40, generator), kernel, 1, kernel // 2))


def _slides(student: Callable, generator: torch.Generator) -> None:
    for kernel in (2, 3, 7):
        _whole(student, (_integer(8, 40, generator), kernel, 1, 0))
    _whole(student, (5, 5, 1, 0))


def _strides(student: Callable, generator: torch.Generator) -> None:
    for question in _example(generator):
        _whole(student, question)


def _counts(student: Callable, generator: torch.Generator) -> None:
    got = student(*_draw(generator))
    assert type(got) is int, (
        f"a number of positions is an int, and yours is a {type(got).__name__} ({got!r}): "
        "divide with // instead of /"
    )


PROPERTIES = (
    Property("without padding, a window of k leaves size - k + 1 positions", 1, _slides),
    Property("padding k // 2 keeps the size for odd k and stride 1", 1, _keeps),
    Property("strides, and a last step that does not fit, are counted right", 2, _strides),
    Property("the answer is a whole number", 1, _counts),
)

MISTAKES = (
    Mistake(
        "padding counted once",
        lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1,
        "You count the padding once. Zeros are added at both ends of the axis, left and right, "
        "so the axis grows by 2 * padding.",
    ),
    Mistake(
        "padding forgotten",
        lambda size, kernel, stride, padding: (size - kernel) // stride + 1,
        "Your answer does not change with the padding. First pad, then count windows: the axis "
        "has size + 2 * padding places.",
    ),
    Mistake(
        "first position forgotten",
        lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride,
        "You count steps, not positions. A window that can move 4 times has stood at 5 places: "
        "add 1 for the place where it starts.",
    ),
    Mistake(
        "stride ignored",
        lambda size, kernel, stride, padding: size + 2 * padding - kernel + 1,
        "Your answer does not change with the stride. The window moves by `stride` pixels at a "
        "time, so the room that it has is divided by the stride.",
    ),
    Mistake(
        "rounded up",
        lambda size, kernel, stride, padding: math.ceil((size + 2 * padding - kernel) / stride) + 1,
        "You round up. A last step that would carry the window over the edge is not taken; the "
        "pixels left over are not used. Round down.",
    ),
    Mistake(
        "one added before the division",
        lambda size, kernel, stride, padding: (size + 2 * padding - kernel + 1) // stride,
        "You add 1 before dividing. Divide the room by the stride first: that is the number of "
        "steps. Then add 1 for the position where the window starts.",
    ),
    Mistake(
        "not rounded",
        lambda size, kernel, stride, padding: (size + 2 * padding - kernel) / stride + 1,
        "You keep the fraction. Half a step is not taken: use whole-number division, //.",
    ),
    Mistake(
        "a float",
        lambda size, kernel, stride, padding: float(reference(size, kernel, stride, padding)),
        "The value is right, but it is a float. A layer cannot have 8.0 rows: range() and "
        "torch.zeros() will refuse it. Divide with //, which keeps whole numbers whole.",
    ),
)


def conv_output(student: Callable[[int, int, int, int], int], *, seed: int | None = None) -> Report:
    """Check a learner's `conv_output(size, kernel, stride, padding)`.

    Args:
        student: The learner's function; returns an int.
        seed: Draws the same inputs again. Fresh ones by default.

    Returns:
        Points per property, and a hint for a known wrong answer.
    """
    return grade(
        "conv_output",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_answers,
        seed=seed,
    )
