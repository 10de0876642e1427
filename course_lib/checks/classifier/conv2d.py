"""Check of the exercise "conv2d": a convolution layer written from its definition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Check

Arguments = tuple[Tensor, Tensor, Tensor, int, int]


def reference(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """The answer: eq-cross-correlation, by PyTorch."""
    return F.conv2d(x, weight, bias, stride=stride, padding=padding)


def _draw(
    generator: torch.Generator,
    image: tuple[int, int, int, int],
    kernels: tuple[int, int, int],
    stride: int = 1,
    padding: int = 0,
) -> Arguments:
    """Random images (B, C, H, W) and kernels (O, K_h, K_w) for their C channels."""
    outputs, rows, columns = kernels
    x = torch.randn(image, generator=generator)
    weight = torch.randn(outputs, image[1], rows, columns, generator=generator)
    return x, weight, torch.randn(outputs, generator=generator), stride, padding


def _example(generator: torch.Generator) -> Arguments:
    """Every rule matters: channels, bias, stride 2, padding, a kernel with no symmetry."""
    padding = int(torch.randint(0, 2, (), generator=generator))  # none must work too
    return _draw(generator, (2, 3, 7, 6), (4, 3, 3), stride=2, padding=padding)


def _by_hand(generator: torch.Generator) -> Arguments:
    x = torch.tensor([[[[1.0, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0]]]])  # the chapter's example
    return x, torch.tensor([[[[1.0, 0], [-1, 2]]]]), torch.tensor([1.0]), 1, 0


def _but(change: Callable[[Tensor, Tensor, Tensor, int, int], tuple]) -> Any:
    """The right layer, given other arguments."""
    return lambda *arguments: reference(*change(*arguments))


def _padded(x: Tensor, padding: int, sides: tuple[int, int, int, int], mode: str) -> Tensor:
    return F.pad(x, [padding * side for side in sides], mode=mode)


def _cropped_stride(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Right output size, but the window still moves by one pixel."""
    rows, columns = reference(x, weight, bias, stride, padding).shape[-2:]
    return reference(x, weight, bias, 1, padding)[:, :, :rows, :columns]


