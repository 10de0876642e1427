"""Layers of the StyleGAN family: equalised rates, and a look at the whole minibatch.

An equalised layer stores weights of variance 1 and multiplies them, in every forward pass, by what
other networks put into the initialisation. At the start the two are the same function. Under Adam,
whose steps do not depend on the gradient's scale, they are trained differently: here each weight
moves by the same fraction of its typical size.

Source: Karras et al., "Progressive Growing of GANs", arXiv:1710.10196, sections 3 and 4.1; the
multiplier of the learning rate, Karras et al., arXiv:1812.04948, appendix C.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU for negative inputs


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU, times the square root of 2, so that the signal keeps about its size."""
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


class EqualisedLinear(nn.Module):
    """A linear layer whose weights are scaled when they are used.

    Args:
        in_features: numbers that come in.
        out_features: numbers that go out.
        bias: the value at which every bias starts.
        lr_multiplier: the layer learns as if the learning rate were multiplied by this; 0.01 in the
            mapping network.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: float = 0.0,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias / lr_multiplier))
        self.weight_scale = lr_multiplier / math.sqrt(in_features)
        self.bias_scale = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:  # (..., in_features)
        """Return (..., out_features)."""
        weight = self.weight * self.weight_scale  # eq-stylegan-equalised
        return F.linear(x, weight, self.bias * self.bias_scale)


class EqualisedConv2d(nn.Module):
    """A convolution whose weights are scaled when they are used.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel: taps along each axis.
        stride: pixels from one window to the next.
        padding: zeros on each side; by default those that keep the size at stride 1.
        bias: whether a number per channel is added.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_scale = 1 / math.sqrt(in_channels * kernel**2)
        self.stride = stride
        self.padding = kernel // 2 if padding is None else padding

    def forward(self, x: Tensor) -> Tensor:  # (B, in_channels, H, W)
        """Return (B, out_channels, H', W')."""
        weight = self.weight * self.weight_scale  # eq-stylegan-equalised
        return F.conv2d(x, weight, self.bias, stride=self.stride, padding=self.padding)


def minibatch_std(x: Tensor, group_size: int = 4, *, eps: float = 1e-8) -> Tensor:
    """Say how much the images of a group differ: one number for each group.

    The batch is dealt into B // group_size groups like cards, image i to group i modulo that
    number. Where group_size does not divide B some groups have one image more; a batch smaller than
    group_size is one group. A group of one image differs by nothing, and its number is 0, up to
    eps.

    Args:
        x: features, (B, C, H, W).
        group_size: images that are compared with each other.
        eps: added to each variance, so that the root has a gradient at 0.

    Returns:
        (B, 1, H, W): for each image the number of its group, repeated over all positions. It is the
        standard deviation over the group (dividing by the number of its images), taken at each
        channel and position, then averaged over channels and positions.

    Raises:
        ValueError: for a group_size below 1.

    Source: arXiv:1710.10196, section 3; groups as in arXiv:1912.04958's code.
    """
    if group_size < 1:
        raise ValueError(f"group_size is {group_size}; it must be at least 1 image.")
    batch = len(x)
    num_groups = max(1, batch // group_size)
    group = torch.arange(batch, device=x.device) % num_groups  # (B,)
    member = F.one_hot(group, num_groups).to(x.dtype)  # (B, G)
    share = member / member.sum(0)  # (B, G): column g averages over group g
    flat = x.flatten(1)  # (B, C H W)
    mean = share.T @ flat  # (G, C H W)
    variance = share.T @ (flat - mean[group]).square()  # (G, C H W)
    deviation = (variance + eps).sqrt().mean(1)  # (G,), eq-stylegan-minibatch-std
    return deviation[group][:, None, None, None].expand(-1, 1, *x.shape[-2:])
