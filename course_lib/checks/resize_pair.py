"""Check of the exercise `resize_pair`: bring image and mask to one size, each in its own way."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade

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
    return _scaled(_smooth(image.float(), size)), _nearest(mask, size)


def _smooth(image: Tensor, size: Size, *, antialias: bool = True) -> Tensor:
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=antialias)[0]


def _scaled(image: Tensor) -> Tensor:
    return image.float() / 127.5 - 1


def _nearest(mask: Tensor, size: Size) -> Tensor:
    return F.interpolate(mask[None, None], size=size, mode="nearest-exact")[0, 0]


def _interpolated_labels(image: Tensor, mask: Tensor, size: Size) -> Pair:
    blurred = _smooth(mask[None].float(), size).round().to(torch.uint8)[0]
    return reference(image, mask, size)[0], blurred


def _plain_bilinear_labels(image: Tensor, mask: Tensor, size: Size) -> Pair:
    blurred = _smooth(mask[None].float(), size, antialias=False).round().to(torch.uint8)[0]
    return reference(image, mask, size)[0], blurred


def _corner_pixel(image: Tensor, mask: Tensor, size: Size) -> Pair:
    moved = F.interpolate(mask[None, None], size=size, mode="nearest")[0, 0]
    return reference(image, mask, size)[0], moved


def _aliased(image: Tensor, mask: Tensor, size: Size) -> Pair:
    return _scaled(_smooth(image.float(), size, antialias=False)), _nearest(mask, size)


def _nearest_image(image: Tensor, mask: Tensor, size: Size) -> Pair:
    picked = F.interpolate(image[None], size=size, mode="nearest-exact")[0]
    return _scaled(picked), _nearest(mask, size)


def _unit_range(image: Tensor, mask: Tensor, size: Size) -> Pair:
    return _smooth(image.float(), size) / 255, _nearest(mask, size)


def _not_scaled(image: Tensor, mask: Tensor, size: Size) -> Pair:
    return _smooth(image.float(), size), _nearest(mask, size)


def _rounded(image: Tensor, mask: Tensor, size: Size) -> Pair:
    whole = _smooth(image.float(), size).round()  # as interpolating uint8 does
    return _scaled(whole), _nearest(mask, size)


def _swapped(image: Tensor, mask: Tensor, size: Size) -> Pair:
    return reference(image, mask, (size[1], size[0]))


def _mask_left(image: Tensor, mask: Tensor, size: Size) -> Pair:
    return reference(image, mask, size)[0], mask


def _mask_scaled(image: Tensor, mask: Tensor, size: Size) -> Pair:
    new_image, new_mask = reference(image, mask, size)
    return new_image, _scaled(new_mask)


MISTAKES = [
    Mistake(
        "labels interpolated",
        _interpolated_labels,
        "You averaged labels. They are names, not amounts: between label 1 and label 9 there is no "
        "5. Pick one pixel of the old mask for each pixel of the new one: mode='nearest-exact'.",
    ),
    Mistake(
        "labels interpolated without averaging",
        _plain_bilinear_labels,
        "You interpolated labels bilinearly. They are names, not amounts, so a new label may "
        "appear at every border. Pick one pixel of the old mask: mode='nearest-exact'.",
    ),
    Mistake(
        "the corner pixel",
        _corner_pixel,
        "mode='nearest' takes the top left pixel of the area that a new pixel covers, so your mask "
        "lies up to half a new pixel beside the image. mode='nearest-exact' takes the middle one.",
    ),
    Mistake(
        "no averaging",
        _aliased,
        "You made the image smaller without averaging: each new pixel is made of four old ones "
        "and the rest is thrown away, so fine patterns turn into false ones. Pass antialias=True.",
    ),
    Mistake(
        "image by nearest pixel",
        _nearest_image,
        "You picked single pixels of the image. That is right for labels; colours may be averaged "
        "and then hold less noise: mode='bilinear', antialias=True.",
    ),
    Mistake(
        "range from 0 to 1",
        _unit_range,
        "Your image lies in [0, 1]. Every network here was trained on [-1, 1]: 0 becomes -1 and "
        "255 becomes 1, so divide by 127.5 and subtract 1.",
    ),
    Mistake(
        "not scaled",
        _not_scaled,
        "Your image still lies in [0, 255]. Divide by 127.5 and subtract 1.",
    ),
    Mistake(
        "rounded to whole grey levels",
        _rounded,
        "Your averages are rounded, as they are when uint8 is resized. Turn the image into float "
        "before you resize it.",
    ),
    Mistake(
        "height and width swapped",
        _swapped,
        "Height and width are swapped: `size` is (height, width), as in the shape of a tensor. "
        "(Pillow and OpenCV have it the other way round.)",
    ),
    Mistake(
        "mask not resized",
        _mask_left,
        "The image has the new size, its mask still the old one. Whatever moves the image must "
        "move the mask.",
    ),
    Mistake(
        "labels scaled like colours",
        _mask_scaled,
        "You scaled the labels to [-1, 1] like colours. Labels are names: leave their values and "
        "their dtype as they are.",
    ),
]


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


def _run(student: Any, arguments: tuple) -> Pair:
    answer = student(*arguments)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        kind = "None: is the `return` missing?" if answer is None else type(answer).__name__
        raise AssertionError(f"wanted two tensors, `image, mask`; got {kind}")
    for name, part in zip(("image", "mask"), answer, strict=True):
        if not isinstance(part, Tensor):
            raise AssertionError(f"the {name} is a {type(part).__name__}, wanted a torch.Tensor")
    return answer[0], answer[1]


def _size(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    image, mask = _run(student, arguments)
    size = arguments[2]
    for name, part, wanted in (("image", image, (3, *size)), ("mask", mask, size)):
        if tuple(part.shape) != wanted:
            raise AssertionError(f"the {name} has shape {tuple(part.shape)}, wanted {wanted}")


def _range(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    arguments[0][:, : arguments[0].shape[1] // 2] = 0  # black above, white below
    arguments[0][:, arguments[0].shape[1] // 2 :] = 255
    image, _ = _run(student, arguments)
    if image.dtype != torch.float32:
        raise AssertionError(f"the image is {image.dtype}, wanted torch.float32")
    assert_close(image.amin(), -1.0, "black")
    assert_close(image.amax(), 1.0, "white")


def _image(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    image, _ = _run(student, arguments)
    wanted = reference(*arguments)[0]
    if image.shape == wanted.shape and not image.is_floating_point():
        raise AssertionError(f"the image is {image.dtype}, wanted torch.float32")
    # The range is another property: compare what is left when both are scaled alike.
    if image.shape == wanted.shape and float(image.amax()) > 1.01:
        image = image / 127.5 - 1
    elif image.shape == wanted.shape and float(image.amin()) >= 0:
        image = image * 2 - 1
    assert_close(image, wanted, "the image", tolerance=1e-4)


def _labels(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    _, mask = _run(student, arguments)
    if mask.dtype != torch.uint8:
        raise AssertionError(f"the mask is {mask.dtype}, wanted torch.uint8, as it came")
    new = set(mask.unique().tolist()) - set(arguments[1].unique().tolist())
    if new:
        raise AssertionError(
            f"the mask holds {sorted(new)}, labels that nobody gave: the old mask has "
            f"{arguments[1].unique().tolist()}"
        )


def _places(student: Any, generator: torch.Generator) -> None:
    arguments = _example(generator)
    _, mask = _run(student, arguments)
    assert_close(mask.float(), reference(*arguments)[1].float(), "the mask")


PROPERTIES = [
    Property("image and mask have the new size", 1, _size),
    Property("the image is float32, black is -1 and white is 1", 1, _range),
    Property("the image is averaged, not thinned out", 1, _image),
    Property("the mask holds no label that was not there", 1, _labels),
    Property("the mask has the label of the nearest pixel", 1, _places),
]


def resize_pair(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `resize_pair(image, mask, size)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "resize_pair",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
