"""The figure of the chapter on judging samples: precision and recall by nearest neighbours."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from course_lib.metrics import neighbour_radii, precision_recall
from tools.figures.drawing import BLUE, ORANGE, sheet

K = 2
# Two groups of real features and one outlier; samples of one group, and three that are nowhere.
REAL = torch.tensor(
    [[52, 60], [74, 48], [95, 70], [66, 86], [88, 98], [110, 52], [112, 88],
     [58, 178], [80, 196], [66, 214], [96, 210], [90, 180], [112, 196], [196, 134]]
).double()  # fmt: skip
FAKE = torch.tensor(
    [[62, 72], [80, 62], [84, 82], [100, 60], [102, 84], [72, 98], [122, 74],
     [158, 166], [170, 172], [162, 180]]
).double()  # fmt: skip


def balls() -> Figure:
    """Precision on the left, recall on the right."""
    figure = sheet(280)
    precision, recall = precision_recall(REAL, FAKE, k=K)
    for axes, cloud, colour, title, share in zip(
        figure.subplots(1, 2), (REAL, FAKE), (BLUE, ORANGE),
        ("balls around real ones", "around generated ones"),
        (f"precision {precision:.0%}", f"recall {recall:.0%}"), strict=True,
    ):  # fmt: skip
        for centre, radius in zip(cloud.tolist(), neighbour_radii(cloud, K).sqrt(), strict=True):
            axes.add_patch(Circle(centre, float(radius), fc=(colour, 0.12), ec=(colour, 0.6)))
        axes.plot(*REAL.T, "o", color=BLUE, ms=8)
        axes.plot(*FAKE.T, "x", color=ORANGE, mew=2.5)
        axes.set(xlim=(14, 304), ylim=(262, 16), aspect="equal", title=title, xlabel=share)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure
