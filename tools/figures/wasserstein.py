"""The two figures of the chapter on the Wasserstein distance; the plan is computed."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tools.figures.drawing import BLUE, GREEN, LINE, ORANGE, sheet, ticks

REAL, FAKE = (0.1, 0.4, 0.5), (0.6, 0.3, 0.1)  # the chapter's example: masses at 0, 1, 2


def plan(fake: tuple[float, ...], real: tuple[float, ...]) -> np.ndarray:
    """The plan in which nobody overtakes: mass[from, to], by filling up from the left."""
    have, want, mass = list(fake), list(real), np.zeros((len(fake), len(real)))
    i = j = 0
    while i < len(have) and j < len(want):
        mass[i, j] = min(have[i], want[j])
        have[i], want[j] = have[i] - mass[i, j], want[j] - mass[i, j]
        if have[i] <= 1e-9:
            i += 1
        else:
            j += 1
    return mass.round(9)


def lines() -> Figure:
    """Two parallel segments, and how far apart two measures say that they are."""
    figure = sheet(290)
    segments, measures = figure.subplots(1, 2, width_ratios=(1, 1.7))
    segments.plot([0, 0], [0, 1], color=BLUE, lw=4)
    segments.plot([1, 1], [0, 1], color=ORANGE, lw=4, linestyle="--")
    for y in np.linspace(0.1, 0.9, 5):
        segments.plot([0.94, 0.08], [y, y], "-", color=LINE, lw=2, marker="<", markevery=[1])
    segments.text(0, 1.08, "real", color=BLUE, ha="center")
    segments.text(1, 1.08, "generated", color=ORANGE, ha="center")
    segments.set(xlim=(-0.3, 1.55), ylim=(0, 1.2))
    segments.set_xticks([0, 1], ["0", "θ"])
    segments.set_yticks([])
    segments.grid(False)
    segments.spines["left"].set_visible(False)
    theta = np.array([-1.0, 0.0, 1.0])
    measures.plot(theta, abs(theta), color=GREEN, label="W")
    for side in (-1, 1):  # flat at log 2, but for the point 0
        measures.plot([side, 0.04 * side], [math.log(2)] * 2, color=ORANGE, linestyle="--")
    measures.plot(0, math.log(2), "o", color=ORANGE, mfc="none", mew=2)
    measures.plot(0, 0, "o", color=ORANGE, clip_on=False, zorder=3)
    measures.text(0.06, math.log(2) + 0.07, "JS = log 2", color=ORANGE)
    measures.text(-0.85, 1, "W = |θ|", color=GREEN)
    measures.set(xlabel="θ", xlim=(-1, 1), ylim=(0, 1.2))
    ticks(measures, [-1, 0, 1], [0, 0.5, 1])
    return figure


def bins() -> Figure:
    """Three bins: both distributions, and the cheapest plan between them."""
    figure = sheet(330)
    parts = figure.subplot_mosaic([["fake", "plan"], ["real", "plan"]], width_ratios=(1, 1.25))
    for name, masses, colour, label in (
        ("fake", FAKE, ORANGE, "generated"), ("real", REAL, BLUE, "real"),
    ):  # fmt: skip
        bars = parts[name].bar(range(3), masses, 0.7, fc=(colour, 0.35), ec=colour, lw=1.5)
        parts[name].bar_label(bars, padding=2)
        parts[name].set_title(label, color=colour)
        parts[name].set(ylim=(0, 0.75))
        parts[name].grid(False)
        parts[name].spines["left"].set_visible(False)
        ticks(parts[name], range(3))
    moves, axes = plan(FAKE, REAL), parts["plan"]
    for (i, j), mass in np.ndenumerate(moves):
        axes.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, fc=(GREEN, 1.2 * mass), ec=GREEN))
        axes.text(i, j, f"{mass:g}" if mass else "", ha="center", va="center")
    work = sum(mass * abs(i - j) for (i, j), mass in np.ndenumerate(moves))
    axes.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), aspect="equal")
    axes.set_title("from (generated)", color=ORANGE, loc="center", pad=26)
    axes.set_ylabel("to (real)", color=BLUE)
    axes.set_xlabel(f"work: mass × way = {work:.2g}")
    ticks(axes, range(3), range(3))
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.tick_params("x", labelcolor=ORANGE)
    axes.tick_params("y", labelcolor=BLUE)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return figure
