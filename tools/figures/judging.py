"""The figures of the chapters on losses and on metrics; what they show is computed."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.losses import LOSSES
from course_lib.metrics import boundary_counts, boundary_iou, confusion_matrix, iou
from tools.figures.drawing import BLUE, GREEN, ORANGE, WIDTH, Diagram, legend, sheet, ticks

PROBABILITIES = torch.linspace(0.001, 0.999, 41, dtype=torch.float64)


def pulls(name: str) -> list[float]:
    """Size of the gradient at the logit of one true pixel, for p from 0 to 1; largest value 1.

    The pixel is the tenth of an object of ten in an image of a thousand; the other nine have 1/2.
    """
    found = []
    for p in PROBABILITIES:
        z = torch.zeros(1, 2, 1, 1000, dtype=torch.float64)
        z[0, 0, 0, 10:] = 6  # background, nearly right
        z[0, 1, 0, 9] = torch.logit(p)
        z.requires_grad_()
        target = torch.zeros(1, 1, 1000, dtype=torch.long)
        target[0, 0, :10] = 1
        LOSSES[name](z, target).backward()
        found.append(float(z.grad[0, 1, 0, 9].abs()))
    return [value / max(found) for value in found]


def gradient() -> Figure:
    """How strongly three losses pull at one pixel, by how right it is."""
    figure = sheet(330)
    axes = figure.subplots()
    for name, label, colour, dash in (
        ("cross-entropy", "cross-entropy", BLUE, "-"),
        ("focal", "focal", ORANGE, "--"),
        ("dice", "Dice", GREEN, ":"),
    ):
        axes.plot(PROBABILITIES, pulls(name), color=colour, linestyle=dash, label=label)
    axes.set(
        xlabel="probability of the pixel's true class", ylabel="pull at the logit, largest = 1",
        xlim=(0, 1), ylim=(0, 1.03),
    )  # fmt: skip
    ticks(axes, [0, 0.5, 1], [0, 0.5, 1])
    legend(figure, 3)
    return figure


def disc(radius: int, size: int) -> Tensor:
    """Label map (1, size, size) of a disc in the middle."""
    y, x = torch.meshgrid(*[torch.arange(size) - size // 2] * 2, indexing="ij")
    return (x * x + y * y <= radius * radius)[None].long()


def border() -> Figure:
    """A large and a small disc, both found two pixels too large."""
    d, scale = Diagram(304), 3
    d.text(WIDTH / 2, 14, "answer: 2 pixels too large")
    for radius, x in ((32, 124), (8, 356)):
        truth, guess = disc(radius, 90), disc(radius + 2, 90)
        area = float(iou(confusion_matrix(guess, truth, 2))[1])
        edge = float(boundary_iou(boundary_counts(guess, truth, 2, width=2).sum(0))[1])
        d.circle(x, 132, radius * scale, BLUE, fill=0.25)
        d.circle(x, 132, (radius + 2) * scale, ORANGE, dash="--")
        words = (f"radius {radius} pixels", f"IoU {area:.2f}", f"boundary IoU {edge:.2f}")
        for row, line in enumerate(words):
            d.text(x, 250 + 21 * row, line)
    return d.figure
