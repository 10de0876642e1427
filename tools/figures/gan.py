"""The figures of the chapter on the game.

Every curve is computed: densities and discriminator from the formulas, pulls by the package's own
losses, divergences by quadrature. The samples of the ring are those that its results keep.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from course_lib.data import ring_centres
from course_lib.losses import generator_loss
from course_lib.recipes.ring import MODES, STD
from course_lib.results import load
from tools.figures.drawing import BLUE, GREEN, INK, LINE, ORANGE, PURPLE, legend, sheet, ticks

REAL, FAKE = (1.4, 0.7), (-1.2, 1.1)  # mean and deviation of the two bells
UP = np.array([-0.8, -0.27, 0.27, 0.8])  # where arrows lie along the rise of the discriminator
GAMES = {  # of the ring's table, in its order: what stands above the samples
    "minimax": "minimax",
    "non-saturating": "non-saturating",
    "least-squares": "least squares",
    "hinge": "hinge",
    "relativistic": "relativistic",
    "non-saturating-r1": "non-saturating\n+ R1",
    "non-saturating-r1-r2": "non-saturating\n+ R1 + R2",
    "relativistic-r1-r2": "relativistic\n+ R1 + R2",
    "wgan-gp": "Wasserstein\n+ gradient pen.",
}


def bell(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The density of a Gaussian."""
    return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def pairs(values: np.ndarray) -> list[tuple[float, float]]:
    """Each value with the next one."""
    return list(zip(values[:-1], values[1:], strict=True))


def players() -> Figure:
    """Two densities, the best discriminator between them, and where it sends generated points."""
    figure = sheet(350)
    upper, lower = figure.subplots(2, sharex=True)
    x = np.linspace(-4, 4, 121)
    p, q = bell(x, *REAL), bell(x, *FAKE)
    for density, colour, dash, label, at in (
        (q, ORANGE, "--", "q, the generator", (-3.9, 0.45)),
        (p, BLUE, "-", "p, the data", (2.1, 0.5)),
    ):
        upper.plot(x, density, color=colour, linestyle=dash, label=label)
        upper.fill_between(x, density, color=colour, alpha=0.12, lw=0)
        upper.text(*at, label, color=colour)
    lower.plot(x, p / (p + q), color=GREEN, label="D*")
    lower.text(-3.9, 0.8, "D*, the best discriminator", color=GREEN)
    rise = bell(UP, *REAL) / (bell(UP, *REAL) + bell(UP, *FAKE))
    for (x0, x1), (y0, y1) in zip(pairs(UP), pairs(rise), strict=True):
        lower.annotate(
            "", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "color": ORANGE, "lw": 2.5}
        )
    upper.set(ylabel="density", ylim=(0, 0.65))
    lower.set(xlabel="x", xlim=(-4, 4), ylabel="D*(x)", ylim=(0, 1))
    ticks(upper, [-4, -2, 0, 2, 4], [0, 0.3, 0.6])
    ticks(lower, [-4, -2, 0, 2, 4], [0, 0.5, 1])
    return figure


def slope(kind: str, x: np.ndarray) -> np.ndarray:
    """How hard a loss pulls at the logits x, upwards; computed by the package."""
    logits = torch.tensor(x, requires_grad=True)
    loss = generator_loss(logits, kind=kind) * len(logits)
    return -torch.autograd.grad(loss, logits)[0].numpy()


def slopes() -> Figure:
    """How hard each of four losses pulls, by the discriminator's output."""
    figure = sheet(350)
    axes = figure.subplots()
    x = np.linspace(-6, 6, 121)
    axes.axhline(0, color=LINE, lw=1)
    for kind, colour, dash in (
        ("minimax", ORANGE, "-"),
        ("non-saturating", GREEN, "--"),
        ("hinge", INK, "-."),
        ("least-squares", PURPLE, ":"),
    ):
        label = kind.replace("least-", "least ")
        axes.plot(x, slope(kind, x), color=colour, linestyle=dash, label=label)
    axes.set(xlabel="output of the discriminator, generated point", ylabel="pull")
    axes.set(xlim=(-6, 6), ylim=(-1, 3))
    ticks(axes, [-6, -4, -2, 0, 2, 4, 6], [-1, 0, 1, 2, 3])
    legend(figure, 2)
    return figure


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(120)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def fooled(d: np.ndarray) -> np.ndarray:
    """How often the best discriminator believes the generator: the mean of D* under q."""
    logit = -(d[:, None] ** 2) / 2 - d[:, None] * NODES  # eq-discriminator-logit, under q
    return (1 / (1 + np.exp(-logit))) @ WEIGHTS


def jensen_shannon(d: np.ndarray) -> np.ndarray:
    """JS of two unit Gaussians at the distance d, eq-js-gaussians."""
    return math.log(2) - np.logaddexp(0, -(d[:, None] ** 2) / 2 - d[:, None] * NODES) @ WEIGHTS


def distance() -> Figure:
    """The pull on the generator's mean, and the divergence, by its distance from the data."""
    figure = sheet(350)
    axes = figure.subplots()
    d = np.linspace(0, 8, 121)
    axes.axhline(math.log(2), color=LINE, lw=1)
    for values, label, colour, dash in (
        (d * fooled(d), "pull, minimax", ORANGE, "-"),
        (d * (1 - fooled(d)), "pull, non-saturating", GREEN, "--"),
        (jensen_shannon(d), "divergence JS", BLUE, ":"),
    ):
        axes.plot(d, values, color=colour, linestyle=dash, label=label)
    axes.set(xlabel="distance of the means, in standard deviations", xlim=(0, 8), ylim=(0, 3))
    ticks(axes, [0, 2, 4, 6, 8], [0, 1, 2, 3])
    legend(figure, 2)
    return figure


def ring_samples(folder: Path | None = None) -> Figure:
    """What each loss of the ring's table drew at the end, seed 0."""
    figure = sheet(600)
    for axes, (name, title) in zip(figure.subplots(3, 3).ravel(), GAMES.items(), strict=True):
        around = np.linspace(0, 2 * np.pi, 25)
        for x, y in ring_centres(MODES).tolist():
            rim = (x + 5 * STD * np.cos(around), y + 5 * STD * np.sin(around))
            axes.plot(*rim, linestyle="-", color=BLUE, lw=1.5)
        (run,) = [run for run in load(f"ring-{name}", folder).runs if run["seed"] == 0]
        samples = np.array(run["arrays"]["samples"])
        axes.plot(*samples.T, linestyle="", marker=".", markersize=4, color=INK)
        axes.set(xlim=(-2.9, 2.9), ylim=(-2.9, 2.9), aspect="equal", title=title)
        axes.set(xticks=[], yticks=[])
    return figure
