"""The figures of the chapters on diffusion and flows. Every curve is computed; nothing is trained.

Time runs from 0, noise, to 1, data, on the straight path.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtr

from tools.figures.drawing import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    LINE,
    ORANGE,
    PURPLE,
    Diagram,
    legend,
    sheet,
    ticks,
)

Array = np.ndarray
Field = Callable[[float, Array], Array]

HEAPS = np.array([[-1.5], [1.5]])  # of the paths
BELLS = np.array([[-1.6, -1.0], [1.6, -0.8], [0.1, 1.7]])  # of the field in the plane
ORDER = np.array([[-2.0], [0.4], [1.7]])  # of the solvers
NARROW = 0.3  # deviation of all of these
LABEL = 0.6  # deviation of the two labels at -1 and 1
WEIGHT = 3.0  # of the guidance
PASSES = (2, 4, 8, 16, 32, 64, 128, 256)
DIMENSIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 3072)


def bell(x: Array, mean: float, std: float) -> Array:
    """The density of a Gaussian."""
    return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def mixture_field(t: float, x: Array, means: Array, std: float) -> Array:
    """The marginal velocity (P, N) of equal bells at the places x (P, N)."""
    variance = (t * std) ** 2 + (1 - t) ** 2
    away = x[:, None] - t * means  # (P, K, N)
    logs = -(away**2).sum(2) / (2 * variance)
    shares = np.exp(logs - logs.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    own = means + (t * std**2 - (1 - t)) / variance * away
    return (shares[..., None] * own).sum(1)


def points_field(t: float, x: Array, points: Array) -> Array:
    """The perfect velocity (P, N) on a finite set (n, N), for t below 1."""
    return mixture_field(t, x, points, 0.0)


def euler(field: Field, t: float, h: float, x: Array) -> Array:
    return x + h * field(t, x)


def midpoint(field: Field, t: float, h: float, x: Array) -> Array:
    return x + h * field(t + h / 2, x + h / 2 * field(t, x))


def heun(field: Field, t: float, h: float, x: Array) -> Array:
    slope = field(t, x)
    return x + h / 2 * (slope + field(t + h, x + h * slope))


def followed(
    field: Field, x: Array, steps: int, end: float = 1.0, step: Callable = midpoint
) -> Array:
    """The places on the way, (steps + 1, P, N)."""
    way = [x]
    for number in range(steps):
        way.append(step(field, end * number / steps, end / steps, way[-1]))
    return np.array(way)


def denoiser() -> Figure:
    """Numbers that are -1 or 1: what is seen, and the best guess, at three levels of noise."""
    figure = sheet(290)
    seen, guess = figure.subplots(1, 2)
    x = np.linspace(-3, 3, 241)
    for sigma, colour, dash in ((0.3, BLUE, "-"), (0.6, ORANGE, "--"), (1.2, GREEN, ":")):
        density = (bell(x, -1, sigma) + bell(x, 1, sigma)) / 2
        seen.plot(x, density, color=colour, linestyle=dash, label=f"σ = {sigma}")
        guess.plot(x, np.tanh(x / sigma**2), color=colour, linestyle=dash)
    seen.set(title="density", xlabel="noisy number", ylim=(0, 0.75))
    guess.set(title="best guess", xlabel="noisy number", ylim=(-1.2, 1.2))
    ticks(seen, [-2, 0, 2], [0, 0.3, 0.6])
    ticks(guess, [-2, 0, 2], [-1, 0, 1])
    legend(figure, 3)
    return figure


def chain() -> Figure:
    """A chain of noisy images: known to the right, learned to the left."""
    diagram = Diagram(190)
    names = ("image x", "t = 1", "…", "t = T−1", "t = T")
    lefts, width = (10, 106, 202, 298, 394), 76
    for number, (left, name) in enumerate(zip(lefts, names, strict=True)):
        if name == "…":
            diagram.text(left + width / 2, 95, name)
            continue
        share = number / 4
        diagram.box(left, 70, width, 50, BLUE if share < 0.5 else LINE, fill=0.3 - 0.2 * share)
        diagram.text(left + width / 2, 95, name)
    for left, right in pairwise(lefts):
        diagram.arrow(
            (left + width / 2, 66), (left + width / 2, 46), (right + 20, 46), (right + 20, 68)
        )
        diagram.arrow(
            (right + width / 2, 124), (right + width / 2, 144), (left + 56, 144), (left + 56, 122),
            colour=ORANGE,
        )  # fmt: skip
    diagram.text(240, 24, "known: add noise")
    diagram.text(240, 168, "learned: take a little away", ORANGE)
    return diagram.figure


def weights() -> Figure:
    """What five losses weigh, over the logarithm of the signal-to-noise ratio."""
    figure = sheet(350)
    axes = figure.subplots()
    level = np.linspace(-8, 8, 161)
    for values, colour, dash, name in (
        (np.ones_like(level), INK, "-", "bound"),
        (1 / (math.pi * np.cosh(level / 2)), BLUE, "--", "ε, cosine"),
        (2 / math.pi * np.exp(-level / 2), ORANGE, "-.", "v, cosine"),
        (np.exp(-level / 2), GREEN, ":", "flow"),
        (bell(level / 2, 0, 1) * (1 + np.exp(-level / 2)) ** 2, PURPLE, "-o", "flow, logit-normal"),
    ):
        axes.plot(level, values, dash, color=colour, markevery=10, markersize=5, label=name)
    axes.set(yscale="log", xlabel="λ:  noise  …  image", ylabel="weight w", ylim=(3e-3, 1e2))
    axes.set_xticks([-8, -4, 0, 4, 8], ["\N{MINUS SIGN}8", "\N{MINUS SIGN}4", "0", "4", "8"])
    axes.set_yticks([0.01, 1, 100], ["0.01", "1", "100"])
    axes.set_yticks([], minor=True)
    legend(figure, 3)
    return figure


def paths() -> Figure:
    """Lines between noise and data in one dimension, and the flow that is their mean."""
    figure = sheet(300)
    rng = np.random.default_rng(3)
    start = np.sort(rng.standard_normal((22, 1)), axis=0)
    ends = HEAPS[rng.integers(0, 2, 22)] + NARROW * rng.standard_normal((22, 1))
    curves = followed(lambda t, x: mixture_field(t, x, HEAPS, NARROW), start, 40)
    lines = np.stack([start, ends])
    for axes, title, ways, colour in zip(
        figure.subplots(1, 2, sharey=True), ("single lines", "their mean, followed"),
        (lines, curves), (ORANGE, BLUE), strict=True,
    ):  # fmt: skip
        times = np.linspace(0, 1, len(ways))
        for number in range(len(start)):
            axes.plot(times, ways[:, number, 0], color=colour, lw=1.2, linestyle="-")
        axes.set(title=title, xlabel="time", xlim=(-0.03, 1.03), ylim=(-3.2, 3.2))
        ticks(axes, [0, 0.5, 1], [-2, 0, 2])
    return figure


def field() -> Figure:
    """The marginal field of three bells in the plane at three times, with points that follow it."""
    figure = sheet(205)
    rng = np.random.default_rng(0)
    bells: Field = lambda t, x: mixture_field(t, x, BELLS, NARROW)  # noqa: E731
    start = rng.standard_normal((90, 2))
    grid = np.linspace(-2.4, 2.4, 7)
    places = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    for axes, t in zip(figure.subplots(1, 3, sharey=True), (0.0, 0.5, 0.9), strict=True):
        there = followed(bells, start, 90, t)[-1] if t else start
        axes.scatter(*there.T, s=6, color=LINE, alpha=0.6, lw=0)
        arrows = bells(t, places)
        length = np.linalg.norm(arrows, axis=1, keepdims=True)
        arrows = arrows / np.maximum(length, 1e-9) * 0.62 * np.tanh(length / 2)
        for place, arrow in zip(places, arrows, strict=True):
            axes.annotate(
                "", place + arrow, place, annotation_clip=True,
                arrowprops={"arrowstyle": "-|>", "color": BLUE, "lw": 1.3, "mutation_scale": 7,
                            "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
        axes.set(title=f"t = {t:g}", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        ticks(axes, [-2, 0, 2], [-2, 0, 2])
    return figure


def shorter(batch: int, dimensions: int) -> float:
    """Mean squared length after pairing over that before, of standard normal noise and data."""
    rng = np.random.default_rng(batch + dimensions)
    ratios = []
    for _ in range(2048 // batch):
        noise, data = rng.standard_normal((2, batch, dimensions))
        cost = (noise**2).sum(1)[:, None] + (data**2).sum(1)[None] - 2 * noise @ data.T
        ratios.append(cost[linear_sum_assignment(cost)].sum() / cost.diagonal().sum())
    return float(np.mean(ratios))


def pairing() -> Figure:
    """How much the best pairing of a batch shortens the lines, over the number of dimensions."""
    figure = sheet(300)
    axes = figure.subplots()
    for batch, colour, mark, place in (
        (16, ORANGE, "s", (1.1, 0.66)),
        (256, BLUE, "o", (40, 0.45)),
    ):
        ratios = [shorter(batch, number) for number in DIMENSIONS]
        axes.plot(DIMENSIONS, ratios, color=colour, marker=mark, markersize=6, linestyle="-")
        axes.text(*place, f"batch of {batch}", color=colour)
    axes.set(xscale="log", xlabel="dimensions", ylabel="squared length, of before", ylim=(0, 1.05))
    ticks(axes, [1, 10, 100, 1000], [0, 0.5, 1])
    return figure


def errors(step: Callable, passes: int) -> dict[int, float]:
    """Mean distance from the exact end, over the number of evaluations of the field."""
    bells: Field = lambda t, x: mixture_field(t, x, ORDER, NARROW)  # noqa: E731
    start = np.linspace(-2, 2, 41)[:, None]
    exact = followed(bells, start, 6000)[-1]
    return {
        total: float(np.abs(followed(bells, start, total // passes, step=step)[-1] - exact).mean())
        for total in PASSES
    }


def order() -> Figure:
    """The error of three solvers by evaluations of the field."""
    figure = sheet(330)
    axes = figure.subplots()
    for step, passes, colour, mark, name in (
        (euler, 1, ORANGE, "s", "Euler"),
        (midpoint, 2, BLUE, "o", "midpoint"),
        (heun, 2, GREEN, "^", "Heun"),
    ):
        values = errors(step, passes)
        axes.plot([*values], [*values.values()], color=colour, marker=mark, markersize=7,
                  linestyle="-", label=name)  # fmt: skip
    ends = np.array([32.0, 256.0])
    axes.plot(ends, 3 * ends**-1.0, color=LINE, linestyle="--", lw=1.5)
    axes.plot(ends, 3 * ends**-2.0, color=LINE, linestyle="--", lw=1.5)
    axes.set(xscale="log", yscale="log", xlabel="evaluations of the field", ylabel="error")
    axes.set_xticks([2, 8, 32, 128], ["2", "8", "32", "128"])
    axes.set_xticks([], minor=True)
    axes.set_yticks([1, 0.1, 0.01, 0.001, 0.0001], ["1", "10⁻¹", "10⁻²", "10⁻³", "10⁻⁴"])
    axes.set_yticks([], minor=True)
    legend(figure, 3)
    return figure


def guided_field(t: float, x: Array) -> Array:
    """The field of guidance towards the label at 1, among two labels."""
    none = mixture_field(t, x, np.array([[-1.0], [1.0]]), LABEL)
    told = mixture_field(t, x, np.array([[1.0]]), LABEL)
    return none + WEIGHT * (told - none)


def guided_density() -> tuple[Array, Array]:
    """Where the guided flow leads (P,), and the density there, from many neighbouring starts."""
    start = np.linspace(-4, 4, 4001)[:, None]
    ends = followed(guided_field, start, 400)[-1, :, 0]
    return ends, bell(start[:, 0], 0, 1) / np.gradient(ends, start[:, 0])


def guidance() -> Figure:
    """Guided samples beside the tilted density, in one dimension."""
    figure = sheet(320)
    axes = figure.subplots()
    x = np.linspace(-2.6, 3.4, 201)
    own = bell(x, 1, LABEL)
    total = (own + bell(x, -1, LABEL)) / 2
    tilted = own**WEIGHT * total ** (1 - WEIGHT)
    tilted /= np.trapezoid(tilted, x)
    ends, density = guided_density()
    axes.fill_between(x, bell(x, -1, LABEL), color=FAINT, alpha=0.6, lw=0)
    axes.fill_between(x, own, color=LINE, alpha=0.3, lw=0)
    axes.plot(x, tilted, color=ORANGE, linestyle="--", label="tilted density")
    near = (ends > -2.6) & (ends < 3.4)
    axes.plot(
        ends[near][::20], density[near][::20], color=BLUE, linestyle="-", label="guided samples"
    )
    axes.text(-1, 0.12, "other label", color=INK, ha="center")
    axes.text(1, 0.12, "label", color=INK, ha="center")
    axes.set(xlabel="x", ylabel="density", xlim=(-2.6, 3.4), ylim=(0, None))
    ticks(axes, [-2, -1, 0, 1, 2, 3], [0, 0.5, 1])
    legend(figure, 2)
    return figure


def ring_points(num: int, seed: int) -> Array:
    """Points of a thin ring of radius 1.5."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * math.pi, num)
    radius = 1.5 + 0.08 * rng.standard_normal(num)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def even_starts(num: int) -> Array:
    """Points spread like standard normal noise, without chance: its radii, at golden angles."""
    rank = np.arange(num)
    radius = np.sqrt(-2 * np.log(1 - (rank + 0.5) / num))
    angle = rank * math.pi * (3 - math.sqrt(5))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def perfect() -> Figure:
    """The perfect flow on five training points, and what they were drawn from."""
    figure = sheet(270)
    train = ring_points(5, 2)
    start = even_starts(28)
    ways = followed(lambda t, x: points_field(t, x, train), start, 60, 0.999)
    left, right = figure.subplots(1, 2, sharey=True)
    for number in range(len(start)):
        left.plot(*ways[:, number].T, color=BLUE, lw=1, linestyle="-")
    left.plot(*start.T, ".", color=LINE, markersize=4)
    right.scatter(*ring_points(160, 9).T, s=8, color=GREEN, alpha=0.7, lw=0)
    for axes, title in ((left, "the perfect flow"), (right, "the true density")):
        axes.plot(*train.T, "o", color=ORANGE, mec=INK, mew=1.5, markersize=10, linestyle="none")
        axes.set(title=title, xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
        ticks(axes, [-2, 0, 2], [-2, 0, 2])
    return figure


def decided() -> Figure:
    """When a noisy image gives away which of two it came from, by the number of dimensions."""
    figure = sheet(300)
    axes = figure.subplots()
    time = np.linspace(0, 0.98, 197)
    for number, colour, dash in ((2, BLUE, "-"), (48, ORANGE, "--"), (3072, PURPLE, ":")):
        gap = math.sqrt(2 * number)
        axes.plot(time, ndtr(time * gap / (2 * (1 - time))), color=colour, linestyle=dash,
                  label=f"{number:,}" + " dimensions" * (number > 48))  # fmt: skip
    axes.set(xlabel="time:  noise  …  data", ylabel="right one ahead", ylim=(0.45, 1.03))
    ticks(axes, [0, 0.25, 0.5, 0.75, 1], [0.5, 0.75, 1])
    legend(figure, 3)
    return figure
