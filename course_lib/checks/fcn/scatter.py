"""Check of the exercise `scatter`: a transposed convolution along one axis, by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Check

Arguments = tuple[Tensor, Tensor, int, int]


def reference(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    """Add a copy of the kernel for every input, `stride` apart, then cut `padding` at each end.

    Args:
        v: (m,).
        kernel: (k,).
        stride: output places from one copy to the next.
        padding: places cut off at each end.

    Returns:
        (stride (m - 1) + k - 2 padding,).
    """
    return _scatter(v, kernel, stride, padding)


def _cut(u: Tensor, padding: int) -> Tensor:
    return u[padding : len(u) - padding]


def _scatter(
    v: Tensor,
    kernel: Tensor,
    stride: int,
    padding: int,
    *,
    meet: Callable[[Tensor, Tensor], Tensor] = torch.add,
    cut: Callable[[Tensor, int], Tensor] = _cut,
) -> Tensor:
    """The copies, with one thing at a time that can be made wrong."""
    u = v.new_zeros(stride * (len(v) - 1) + len(kernel))
    for i, value in enumerate(v):
        place = slice(stride * i, stride * i + len(kernel))
        u[place] = meet(u[place], value * kernel)
    return cut(u, padding)


def _averaged(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    count = _scatter(torch.ones_like(v), torch.ones_like(kernel), stride, 0)
    return _cut(_scatter(v, kernel, stride, 0) / count.clamp(min=1), padding)


def _stretched(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    u = _scatter(v, kernel, stride, 0)
    return F.pad(u, [0, max(0, stride * len(v) - len(u))])[: stride * len(v)]


def _gathered(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return F.conv1d(v[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]


def _draw(
    generator: torch.Generator, *, inputs: int, kernel: int, stride: int, padding: int
) -> Arguments:
    v = 1 + torch.rand(inputs, generator=generator)
    return v, 1 + torch.rand(kernel, generator=generator), stride, padding


def _example(generator: torch.Generator) -> Arguments:
    """With a padding, and without one."""
    stride, padding = 2 + _coin(generator), _coin(generator)
    return _draw(generator, inputs=6, kernel=stride + 3, stride=stride, padding=padding)


def _coin(generator: torch.Generator) -> int:
    return int(torch.randint(0, 2, (), generator=generator))


def _numbers(student: Any, arguments: tuple) -> Any:
    """A list of numbers will do as well as a tensor."""
    got = student(*arguments)
    if isinstance(got, list | tuple):
        got = torch.tensor([float(number) for number in got])
    return got


scatter = Check(
    "scatter",
    lab="fcn",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=_example,
    probe=_numbers,
)


@scatter.holds("the result is as long as it should be", points=1)
def _length(student: Any, generator: torch.Generator) -> None:
    for inputs, kernel, stride, padding in ((4, 3, 2, 0), (5, 4, 2, 1), (3, 5, 3, 2), (1, 4, 3, 1)):
        arguments = _draw(generator, inputs=inputs, kernel=kernel, stride=stride, padding=padding)
        got, wanted = _numbers(student, arguments), len(reference(*arguments))
        found = tuple(getattr(got, "shape", ()))
        assert found == (wanted,), (
            f"for {inputs} inputs, {kernel} weights, stride {stride} and padding {padding} you "
            f"return {found or type(got).__name__}, wanted ({wanted},)"
        )


for _name, _points, _cases in (
    ("one input: one copy of the kernel", 1, ((1, 4, 2, 0),)),
    ("copies that meet are added", 2, ((5, 3, 2, 0), (5, 4, 2, 0), (5, 4, 3, 0))),
    ("padding is cut off, and the rest stays in place", 1, ((4, 4, 2, 1), (4, 5, 2, 2))),
):
    scatter.equals_reference(
        _name,
        points=_points,
        example=[
            partial(_draw, inputs=inputs, kernel=kernel, stride=stride, padding=padding)
            for inputs, kernel, stride, padding in _cases
        ],
        what="at stride {2} and padding {3}, the result",
    )

scatter.mistake(
    "overlaps overwritten",
    partial(_scatter, meet=lambda old, new: new),
    hint="Where two copies meet, the later one replaced the earlier one. They are added: use +=.",
)
scatter.mistake(
    "overlaps averaged",
    _averaged,
    hint="You divided by the number of copies that meet. A transposed convolution adds them; that "
    "is why it can draw a checkerboard.",
)
scatter.mistake(
    "the larger one kept",
    partial(_scatter, meet=torch.maximum),
    hint="Where two copies meet, you keep the larger number. They are added: use +=.",
)
scatter.mistake(
    "kernel turned",
    lambda v, kernel, stride, padding: reference(v, kernel.flip(0), stride, padding),
    hint="Your copies are the wrong way round. Input i adds v[i] * kernel[a] at place stride * i + "
    "a. (The turned kernel belongs to the other way to compute it: zeros in between, then a "
    "convolution.)",
)
scatter.mistake(
    "a convolution",
    _gathered,
    hint="You computed a convolution: it gathers, and makes the row shorter. Here each input "
    "scatters a copy of the kernel, and the row gets longer.",
)
scatter.mistake(
    "stride 1",
    lambda v, kernel, stride, padding: reference(v, kernel, 1, padding),
    hint="Your copies lie one place apart. Input i's copy begins at place stride * i.",
)
scatter.mistake(
    "padding not cut",
    partial(_scatter, cut=lambda u, padding: u),
    hint="You left the ends on. In a transposed convolution padding is what is cut off at each "
    "end: the convolution that it transposes had zeros there.",
)
scatter.mistake(
    "padding added",
    partial(_scatter, cut=lambda u, padding: F.pad(u, [padding, padding])),
    hint="You added zeros at the ends. The padding belongs to the convolution that is transposed: "
    "here as many places are cut off.",
)
scatter.mistake(
    "an empty slice without padding",
    partial(_scatter, cut=lambda u, padding: u[padding:-padding]),
    hint="You cut with [p:-p]. With p = 0 that is [0:0], which is empty. Use [p : len(u) - p].",
)
scatter.mistake(
    "cut at one end",
    partial(_scatter, cut=lambda u, padding: u[: len(u) - padding]),
    hint="You cut `padding` places off the far end only. Both ends lose as many.",
)
scatter.mistake(
    "everything cut at the end",
    partial(_scatter, cut=lambda u, padding: u[: len(u) - 2 * padding]),
    hint="The length is right and the place is not: you cut twice the padding off the far end. Cut "
    "the padding off each end, or everything is shifted.",
)
scatter.mistake(
    "everything cut at the beginning",
    partial(_scatter, cut=lambda u, padding: u[2 * padding :]),
    hint="The length is right and the place is not: you cut twice the padding off the beginning. "
    "Cut the padding off each end, or everything is shifted.",
)
scatter.mistake(
    "stride times as long",
    _stretched,
    hint="You made the row exactly stride times as long. The last copy begins at stride * (m - 1) "
    "and has k places; with the padding cut at both ends that leaves stride * (m - 1) + k - 2 * "
    "padding.",
)
