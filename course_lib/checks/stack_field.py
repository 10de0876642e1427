"""Check of the warm-up `stack_field`: how many pixels a stack of layers can see along one axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

Layers = Sequence[tuple[int, int, int]]  # kernel, stride, rate


def reference(layers: Layers) -> int:
    """The answer: eq-dilated-field."""
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += rate * (kernel - 1) * jump
        jump *= stride
    return field


def _rate_ignored(layers: Layers) -> int:
    return reference([(kernel, stride, 1) for kernel, stride, _ in layers])


def _stride_ignored(layers: Layers) -> int:
    return reference([(kernel, 1, rate) for kernel, _, rate in layers])


def _whole_kernel(layers: Layers) -> int:
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += (rate * (kernel - 1) + 1) * jump
        jump *= stride
    return field


def _own_stride(layers: Layers) -> int:
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        jump *= stride
        field += rate * (kernel - 1) * jump
    return field


def _kernel_times_rate(layers: Layers) -> int:
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += (kernel * rate - 1) * jump
        jump *= stride
    return field


def _one_gap(layers: Layers) -> int:
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += (kernel - 1 + rate - 1) * jump
        jump *= stride
    return field


def _rate_stays(layers: Layers) -> int:
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += rate * (kernel - 1) * jump
        jump *= stride * rate
    return field


def _backwards_once(layers: Layers) -> int:
    return reference(list(layers)[::-1])


MISTAKES = [
    Mistake(
        "rate ignored",
        _rate_ignored,
        "Your answer does not change with the rates. At rate r the taps lie r places apart, so a "
        "kernel of k taps spans k + (k - 1)(r - 1) places and reaches r (k - 1) places farther.",
    ),
    Mistake(
        "stride ignored",
        _stride_ignored,
        "Your answer does not change with the strides. After a stride of 2, neighbouring places "
        "lie 2 pixels apart, so every later tap reaches twice as far. Keep the jump: the product "
        "of the strides so far.",
    ),
    Mistake(
        "whole kernels added",
        _whole_kernel,
        "You add the whole span of each kernel. Its middle tap lies on what was seen before: only "
        "r (k - 1) places are new. A layer of 1x1 must not widen the field.",
    ),
    Mistake(
        "a layer's own stride counted too early",
        _own_stride,
        "You multiply the jump by a layer's stride before you use it. The taps of a layer lie on "
        "the map below it, whose places are as far apart as the layers before have made them.",
    ),
    Mistake(
        "kernel times rate",
        _kernel_times_rate,
        "You take k * r for the span of a kernel. Between k taps there are k - 1 gaps: the span is "
        "r (k - 1) + 1, so 5 and not 6 for three taps at rate 2.",
    ),
    Mistake(
        "one gap only",
        _one_gap,
        "You widen each kernel by r - 1 once. There are k - 1 gaps between k taps, and each has "
        "r - 1 holes.",
    ),
    Mistake(
        "the rate kept in the jump",
        _rate_stays,
        "You multiply the jump by the rate. A rate spreads the taps of its own layer only; the "
        "outputs of an atrous layer lie as close as its inputs. Only strides change the jump.",
    ),
    Mistake(
        "last layer first",
        _backwards_once,
        "You go through the layers from the last to the first with a jump that counts the strides "
        "met so far. A stride widens what comes *after* it: start at the image.",
    ),
    Mistake(
        "the jump returned",
        lambda layers: math.prod(stride for _, stride, _ in layers),
        "You return the product of the strides. That is the jump, the distance between "
        "neighbouring outputs. The field says how many pixels one output can see.",
    ),
]


def _pick(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _draw(generator: torch.Generator) -> list[tuple[int, int, int]]:
    """Strides and rates that matter: the first layers have strides, the later ones rates."""
    early = [(2 * _pick(1, 2, generator) + 1, _pick(2, 3, generator), 1)]
    middle = [(3, 2, _pick(2, 3, generator)), (5, 1, _pick(2, 4, generator))]
    late = [(3, 1, _pick(3, 6, generator)), (3, 2, _pick(2, 5, generator))]
    return early + middle + late


def _example(generator: torch.Generator) -> tuple:
    return (_draw(generator),)


def _ask(student: Any, layers: Layers) -> None:
    got = student(list(layers))
    assert_close(got, reference(layers), f"the field of {list(layers)}")


def _plain(student: Any, generator: torch.Generator) -> None:
    for count in (1, 2, 5):
        _ask(student, [(2 * _pick(1, 3, generator) + 1, 1, 1) for _ in range(count)])
    _ask(student, [(3, 1, 1), (1, 1, 1), (3, 1, 1)])
    _ask(student, [])


def _rates(student: Any, generator: torch.Generator) -> None:
    for count in (1, 3):
        _ask(student, [(3, 1, _pick(2, 9, generator)) for _ in range(count)])
    _ask(student, [(5, 1, _pick(2, 4, generator)), (3, 1, 1)])


def _strides(student: Any, generator: torch.Generator) -> None:
    for stride in (2, 3):
        _ask(student, [(3, stride, 1), (_pick(2, 5, generator), stride, 1), (3, 1, 1)])


def _both(student: Any, generator: torch.Generator) -> None:
    for _ in range(3):
        _ask(student, _draw(generator))


PROPERTIES = [
    Property("ordinary layers: each adds its taps but one", 1, _plain),
    Property("rates spread the taps", 1, _rates),
    Property("strides widen what comes after them", 1, _strides),
    Property("strides and rates together", 2, _both),
]


def stack_field(student: Callable[[Layers], int], *, seed: int | None = None) -> Report:
    """Check a learner's `stack_field(layers)`.

    Args:
        student: The learner's function; takes a list of (kernel, stride, rate), returns an int.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "stack_field",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
