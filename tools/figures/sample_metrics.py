"""Draw the picture of the chapter on judging samples, for light and for dark pages.

    python -m tools.figures.sample_metrics    write book/math/figures/sample-metrics-balls-*.svg

The radii, and what lies inside of which ball, are computed by `course_lib`, so that the picture
cannot disagree with the code; a test compares the files with what this script writes.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import torch
from torch import Tensor

from course_lib.metrics import neighbour_radii, precision_recall

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {"ink": "#1a1a1a", "line": "#6a6a6a", "real": "#0072B2", "fake": "#B84A00"},
    "dark": {"ink": "#e6e6e6", "line": "#9a9a9a", "real": "#56B4E9", "fake": "#F0A030"},
}
K = 2
WIDTH, HEIGHT, PANEL = 560, 330, 280
# Two groups of real features and one outlier; samples of one group, and three that are nowhere.
REAL = torch.tensor(
    [[52, 60], [74, 48], [95, 70], [66, 86], [88, 98], [110, 52], [112, 88],
     [58, 178], [80, 196], [66, 214], [96, 210], [90, 180], [112, 196], [196, 134]]
).double()  # fmt: skip
FAKE = torch.tensor(
    [[62, 72], [80, 62], [84, 82], [100, 60], [102, 84], [72, 98], [122, 74],
     [158, 166], [170, 172], [162, 180]]
).double()  # fmt: skip


def shares() -> tuple[float, float]:
    """Precision and recall of the points that are drawn."""
    return tuple(precision_recall(REAL, FAKE, k=K))


def panel(theme: str, left: int, balls: Tensor, colour: str, title: str, note: str) -> list[str]:
    """One panel: balls around one of the two clouds, and all points."""
    c = THEMES[theme]
    radii = neighbour_radii(balls, K).sqrt().tolist()
    parts = [
        f'<svg x="{left}" y="32" width="{PANEL - 6}" height="{HEIGHT - 66}" '
        f'viewBox="{left} 32 {PANEL - 6} {HEIGHT - 66}">'
    ]
    parts += [
        f'<circle cx="{left + x:.1f}" cy="{y + 40:.1f}" r="{r:.1f}" fill="{c[colour]}" '
        f'fill-opacity="0.12" stroke="{c[colour]}" stroke-width="1" stroke-opacity="0.6"/>'
        for (x, y), r in zip(balls.tolist(), radii, strict=True)
    ]
    parts += [
        f'<circle cx="{left + x:.1f}" cy="{y + 40:.1f}" r="4" fill="{c["real"]}"/>'
        for x, y in REAL.tolist()
    ]
    parts += [
        f'<path d="M{left + x - 4:.1f},{y + 36:.1f} l8,8 m0,-8 l-8,8" stroke="{c["fake"]}" '
        'stroke-width="2.5" fill="none"/>'
        for x, y in FAKE.tolist()
    ]
    parts.append("</svg>")
    for y, text in ((22, title), (HEIGHT - 12, note)):
        parts.append(
            f'<text x="{left + PANEL / 2:g}" y="{y}" fill="{c["ink"]}" text-anchor="middle">'
            f"{escape(text)}</text>"
        )
    return parts


def balls(theme: str) -> str:
    """Precision on the left, recall on the right."""
    precision, recall = shares()
    parts = panel(
        theme, 0, REAL, "real", "balls around real features",
        f"precision {precision:.0%}",
    )  # fmt: skip
    parts += panel(
        theme, PANEL, FAKE, "fake", "balls around generated ones",
        f"recall {recall:.0%}",
    )  # fmt: skip
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" font-family="system-ui, sans-serif" '
        f'font-size="15"><title>Precision and recall by nearest neighbours</title>\n{body}\n'
        "</svg>\n"
    )


FIGURES = {"balls": balls}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"sample-metrics-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
