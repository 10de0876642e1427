"""Making maps larger, as it is taught: nearest, bilinear, and transposed convolution.

Each function equals the library's (`torch.nn.functional.interpolate`, `conv_transpose2d`), which is
what the models use, because it is faster. Here the linear map behind each of them is in view:

* `upsample_nearest` repeats pixels, `upsample_bilinear` multiplies by two small matrices, one for
  the rows and one for the columns (`interpolation_matrix`), under either convention for where
  pixel centres lie;
* `conv_transpose2d` scatters weighted copies of its kernel. It is the adjoint of a convolution,
  whose matrix `convolution_matrix` writes out;
* `bilinear_kernel` is the kernel with which a transposed convolution is bilinear upsampling, and
  `phase_sums` says whether a kernel makes a checkerboard.

Source: the chapter "From classifier to label map", whose equation labels stand beside the lines
that implement them; Dumoulin and Visin, arXiv:1603.07285, for the size arithmetic; Long, Shelhamer
and Darrell, arXiv:1411.4038, section 3.3, for the bilinear kernel; Odena, Dumoulin and Olah, 2016,
doi:10.23915/distill.00003, for checkerboards.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.ops.convolution import conv2d

__all__ = [
    "bilinear_kernel",
    "bilinear_weight",
    "conv_transpose2d",
    "convolution_matrix",
    "interpolation_matrix",
    "phase_sums",
    "transposed_size",
    "upsample_bilinear",
    "upsample_nearest",
]


def upsample_nearest(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Give every new pixel the value of one old pixel; for a whole factor, repeat each pixel.

    Args:
        x: Maps, (B, C, h, w).
        size: Height and width wanted, (H, W), larger or smaller.

    Returns:
        (B, C, H, W), equal to ``F.interpolate(x, size, mode="nearest")``. (PyTorch multiplies by
        a rounded h / H and can take the pixel before, at 2 -> 82 for instance; this is exact.)
        Where H is no multiple of h, this convention leans to the top left; see the chapter.

    Raises:
        ValueError: If x is not (B, C, h, w) or a size is below 1.

    Source: eq-nearest.
    """
    _check(x, size)
    rows, columns = (
        torch.arange(new, device=x.device) * old // new  # eq-nearest
        for new, old in zip(size, x.shape[-2:], strict=True)
    )
    return x[:, :, rows[:, None], columns]  # (B, C, H, W)


