"""Check of the exercise `resize_pair`: bring image and mask to one size, each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import assert_close, pair
from course_lib.checks.core import Check

Size = tuple[int, int]
Pair = tuple[Tensor, Tensor]


def reference(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """Resize the image with averaging, the mask to the nearest pixel.

    Args:
        image: (3, H, W) uint8.
        mask: (H, W) uint8 labels.
        size: new height and width.

    Returns:
        Image (3, h, w) float32 in [-1, 1] and mask (h, w) uint8.
    """
    return _scaled(_smooth(image.float(), size)), _picked(mask, size)


def _smooth(image: Tensor, size: Size, *, antialias: bool = True) -> Tensor:
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=antialias)[0]


def _scaled(image: Tensor) -> Tensor:
    return image.float() / 127.5 - 1


def _picked(mask: Tensor, size: Size, mode: str = "nearest-exact") -> Tensor:
    return F.interpolate(mask[None, None], size=size, mode=mode)[0, 0]


def _other(mode: str, antialias: bool = False) -> Callable[[Tensor, Size], Tensor]:
    """Resize the image by another filter."""
    return lambda image, size: _scaled(
        F.interpolate(image[None].float(), size=size, mode=mode, antialias=antialias)[0]
    )


def _of_image(change: Callable[[Tensor, Size], Tensor]) -> Any:
    """An answer with the right mask."""
    return lambda image, mask, size: (change(image, size), _picked(mask, size))


def _of_mask(change: Callable[[Tensor, Size], Tensor]) -> Any:
    """An answer with the right image."""
    return lambda image, mask, size: (reference(image, mask, size)[0], change(mask, size))


def _blurred(mask: Tensor, size: Size, *, antialias: bool) -> Tensor:
    return _smooth(mask[None].float(), size, antialias=antialias).round().to(torch.uint8)[0]


def _example(generator: torch.Generator) -> tuple:
    """A picture made smaller by an odd ratio, and labels that are far apart."""
    height, width = (int(n) for n in torch.randint(21, 30, (2,), generator=generator))
    size = (height // 2 - 1, width // 3 + 4)
    if size[0] == size[1]:
        size = (size[0] - 1, size[1])
    image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    labels = torch.tensor([0, 1, 9, 4, 7], dtype=torch.uint8)
    cells = torch.randint(0, 5, (height // 3 + 1, width // 3 + 1), generator=generator)
    mask = labels[cells].repeat_interleave(3, 0).repeat_interleave(3, 1)[:height, :width]
    return image, mask.contiguous(), size


def _pair(student: Any, arguments: tuple) -> Pair:
    answer = pair(student(*arguments), "two tensors, `image, mask`")
    for name, part in zip(("image", "mask"), answer, strict=True):
        if not isinstance(part, Tensor):
            raise AssertionError(f"the {name} is a {type(part).__name__}, wanted a torch.Tensor")
    return answer


resize_pair = Check(
    "resize_pair",
    lab="four_steps",
    level="warm-up",
    minutes=10,
    reference=reference,
    example=_example,
)


@resize_pair.holds("image and mask have the new size", points=1)
def _size(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    image, mask = _pair(student, arguments)
    size = arguments[2]
    for name, part, wanted in (("image", image, (3, *size)), ("mask", mask, size)):
        if tuple(part.shape) != wanted:
            raise AssertionError(f"the {name} has shape {tuple(part.shape)}, wanted {wanted}")


@resize_pair.holds("the image is float32, black is -1 and white is 1", points=1)
def _range(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    arguments[0][:, : arguments[0].shape[1] // 2] = 0  # black above, white below
    arguments[0][:, arguments[0].shape[1] // 2 :] = 255
    image, _ = _pair(student, arguments)
    if image.dtype != torch.float32:
        raise AssertionError(f"the image is {image.dtype}, wanted torch.float32")
    assert_close(image.amin(), -1.0, "black")
    assert_close(image.amax(), 1.0, "white")


@resize_pair.holds("the image is averaged, not thinned out", points=1)
def _image(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    image, _ = _pair(student, arguments)
    wanted = reference(*arguments)[0]
    if image.shape == wanted.shape and not image.is_floating_point():
        raise AssertionError(f"the image is {image.dtype}, wanted torch.float32")
    # The range is another property: compare what is left when both are scaled alike.
    if image.shape == wanted.shape and float(image.amax()) > 1.01:
        image = image / 127.5 - 1
    elif image.shape == wanted.shape and float(image.amin()) >= 0:
        image = image * 2 - 1
    assert_close(image, wanted, "the image", tolerance=1e-4)


@resize_pair.holds("the mask holds no label that was not there", points=1)
def _labels(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    _, mask = _pair(student, arguments)
    if mask.dtype != torch.uint8:
        raise AssertionError(f"the mask is {mask.dtype}, wanted torch.uint8, as it came")
    new = set(mask.unique().tolist()) - set(arguments[1].unique().tolist())
    if new:
        raise AssertionError(
            f"the mask holds {sorted(new)}, labels that nobody gave: the old mask has "
            f"{arguments[1].unique().tolist()}"
        )


@resize_pair.holds("the mask has the label of the nearest pixel", points=1)
def _places(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    _, mask = _pair(student, arguments)
    assert_close(mask.float(), reference(*arguments)[1].float(), "the mask")


resize_pair.mistake(
    "labels interpolated",
    _of_mask(partial(_blurred, antialias=True)),
    hint="You averaged labels. They are names, not amounts: between label 1 and label 9 there is "
    "no 5. Pick one pixel of the old mask for each pixel of the new one: mode='nearest-exact'.",
)
resize_pair.mistake(
    "labels interpolated without averaging",
    _of_mask(partial(_blurred, antialias=False)),
    hint="You interpolated labels bilinearly. They are names, not amounts, so a new label may "
    "appear at every border. Pick one pixel of the old mask: mode='nearest-exact'.",
)
resize_pair.mistake(
    "the corner pixel",
    _of_mask(partial(_picked, mode="nearest")),
    hint="mode='nearest' takes the top left pixel of the area that a new pixel covers, so your "
    "mask lies up to half a new pixel beside the image. mode='nearest-exact' takes the middle one.",
)
resize_pair.mistake(
    "no averaging",
    _of_image(lambda image, size: _scaled(_smooth(image.float(), size, antialias=False))),
    hint="You made the image smaller without averaging: each new pixel is made of four old ones "
    "and the rest is thrown away, so fine patterns turn into false ones. Pass antialias=True.",
)
resize_pair.mistake(
    "averaged over blocks",
    _of_image(
        lambda image, size: _scaled(F.interpolate(image[None].float(), size=size, mode="area")[0])
    ),
    hint='You averaged over whole blocks of pixels (mode="area"). The statement asks for the '
    'bilinear filter: mode="bilinear", antialias=True. It weighs a pixel by its distance, and '
    "its blocks overlap.",
)
resize_pair.mistake(
    "bicubic",
    _of_image(
        lambda image, size: _scaled(
            F.interpolate(image[None].float(), size=size, mode="bicubic", antialias=True)[0]
        )
    ),
    hint="You used the bicubic filter, which overshoots: black may fall below -1. The statement "
    'asks for mode="bilinear", antialias=True.',
)
resize_pair.mistake(
    "image by nearest pixel",
    _of_image(
        lambda image, size: _scaled(F.interpolate(image[None], size=size, mode="nearest-exact")[0])
    ),
    hint="You picked single pixels of the image. That is right for labels; colours may be averaged "
    "and then hold less noise: mode='bilinear', antialias=True.",
)
resize_pair.mistake(
    "range from 0 to 1",
    _of_image(lambda image, size: _smooth(image.float(), size) / 255),
    hint="Your image lies in [0, 1]. Every network here was trained on [-1, 1]: 0 becomes -1 and "
    "255 becomes 1, so divide by 127.5 and subtract 1.",
)
resize_pair.mistake(
    "not scaled",
    _of_image(lambda image, size: _smooth(image.float(), size)),
    hint="Your image still lies in [0, 255]. Divide by 127.5 and subtract 1.",
)
resize_pair.mistake(
    "rounded to whole grey levels",
    _of_image(lambda image, size: _scaled(_smooth(image.float(), size).round())),
    hint="Your averages are rounded, as they are when uint8 is resized. Turn the image into float "
    "before you resize it.",
)
resize_pair.mistake(
    "divided by 128",
    _of_image(lambda image, size: _smooth(image.float(), size) / 128 - 1),
    hint="You divide by 128, so white is 0.992. Between 0 and 255 lie 255 steps: divide by 127.5.",
)
resize_pair.mistake(
    "height and width swapped",
    lambda image, mask, size: reference(image, mask, size[::-1]),
    hint="Height and width are swapped: `size` is (height, width), as in the shape of a tensor. "
    "(Pillow and OpenCV have it the other way round.)",
)
resize_pair.mistake(
    "mask not resized",
    _of_mask(lambda mask, size: mask),
    hint="The image has the new size, its mask still the old one. Whatever moves the image must "
    "move the mask.",
)
resize_pair.mistake(
    "image not resized",
    _of_image(lambda image, size: _scaled(image)),
    hint="The mask has the new size, its image still the old one. Resize both.",
)
resize_pair.mistake(
    "labels scaled like colours",
    _of_mask(lambda mask, size: _scaled(_picked(mask, size))),
    hint="You scaled the labels to [-1, 1] like colours. Labels are names: leave their values and "
    "their dtype as they are.",
)
