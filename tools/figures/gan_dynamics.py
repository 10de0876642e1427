"""The two figures of the chapter on the dynamics of games.

Every path is played with the functions of `course_lib.ops.games`, every eigenvalue is that of its
Jacobian.
"""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.ops import games
from tools.figures.drawing import BLUE, GREEN, INK, LINE, ORANGE, sheet, ticks

START = torch.tensor([0.9, 0.0], dtype=torch.float64)
LR, STEPS, GAMMA = 0.25, 50, 0.4  # of the four paths
REACH = 2.1  # of the axes
GAMMAS = [i / 50 for i in range(101)]  # 0 to 2


def played() -> dict[str, Tensor]:
    """The four paths on the bilinear game, all from the same start."""
    game, damped = games.dirac_gan(), games.dirac_gan(gamma=GAMMA)
    return {
        "infinitely small steps": games.flow(game, START, time=LR * STEPS, steps=100),
        "simultaneous steps": games.simultaneous(game, START, lr=LR, steps=STEPS // 2),
        "alternating steps": games.alternating(game, START, lr=LR, steps=STEPS),
        "alternating, with R1": games.alternating(damped, START, lr=LR, steps=STEPS),
    }


def paths() -> Figure:
    """Four ways to play the bilinear game, all from the same start."""
    figure = sheet(500)
    panels = figure.subplots(2, 2).ravel()
    colours = (BLUE, ORANGE, GREEN, BLUE)
    for axes, (name, path), colour in zip(panels, played().items(), colours, strict=True):
        axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal", title=name)
        axes.set_axis_off()
        ticks(axes)
        axes.axhline(0, color=LINE, lw=1)
        axes.axvline(0, color=LINE, lw=1)
        axes.text(REACH, -0.1, "θ", ha="right", va="top")
        axes.text(0.1, REACH, "ψ", va="top")
        flows = axes is panels[0]
        axes.plot(*path.T, color=colour, lw=2.5 if flows else 1.2, marker="" if flows else ".")
        axes.plot(*path[0], marker="o", color=INK)
    return figure


def eigenvalues() -> list[Tensor]:
    """Both eigenvalues of the Dirac-GAN with logistic losses, lower one first, for each gamma."""
    origin = torch.zeros(2, dtype=torch.float64)
    pairs = [
        torch.linalg.eigvals(games.jacobian(games.dirac_gan("non-saturating", gamma=g), origin))
        for g in GAMMAS
    ]
    return [pair[(pair.imag + 1e-3 * pair.real).argsort()] for pair in pairs]


def gamma() -> Figure:
    """Eigenvalues of the Dirac-GAN with R1, and the rate at which it settles."""
    figure = sheet(270)
    plane, rate = figure.subplots(1, 2, width_ratios=(1.55, 1))
    pairs = torch.stack(eigenvalues())
    for k, colour, dash, y in ((0, ORANGE, "--", -0.5), (1, BLUE, "-", 0.5)):
        plane.plot(pairs[:, k].real, pairs[:, k].imag, color=colour, linestyle=dash)
        plane.plot(0, y, marker="o", color=colour)
        plane.text(0.11, y, "γ = 0", color=colour, va="center")
    plane.plot(-0.5, 0, marker="o", color=INK)
    plane.text(-0.6, -0.2, "γ = 1", ha="right", va="center")
    plane.axhline(0, color=LINE, lw=1, zorder=1)
    plane.axvline(0, color=LINE, lw=1, zorder=1)
    plane.set(title="the two eigenvalues", xlabel="real", ylabel="imaginary", aspect="equal")
    plane.set(xlim=(-2, 0.65), ylim=(-0.8, 0.8))
    ticks(plane, [-2, -1, 0], [-0.5, 0, 0.5])
    rates = -pairs.real.amax(dim=1)
    best = int(rates.argmax())
    rate.plot(GAMMAS, rates, color=GREEN)
    rate.plot([GAMMAS[best]] * 2, [0, rates[best]], color=LINE, lw=1, linestyle="--")
    rate.set(title="rate of the slower", xlabel="γ", xlim=(0, 2), ylim=(0, 0.6))
    ticks(rate, [0, 1, 2], [0, 0.5])
    return figure
