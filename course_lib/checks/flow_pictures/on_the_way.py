"""Check of the exercise `on_the_way`: an image on its way from noise, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import pair
from course_lib.checks.core import Check


def reference(images: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the samples on the straight way, and the velocity that leads along it.

    Args:
        images: (B, C, H, W).
        noise: the same shape.
        t: (B,), 0 for noise and 1 for data.

    Returns:
        Both (B, C, H, W).

    Source: eq-straight-path.
    """
    return _way(images, noise, t)


def _way(
    images: Tensor,
    noise: Tensor,
    t: Tensor,
    *,
    at: Callable[[Tensor], Tensor] = lambda t: t[:, None, None, None],
    alpha: Callable[[Tensor], Tensor] = lambda t: t,
    sigma: Callable[[Tensor], Tensor] = lambda t: 1 - t,
    velocity: str = "image - noise",
) -> tuple[Tensor, Tensor]:
    """The way, with one thing at a time that can be made wrong."""
    share, rest = alpha(at(t)), sigma(at(t))
    x = share * images + rest * noise
    goes = {
        "image - noise": images - noise,
        "noise - image": noise - images,
        "image - x": images - x,
        "x - noise": x - noise,
        "image": images,
        "noise": noise,
    }
    return x, goes[velocity]


def _draw(
    generator: torch.Generator,
    *,
    size: tuple[int, int, int, int] = (4, 2, 3, 4),
    low: float = 0.05,
    high: float = 0.95,
) -> tuple[Tensor, Tensor, Tensor]:
    """As many images as columns, so that a time in the wrong dimension raises no error."""
    images, noise = torch.randn(2, *size, generator=generator)
    return images, noise, low + (high - low) * torch.rand(size[0], generator=generator)


def _ends(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    images, noise, t = _draw(generator)
    return images, noise, torch.arange(len(t)).remainder(2).to(t.dtype)


def _both(student: Any, arguments: tuple) -> tuple[Any, Any]:
    return pair(student(*arguments), "two tensors, the samples and the velocity")


on_the_way = Check(
    "on_the_way",
    lab="flow_pictures",
    level="warm-up",
    minutes=8,
    reference=reference,
    example=_draw,
    probe=_both,
)
on_the_way.equals_reference(
    "noise at time 0, images at time 1",
    points=1,
    example=_ends,
    probe=lambda student, arguments: _both(student, arguments)[0],
    what="at the times 0, 1, 0, 1 the samples",
)
on_the_way.equals_reference(
    "each image at its own time",
    points=2,
    example=[_draw, partial(_draw, size=(3, 1, 5, 4)), partial(_draw, size=(5, 3, 2, 2))],
    probe=lambda student, arguments: _both(student, arguments)[0],
    what="for images of shape {0.shape}, the samples",
)
on_the_way.equals_reference(
    "the velocity leads from the noise to the image",
    points=1,
    example=[_draw, partial(_draw, size=(1, 1, 3, 2))],
    probe=lambda student, arguments: _both(student, arguments)[1],
    what="the velocity",
)

on_the_way.mistake(
    "time the other way",
    partial(_way, alpha=lambda t: 1 - t, sigma=lambda t: t, velocity="noise - image"),
    hint="Your time runs as in papers on diffusion, where 0 is data. Both halves agree, so a "
    "network would learn it well, and whoever draws with it from 0 to 1 walks away from the data. "
    "Here 0 is noise: the share of the image is t.",
)
on_the_way.mistake(
    "the mixture the other way",
    partial(_way, alpha=lambda t: 1 - t, sigma=lambda t: t),
    hint="Your samples are images at time 0, and your velocity leads from noise to image. The two "
    "contradict each other: the share of the image is t, that of the noise 1 - t.",
)
on_the_way.mistake(
    "the velocity the other way",
    partial(_way, velocity="noise - image"),
    hint="Your samples are right, and your velocity leads back to the noise. The way at time t is "
    "noise + t (image - noise): what stands beside t is the velocity.",
)
on_the_way.mistake(
    "time along the columns",
    partial(_way, at=lambda t: t),
    hint="t has shape (B,), and so it meets the *last* dimension, the columns. Here there happen "
    "to be as many columns as images and nothing complains: give it the shape (B, 1, 1, 1).",
)
on_the_way.mistake(
    "one time for all",
    partial(_way, at=lambda t: t.mean()),
    hint="You use one time for the whole batch. Each image has its own.",
)
on_the_way.mistake(
    "roots",
    partial(_way, alpha=torch.sqrt, sigma=lambda t: (1 - t).sqrt()),
    hint="You mix with roots, which keeps the variance as diffusions do. That is another path, and "
    "its velocity is not the difference: the straight one has t and 1 - t themselves.",
)
on_the_way.mistake(
    "noise added",
    partial(_way, alpha=lambda t: t, sigma=torch.ones_like),
    hint="You add all of the noise at every time, so at time 1 the image is as noisy as ever. Its "
    "share is 1 - t.",
)
on_the_way.mistake(
    "from here to the image",
    partial(_way, velocity="image - x"),
    hint="You return the rest of the way, image - x. It would have to be covered in the rest of "
    "the time, 1 - t: divided by that, it is image - noise again.",
)
on_the_way.mistake(
    "from the noise to here",
    partial(_way, velocity="x - noise"),
    hint="You return the way so far, x - noise. It took the time t: divided by that, it is image - "
    "noise.",
)
on_the_way.mistake(
    "the image itself",
    partial(_way, velocity="image"),
    hint="Your second answer is the image. A network may be asked for that, too; a velocity is the "
    "change of x with time, image - noise.",
)
on_the_way.mistake(
    "the noise itself",
    partial(_way, velocity="noise"),
    hint="Your second answer is the noise. DDPM asks its network for that; a velocity is how x "
    "changes with time, image - noise.",
)
on_the_way.mistake(
    "the two answers swapped",
    lambda images, noise, t: _way(images, noise, t)[::-1],
    hint="You return the velocity first. Wanted are the samples first, then the velocity.",
)
