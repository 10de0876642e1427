"""Modulated convolution, as StyleGAN2 uses it: a style scales channels, and is then undone in size.

A style holds one number for each input channel of a convolution. `modulated_weights` and
`modulated_conv2d_by_weights` are the definition: every image gets weights of its own.
`modulated_conv2d` computes the same with weights that all images share, which is what the models
use: scaling the weights of an input channel is scaling that channel, and dividing the weights of an
output channel is dividing the output.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958,
section 2.2, equations 1 to 3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "demodulation",
    "modulated_conv2d",
    "modulated_conv2d_by_weights",
    "modulated_weights",
]

EPS = 1e-8  # added to a sum of squares, so that a style of zeros gives zeros and no infinity


def demodulation(weight: Tensor, style: Tensor, *, eps: float = EPS) -> Tensor:
    """Find the factor that gives each output channel back its size.

    Args:
        weight: kernels that all images share, (O, C, K_h, K_w).
        style: a scale for each input channel of each image, (B, C).
        eps: added to the sum of squares.

    Returns:
        (B, O): one over the root of the sum of squares of the modulated weights, over input
        channels and taps.

    Source: eq-stylegan-demodulate.
    """
    power = weight.square().sum((2, 3))  # (O, C)
    return (style.square() @ power.T + eps).rsqrt()  # (B, O), eq-stylegan-demodulate


def modulated_weights(
    weight: Tensor, style: Tensor, *, demodulate: bool = True, eps: float = EPS
) -> Tensor:
    """Make the weights of each image: scaled by its style, and brought back to unit size.

    Args:
        weight: kernels that all images share, (O, C, K_h, K_w).
        style: a scale for each input channel of each image, (B, C).
        demodulate: whether the sum of squares of each output channel's weights becomes 1.
        eps: added to that sum before the division.

    Returns:
        (B, O, C, K_h, K_w).

    Source: eq-stylegan-modulate and eq-stylegan-demodulate.
    """
    _check(weight, style)
    scaled = style[:, None, :, None, None] * weight  # eq-stylegan-modulate
    if demodulate:
        power = scaled.square().sum((2, 3, 4), keepdim=True)  # (B, O, 1, 1, 1)
        scaled = scaled * (power + eps).rsqrt()  # eq-stylegan-demodulate
    return scaled


def modulated_conv2d_by_weights(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool = True, padding: int = 0
) -> Tensor:
    """Convolve each image with its own weights: the definition, as one grouped convolution.

    Args:
        x: input, (B, C, H, W).
        weight: kernels that all images share, (O, C, K_h, K_w).
        style: a scale for each input channel of each image, (B, C).
        demodulate: see `modulated_weights`.
        padding: zeros added on each of the four sides.

    Returns:
        (B, O, H', W').

    Raises:
        ValueError: if the shapes do not fit together.
    """
    _check(weight, style, x)
    batch, channels, height, width = x.shape
    own = modulated_weights(weight, style, demodulate=demodulate)  # (B, O, C, K_h, K_w)
    x = x.reshape(1, batch * channels, height, width)
    y = F.conv2d(x, own.flatten(0, 1), padding=padding, groups=batch)  # (1, B O, H', W')
    return y.reshape(batch, -1, *y.shape[-2:])


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    *,
    demodulate: bool = True,
    padding: int = 0,
    up: bool = False,
) -> Tensor:
    """Scale the input's channels, convolve with shared weights, scale the output's channels.

    The factors are computed in the weights' precision also under autocast, the convolution in
    autocast's.

    Args:
        x: input, (B, C, H, W).
        weight: kernels that all images share, (O, C, K_h, K_w).
        style: a scale for each input channel of each image, (B, C).
        demodulate: see `modulated_weights`.
        padding: zeros added on each of the four sides.
        up: whether the convolution is transposed with stride 2, which doubles the resolution: each
            pixel is spread over the kernel's taps, and they add up. Wants no padding.

    Returns:
        (B, O, H + 2 padding - K_h + 1, W + 2 padding - K_w + 1), or with `up`
        (B, O, 2 H + K_h - 2, 2 W + K_w - 2).

    Raises:
        ValueError: if the shapes do not fit together, or for `up` with padding.

    Source: eq-stylegan-scale-out.
    """
    _check(weight, style, x)
    if up and padding:
        raise ValueError(f"got up=True and padding={padding}; crop the result instead.")
    x = x * style.to(x.dtype)[:, :, None, None]  # (B, C, H, W)
    if up:
        y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    else:
        y = F.conv2d(x, weight, padding=padding)  # (B, O, H', W')
    if not demodulate:
        return y
    with torch.autocast(x.device.type, enabled=False):
        factor = demodulation(weight, style.to(weight.dtype))
    return y * factor.to(y.dtype)[:, :, None, None]  # eq-stylegan-scale-out


def _check(weight: Tensor, style: Tensor, x: Tensor | None = None) -> None:
    fits = weight.ndim == 4 and style.ndim == 2 and style.shape[1] == weight.shape[1]
    if x is not None:
        fits = fits and x.ndim == 4 and x.shape[:2] == style.shape
    if not fits:
        given = "" if x is None else f"an input of shape {tuple(x.shape)}, "
        raise ValueError(
            f"got {given}kernels of shape {tuple(weight.shape)} and a style of shape "
            f"{tuple(style.shape)}; want (B, C, H, W), (O, C, K_h, K_w) and (B, C) with the same "
            "B and C: one number for each input channel of each image"
        )