def _padding_once(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """The size is counted with the padding once; the same numbers as padding on one side."""
    rows, columns = ((x.shape[d] + padding - weight.shape[d]) // stride + 1 for d in (2, 3))
    return reference(x, weight, bias, stride, padding)[:, :, :rows, :columns]


def _negative_slice(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """`padded[:, :, p:-p, p:-p] = x`, which is empty for p = 0."""
    padded = x.new_zeros(*x.shape[:2], *(side + 2 * padding for side in x.shape[2:]))
    padded[:, :, padding:-padding, padding:-padding] = x
    return reference(padded, weight, bias, stride, 0)


conv2d = Check(
    "conv2d", lab="classifier", level="build", minutes=25, reference=reference, example=_example
)
for _name, _points, _draws, _what in (
    ("the chapter's worked example", 2, [_by_hand], "the chapter's worked example"),
    (
        "channels are summed and every output channel has its bias",
        2,
        [partial(_draw, image=(2, 3, 5, 5), kernels=(4, 3, 3))],
        "the output for 3 channels in and 4 out",
    ),
    (
        "padding with zeros",
        1,
        [partial(_draw, image=(1, 2, 5, 5), kernels=(2, 3, 3), padding=p) for p in (1, 2)],
        "the output for padding {4}",
    ),
    (
        "stride",
        1,
        [partial(_draw, image=(1, 2, 8, 8), kernels=(2, 3, 3), stride=s) for s in (2, 3)],
        "the output for stride {3}",
    ),
    (
        "images and kernels that are not square",
        2,
        [
            partial(_draw, image=(1, 1, 5, 9), kernels=(2, 2, 4)),
            partial(_draw, image=(2, 3, 7, 6), kernels=(4, 3, 3), stride=2, padding=1),
        ],
        "the output, at stride {3} and padding {4}, for sides that differ",
    ),
):
    conv2d.equals_reference(_name, points=_points, example=_draws, what=_what, tolerance=1e-4)

conv2d.mistake(
    "flipped kernel",
    _but(lambda x, w, b, s, p: (x, w.flip(-2, -1), b, s, p)),
    hint="You turn the kernel by 180 degrees. That is convolution as mathematics defines it; a "
    "convolution layer does not flip: weight[o, c, u, v] meets x[b, c, i*stride + u, j*stride + "
    "v].",
)
conv2d.mistake(
    "kernel's rows and columns swapped",
    _but(lambda x, w, b, s, p: (x, w.mT, b, s, p)),
    hint="You swap the kernel's height and width. The first of the last two axes runs down (rows), "
    "the second across (columns), in x and in weight alike.",
)
conv2d.mistake(
    "padding forgotten",
    _but(lambda x, w, b, s, p: (x, w, b, s, 0)),
    hint="You do not pad, so the output is too small. Put the images into a tensor of zeros that "
    "is 2 * padding larger in each direction, and slide over that one.",
)
conv2d.mistake(
    "padding on one side",
    _padding_once,
    hint="The last rows and columns of outputs are missing. Either you pad at the top and left "
    "only, or you count the padding once in the output's size. Zeros are added at all four sides, "
    "so an axis grows by 2 * padding.",
)
conv2d.mistake(
    "an empty slice without padding",
    _negative_slice,
    hint="You write into [p:-p]. With p = 0 that is [0:0], which is empty. Use [p : p + height] "
    "and [p : p + width].",
)
conv2d.mistake(
    "edge repeated",
    _but(lambda x, w, b, s, p: (_padded(x, p, (1, 1, 1, 1), "replicate"), w, b, s, 0)),
    hint="You pad with copies of the edge pixels. This layer pads with zeros.",
)
conv2d.mistake(
    "stride ignored in size and place",
    _but(lambda x, w, b, s, p: (x, w, b, 1, p)),
    hint="Your answer is that for stride 1. Output [i, j] looks at the window that starts at row i "
    "* stride and column j * stride, and there are fewer outputs.",
)
conv2d.mistake(
    "stride ignored in place",
    _cropped_stride,
    hint="The output has the right size, but its windows are neighbours. Output [i, j] looks at "
    "the window that starts at row i * stride and column j * stride.",
)
conv2d.mistake(
    "bias forgotten",
    _but(lambda x, w, b, s, p: (x, w, 0 * b, s, p)),
    hint="You do not add the bias. Every number of output channel o gets bias[o] added once.",
)
conv2d.mistake(
    "bias once per input channel",
    _but(lambda x, w, b, s, p: (x, w, x.shape[1] * b, s, p)),
    hint="You add the bias for every input channel. Sum over the channels first, then add bias[o] "
    "once.",
)
conv2d.mistake(
    "bias subtracted",
    _but(lambda x, w, b, s, p: (x, w, -b, s, p)),
    hint="You subtract the bias. Every number of output channel o gets bias[o] *added* once.",
)
conv2d.mistake(
    "first channel only",
    _but(lambda x, w, b, s, p: (x[:, :1], w[:, :1], b, s, p)),
    hint="You look at the first input channel only. An output number is a sum over all channels "
    "and the whole window.",
)
conv2d.mistake(
    "mean of the window",
    _but(lambda x, w, b, s, p: (x, w / w[0].numel(), b, s, p)),
    hint="You take the mean over the window. The layer adds the products up; it does not divide.",
)
conv2d.mistake(
    "one kernel for all outputs",
    _but(lambda x, w, b, s, p: (x, w[:1].expand_as(w), b, s, p)),
    hint="All your output channels use the first kernel. Output channel o has its own: weight[o].",
)
conv2d.mistake(
    "output's rows and columns swapped",
    lambda *arguments: reference(*arguments).mT,
    hint="Your output is transposed. Its shape is (B, O, rows, columns): rows come from the "
    "height.",
)
