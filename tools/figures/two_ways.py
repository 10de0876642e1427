"""The charts of bottom-up against top-down on cells, from `results/`.

What is not measured is left out of a chart, and a chart of nothing says so.
"""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.figure import Figure

from course_lib.results import load
from course_lib.results.claims.bottom_up import THIRDS
from tools.figures.comparison import finish
from tools.figures.drawing import BLUE, GREEN, LINE, ORANGE, PURPLE, sheet, ticks

# Each way has a colour, and a mark as the second cue; a quarter of the updates leaves it hollow.
BORDER = {"color": BLUE, "marker": "o", "linestyle": ""}
TOP_DOWN = {"color": PURPLE, "marker": "^", "linestyle": ""}
SHORT = {"markerfacecolor": "none", "markeredgewidth": 2}
LOOKS = {
    "cells-border": {"label": "border class", **BORDER},
    "cells-wide-border": {
        "label": "wide border", "color": GREEN, "marker": "D", "linestyle": "",
    },
    "cells-foreground": {
        "label": "foreground", "color": ORANGE, "marker": "s", "linestyle": "",
    },
    "cells-mask-rcnn": {"label": "Mask R-CNN", **TOP_DOWN},
    "cells-border-short": {"label": "border class, short", **BORDER, **SHORT},
    "cells-mask-rcnn-short": {"label": "Mask R-CNN, short", **TOP_DOWN, **SHORT},
}  # fmt: skip
DIFFERENCES = {
    "border": {"label": "full trainings", **BORDER},
    "short": {"label": "a quarter of the updates", **BORDER, **SHORT},
}
SCORES = {"pq": "PQ", "mask_ap": "mask AP", "count_error": "count error"}


def hundredths(low: float, high: float) -> list[float]:
    """At most five multiples of one step inside of a range, of two decimals."""
    for step in (1, 2, 5, 10, 20, 50):
        inside = range(math.ceil(100 * low / step), math.floor(100 * high / step) + 1)
        if len(inside) <= 5:
            break
    return [step * number / 100 for number in inside]


def factors(folder: Path | None = None) -> Figure:
    """How well nuclei are drawn (SQ) against how many are found (RQ), by way."""
    figure = sheet(400)
    axes = figure.subplots()
    for name, look in LOOKS.items():
        result = load(name, folder)
        if result.measured:
            x, y = ([result.mean(key), result.std(key)] for key in ("sq", "rq"))
            axes.errorbar(x[:1], y[:1], xerr=x[1:], yerr=y[1:], elinewidth=1.5, **look)
    axes.set(xlabel="SQ: mean IoU of what was found", ylabel="RQ: F1 of objects")
    axes.margins(0.1)
    left, right = axes.get_xlim()
    axes.set_xlim(left, math.ceil(100 * right) / 100 + 0.004)  # room for the last tick's words
    ticks(axes, hundredths(*axes.get_xlim()), hundredths(*axes.get_ylim()))
    finish(figure, axes, 2)
    return figure


def crowding(folder: Path | None = None) -> Figure:
    """Differences of the two ways, with their intervals, by how crowded the pictures are."""
    figure = sheet(560)
    panels = figure.subplots(len(SCORES), sharex=True)
    found = load("cells-differences", folder)
    groups = {"all": "", **{name: f"_{name}" for name in THIRDS}}
    for axes, (score, name) in zip(panels, SCORES.items(), strict=True):
        axes.axhline(0, color=LINE, lw=1)
        for k, (pair, look) in enumerate(DIFFERENCES.items() if found.measured else ()):
            keys = [f"{pair}_{score}{end}" for end in groups.values()]
            middle, low, high = (
                [found.mean(f"{key}{end}") for key in keys] for end in ("", "_low", "_high")
            )
            bars = [
                [m - a for m, a in zip(middle, low, strict=True)],
                [b - m for m, b in zip(middle, high, strict=True)],
            ]
            places = [place + 0.2 * (k - 0.5) for place in range(len(groups))]
            named = look if axes is panels[0] else look | {"label": "_" + look["label"]}
            axes.errorbar(places, middle, bars, elinewidth=1.5, **named)
        axes.set(ylabel=name, xlim=(-0.5, len(groups) - 0.5))
        ticks(axes, range(len(groups)), hundredths(*axes.get_ylim()))
    panels[-1].set_xticks(range(len(groups)), ["all", *THIRDS])
    panels[-1].set_xlabel("nuclei's pixels at a border to another nucleus")
    finish(figure, panels[0], 2)
    return figure
