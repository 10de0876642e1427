"""Draw the three pictures of the chapter "Convolution", for light and for dark pages.

    python -m tools.figures.convolution    write convolution-NAME-light.svg and -dark.svg

Every number in them is computed by `course_lib` or read from the model, so that a picture cannot
disagree with the code; a test compares the files with what this script writes.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import torch

from course_lib.models import SimpleCNN
from course_lib.ops.convolution import Window, conv2d, conv_cost, output_size, receptive_field

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {"ink": "#1a1a1a", "line": "#6a6a6a", "mark": "#B84A00", "soft": "#0072B2"},
    "dark": {"ink": "#e6e6e6", "line": "#9a9a9a", "mark": "#F0A030", "soft": "#56B4E9"},
}
WIDTH = 560
INPUT = [[1, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0]]  # the chapter's worked example
KERNEL = [[1, 0], [-1, 2]]
BIAS = 1


class Drawing:
    """Collects SVG elements; units are those of the view box."""

    def __init__(self, theme: str) -> None:
        self.colours = THEMES[theme]
        self.parts: list[str] = []

    def box(
        self, x: float, y: float, w: float, h: float, *, line: str = "line", fill: str = "",
        opacity: float = 0.3, width: float = 1,
    ) -> None:  # fmt: skip
        inside = f'fill="{self.colours.get(fill, "none")}" fill-opacity="{opacity:g}"'
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" {inside} '
            f'stroke="{self.colours[line]}" stroke-width="{width:g}"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = "line") -> None:
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" '
            f'stroke="{self.colours[colour]}" stroke-width="1.5"/>'
        )

    def text(
        self, x: float, y: float, text: str, *, colour: str = "ink", anchor: str = "middle",
        size: int = 15,
    ) -> None:  # fmt: skip
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" fill="{self.colours[colour]}" font-size="{size}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def grid(self, x: float, y: float, rows: list[list[int]], cell: float) -> None:
        for i, row in enumerate(rows):
            for j, number in enumerate(row):
                self.box(x + j * cell, y + i * cell, cell, cell)
                shown = str(number).replace("-", "−")
                self.text(x + (j + 0.5) * cell, y + (i + 0.5) * cell + 5, shown)

    def svg(self, height: float, title: str) -> str:
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
            f'width="{WIDTH}" height="{height:g}" role="img" font-family="system-ui, sans-serif">'
            f"<title>{escape(title)}</title>\n{body}\n</svg>\n"
        )


def window(theme: str) -> str:
    """The worked example: input, kernel, output, and the sum that gives one of its numbers."""
    x, weight = torch.tensor(INPUT)[None, None], torch.tensor(KERNEL)[None, None]
    output = conv2d(x, weight, torch.tensor([BIAS]))[0, 0].tolist()
    i, j = 0, 1  # the output that is framed
    d, cell, top = Drawing(theme), 40, 34
    left_kernel, left_output = 226, 376
    for left, name in ((16, "input"), (left_kernel, "kernel"), (left_output, "output")):
        d.text(left, top - 12, name, anchor="start")
    d.box(16 + j * cell, top + i * cell, 2 * cell, 2 * cell, line="mark", fill="mark")
    d.box(left_kernel, top, 2 * cell, 2 * cell, line="mark", fill="mark")
    d.box(left_output + j * cell, top + i * cell, cell, cell, line="mark", fill="mark")
    d.grid(16, top, INPUT, cell)
    d.grid(left_kernel, top, KERNEL, cell)
    d.grid(left_output, top, output, cell)
    d.box(16 + j * cell, top + i * cell, 2 * cell, 2 * cell, line="mark", width=3)
    d.box(left_output + j * cell, top + i * cell, cell, cell, line="mark", width=3)
    d.text((192 + left_kernel) / 2 + 2, top + cell + 6, "⋆", size=26)
    d.text((left_kernel + 2 * cell + left_output) / 2, top + cell + 6, f"+ {BIAS}  =", size=18)
    products = []
    for u in range(2):
        for v in range(2):
            weight_shown = str(KERNEL[u][v]) if KERNEL[u][v] >= 0 else f"(−{-KERNEL[u][v]})"
            products.append(f"{weight_shown}·{INPUT[i + u][j + v]}")
    total = f"{' + '.join(products)} + {BIAS} = {output[i][j]}"
    d.text(WIDTH / 2, top + 3 * cell + 32, total, colour="mark", size=17)
    return d.svg(top + 3 * cell + 48, "A window of the input, times the kernel, gives one output")


def network(theme: str) -> str:
    """The classifier's shapes, and where its parameters and its work lie."""
    model = SimpleCNN()
    shapes = ["3×32×32", "32×32×32", "32×16×16", "64×16×16", "64×8×8", "128", "10"]
    steps = ["conv", "pool", "conv", "pool", "linear", "linear"]
    heights, widths = [64, 64, 34, 34, 18, 60, 24], [10, 20, 20, 30, 30, 8, 8]
    d, middle, centre = Drawing(theme), 62, 40.0
    for index, (shape, height, width) in enumerate(zip(shapes, heights, widths, strict=True)):
        fill = "soft" if index else "line"
        d.box(centre - width / 2, middle - height / 2, width, height, fill=fill, width=1.5)
        d.text(centre, 120 if index % 2 else 140, shape)
        if index < len(steps):
            d.line(centre + width / 2 + 6, middle, centre + 80 - widths[index + 1] / 2 - 6, middle)
            d.text(centre + 40, 20, steps[index], colour="soft")
        centre += 80
    layers = ["conv1", "conv2", "fc1", "fc2"]
    parameters = [sum(p.numel() for p in getattr(model, name).parameters()) for name in layers]
    work = [conv_cost(3, 32, 3, (32, 32)), conv_cost(32, 64, 3, (16, 16))]
    adds = [cost.multiply_adds for cost in work]
    adds += [model.fc1.weight.numel(), model.fc2.weight.numel()]
    names = ["first convolution", "second convolution", "first linear", "second linear"]
    top = 190
    for left, title, numbers in ((150, "parameters", parameters), (360, "multiply-adds", adds)):
        d.text(left, top - 8, f"{title}: {sum(numbers):,}", anchor="start")
        for row, number in enumerate(numbers):
            share = number / sum(numbers)
            y = top + 26 * row
            fill = "mark" if share == max(numbers) / sum(numbers) else "soft"
            d.box(left, y + 4, max(130 * share, 1), 16, line=fill, fill=fill, opacity=0.6)
            d.text(left + 130 * share + 6, y + 17, _percent(share), anchor="start", size=14)
    for row, name in enumerate(names):
        d.text(140, top + 26 * row + 17, name, anchor="end", size=14)
    return d.svg(top + 26 * 4 + 8, "The classifier: shapes, parameters and multiply-adds")


