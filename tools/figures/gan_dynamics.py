"""Draw the two pictures of the chapter on the dynamics of games, for light and for dark pages.

    python -m tools.figures.gan_dynamics    write gan-dynamics-NAME-light.svg and -dark.svg

Every path is played with the functions of `course_lib.ops.games`, every eigenvalue is that of its
Jacobian; a test compares the files with what this script writes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from course_lib.ops import games
from tools.figures.deeplab import THEMES
from tools.figures.wasserstein import Plot

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
START = torch.tensor([0.9, 0.0], dtype=torch.float64)
LR, STEPS, GAMMA = 0.25, 50, 0.4  # of the four paths
PANEL, HALF = 272, 100  # width of a panel; pixels of a radius of `REACH`
REACH = 2.1


def played() -> dict[str, Tensor]:
    """The four paths on the bilinear game, all from the same start."""
    game, damped = games.dirac_gan(), games.dirac_gan(gamma=GAMMA)
    return {
        "infinitely small steps": games.flow(game, START, time=LR * STEPS, steps=100),
        "simultaneous steps": games.simultaneous(game, START, lr=LR, steps=STEPS // 2),
        "alternating steps": games.alternating(game, START, lr=LR, steps=STEPS),
        "alternating, with R1": games.alternating(damped, START, lr=LR, steps=STEPS),
    }


def paths(theme: str) -> str:
    d = Plot(theme)
    for index, (name, path) in enumerate(played().items()):
        x0 = 8 + PANEL * (index % 2) + PANEL / 2
        y0 = 134 + 246 * (index // 2)
        d.text(x0 - HALF, y0 - HALF - 16, name, anchor="start")
        d.curve([(x0 - HALF, y0), (x0 + HALF, y0)], "line", width=1)
        d.curve([(x0, y0 - HALF), (x0, y0 + HALF)], "line", width=1)
        d.text(x0 + HALF + 12, y0 + 5, "θ")
        d.text(x0 + 8, y0 - HALF + 8, "ψ", anchor="start")
        places = [(x0 + HALF / REACH * t, y0 - HALF / REACH * p) for t, p in path.tolist()]
        colour = "abcc"[index] if index != 3 else "a"
        d.curve(places, colour, width=2.5 if index == 0 else 1.2)
        if index:
            for x, y in places[1:]:
                d.dot(x, y, colour, radius=2.2)
        d.dot(*places[0], "ink", radius=4.5)
    return d.svg(492, "Four ways to play the bilinear game, all from the same start")


def gamma(theme: str) -> str:
    """Eigenvalues of the Dirac-GAN with logistic losses, and the slower rate, by gamma."""
    d = Plot(theme)
    origin = torch.zeros(2, dtype=torch.float64)
    values = [i / 50 for i in range(101)]  # 0 to 2
    pairs = [
        torch.linalg.eigvals(games.jacobian(games.dirac_gan("non-saturating", gamma=g), origin))
        for g in values
    ]
    pairs = [z[(z.imag + 1e-3 * z.real).argsort()] for z in pairs]
    x0, y0, unit = 214, 124, 96
    d.curve([(14, y0), (x0 + 34, y0)], "line", width=1)
    d.curve([(x0, y0 - 78), (x0, y0 + 78)], "line", width=1)
    d.text(x0 + 8, y0 - 70, "imaginary", anchor="start")
    d.text(14, y0 - 8, "real", anchor="start")
    for part, colour, dash in ((0, "b", "7 4"), (1, "a", "")):
        places = [(x0 + unit * z[part].real.item(), y0 - unit * z[part].imag.item()) for z in pairs]
        d.curve(places, colour, width=3, dash=dash)
        d.dot(*places[0], colour, radius=5)
    d.text(x0 + 10, y0 - unit / 2 + 5, "γ = 0", colour="a", anchor="start")
    d.text(x0 + 10, y0 + unit / 2 + 5, "γ = 0", colour="b", anchor="start")
    d.dot(x0 - unit / 2, y0, "ink", radius=4)
    d.text(x0 - unit / 2 - 4, y0 + 24, "γ = 1", anchor="end")
    d.text(20, 26, "the two eigenvalues", anchor="start")
    left, bottom, width, height = 330, 200, 200, 280
    d.curve([(left, bottom), (left + width, bottom)], "line", width=1)
    d.curve([(left, bottom), (left, bottom - 160)], "line", width=1)
    rates = [-z.real.max().item() for z in pairs]
    places = [
        (left + width / 2 * g, bottom - height * rate)
        for g, rate in zip(values, rates, strict=True)
    ]
    d.curve(places, "c", width=3)
    best = max(range(len(rates)), key=rates.__getitem__)
    d.curve([places[best], (places[best][0], bottom)], "line", width=1, dash="4 4")
    for value in (0, 1, 2):
        d.text(left + width / 2 * value, bottom + 20, str(value))
    d.text(left + 0.75 * width, bottom + 20, "γ")
    d.text(left - 8, bottom + 5, "0", anchor="end")
    d.text(left - 8, places[best][1] + 5, "½", anchor="end")
    d.text(left, 26, "rate of the slower part", anchor="start")
    return d.svg(232, "Eigenvalues of the Dirac-GAN with R1, and the rate at which it settles")


FIGURES = {"paths": paths, "gamma": gamma}


def main() -> None:
    for name, draw in FIGURES.items():
        for theme in THEMES:
            path = FOLDER / f"gan-dynamics-{name}-{theme}.svg"
            path.write_text(draw(theme), encoding="utf-8")
            print(path.name)


if __name__ == "__main__":
    main()
