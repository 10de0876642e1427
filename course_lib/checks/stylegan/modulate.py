"""Check of the exercise `modulate`: a convolution whose weights a style changes, image by image."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import call, gradient_at
from course_lib.checks.core import Check

EPS = 1e-8


def reference(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    """Return the modulated and demodulated convolution.

    Args:
        x: (B, C, H, W).
        weight: (O, C, 3, 3), shared by all images.
        style: (B, C), a scale for each input channel of each image.

    Returns:
        (B, O, H, W); zeros outside of the image.

    Source: eq-stylegan-modulate, eq-stylegan-demodulate.
    """
    return _modulate(x, weight, style)


def _modulate(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    *,
    outputs: bool = False,
    early: bool = False,
    shared: bool = False,
    axes: tuple[int, ...] | None = (1, 2, 3),
    root: bool = True,
    eps: float = EPS,
    mean: bool = False,
    cut: bool = False,
    padding: int = 1,
) -> Tensor:
    """The convolution, with one thing at a time that can be made wrong."""
    results = []
    for image, scale in zip(x, style[:1].expand_as(style) if shared else style, strict=True):
        own = (scale[:, None] if outputs else scale)[..., None, None] * weight
        if axes is not None:
            squares = (weight if early else own).square()
            power = (squares.mean if mean else squares.sum)(axes, keepdim=True) + eps
            power = power.detach() if cut else power
            own = own / (power.sqrt() if root else power)
        results.append(F.conv2d(image, own, padding=padding))
    return torch.stack(results)


def _draw(
    generator: torch.Generator, *, outputs: int = 4, images: int = 3, times: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    height, width = (int(n) for n in torch.randint(5, 9, (2,), generator=generator))
    x = torch.randn(images, 4, height, width, generator=generator)
    weight = torch.randn(outputs, 4, 3, 3, generator=generator)
    style = torch.exp(torch.randn(images, 4, generator=generator))
    style[:, 1] *= -1  # a scale may be negative
    return x, weight, times * style


def _probe(student: Any, arguments: tuple) -> list:
    x, weight, style = arguments
    values = [student(x, weight, times * style) for times in (1, 0)]
    return [*values, gradient_at(2)(student, arguments)]


modulate = Check(
    "modulate",
    lab="stylegan",
    level="build",
    minutes=20,
    reference=reference,
    example=_draw,
    probe=_probe,
)
for _name, _points, _examples, _look, _what in (
    (
        "one image: its style scales the input channels",
        2,
        [partial(_draw, images=1)],
        call,
        "the output for one image",
    ),
    (
        "every image of a batch has its own style",
        1,
        [partial(_draw, outputs=outputs) for outputs in (5, 4)],
        call,
        "the output for three images",
    ),
    (
        "the gradient passes through both steps",
        1,
        [partial(_draw, images=3)],
        gradient_at(2),
        "the gradient at the style",
    ),
    (
        "the size of the style cancels",
        1,
        [partial(_draw, images=1, times=times) for times in (20, 0.01)],
        call,
        "for a style 20 times as large, or a hundredth, the output",
    ),
    (
        "a style of zeros gives zeros",
        1,
        [partial(_draw, times=0.0)],
        call,
        "the output for a style of zeros",
    ),
):
    modulate.equals_reference(
        _name, points=_points, example=_examples, probe=_look, what=_what, tolerance=1e-4
    )

modulate.mistake(
    "the style scales output channels",
    partial(_modulate, outputs=True),
    hint="You scaled the output channels. A style has one number for each *input* channel, index c "
    "of weight[o, c]; a scale on an output channel is undone by the demodulation that follows.",
)
modulate.mistake(
    "no demodulation",
    partial(_modulate, axes=None),
    hint="You modulated and stopped. Divide the modulated weights of each output channel by the "
    "root of their sum of squares, or a large style makes a large image.",
)
modulate.mistake(
    "demodulated before modulating",
    partial(_modulate, early=True),
    hint="You measured the size of the shared weights, before the style had scaled them. Take the "
    "sum of squares of style * weight.",
)
modulate.mistake(
    "a sum for each input channel",
    partial(_modulate, axes=(0, 2, 3)),
    hint="You added up the squares over output channels. Each *output* channel gets unit size: sum "
    "over input channels and taps. Your sum even undoes the style completely.",
)
modulate.mistake(
    "a sum for each single kernel",
    partial(_modulate, axes=(2, 3)),
    hint="You added up the squares over the taps only, so every 3x3 kernel gets unit size and of "
    "the style no more than the sign is left. Sum over input channels, too.",
)
modulate.mistake(
    "one sum for all output channels",
    partial(_modulate, axes=(0, 1, 2, 3)),
    hint="You divided by one number for the whole layer. Each output channel is measured by "
    "itself.",
)
modulate.mistake(
    "divided by the sum of squares, not by its root",
    partial(_modulate, root=False),
    hint="Variance is a square: to bring the variance to 1, divide by the root of the sum of "
    "squares.",
)
modulate.mistake(
    "0 divided by 0",
    partial(_modulate, eps=0.0),
    hint="For a style of zeros your answer is not a number. Add 1e-8 to the sum of squares before "
    "you take the root.",
)
modulate.mistake(
    "the first image's style for all",
    partial(_modulate, shared=True),
    hint="Every image was convolved with the weights of the first. The style has a row for each "
    "image, so each image has weights of its own: loop over the batch, or scale inputs and "
    "outputs.",
)
modulate.mistake(
    "no padding",
    partial(_modulate, padding=0),
    hint="Your output is smaller than the input. A 3x3 kernel needs padding=1 to keep the size.",
)
modulate.mistake(
    "instance normalisation of the result",
    lambda *arguments: F.instance_norm(_modulate(*arguments, axes=None)),
    hint="You normalised the feature maps that came out. That is the first StyleGAN's way, and it "
    "throws away which map was strong. Divide by the size that is to be *expected*, which the "
    "weights alone tell.",
)
modulate.mistake(
    "the mean of the squares",
    partial(_modulate, mean=True),
    hint="You divide by the root of the *mean* square. Wanted is the sum over input channels and "
    "taps: each output is a sum of so many products.",
)
modulate.mistake(
    "the divisor cut from the graph",
    partial(_modulate, cut=True),
    hint="The values are right, but you cut the divisor from the graph (detach, no_grad, .data). "
    "The style's gradient passes through both steps: a larger style enlarges the divisor too.",
)
