"""Check of the exercise `scale_codes`: the two numbers by which each channel of codes is scaled."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Check

WITHIN = 1e-2  # of the length of what is compared: dividing by n or by n - 1 is both accepted


def reference(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel of codes, over all images and places.

    Args:
        vectors: (N, C, h, w), as an encoder gives them.

    Returns:
        The means (C, 1, 1) and the standard deviations (C, 1, 1).

    Source: arXiv:2112.10752, appendix G, with a number for each channel in the place of one.
    """
    return _scale(vectors)


def _scale(
    vectors: Tensor,
    *,
    over: tuple[int, ...] = (0, 2, 3),
    spread: str = "std",
    centre: str = "mean",
) -> tuple[Tensor, Tensor]:
    """The two numbers, with one thing at a time that can be made wrong."""
    channels = vectors.shape[1]
    mean = vectors.mean(over, keepdim=True)
    away = vectors if spread == "from 0" else vectors - mean
    if spread == "mean distance":
        size = away.abs().mean(over, keepdim=True)
    elif spread == "largest":
        size = away.abs().amax(over, keepdim=True)
    else:
        size = away.square().mean(over, keepdim=True)
        size = size if spread == "variance" else size.sqrt()
    if centre == "none":
        mean = torch.zeros_like(mean)
    if over == (0, 1, 2, 3):  # one number for all channels
        mean, size = mean.expand(1, channels, 1, 1), size.expand(1, channels, 1, 1)
    if over != (2, 3):  # otherwise each image has its own
        mean, size = mean[0], size[0]
    return mean, size


def _draw(generator: torch.Generator) -> tuple[Tensor]:
    """Channels of very different mean and spread; images and places differ, too."""
    n, c, h, w = (int(torch.randint(low, low + 3, (), generator=generator)) for low in (9, 3, 4, 6))
    size = torch.linspace(0.4, 3.5, c)[torch.randperm(c, generator=generator)]
    centre = 2 * torch.randn(c, generator=generator) + 1
    noise = torch.randn(n, c, h, w, generator=generator)
    noise = noise + 0.5 * torch.randn(n, c, 1, 1, generator=generator)
    noise = noise + 0.5 * torch.randn(1, c, h, w, generator=generator)
    return (centre[:, None, None] + size[:, None, None] * noise,)


def _two(answer: Any, channels: int) -> tuple[Tensor, Tensor]:
    assert answer is not None, "the result is None: is the `return` missing?"
    assert isinstance(answer, tuple | list) and len(answer) == 2, (
        f"return two things, means and standard deviations; got {type(answer).__name__}"
    )
    for part, name in zip(answer, ("the means", "the standard deviations"), strict=True):
        assert isinstance(part, Tensor), (
            f"{name}: got a {type(part).__name__}, wanted a torch.Tensor"
        )
        assert tuple(part.shape) == (channels, 1, 1), (
            f"{name}: shape {tuple(part.shape)}, wanted ({channels}, 1, 1): a number for each "
            "channel"
        )
    return answer[0], answer[1]


def _probe(student: Any, arguments: tuple) -> tuple:
    """Both results as they are, whatever their shapes."""
    answer = student(*arguments)
    return tuple(answer) if isinstance(answer, tuple | list) else (answer,)


scale_codes = Check(
    "scale_codes",
    lab="flow_latent",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=_draw,
    probe=_probe,
)


def _scaled(student: Any, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    (vectors,) = _draw(generator)
    mean, std = _two(student(vectors), vectors.shape[1])
    return vectors, mean, std, (vectors - mean) / std


@scale_codes.holds("scaled codes have mean 0 in every channel", points=1)
def _centred(student: Any, generator: torch.Generator) -> None:
    vectors, mean, *_ = _scaled(student, generator)
    away = (vectors - mean).mean((0, 2, 3)) / vectors.std((0, 2, 3))
    worst = int(away.abs().argmax())
    assert float(away.abs().max()) < WITHIN, (
        f"with your means the mean of channel {worst} is {float(away[worst]):.2f} of its standard "
        "deviation away from 0"
    )


@scale_codes.holds("scaled codes have standard deviation 1 in every channel", points=1)
def _spread(student: Any, generator: torch.Generator) -> None:
    std = _scaled(student, generator)[3].std((0, 2, 3))
    worst = int((std.log().abs()).argmax())
    assert bool(((std - 1).abs() < WITHIN).all()), (
        f"channel {worst} has the standard deviation {float(std[worst]):.2f} after scaling"
    )


@scale_codes.holds("and unscaling gives the codes back", points=1)
def _back(student: Any, generator: torch.Generator) -> None:
    (vectors,) = _draw(generator)
    mean, std = _two(student(vectors), vectors.shape[1])
    again = mean + std * ((vectors - mean) / std)
    assert torch.allclose(again, vectors, atol=1e-4), (
        "mean + std * scaled is not what was scaled: is a standard deviation 0, or not finite?"
    )
    wanted = vectors.std((0, 2, 3))
    assert torch.allclose(std.flatten().float(), wanted, rtol=WITHIN), (
        "the standard deviations are not those of the channels"
    )


scale_codes.mistake(
    "one number for all channels",
    partial(_scale, over=(0, 1, 2, 3)),
    hint="You take one mean and one deviation over everything. The loud channels stay loud and the "
    "quiet ones quiet: average over images and places, dim (0, 2, 3), and keep the channels.",
)
scale_codes.mistake(
    "each image by itself",
    partial(_scale, over=(2, 3)),
    hint="Your numbers differ from image to image. When an image is drawn nobody knows its own "
    "mean, so it could not be unscaled: average over the images, too.",
)
scale_codes.mistake(
    "each place by itself",
    partial(_scale, over=(0,)),
    hint="You average over the images alone, so each place has numbers of its own. A channel has "
    "one mean and one deviation at all places: dim (0, 2, 3).",
)
scale_codes.mistake(
    "the variance",
    partial(_scale, spread="variance"),
    hint="You return the variance. What the codes are divided by is its square root.",
)
scale_codes.mistake(
    "the spread around 0",
    partial(_scale, spread="from 0"),
    hint="Your deviations are the root mean square of the codes themselves. Take the mean away "
    "first: what is divided is the distance from the mean.",
)
scale_codes.mistake(
    "no mean",
    partial(_scale, centre="none"),
    hint="Your means are 0. Noise has mean 0, and so should the codes have.",
)
scale_codes.mistake(
    "the mean distance",
    partial(_scale, spread="mean distance"),
    hint="You take the mean of the absolute distances. It is smaller than the standard deviation, "
    "which is the root of the mean *square*.",
)
scale_codes.mistake(
    "the largest distance",
    partial(_scale, spread="largest"),
    hint="You divide by the largest distance, which brings all codes into [-1, 1]. The noise has "
    "the standard deviation 1; divide by the codes' own.",
)
