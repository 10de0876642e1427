"""Draw the pictures of the chapter on the game, for light and for dark pages.

    python -m tools.figures.gan    write gan-NAME-light.svg and -dark.svg

Every curve is computed: densities and discriminator from the formulas, pulls by the package's own
losses, divergences by quadrature. A test compares the files with what this script writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import numpy as np
import torch

from course_lib.losses import generator_loss

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {
        "ink": "#1a1a1a", "line": "#6a6a6a", "faint": "#d0d0d0",
        "real": "#0072B2", "fake": "#B84A00", "best": "#007A5A", "other": "#9A4F80",
    },
    "dark": {
        "ink": "#e6e6e6", "line": "#9a9a9a", "faint": "#4a4a4a",
        "real": "#56B4E9", "fake": "#F0A030", "best": "#2FC79B", "other": "#E094C4",
    },
}  # fmt: skip
WIDTH, LEFT, RIGHT = 560, 52, 14
REAL, FAKE = (1.4, 0.7), (-1.2, 1.1)  # mean and deviation of the two bells
Curve = Callable[[np.ndarray], np.ndarray]


class Plot:
    """Axes with curves, as SVG; data coordinates in, units of the view box out."""

    def __init__(
        self,
        theme: str,
        xs: tuple[float, float],
        ys: tuple[float, float],
        *,
        top: float = 16,
        height: float = 200,
    ) -> None:
        self.colours = THEMES[theme]
        self.xs, self.ys, self.top, self.height = xs, ys, top, height
        self.parts: list[str] = []

    def x(self, value: float) -> float:
        share = (value - self.xs[0]) / (self.xs[1] - self.xs[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.ys[0]) / (self.ys[1] - self.ys[0])
        return self.top + (1 - share) * self.height

    def ticks(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        for value in ys:
            self.rule(self.xs[0], value, self.xs[1], value, "faint", 1)
            self.text(self.x(self.xs[0]) - 8, self.y(value) + 5, shown(value), anchor="end")
        for value in xs:
            self.text(self.x(value), self.top + self.height + 20, shown(value))
        self.rule(self.xs[0], self.ys[0], self.xs[1], self.ys[0], "line", 1.5)

    def rule(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> None:
        self.parts.append(
            f'<line x1="{self.x(x1):.1f}" y1="{self.y(y1):.1f}" x2="{self.x(x2):.1f}" '
            f'y2="{self.y(y2):.1f}" stroke="{self.colours[colour]}" stroke-width="{width:g}"/>'
        )

    def curve(self, function: Curve, colour: str, *, dash: str = "", fill: float = 0) -> None:
        at = np.linspace(*self.xs, 181)
        values = function(at)
        inside = (values >= self.ys[0] - 1e-9) & (values <= self.ys[1] + 1e-9)
        pairs = zip(at[inside], values[inside], strict=True)
        points = " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in pairs)
        shade = self.colours[colour]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        if fill:
            ends = f"{self.x(at[inside][-1]):.1f},{self.y(self.ys[0]):.1f}"
            ends = f"{self.x(at[inside][0]):.1f},{self.y(self.ys[0]):.1f} {points} {ends}"
            self.parts.append(f'<polygon points="{ends}" fill="{shade}" fill-opacity="{fill:g}"/>')
        self.parts.append(
            f'<polyline points="{points}" fill="none" stroke="{shade}" stroke-width="2.5"{dashed}/>'
        )

    def arrow(self, x1: float, x2: float, y: float, colour: str) -> None:
        a, b, height = self.x(x1), self.x(x2), self.y(y)
        shade = self.colours[colour]
        self.parts.append(
            f'<path d="M{a:.1f},{height:.1f} H{b - 7:.1f}" stroke="{shade}" stroke-width="2.5" '
            f'fill="none"/><path d="M{b:.1f},{height:.1f} l-9,-5 v10 z" fill="{shade}"/>'
        )

    def label(self, x: float, y: float, text: str, colour: str, anchor: str = "start") -> None:
        self.text(self.x(x), self.y(y), text, colour=colour, anchor=anchor)

    def text(
        self, x: float, y: float, text: str, *, colour: str = "ink", anchor: str = "middle"
    ) -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{self.colours[colour]}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )


def shown(value: float) -> str:
    """A tick's number as people write it."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def svg(plots: Sequence[Plot], height: float, title: str) -> str:
    """Plots below each other."""
    body = "\n".join(part for plot in plots for part in plot.parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
        f'width="{WIDTH}" height="{height:g}" role="img" font-family="system-ui, sans-serif" '
        f'font-size="15"><title>{escape(title)}</title>\n{body}\n</svg>\n'
    )