def upsample_bilinear(x: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """Read every new pixel between the four old pixels around it.

    Args:
        x: Maps, (B, C, h, w), floating point.
        size: Height and width wanted, (H, W).
        align_corners: False: both grids cover the same area, and pixels are small squares (what
            the course's models use). True: the centres of the corner pixels coincide.

    Returns:
        (B, C, H, W), equal to ``F.interpolate(x, size, mode="bilinear", align_corners=...)``.

    Raises:
        ValueError: If x is not (B, C, h, w) or a size is below 1.

    Source: eq-separable-upsampling.
    """
    _check(x, size)
    rows, columns = (
        interpolation_matrix(old, new, align_corners=align_corners).to(x)
        for old, new in zip(x.shape[-2:], size, strict=True)
    )
    return rows @ x @ columns.T  # (H, h) (B, C, h, w) (w, W), eq-separable-upsampling


def interpolation_matrix(old: int, new: int, *, align_corners: bool = False) -> Tensor:
    """Write linear interpolation along one axis as a matrix.

    Args:
        old: Pixels that there are.
        new: Pixels that are wanted.
        align_corners: See `upsample_bilinear`.

    Returns:
        (new, old), float64. Row j holds what each old pixel contributes to new pixel j: at most
        two numbers that are not 0, none negative, and their sum is 1.

    Raises:
        ValueError: If a size is below 1.

    Source: eq-pixel-centres (where pixel j lies) and eq-bilinear (the two weights).
    """
    if old < 1 or new < 1:
        raise ValueError(f"got old={old} and new={new}; both axes need at least 1 pixel")
    j = torch.arange(new, dtype=torch.float64)
    if align_corners:
        place = j * ((old - 1) / (new - 1) if new > 1 else 0.0)  # eq-pixel-centres, right
    else:
        place = (j + 0.5) * (old / new) - 0.5  # eq-pixel-centres, left
    place = place.clamp(0, old - 1)  # before the first and after the last centre: that pixel
    low = place.floor().long().clamp(max=max(old - 2, 0))
    weight = place - low
    matrix = torch.zeros(new, old, dtype=torch.float64)
    every = torch.arange(new)
    matrix[every, low] = 1 - weight  # eq-bilinear
    if old > 1:
        matrix[every, low + 1] = weight
    return matrix


def transposed_size(
    size: int, kernel: int, *, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> int:
    """Count the pixels that a transposed convolution returns along one axis.

    Args:
        size: Pixels along this axis of the input.
        kernel: Pixels along this axis of the kernel.
        stride: Output pixels between the copies of two neighbouring inputs.
        padding: Pixels cut off at each of the two ends.
        output_padding: Pixels added at the far end, below the stride: it selects among the sizes
            that a convolution with this stride takes to `size`.

    Returns:
        The number of output pixels.

    Raises:
        ValueError: If an argument is out of range, or nothing is left.

    Source: eq-transposed-size.
    """
    if size < 1 or kernel < 1 or stride < 1 or padding < 0 or not 0 <= output_padding < stride:
        raise ValueError(
            f"got size={size}, kernel={kernel}, stride={stride}, padding={padding}, "
            f"output_padding={output_padding}; size, kernel and stride must be at least 1, padding "
            "at least 0 and output_padding from 0 to stride - 1"
        )
    length = stride * (size - 1) + kernel - 2 * padding + output_padding  # eq-transposed-size
    if length < 1:
        raise ValueError(
            f"{stride} x ({size} - 1) + {kernel} - 2 x {padding} + {output_padding} = {length} "
            "pixels are left; use less padding, a larger kernel or a larger input"
        )
    return length


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
) -> Tensor:
    """Let every input pixel add a weighted copy of the kernel to the output.

    Copies of neighbouring pixels lie `stride` apart, and overlap where the kernel is larger than
    that. Gradients flow through, so it can be trained.

    Args:
        x: Input, (B, C, h, w).
        weight: Kernels, (C, O, K_h, K_w): one (O, K_h, K_w) block per *input* channel.
        bias: One number per output channel, (O,), or None for none.
        stride: Output pixels from one copy to the next, down and across.
        padding: Rows and columns cut off on each of the four sides.
        output_padding: Rows and columns added at the bottom and the right.

    Returns:
        (B, O, H, W), with H and W from `transposed_size`; equal to ``F.conv_transpose2d``.

    Raises:
        ValueError: If the shapes do not fit together, or nothing is left.

    Source: eq-transposed-convolution-2d.
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[0]:
        raise ValueError(
            f"got an input of shape {tuple(x.shape)} and kernels of shape {tuple(weight.shape)}; "
            "want (B, C, h, w) and (C, O, K_h, K_w) with the same C: input channels come first"
        )
    outputs, kernel_h, kernel_w = weight.shape[1:]
    height, width = x.shape[-2:]
    rows, columns = (
        transposed_size(n, k, stride=stride, padding=padding, output_padding=output_padding)
        for n, k in zip((height, width), (kernel_h, kernel_w), strict=True)
    )
    down, across = stride * (height - 1) + 1, stride * (width - 1) + 1  # from first to last copy
    # With what is cut off at the end, and at least as large as all copies together.
    y = x.new_zeros(len(x), outputs, rows + 2 * padding, columns + 2 * padding)
    for a in range(kernel_h):
        for b in range(kernel_w):
            copies = torch.einsum("bchw,co->bohw", x, weight[:, :, a, b])
            # eq-transposed-convolution-2d: input (i, j) arrives at (stride i + a, stride j + b)
            y[:, :, a : a + down : stride, b : b + across : stride] += copies
    y = y[:, :, padding : padding + rows, padding : padding + columns]  # (B, O, H, W)
    return y if bias is None else y + bias.view(1, -1, 1, 1)


def convolution_matrix(
    weight: Tensor, size: tuple[int, int], *, stride: int = 1, padding: int = 0
) -> Tensor:
    """Write a convolution as a matrix A; its transpose is the transposed convolution.

    Every column is the answer to an image that is 1 in one place and 0 in all others. For small
    sizes only: the matrix has (O H' W') x (C H W) numbers, nearly all of them 0.

    Args:
        weight: Kernels, (O, C, K_h, K_w).
        size: Height and width of the image, (H, W).
        stride: Pixels from one window to the next.
        padding: Zeros on each of the four sides.

    Returns:
        (O H' W', C H W): ``A @ x.flatten()`` is the flattened output of `conv2d` for one image.

    Raises:
        ValueError: If the window does not fit.

    Source: eq-adjoint-2d.
    """
    channels, (height, width) = weight.shape[1], size
    places = channels * height * width
    units = torch.eye(places, dtype=weight.dtype, device=weight.device)
    answers = conv2d(
        units.view(places, channels, height, width), weight, stride=stride, padding=padding
    )  # (C H W, O, H', W')
    return answers.flatten(1).T


def bilinear_kernel(stride: int) -> Tensor:
    """Return the triangle with which a transposed convolution interpolates linearly.

    With padding ``stride // 2`` the result is bilinear upsampling by `stride`, away from the
    borders.

    Args:
        stride: How many times larger the map becomes.

    Returns:
        (k,), float32, with k = 2 stride for an even stride and 2 stride - 1 for an odd one.

    Raises:
        ValueError: If the stride is below 1.

    Source: eq-bilinear-kernel; arXiv:1411.4038, section 3.3.
    """
    if stride < 1:
        raise ValueError(f"got stride={stride}; want at least 1")
    size = 2 * stride - stride % 2
    distance = (torch.arange(size) - (size - 1) / 2).abs()  # from the middle, in pixels
    return 1 - distance / stride  # eq-bilinear-kernel


def bilinear_weight(channels: int, stride: int) -> Tensor:
    """Return the weight with which `conv_transpose2d` upsamples each channel by itself.

    Args:
        channels: Channels that come in, and as many that go out.
        stride: How many times larger the map becomes.

    Returns:
        (channels, channels, k, k): the two-dimensional triangle where input and output channel
        are the same, 0 elsewhere.
    """
    line = bilinear_kernel(stride)
    weight = torch.zeros(channels, channels, len(line), len(line))
    weight[range(channels), range(channels)] = line[:, None] * line  # (k, k)
    return weight


def phase_sums(kernel: Tensor, stride: int) -> Tensor:
    """Add up the weights that meet at the same kind of output pixel.

    A transposed convolution answers to a constant map of ones with these numbers, repeated over
    the whole output (away from the borders). If they differ, it draws a checkerboard.

    Args:
        kernel: One kernel, (K_h, K_w).
        stride: Stride of the transposed convolution.

    Returns:
        (stride, stride): entry (r, q) belongs to the output pixels whose row, before any padding
        is cut off, leaves the rest r when divided by the stride, and whose column the rest q.

    Source: eq-phase-sums.
    """
    return torch.stack(
        [
            torch.stack([kernel[r::stride, q::stride].sum() for q in range(stride)])
            for r in range(stride)
        ]
    )


def _check(x: Tensor, size: tuple[int, int]) -> None:
    if x.ndim != 4 or len(size) != 2 or min(size) < 1:
        raise ValueError(
            f"got maps of shape {tuple(x.shape)} and size {tuple(size)}; want (B, C, h, w) and "
            "(H, W) of at least 1x1"
        )
