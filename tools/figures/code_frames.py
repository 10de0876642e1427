"""The frames that a slider moves in the chapters on generation by a code.

Nothing is trained: the best linear VAE of the course's own digits is known in closed form, and the
quantiser is the course's, step by step.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.data import load, to_float
from course_lib.ops.quantiser import VectorQuantizer, nearest_codes
from tools.figures.drawing import BLUE, GREEN, INK, LINE, ORANGE, PURPLE, sheet, ticks

# The weight of the divergence.
SIZE, NUM, SHOWN = 32, 2000, 8
NOISE = 0.25  # the decoder's variance at every pixel, where black is -1 and white 1
WEIGHTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
BARS = 40  # numbers of the code that are shown


class Weighed(NamedTuple):
    """What the best linear VAE does at a weight of the divergence."""

    nats: np.ndarray  # (N,) of each number of the code, on average, the largest first
    error: float  # root mean squared difference of a pixel and its reconstruction
    again: np.ndarray  # (SHOWN, SIZE, SIZE)


@cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images (SHOWN, N), mean (N,), and variances (N,) along directions (N, N), in columns."""
    images = to_float(
        load("digits", "train", size=SIZE, num=NUM, seed=0, task="classification").images
    )
    pixels = images.flatten(1).double().numpy()
    mean = pixels.mean(0)
    away = pixels - mean
    variances, directions = np.linalg.eigh(away.T @ away / len(away))
    return pixels[:SHOWN], mean, variances[::-1].clip(min=0), directions[:, ::-1]


def weighed(beta: float) -> Weighed:
    """The best linear VAE with this weight, by eq-collapse-threshold and eq-sigma-beta."""
    images, mean, variances, directions = digits()
    noise = beta * NOISE
    speaks = variances > noise
    nats = np.where(speaks, 0.5 * np.log(np.where(speaks, variances, noise) / noise), 0.0)
    kept = np.where(speaks, 1 - noise / np.where(speaks, variances, noise), 0.0)
    again = mean + ((images - mean) @ directions * kept) @ directions.T
    lost = (variances * (1 - kept) ** 2).mean()
    return Weighed(nats, float(np.sqrt(lost)), again.reshape(-1, SIZE, SIZE))


def weights() -> dict[str, Figure]:
    """Label -> frame: what each number of a code says, and what comes back of digits."""
    originals = digits()[0].reshape(-1, SIZE, SIZE)
    frames = {}
    for beta in WEIGHTS:
        found = weighed(beta)
        figure = sheet(330)
        chart, rows = figure.subplots(2, 1, height_ratios=(1.25, 1))
        chart.bar(range(BARS), found.nats[:BARS], color=GREEN, width=0.75)
        chart.set(ylim=(0, 4), xlim=(-1, BARS), xlabel="number of the code", ylabel="nats")
        chart.set_title(
            f"{int((found.nats > 0).sum())} speak, {found.nats.sum():.0f} nats, "
            f"error {found.error:.2f}"
        )
        ticks(chart, [0, 10, 20, 30], [0, 2, 4])
        pair = [np.concatenate(list(part), axis=1) for part in (originals, found.again)]
        rows.imshow(np.concatenate(pair), cmap="gray", vmin=-1, vmax=1, interpolation="none")
        rows.set(xticks=[], yticks=[])
        frames[f"{beta:g}"] = figure
    return frames


# The codebook, step by step.
HEAPS, EACH, CODES, STEPS = 6, 8, 6, 6
MARKS = "osD^vP"
TINTS = (BLUE, ORANGE, GREEN, PURPLE, LINE, INK)


class Step(NamedTuple):
    """A codebook, before or after a step."""

    codebook: Tensor  # (CODES, 2)
    codes: Tensor  # (n,), the choices of the vectors
    distortion: float
    used: int  # codes that are chosen


@cache
def vectors() -> Tensor:
    """Vectors in six loose heaps, (n, 2)."""
    rng = np.random.default_rng(2)
    around = 2 * np.pi * np.arange(HEAPS) / HEAPS + 0.3
    centres = 2.3 * np.stack([np.cos(around), np.sin(around)], axis=1)
    places = np.repeat(centres, EACH, axis=0) + 0.35 * rng.standard_normal((HEAPS * EACH, 2))
    return torch.tensor(places, dtype=torch.float32)


@cache
def learned(restart: float) -> list[Step]:
    """Let the course's quantiser follow the vectors, from codes that all lie in one corner."""
    torch.manual_seed(0)
    quantiser = VectorQuantizer(num_codes=CODES, dim=2, decay=0.5, restart=restart)
    start = torch.tensor([[-3.2, -3.2]]) + 0.25 * torch.randn(CODES, 2)
    quantiser.codebook.copy_(start)
    quantiser.sums.copy_(quantiser.counts[:, None] * start)
    batch = vectors().T[None, :, :, None]  # (1, 2, n, 1)
    steps = []
    for _ in range(STEPS + 1):
        codebook = quantiser.codebook.clone()
        codes = nearest_codes(vectors(), codebook)
        away = (vectors() - codebook[codes]).square().sum(1).mean()
        steps.append(Step(codebook, codes, float(away), len(codes.unique())))
        quantiser.train()(batch)
    return steps


def codebook() -> dict[str, Figure]:
    """Label -> frame: the same start without and with restarts."""
    frames = {}
    for number in range(STEPS + 1):
        figure = sheet(300)
        for axes, (restart, title) in zip(
            figure.subplots(1, 2), ((0.0, "no restarts"), (0.1, "restarts")), strict=True
        ):
            step = learned(restart)[number]
            for k, (colour, mark) in enumerate(zip(TINTS, MARKS, strict=True)):
                mine = vectors()[step.codes == k].numpy()
                place = step.codebook[k].numpy()
                for vector in mine:
                    axes.plot(*np.stack([vector, place]).T, color=colour, lw=0.8, linestyle="-")
                axes.plot(*mine.T, mark, color=colour, markersize=4, linestyle="")
                axes.plot(
                    *place, mark, markersize=11, mew=2,
                    mfc=colour if len(mine) else "none", mec=INK if len(mine) else colour,
                )  # fmt: skip
            axes.set(title=title, xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
            axes.set_xlabel(f"{step.used} of {CODES} used, Q = {step.distortion:.2f}")
            ticks(axes)
        frames[f"{number}"] = figure
    return frames


def described(name: str) -> dict[str, str]:
    """Label -> what a frame shows, in words, as the page has it."""
    if name == "vae-weight":
        lines = {}
        for beta in WEIGHTS:
            found = weighed(beta)
            lines[f"{beta:g}"] = (
                f"Above, {int((found.nats > 0).sum())} numbers of the code speak and say "
                f"{found.nats.sum():.0f} nats together, the first {found.nats[0]:.1f}. Below, "
                "eight digits and what comes back of them; over all digits the root mean squared "
                f"error is {found.error:.2f}."
            )
        return lines
    return {
        f"{number}": f"Left, without restarts, {learned(0.0)[number].used} of {CODES} codes are "
        f"used and the distortion is {learned(0.0)[number].distortion:.2f}. Right, with restarts, "
        f"{learned(0.1)[number].used} are used and it is {learned(0.1)[number].distortion:.2f}."
        for number in range(STEPS + 1)
    }
