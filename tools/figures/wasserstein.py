"""Draw the two pictures of the chapter on the Wasserstein distance, for light and for dark pages.

    python -m tools.figures.wasserstein    write wasserstein-NAME-light.svg and -dark.svg

The plan is computed; a test compares it with linear programming, and the files with what this
script writes.
"""

from __future__ import annotations

import math
from pathlib import Path

from tools.figures.deeplab import THEMES, Drawing

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
REAL, FAKE = (0.1, 0.4, 0.5), (0.6, 0.3, 0.1)  # the chapter's example: masses at 0, 1, 2


class Plot(Drawing):
    """A drawing with curves and dots."""

    def curve(
        self, points: list[tuple[float, float]], colour: str, *, width: float = 2, dash: str = ""
    ) -> None:
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{self.colours[colour]}" '
            f'stroke-width="{width:g}" stroke-linejoin="round"{dashes}/>'
        )

    def dot(self, x: float, y: float, colour: str, *, radius: float = 4) -> None:
        self.parts.append(
            f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:g}" fill="{self.colours[colour]}"/>'
        )


def plan(fake: tuple[float, ...], real: tuple[float, ...]) -> list[tuple[int, int, float]]:
    """The plan in which nobody overtakes: (from, to, mass), by filling up from the left."""
    have, want, moves = list(fake), list(real), []
    i = j = 0
    while i < len(have) and j < len(want):
        mass = min(have[i], want[j])
        if mass > 1e-9:
            moves.append((i, j, round(mass, 9)))
        have[i], want[j] = have[i] - mass, want[j] - mass
        if have[i] <= 1e-9:
            i += 1
        else:
            j += 1
    return moves


def lines(theme: str) -> str:
    """Two segments at a distance, and two distances between them as functions of theta."""
    d = Plot(theme)
    top, bottom = 40, 200
    d.curve([(50, top), (50, bottom)], "a", width=4)
    d.curve([(150, top), (150, bottom)], "b", width=4, dash="7 4")
    for k in range(5):
        y = top + 18 + k * 31
        d.arrow((144, y), (57, y))
    d.text(50, 24, "real", colour="a")
    d.text(150, 24, "generated", colour="b")
    d.text(50, 222, "0")
    d.text(150, 222, "θ")
    left, middle, right = 270, 400, 530
    unit = (bottom - top) / 1.1

    def y_of(value: float) -> float:
        return bottom - unit * value

    d.curve([(left, bottom), (right, bottom)], "line", width=1)
    d.curve([(middle, bottom), (middle, top - 8)], "line", width=1)
    for value, label in ((-1, "−1"), (0, "0"), (1, "1")):
        d.text(middle + value * 130, bottom + 22, label)
    d.text(middle + 65, bottom + 22, "θ")
    d.curve([(left, y_of(1)), (middle, y_of(0)), (right, y_of(1))], "c", width=3)
    level = y_of(math.log(2))
    for start, end in ((left, middle - 7), (middle + 7, right)):
        d.curve([(start, level), (end, level)], "b", width=3, dash="7 4")
    d.parts.append(
        f'<circle cx="{middle}" cy="{level:.2f}" r="5" fill="none" '
        f'stroke="{d.colours["b"]}" stroke-width="2"/>'
    )
    d.dot(middle, bottom, "b", radius=5)
    d.text(middle + 12, level - 10, "JS = log 2", colour="b", anchor="start")
    d.text(left + 4, top + 6, "W = |θ|", colour="c", anchor="start")
    return d.svg(232, "Two parallel segments, and how far apart two measures say that they are")


def bins(theme: str) -> str:
    """The worked example: bars of both distributions, and the plan that fills from the left."""
    d = Plot(theme)
    scale, width, step = 120, 44, 64
    for row, (masses, colour, name) in enumerate(((FAKE, "b", "generated"), (REAL, "a", "real"))):
        base = 104 + 124 * row
        place, anchor = ((10, "start"), (182, "end"))[colour == "b"]
        d.text(place, base - 64, name, colour=colour, anchor=anchor)
        for k, mass in enumerate(masses):
            x = 10 + step * k
            d.box(x, base - scale * mass, width, scale * mass, colour, fill=0.35)
            d.text(x + width / 2, base - scale * mass - 6, f"{mass:g}")
        d.curve([(2, base), (10 + step * 2 + width + 8, base)], "line", width=1)
    for k in range(3):
        d.text(10 + step * k + width / 2, 250, str(k))
    moves = plan(FAKE, REAL)
    left, top, cell = 330, 56, 56
    d.text(left + 1.5 * cell, 18, "from (generated)", colour="b")
    for k in range(3):
        d.text(left + cell * (k + 0.5), 46, str(k), colour="b")
        d.text(left - 16, top + cell * (k + 0.5) + 5, str(k), colour="a")
    d.text(left - 34, top + 1.5 * cell - 4, "to", colour="a", anchor="end")
    d.text(left - 34, top + 1.5 * cell + 14, "(real)", colour="a", anchor="end")
    for i in range(3):
        for j in range(3):
            mass = sum(m for a, b, m in moves if (a, b) == (i, j))
            x, y = left + cell * i, top + cell * j
            d.box(x, y, cell, cell, "c", fill=1.2 * mass, line=1)
            if mass:
                d.text(x + cell / 2, y + cell / 2 + 5, f"{mass:g}")
    work = sum(mass * abs(i - j) for i, j, mass in moves)
    d.text(left + 1.5 * cell, 250, f"work: mass × way = {work:.2g}")
    return d.svg(262, "Three bins: both distributions and the cheapest plan between them")


FIGURES = {"lines": lines, "bins": bins}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"wasserstein-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
