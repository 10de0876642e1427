"""Atrous convolution, as it is taught: a kernel with holes, what it sees, and what it costs.

`atrous_conv2d` is the definition, tap by tap, and equals `torch.nn.functional.conv2d` with
`dilation`, which is what the models use. `to_phases` shows the same operation from another side:
an atrous convolution at rate r is an ordinary one on r x r smaller images that never meet. What
follows can be counted (`paths`, `has_holes`, `taps_inside`) and measured (`measured_field`).

Source: the chapter "DeepLab", whose equation labels stand beside the lines that implement them;
Holschneider, Kronland-Martinet, Morlet and Tchamitchian (1989) for the algorithme a trous; Chen et
al., arXiv:1412.7062 and arXiv:1706.05587, for its use in segmentation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.ops.convolution import ConvCost, conv_cost, output_size

__all__ = [
    "atrous_conv2d",
    "effective_kernel",
    "from_phases",
    "has_holes",
    "measured_field",
    "paths",
    "separable_cost",
    "spread_kernel",
    "taps_inside",
    "to_phases",
]


def effective_kernel(kernel: int, rate: int) -> int:
    """Count the pixels from the first to the last tap of an atrous kernel, along one axis.

    Args:
        kernel: Taps along this axis.
        rate: Pixels from one tap to the next.

    Returns:
        The side of the window that the kernel spans.

    Raises:
        ValueError: If kernel or rate is below 1.

    Source: eq-effective-kernel.
    """
    if kernel < 1 or rate < 1:
        raise ValueError(f"got kernel={kernel}, rate={rate}; both must be at least 1")
    return kernel + (kernel - 1) * (rate - 1)  # eq-effective-kernel


def spread_kernel(weight: Tensor, rate: int) -> Tensor:
    """Put rate - 1 zeros between neighbouring taps: the same operation as an ordinary kernel.

    Args:
        weight: Kernels, (O, C, K_h, K_w).
        rate: Pixels from one tap to the next.

    Returns:
        (O, C, K'_h, K'_w), with K' from `effective_kernel`.

    Raises:
        ValueError: If the rate is below 1.
    """
    rows, columns = (effective_kernel(k, rate) for k in weight.shape[-2:])
    spread = weight.new_zeros(*weight.shape[:2], rows, columns)
    spread[..., ::rate, ::rate] = weight
    return spread


def atrous_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    rate: int = 1,
    stride: int = 1,
    padding: int = 0,
) -> Tensor:
    """Compute a convolution whose taps lie `rate` pixels apart, one tap at a time.

    Each tap contributes a moved copy of the input, mixed across channels. Nothing is computed for
    the holes.

    Args:
        x: Input, (B, C, H, W).
        weight: Kernels, (O, C, K_h, K_w).
        bias: One number per output channel, (O,), or None for none.
        rate: Pixels from one tap to the next; 1 is an ordinary convolution.
        stride: Pixels from one window to the next, down and across.
        padding: Zeros added on each of the four sides; rate * (K - 1) / 2 keeps the size at
            stride 1.

    Returns:
        (B, O, H', W'), with H' and W' those of an ordinary convolution of the effective size.

    Raises:
        ValueError: If the shapes do not fit together, or the window is larger than the image.

    Source: eq-atrous-convolution.
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"got an input of shape {tuple(x.shape)} and kernels of shape {tuple(weight.shape)}; "
            "want (B, C, H, W) and (O, C, K_h, K_w) with the same C"
        )
    kernel_h, kernel_w = weight.shape[-2:]
    rows, columns = (
        output_size(size, effective_kernel(kernel, rate), stride=stride, padding=padding)
        for size, kernel in zip(x.shape[-2:], weight.shape[-2:], strict=True)
    )
    x = F.pad(x, [padding] * 4)
    y = x.new_zeros(len(x), len(weight), rows, columns)
    for a in range(kernel_h):
        for b in range(kernel_w):
            down = slice(rate * a, rate * a + stride * (rows - 1) + 1, stride)
            across = slice(rate * b, rate * b + stride * (columns - 1) + 1, stride)
            tap = weight[:, :, a, b]  # (O, C)
            y = y + torch.einsum("oc,bchw->bohw", tap, x[..., down, across])
    return y if bias is None else y + bias[:, None, None]  # eq-atrous-convolution


def to_phases(x: Tensor, rate: int) -> Tensor:
    """Split images into rate x rate smaller ones: every rate-th row and column, from each start.

    Args:
        x: Images, (B, C, H, W).
        rate: Pixels from one to the next of a phase.

    Returns:
        (rate * rate * B, C, ceil(H / rate), ceil(W / rate)): all images of the phase that starts at
        row 0 and column 0, then those of column 1, and so on. Short phases end in zeros.

    Source: eq-atrous-phases.
    """
    batch, channels, height, width = x.shape
    x = F.pad(x, [0, -width % rate, 0, -height % rate])
    rows, columns = x.shape[-2] // rate, x.shape[-1] // rate
    x = x.view(batch, channels, rows, rate, columns, rate)
    return x.permute(3, 5, 0, 1, 2, 4).reshape(-1, channels, rows, columns)


