"""Draw the figures of the comparison chapter from `results/`, for light and for dark pages.

    python -m tools.figures.comparison              the four charts, as SVG
    python -m tools.figures.comparison --failures   the worst scenes too, as PNG (needs checkpoints)

To be run again after `course results run`; a test compares the charts with what this draws, so a
new result and an old picture cannot stand beside each other. What is not measured is left out of a
chart, and a chart of nothing says so.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path

from course_lib.results import Result, load
from course_lib.results.claims.data_efficiency import NUMBERS
from course_lib.results.claims.data_efficiency import claim_name as efficiency_claim
from course_lib.results.claims.segmentation import ARCHITECTURES, SHIFTS, claim_name

FOLDER = Path(__file__).resolve().parents[2] / "book" / "images"
THEMES = {
    "light": {"ink": "#1a1a1a", "faint": "#c8c8c8", "page": "#ffffff"},
    "dark": {"ink": "#e6e6e6", "faint": "#555555", "page": "#121212"},
}
# Okabe and Ito's colours, each with a mark of its own as the second cue.
LOOKS = {
    "fcn": ("FCN-8s", {"light": "#B84A00", "dark": "#F0A030"}, "square"),
    "unet": ("U-Net", {"light": "#0072B2", "dark": "#56B4E9"}, "disc"),
    "deeplabv3": ("DeepLabV3", {"light": "#8F3F71", "dark": "#E08CBC"}, "triangle"),
    "deeplabv3plus": ("DeepLabV3+", {"light": "#007A5A", "dark": "#2FC79B"}, "diamond"),
}
WIDTH, HEIGHT = 560, 330
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 34, 52
NOTHING = "not measured yet"


@dataclass
class Axis:
    """Numbers to places: linear, or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)


class Chart:
    """Collects SVG elements over axes that are named, with their unit."""

    def __init__(
        self,
        theme: str,
        title: str,
        x: Axis,
        xlabel: str,
        ylabel: str,
        *,
        y: Axis | None = None,
        ticks: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        looks: dict[str, tuple[str, dict[str, str], str]] = LOOKS,
    ) -> None:
        self.theme, self.title, self.x, self.looks = theme, title, x, looks
        self.colours = THEMES[theme]
        self.y = y or Axis(0, 1, HEIGHT - BOTTOM, TOP)
        self.parts: list[str] = []
        self.shown: list[str] = []
        for tick in ticks:
            place = self.y(tick)
            self.line([(LEFT, place), (WIDTH - RIGHT, place)], "faint", 1)
            self.text(LEFT - 8, place + 5, f"{tick:.1f}" if tick < 2 else f"{tick:g}", "end")
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, xlabel)
        self.text(LEFT - 46, TOP - 16, ylabel, "start")

    def text(self, x: float, y: float, text: str, anchor: str = "middle", fill: str = "") -> None:
        fill = fill or self.colours["ink"]
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">'
            f"{escape(text)}</text>"
        )

    def line(self, points: list[tuple[float, float]], colour: str, width: float) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{self.colours.get(colour, colour)}" '
            f'stroke-width="{width:g}"/>'
        )

    def xtick(self, value: float, text: str) -> None:
        self.text(self.x(value), HEIGHT - BOTTOM + 18, text)

    def mark(self, name: str, x: float, mean: float, std: float) -> None:
        """One measured point with its deviation over the seeds."""
        _, colours, shape = self.looks[name]
        colour, y = colours[self.theme], self.y(mean)
        if math.isfinite(std):
            self.line([(x, self.y(mean - std)), (x, self.y(mean + std))], colour, 2)
        r = 5.5
        if shape == "disc":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}" fill="{colour}"/>')
        else:
            corners = {
                "square": [(-r, -r), (r, -r), (r, r), (-r, r)],
                "triangle": [(0, -r - 1), (r + 1, r), (-r - 1, r)],
                "diamond": [(0, -r - 2), (r + 1, 0), (0, r + 2), (-r - 1, 0)],
            }[shape]
            points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
            self.parts.append(f'<polygon points="{points}" fill="{colour}"/>')

    def legend(self, names: list[str]) -> None:
        """Marks and names in one line above the chart."""
        place = LEFT + 92.0
        for name in names:
            label, colours, _ = self.looks[name]
            low = self.y.low
            self.parts.append(f'<g transform="translate(0 {TOP - 21 - self.y(low):.1f})">')
            self.mark(name, place, low, math.nan)
            self.parts.append("</g>")
            self.text(place + 11, TOP - 16, label, "start", colours[self.theme])
            place += 34 + 8.2 * len(label)

    def svg(self) -> str:
        if not self.shown:
            self.text((LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2, NOTHING)
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img" font-family="system-ui, sans-serif" '
            f'font-size="14"><title>{escape(self.title)}</title>\n{body}\n</svg>\n'
        )


