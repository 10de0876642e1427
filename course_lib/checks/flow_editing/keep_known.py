"""Check of the exercise `keep_known`: the known pixels, put on the way."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check


def reference(x: Tensor, images: Tensor, known: Tensor, noise: Tensor, t: float) -> Tensor:
    """Return the samples with their known pixels where they are on the way at time t.

    Args:
        x: (B, C, H, W), samples at time t.
        images: (B, C, H, W).
        known: (B, 1, H, W) or (H, W), 1 where the image is known and 0 elsewhere.
        noise: (B, C, H, W).
        t: 0 is noise, 1 is data.

    Source: arXiv:2201.09865, equations 8a and 8c, on the straight path.
    """
    return _keep(x, images, known, noise, t)


def _keep(
    x: Tensor,
    images: Tensor,
    known: Tensor,
    noise: Tensor,
    t: float,
    *,
    mask: str = "right",
    mixed: str = "to t",
) -> Tensor:
    """The known pixels put in, with mask and noise right or wrong."""
    here = {
        "to t": t * images + (1 - t) * noise,
        "time reversed": (1 - t) * images + t * noise,
        "clean": images,
        "added": images + (1 - t) * noise,
        "x": t * images + (1 - t) * x,
    }[mixed]
    share = {"right": known, "exchanged": 1 - known, "all": torch.ones_like(known)}[mask]
    if mask == "none for x":
        return known * here + x
    return share * here + (1 - share) * x


def _draw(
    generator: torch.Generator,
    *,
    t: float | None = None,
    known: float | None = None,
    flat: bool = False,
) -> tuple:
    """Two images of two channels and 3x4 pixels, in double precision."""
    x, images, noise = (
        torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    shape = (3, 4) if flat else (2, 1, 3, 4)
    mask = (torch.rand(shape, generator=generator) < 0.5).double()
    mask.flatten()[0], mask.flatten()[-1] = 1, 0
    if known is not None:
        mask.fill_(known)
    time = 0.2 + 0.2 * float(torch.rand((), generator=generator)) if t is None else t
    return x, images, mask, noise, time


keep_known = Check(
    "keep_known",
    lab="flow_editing",
    level="warm-up",
    minutes=8,
    reference=reference,
    example=_draw,
)
keep_known.equals_reference(
    "at the end the known pixels are the image's",
    points=1,
    example=partial(_draw, t=1.0, known=1.0),
    what="with everything known, at time 1, the result",
)
keep_known.equals_reference(
    "on the way they are mixed with the noise",
    points=1,
    example=partial(_draw, known=1.0),
    what="with everything known, at time {4:.2f}, the result",
)
keep_known.equals_reference(
    "the rest stays as it is",
    points=1,
    example=partial(_draw, known=0.0),
    what="with nothing known the result",
)
keep_known.equals_reference(
    "half known, half not, with both shapes of mask",
    points=1,
    example=[_draw, partial(_draw, flat=True)],
    what="with a mask, at time {4:.2f}, the result",
)

keep_known.mistake(
    "the mask the wrong way",
    partial(_keep, mask="exchanged"),
    hint="Your mask works the wrong way: known is 1 where the image is to be *kept*, and your "
    "result keeps x there.",
)
keep_known.mistake(
    "the known part clean",
    partial(_keep, mixed="clean"),
    hint="You put the clean image in. At time t the network expects pictures that are noisy by "
    "1 - t everywhere; mix the known part with its noise as far as the rest.",
)
keep_known.mistake(
    "time the wrong way",
    partial(_keep, mixed="time reversed"),
    hint="At t = 0 you put the image in, and at t = 1 noise. Here 0 is noise and 1 is data: the "
    "image's share is t.",
)
keep_known.mistake(
    "noise added on top",
    partial(_keep, mixed="added"),
    hint="You add noise to the whole image. On the straight path the image has the share t only: "
    "t * images + (1 - t) * noise.",
)
keep_known.mistake(
    "mixed with x",
    partial(_keep, mixed="x"),
    hint="You mix the image with x, which holds an image in part already. What is mixed is the "
    "*noise*.",
)
keep_known.mistake(
    "the mask forgotten",
    partial(_keep, mask="all"),
    hint="Your result is the noisy image everywhere; x is lost. Where known is 0, x stays.",
)
