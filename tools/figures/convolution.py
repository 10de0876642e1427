"""The three figures of the chapter "Convolution"; what they show is computed by `course_lib`."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from course_lib.models import SimpleCNN
from course_lib.ops.convolution import Window, conv2d, conv_cost, output_size, receptive_field
from tools.figures.drawing import BLUE, LINE, ORANGE, WIDTH, Diagram

INPUT = [[1, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0]]  # the chapter's worked example
KERNEL = [[1, 0], [-1, 2]]
BIAS = 1
FRAMED = (0, 1)  # the output that is followed
LAYERS = {"conv1": "first convolution", "conv2": "second convolution"}
LAYERS |= {"fc1": "first linear", "fc2": "second linear"}


def window() -> Figure:
    """A window of the input, times the kernel, plus the bias, gives one output."""
    x, weight = torch.tensor(INPUT)[None, None], torch.tensor(KERNEL)[None, None]
    output = conv2d(x, weight, torch.tensor([BIAS]))[0, 0].tolist()
    (i, j), d, cell, top = FRAMED, Diagram(190), 38, 28
    grids = {
        "input": (6, INPUT, (2, 2)), "kernel": (200, KERNEL, None), "output": (358, output, (1, 1))
    }  # fmt: skip
    for name, (left, rows, framed) in grids.items():
        d.text(left, 12, name, at="left")
        for row, numbers in enumerate(rows):
            for column, number in enumerate(numbers):
                d.box(left + column * cell, top + row * cell, cell, cell, fill=0, line=1)
                middle = left + (column + 0.5) * cell, top + (row + 0.5) * cell
                d.text(*middle, str(number).replace("-", "−"))
        if framed:
            height, width = (cell * n for n in framed)
            d.box(left + j * cell, top + i * cell, width, height, ORANGE, line=3)
        else:
            d.box(left, top, 2 * cell, 2 * cell, ORANGE)
    d.text(179, top + cell, "⋆", size=26)
    d.text(317, top + cell, f"+ {BIAS}  =", size=18)
    products = [
        f"{str(KERNEL[u][v]) if KERNEL[u][v] >= 0 else f'(−{-KERNEL[u][v]})'}·{INPUT[i + u][j + v]}"
        for u in range(2)
        for v in range(2)
    ]
    total = f"{' + '.join(products)} + {BIAS} = {output[i][j]}"
    d.text(WIDTH / 2, top + 3 * cell + 26, total, ORANGE, size=17)
    return d.figure


def costs() -> dict[str, list[int]]:
    """Parameters and multiply-adds of the classifier's layers."""
    model = SimpleCNN()
    adds = [conv_cost(3, 32, 3, (32, 32)), conv_cost(32, 64, 3, (16, 16))]
    return {
        "parameters": [sum(p.numel() for p in getattr(model, n).parameters()) for n in LAYERS],
        "multiply-adds": [cost.multiply_adds for cost in adds]
        + [model.fc1.weight.numel(), model.fc2.weight.numel()],
    }


def network() -> Figure:
    """The classifier: shapes, parameters and multiply-adds."""
    shapes = ["3×32×32", "32×32×32", "32×16×16", "64×16×16", "64×8×8", "128", "10"]
    steps = ["conv", "pool", "conv", "pool", "linear", "linear"]
    heights, widths = [64, 64, 34, 34, 18, 60, 24], [10, 20, 20, 30, 30, 8, 8]
    d, middle, step = Diagram(330), 64, 66
    for k, (shape, height, width) in enumerate(zip(shapes, heights, widths, strict=True)):
        x = 40 + step * k
        colour = BLUE if k else LINE
        d.box(x - width / 2, middle - height / 2, width, height, colour)
        d.text(x, 116 if k % 2 else 136, shape)
        if k < len(steps):
            d.line((x + width / 2 + 6, middle), (x + step - widths[k + 1] / 2 - 6, middle))
            d.text(x + step / 2, 14, steps[k], BLUE)
    for left, (name, numbers) in zip((168, 332), costs().items(), strict=True):
        d.text(left, 172, f"{name}:", at="left")
        d.text(left, 192, f"{sum(numbers):,}", at="left")
        axes = d.chart(left, 206, 92, 118)
        shares = [number / sum(numbers) for number in numbers]
        colours = [ORANGE if share == max(shares) else BLUE for share in shares]
        bars = axes.barh(range(len(shares)), shares, 0.62, color=colours)
        axes.bar_label(bars, [_percent(share) for share in shares], padding=4)
        axes.set(xlim=(0, max(shares)), ylim=(len(shares) - 0.5, -0.5))
        axes.set_axis_off()
    for row, name in enumerate(LAYERS.values()):
        d.text(158, 206 + 118 * (row + 0.5) / 4, name, at="right")
    return d.figure


def field() -> Figure:
    """The receptive field of one place, layer by layer."""
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
        raise AssertionError("the figure and receptive_field disagree")
    d, cell, left = Diagram(232), 21, 108

    def edge(level: int, place: int) -> float:
        """Left edge of a place: it is drawn above the middle of its pixels."""
        jump = sizes[0] // sizes[level]
        return left + (place * jump + (jump - 1) / 2) * cell

    for level, (name, size) in enumerate(zip(names, sizes, strict=True)):
        y = 10 + (len(sizes) - 1 - level) * 48
        d.text(left - 10, y + cell / 2, name, at="right")
        colour = ORANGE if level == len(sizes) - 1 else BLUE
        for place in range(size):
            inside = place in seen[level]
            d.box(edge(level, place), y, cell, cell, colour if inside else LINE,
                  fill=0.6 if inside else 0, line=1)  # fmt: skip
        d.text(left + 16 * cell + 10, y + cell / 2, str(len(seen[level])), BLUE, at="left")
        if level:
            first, last = seen[level].start, seen[level].stop - 1
            under = seen[level - 1]
            d.line((edge(level, first), y + cell), (edge(level - 1, under.start), y + 48))
            right = edge(level - 1, under.stop - 1) + cell
            d.line((edge(level, last) + cell, y + cell), (right, y + 48))
    return d.figure


def _percent(share: float) -> str:
    return "< 1 %" if share < 0.01 else f"{100 * share:.0f} %"