def _measured(results: dict[str, Result]) -> list[str]:
    return [name for name, result in results.items() if result.measured]


def streets(folder: Path | None = None) -> dict[str, Result]:
    """The comparison's results on streets, by architecture."""
    return {name: load(claim_name("streets", name), folder) for name in ARCHITECTURES}


def accuracy_and_compute(theme: str, folder: Path | None = None) -> str:
    """Mean IoU on streets against multiply-adds; both axes from results."""
    costs, results = load("segmentation-compute", folder), streets(folder)
    axis = Axis(30e6, 600e6, LEFT, WIDTH - RIGHT, log=True)
    chart = Chart(theme, "Mean IoU against compute", axis, "million multiply-adds", "mean IoU")
    for tick in (50, 100, 200, 400):
        chart.xtick(tick * 1e6, str(tick))
    chart.shown = _measured(results) if costs.measured else []
    for name in chart.shown:
        work = costs.mean(f"{name}_multiply_adds")
        score = results[name]
        chart.mark(name, axis(work), score.mean("test_mean_iou"), score.std("test_mean_iou"))
    chart.legend(chart.shown)
    return chart.svg()


def day_to_night(theme: str, folder: Path | None = None) -> str:
    """Mean IoU of networks trained by day, by the condition of the test scenes."""
    results, conditions = streets(folder), ("day", *SHIFTS)
    axis = Axis(-0.5, len(conditions) - 0.5, LEFT, WIDTH - RIGHT)
    chart = Chart(theme, "Trained by day", axis, "condition of the test scenes", "mean IoU")
    for place, condition in enumerate(conditions):
        chart.xtick(place, condition)
    chart.shown = _measured(results)
    for offset, name in enumerate(chart.shown):
        result, points = results[name], []
        for place, condition in enumerate(conditions):
            metric = "test_mean_iou" if condition == "day" else f"test_{condition}_mean_iou"
            x = axis(place + (offset - 1.5) * 0.12)
            points.append((x, chart.y(result.mean(metric))))
            chart.mark(name, x, result.mean(metric), result.std(metric))
        chart.line(points, LOOKS[name][1][theme], 1)
    chart.legend(chart.shown)
    return chart.svg()


def data_efficiency(theme: str, folder: Path | None = None) -> str:
    """Mean IoU of the U-Net against the number of training images."""
    results = {num: load(efficiency_claim(num), folder) for num in NUMBERS}
    axis = Axis(NUMBERS[0] / 2, NUMBERS[-1] * 2, LEFT, WIDTH - RIGHT, log=True)
    chart = Chart(theme, "How much data", axis, "training images", "mean IoU")
    points = []
    for num, result in results.items():
        chart.xtick(num, str(num))
        if result.measured:
            chart.shown = ["unet"]
            mean = result.mean("test_mean_iou")
            points.append((axis(num), chart.y(mean)))
            chart.mark("unet", axis(num), mean, result.std("test_mean_iou"))
    if points:
        chart.line(points, LOOKS["unet"][1][theme], 1)
    chart.legend(chart.shown)
    return chart.svg()


def classes(theme: str, folder: Path | None = None) -> str:
    """IoU of each class of streets, by network."""
    from course_lib.data.scenes.streets.scene import CLASSES

    results = streets(folder)
    axis = Axis(-0.5, len(CLASSES) - 0.5, LEFT, WIDTH - RIGHT)
    chart = Chart(theme, "IoU of each class", axis, "", "IoU")
    for place, name in enumerate(CLASSES):
        first, _, second = name.partition(" ")
        chart.text(axis(place), HEIGHT - BOTTOM + 18 + 16 * (place % 2), second or first)
    chart.shown = _measured(results)
    for offset, name in enumerate(chart.shown):
        for place, label in enumerate(CLASSES):
            metric = f"iou_{label.replace(' ', '_')}"
            x = axis(place + (offset - 1.5) * 0.17)
            chart.mark(name, x, results[name].mean(metric), results[name].std(metric))
    chart.legend(chart.shown)
    return chart.svg()


CHARTS = {
    "compute": accuracy_and_compute,
    "night": day_to_night,
    "data": data_efficiency,
    "classes": classes,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.figures.comparison")
    parser.add_argument("--failures", action="store_true", help="draw the worst scenes too")
    parser.add_argument("--checkpoints", nargs="*", help="names or files instead of the shipped")
    given = parser.parse_args()
    for name, draw in CHARTS.items():
        for theme in THEMES:
            path = FOLDER / f"comparison-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)
    if given.failures:
        from tools.figures.failures import PICTURE, draw_failures

        draw_failures(given.checkpoints).savefig(PICTURE, metadata={"Software": None})
        print(PICTURE.name)


if __name__ == "__main__":
    main()
