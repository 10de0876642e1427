"""Check of the exercise `clean_mask`: fill holes, then remove what is too small."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from course_lib.checks.core import Check

CROSS = ndimage.generate_binary_structure(2, 1)  # 4 neighbours
SQUARE = ndimage.generate_binary_structure(2, 2)  # 8 neighbours


def reference(mask: Tensor, min_pixels: int) -> Tensor:
    """Fill the holes, then remove 8-connected components of fewer than `min_pixels` pixels.

    Args:
        mask: (H, W) bool.
        min_pixels: the smallest component that stays.

    Returns:
        A new mask, (H, W) bool.
    """
    return _clean(mask, min_pixels)


def _filled(mask: Any, structure: np.ndarray = CROSS) -> np.ndarray:
    """Fill background that no path of 4 (or 8) neighbours joins to the picture's edge."""
    return ndimage.binary_fill_holes(np.asarray(mask), structure)


def _large(
    mask: Any, min_pixels: int, structure: np.ndarray = SQUARE, *, background: bool = False
) -> np.ndarray:
    labels, _ = ndimage.label(np.asarray(mask), structure)
    pixels = np.bincount(labels.ravel())
    keep = pixels >= min_pixels
    if not background:
        keep[0] = False
    return keep[labels]


def _tensor(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(mask))


def _clean(
    mask: Tensor,
    min_pixels: int,
    *,
    fill: Callable[[Any], np.ndarray] = _filled,
    remove: Callable[[Any, int], np.ndarray] = _large,
) -> Tensor:
    """Fill, then remove; each half can be made wrong."""
    return _tensor(remove(fill(mask), min_pixels))


def _other_order(mask: Tensor, min_pixels: int) -> Tensor:
    return _tensor(_filled(_large(mask, min_pixels)))


def _largest(mask: Tensor, min_pixels: int) -> Tensor:
    labels, count = ndimage.label(_filled(mask), SQUARE)
    if not count:
        return _tensor(np.asarray(mask))
    return _tensor(labels == 1 + np.bincount(labels.ravel())[1:].argmax())


def _small_holes(mask: Tensor, min_pixels: int) -> Tensor:
    holes = _filled(mask) & ~np.asarray(mask)
    labels, _ = ndimage.label(holes, CROSS)
    small = np.bincount(labels.ravel()) < min_pixels
    small[0] = False
    return _tensor(_large(np.asarray(mask) | small[labels], min_pixels))


def _corner(mask: Tensor, min_pixels: int) -> Tensor:
    labels, _ = ndimage.label(~np.asarray(mask), CROSS)
    return _tensor(_large(labels != labels[0, 0], min_pixels))


def _opening(mask: Tensor, min_pixels: int) -> Tensor:
    return _tensor(ndimage.binary_opening(_filled(mask), SQUARE))


def _inverted(mask: Tensor, min_pixels: int) -> Tensor:
    filled = _tensor(_filled(mask))
    return filled & ~reference(mask, min_pixels)


