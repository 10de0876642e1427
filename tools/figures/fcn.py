"""The two figures of the chapter on the FCN: channels and strides are the model's."""

from __future__ import annotations

from fractions import Fraction

from matplotlib.figure import Figure

from course_lib.models import FCN
from tools.figures.drawing import BLUE, GREEN, INK, ORANGE, Diagram

CLASSES = 10
KERNELS = ((1, 2, 3, 4), (Fraction(1, 2), 1, Fraction(1, 2)))
INPUTS = 4
STRIDE = 2


def fusion() -> Figure:
    """FCN: scores at three depths, added from coarse to fine."""
    model = FCN(num_classes=CLASSES)
    channels = dict(zip(model.backbone.strides, model.backbone.channels, strict=True))
    d = Diagram(304)
    for x, name in ((78, "features"), (205, "scores"), (312, "sums"), (426, "results")):
        d.text(x, 16, name)
    rows = {8: 84.0, 16: 186.0, 32: 272.0}  # middle of each row
    previous = None
    for stride in (32, 16, 8):
        y, side = rows[stride], {8: 80, 16: 48, 32: 36}[stride]
        d.box(78 - side / 2, y - side / 2, side, side, BLUE)
        d.text(78, y, str(channels[stride]))
        d.text(2, y, f"÷{stride}", at="left")
        small = max(side * 0.8, 26)
        start, end = 78 + side / 2 + 3, 205 - small / 2 - 3
        d.arrow((start, y), (end, y), colour=BLUE)
        d.text((start + end) / 2, y - 14, "1×1", BLUE)
        d.box(205 - small / 2, y - small / 2, small, small, ORANGE)
        d.text(205, y, str(CLASSES))
        if previous is None:
            d.arrow((205 + small / 2 + 3, y), (388, y), colour=ORANGE)
        else:
            d.arrow((205 + small / 2 + 3, y), (298, y), colour=ORANGE)
            d.circle(312, y, 10, INK)
            d.line((306, y), (318, y), colour=INK)
            d.line((312, y - 6), (312, y + 6), colour=INK)
            d.arrow((312, previous), (312, y + 14), colour=GREEN)
            d.text(321, (previous + y) / 2 + 4, "×2", GREEN, at="left")
            d.arrow((324, y), (388, y), colour=ORANGE)
        d.text(356, y - 14, f"×{stride}", GREEN)
        d.text(394, y, f"FCN-{stride}s", at="left")
        previous = y if stride == 32 else y - 12
    for top, bottom in ((84 + 42, 186 - 27), (186 + 27, 272 - 21)):
        d.arrow((78, top), (78, bottom), colour=BLUE)
    return d.figure


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


def phases() -> Figure:
    """Copies of two kernels, two places apart, and their sums."""
    d, cell, row, left = Diagram(338), 38, 23, 74
    y = 12.0
    for kernel in KERNELS:
        d.text(left, y, f"kernel ({', '.join(shown(w) for w in kernel)})", at="left")
        y += 15
        for i in range(INPUTS):
            d.text(left - 10, y + row / 2, f"input {i}", at="right")
            for a, weight in enumerate(kernel):
                x = left + (STRIDE * i + a) * cell
                d.box(x, y, cell, row, BLUE if i % 2 else GREEN, fill=0.16)
                d.text(x + cell / 2, y + row / 2, shown(weight))
            y += row
        total = sums(kernel)
        d.line((left - 6, y + 4), (left + len(total) * cell + 6, y + 4))
        y += 8
        d.text(left - 10, y + row / 2, "sum", at="right")
        for j, number in enumerate(total):
            d.box(left + j * cell, y, cell, row, ORANGE, fill=0.08 * float(number))
            d.text(left + (j + 0.5) * cell, y + row / 2, shown(number))
        y += row + 26
    return d.figure
