"""Check of the exercise `scatter`: a transposed convolution along one axis, by hand."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


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
    return _cut(_spread(v, kernel, stride), padding, padding)


def _spread(v: Tensor, kernel: Tensor, stride: int) -> Tensor:
    u = v.new_zeros(stride * (len(v) - 1) + len(kernel))
    for i, value in enumerate(v):
        u[stride * i : stride * i + len(kernel)] += value * kernel
    return u


def _cut(u: Tensor, before: int, after: int) -> Tensor:
    return u[before : len(u) - after]


def _overwritten(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    u = v.new_zeros(stride * (len(v) - 1) + len(kernel))
    for i, value in enumerate(v):
        u[stride * i : stride * i + len(kernel)] = value * kernel
    return _cut(u, padding, padding)


def _averaged(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    count = _spread(torch.ones_like(v), torch.ones_like(kernel), stride)
    return _cut(_spread(v, kernel, stride) / count.clamp(min=1), padding, padding)


def _turned(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return reference(v, kernel.flip(0), stride, padding)


def _no_stride(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return reference(v, kernel, 1, padding)


def _not_cut(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return _spread(v, kernel, stride)


def _added(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return F.pad(_spread(v, kernel, stride), [padding, padding])


def _cut_once(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return _cut(_spread(v, kernel, stride), 0, padding)


def _cut_at_the_end(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return _cut(_spread(v, kernel, stride), 0, 2 * padding)


def _stretched(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    u = _spread(v, kernel, stride)
    return F.pad(u, [0, max(0, stride * len(v) - len(u))])[: stride * len(v)]


def _gathered(v: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    return F.conv1d(v[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]


MISTAKES = [
    Mistake(
        "overlaps overwritten",
        _overwritten,
        "Where two copies meet, the later one replaced the earlier one. They are added: use +=.",
    ),
    Mistake(
        "overlaps averaged",
        _averaged,
        "You divided by the number of copies that meet. A transposed convolution adds them; that "
        "is why it can draw a checkerboard.",
    ),
    Mistake(
        "kernel turned",
        _turned,
        "Your copies are the wrong way round. Input i adds v[i] * kernel[a] at place "
        "stride * i + a. (The turned kernel belongs to the other way to compute it: zeros in "
        "between, then a convolution.)",
    ),
    Mistake(
        "a convolution",
        _gathered,
        "You computed a convolution: it gathers, and makes the row shorter. Here each input "
        "scatters a copy of the kernel, and the row gets longer.",
    ),
    Mistake(
        "stride 1",
        _no_stride,
        "Your copies lie one place apart. Input i's copy begins at place stride * i.",
    ),
    Mistake(
        "padding not cut",
        _not_cut,
        "You left the ends on. In a transposed convolution padding is what is cut off at each "
        "end: the convolution that it transposes had zeros there.",
    ),
    Mistake(
        "padding added",
        _added,
        "You added zeros at the ends. The padding belongs to the convolution that is transposed: "
        "here as many places are cut off.",
    ),
    Mistake(
        "cut at one end",
        _cut_once,
        "You cut `padding` places off the far end only. Both ends lose as many.",
    ),
    Mistake(
        "everything cut at the end",
        _cut_at_the_end,
        "The length is right and the place is not: you cut twice the padding off the far end. Cut "
        "the padding off each end, or everything is shifted.",
    ),
    Mistake(
        "stride times as long",
        _stretched,
        "You made the row exactly stride times as long. The last copy begins at stride * (m - 1) "
        "and has k places; with the padding cut at both ends that leaves "
        "stride * (m - 1) + k - 2 * padding.",
    ),
]


def _draw(
    generator: torch.Generator, *, inputs: int, kernel: int, stride: int, padding: int
) -> tuple[Tensor, Tensor, int, int]:
    v = 1 + torch.rand(inputs, generator=generator)
    return v, 1 + torch.rand(kernel, generator=generator), stride, padding


def _example(generator: torch.Generator) -> tuple:
    stride = int(torch.randint(2, 4, (1,), generator=generator))
    return _draw(generator, inputs=6, kernel=stride + 3, stride=stride, padding=1)


def _length(student: Any, generator: torch.Generator) -> None:
    for inputs, kernel, stride, padding in ((4, 3, 2, 0), (5, 4, 2, 1), (3, 5, 3, 2), (1, 4, 3, 1)):
        arguments = _draw(generator, inputs=inputs, kernel=kernel, stride=stride, padding=padding)
        got, wanted = student(*arguments), len(reference(*arguments))
        found = tuple(getattr(got, "shape", ()))
        if found != (wanted,):
            raise AssertionError(
                f"for {inputs} inputs, {kernel} weights, stride {stride} and padding {padding} "
                f"you return {found or type(got).__name__}, wanted ({wanted},)"
            )


def _one_input(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, inputs=1, kernel=4, stride=2, padding=0)
    assert_close(student(*arguments), reference(*arguments), "for one input, the result")


def _overlap(student: Any, generator: torch.Generator) -> None:
    for kernel, stride in ((3, 2), (4, 2), (4, 3)):
        arguments = _draw(generator, inputs=5, kernel=kernel, stride=stride, padding=0)
        what = f"for {kernel} weights and stride {stride}, the result"
        assert_close(student(*arguments), reference(*arguments), what)


def _placement(student: Any, generator: torch.Generator) -> None:
    for kernel, stride, padding in ((4, 2, 1), (5, 2, 2)):
        arguments = _draw(generator, inputs=4, kernel=kernel, stride=stride, padding=padding)
        what = f"for {kernel} weights, stride {stride} and padding {padding}, the result"
        assert_close(student(*arguments), reference(*arguments), what)


PROPERTIES = [
    Property("the result is as long as it should be", 1, _length),
    Property("one input: one copy of the kernel", 1, _one_input),
    Property("copies that meet are added", 2, _overlap),
    Property("padding is cut off, and the rest stays in place", 1, _placement),
]


def scatter(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `scatter(v, kernel, stride, padding)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "scatter", student, properties=PROPERTIES, mistakes=MISTAKES, example=_example, seed=seed
    )
