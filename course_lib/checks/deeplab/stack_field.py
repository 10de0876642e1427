"""Check of the warm-up `stack_field`: how many pixels a stack of layers can see along one axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from course_lib.checks.compare import whole
from course_lib.checks.core import Check

Layers = Sequence[tuple[int, int, int]]  # kernel, stride, rate


def reference(layers: Layers) -> int:
    """The answer: eq-dilated-field."""
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += rate * (kernel - 1) * jump
        jump *= stride
    return field


def _sum(
    widens: Callable[[int, int], int] = lambda kernel, rate: rate * (kernel - 1),
    spreads: Callable[[int, int], int] = lambda stride, rate: stride,
    *,
    early: bool = False,
    start: int = 1,
) -> Callable[[Layers], int]:
    """The sum, with one thing at a time that can be made wrong."""

    def field_of(layers: Layers) -> int:
        field, jump = start, 1
        for kernel, stride, rate in layers:
            after = jump * spreads(stride, rate)
            field += widens(kernel, rate) * (after if early else jump)
            jump = after
        return field

    return field_of


def _strides_added(layers: Layers) -> int:
    field, jump = 1, 1
    for kernel, stride, rate in layers:
        field += rate * (kernel - 1) * jump
        jump += stride
    return field


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


def _plain(generator: torch.Generator) -> tuple[Layers, ...]:
    ordinary = ([(2 * _pick(1, 3, generator) + 1, 1, 1) for _ in range(n)] for n in (1, 2, 5))
    return *ordinary, [(3, 1, 1), (1, 1, 1), (3, 1, 1)], []


def _rates(generator: torch.Generator) -> tuple[Layers, ...]:
    rates = ([(3, 1, _pick(2, 9, generator)) for _ in range(count)] for count in (1, 3))
    return *rates, [(5, 1, _pick(2, 4, generator)), (3, 1, 1)]


def _strides(generator: torch.Generator) -> tuple[Layers, ...]:
    return tuple([(3, s, 1), (_pick(2, 5, generator), s, 1), (3, 1, 1)] for s in (2, 3))


def _answers(student: Any, stacks: tuple[Layers, ...]) -> list[int]:
    return [whole(student(list(layers)), f"the field of {list(layers)}") for layers in stacks]


stack_field = Check(
    "stack_field", lab="deeplab", level="warm-up", minutes=5, reference=reference, example=_example
)
for _name, _points, _stacks in (
    ("ordinary layers: each adds its taps but one", 1, _plain),
    ("rates spread the taps", 1, _rates),
    ("strides widen what comes after them", 1, _strides),
    ("strides and rates together", 2, lambda generator: tuple(_draw(generator) for _ in range(3))),
):
    stack_field.equals_reference(
        _name,
        points=_points,
        example=_stacks,
        probe=_answers,
        what=[f"the field of {{{i}}}" for i in range(5)],
    )

stack_field.mistake(
    "rate ignored",
    _sum(lambda kernel, rate: kernel - 1),
    hint="Your answer does not change with the rates. At rate r the taps lie r places apart, so a "
    "kernel of k taps spans k + (k - 1)(r - 1) places and reaches r (k - 1) places farther.",
)
stack_field.mistake(
    "stride ignored",
    _sum(spreads=lambda stride, rate: 1),
    hint="Your answer does not change with the strides. After a stride of 2, neighbouring places "
    "lie 2 pixels apart, so every later tap reaches twice as far. Keep the jump: the product of "
    "the strides so far.",
)
stack_field.mistake(
    "whole kernels added",
    _sum(lambda kernel, rate: rate * (kernel - 1) + 1),
    hint="You add the whole span of each kernel. Its middle tap lies on what was seen before: only "
    "r (k - 1) places are new. A layer of 1x1 must not widen the field.",
)
stack_field.mistake(
    "a layer's own stride counted too early",
    _sum(early=True),
    hint="You multiply the jump by a layer's stride before you use it. The taps of a layer lie on "
    "the map below it, whose places are as far apart as the layers before have made them.",
)
stack_field.mistake(
    "kernel times rate",
    _sum(lambda kernel, rate: kernel * rate - 1),
    hint="You take k * r for the span of a kernel. Between k taps there are k - 1 gaps: the span "
    "is r (k - 1) + 1, so 5 and not 6 for three taps at rate 2.",
)
stack_field.mistake(
    "one gap only",
    _sum(lambda kernel, rate: kernel - 1 + rate - 1),
    hint="You widen each kernel by r - 1 once. There are k - 1 gaps between k taps, and each has r "
    "- 1 holes.",
)
stack_field.mistake(
    "rate holes between taps",
    _sum(lambda kernel, rate: (rate + 1) * (kernel - 1)),
    hint="You count rate holes between two taps. At rate r the taps lie r places apart, so there "
    "are r - 1 holes; rate 1 has none.",
)
stack_field.mistake(
    "the rate kept in the jump",
    _sum(spreads=lambda stride, rate: stride * rate),
    hint="You multiply the jump by the rate. A rate spreads the taps of its own layer only; the "
    "outputs of an atrous layer lie as close as its inputs. Only strides change the jump.",
)
stack_field.mistake(
    "starts at 0",
    _sum(start=0),
    hint="You start at 0. The pixel itself counts: a stack without layers sees 1.",
)
stack_field.mistake(
    "strides added",
    lambda layers: (
        1
        + sum(
            r * (k - 1) * (1 + sum(s for _, s, _ in layers[:i]))
            for i, (k, _, r) in enumerate(layers)
        )
    ),
    hint="You add the strides up. Distances multiply: after two layers of stride 2, neighbours lie "
    "4 pixels apart.",
)
stack_field.mistake(
    "last layer first",
    lambda layers: reference(layers[::-1]),
    hint="You go through the layers from the last to the first with a jump that counts the strides "
    "met so far. A stride widens what comes *after* it: start at the image.",
)
stack_field.mistake(
    "the jump returned",
    lambda layers: math.prod((stride for _, stride, _ in layers)),
    hint="You return the product of the strides. That is the jump, the distance between "
    "neighbouring outputs. The field says how many pixels one output can see.",
)
stack_field.mistake(
    "the number of taps",
    lambda layers: math.prod(kernel for kernel, _, _ in layers),
    hint="You multiply the kernels. The fields of two layers overlap: each new layer adds its "
    "reach, it does not multiply.",
)