def bell(mean: float, std: float) -> Curve:
    """The density of a Gaussian."""
    return lambda x: np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def players(theme: str) -> str:
    """Two densities; below them the best discriminator, and the way it sends generated points."""
    p, q = bell(*REAL), bell(*FAKE)
    span = (-4.0, 4.0)
    upper = Plot(theme, span, (0, 0.65), height=120)
    upper.ticks([], [0, 0.3, 0.6])
    upper.curve(q, "fake", dash="8 3", fill=0.12)
    upper.curve(p, "real", fill=0.12)
    upper.label(-1.7, 0.42, "q, the generator", "fake", "end")
    upper.label(2.15, 0.5, "p, the data", "real")
    lower = Plot(theme, span, (0, 1), top=164, height=120)
    lower.ticks([-4, -2, 0, 2, 4], [0, 0.5, 1])
    lower.curve(lambda x: p(x) / (p(x) + q(x)), "best")
    lower.label(-3.9, 0.86, "D*, the best discriminator", "best")
    for start in (-2.7, -1.9, -1.1):
        lower.arrow(start, start + 0.55, 0.14, "fake")
    return svg([upper, lower], 312, "Two densities, and the best discriminator between them")


def slope(kind: str) -> Curve:
    """How hard a loss pulls at a logit, upwards; computed by the package."""

    def pulled(x: np.ndarray) -> np.ndarray:
        logits = torch.tensor(x, requires_grad=True)
        loss = generator_loss(logits, kind=kind) * len(logits)
        return -torch.autograd.grad(loss, logits)[0].numpy()

    return pulled


def slopes(theme: str) -> str:
    """The pull of four losses, by the output of the discriminator."""
    plot = Plot(theme, (-6, 6), (-1, 3), height=230)
    plot.ticks([-6, -4, -2, 0, 2, 4, 6], [-1, 0, 1, 2, 3])
    plot.rule(-6, 0, 6, 0, "line", 1.5)
    plot.curve(slope("least-squares"), "other", dash="2 3")
    plot.curve(slope("hinge"), "ink", dash="9 3 2 3")
    plot.curve(slope("non-saturating"), "best", dash="8 3")
    plot.curve(slope("minimax"), "fake")
    plot.label(-1.1, 2.4, "least squares", "other")
    plot.label(-5.9, 1.15, "hinge", "ink")
    plot.label(-5.9, 0.68, "non-saturating", "best")
    plot.label(-5.9, 0.14, "minimax", "fake")
    plot.text(WIDTH / 2, 288, "output of the discriminator at a generated point")
    return svg([plot], 296, "How hard each loss pulls, by the discriminator's output")


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(120)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def fooled(d: np.ndarray) -> np.ndarray:
    """How often the best discriminator believes the generator: the mean of D* under q."""
    logit = -(d[:, None] ** 2) / 2 - d[:, None] * NODES  # eq-discriminator-logit, under q
    return (1 / (1 + np.exp(-logit))) @ WEIGHTS


def jensen_shannon(d: np.ndarray) -> np.ndarray:
    """JS of two unit Gaussians at the distance d, eq-js-gaussians."""
    return math.log(2) - np.logaddexp(0, -(d[:, None] ** 2) / 2 - d[:, None] * NODES) @ WEIGHTS


def distance(theme: str) -> str:
    """Pull and divergence, by the distance of two Gaussians."""
    plot = Plot(theme, (0, 8), (0, 3), height=230)
    plot.ticks([0, 2, 4, 6, 8], [0, 1, 2, 3])
    plot.rule(0, math.log(2), 8, math.log(2), "faint", 1)
    plot.curve(lambda d: d * (1 - fooled(d)), "best", dash="8 3")
    plot.curve(jensen_shannon, "real", dash="2 3")
    plot.curve(lambda d: d * fooled(d), "fake")
    plot.label(2.75, 2.5, "pull, non-saturating", "best", "end")
    plot.label(7.9, 0.8, "divergence JS", "real", "end")
    plot.label(7.9, 0.12, "pull, minimax", "fake", "end")
    plot.text(WIDTH / 2, 288, "distance of the two means, in standard deviations")
    return svg([plot], 296, "The pull on the generator's mean, by its distance from the data")


FIGURES = {"players": players, "slopes": slopes, "distance": distance}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"gan-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
