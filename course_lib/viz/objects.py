"""Objects on pictures: boxes with texts, masks and maps of instances.

Boxes are half-open, as everywhere in the course: (x1, y1, x2, y2) in pixels, where the columns x1
to x2 - 1 belong to the object. A line is therefore drawn on the edges between pixels, never through
their middle.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from course_lib.viz.canvas import DPI, GAP, SMALL_TEXT, WIDTH, canvas, fitted, show, write
from course_lib.viz.colours import (
    BLUE,
    GREEN,
    LIGHT_GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    YELLOW,
    ink_on,
)
from course_lib.viz.pixels import Pixels, as_array, enlarge, rim, to_pixels

INSTANCE_COLOURS = (ORANGE, SKY_BLUE, GREEN, VERMILLION, YELLOW, PURPLE, BLUE)
"""Of instances 1, 2, 3 …, in turn; rims and texts tell apart those that share one."""
LINES = {"solid": "-", "dashed": (0, (4, 2)), "dotted": (0, (1, 1.5))}
LARGEST = 384  # pixels; no picture is enlarged beyond that without being asked


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Objects that are drawn alike on one picture.

    Attributes:
        boxes: (n, 4) corners in pixels; they may reach beyond the picture.
        texts: one short text for each box, written at its upper left corner; or none.
        masks: (n, H, W) bool, laid over the picture in the colour of their box; or None.
        colour: of all of them, "#RRGGBB", or a sequence of n; by default `INSTANCE_COLOURS`.
        line: "solid", "dashed" or "dotted": the cue beside colour that tells layers apart.
        width: of the lines, in pixels of the figure; 0 draws masks and texts only.
    """

    boxes: Any
    texts: Sequence[str] = ()
    masks: Any = None
    colour: str | Sequence[str] | None = None
    line: str = "solid"
    width: float = 2.0


