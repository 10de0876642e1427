"""Draw the two pictures of the chapter on the FCN, for light and for dark pages.

    python -m tools.figures.fcn    write fcn-NAME-light.svg and -dark.svg

Channels and strides are read from the model and sums are computed, so that a picture cannot
disagree with the code; a test compares the files with what this script writes.
"""

from __future__ import annotations

from fractions import Fraction
from html import escape
from pathlib import Path

from course_lib.models import FCN

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {
        "ink": "#1a1a1a", "line": "#6a6a6a", "map": "#0072B2", "score": "#B84A00", "up": "#007A5A",
    },
    "dark": {
        "ink": "#e6e6e6", "line": "#9a9a9a", "map": "#56B4E9", "score": "#F0A030", "up": "#2FC79B",
    },
}  # fmt: skip
WIDTH = 560
CLASSES = 10
KERNELS = ((1, 2, 3, 4), (Fraction(1, 2), 1, Fraction(1, 2)))
INPUTS = 4
STRIDE = 2


class Drawing:
    """Collects SVG elements; units are those of the view box."""

    def __init__(self, theme: str) -> None:
        self.colours = THEMES[theme]
        self.parts: list[str] = []

    def box(
        self, x: float, y: float, w: float, h: float, colour: str, *, fill: float = 0.25
    ) -> None:
        shade = self.colours[colour]
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="{shade}" '
            f'fill-opacity="{fill:g}" stroke="{shade}" stroke-width="1.5"/>'
        )

    def circle(self, x: float, y: float) -> None:
        colour = self.colours["ink"]
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="10" fill="none" stroke="{colour}" '
            f'stroke-width="1.5"/><path d="M{x - 6:g},{y:g} h12 M{x:g},{y - 6:g} v12" '
            f'stroke="{colour}" stroke-width="1.5"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = "line") -> None:
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" '
            f'stroke="{self.colours[colour]}" stroke-width="1.5"/>'
        )

    def arrow(self, *points: tuple[float, float], colour: str = "ink") -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{self.colours[colour]}" '
            f'stroke-width="2" marker-end="url(#{colour})"/>'
        )

    def text(
        self, x: float, y: float, text: str, *, colour: str = "ink", anchor: str = "middle"
    ) -> None:
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" fill="{self.colours[colour]}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def svg(self, height: float, title: str) -> str:
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" '
            f'markerHeight="5" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
            for name, colour in self.colours.items()
        )
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
            f'width="{WIDTH}" height="{height:g}" role="img" font-family="system-ui, sans-serif" '
            f'font-size="15"><title>{escape(title)}</title>\n<defs>{markers}</defs>\n{body}\n</svg>\n'
        )


def fusion(theme: str) -> str:
    """The maps, their scores, and the sums, from stride 8 (above) to 32 (below)."""
    model = FCN(num_classes=CLASSES)
    sizes = dict(zip(model.backbone.strides, model.backbone.channels, strict=True))
    d = Drawing(theme)
    for x, name in ((78, "features"), (230, "scores"), (352, "sums"), (490, "results")):
        d.text(x, 20, name)
    rows = {8: 84.0, 16: 184.0, 32: 264.0}  # middle of each row
    previous = None
    for stride in (32, 16, 8):
        y, side = rows[stride], 640 / stride if stride == 8 else 640 / stride + 6
        d.box(78 - side / 2, y - side / 2, side, side, "map")
        d.text(78, y + 5, str(sizes[stride]))
        d.text(6, y + 5, f"÷{stride}", anchor="start")
        small = max(side * 0.8, 24)
        d.arrow((78 + side / 2 + 3, y), (230 - small / 2 - 3, y), colour="map")
        d.text((78 + side / 2 + 230 - small / 2) / 2, y - 8, "1×1", colour="map")
        d.box(230 - small / 2, y - small / 2, small, small, "score")
        d.text(230, y + 5, str(CLASSES))
        if previous is None:
            d.arrow((230 + small / 2 + 3, y), (440, y), colour="score")
        else:
            d.arrow((230 + small / 2 + 3, y), (338, y), colour="score")
            d.circle(352, y)
            d.arrow((352, previous), (352, y + 14), colour="up")
            d.text(362, (previous + y) / 2 + 8, "×2", colour="up", anchor="start")
            d.arrow((364, y), (440, y), colour="score")
        d.text(402, y - 8, f"×{stride}", colour="up")
        d.text(446, y + 5, f"FCN-{stride}s", anchor="start")
        previous = y if stride == 32 else y - 12
    for top, bottom in ((84 + 42, 184 - 25), (184 + 25, 264 - 15)):
        d.arrow((78, top), (78, bottom), colour="map")
    return d.svg(296, "FCN: scores at three depths, added from coarse to fine")


def shown(number: Fraction | int) -> str:
    """A number as people write it."""
    return {Fraction(1, 2): "½"}.get(Fraction(number), str(number))


def sums(kernel: tuple) -> list[Fraction]:
    """What INPUTS ones become: every copy of the kernel added up, STRIDE apart."""
    total = [Fraction(0)] * (STRIDE * (INPUTS - 1) + len(kernel))
    for i in range(INPUTS):
        for a, weight in enumerate(kernel):
            total[STRIDE * i + a] += Fraction(weight)
    return total


def phases(theme: str) -> str:
    """Copies of two kernels, and what they add up to."""
    d, cell, row, left = Drawing(theme), 40, 22, 92
    y = 24.0
    for kernel in KERNELS:
        d.text(left, y - 6, f"kernel ({', '.join(shown(w) for w in kernel)})", anchor="start")
        y += 4
        for i in range(INPUTS):
            d.text(left - 10, y + 16, f"input {i}", anchor="end")
            for a, weight in enumerate(kernel):
                x = left + (STRIDE * i + a) * cell
                d.box(x, y, cell, row, "map" if i % 2 else "up", fill=0.16)
                d.text(x + cell / 2, y + 16, shown(weight))
            y += row
        total = sums(kernel)
        d.line(left - 6, y + 4, left + len(total) * cell + 6, y + 4)
        y += 8
        d.text(left - 10, y + 17, "sum", anchor="end")
        for j, number in enumerate(total):
            d.box(left + j * cell, y, cell, row + 2, "score", fill=0.08 * float(number))
            d.text(left + (j + 0.5) * cell, y + 17, shown(number))
        y += row + 40
    return d.svg(y - 30, "Copies of a kernel, two places apart, and their sum")


FIGURES = {"fusion": fusion, "phases": phases}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"fcn-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
