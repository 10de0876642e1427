"""Check of the exercise `flip_together`: mirror image and mask by the same coin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import pair
from course_lib.checks.core import Check

Batch = tuple[Tensor, Tensor]
Flip = Callable[[Tensor], Tensor]


def reference(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    """Mirror the items whose coin is True left to right, images and masks alike.

    Args:
        images: (B, C, H, W).
        masks: (B, H, W).
        coins: (B,) bool.

    Returns:
        New images and masks of the same shapes.
    """
    return _flip(images, masks, coins)


def _mirror(x: Tensor) -> Tensor:
    return x.flip(-1)


def _flip(
    images: Tensor,
    masks: Tensor,
    coins: Tensor,
    *,
    image: Flip = _mirror,
    mask: Flip = _mirror,
    toss: Flip = lambda coins: coins,
) -> Batch:
    """The answer, with one thing at a time that can be made wrong."""
    chosen = toss(coins)
    return (
        torch.where(chosen[:, None, None, None], image(images), images),
        torch.where(chosen[:, None, None], mask(masks), masks),
    )


def _in_place(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    images[coins] = images[coins].flip(-1)
    masks[coins] = masks[coins].flip(-1)
    return images, masks


def _example(generator: torch.Generator, coins: tuple[bool, ...] | None = None) -> tuple:
    coins = coins or (True, False, True, True, False)
    order = torch.randperm(len(coins), generator=generator)
    height, width = (int(n) for n in torch.randint(3, 8, (2,), generator=generator))
    height += height == width  # not square, so that rows and columns cannot be confused
    shape = (len(coins), height, width)
    images = torch.rand((shape[0], 3, height, width), generator=generator)
    masks = torch.randint(0, 9, shape, generator=generator)
    return images, masks, torch.tensor(coins)[order]


def _pair(student: Any, arguments: tuple) -> tuple:
    images, masks = pair(student(*arguments), "two tensors: images, masks")
    got, wanted = getattr(masks, "dtype", None), arguments[1].dtype
    assert got in (None, wanted), f"masks came back as {got}, wanted {wanted}"
    return images, masks


def _and_afterwards(student: Any, arguments: tuple) -> tuple:
    """The answer, the arguments afterwards (to see writing in place), and all coins False."""
    answer = student(*arguments)
    after = student.given
    return answer, after, student(*arguments[:2], torch.zeros_like(arguments[2]))


flip_together = Check(
    "flip_together",
    lab="unet",
    level="warm-up",
    minutes=5,
    reference=reference,
    example=_example,
    probe=_and_afterwards,
    may_change=("images", "masks", "coins"),  # it is a property of its own
)
flip_together.equals_reference(
    "an item whose coin is False stays as it is",
    points=1,
    example=partial(_example, coins=(False, False, False)),
    probe=_pair,
    what=("images, with all coins False,", "masks, with all coins False,"),
)
flip_together.equals_reference(
    "images are mirrored left to right where the coin is True",
    points=1,
    probe=lambda student, arguments: _pair(student, arguments)[0],
    what="images, with coins {2},",
)
flip_together.equals_reference(
    "masks are mirrored with their images",
    points=1,
    probe=lambda student, arguments: _pair(student, arguments)[1],
    what="masks, with coins {2},",
)


@flip_together.holds("the tensors passed in are not changed", points=1)
def _unchanged(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    _pair(student, arguments)
    for name, was, now in zip(("images", "masks", "coins"), arguments, student.given, strict=True):
        assert torch.equal(was, now), f"your argument `{name}` is another after the call"


flip_together.mistake(
    "only the image is mirrored",
    partial(_flip, mask=lambda masks: masks),
    hint="Your mask stays where it was while its image is mirrored: the label of the left pavement "
    "now lies on the right one. Mirror masks with the same coins.",
)
flip_together.mistake(
    "only the mask is mirrored",
    partial(_flip, image=lambda images: images),
    hint="Your image stays where it was while its mask is mirrored. Mirror images with the same "
    "coins.",
)
flip_together.mistake(
    "upside down",
    partial(_flip, image=lambda x: x.flip(-2), mask=lambda x: x.flip(-2)),
    hint="You turned rows over (dimension -2), so the sky is at the bottom. Left and right are the "
    "columns, dimension -1.",
)
flip_together.mistake(
    "the same dimension number for both",
    partial(_flip, image=lambda x: x.flip(2), mask=lambda x: x.flip(2)),
    hint="Dimension 2 is the rows of images (B, C, H, W) but the columns of masks (B, H, W): they "
    "are turned in different directions. Count from the end: -1 is the columns of both.",
)
flip_together.mistake(
    "both axes",
    partial(_flip, image=lambda x: x.flip(-1, -2), mask=lambda x: x.flip(-1, -2)),
    hint="You turned rows and columns over: that is half a turn, with the sky at the bottom. "
    "Mirror the columns only, dimension -1.",
)
flip_together.mistake(
    "channels reversed",
    partial(_flip, image=lambda x: x.flip(1), mask=_mirror),
    hint="You turned the channels of the images over, so red and blue change places. Left and "
    "right are the columns, dimension -1.",
)
flip_together.mistake(
    "all or none",
    partial(_flip, toss=lambda coins: coins.any().expand(len(coins))),
    hint="One coin decides for your whole batch. Each item has its own coin: select the items, for "
    "instance with torch.where and coins[:, None, None, None].",
)
flip_together.mistake(
    "always",
    partial(_flip, toss=torch.ones_like),
    hint="You mirror every item and never look at the coins, so the network would see mirrored "
    "images only.",
)
flip_together.mistake(
    "never",
    partial(_flip, toss=torch.zeros_like),
    hint="Nothing is mirrored, whatever the coins say. Do you write into a copy and return the "
    "original?",
)
flip_together.mistake(
    "coins inverted",
    partial(_flip, toss=torch.logical_not),
    hint="You mirror the items whose coin is False. torch.where(c, a, b) takes a where c is True.",
)
flip_together.mistake(
    "in place",
    _in_place,
    hint="The values are right, but you wrote them into the caller's tensors. The next epoch would "
    "start from mirrored data: write into copies (`clone`), or use torch.where.",
)