def from_phases(phases: Tensor, rate: int, size: tuple[int, int]) -> Tensor:
    """Put what `to_phases` split back together.

    Args:
        phases: (rate * rate * B, C, h, w).
        rate: As it was split.
        size: Height and width of the whole, which h * rate and w * rate may exceed.

    Returns:
        (B, C, height, width).
    """
    total, channels, rows, columns = phases.shape
    x = phases.view(rate, rate, total // rate**2, channels, rows, columns)
    x = x.permute(2, 3, 4, 0, 5, 1).reshape(-1, channels, rows * rate, columns * rate)
    return x[..., : size[0], : size[1]]


def paths(rates: Sequence[int], kernel: int = 3) -> Tensor:
    """Count the ways from each input pixel to one output through a stack, along one axis.

    Args:
        rates: The rate of each layer; all have stride 1.
        kernel: Taps of each layer, an odd number.

    Returns:
        int64, one number per pixel of the receptive field, the output's own in the middle. A zero
        is a hole: that pixel cannot change the output, although it lies inside the field.

    Raises:
        ValueError: If the kernel is even or a rate is below 1.

    Source: eq-paths.
    """
    if kernel % 2 == 0 or kernel < 1 or min(rates, default=1) < 1:
        raise ValueError(
            f"got rates {tuple(rates)} and kernel {kernel}; want rates of at least 1 and an odd "
            "number of taps"
        )
    ways = torch.ones(1, dtype=torch.int64)
    for rate in rates:
        longer = ways.new_zeros(len(ways) + (kernel - 1) * rate)
        for tap in range(kernel):
            longer[tap * rate : tap * rate + len(ways)] += ways  # eq-paths
        ways = longer
    return ways


def has_holes(rates: Sequence[int]) -> bool:
    """Whether a stack of layers with three taps leaves out pixels inside its receptive field.

    Args:
        rates: The rate of each layer, in any order; all have stride 1.

    Returns:
        True if, with the rates sorted, one is more than 1 + 2 times the sum of those before it.

    Raises:
        ValueError: For a rate below 1.

    Source: eq-no-holes.
    """
    if min(rates, default=1) < 1:
        raise ValueError(f"got rates {tuple(rates)}; want rates of at least 1")
    reached = 1  # a solid interval of this many pixels
    for rate in sorted(rates):
        if rate > reached:  # eq-no-holes
            return True
        reached += 2 * rate
    return False


def taps_inside(size: int, rate: int) -> float:
    """Share of a three-tap kernel's taps that fall on the map and not on its padding.

    Args:
        size: Positions of the map along this axis.
        rate: Positions from one tap to the next.

    Returns:
        The mean over all positions, from 1/3 (only the middle tap is ever inside) to 1. In two
        dimensions multiply the shares of rows and columns.

    Raises:
        ValueError: If size or rate is below 1.

    Source: eq-taps-inside.
    """
    if size < 1 or rate < 1:
        raise ValueError(f"got size={size}, rate={rate}; both must be at least 1")
    return (size + 2 * max(0, size - rate)) / (3 * size)  # eq-taps-inside


def separable_cost(
    in_channels: int, out_channels: int, kernel: int, output: tuple[int, int]
) -> ConvCost:
    """Count what a depthwise separable convolution stores and computes, without biases.

    Args:
        in_channels: Channels of the input, C.
        out_channels: Channels of the output, O.
        kernel: Side of the square kernel in taps.
        output: Height and width of the output, (H', W').

    Returns:
        Parameters and multiply-adds of both steps together, for one image.

    Source: eq-separable-cost.
    """
    depthwise = conv_cost(1, in_channels, kernel, output, bias=False)
    pointwise = conv_cost(in_channels, out_channels, 1, output, bias=False)
    return ConvCost(
        depthwise.parameters + pointwise.parameters,
        depthwise.multiply_adds + pointwise.multiply_adds,
    )


def measured_field(net: nn.Module, x: Tensor, *, at: tuple[int, int] | None = None) -> Tensor:
    """Measure how strongly each input pixel acts on one position of the output.

    Args:
        net: Maps images (B, C, H, W) to maps (B, O, h, w); its mode is left as it is.
        x: Images to measure at, (B, C, H, W).
        at: Row and column of the output's position; its middle by default.

    Returns:
        (H, W): the root of the mean, over images, of the squared gradient of that position's
        summed channels, summed over the image's channels. Zero where a pixel has no effect.

    Source: Luo et al., arXiv:1701.04128, section 2; eq-measured-field.
    """
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        y = net(x)
        row, column = at or (y.shape[-2] // 2, y.shape[-1] // 2)
        (gradient,) = torch.autograd.grad(y[:, :, row, column].sum(), x)
    return gradient.square().sum(dim=1).mean(dim=0).sqrt()  # eq-measured-field
