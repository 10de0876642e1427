"""Check of the exercise `up_padding`: the padding that makes a transposed convolution exact."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from course_lib.checks.core import Mistake, Property, Report, grade


def reference(kernel: int, stride: int) -> tuple[int, int]:
    """Return (padding, output_padding) with which every size is multiplied by the stride.

    Args:
        kernel: side of the kernel, 1 or more.
        stride: 2 or more (an even kernel cannot keep the size at stride 1).

    Returns:
        Both as whole numbers, output_padding as small as possible.

    Raises:
        ValueError: if the kernel is smaller than the stride: some places would get no input.
    """
    if kernel < stride:
        raise ValueError(f"kernel {kernel} is smaller than stride {stride}: gaps stay between.")
    output_padding = (kernel - stride) % 2
    return (kernel - stride + output_padding) // 2, output_padding


def _refusing(rule: Any) -> Any:
    def wrong(kernel: int, stride: int) -> tuple[int, int]:
        reference(kernel, stride)
        answer: tuple[int, int] = rule(kernel, stride)
        return answer

    return wrong


_half = _refusing(lambda k, s: ((k - 1) // 2, 0))
_half_and_one = _refusing(lambda k, s: ((k - 1) // 2, s - 1))
_floor = _refusing(lambda k, s: ((k - s) // 2, 0))
_floor_and_one = _refusing(lambda k, s: ((k - s) // 2, (k - s) % 2))
_ceiling = _refusing(lambda k, s: ((k - s + 1) // 2, 0))
_always_one = _refusing(lambda k, s: ((k - s + 1) // 2, 1))
_whole = _refusing(lambda k, s: (k - s, 0))
_swapped = _refusing(lambda k, s: reference(k, s)[::-1])


def _never_refuses(kernel: int, stride: int) -> tuple[int, int]:
    output_padding = (kernel - stride) % 2
    return (kernel - stride + output_padding) // 2, output_padding


MISTAKES = [
    Mistake(
        "the convolution's padding",
        _half,
        "(k - 1) / 2 is what keeps the size of an ordinary convolution. A transposed one gives "
        "(n - 1) s - 2 p + k + o. Set this equal to n s and solve for p.",
    ),
    Mistake(
        "output_padding s - 1",
        _half_and_one,
        "p = (k - 1) / 2 with output_padding = s - 1 is right for odd kernels only if s - 1 is the "
        "least that works, and wrong for even ones: 4 at stride 2 needs p = 1 and no "
        "output_padding. Solve (n - 1) s - 2 p + k + o = n s.",
    ),
    Mistake(
        "one too many when k - s is odd",
        _floor,
        "Where k - s is odd, (k - s) // 2 takes off too little, and the output is one pixel too "
        "large: with k = 3, s = 2 it has 2 n + 1. Padding can only take off pairs; take off one "
        "pair more and put one back with output_padding = 1.",
    ),
    Mistake(
        "output_padding added, but padding not raised",
        _floor_and_one,
        "You rounded the padding down *and* added output_padding, so the output is two pixels too "
        "large. Rounding down leaves one too many already; round the padding up when you add one.",
    ),
    Mistake(
        "one too few when k - s is odd",
        _ceiling,
        "Where k - s is odd, you round the padding up, and the output is one pixel too small: with "
        "k = 3, s = 2 it has 2 n - 1. Put the missing one back with output_padding = 1.",
    ),
    Mistake(
        "output_padding always 1",
        _always_one,
        "With an even k - s no output_padding is needed: 4 at stride 2 with p = 1 doubles exactly. "
        "It is there for odd k - s only.",
    ),
    Mistake(
        "padding on one side only",
        _whole,
        "You divide nothing by 2. `padding` takes off its number at *both* ends: (n - 1) s - 2 p.",
    ),
    Mistake(
        "in the wrong order",
        _swapped,
        "You return output_padding first. The order is (padding, output_padding).",
    ),
    Mistake(
        "a kernel smaller than the stride",
        _never_refuses,
        "A kernel smaller than the stride leaves places that no input reaches, filled with the "
        "bias alone (and a negative padding does not exist). Raise ValueError for k < s.",
    ),
]


def _example(generator: torch.Generator) -> tuple:
    return ()


def _probe(student: Any, arguments: tuple) -> list:
    """The answers for all small kernels and strides."""
    answers: list = []
    for stride in range(2, 6):
        for kernel in range(1, 9):
            try:
                answers.append(tuple(int(n) for n in student(kernel, stride)))
            except ValueError:
                answers.append("ValueError")
    return answers


def _exact(student: Any, cases: list[tuple[int, int]], generator: torch.Generator) -> None:
    for kernel, stride in cases:
        answer = student(kernel, stride)
        if not (isinstance(answer, tuple | list) and len(answer) == 2):
            raise AssertionError(f"got {answer!r}, wanted (padding, output_padding)")
        padding, extra = answer
        where = f"kernel {kernel}, stride {stride}, padding {padding}, output_padding {extra}"
        if not (isinstance(padding, int) and isinstance(extra, int)):
            raise AssertionError(f"{where}: wanted whole numbers")
        if padding < 0 or not 0 <= extra < stride:
            raise AssertionError(f"{where}: wanted padding >= 0, 0 <= output_padding < stride")
        size = int(torch.randint(4, 12, (1,), generator=generator))
        layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, output_padding=extra)
        length = layer(torch.zeros(1, 1, size)).shape[-1]
        if length != stride * size:
            raise AssertionError(f"{where}: {size} becomes {length}, wanted {stride * size}")
        if extra != reference(kernel, stride)[1]:
            raise AssertionError(f"{where}: exact, but a smaller output_padding is enough")


def _doubling(student: Any, generator: torch.Generator) -> None:
    _exact(student, [(4, 2), (2, 2), (6, 2)], generator)


def _odd(student: Any, generator: torch.Generator) -> None:
    _exact(student, [(3, 2), (5, 2), (7, 4), (4, 3)], generator)


def _any_stride(student: Any, generator: torch.Generator) -> None:
    _exact(student, [(k, s) for s in range(2, 6) for k in range(s, 10)], generator)


def _refuses(student: Any, generator: torch.Generator) -> None:
    for kernel, stride in ((1, 2), (2, 3), (1, 4)):
        try:
            answer = student(kernel, stride)
        except NotImplementedError:
            raise
        except ValueError:
            continue
        raise AssertionError(f"kernel {kernel}, stride {stride}: got {answer}, wanted a ValueError")


PROPERTIES = [
    Property("even kernels double exactly, without output_padding", 1, _doubling),
    Property("kernels with odd k - s are exact too", 1, _odd),
    Property("exact for every kernel and stride, with the least output_padding", 1, _any_stride),
    Property("ValueError where the kernel is smaller than the stride", 1, _refuses),
]


def up_padding(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `up_padding(kernel, stride)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "up_padding",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
