"""Check of the exercise `flip_together`: mirror image and mask by the same coin."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

Batch = tuple[Tensor, Tensor]


def reference(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    """Mirror the items whose coin is True left to right, images and masks alike.

    Args:
        images: (B, C, H, W).
        masks: (B, H, W).
        coins: (B,) bool.

    Returns:
        New images and masks of the same shapes.
    """
    return (
        torch.where(coins[:, None, None, None], images.flip(-1), images),
        torch.where(coins[:, None, None], masks.flip(-1), masks),
    )


def _image_only(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    return reference(images, masks, coins)[0], masks


def _mask_only(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    return images, reference(images, masks, coins)[1]


def _upside_down(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    return (
        torch.where(coins[:, None, None, None], images.flip(-2), images),
        torch.where(coins[:, None, None], masks.flip(-2), masks),
    )


def _same_number(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    return (
        torch.where(coins[:, None, None, None], images.flip(2), images),
        torch.where(coins[:, None, None], masks.flip(2), masks),
    )


def _whole_batch(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    return (images.flip(-1), masks.flip(-1)) if coins.any() else (images, masks)


def _every_item(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    return images.flip(-1), masks.flip(-1)


def _inverted(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    return reference(images, masks, ~coins)


def _in_place(images: Tensor, masks: Tensor, coins: Tensor) -> Batch:
    images[coins] = images[coins].flip(-1)
    masks[coins] = masks[coins].flip(-1)
    return images, masks


MISTAKES = [
    Mistake(
        "only the image is mirrored",
        _image_only,
        "Your mask stays where it was while its image is mirrored: the label of the left pavement "
        "now lies on the right one. Mirror masks with the same coins.",
    ),
    Mistake(
        "only the mask is mirrored",
        _mask_only,
        "Your image stays where it was while its mask is mirrored. Mirror images with the same "
        "coins.",
    ),
    Mistake(
        "upside down",
        _upside_down,
        "You turned rows over (dimension -2), so the sky is at the bottom. Left and right are the "
        "columns, dimension -1.",
    ),
    Mistake(
        "the same dimension number for both",
        _same_number,
        "Dimension 2 is the rows of images (B, C, H, W) but the columns of masks (B, H, W): they "
        "are turned in different directions. Count from the end: -1 is the columns of both.",
    ),
    Mistake(
        "all or none",
        _whole_batch,
        "One coin decides for your whole batch. Each item has its own coin: select the items, for "
        "instance with torch.where and coins[:, None, None, None].",
    ),
    Mistake(
        "always",
        _every_item,
        "You mirror every item and never look at the coins, so the network would see mirrored "
        "images only.",
    ),
    Mistake(
        "coins inverted",
        _inverted,
        "You mirror the items whose coin is False. torch.where(c, a, b) takes a where c is True.",
    ),
    Mistake(
        "in place",
        _in_place,
        "The values are right, but you wrote them into the caller's tensors. The next epoch would "
        "start from mirrored data: write into copies (`clone`), or use torch.where.",
    ),
]


def _example(generator: torch.Generator, coins: tuple[bool, ...] | None = None) -> tuple:
    coins = coins or (True, False, True, True, False)
    order = torch.randperm(len(coins), generator=generator)
    height, width = (int(n) for n in torch.randint(3, 8, (2,), generator=generator))
    height += height == width  # not square, so that rows and columns cannot be confused
    shape = (len(coins), height, width)
    images = torch.rand((shape[0], 3, height, width), generator=generator)
    masks = torch.randint(0, 9, shape, generator=generator)
    return images, masks, torch.tensor(coins)[order]


def _run(student: Any, arguments: tuple) -> Batch:
    answer = student(*arguments)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise AssertionError("return two tensors: images, masks")
    return answer[0], answer[1]


def _stays(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator, (False, False, False))
    images, masks = _run(student, tuple(a.clone() for a in arguments))
    assert_close(images, arguments[0], "images, with all coins False,")
    assert_close(masks, arguments[1], "masks, with all coins False,")


def _images(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    images, _ = _run(student, tuple(a.clone() for a in arguments))
    assert_close(images, reference(*arguments)[0], f"images, with coins {arguments[2].tolist()},")


def _masks(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    _, masks = _run(student, tuple(a.clone() for a in arguments))
    assert_close(masks, reference(*arguments)[1], f"masks, with coins {arguments[2].tolist()},")
    if masks.dtype != arguments[1].dtype:
        raise AssertionError(f"masks came back as {masks.dtype}, wanted {arguments[1].dtype}")


def _unchanged(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    before = tuple(a.clone() for a in arguments)
    _run(student, arguments)
    for name, was, now in zip(("images", "masks", "coins"), before, arguments, strict=True):
        assert_close(now, was, f"your argument `{name}`, after the call,")


PROPERTIES = [
    Property("an item whose coin is False stays as it is", 1, _stays),
    Property("images are mirrored left to right where the coin is True", 1, _images),
    Property("masks are mirrored with their images", 1, _masks),
    Property("the tensors passed in are not changed", 1, _unchanged),
]


def _probe(student: Any, arguments: tuple) -> tuple:
    """The answer, the arguments afterwards (to see writing in place), and all coins False."""
    images, masks, coins = arguments
    untouched = student(images.clone(), masks.clone(), torch.zeros_like(coins))
    return student(*arguments), arguments, untouched


def flip_together(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `flip_together(images, masks, coins)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "flip_together",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        probe=_probe,
        seed=seed,
    )
