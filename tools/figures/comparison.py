"""The charts of the comparison of networks, from `results/`.

What is not measured is left out of a chart, and a chart of nothing says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.data.scenes.streets.scene import CLASSES
from course_lib.recipes.data_efficiency import NUMBERS
from course_lib.results import Result, load
from course_lib.results.claims.data_efficiency import claim_name as efficiency_claim
from course_lib.results.claims.segmentation import SHIFTS, claim_name
from tools.figures.drawing import BLUE, GREEN, ORANGE, PURPLE, legend, sheet, ticks

# Each network has a colour, and a mark as the second cue.
LOOKS = {
    "fcn": {"label": "FCN-8s", "color": ORANGE, "marker": "s"},
    "unet": {"label": "U-Net", "color": BLUE, "marker": "o"},
    "deeplabv3": {"label": "DeepLabV3", "color": PURPLE, "marker": "^"},
    "deeplabv3plus": {"label": "DeepLabV3+", "color": GREEN, "marker": "D"},
}
SHARES = [0, 0.2, 0.4, 0.6, 0.8, 1]
NOTHING = "not measured yet"


def finish(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """The legend of what was drawn, or a word that there is nothing to draw."""
    if axes.containers:
        legend(figure, columns)
    else:
        axes.text(0.5, 0.5, NOTHING, ha="center", transform=axes.transAxes)


def measured(folder: Path | None) -> dict[str, Result]:
    """The results on streets, by network."""
    results = {name: load(claim_name("streets", name), folder) for name in LOOKS}
    return {name: result for name, result in results.items() if result.measured}


def values(result: Result, metrics: Sequence[str]) -> tuple[list[float], list[float]]:
    """Means and deviations over the seeds."""
    return [result.mean(m) for m in metrics], [result.std(m) for m in metrics]


def compute(folder: Path | None = None) -> Figure:
    """Mean IoU on streets against multiply-adds."""
    figure = sheet(310)
    axes = figure.subplots()
    costs = load("segmentation-compute", folder)
    for name, result in measured(folder).items() if costs.measured else ():
        work = costs.mean(f"{name}_multiply_adds") / 1e6
        axes.errorbar(work, *values(result, ["test_mean_iou"]), linestyle="", **LOOKS[name])
    axes.set(xscale="log", xlim=(30, 600), ylim=(0, 1))
    axes.set(xlabel="million multiply-adds", ylabel="mean IoU")
    ticks(axes, [50, 100, 200, 400], SHARES)
    finish(figure, axes)
    return figure


def night(folder: Path | None = None) -> Figure:
    """Mean IoU of networks trained by day, by the condition of the test scenes."""
    figure = sheet(310)
    axes = figure.subplots()
    metrics = ["test_mean_iou", *(f"test_{condition}_mean_iou" for condition in SHIFTS)]
    for k, (name, result) in enumerate(measured(folder).items()):
        places = [place + 0.12 * (k - 1.5) for place in range(len(metrics))]
        axes.errorbar(places, *values(result, metrics), lw=1.2, elinewidth=2.5, **LOOKS[name])
    axes.set(xlim=(-0.5, len(metrics) - 0.5), ylim=(0, 1))
    axes.set(xlabel="condition of the test scenes", ylabel="mean IoU")
    ticks(axes, y=SHARES)
    axes.set_xticks(range(len(metrics)), ["day", *SHIFTS])
    finish(figure, axes)
    return figure


def data(folder: Path | None = None) -> Figure:
    """Mean IoU of the U-Net against the number of training images."""
    figure = sheet(310)
    axes = figure.subplots()
    results = {num: load(efficiency_claim(num), folder) for num in NUMBERS}
    results = {num: result for num, result in results.items() if result.measured}
    if results:
        scores = [result.mean("test_mean_iou") for result in results.values()]
        spread = [result.std("test_mean_iou") for result in results.values()]
        axes.errorbar(list(results), scores, spread, lw=1.2, elinewidth=2.5, **LOOKS["unet"])
    axes.set(xscale="log", xlim=(NUMBERS[0] / 2, NUMBERS[-1] * 2), ylim=(0, 1))
    axes.set(xlabel="training images", ylabel="mean IoU")
    ticks(axes, NUMBERS, SHARES)
    finish(figure, axes)
    return figure


def classes(folder: Path | None = None) -> Figure:
    """IoU of each class of streets, by network."""
    figure = sheet(520)
    axes = figure.subplots()
    metrics = [f"iou_{name.replace(' ', '_')}" for name in CLASSES]
    for k, (name, result) in enumerate(measured(folder).items()):
        scores, spread = values(result, metrics)
        places = [place + 0.19 * (k - 1.5) for place in range(len(CLASSES))]
        axes.errorbar(scores, places, xerr=spread, linestyle="", **LOOKS[name])
    axes.set(xlim=(-0.03, 1), ylim=(len(CLASSES) - 0.5, -0.5), xlabel="IoU")
    ticks(axes, SHARES)
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    finish(figure, axes)
    return figure
