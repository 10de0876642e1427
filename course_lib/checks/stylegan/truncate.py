"""Check of the exercise `truncate`: styles pulled towards their mean."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check


def reference(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    """Return styles between their mean (psi = 0) and themselves (psi = 1).

    Args:
        w: (B, D).
        mean: (D,), the mean style of training.
        psi: from 0 to 1.

    Returns:
        (B, D).

    Source: eq-stylegan-truncation.
    """
    return mean + psi * (w - mean)


def _draw(
    generator: torch.Generator, *, images: int = 5, psi: float | None = None
) -> tuple[Tensor, Tensor, float]:
    w = 2 * torch.randn(images, 7, generator=generator) + 1
    mean = 1 + torch.randn(7, generator=generator)
    drawn = 0.1 + 0.8 * float(torch.rand((), generator=generator))
    return w, mean, drawn if psi is None else psi


truncate = Check(
    "truncate", lab="stylegan", level="warm-up", minutes=3, reference=reference, example=_draw
)
truncate.equals_reference(
    "styles between the mean and themselves",
    points=2,
    example=[partial(_draw, images=images) for images in (5, 7, 1)],
    what="for psi = {2:.2f}, the styles",
)
truncate.equals_reference(
    "w at psi = 1, the mean at psi = 0",
    points=1,
    example=[partial(_draw, psi=psi) for psi in (1.0, 0.0)],
    what="at psi = {2:g}, the styles",
)

truncate.mistake(
    "towards 0",
    lambda w, mean, psi: psi * w,
    hint="You scaled w itself, so psi = 0 gives a style of zeros. Nothing is special about 0 in "
    "this space: scale the difference from the mean.",
)
truncate.mistake(
    "psi the wrong way round",
    lambda w, mean, psi: w + psi * (mean - w),
    hint="At psi = 1 your answer is the mean. It has to be w there, and the mean at psi = 0.",
)
truncate.mistake(
    "the mean added, not subtracted first",
    lambda w, mean, psi: mean + psi * w,
    hint="You added the mean without taking it away first: at psi = 1 you give mean + w. Scale w - "
    "mean.",
)
truncate.mistake(
    "the mean of this batch",
    lambda w, mean, psi: reference(w, w.mean(0), psi),
    hint="You used the mean of the given styles. Then one and the same style gives another image "
    "in another batch, and a batch of one is the mean itself. Use the mean that is handed in.",
)
truncate.mistake(
    "each style's own mean",
    lambda w, mean, psi: reference(w, w.mean(1, keepdim=True), psi),
    hint="You averaged over the numbers of a style, dimension 1. The mean style has one number for "
    "each of them.",
)
truncate.mistake(
    "cut off at psi",
    lambda w, mean, psi: mean + (w - mean).clamp(-psi, psi),
    hint="You clamped the difference to [-psi, psi]. Cutting changes the direction of a style; "
    "here the whole difference is multiplied by psi.",
)
truncate.mistake(
    "the mean not added back",
    lambda w, mean, psi: psi * (w - mean),
    hint="You scaled the difference and left it there. Add the mean again.",
)
truncate.mistake(
    "the difference the wrong way round",
    lambda w, mean, psi: mean + psi * (mean - w),
    hint="You scaled mean - w, so at psi = 1 each style stands on the other side of the mean. "
    "Scale w - mean.",
)
truncate.mistake(
    "scaled to the length psi",
    lambda w, mean, psi: mean + psi * (w - mean) / (w - mean).norm(dim=1, keepdim=True),
    hint="You gave every difference from the mean the same length, psi. A style that is far away "
    "shall stay farther than one that is near: multiply the difference itself by psi.",
)
