"""Draw the two pictures of the chapter on StyleGAN, for light and for dark pages.

    python -m tools.figures.stylegan    write stylegan-NAME-light.svg and -dark.svg

Layers, channels and sizes are read from the model, and the curves are measured on it, so that a
picture cannot disagree with the code; a test compares the files with what this script writes.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import torch

from course_lib.models import StyleGANGenerator
from tools.figures.fcn import Drawing as Plain

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {
        "ink": "#1a1a1a", "line": "#6a6a6a", "map": "#0072B2", "style": "#B84A00",
        "noise": "#6a6a6a", "image": "#007A5A",
    },
    "dark": {
        "ink": "#e6e6e6", "line": "#9a9a9a", "map": "#56B4E9", "style": "#F0A030",
        "noise": "#9a9a9a", "image": "#2FC79B",
    },
}  # fmt: skip
WIDTH = 560
NUM_IMAGES = 64
STYLE_SPREAD = 1.0  # deviation of the logarithm (to base 2) of a random scale


class Drawing(Plain):
    """The same elements in this chapter's colours, and areas between curves."""

    def __init__(self, theme: str) -> None:
        super().__init__("light")
        self.colours = THEMES[theme]

    def curve(self, points: list[tuple[float, float]], colour: str, *, dashed: bool) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="7 5"' if dashed else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{self.colours[colour]}" '
            f'stroke-width="2.5"{dash}/>'
        )

    def area(self, points: list[tuple[float, float]], colour: str) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polygon points="{path}" fill="{self.colours[colour]}" fill-opacity="0.22"/>'
        )


def network(theme: str) -> str:
    """The mapping network, seven styled convolutions, and the images they leave."""
    model = StyleGANGenerator()
    d, top, gap = Drawing(theme), 70.0, 52.0
    column, images = 262.0, 470.0
    d.text(77, 24, "code to style")
    d.text(column, 24, "features")
    d.text(images, 24, "image")
    boxes = [f"code z: {model.latent_dim}", "normalise"]
    boxes += ["linear, leaky ReLU" for _ in model.mapper.layers] + [f"style w: {model.style_dim}"]
    for i, name in enumerate(boxes):
        y = top - 22 + i * 40
        ends = i in (0, len(boxes) - 1)
        d.box(2, y, 150, 26, "style" if ends else "line", fill=0.25 if ends else 0.1)
        d.text(77, y + 18, name)
        if i:
            d.arrow((77, y - 14), (77, y - 1))
    bus, last = 168.0, top - 22 + (len(boxes) - 1) * 40 + 13
    rows = [top + gap * (i + 1) for i in range(len(model.convs))]
    d.line(152, last, bus, last, "style")
    d.line(bus, min(last, rows[0]), bus, max(last, rows[-1]), "style")
    d.box(column - 66, top - 22, 132, 26, "map", fill=0.1)
    first = model.constant.shape
    d.text(column, top - 4, f"constant {first[1]}×{first[2]}")
    size, previous, above = first[1], top + 4, 0.0
    for i, (conv, y) in enumerate(zip(model.convs, rows, strict=True)):
        size *= 2 if conv.conv.up else 1
        channels = conv.conv.weight.shape[0]
        d.arrow((column, previous), (column, y - 15))
        d.arrow((bus, y), (column - 70, y), colour="style")
        d.box(column - 66, y - 13, 132, 26, "map", fill=0.25)
        d.text(column, y + 5, f"{'↑2, ' if conv.conv.up else ''}{size}×{size}, {channels}")
        d.arrow((column + 92, y), (column + 70, y), colour="noise")
        d.text(column + 96, y + 5, "noise", anchor="start", colour="noise")
        previous = y + 13
        if i % 2 == 0:  # the last convolution of its resolution
            side, down = 14 + 4 * math.log2(size), y + 26
            d.arrow((column + 30, y + 13), (column + 30, down), (images - side - 3, down))
            d.box(images - side, down - side / 2, 2 * side, side, "image", fill=0.25)
            d.text(images, down + 5, f"{size}×{size}")
            if i:
                d.arrow((images, above), (images, down - side / 2 - 2), colour="image")
                d.text(images + 8, (above + down - side / 2) / 2 + 5, "×2, +", anchor="start")
            above = down + side / 2
    return d.svg(rows[-1] + 56, "StyleGAN2: a style and noise for every layer")


@cache
@torch.no_grad()
def sizes() -> dict[str, list[list[float]]]:
    """Root mean square behind each layer, one row per layer, one number per image."""
    torch.manual_seed(0)
    found = {}
    model = StyleGANGenerator(noise=False)
    scales = [
        torch.exp2(STYLE_SPREAD * torch.randn(NUM_IMAGES, conv.conv.weight.shape[1]))
        * torch.exp2(STYLE_SPREAD * torch.randn(NUM_IMAGES, 1))
        for conv in model.convs
    ]
    for name in ("with", "without"):
        rows: list[list[float]] = []
        x = model.constant.expand(NUM_IMAGES, -1, -1, -1)
        for conv, scale in zip(model.convs, scales, strict=True):
            conv.conv.demodulate = name == "with"
            handle = conv.conv.affine.register_forward_hook(lambda _m, _i, _o, s=scale: s)
            x = conv(x, x.new_zeros(NUM_IMAGES, model.style_dim))
            handle.remove()
            rows.append(x.square().mean((1, 2, 3)).sqrt().sort().values.tolist())
        found[name] = rows
    return found


def size(theme: str) -> str:
    """How the signal's size develops, with and without demodulation."""
    d, left, right, top, bottom = Drawing(theme), 62.0, 430.0, 30.0, 250.0
    found = sizes()
    low, high = -2, 3  # powers of ten
    layers = len(found["with"])

    def place(layer: int, value: float) -> tuple[float, float]:
        x = left + (right - left) * layer / (layers - 1)
        return x, bottom - (bottom - top) * (math.log10(value) - low) / (high - low)

    for power in range(low, high + 1):
        y = place(0, 10.0**power)[1]
        d.line(left, y, right, y)
        label = f"{10.0**power:g}"
        d.text(left - 8, y + 5, label, anchor="end")
    for layer in range(layers):
        d.text(place(layer, 1)[0], bottom + 22, str(layer))
    d.text((left + right) / 2, bottom + 44, "layer")
    d.text(left - 56, top - 12, "root mean square of the features", anchor="start")
    for name, colour in (("without", "style"), ("with", "map")):
        rows = found[name]
        upper = [place(i, row[-1]) for i, row in enumerate(rows)]
        lower = [place(i, row[0]) for i, row in enumerate(rows)]
        d.area(upper + lower[::-1], colour)
        middle = [place(i, row[len(row) // 2]) for i, row in enumerate(rows)]
        d.curve(middle, colour, dashed=name == "without")
        y = middle[-1][1] + (6 if name == "with" else -14)
        d.text(right + 8, y, f"{name} de-", colour=colour, anchor="start")
        d.text(right + 8, y + 17, "modulation", colour=colour, anchor="start")
    return d.svg(bottom + 56, "The size of the signal, with and without demodulation")


FIGURES = {"network": network, "size": size}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"stylegan-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
