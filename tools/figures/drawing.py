"""How the drawn figures look, and how they are written: drawn once, for light and for dark pages.

A figure is drawn in the light colours; for a dark page each colour is replaced by its partner. The
numbers and words that it shows stand in the file as well. So a test can tell that a picture is old,
whatever version of matplotlib drew it.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.text import Text

from tools.common import ROOT, write_if_changed

FOLDER, FRAMES_FOLDER = ROOT / "book" / "figures", ROOT / "book" / "frames"
INK, LINE, FAINT = "#1a1a1a", "#5a5a5a", "#dddddd"
# Okabe and Ito's colours, dark enough for words on white.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#b84a00", "#007a5a", "#8f3f71"
DARK = {
    INK: "#ececec", LINE: "#a8a8a8", FAINT: "#3a3a3a",
    BLUE: "#56b4e9", ORANGE: "#f0a030", GREEN: "#2fc79b", PURPLE: "#e08cbc",
}  # fmt: skip
# All lengths are pixels of a figure of this width. A phone of 390 pixels shows it 342 wide, so its
# words are 11 pixels high there.
WIDTH, SIZE = 480, 15.5
WORDS = ("font.", "axes.title", "axes.label", "xtick.label", "ytick.label", "legend.font")
PAGE = {f"{kind}size": SIZE for kind in WORDS} | {
    "figure.dpi": 72,  # a point is a pixel
    "font.sans-serif": ["system-ui", "DejaVu Sans"],  # the reader's; the widest, to lay out with
    "axes.linewidth": 1,
    "grid.linewidth": 1,
    "lines.linewidth": 2.5,
    "lines.markersize": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",
}

Point = tuple[float, float]


def page_style() -> AbstractContextManager[None]:
    """The style of `course_lib.viz`, in the sizes of a page."""
    return style.context([ROOT / "course_lib" / "viz" / "light.mplstyle", PAGE])


def sheet(height: float) -> Figure:
    """An empty figure."""
    return Figure(figsize=(WIDTH / 72, height / 72))


class Diagram:
    """Boxes, arrows and words on a sheet; y grows downwards."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = sheet(height)
        self.figure.set_layout_engine("none")
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        self.axes.set_axis_off()

    def box(
        self, x: float, y: float, width: float, height: float, colour: str = LINE, *,
        fill: float = 0.3, line: float = 1.5,
    ) -> None:  # fmt: skip
        """A rectangle from its upper left corner; `fill` is the share of its colour inside."""
        self.axes.add_patch(Rectangle((x, y), width, height, fc=(colour, fill), ec=colour, lw=line))

    def circle(
        self, x: float, y: float, radius: float, colour: str, *, fill: float = 0, dash: str = "-"
    ) -> None:
        self.axes.add_patch(
            Circle((x, y), radius, fc=(colour, fill), ec=colour, lw=2, linestyle=dash)
        )

    def line(self, *points: Point, colour: str = LINE, width: float = 1.5, dash: str = "-") -> None:
        x, y = zip(*points, strict=True)
        self.axes.plot(x, y, color=colour, lw=width, linestyle=dash, solid_capstyle="butt")

    def arrow(self, *points: Point, colour: str = LINE, dash: str = "-") -> None:
        """A line through the points, with a head at the last one."""
        (x0, y0), (x, y) = points[-2:]
        scale = 8 / math.hypot(x - x0, y - y0)
        dx, dy = scale * (x - x0), scale * (y - y0)  # the head is 8 long and 8 wide
        self.line(*points[:-1], (x - dx, y - dy), colour=colour, width=2, dash=dash)
        corners = [(x, y), (x - dx - dy / 2, y - dy + dx / 2), (x - dx + dy / 2, y - dy - dx / 2)]
        self.axes.add_patch(Polygon(corners, fc=colour, lw=0))

    def text(
        self, x: float, y: float, words: str, colour: str = INK, *, at: str = "center",
        size: float = SIZE,
    ) -> None:  # fmt: skip
        """Words whose middle is at the height y, and which lie around x, or "left" or "right"."""
        self.axes.text(x, y + 0.36 * size, words, color=colour, ha=at, fontsize=size)

    def chart(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes for data, in a part of the sheet."""
        low = 1 - (y + height) / self.height
        return self.figure.add_axes((x / WIDTH, low, width / WIDTH, height / self.height))


def plotted(figure: Figure) -> dict[str, Any]:
    """What a figure shows: its numbers, to four digits, one list for each artist, and its words."""
    figure.draw_without_rendering()  # only then the ticks have their labels
    arrays: list[Any] = []
    for axes in figure.axes:
        arrays += [line.get_xydata() for line in axes.lines]
        arrays += [text.get_position() for text in axes.texts]
        for patch in axes.patches:  # a bar, a box, a circle: its corners
            inside = patch.get_patch_transform().transform_path(patch.get_path())
            arrays.append(inside.get_extents().get_points())
        for collection in axes.collections:
            if isinstance(collection, PathCollection):  # of a scatter
                arrays += [collection.get_offsets(), collection.get_facecolor()[:, 3]]
            else:  # error bars, areas
                arrays += [path.vertices for path in collection.get_paths()]
    words = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    return {
        "numbers": [[float(f"{x:.4g}") for x in np.ravel(a)] for a in arrays],
        "words": sorted(word for word in words if word),
    }


def to_svg(figure: Figure) -> str:
    """The figure in light colours as SVG, and in it what is plotted."""
    buffer = io.StringIO()
    data = json.dumps(plotted(figure), ensure_ascii=False, separators=(",", ":"))
    nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue().replace("'system-ui', 'DejaVu Sans'", "system-ui")
    svg = re.sub(r'((?:width|height)="[\d.]+)pt"', r'\1"', svg, count=2)
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", svg)
    svg = re.sub(r"(\d\.\d\d)\d+", r"\1", svg)  # a hundredth of a pixel is enough
    svg = re.sub(r"\s*\n\s*(?!<)", " ", re.sub(r"\n\s*<", "\n<", svg))
    return svg.replace("<defs>", f"<metadata>{escape(data, quote=False)}</metadata>\n<defs>", 1)


def to_dark(svg: str) -> str:
    """The same in dark colours; a colour without a partner is a KeyError."""
    return re.sub(r"#[0-9a-f]{6}\b", lambda colour: DARK[colour[0]], svg)


def write(name: str, figure: Figure, folder: Path = FOLDER) -> None:
    """Write NAME-light.svg and NAME-dark.svg."""
    with page_style():
        light = to_svg(figure)
    for theme, svg in (("light", light), ("dark", to_dark(light))):
        write_if_changed(folder / f"{name}-{theme}.svg", svg)


def recorded(path: Path) -> dict[str, Any]:
    """What was plotted in a file that `write` wrote."""
    text = ElementTree.parse(path).getroot().findtext("{http://www.w3.org/2000/svg}metadata")
    return json.loads(text or "{}")


def legend(figure: Figure, columns: int) -> None:
    """One legend above all axes, each name in the colour of its marks."""
    figure.legend(
        loc="outside upper left", ncols=columns, labelcolor="linecolor", handletextpad=0.3,
        columnspacing=0.9, handlelength=1.6, borderpad=0,
    )  # fmt: skip


def ticks(axes: Axes, x: Sequence[float] = (), y: Sequence[float] = ()) -> None:
    """The ticks of both axes, written without needless digits."""
    for axis, values in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_ticks(values, [f"{value:,g}".replace("-", "\N{MINUS SIGN}") for value in values])
        axis.set_ticks([], minor=True)
