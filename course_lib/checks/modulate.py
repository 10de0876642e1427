"""Check of the exercise `modulate`: a convolution whose weights a style changes, image by image."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

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
    padding: int = 1,
) -> Tensor:
    """The convolution, with one thing at a time that can be made wrong."""
    results = []
    for image, scale in zip(x, style[:1].expand_as(style) if shared else style, strict=True):
        own = (scale[:, None] if outputs else scale)[..., None, None] * weight
        if axes is not None:
            measured = weight if early else own
            power = measured.square().sum(axes, keepdim=True) + eps
            own = own / (power.sqrt() if root else power)
        results.append(F.conv2d(image, own, padding=padding))
    return torch.stack(results)


def _outputs(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, outputs=True)


def _not_demodulated(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, axes=None)


def _early(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, early=True)


def _per_input(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, axes=(0, 2, 3))


def _per_kernel(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, axes=(2, 3))


def _everything(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, axes=(0, 1, 2, 3))


def _no_root(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, root=False)


def _no_eps(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, eps=0.0)


def _shared(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, shared=True)


def _unpadded(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return _modulate(x, weight, style, padding=0)


def _instance_norm(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    return F.instance_norm(_modulate(x, weight, style, axes=None))


MISTAKES = [
    Mistake(
        "the style scales output channels",
        _outputs,
        "You scaled the output channels. A style has one number for each *input* channel, index c "
        "of weight[o, c]; a scale on an output channel is undone by the demodulation that follows.",
    ),
    Mistake(
        "no demodulation",
        _not_demodulated,
        "You modulated and stopped. Divide the modulated weights of each output channel by the "
        "root of their sum of squares, or a large style makes a large image.",
    ),
    Mistake(
        "demodulated before modulating",
        _early,
        "You measured the size of the shared weights, before the style had scaled them. Take the "
        "sum of squares of style * weight.",
    ),
    Mistake(
        "a sum for each input channel",
        _per_input,
        "You added up the squares over output channels. Each *output* channel gets unit size: sum "
        "over input channels and taps. Your sum even undoes the style completely.",
    ),
    Mistake(
        "a sum for each single kernel",
        _per_kernel,
        "You added up the squares over the taps only, so every 3x3 kernel gets unit size and the "
        "style drops out. Sum over input channels, too.",
    ),
    Mistake(
        "one sum for all output channels",
        _everything,
        "You divided by one number for the whole layer. Each output channel is measured by itself.",
    ),
    Mistake(
        "divided by the sum of squares, not by its root",
        _no_root,
        "Variance is a square: to bring the variance to 1, divide by the root of the sum of "
        "squares.",
    ),
    Mistake(
        "0 divided by 0",
        _no_eps,
        "For a style of zeros your answer is not a number. Add 1e-8 to the sum of squares before "
        "you take the root.",
    ),
    Mistake(
        "the first image's style for all",
        _shared,
        "Every image was convolved with the weights of the first. The style has a row for each "
        "image, so each image has weights of its own: loop over the batch, or scale inputs and "
        "outputs.",
    ),
    Mistake(
        "no padding",
        _unpadded,
        "Your output is smaller than the input. A 3x3 kernel needs padding=1 to keep the size.",
    ),
    Mistake(
        "instance normalisation of the result",
        _instance_norm,
        "You normalised the feature maps that came out. That is the first StyleGAN's way, and it "
        "throws away which map was strong. Divide by the size that is to be *expected*, which the "
        "weights alone tell.",
    ),
]


def _draw(
    generator: torch.Generator, *, channels: int = 4, outputs: int = 4, spread: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    height, width = (int(n) for n in torch.randint(5, 9, (2,), generator=generator))
    x = torch.randn(3, channels, height, width, generator=generator)
    weight = torch.randn(outputs, channels, 3, 3, generator=generator)
    style = torch.exp(spread * torch.randn(3, channels, generator=generator))
    return x, weight, style


def _example(generator: torch.Generator) -> tuple:
    return _draw(generator)


def _probe(student: Any, arguments: tuple) -> list:
    x, weight, style = arguments
    return [student(x, weight, style), student(x, weight, torch.zeros_like(style))]


def _one_image(student: Any, generator: torch.Generator) -> None:
    x, weight, style = _draw(generator)
    found, wanted = student(x[:1], weight, style[:1]), reference(x[:1], weight, style[:1])
    assert_close(found, wanted, "the output for one image", tolerance=1e-4)


def _own_style(student: Any, generator: torch.Generator) -> None:
    arguments = _draw(generator, channels=3, outputs=5)
    wanted = reference(*arguments)
    assert_close(student(*arguments), wanted, "the output for three images", tolerance=1e-4)


def _size(student: Any, generator: torch.Generator) -> None:
    x, weight, style = _draw(generator)
    once, more = student(x, weight, style), student(x, weight, 20 * style)
    assert_close(more, once, "the output for a style 20 times as large", tolerance=1e-3)
    noise = torch.randn(1, 4, 66, 66, generator=generator)
    variance = student(noise, weight, style[:1])[..., 1:-1, 1:-1].var((2, 3))
    if not bool(((variance - 1).abs() < 0.4).all()):
        raise AssertionError(
            "the input has variance 1 and is independent, and the output's channels have the "
            f"variances {[round(v, 2) for v in variance.flatten().tolist()]}; wanted about 1"
        )


def _zero(student: Any, generator: torch.Generator) -> None:
    x, weight, style = _draw(generator)
    style = torch.zeros_like(style)
    assert_close(student(x, weight, style), torch.zeros_like(x), "the output for a style of zeros")


PROPERTIES = [
    Property("one image: its style scales the input channels", 2, _one_image),
    Property("every image of a batch has its own style", 2, _own_style),
    Property("the size of the style cancels, the output has variance 1", 1, _size),
    Property("a style of zeros gives zeros", 1, _zero),
]


def modulate(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `modulate(x, weight, style)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "modulate",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