def object_grid(
    images: Any,
    layers: Sequence[Layer | Sequence[Layer]],
    *,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    scale: int | None = None,
    margin: int = 0,
) -> Figure:
    """Draw objects on pictures, each pixel enlarged by a whole number.

    Args:
        images: pictures of one size, see `to_pixels`: a batch (N, C, H, W) or a sequence.
        layers: for each picture one layer, or several; the last one lies on top.
        titles: a line or two above each picture.
        columns: pictures in a row; by default 2 at most.
        scale: whole multiple of the pixels; by default what fits.
        margin: pixels of grey around each picture, for boxes that reach beyond it.

    Returns:
        A figure with one axes for each picture, whose boxes are rectangles.

    Raises:
        ValueError: no picture, sizes that differ, a wrong number of layers, texts or masks.
    """
    pictures = [to_pixels(image) for image in images]
    stacks = [[own] if isinstance(own, Layer) else list(own) for own in layers]
    if not pictures or len({picture.shape for picture in pictures}) > 1:
        sizes = sorted({picture.shape[:2] for picture in pictures})
        raise ValueError(f"got pictures of the sizes {sizes}; at least one, and one size, needed.")
    for what, given in (("layers", stacks), ("titles", titles)):
        if given is not None and len(given) != len(pictures):
            raise ValueError(f"got {len(given)} {what} for {len(pictures)} pictures.")
    height, width = (side + 2 * margin for side in pictures[0].shape[:2])
    columns = min(columns or 2, len(pictures))
    scale = scale or max(1, min((WIDTH + GAP) // columns - GAP, LARGEST) // width)
    titles, size = fitted(titles or (), width * scale)
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    above = round(lines * size * 1.3)
    pitch_x, pitch_y = width * scale + GAP, height * scale + above + GAP
    rows = math.ceil(len(pictures) / columns)
    figure = canvas(columns * pitch_x - GAP, rows * pitch_y - GAP)
    for index, (picture, stack) in enumerate(zip(pictures, stacks, strict=True)):
        row, column = divmod(index, columns)
        x, y = column * pitch_x, row * pitch_y + above
        layers_of = [_checked(layer, picture.shape[:2]) for layer in stack]
        axes = show(figure, _with_masks(picture, layers_of, scale, margin), x, y)
        for layer in layers_of:
            _draw(axes, layer, scale, margin)
        if titles:
            write(figure, titles[index], x, y - size * 0.3, size=size)
    return figure


def paint_instances(
    ids: Any, image: Any = None, *, alpha: float = 0.6, scale: int = 1, texture: bool = True
) -> Pixels:
    """Colour a map of instances, each with a dark rim.

    Args:
        ids: (H, W) whole numbers; 0 is background.
        image: a picture of the same size that shines through; by default black.
        alpha: share of the colour where there is a picture.
        scale: whole multiple of the pixels.
        texture: draw the rims, so that neighbours of one colour stay apart.

    Returns:
        (H scale, W scale, 3) uint8.

    Raises:
        ValueError: not a map of whole numbers, or a picture of another size.
    """
    numbers = as_array(ids)
    if numbers.ndim != 2 or numbers.dtype.kind not in "biu":
        raise ValueError(
            f"got instances of shape {numbers.shape} and dtype {numbers.dtype}; (H, W) whole "
            "numbers are needed."
        )
    under = np.zeros((*numbers.shape, 3), np.uint8) if image is None else to_pixels(image)
    if under.shape[:2] != numbers.shape:
        raise ValueError(f"the picture has size {under.shape[:2]}, the map {numbers.shape}.")
    share = 1.0 if image is None else alpha
    numbers = enlarge(numbers.astype(np.int64), scale)
    picture = enlarge(under, scale).astype(np.float64)
    for number in np.unique(numbers[numbers > 0]):
        inside = numbers == number
        own = np.array(_rgb(INSTANCE_COLOURS[(number - 1) % len(INSTANCE_COLOURS)]))
        picture[inside] = (1 - share) * picture[inside] + share * own
        if texture:
            picture[rim(inside)] = 0.25 * own
    return np.round(picture).astype(np.uint8)


# ------------------------------------------------------------------------------------- drawing


@dataclass(frozen=True)
class _Checked:
    boxes: NDArray[np.float64]  # (n, 4)
    texts: Sequence[str]
    masks: NDArray[np.bool_] | None  # (n, H, W)
    colours: Sequence[str]
    line: str
    width: float


def _checked(layer: Layer, size: tuple[int, ...]) -> _Checked:
    boxes = as_array(layer.boxes).astype(np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"boxes: got shape {boxes.shape}; (n, 4) corners (x1, y1, x2, y2) are needed, (0, 4) "
            "for no object."
        )
    num = len(boxes)
    if layer.texts and len(layer.texts) != num:
        raise ValueError(f"got {len(layer.texts)} texts for {num} boxes.")
    if layer.line not in LINES:
        raise ValueError(f"line is {layer.line!r}; choose one of {', '.join(LINES)}.")
    masks = None if layer.masks is None else as_array(layer.masks)
    if masks is not None and (masks.shape != (num, *size) or masks.dtype != np.bool_):
        raise ValueError(
            f"masks: got {masks.dtype} of shape {masks.shape}; bool of shape {(num, *size)} is "
            "needed, for instance probabilities >= 0.5."
        )
    if layer.colour is None:
        colours = [INSTANCE_COLOURS[k % len(INSTANCE_COLOURS)] for k in range(num)]
    else:
        colours = [layer.colour] * num if isinstance(layer.colour, str) else list(layer.colour)
    if len(colours) != num:
        raise ValueError(f"got {len(colours)} colours for {num} boxes.")
    return _Checked(boxes, layer.texts, masks, colours, layer.line, layer.width)


def _with_masks(picture: Pixels, layers: Sequence[_Checked], scale: int, margin: int) -> Pixels:
    """The enlarged picture with the masks laid over it, half of their colour and a full rim."""
    ground = np.empty((picture.shape[0] + 2 * margin, picture.shape[1] + 2 * margin, 3), np.uint8)
    ground[:] = _rgb(LIGHT_GREY)
    inner = slice(margin, margin + picture.shape[0]), slice(margin, margin + picture.shape[1])
    ground[inner] = picture
    large = enlarge(ground, scale)
    for layer in layers:
        if layer.masks is None:
            continue
        for mask, colour in zip(layer.masks, layer.colours, strict=True):
            inside = enlarge(np.pad(mask, margin), scale)
            mixed = 0.5 * large[inside] + 0.5 * np.array(_rgb(colour))
            large[inside] = np.round(mixed).astype(np.uint8)
            large[rim(inside)] = _rgb(colour)
    return large


def _draw(axes: Axes, layer: _Checked, scale: int, margin: int) -> None:
    """Rectangles on the edges of pixels: pixel k of the picture spans k scale to (k + 1) scale."""
    points = 72 / DPI
    for index, (box, colour) in enumerate(zip(layer.boxes, layer.colours, strict=True)):
        x1, y1, x2, y2 = (box + margin) * scale - 0.5
        if layer.width:
            # A halo keeps lines in view on any ground; dots would drown in it.
            halo = [] if layer.line == "dotted" else [(1.5, ink_on(colour))]
            for wider, own in (*halo, (0.0, colour)):
                axes.add_patch(
                    Rectangle(
                        (x1, y1),
                        x2 - x1,
                        y2 - y1,
                        fill=False,
                        edgecolor=own,
                        linewidth=(layer.width + wider) * points,
                        linestyle="-" if wider else LINES[layer.line],
                        alpha=0.35 if wider else 1.0,
                    )
                )
        if layer.texts and layer.texts[index]:
            bottom, left, right = y1 >= SMALL_TEXT * 1.4, max(x1, 0.0), axes.get_xlim()[1]
            text = axes.text(
                left,
                y1 if bottom else y2,
                layer.texts[index],
                fontsize=SMALL_TEXT * points,
                color=ink_on(colour),
                va="bottom" if bottom else "top",
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.0, "alpha": 0.9},
                clip_on=True,
            )
            if left > 0.8 * right:
                text.set_horizontalalignment("right")
                text.set_x(min(x2, right))


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