def _example(generator: torch.Generator) -> tuple:
    """Every kind of shape that tells the mistakes apart, in places that are drawn anew."""
    side = int(torch.randint(3, 5, (1,), generator=generator))  # a full square has min_pixels
    mask = torch.zeros(44, 40, dtype=torch.bool)
    places = torch.randperm(9, generator=generator).tolist()
    shapes = (
        _ring(side),
        _square(side),
        _pair(side),
        _diamond(3),
        _ring(8),
        _square(1),
        _bar(side),
        _corner_less(side),
        _angle(side + 1),
    )
    for place, shape in zip(places, shapes, strict=True):
        row, column = 1 + 13 * (place // 3), 1 + 13 * (place % 3)
        mask[row : row + shape.shape[0], column : column + shape.shape[1]] = shape
    mask[41, 2:16] = True  # a bay: background between this arch and the edge of the picture
    mask[42:, 2] = mask[42:, 15] = True
    mask[42, 19 : 22 + side**2] = True  # long and thin
    if torch.randint(0, 2, (1,), generator=generator):
        mask = mask.flip(1)
    if torch.randint(0, 2, (1,), generator=generator):
        mask = mask.T
    return mask.contiguous(), side**2


def _square(side: int) -> Tensor:
    return torch.ones(side, side, dtype=torch.bool)


def _bar(side: int) -> Tensor:
    return torch.ones(2, side, dtype=torch.bool)  # fewer than side * side for side > 2


def _corner_less(side: int) -> Tensor:
    """One pixel too few to stay."""
    shape = _square(side)
    shape[-1, -1] = False
    return shape


def _angle(side: int) -> Tensor:
    """Few pixels in a large box."""
    shape = _square(side)
    shape[1:, 1:] = False
    return shape


def _ring(side: int) -> Tensor:
    ring = _square(side)
    ring[1:-1, 1:-1] = False
    return ring


def _pair(side: int) -> Tensor:
    """Two rectangles that touch at a corner; each is too small by itself."""
    pair = torch.zeros(2 * side, 2 * side - 2, dtype=torch.bool)
    pair[:side, : side - 1] = pair[side:, side - 1 :] = True
    return pair


def _diamond(radius: int) -> Tensor:
    """A ring whose pixels touch at corners only."""
    steps = torch.arange(-radius, radius + 1).abs()
    return steps[:, None] + steps[None, :] == radius


def _framed(shape: Tensor) -> Tensor:
    return torch.nn.functional.pad(shape, [2, 2, 2, 2])


def _expect(student: Any, mask: Tensor, min_pixels: int, what: str) -> None:
    answer = student(mask, min_pixels)
    if not isinstance(answer, Tensor):
        kind = "None: is the `return` missing?" if answer is None else f"a {type(answer).__name__}"
        raise AssertionError(f"the result is {kind}; wanted a torch.Tensor (torch.from_numpy)")
    if answer.dtype != torch.bool or answer.shape != mask.shape:
        raise AssertionError(
            f"the result is {answer.dtype} of shape {tuple(answer.shape)}, wanted torch.bool of "
            f"shape {tuple(mask.shape)}"
        )
    wanted = reference(mask, min_pixels)
    if not torch.equal(answer, wanted):
        missing, extra = int((wanted & ~answer).sum()), int((answer & ~wanted).sum())
        raise AssertionError(f"{what}: {missing} pixels are missing and {extra} are too many")


clean_mask = Check(
    "clean_mask", lab="four_steps", level="build", minutes=15, reference=reference, example=_example
)


@clean_mask.holds("fewer than min_pixels pixels go, exactly as many stay", points=1)
def _small(student: Any, generator: torch.Generator) -> None:
    side = int(torch.randint(3, 6, (1,), generator=generator))
    mask = _framed(_square(side))
    _expect(student, mask, side**2 + 1, f"{side**2} pixels with min_pixels={side**2 + 1}")
    _expect(student, mask, side**2, f"{side**2} pixels with min_pixels={side**2}")


@clean_mask.holds("pixels that touch at a corner belong together", points=1)
def _corners(student: Any, generator: torch.Generator) -> None:
    side = int(torch.randint(3, 6, (1,), generator=generator))
    _expect(student, _framed(_pair(side)), side**2, "two parts that touch at a corner")


@clean_mask.holds("holes are filled, whatever their size", points=1)
def _holes(student: Any, generator: torch.Generator) -> None:
    side = int(torch.randint(6, 10, (1,), generator=generator))
    _expect(student, _framed(_ring(side)), 5, f"a ring of {side} by {side} pixels")
    _expect(student, _framed(_diamond(3)), 5, "a ring closed at its corners only")


@clean_mask.holds("a bay at the edge of the picture is no hole", points=1)
def _bay(student: Any, generator: torch.Generator) -> None:
    wide = int(torch.randint(8, 12, (1,), generator=generator))
    mask = torch.zeros(8, wide + 4, dtype=torch.bool)
    mask[4, 2 : 2 + wide] = mask[4:, 2] = mask[4:, 1 + wide] = True
    _expect(student, mask, 5, "background that is cut off at the edge of the picture")


@clean_mask.holds("holes are filled before pixels are counted", points=1)
def _order(student: Any, generator: torch.Generator) -> None:
    side = int(torch.randint(4, 8, (1,), generator=generator))
    _expect(student, _framed(_ring(side)), side**2, "a ring that is large enough with its hole")


@clean_mask.holds("all of it at once, and the given mask stays as it was", points=1)
def _everything(student: Any, generator: torch.Generator) -> None:
    mask, min_pixels = _example(generator)
    _expect(student, mask, min_pixels, f"a mask of many shapes with min_pixels={min_pixels}")


clean_mask.mistake(
    "removed first, filled later",
    _other_order,
    hint="You removed small components before you filled the holes, so a ring was counted without "
    "its hole and thrown away. Fill first: the hole belongs to the object.",
)
clean_mask.mistake(
    "4 neighbours",
    partial(_clean, remove=partial(_large, structure=CROSS)),
    hint="Two pixels that touch at a corner belong together here, but you count along sides only. "
    "ndimage.label does so unless you pass structure=np.ones((3, 3)).",
)
clean_mask.mistake(
    "background leaks through corners",
    partial(_clean, fill=partial(_filled, structure=SQUARE)),
    hint="A hole whose rim is closed at corners only was not filled. If the foreground is "
    "connected across corners, the background must not be, or the two cross: let it spread along "
    "sides only (what binary_fill_holes does unless you pass a structure).",
)
clean_mask.mistake(
    "one pixel too strict",
    lambda mask, min_pixels: reference(mask, min_pixels + 1),
    hint="A component of exactly min_pixels pixels is gone. It stays: only *fewer* are removed.",
)
clean_mask.mistake(
    "one pixel too lenient",
    lambda mask, min_pixels: reference(mask, min_pixels - 1),
    hint="A component of min_pixels - 1 pixels is still there. Those of *fewer* than min_pixels "
    "go.",
)
clean_mask.mistake(
    "only the largest kept",
    _largest,
    hint="You kept the largest component alone. That suits a photograph of one pet; here every "
    "component with enough pixels stays.",
)
clean_mask.mistake(
    "holes not filled",
    partial(_clean, fill=np.asarray),
    hint="The small components are gone, but the holes are still there: fill them first.",
)
clean_mask.mistake(
    "nothing removed",
    partial(_clean, remove=lambda mask, min_pixels: mask),
    hint="The holes are filled, but small components are still there: label the components, count "
    "their pixels, keep the large ones.",
)
clean_mask.mistake(
    "the background kept",
    partial(_clean, remove=partial(_large, background=True)),
    hint="Everything came back as foreground. Label 0 is the background, and it has many pixels: "
    "say that it does not stay, keep[0] = False.",
)
clean_mask.mistake(
    "only small holes filled",
    _small_holes,
    hint="You filled small holes only. Here every hole is filled, whatever its size; min_pixels is "
    "about components.",
)
clean_mask.mistake(
    "filled from the corner",
    _corner,
    hint="You took everything that the top left corner does not reach for a hole. Background that "
    "is cut off at the edge of the picture may go on outside: it is no hole. Start from all pixels "
    "of the edge (binary_fill_holes does).",
)
clean_mask.mistake(
    "opening instead of counting",
    _opening,
    hint="You used an opening (erode, then dilate). It removes what is *thin*, whatever its number "
    "of pixels, and rounds corners. Label the components and count their pixels.",
)
clean_mask.mistake(
    "the small ones kept",
    _inverted,
    hint="You kept the components that were to go, and removed the others.",
)
