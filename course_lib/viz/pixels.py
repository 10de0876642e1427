"""Pictures and label maps as exact pixels, before anything is drawn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course_lib.viz.colours import IGNORED, ClassStyle, class_styles, ink_on

Pixels = NDArray[np.uint8]
WRONG = ClassStyle("#F0E442", "x")
"""How a wrong pixel is drawn."""


def to_pixels(image: Any) -> Pixels:
    """Bring a picture into the one form that is drawn.

    Args:
        image: (C, H, W) or (H, W) uint8, or float in [-1, 1] as in batches, C = 1 or 3; or
            (H, W, 3) uint8; a tensor, an array or a PIL image.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: another shape, another dtype or floats outside of [-1, 1].
    """
    array = as_array(image)
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3 and array.shape[0] not in (1, 3) and array.shape[2] == 3:
        array = array.transpose(2, 0, 1)
    if array.ndim != 3 or array.shape[0] not in (1, 3):
        raise ValueError(
            f"got a picture of shape {tuple(array.shape)}; (3, H, W), (1, H, W), (H, W) or "
            "(H, W, 3) is needed. Take one item of a batch: images[0]."
        )
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float64)
        if not np.isfinite(array).all() or array.min() < -1.001 or array.max() > 1.001:
            raise ValueError(
                f"got floats from {array.min():.3g} to {array.max():.3g}; pictures hold uint8 from "
                "0 to 255 or floats in [-1, 1] (x / 127.5 - 1). Use clamp(-1, 1) for the output "
                "of a model."
            )
        array = np.clip(np.round((array + 1) * 127.5), 0, 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ValueError(f"got dtype {array.dtype}; pictures hold uint8 or floats in [-1, 1].")
    return np.ascontiguousarray(np.broadcast_to(array, (3, *array.shape[1:])).transpose(1, 2, 0))


def as_labels(mask: Any, num_classes: int) -> NDArray[np.int64]:
    """(H, W) labels, the ignored ones mapped to num_classes."""
    labels = as_array(mask)
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        raise ValueError(
            f"got a mask of shape {tuple(labels.shape)} and dtype {labels.dtype}; (H, W) integer "
            "labels are needed. From logits take argmax over the classes, from a batch one item."
        )
    labels = labels.astype(np.int64)
    return np.where((labels < 0) | (labels >= num_classes), num_classes, labels)


def enlarge(pixels: NDArray[Any], scale: int) -> NDArray[Any]:
    """Repeat every pixel scale times in both directions: (H, W, …) to (H scale, W scale, …)."""
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def paint(mask: Any, classes: Sequence[str], *, scale: int = 1, texture: bool = False) -> Pixels:
    """Colour a label map.

    Args:
        mask: (H, W) integer labels; labels beyond the classes count as ignored.
        classes: names, in the order of their labels.
        scale: whole multiple of the pixels.
        texture: draw the classes' textures too, at the enlarged size.

    Returns:
        (H scale, W scale, 3) uint8.

    Raises:
        ValueError: not a label map.
    """
    labels = enlarge(as_labels(mask, len(classes)), scale)
    styles = [*class_styles(classes).values(), IGNORED]
    picture = np.array([style.rgb for style in styles], dtype=np.uint8)[labels]
    if texture:
        for label in np.unique(labels):
            style = styles[label]
            inked = (labels == label) & texture_lines(style.texture, labels.shape)
            picture[inked] = ink_colour(style)
    return picture


def blend(
    image: Any,
    mask: Any,
    classes: Sequence[str],
    *,
    alpha: float = 0.5,
    background: str | None = "background",
) -> Pixels:
    """Lay the classes' colours over a picture: round((1 - alpha) image + alpha colour).

    Args:
        image: a picture, see `to_pixels`.
        mask: (H, W) integer labels of the same size; ignored pixels stay as they are.
        classes: names, in the order of their labels.
        alpha: share of the colour, from 0 (picture only) to 1 (colour only).
        background: the class that stays uncovered, or None.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: sizes that differ, alpha out of range.
    """
    pixels = to_pixels(image)
    labels = as_labels(mask, len(classes))
    if pixels.shape[:2] != labels.shape:
        raise ValueError(
            f"the picture has size {pixels.shape[:2]} and the mask {labels.shape}; they must be "
            "equal (height, width)."
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it must lie between 0 and 1.")
    colours = paint(mask, classes)
    covered = labels < len(classes)
    if background is not None and background in classes:
        covered &= labels != list(classes).index(background)
    mixed = np.round((1 - alpha) * pixels.astype(np.float64) + alpha * colours).astype(np.uint8)
    return np.where(covered[..., None], mixed, pixels)


def errors(
    picture: Pixels, truth: NDArray[Any], prediction: NDArray[Any], num_classes: int, scale: int
) -> Pixels:
    """Wrong pixels bright yellow and crossed, right ones as a dark grey picture."""
    grey = (picture.astype(np.float64) @ (0.299, 0.587, 0.114) * 0.4).astype(np.uint8)
    panel = enlarge(np.repeat(grey[..., None], 3, axis=2), scale)
    ignored = enlarge(truth == num_classes, scale)
    wrong = enlarge(truth != prediction, scale) & ~ignored
    for where, style in ((wrong, WRONG), (ignored, IGNORED)):
        panel[where] = style.rgb
        panel[where & texture_lines(style.texture, where.shape)] = ink_colour(style)
    return panel


def texture_lines(kind: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a texture puts ink: lines one pixel wide, eight pixels apart."""
    y, x = np.indices(shape[:2], sparse=True)
    period = 8
    falling, rising = (x - y) % period == 0, (x + y) % period == 0
    inked = {
        "plain": (x < 0) & (y < 0),
        "/": rising,
        "\\": falling,
        "-": (y % period == 4) & (x >= 0),
        "|": (x % period == 4) & (y >= 0),
        "x": rising | falling,
        "+": (y % period == 4) | (x % period == 4),
        ".": (y % 4 == 1) & ((x + 2 * (y // 4 % 2)) % 4 == 1),
    }[kind]
    return np.broadcast_to(inked, shape[:2])


def ink_colour(style: ClassStyle) -> tuple[int, ...]:
    """Colour of a texture's lines: the class's colour, on its way to black or to white."""
    ink = 0 if ink_on(style.colour) == "#000000" else 255
    return tuple(round(0.6 * value + 0.4 * ink) for value in style.rgb)


def rim(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a region with a neighbour outside of it; the picture's edge is no neighbour."""
    core = inside.copy()
    core[1:] &= inside[:-1]
    core[:-1] &= inside[1:]
    core[:, 1:] &= inside[:, :-1]
    core[:, :-1] &= inside[:, 1:]
    return inside & ~core


def as_array(values: Any) -> NDArray[Any]:
    """A tensor, an array or a picture as an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
        return np.asarray(values.numpy())
    return np.asarray(values)
