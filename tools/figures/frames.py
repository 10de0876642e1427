"""The frames of the figures that a slider moves, in the chapters on the game and on StyleGAN.

The game on the ring is read from its result; the digits are drawn by the shipped generator from the
first codes of seed 0. Neither seed nor codes were chosen.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from course_lib.data import ring_centres
from course_lib.recipes.ring import MODES, STD
from course_lib.results import load
from tools.figures.drawing import BLUE, INK, LINE, ORANGE, SIZE, sheet

GAMES = {"non-saturating": "the plain loss", "non-saturating-r1": "the same with R1"}
REACH = 2.9  # of the axes
SHOWN = 120  # samples of a frame
FINE = 3  # parts of the way between two places of the map
PAIRS = 7  # of codes


def tinted(answers: np.ndarray) -> np.ndarray:
    """The map of answers (0 to 100) as a picture: orange where drawn, blue where real, clear at 50.

    It is half transparent at most, so it lies on light and on dark pages alike.
    """
    fine = np.arange(FINE * (len(answers) - 1) + 1) / FINE  # between the places: straight lines
    places = np.arange(len(answers))
    answers = np.stack([np.interp(fine, places, row) for row in answers])
    answers = np.stack([np.interp(fine, places, column) for column in answers.T], axis=1)
    share = (answers.round() / 100 - 0.5) * 2  # -1 to 1
    colours = np.where(share[..., None] > 0, to_rgb(BLUE), to_rgb(ORANGE))
    return np.concatenate([colours, 0.55 * np.abs(share)[..., None]], axis=-1)


def film(folder: Path | None = None) -> dict[str, Figure]:
    """Label -> frame: the two games on the ring at the same number of updates."""
    result = load("ring-film", folder)
    arrays = result.runs[0]["arrays"]
    steps = result.curves("steps")[0]
    frames = {}
    for index, step in enumerate(steps):
        figure = sheet(280)
        for axes, (name, title) in zip(figure.subplots(1, 2), GAMES.items(), strict=True):
            answers = np.array(arrays[f"{name}_answers"][index])
            axes.imshow(
                tinted(answers), origin="lower", extent=(-3, 3, -3, 3), interpolation="none"
            )
            for x, y in ring_centres(MODES).tolist():
                around = np.linspace(0, 2 * np.pi, 25)
                rim = (x + 5 * STD * np.cos(around), y + 5 * STD * np.sin(around))
                axes.plot(*rim, linestyle="-", color=LINE, lw=1.5)
            samples = np.array(arrays[f"{name}_samples"][index][:SHOWN])
            axes.plot(*samples.T, linestyle="", marker=".", markersize=4, color=INK)
            axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal", title=title)
            axes.set(xticks=[], yticks=[])
        frames[f"{step:,.0f}"] = figure
    return frames


@cache
@torch.no_grad()
def mixed() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of codes a (N, H, W), of codes b, and of each pair at each crossing (K, N, H, W).

    The noise is switched off, so that only the styles differ.
    """
    from course_lib.models.stylegan import mix_styles
    from course_lib.train import load_checkpoint

    generator, _ = load_checkpoint("stylegan-mnist")
    generator.eval()
    z = torch.randn(2 * PAIRS, generator.latent_dim, generator=torch.Generator().manual_seed(0))
    a, b = generator.mapping(z).chunk(2)
    num = generator.num_layers

    def drawn(crossing: int) -> torch.Tensor:
        styles = mix_styles(a, b, torch.full((PAIRS,), crossing), num_layers=num)
        return generator.synthesis(styles, noise="none").clamp(-1, 1)[:, 0]

    return drawn(num), drawn(0), torch.stack([drawn(crossing) for crossing in range(num + 1)])


def styles() -> dict[str, Figure]:
    """Label -> frame: pairs of digits, and what comes of them when the first layers follow a."""
    a, b, between = mixed()
    frames = {}
    for crossing, made in enumerate(between):
        figure = sheet(220)
        rows = figure.subplots(3, 1)
        for axes, images, name in zip(rows, (a, made, b), ("a", "mixed", "b"), strict=True):
            strip = np.concatenate(list(images.numpy()), axis=1)
            axes.imshow(strip, cmap="gray", vmin=-1, vmax=1, interpolation="none")
            axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=SIZE)
            axes.set(xticks=[], yticks=[])
        frames[f"{crossing} of {len(between) - 1}"] = figure
    return frames
