"""Check of the exercise "conv2d": a convolution layer written from its definition."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


def reference(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """The answer: eq-cross-correlation, by PyTorch."""
    return F.conv2d(x, weight, bias, stride=stride, padding=padding)


def _draw(
    generator: torch.Generator,
    image: tuple[int, int, int, int],
    kernels: tuple[int, int, int],
    stride: int = 1,
    padding: int = 0,
) -> tuple[Tensor, Tensor, Tensor, int, int]:
    """Random images (B, C, H, W) and kernels (O, K_h, K_w) for their C channels."""
    outputs, rows, columns = kernels
    x = torch.randn(image, generator=generator)
    weight = torch.randn(outputs, image[1], rows, columns, generator=generator)
    return x, weight, torch.randn(outputs, generator=generator), stride, padding


def _example(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, int, int]:
    """Every rule matters: channels, bias, stride 2, padding, a kernel with no symmetry."""
    return _draw(generator, (2, 3, 7, 6), (4, 3, 3), stride=2, padding=1)


def _same(student: Callable, arguments: tuple, what: str) -> None:
    wanted = reference(*arguments)
    assert_close(student(*(a.clone() if isinstance(a, Tensor) else a for a in arguments)), wanted,
                 what, tolerance=1e-4)  # fmt: skip


def _by_hand(student: Callable, generator: torch.Generator) -> None:
    x = torch.tensor([[[[1.0, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0]]]])  # the chapter's example
    weight = torch.tensor([[[[1.0, 0], [-1, 2]]]])
    _same(student, (x, weight, torch.tensor([1.0]), 1, 0), "the chapter's worked example")


def _channels(student: Callable, generator: torch.Generator) -> None:
    arguments = _draw(generator, (2, 3, 5, 5), (4, 3, 3))
    _same(student, arguments, "the output for 3 channels in and 4 out")


def _padded(student: Callable, generator: torch.Generator) -> None:
    for padding in (1, 2):
        arguments = _draw(generator, (1, 2, 5, 5), (2, 3, 3), padding=padding)
        _same(student, arguments, f"the output for padding {padding}")


def _strided(student: Callable, generator: torch.Generator) -> None:
    for stride in (2, 3):
        arguments = _draw(generator, (1, 2, 8, 8), (2, 3, 3), stride=stride)
        _same(student, arguments, f"the output for stride {stride}")


def _not_square(student: Callable, generator: torch.Generator) -> None:
    arguments = _draw(generator, (1, 1, 5, 9), (2, 2, 4))
    _same(student, arguments, "the output for a 5x9 image and 2x4 kernels")
    _same(student, _example(generator), "the output for a 7x6 image, stride 2, padding 1")


PROPERTIES = (
    Property("the chapter's worked example", 2, _by_hand),
    Property("channels are summed and every output channel has its bias", 2, _channels),
    Property("padding with zeros", 1, _padded),
    Property("stride", 1, _strided),
    Property("images and kernels that are not square", 2, _not_square),
)


def _flipped(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x, weight.flip(-2, -1), bias, stride, padding)


def _transposed(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x, weight.transpose(-2, -1), bias, stride, padding)


def _not_padded(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x, weight, bias, stride, 0)


def _one_side(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(F.pad(x, (padding, 0, padding, 0)), weight, bias, stride, 0)


def _repeated_edge(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(F.pad(x, [padding] * 4, mode="replicate"), weight, bias, stride, 0)


def _not_strided(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x, weight, bias, 1, padding)


def _cropped_stride(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Right output size, but the window still moves by one pixel."""
    rows, columns = reference(x, weight, bias, stride, padding).shape[-2:]
    return reference(x, weight, bias, 1, padding)[:, :, :rows, :columns]


def _no_bias(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return F.conv2d(x, weight, None, stride=stride, padding=padding)


def _bias_per_input(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x, weight, x.shape[1] * bias, stride, padding)


def _first_channel(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x[:, :1], weight[:, :1], bias, stride, padding)


def _mean(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x, weight / weight[0].numel(), bias, stride, padding)


def _rows_and_columns(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return reference(x, weight, bias, stride, padding).transpose(-2, -1)


MISTAKES = (
    Mistake(
        "flipped kernel",
        _flipped,
        "You turn the kernel by 180 degrees. That is convolution as mathematics defines it; a "
        "convolution layer does not flip: weight[o, c, u, v] meets x[b, c, i*stride + u, "
        "j*stride + v].",
    ),
    Mistake(
        "kernel's rows and columns swapped",
        _transposed,
        "You swap the kernel's height and width. The first of the last two axes runs down (rows), "
        "the second across (columns), in x and in weight alike.",
    ),
    Mistake(
        "padding forgotten",
        _not_padded,
        "You do not pad, so the output is too small. Put the images into a tensor of zeros that "
        "is 2 * padding larger in each direction, and slide over that one.",
    ),
    Mistake(
        "padding on one side",
        _one_side,
        "You pad at the top and left only. Padding adds zeros at all four sides.",
    ),
    Mistake(
        "edge repeated",
        _repeated_edge,
        "You pad with copies of the edge pixels. This layer pads with zeros.",
    ),
    Mistake(
        "stride ignored in size and place",
        _not_strided,
        "Your answer is that for stride 1. Output [i, j] looks at the window that starts at row "
        "i * stride and column j * stride, and there are fewer outputs.",
    ),
    Mistake(
        "stride ignored in place",
        _cropped_stride,
        "The output has the right size, but its windows are neighbours. Output [i, j] looks at "
        "the window that starts at row i * stride and column j * stride.",
    ),
    Mistake(
        "bias forgotten",
        _no_bias,
        "You do not add the bias. Every number of output channel o gets bias[o] added once.",
    ),
    Mistake(
        "bias once per input channel",
        _bias_per_input,
        "You add the bias for every input channel. Sum over the channels first, then add bias[o] "
        "once.",
    ),
    Mistake(
        "first channel only",
        _first_channel,
        "You look at the first input channel only. An output number is a sum over all channels "
        "and the whole window.",
    ),
    Mistake(
        "mean of the window",
        _mean,
        "You take the mean over the window. The layer adds the products up; it does not divide.",
    ),
    Mistake(
        "output's rows and columns swapped",
        _rows_and_columns,
        "Your output is transposed. Its shape is (B, O, rows, columns): rows come from the height.",
    ),
)


def conv2d(student: Callable[..., Tensor], *, seed: int | None = None) -> Report:
    """Check a learner's `conv2d(x, weight, bias, stride, padding)`.

    Args:
        student: The learner's function, equal to `torch.nn.functional.conv2d`.
        seed: Draws the same inputs again. Fresh ones by default.

    Returns:
        Points per property, and a hint for a known wrong answer.
    """
    return grade(
        "conv2d",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
