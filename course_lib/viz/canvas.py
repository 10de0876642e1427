"""A canvas laid out in pixels, on which nothing is interpolated or shrunk."""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import BboxImage
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D, Bbox, TransformedBbox

from course_lib.viz.colours import ClassStyle
from course_lib.viz.pixels import Pixels, ink_colour, texture_lines

DPI = 100
WIDTH = 640  # pixels; what fits the book's column and stays readable on a phone
TEXT = 16  # pixels
SMALL_TEXT = 12  # pixels; titles that need less are broken into lines
GAP = 8  # pixels between pictures
Entry = tuple[str, float, float]


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many pixels, with a margin that keeps text from being cut."""
    # With layout="none" saving would fall back on the style's layout: this one does nothing.
    return plt.figure(
        figsize=((width + 2 * GAP) / DPI, (height + 2 * GAP) / DPI),
        dpi=DPI,
        layout=PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True),
    )


def show(figure: Figure, picture: Pixels, x: float, y: float) -> Axes:
    """Place a picture with its upper left corner at (x, y) pixels, one to one."""
    full_width, full_height = size_of(figure)
    height, width = picture.shape[:2]
    axes = figure.add_axes(
        (
            (x + GAP) / full_width,
            1 - (y + GAP + height) / full_height,
            width / full_width,
            height / full_height,
        )
    )
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return axes


def write(
    figure: Figure, text: str, x: float, y: float, size: float = TEXT, va: str = "bottom"
) -> None:
    """Write a text, its left edge at x and its bottom (or what `va` says) at y."""
    full_width, full_height = size_of(figure)
    position = ((x + GAP) / full_width, 1 - (y + GAP) / full_height)
    figure.text(*position, text, fontsize=size * 72 / DPI, va=va)


def text_width(text: str, size: float) -> float:
    """Width of a line of text in pixels."""
    return float(TextPath((0, 0), text, size=size).get_extents().width) if text.strip() else 0.0


def fitted(titles: Sequence[str], width: float) -> tuple[list[str], float]:
    """Titles and a text size for which no line is wider than a picture."""
    widest = max((text_width(line, TEXT) for t in titles for line in t.split("\n")), default=0)
    size = min(TEXT, max(SMALL_TEXT, int(TEXT * width / max(widest, 1))))
    letters = max(1, int(width / (0.65 * size)))
    return [
        "\n".join(
            piece
            for line in title.split("\n")
            for piece in (
                [line] if text_width(line, size) <= width else textwrap.wrap(line, letters)
            )
        )
        for title in titles
    ], size


def legend_layout(names: Sequence[str], width: float) -> tuple[list[Entry], float]:
    """Flow the legend's entries into lines: (name, x, y) each, and the height of all."""
    line = round(TEXT * 1.6)
    entries: list[Entry] = []
    x = y = 0.0
    for name in names:
        needed = TEXT * 1.6 + text_width(name, TEXT)
        if x and x + needed > width:
            x, y = 0.0, y + line
        entries.append((name, x, y))
        x += needed + TEXT
    return entries, (y + line if entries else 0.0)


def draw_legend(
    figure: Figure, entries: Sequence[Entry], styles: dict[str, ClassStyle], x: float, y: float
) -> None:
    """A patch with the class's colour and texture, and its name."""
    full_width, full_height = size_of(figure)
    for name, left, top in entries:
        style = styles[name]
        patch = np.full((TEXT, TEXT, 3), style.rgb, dtype=np.uint8)
        patch[texture_lines(style.texture, patch.shape)] = ink_colour(style)
        patch[[0, -1]] = patch[:, [0, -1]] = 0x80  # a thin frame, seen on light and dark pages
        corner = (round(x + left) + GAP, round(full_height - (y + top + GAP) - TEXT))
        place = Bbox.from_bounds(*corner, TEXT, TEXT).transformed(
            Affine2D().scale(1 / full_width, 1 / full_height)
        )
        drawn = BboxImage(TransformedBbox(place, figure.transFigure), interpolation="nearest")
        drawn.set_data(patch)
        figure.add_artist(drawn)
        write(figure, name, x + left + TEXT * 1.4, y + top + TEXT / 2, va="center")


def size_of(figure: Figure) -> tuple[float, float]:
    """Width and height in pixels."""
    width, height = figure.get_size_inches() * DPI
    return float(width), float(height)
