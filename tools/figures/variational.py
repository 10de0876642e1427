"""The figures of the chapters on generation by a code. Every curve is computed."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.figure import Figure

from course_lib.ops.quantiser import nearest_codes
from tools.figures.drawing import BLUE, GREEN, INK, LINE, ORANGE, PURPLE, Diagram, sheet, ticks

GAIN, AT = 2.0, 2.5  # the worked example: x = 2 z + noise of variance 1, seen at 2.5
COUNTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)  # of codes
DRAWS = 3_000_000  # a multiple of each
VARIANCES = (4.0, 1.0, 0.25)  # of the data along three directions


def bell(z: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The density of a Gaussian."""
    return np.exp(-(((z - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def codes() -> Figure:
    """The way of one image, and the regions of two images on a line of codes."""
    diagram = Diagram(370)
    for x, width, words, colour in (
        (6, 66, "image", LINE),
        (98, 88, "encoder", BLUE),
        (288, 88, "decoder", ORANGE),
        (402, 72, "images", LINE),
    ):
        diagram.box(x, 36, width, 44, colour, fill=0.15)
        diagram.text(x + width / 2, 58, words)
    for left, right in ((72, 98), (186, 214), (260, 288), (376, 402)):
        diagram.arrow((left, 58), (right, 58))
    diagram.text(237, 46, "μ, s")
    diagram.text(237, 70, "z", GREEN)
    diagram.text(39, 98, "x")
    diagram.text(438, 98, "p(x | z)")
    diagram.text(237, 98, "one draw", GREEN)
    chart = diagram.chart(30, 140, 430, 185)
    z = np.linspace(-3, 3, 241)
    chart.plot(z, bell(z, 0, 1), color=INK, linestyle="--")
    for mean, colour, name in ((-0.6, BLUE, "codes of A"), (0.6, ORANGE, "codes of B")):
        chart.plot(z, bell(z, mean, 0.4), color=colour)
        chart.fill_between(z, bell(z, mean, 0.4), color=colour, alpha=0.15, lw=0)
        side = "right" if mean < 0 else "left"
        chart.text(2 * mean, 0.85, name, color=colour, ha=side)
    chart.text(-1.7, 0.2, "prior", color=INK, ha="right")
    chart.annotate(
        "for both", (0, 0.34), (0, 1.08), color=GREEN, ha="center",
        arrowprops={"arrowstyle": "-|>", "color": GREEN, "lw": 2},
    )  # fmt: skip
    chart.set(xlim=(-3, 3), ylim=(0, 1.25), xlabel="z")
    ticks(chart, [-2, -1, 0, 1, 2])
    return diagram.figure


def bounds(mean: float, std: float, counts: tuple[int, ...] = COUNTS) -> np.ndarray:
    """The importance-weighted bound of the example for each number of codes, from many draws."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(DRAWS)
    z = mean + std * noise
    weight = (
        -0.5 * (AT - GAIN * z) ** 2
        - 0.5 * math.log(2 * math.pi)
        + 0.5 * (noise**2 - z**2)
        + math.log(std)
    )
    return np.array([_log_mean(weight.reshape(-1, k)).mean() for k in counts])


def _log_mean(weight: np.ndarray) -> np.ndarray:
    """The logarithm of the mean of exp along the last axis."""
    top = weight.max(1, keepdims=True)
    return np.log(np.exp(weight - top).mean(1)) + top[:, 0]


def importance() -> Figure:
    """How the bound of two wrong encoders rises with the number of codes."""
    figure = sheet(300)
    axes = figure.subplots()
    exact = math.log(bell(np.array(AT), 0, math.sqrt(GAIN**2 + 1)))
    axes.axhline(exact, color=INK, linestyle="--")
    axes.text(1, exact + 0.15, "log p(x)", color=INK)
    for mean, std, colour, mark, name, place in (
        (1.0, 1.0, BLUE, "o", "too wide", (9, -3.1)),
        (0.0, 1.0, ORANGE, "s", "the prior", (2.2, -5.2)),
    ):
        axes.plot(COUNTS, bounds(mean, std), color=colour, marker=mark, markersize=6)
        axes.text(*place, name, color=colour)
    axes.set(xscale="log", xlabel="codes k", ylabel="bound in nats", ylim=(-6.3, -1.6))
    ticks(axes, [1, 10, 100, 1000], [-6, -5, -4, -3, -2])
    return figure


def collapse() -> Figure:
    """What each number of a linear model's code says, over the variance of the noise."""
    figure = sheet(300)
    axes = figure.subplots()
    noise = np.geomspace(0.05, 8, 177)
    for variance, colour, dash in zip(
        VARIANCES, (BLUE, GREEN, PURPLE), ("-", "--", ":"), strict=True
    ):
        axes.plot(
            noise, np.maximum(0.5 * np.log(variance / noise), 0), color=colour, linestyle=dash
        )
        axes.plot(variance, 0, "o", color=colour)
    for words, place, colour in (
        ("λ = 4", (0.5, 1.15), BLUE),
        ("λ = 1", (0.2, 0.92), GREEN),
        ("λ = 0.25", (0.05, 0.1), PURPLE),
    ):
        axes.text(*place, words, color=colour)
    axes.set(xscale="log", xlabel="variance of the noise, σ²", ylabel="nats on average")
    ticks(axes, [0.05, 0.25, 1, 4], [0, 1, 2])
    return figure


def quantiser() -> Figure:
    """The stages of a VQ-VAE, and the way of the gradient past the codebook."""
    diagram = Diagram(250)
    for x, y, width, words, colour in (
        (6, 30, 84, "image x", LINE),
        (122, 30, 100, "encoder", BLUE),
        (290, 30, 184, "nearest code c", GREEN),
        (122, 176, 100, "decoder", ORANGE),
        (6, 176, 84, "images", LINE),
        (290, 176, 184, "its vector e", GREEN),
    ):
        diagram.box(x, y, width, 44, colour, fill=0.15)
        diagram.text(x + width / 2, y + 22, words)
    diagram.arrow((90, 52), (122, 52))
    diagram.arrow((222, 52), (290, 52))
    diagram.text(254, 36, "u")
    diagram.arrow((420, 74), (420, 176))
    diagram.text(410, 125, "codebook", GREEN, at="right")
    diagram.arrow((290, 190), (222, 190))
    diagram.arrow((122, 198), (90, 198))
    diagram.arrow((222, 208), (256, 208), (256, 60), colour=PURPLE, dash="--")
    diagram.text(246, 112, "gradient,", PURPLE, at="right")
    diagram.text(246, 134, "straight through", PURPLE, at="right")
    return diagram.figure


def heaps() -> tuple[np.ndarray, np.ndarray]:
    """Twenty-four vectors in four loose heaps, and four of them as the codes of the start."""
    rng = np.random.default_rng(4)
    centres = np.array([[-2, -1], [-1, 2], [2, 1.5], [1.5, -2]])
    vectors = np.repeat(centres, 6, axis=0) + 0.5 * rng.standard_normal((24, 2))
    return vectors, vectors[[0, 1, 6, 12]]


def chosen(vectors: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """The nearest code of each vector, by the package."""
    return nearest_codes(torch.tensor(vectors), torch.tensor(codebook)).numpy()


def cells() -> Figure:
    """Vectors joined to their nearest codes, at a start and after k-means."""
    figure = sheet(280)
    vectors, codebook = heaps()
    for axes, title, rounds in zip(
        figure.subplots(1, 2), ("start", "after k-means"), (0, 20), strict=True
    ):
        for _ in range(rounds):
            codes = chosen(vectors, codebook)
            codebook = np.array([vectors[codes == k].mean(0) for k in range(4)])
        codes = chosen(vectors, codebook)
        for k, (colour, mark) in enumerate(zip((BLUE, ORANGE, GREEN, PURPLE), "osD^", strict=True)):
            for vector in vectors[codes == k]:
                axes.plot(*np.stack([vector, codebook[k]]).T, color=colour, lw=1, linestyle="-")
            axes.plot(*vectors[codes == k].T, mark, color=colour, markersize=5)
            axes.plot(*codebook[k], mark, color=colour, mec=INK, mew=2, markersize=13)
        axes.set(title=title, xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal")
        ticks(axes, [-2, 0, 2], [-2, 0, 2])
    return figure


def shift() -> Figure:
    """How wrong a line beside its place is, by pixels and by means over neighbours."""
    figure = sheet(300)
    axes = figure.subplots()
    shifts = np.arange(13)
    axes.axhline(1, color=LINE, linestyle="--")
    axes.text(12, 1.06, "no line at all", color=LINE, ha="right")
    for width, colour, mark, name, place in (
        (1, ORANGE, "s", "pixels", (1.5, 1.8)),
        (9, BLUE, "o", "means over 9", (5.2, 0.8)),
    ):
        row = np.zeros(40)
        row[12] = 1
        features = [np.convolve(np.roll(row, by), np.ones(width) / width) for by in shifts]
        wrong = [((feature - features[0]) ** 2).sum() for feature in features]
        axes.plot(shifts, np.array(wrong) / (features[0] ** 2).sum(), color=colour, marker=mark,
                  linestyle="-", markersize=6)  # fmt: skip
        axes.text(*place, name, color=colour)
    axes.set(xlabel="shift in pixels", ylabel="error, no line = 1", ylim=(-0.1, 2.2))
    ticks(axes, [0, 3, 6, 9, 12], [0, 1, 2])
    return figure
