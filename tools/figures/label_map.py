"""The figure of the chapter on training: logits on every pixel, and the label map."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure

from tools.figures.drawing import BLUE, GREEN, INK, LINE, ORANGE, WIDTH, Diagram

LOGITS = (2.0, 0.0, 1.0)
LABELS = ((0, 0, 1, 1), (0, 0, 2, 1), (0, 2, 2, 255), (0, 2, 2, 2))
AT = (1, 1)  # the pixel that is looked at
COLOURS = (BLUE, ORANGE, GREEN)
SIDE, LEFT, RIGHT, TOP = 34, 8, WIDTH - 8 - 4 * 34, 64


def label_map() -> Figure:
    """A pixel's logits, its probabilities, and the map of the best classes."""
    d = Diagram(236)
    d.text(LEFT + 2 * SIDE, 18, "image")
    d.text(RIGHT + 2 * SIDE, 18, "label map")
    d.text(RIGHT + 2 * SIDE, 42, "(255: not labelled)", LINE)
    for i, row in enumerate(LABELS):
        for j, label in enumerate(row):
            x, y = j * SIDE, TOP + i * SIDE
            d.box(LEFT + x, y, SIDE, SIDE, LINE, fill=0.5 if (i, j) == AT else 0.1)
            open_ = label == 255
            colour = LINE if open_ else COLOURS[label]
            d.box(RIGHT + x, y, SIDE, SIDE, colour, fill=0 if open_ else 0.3)
            d.text(RIGHT + x + SIDE / 2, y + SIDE / 2, str(label))
    probabilities = torch.tensor(LOGITS).softmax(0).tolist()
    y = TOP + (AT[0] + 0.5) * SIDE
    d.arrow((LEFT + (AT[1] + 1) * SIDE + 2, y), (LEFT + 4 * SIDE + 22, y), colour=INK)
    d.text(192, TOP - 14, "z")
    d.text(264, TOP - 14, "p")
    for k, (z, p) in enumerate(zip(LOGITS, probabilities, strict=True)):
        at = TOP + k * SIDE + SIDE / 2
        d.box(176, at - SIDE / 2, 34, SIDE, COLOURS[k])
        d.text(193, at, f"{z:g}")
        d.box(240, at - SIDE / 2, 48, SIDE, COLOURS[k], fill=0.6 if k == 0 else 0.1)
        d.text(264, at, f"{p:.2f}")
    d.arrow((213, y), (237, y), colour=INK)
    d.arrow((291, y), (RIGHT - 4, y), colour=INK)
    d.text(192, TOP + 3 * SIDE + 16, "logits", LINE)
    d.text(264, TOP + 3 * SIDE + 16, "softmax", LINE)
    return d.figure
