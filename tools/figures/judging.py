"""Draw the pictures of the chapters on losses and on metrics, for light and for dark pages.

    python -m tools.figures.judging    write the figures of both

Every number and curve in them is computed by `course_lib`, so that a picture cannot disagree with
the code; a test compares the files with what this script writes.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import torch
from torch import Tensor

from course_lib.losses import LOSSES
from course_lib.metrics import boundary_counts, boundary_iou, confusion_matrix, iou

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {"ink": "#1a1a1a", "line": "#6a6a6a", "mark": "#B84A00", "soft": "#0072B2",
              "third": "#007A5A"},
    "dark": {"ink": "#e6e6e6", "line": "#9a9a9a", "mark": "#F0A030", "soft": "#56B4E9",
             "third": "#2FC79B"},
}  # fmt: skip
WIDTH = 560
POINTS = 41


class Drawing:
    """Collects SVG elements; units are those of the view box."""

    def __init__(self, theme: str) -> None:
        self.colours = THEMES[theme]
        self.parts: list[str] = []

    def path(self, points: list[tuple[float, float]], colour: str, dash: str = "") -> None:
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{joined}" fill="none" stroke="{self.colours[colour]}" '
            f'stroke-width="2.5"{dashed}/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" '
            f'stroke="{self.colours["line"]}" stroke-width="1"/>'
        )

    def circle(
        self, x: float, y: float, r: float, colour: str, *, fill: float = 0, dash: str = ""
    ) -> None:
        inside = self.colours[colour] if fill else "none"
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{inside}" fill-opacity="{fill:g}" '
            f'stroke="{self.colours[colour]}" stroke-width="2"{dashed}/>'
        )

    def text(
        self, x: float, y: float, text: str, *, colour: str = "ink", anchor: str = "middle",
    ) -> None:  # fmt: skip
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" fill="{self.colours[colour]}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def svg(self, height: int, title: str) -> str:
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" font-family="system-ui, sans-serif" '
            f'font-size="15"><title>{escape(title)}</title>\n{body}\n</svg>\n'
        )


def pulls(name: str) -> list[float]:
    """Size of the gradient at the logit of one true pixel, for p from 0 to 1; largest value 1.

    The pixel is the tenth of an object of ten in an image of a thousand; the other nine have 1/2.
    """
    found = []
    for p in torch.linspace(0.001, 0.999, POINTS, dtype=torch.float64):
        z = torch.zeros(1, 2, 1, 1000, dtype=torch.float64)
        z[0, 0, 0, 10:] = 6  # background, nearly right
        z[0, 1, 0, 9] = torch.logit(p)
        z.requires_grad_()
        target = torch.zeros(1, 1, 1000, dtype=torch.long)
        target[0, 0, :10] = 1
        LOSSES[name](z, target).backward()
        found.append(float(z.grad[0, 1, 0, 9].abs()))
    return [value / max(found) for value in found]


def gradient(theme: str) -> str:
    """How strongly one pixel is pulled, by how right it is."""
    d = Drawing(theme)
    left, right, top, bottom = 56, 540, 40, 250
    d.line(left, bottom, right, bottom)
    d.line(left, top, left, bottom)
    for value in (0, 0.5, 1):
        x, y = left + value * (right - left), bottom - value * (bottom - top)
        d.text(x, bottom + 20, f"{value:g}")
        d.text(left - 8, y + 5, f"{value:g}", anchor="end")
    d.text((left + right) / 2, bottom + 42, "probability of the pixel's true class")
    d.text(8, 20, "pull at the logit, largest = 1", anchor="start")
    for name, colour, dash, place in (
        ("cross-entropy", "soft", "", (390, 150)),
        ("focal", "mark", "9 5", (190, 236)),
        ("dice", "third", "2 4", (318, 62)),
    ):
        curve = [
            (left + i / (POINTS - 1) * (right - left), bottom - value * (bottom - top))
            for i, value in enumerate(pulls(name))
        ]
        d.path(curve, colour, dash)
        d.text(*place, {"dice": "Dice", "focal": "focal"}.get(name, name), colour=colour)
    return d.svg(bottom + 56, "Gradient of three losses at one pixel")


def disc(radius: int, size: int) -> Tensor:
    """Label map (1, size, size) of a disc in the middle."""
    y, x = torch.meshgrid(*[torch.arange(size) - size // 2] * 2, indexing="ij")
    return (x * x + y * y <= radius * radius)[None].long()


def border(theme: str) -> str:
    """A large and a small disc, each found two pixels too large, and both scores."""
    d = Drawing(theme)
    scale = 3
    for radius, x in ((32, 140), (8, 420)):
        truth, guess = disc(radius, 90), disc(radius + 2, 90)
        area = float(iou(confusion_matrix(guess, truth, 2))[1])
        edge = float(boundary_iou(boundary_counts(guess, truth, 2, width=2).sum(0))[1])
        d.circle(x, 120, radius * scale, "soft", fill=0.25)
        d.circle(x, 120, (radius + 2) * scale, "mark", dash="6 4")
        d.text(x, 250, f"radius {radius}, answer 2 pixels too large")
        d.text(x, 274, f"IoU {area:.2f}")
        d.text(x, 298, f"boundary IoU {edge:.2f}")
    return d.svg(312, "A large and a small disc, both found two pixels too large")


FIGURES = {"losses-gradient": gradient, "metrics-border": border}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
