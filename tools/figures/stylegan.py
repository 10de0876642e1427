"""The two figures of the chapter on StyleGAN: read from the model, and measured on it."""

from __future__ import annotations

import math
from functools import cache

import torch
from matplotlib.figure import Figure

from course_lib.models import StyleGANGenerator
from tools.figures.drawing import BLUE, GREEN, LINE, ORANGE, Diagram, legend, sheet, ticks

NUM_IMAGES = 64
STYLE_SPREAD = 1.0  # deviation of the logarithm (to base 2) of a random scale


def network() -> Figure:
    """StyleGAN2: a style and noise for every layer."""
    model = StyleGANGenerator()
    top, gap = 70.0, 52.0
    bus, column, images = 171.0, 256.0, 425.0  # where styles run, and the middles of two columns
    rows = [top + gap * (i + 1) for i in range(len(model.convs))]
    d = Diagram(rows[-1] + 54)
    d.text(81, 16, "code to style")
    d.text(column, 16, "features")
    d.text(images, 16, "image")
    boxes = [f"code z: {model.latent_dim}", "normalise"]
    boxes += ["linear, leaky ReLU" for _ in model.mapper.layers] + [f"style w: {model.style_dim}"]
    for i, name in enumerate(boxes):
        y = top - 9 + i * 40
        ends = i in (0, len(boxes) - 1)
        d.box(2, y - 13, 158, 26, ORANGE if ends else LINE, fill=0.25 if ends else 0.1)
        d.text(81, y, name)
        if i:
            d.arrow((81, y - 27), (81, y - 14))
    last = top - 9 + (len(boxes) - 1) * 40
    d.line((160, last), (bus, last), colour=ORANGE)
    d.line((bus, min(last, rows[0])), (bus, max(last, rows[-1])), colour=ORANGE)
    size = model.constant.shape[1]
    d.box(column - 66, top - 22, 132, 26, BLUE, fill=0.1)
    d.text(column, top - 9, f"constant {size}×{size}")
    previous, above = top + 4, 0.0
    for i, (conv, y) in enumerate(zip(model.convs, rows, strict=True)):
        size *= 2 if conv.conv.up else 1
        channels = conv.conv.weight.shape[0]
        d.arrow((column, previous), (column, y - 14))
        d.arrow((bus, y), (column - 67, y), colour=ORANGE)
        d.box(column - 66, y - 13, 132, 26, BLUE, fill=0.25)
        d.text(column, y, f"{'↑2, ' if conv.conv.up else ''}{size}×{size}, {channels}")
        d.arrow((column + 88, y), (column + 68, y))
        d.text(column + 91, y, "noise", LINE, at="left")
        previous = y + 13
        if i % 2 == 0:  # the last convolution of its resolution
            side, down = 14 + 4 * math.log2(size), y + 26
            d.arrow((column + 30, y + 13), (column + 30, down), (images - side - 3, down))
            d.box(images - side, down - side / 2, 2 * side, side, GREEN, fill=0.25)
            d.text(images, down, f"{size}×{size}")
            if i:
                d.arrow((images, above), (images, down - side / 2 - 2), colour=GREEN)
                d.text(images + 8, (above + down - side / 2) / 2, "×2, +", at="left")
            above = down + side / 2
    return d.figure


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


def size() -> Figure:
    """The size of the signal behind each layer, with and without demodulation."""
    figure = sheet(320)
    axes = figure.subplots()
    for name, colour, dash in (("without", ORANGE, "--"), ("with", BLUE, "-")):
        rows = sizes()[name]
        layers = range(len(rows))
        axes.fill_between(
            layers, [row[0] for row in rows], [row[-1] for row in rows],
            color=colour, alpha=0.22, lw=0,
        )  # fmt: skip
        median = [row[len(row) // 2] for row in rows]
        axes.plot(layers, median, color=colour, linestyle=dash, label=f"{name} demodulation")
    axes.set(yscale="log", xlabel="layer", xlim=(0, layers[-1]), ylim=(0.01, 1000))
    axes.set_ylabel("root mean square")
    ticks(axes, layers, [0.01, 0.1, 1, 10, 100, 1000])
    legend(figure, 2)
    return figure
