"""The two figures of the chapter on DeepLab: what they show is read from the code."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from course_lib.models import DeepLabV3Plus
from course_lib.ops.atrous import paths
from tools.figures.drawing import BLUE, FAINT, GREEN, ORANGE, Diagram

STACKS = ((1, 1, 1), (2, 2, 2), (1, 2, 3))  # rates of three layers


def network() -> Figure:
    """DeepLabV3+: backbone, atrous spatial pyramid pooling, decoder."""
    model = DeepLabV3Plus()
    strides, channels = model.backbone.strides, model.backbone.channels
    convs = [m for m in model.aspp.branches.modules() if isinstance(m, nn.Conv2d)]
    rates = [conv.dilation[0] for conv in convs if conv.kernel_size == (3, 3)]
    d, middle, left, step = Diagram(266), 122, 36, 41
    d.text(2, middle, "x", at="left")
    d.text(left + 2 * step + 9, 14, "backbone", BLUE)
    for i, (width, stride) in enumerate(zip(channels, strides, strict=True)):
        half = 64 / (2 ** (i + 1) if i < 4 else 16) ** 0.6  # the resolution, compressed
        x = left + step * i
        d.box(x, middle - half, 18, 2 * half, BLUE, fill=0.45 if i == 4 else 0.25)
        d.text(x + 9, middle - half - 13, f"1/{stride}", BLUE)
        d.text(x + 9, middle + half + 14, str(width))
        d.arrow((x - 21, middle), (x - 3, middle), colour=BLUE)
    end, branch = left + step * 4 + 18, left + step * 4 + 44
    joined = branch + 124
    for i, name in enumerate(["1×1", *(f"3×3, rate {rate}" for rate in rates), "mean"]):
        y = middle - 64 + 32 * i
        d.box(branch, y - 12, 102, 24, ORANGE, fill=0.3 if "rate" in name else 0.12)
        d.text(branch + 51, y, name)
        d.arrow((end + 2, middle), (end + 12, middle), (end + 12, y), (branch - 2, y))
        d.arrow((branch + 104, y), (joined - 2, y))
    d.box(joined, middle - 76, 14, 152, ORANGE)
    d.text(joined + 7, middle - 90, "ASPP", ORANGE)
    mix = joined + 46
    d.arrow((joined + 16, middle), (mix - 2, middle))
    d.text(joined + 30, middle - 14, f"↑{strides[-1] // 4}")
    d.box(mix, middle - 30, 22, 60, GREEN)
    d.text(mix + 11, middle + 45, str(model.head.in_channels))
    d.text(mix + 11, middle - 44, "1/4", GREEN)
    d.arrow((mix + 24, middle), (mix + 50, middle))
    d.text(mix + 36, middle - 14, "↑4")
    d.text(mix + 54, middle, "z", at="left")
    low = left + step + 9
    d.arrow((low, middle + 58), (low, 230), (mix + 11, 230), (mix + 11, middle + 58), colour=GREEN)
    words = f"the map at 1/{strides[1]}, brought to {model.reduce[0].out_channels} channels: where"
    d.text((low + mix) / 2, 248, words, GREEN)
    return d.figure


def holes() -> Figure:
    """Where one output of three layers looks, for three choices of rates."""
    cell, side, gap = 11, 13, 18
    d = Diagram(28 + side * cell + 28)
    for i, rates in enumerate(STACKS):
        ways = np.outer(paths(rates), paths(rates))
        num = len(ways)
        left = 8 + i * (side * cell + gap) + (side - num) / 2 * cell
        top = 28 + (side - num) / 2 * cell
        for k in range(num + 1):
            d.line((left + k * cell, top), (left + k * cell, top + num * cell), colour=FAINT)
            d.line((left, top + k * cell), (left + num * cell, top + k * cell), colour=FAINT)
        down, across = np.nonzero(ways)
        d.axes.scatter(
            left + (across + 0.5) * cell, top + (down + 0.5) * cell, (cell - 1.5) ** 2, BLUE,
            marker="s", alpha=0.12 + 0.88 * ways[down, across] / ways.max(), linewidths=0,
        )  # fmt: skip
        middle = left + num / 2 * cell
        d.text(middle, 14, "rates " + ", ".join(map(str, rates)))
        d.text(middle, d.height - 14, f"{len(down)} of {ways.size} pixels")
    return d.figure
