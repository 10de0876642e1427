"""Draw the two pictures of the chapter on DeepLab, for light and for dark pages.

    python -m tools.figures.deeplab        write deeplab-NAME-light.svg and -dark.svg

Channels, strides, rates and path counts are read from the code, so that a picture cannot disagree
with it; a test compares the files with what this script writes.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from torch import nn

from course_lib.models import DeepLabV3Plus
from course_lib.ops.atrous import paths

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {"ink": "#1a1a1a", "line": "#6a6a6a", "a": "#0072B2", "b": "#B84A00", "c": "#007A5A"},
    "dark": {"ink": "#e6e6e6", "line": "#9a9a9a", "a": "#56B4E9", "b": "#F0A030", "c": "#2FC79B"},
}
WIDTH = 560
STACKS = ((1, 1, 1), (2, 2, 2), (1, 2, 3))


class Drawing:
    """Collects SVG elements; units are those of the view box."""

    def __init__(self, theme: str) -> None:
        self.colours = THEMES[theme]
        self.parts: list[str] = []

    def box(
        self, x: float, y: float, w: float, h: float, colour: str, *, fill: float = 0.3,
        line: float = 1.5,
    ) -> None:  # fmt: skip
        tint = self.colours[colour]
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="{tint}" '
            f'fill-opacity="{fill:.3g}" stroke="{tint}" stroke-width="{line:g}"/>'
        )

    def arrow(self, *points: tuple[float, float], colour: str = "line") -> None:
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


def network(theme: str) -> str:
    """DeepLabV3Plus with its defaults: backbone, pyramid, decoder."""
    model = DeepLabV3Plus()
    net = model.backbone
    rates = [m.dilation[0] for m in model.aspp.branches.modules() if _is_3x3(m)]
    d = Drawing(theme)
    left, middle = 42, 120
    for i, (channels, stride) in enumerate(zip(net.channels, net.strides, strict=True)):
        half = 64 / (2 ** (i + 1) if i < 4 else 16) ** 0.6  # the resolution, compressed
        x = left + 44 * i
        d.box(x, middle - half, 22, 2 * half, "a", fill=0.45 if i == 4 else 0.25)
        d.text(x + 11, middle - half - 8, f"1/{stride}", colour="a")
        d.text(x + 11, middle + half + 18, str(channels))
        d.arrow((x - 20, middle), (x - 3, middle))
    d.text(14, middle + 5, "x")
    end = left + 44 * 4 + 22
    names = ["1×1", *(f"3×3, rate {r}" for r in rates), "mean"]
    for i, name in enumerate(names):
        y = middle - 76 + 32 * i
        d.box(end + 32, y, 96, 24, "b", fill=0.3 if "rate" in name else 0.12)
        d.text(end + 80, y + 17, name)
        d.arrow((end + 2, middle), (end + 16, middle), (end + 16, y + 12), (end + 30, y + 12))
    joined = end + 158
    d.box(joined, middle - 76, 16, 152, "b")
    for i in range(len(names)):
        y = middle - 64 + 32 * i
        d.arrow((end + 130, y), (joined - 3, y))
    d.text(joined + 8, middle - 86, "ASPP", colour="b")
    width = model.head.in_channels
    mix = joined + 62
    d.box(mix, middle - 30, 26, 60, "c")
    d.text(mix + 13, middle + 48, str(width))
    d.text(mix + 13, middle - 40, "1/4", colour="c")
    d.arrow((joined + 18, middle), (mix - 3, middle))
    d.text(joined + 38, middle - 8, f"↑{net.strides[-1] // 4}")
    low = left + 44 + 11
    d.arrow((low, middle + 58), (low, 226), (mix + 13, 226), (mix + 13, middle + 56), colour="c")
    reduced = model.reduce[0].out_channels
    text = f"the map at 1/{net.strides[1]}, brought to {reduced} channels: where"
    d.text((low + mix) / 2, 246, text, colour="c")
    d.arrow((mix + 28, middle), (mix + 60, middle))
    d.text(mix + 43, middle - 8, "↑4")
    d.text(mix + 70, middle + 5, "z")
    d.text(left + 99, 22, "backbone", colour="a")
    return d.svg(258, "DeepLabV3+: backbone, atrous spatial pyramid pooling, decoder")


def _is_3x3(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)


def holes(theme: str) -> str:
    """Where one output of three layers looks, for three choices of rates."""
    d = Drawing(theme)
    cell, side = 12.5, 13
    for i, rates in enumerate(STACKS):
        ways = paths(rates)
        left, top = 16 + i * (side * cell + 20), 34 + (side - len(ways)) / 2 * cell
        left += (side - len(ways)) / 2 * cell
        most = int(ways.max()) ** 2
        for row, down in enumerate(ways.tolist()):
            for column, across in enumerate(ways.tolist()):
                shade = 0.12 + 0.88 * down * across / most if down * across else 0
                x, y = left + column * cell, top + row * cell
                d.box(x, y, cell, cell, "a", fill=shade, line=0.5)
        middle = 16 + i * (side * cell + 20) + side * cell / 2
        d.text(middle, 20, "rates " + ", ".join(map(str, rates)))
        share = f"{int((ways > 0).sum()) ** 2} of {len(ways) ** 2} pixels"
        d.text(middle, 34 + side * cell + 22, share)
    return d.svg(34 + side * cell + 34, "Paths from the pixels to one output, for three stacks")


FIGURES = {"network": network, "holes": holes}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"deeplab-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