def field(theme: str) -> str:
    """What one place after the second pooling depends on, along one axis."""
    layers = [Window(3, 1, 1), Window(2, 2), Window(3, 1, 1), Window(2, 2)]
    names = ["image", "convolution", "pooling", "convolution", "pooling"]
    sizes = [16]
    for layer in layers:
        kernel, stride, padding = layer
        sizes.append(output_size(sizes[-1], kernel, stride=stride, padding=padding))
    seen = [range(1, 2)]  # the place at the top, then what it needs below
    for layer in reversed(layers):
        first = seen[0].start * layer.stride - layer.padding
        last = (seen[0].stop - 1) * layer.stride - layer.padding + layer.kernel
        seen.insert(0, range(first, last))
    if len(seen[0]) != receptive_field(layers)[-1].size:
        raise AssertionError("the picture and receptive_field disagree")
    d, cell, left = Drawing(theme), 24, 112
    for level, (name, size) in enumerate(zip(names, sizes, strict=True)):
        y = 12 + (len(sizes) - 1 - level) * 48
        jump = sizes[0] // size
        shift = (jump - 1) * cell / 2  # a place is drawn above the middle of its pixels
        d.text(left - 12, y + 17, name, anchor="end")
        for place in range(size):
            inside = place in seen[level]
            fill = ("mark" if level == len(sizes) - 1 else "soft") if inside else ""
            d.box(left + place * jump * cell + shift, y, cell, cell, fill=fill, opacity=0.6)
        number = len(seen[level])
        d.text(left + 16 * cell + 12, y + 17, str(number), anchor="start", colour="soft")
        if level:
            for ends in (seen[level].start, seen[level].stop - 1):
                window_ = layers[level - 1]
                first = ends * window_.stride - window_.padding
                x = left + ends * jump * cell + shift
                below = sizes[0] // sizes[level - 1]
                under = left + (below - 1) * cell / 2
                if ends == seen[level].start:
                    d.line(x, y + cell, under + first * below * cell, y + 48)
                if ends == seen[level].stop - 1:
                    stop = (first + window_.kernel - 1) * below * cell
                    d.line(x + cell, y + cell, under + stop + cell, y + 48)
    return d.svg(12 + 48 * 4 + cell + 8, "The receptive field of one place, layer by layer")


def _percent(share: float) -> str:
    return "< 1 %" if share < 0.01 else f"{100 * share:.0f} %"


FIGURES = {"window": window, "network": network, "field": field}


def main() -> None:
    """Write all pictures."""
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"convolution-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
