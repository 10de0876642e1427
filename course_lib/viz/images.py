"""Pictures and label maps in figures, every pixel shown as a whole number of pixels."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from course_lib.viz.canvas import (
    GAP,
    TEXT,
    WIDTH,
    canvas,
    draw_legend,
    fitted,
    legend_layout,
    show,
    write,
)
from course_lib.viz.colours import IGNORED, class_styles
from course_lib.viz.pixels import (
    WRONG,
    as_labels,
    blend,
    enlarge,
    errors,
    ink_colour,
    paint,
    rim,
    texture_lines,
    to_pixels,
)

LARGEST = 256  # pixels; no picture is enlarged beyond that without being asked


def overlay(
    image: Any,
    mask: Any,
    classes: Sequence[str],
    *,
    alpha: float = 0.5,
    scale: int | None = None,
    background: str | None = "background",
) -> Figure:
    """Draw the classes over a picture, outlined, with a legend of those that occur.

    Args:
        image: a picture, see `to_pixels`.
        mask: (H, W) integer labels of the same size.
        classes: names, in the order of their labels.
        alpha: share of the colour.
        scale: whole multiple of the pixels; by default what fits 320 pixels.
        background: the class that stays uncovered, or None.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: as :func:`blend`.
    """
    mixed = blend(image, mask, classes, alpha=alpha, background=background)
    height, width = mixed.shape[:2]
    scale = scale or max(1, WIDTH // 2 // width)
    picture = enlarge(mixed, scale)
    labels = enlarge(as_labels(mask, len(classes)), scale)
    covered = labels < len(classes)
    if background is not None and background in classes:
        covered &= labels != list(classes).index(background)
    for label, style in enumerate(class_styles(classes).values()) if alpha else ():
        inside = (labels == label) & covered
        picture[inside & texture_lines(style.texture, labels.shape)] = ink_colour(style)
        picture[rim(inside)] = style.rgb
    width, height = width * scale, height * scale
    shown = [name for label, name in enumerate(classes) if (labels == label).any()]
    legend_width = max(width, WIDTH // 2)
    entries, legend_height = legend_layout(shown, legend_width)
    figure = canvas(legend_width, height + GAP + legend_height)
    show(figure, picture, 0, 0)
    draw_legend(figure, entries, class_styles(classes), 0, height + GAP)
    return figure


def image_grid(
    images: Any,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    scale: int | None = None,
) -> Figure:
    """Draw pictures in rows, each pixel enlarged by a whole number.

    Args:
        images: pictures of one size, see `to_pixels`: a batch (N, C, H, W) or a sequence.
        titles: a line or two above each picture.
        columns: pictures in a row; by default what fits, fewer when there are titles.
        scale: whole multiple of the pixels; by default what fits.

    Returns:
        A figure with one axes for each picture.

    Raises:
        ValueError: no picture, sizes that differ, a wrong number of titles.
    """
    pictures = [to_pixels(image) for image in images]
    if not pictures:
        raise ValueError("got no pictures; at least one is needed.")
    if len({picture.shape for picture in pictures}) > 1:
        sizes = sorted({picture.shape[:2] for picture in pictures})
        raise ValueError(f"the pictures have sizes {sizes}; a grid needs one size.")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"got {len(titles)} titles for {len(pictures)} pictures.")
    height, width = pictures[0].shape[:2]
    if columns is None:
        cell = max(110 if titles else 64, width)
        columns = max(1, (WIDTH + GAP) // (cell + GAP))
    columns = min(columns, len(pictures))
    if scale is None:
        scale = max(1, min((WIDTH + GAP) // columns - GAP, LARGEST) // width)
    height, width = height * scale, width * scale
    titles, size = fitted(titles or (), width)
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    above = round(lines * size * 1.3)
    rows = math.ceil(len(pictures) / columns)
    figure = canvas(columns * (width + GAP) - GAP, rows * (height + above + GAP) - GAP)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        x, y = column * (width + GAP), row * (height + above + GAP) + above
        show(figure, enlarge(picture, scale), x, y)
        if titles:
            write(figure, titles[index], x, y - size * 0.3, size=size)
    return figure


def segmentation_rows(
    images: Any,
    truth: Any,
    prediction: Any,
    classes: Sequence[str],
    *,
    titles: Sequence[str] | None = None,
    scale: int | None = None,
) -> Figure:
    """Draw input, truth, prediction and error of each item in a row, with a legend.

    In the last column wrong pixels are bright on the darkened picture; pixels with an ignored
    label are white with dots and count as neither.

    Args:
        images: (N, C, H, W) pictures, see `to_pixels`.
        truth: (N, H, W) labels; labels beyond the classes count as ignored.
        prediction: (N, H, W) labels.
        classes: names, in the order of their labels.
        titles: a line above each row.
        scale: whole multiple of the pixels; by default what fits.

    Returns:
        A figure with four axes for each item.

    Raises:
        ValueError: numbers or sizes that differ, a prediction without a class.
    """
    pictures = [to_pixels(image) for image in images]
    truths = [as_labels(mask, len(classes)) for mask in truth]
    predictions = [as_labels(mask, len(classes)) for mask in prediction]
    if not pictures or not len(pictures) == len(truths) == len(predictions):
        raise ValueError(
            f"got {len(pictures)} pictures, {len(truths)} true and {len(predictions)} predicted "
            "label maps; the same number, at least one, is needed."
        )
    shapes = {picture.shape[:2] for picture in pictures} | {m.shape for m in truths + predictions}
    if len(shapes) > 1:
        raise ValueError(f"pictures and label maps have sizes {sorted(shapes)}; one is needed.")
    if any((mask == len(classes)).any() for mask in predictions):
        raise ValueError(
            f"the prediction holds labels beyond the {len(classes)} classes; take "
            "logits.argmax(dim=1)."
        )
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"got {len(titles)} titles for {len(pictures)} rows.")
    height, width = pictures[0].shape[:2]
    scale = scale or max(1, ((WIDTH + GAP) // 4 - GAP) // width)
    height, width = height * scale, width * scale
    head = round(TEXT * 1.4)
    above = head if titles else 0
    used = sorted(set(np.unique(np.stack(truths + predictions)).tolist()))
    styles = class_styles(classes)
    names = [classes[label] for label in used if label < len(classes)]
    styles["wrong pixel"] = WRONG
    names.append("wrong pixel")
    if len(classes) in used:
        styles["ignored"] = IGNORED
        names.append("ignored")
    total = max(4 * (width + GAP) - GAP, WIDTH // 2)
    entries, legend_height = legend_layout(names, total)
    pitch = height + above + GAP
    figure = canvas(total, head + len(pictures) * pitch + legend_height)
    for column, name in enumerate(("input", "truth", "prediction", "error")):
        write(figure, name, column * (width + GAP), head - TEXT * 0.3)
    for row, (picture, true, guess) in enumerate(zip(pictures, truths, predictions, strict=True)):
        y = head + row * pitch + above
        if titles:
            write(figure, titles[row], 0, y - TEXT * 0.3)
        panels = (
            enlarge(picture, scale),
            paint(true, classes, scale=scale, texture=True),
            paint(guess, classes, scale=scale, texture=True),
            errors(picture, true, guess, len(classes), scale),
        )
        for column, panel in enumerate(panels):
            show(figure, panel, column * (width + GAP), y)
    draw_legend(figure, entries, styles, 0, head + len(pictures) * pitch)
    return figure
