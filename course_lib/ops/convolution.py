"""The convolution layer, as it is taught: twice, readably, and equal to the library's.

`conv2d_by_sums` is the definition, one output number at a time. `conv2d` computes the same
numbers without a loop, the way libraries do it at heart: gather every window, then multiply
matrices. Both equal `torch.nn.functional.conv2d`, which is what the models use, because it is
many times faster. `max_pool2d` takes the largest number of each window instead.

Three small functions answer the questions that decide whether a network fits together:
`output_size` (how many positions are left), `conv_cost` (parameters and multiply-adds) and
`receptive_field` (how many input pixels an output depends on).

Source: the chapter "Convolution", whose equation labels stand beside the lines that
implement them; Dumoulin and Visin, arXiv:1603.07285, for the size arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "ConvCost",
    "Field",
    "Window",
    "conv2d",
    "conv2d_by_sums",
    "conv_cost",
    "flip_kernel",
    "max_pool2d",
    "output_size",
    "receptive_field",
]


class Window(NamedTuple):
    """How a convolution or pooling layer moves along one axis, in pixels of its input."""

    kernel: int
    stride: int = 1
    padding: int = 0


class Field(NamedTuple):
    """What one output position sees of the input, along one axis.

    Attributes:
        size: Input pixels that can change this output (the receptive field).
        jump: Input pixels between two neighbouring outputs (the product of the strides).
        start: Position of the first output's first input pixel; negative inside the padding.
    """

    size: int
    jump: int
    start: int


class ConvCost(NamedTuple):
    """Trainable numbers, and multiplications with their additions for one image."""

    parameters: int
    multiply_adds: int


def output_size(size: int, kernel: int, *, stride: int = 1, padding: int = 0) -> int:
    """Count the positions that a window takes along one axis.

    Args:
        size: Pixels along this axis of the input, before padding.
        kernel: Pixels along this axis of the window.
        stride: Pixels from one window to the next.
        padding: Zeros added at each of the two ends.

    Returns:
        The number of windows that fit entirely into the padded axis.

    Raises:
        ValueError: If an argument is out of range, or the window is larger than the padded axis.

    Source: eq-output-size.
    """
    if size < 1 or kernel < 1 or stride < 1 or padding < 0:
        raise ValueError(
            f"got size={size}, kernel={kernel}, stride={stride}, padding={padding}; "
            "size, kernel and stride must be at least 1 and padding at least 0"
        )
    room = size + 2 * padding - kernel  # how far the first window can move
    if room < 0:
        raise ValueError(
            f"a window of {kernel} does not fit into {size} + 2 x {padding} = "
            f"{size + 2 * padding} pixels; use a smaller kernel, more padding or a larger image"
        )
    return room // stride + 1  # eq-output-size


def conv2d_by_sums(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0
) -> Tensor:
    """Compute a convolution layer straight from its definition, one number at a time.

    Slow on purpose: it is the definition to read and to test against.

    Args:
        x: Input, (B, C, H, W).
        weight: Kernels, (O, C, K_h, K_w): one (C, K_h, K_w) block per output channel.
        bias: One number per output channel, (O,), or None for none.
        stride: Pixels from one window to the next, down and across.
        padding: Zeros added on each of the four sides.

    Returns:
        (B, O, H', W'), with H' and W' from `output_size`.

    Raises:
        ValueError: If the shapes do not fit together.

    Source: eq-cross-correlation.
    """
    x, (rows, columns) = _pad_and_measure(x, weight, bias, stride, padding)
    kernel_h, kernel_w = weight.shape[-2:]
    y = x.new_zeros(len(x), len(weight), rows, columns)
    for b in range(len(x)):
        for o in range(len(weight)):
            for i in range(rows):
                for j in range(columns):
                    top, left = i * stride, j * stride
                    window = x[b, :, top : top + kernel_h, left : left + kernel_w]
                    y[b, o, i, j] = (weight[o] * window).sum()  # eq-cross-correlation
                    if bias is not None:
                        y[b, o, i, j] += bias[o]
    return y


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0
) -> Tensor:
    """Compute a convolution layer as one product of matrices.

    Every window becomes a row of C * K_h * K_w numbers, every kernel a column of as many.
    Gradients flow through, so it can be trained.

    Args:
        x: Input, (B, C, H, W).
        weight: Kernels, (O, C, K_h, K_w).
        bias: One number per output channel, (O,), or None for none.
        stride: Pixels from one window to the next, down and across.
        padding: Zeros added on each of the four sides.

    Returns:
        (B, O, H', W'), with H' and W' from `output_size`.

    Raises:
        ValueError: If the shapes do not fit together.

    Source: eq-unfold.
    """
    x, (rows, columns) = _pad_and_measure(x, weight, bias, stride, padding)
    kernel_h, kernel_w = weight.shape[-2:]
    windows = x.unfold(2, kernel_h, stride).unfold(3, kernel_w, stride)  # (B, C, H', W', K_h, K_w)
    windows = windows.permute(0, 2, 3, 1, 4, 5)  # (B, H', W', C, K_h, K_w)
    windows = windows.reshape(len(x), rows * columns, -1)  # (B, H' W', C K_h K_w)
    y = windows @ weight.flatten(1).T  # (B, H' W', O), eq-unfold
    if bias is not None:
        y = y + bias
    return y.transpose(1, 2).reshape(len(x), len(weight), rows, columns)  # (B, O, H', W')


def max_pool2d(x: Tensor, kernel: int, *, stride: int | None = None) -> Tensor:
    """Keep the largest number of every window, channel by channel.

    Args:
        x: Input, (B, C, H, W).
        kernel: Side of the square window in pixels.
        stride: Pixels from one window to the next; the kernel's side if None.

    Returns:
        (B, C, H', W'). Rows and columns that no longer fill a window are dropped.

    Raises:
        ValueError: If the window is larger than the image.

    Source: eq-max-pooling.
    """
    stride = kernel if stride is None else stride
    for size in x.shape[-2:]:
        output_size(size, kernel, stride=stride)  # says what does not fit
    windows = x.unfold(2, kernel, stride).unfold(3, kernel, stride)  # (B, C, H', W', K, K)
    return windows.amax(dim=(-2, -1))  # eq-max-pooling


def flip_kernel(weight: Tensor) -> Tensor:
    """Turn kernels (..., K_h, K_w) upside down and left to right.

    Cross-correlation with the flipped kernel is convolution in the sense of mathematics.

    Source: eq-true-convolution.
    """
    return weight.flip(-2, -1)


def conv_cost(
    in_channels: int,
    out_channels: int,
    kernel: int,
    output: tuple[int, int],
    *,
    bias: bool = True,
) -> ConvCost:
    """Count what a convolution layer with a square kernel stores and computes.

    Args:
        in_channels: Channels of the input, C.
        out_channels: Channels of the output, O.
        kernel: Side of the square kernel in pixels.
        output: Height and width of the output, (H', W').
        bias: Whether there is one more parameter per output channel.

    Returns:
        Parameters, and multiply-adds for one image (the bias's additions not counted).

    Source: eq-conv-parameters and eq-conv-multiply-adds.
    """
    weights = out_channels * in_channels * kernel * kernel
    rows, columns = output
    return ConvCost(weights + (out_channels if bias else 0), rows * columns * weights)


def receptive_field(layers: Sequence[Window | tuple[int, ...]]) -> list[Field]:
    """Follow the receptive field through a stack of layers, along one axis.

    Args:
        layers: For each layer a `Window` or a tuple (kernel, stride, padding), first layer first.

    Returns:
        One `Field` after each layer.

    Raises:
        ValueError: If a kernel or stride is below 1 or a padding is negative.

    Source: eq-receptive-field.
    """
    size, jump, start = 1, 1, 0
    fields = []
    for number, layer in enumerate(layers):
        kernel, stride, padding = Window(*layer)
        if kernel < 1 or stride < 1 or padding < 0:
            raise ValueError(
                f"layer {number} is (kernel={kernel}, stride={stride}, padding={padding}); "
                "kernel and stride must be at least 1 and padding at least 0"
            )
        size += (kernel - 1) * jump  # eq-receptive-field, left
        start -= padding * jump
        jump *= stride  # eq-receptive-field, right
        fields.append(Field(size, jump, start))
    return fields


def _pad_and_measure(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
) -> tuple[Tensor, tuple[int, int]]:
    """Check the shapes, surround the images with zeros, and count the windows."""
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"got an input of shape {tuple(x.shape)} and kernels of shape {tuple(weight.shape)}; "
            "want (B, C, H, W) and (O, C, K_h, K_w) with the same C"
        )
    if bias is not None and tuple(bias.shape) != (len(weight),):
        raise ValueError(
            f"got a bias of shape {tuple(bias.shape)}; want one number for each of the "
            f"{len(weight)} kernels, shape ({len(weight)},)"
        )
    rows, columns = (
        output_size(size, kernel, stride=stride, padding=padding)
        for size, kernel in zip(x.shape[-2:], weight.shape[-2:], strict=True)
    )
    return torch.nn.functional.pad(x, [padding] * 4), (rows, columns)
