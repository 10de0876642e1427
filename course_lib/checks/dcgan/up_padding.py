"""Check of the exercise `up_padding`: the padding that makes a transposed convolution exact."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from course_lib.checks.compare import wholes
from course_lib.checks.core import Check

Rule = Callable[[int, int], tuple[int, int]]


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
    return _solved(kernel, stride)


def _solved(kernel: int, stride: int) -> tuple[int, int]:
    output_padding = (kernel - stride) % 2
    return (kernel - stride + output_padding) // 2, output_padding


def _refusing(rule: Rule) -> Rule:
    """A rule that refuses what is to be refused, and may be wrong elsewhere."""
    return lambda kernel, stride: reference(kernel, stride) and rule(kernel, stride)


def _probe(student: Any, arguments: tuple) -> list:
    """The answers for all small kernels and strides."""

    def answer(kernel: int, stride: int) -> Any:
        try:
            return wholes(student(kernel, stride), 2)
        except ValueError:
            return "ValueError"

    return [answer(kernel, stride) for stride in range(2, 6) for kernel in range(1, 9)]


up_padding = Check(
    "up_padding",
    lab="dcgan",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=lambda generator: (),
    probe=_probe,
)


def _exact(student: Any, generator: torch.Generator, *, cases: list[tuple[int, int]]) -> None:
    for kernel, stride in cases:
        answer = student(kernel, stride)
        padding, extra = wholes(answer, 2, f"the answer for kernel {kernel}, stride {stride}")
        where = f"kernel {kernel}, stride {stride}, padding {padding}, output_padding {extra}"
        if padding < 0 or not 0 <= extra < stride:
            raise AssertionError(f"{where}: wanted padding >= 0, 0 <= output_padding < stride")
        size = int(torch.randint(4, 12, (1,), generator=generator))
        layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, output_padding=extra)
        length = layer(torch.zeros(1, 1, size)).shape[-1]
        if length != stride * size:
            raise AssertionError(f"{where}: {size} becomes {length}, wanted {stride * size}")
        if extra != reference(kernel, stride)[1]:
            raise AssertionError(f"{where}: exact, but a smaller output_padding is enough")


for _name, _cases in (
    ("even kernels double exactly, without output_padding", [(4, 2), (2, 2), (6, 2)]),
    ("kernels with odd k - s are exact too", [(3, 2), (5, 2), (7, 4), (4, 3)]),
    (
        "exact for every kernel and stride, with the least output_padding",
        [(k, s) for s in range(2, 6) for k in range(s, 10)],
    ),
):
    up_padding.holds(_name, points=1)(partial(_exact, cases=_cases))


@up_padding.holds("ValueError where the kernel is smaller than the stride", points=1)
def _refuses(student: Any, generator: torch.Generator) -> None:
    for kernel, stride in ((1, 2), (2, 3), (1, 4)):
        try:
            answer = student(kernel, stride)
        except ValueError:
            continue
        raise AssertionError(f"kernel {kernel}, stride {stride}: got {answer}, wanted a ValueError")


up_padding.mistake(
    "the convolution's padding",
    _refusing(lambda k, s: ((k - 1) // 2, 0)),
    hint="(k - 1) / 2 is what keeps the size of an ordinary convolution. A transposed one gives (n "
    "- 1) s - 2 p + k + o. Set this equal to n s and solve for p.",
)
up_padding.mistake(
    "output_padding s - 1",
    _refusing(lambda k, s: ((k - 1) // 2, s - 1)),
    hint="p = (k - 1) / 2 with output_padding = s - 1 is right for odd kernels only if s - 1 is "
    "the least that works, and wrong for even ones: 4 at stride 2 needs p = 1 and no "
    "output_padding. Solve (n - 1) s - 2 p + k + o = n s.",
)
up_padding.mistake(
    "one too many when k - s is odd",
    _refusing(lambda k, s: ((k - s) // 2, 0)),
    hint="Where k - s is odd, (k - s) // 2 takes off too little, and the output is one pixel too "
    "large: with k = 3, s = 2 it has 2 n + 1. Padding can only take off pairs; take off one pair "
    "more and put one back with output_padding = 1.",
)
up_padding.mistake(
    "output_padding added, but padding not raised",
    _refusing(lambda k, s: ((k - s) // 2, (k - s) % 2)),
    hint="You rounded the padding down *and* added output_padding, so the output is two pixels too "
    "large. Rounding down leaves one too many already; round the padding up when you add one.",
)
up_padding.mistake(
    "one too few when k - s is odd",
    _refusing(lambda k, s: ((k - s + 1) // 2, 0)),
    hint="Where k - s is odd, you round the padding up, and the output is one pixel too small: "
    "with k = 3, s = 2 it has 2 n - 1. Put the missing one back with output_padding = 1.",
)
up_padding.mistake(
    "output_padding always 1",
    _refusing(lambda k, s: ((k - s + 1) // 2, 1)),
    hint="With an even k - s no output_padding is needed: 4 at stride 2 with p = 1 doubles "
    "exactly. It is there for odd k - s only.",
)
up_padding.mistake(
    "padding on one side only",
    _refusing(lambda k, s: (k - s, 0)),
    hint="You divide nothing by 2. `padding` takes off its number at *both* ends: (n - 1) s - 2 p.",
)
up_padding.mistake(
    "in the wrong order",
    lambda k, s: reference(k, s)[::-1],
    hint="You return output_padding first. The order is (padding, output_padding).",
)
up_padding.mistake(
    "a kernel smaller than the stride",
    _solved,
    hint="A kernel smaller than the stride leaves places that no input reaches, filled with the "
    "bias alone (and a negative padding does not exist). Raise ValueError for k < s.",
)
up_padding.mistake(
    "padding for stride 2 only",
    _refusing(lambda k, s: ((k - 1) // 2, k % 2)),
    hint="Your rule does not use the stride: it is right for s = 2 alone. Solve (n - 1) s - 2 p + "
    "k + o = n s for p; s stays in it.",
)
