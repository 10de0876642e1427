"""Check of the exercise `code_nats`: how many nats does a code say?"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check


def reference(mean: Tensor, logvar: Tensor) -> Tensor:
    """Return the divergence of each image's codes from the standard normal, in nats.

    Args:
        mean: (B, D).
        logvar: (B, D), the logarithm of the variance.

    Returns:
        (B,).

    Source: eq-gaussian-kl.
    """
    return _nats(mean, logvar)


def _nats(
    mean: Tensor,
    logvar: Tensor,
    *,
    half: float = 0.5,
    sign: float = 1.0,
    variance: str = "exp",
    minus: float = 1.0,
    direction: str = "from the prior",
    over: str = "sum of numbers",
) -> Tensor:
    """The divergence, with one thing at a time that can be made wrong."""
    var = {
        "exp": logvar.exp(),
        "as given": logvar,
        "deviation": (0.5 * logvar).exp(),
        "squared": (2 * logvar).exp(),
        "absent": torch.zeros_like(logvar),
    }[variance]
    if direction == "from the prior":
        each = mean.square() + var - minus - logvar
    elif direction == "log added":
        each = mean.square() + var - minus + logvar
    elif direction == "mean as it is":
        each = mean + var - minus - logvar
    else:  # KL(prior || q)
        each = mean.square() / var + 1 / var - minus + logvar
    each = sign * half * each
    return {
        "sum of numbers": lambda: each.sum(1),
        "mean of numbers": lambda: each.mean(1),
        "sum of images": lambda: each.sum(0),
        "mean of images": lambda: each.sum(1).mean(),
        "everything": lambda: each.sum(),
        "nothing": lambda: each,
    }[over]()


def _draw(
    generator: torch.Generator,
    *,
    images: int = 5,
    numbers: int = 3,
    shift: float = 1.0,
    spread: float = 1.0,
) -> tuple[Tensor, Tensor]:
    size = (images, numbers)
    sign = torch.where(torch.rand(size, generator=generator) < 0.5, -1.0, 1.0)
    logvar = spread * sign * (0.4 + torch.rand(size, generator=generator))
    return shift * (0.5 + torch.rand(size, generator=generator)) * sign.flip(1), logvar


code_nats = Check(
    "code_nats", lab="vae", level="build", minutes=12, reference=reference, example=_draw
)
code_nats.equals_reference(
    "a code that is the prior says nothing",
    points=1,
    example=[partial(_draw, shift=0.0, spread=0.0), partial(_draw, images=1, shift=0, spread=0)],
    what="with all means 0 and all variances 1, the nats",
)
code_nats.equals_reference(
    "far means cost",
    points=1,
    example=[partial(_draw, spread=0.0), partial(_draw, spread=0.0, numbers=7)],
    what="with all variances 1, the nats",
)
code_nats.equals_reference(
    "a variance other than 1 costs, on both sides",
    points=2,
    example=[partial(_draw, shift=0.0), partial(_draw, shift=0.0, numbers=1)],
    what="with all means 0, the nats",
)
code_nats.equals_reference(
    "one number for each image",
    points=1,
    example=[_draw, partial(_draw, images=2, numbers=6), partial(_draw, images=1, numbers=4)],
    what="for mean and logvar of shape {0.shape}, the nats",
)

code_nats.mistake(
    "the wrong sign",
    partial(_nats, sign=-1.0),
    hint="Your divergence is negative. It is added to the loss, as a price; with this sign codes "
    "would be paid for being far from the prior, and the loss would fall without end.",
)
code_nats.mistake(
    "the half forgotten",
    partial(_nats, half=1.0),
    hint="Your nats are twice as many as they should be: the half in front of the sum is missing.",
)
code_nats.mistake(
    "a mean over the code",
    partial(_nats, over="mean of numbers"),
    hint="You take the mean over the numbers of the code. Logarithms of probabilities of "
    "independent numbers add up: sum over dimension 1. The mean would be a weight of 1/D on the "
    "divergence.",
)
code_nats.mistake(
    "summed over the images",
    partial(_nats, over="sum of images"),
    hint="You sum over the images and keep the numbers of the code. Sum over dimension 1, so that "
    "each image has its own nats.",
)
code_nats.mistake(
    "one number for the batch",
    partial(_nats, over="mean of images"),
    hint="You also average over the batch. That comes later, in the loss; here each image keeps "
    "its own number, (B,).",
)
code_nats.mistake(
    "everything summed",
    partial(_nats, over="everything"),
    hint="You sum over the images as well: a batch of twice the size would weigh twice as much. "
    "Sum over dimension 1 alone.",
)
code_nats.mistake(
    "nothing summed",
    partial(_nats, over="nothing"),
    hint="You return one number for each number of the code. It is good to look at, but asked for "
    "is the whole code's: sum over dimension 1.",
)
code_nats.mistake(
    "the exponential forgotten",
    partial(_nats, variance="as given"),
    hint="You add logvar and subtract it again, so the spread does not count at all. The second "
    "term is the variance itself, exp(logvar).",
)
code_nats.mistake(
    "the deviation for the variance",
    partial(_nats, variance="deviation"),
    hint="Your second term is exp(logvar / 2), the deviation. The formula has its square, the "
    "variance exp(logvar).",
)
code_nats.mistake(
    "logvar taken for the logarithm of the deviation",
    partial(_nats, variance="squared"),
    hint="You square exp(logvar), as if logvar were the logarithm of the deviation. It is that of "
    "the variance already.",
)
code_nats.mistake(
    "the one forgotten",
    partial(_nats, minus=0.0),
    hint="A code that is exactly the prior costs half a nat for each number in your answer. The "
    "formula has a -1 that makes it 0.",
)
code_nats.mistake(
    "the logarithm added",
    partial(_nats, direction="log added"),
    hint="You add logvar. It is subtracted, so that a very small variance is expensive: -log of "
    "a small number is large.",
)
code_nats.mistake(
    "the mean not squared",
    partial(_nats, direction="mean as it is"),
    hint="You add the mean as it is, so a code at -2 would be cheaper than one at 0. "
    "It is squared.",
)
code_nats.mistake(
    "the other direction",
    partial(_nats, direction="towards the prior"),
    hint="This is the divergence of the prior from the encoder's distribution. The expectation is "
    "over codes of the *encoder*, so it is KL(q || p), with the prior in the second place.",
)
