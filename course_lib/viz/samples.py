"""What a generator draws: sheets that nobody has picked, training curves, nearest neighbours."""

from collections.abc import Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from course_lib.viz.canvas import GAP, TEXT, WIDTH, canvas, fitted, show, write
from course_lib.viz.images import image_grid
from course_lib.viz.pixels import enlarge, to_pixels

SHEET = 64


class Record(Protocol):
    """What `gan_curves` reads: a `GANHistory`, or anything with columns."""

    def column(self, name: str) -> Sequence[float]:
        """Return one quantity over the readings."""


def sample_sheet(images: Any, columns: int = 8, titles: Sequence[str] | None = None) -> Figure:
    """Draw the first 64 samples in their order, so that nothing is picked.

    Args:
        images: (N, C, H, W) pictures, see `to_pixels`; what comes after the first 64 is left out.
        columns: pictures in a row.
        titles: one for each picture that is drawn.

    Returns:
        A figure with one axes for each picture.

    Raises:
        ValueError: no picture, sizes that differ, a wrong number of titles.
    """
    return image_grid(images[:SHEET], titles=titles, columns=columns)


def gan_curves(history: Record) -> Figure:
    """Draw what was read during an adversarial training: losses, scores, and two signs of health.

    Args:
        history: of `train_gan`.

    Returns:
        A figure with three axes.

    Raises:
        ValueError: if nothing was read.
    """
    steps = np.asarray(history.column("step"))
    if not len(steps):
        raise ValueError("the history has no readings; train for at least one step.")
    panels = {
        "losses": ("discriminator_loss", "generator_loss"),
        "mean logits": ("real_score", "fake_score"),
        "signs of health": ("told_apart", "diversity"),
    }
    figure, row = plt.subplots(1, 3, figsize=(7.2, 2.9), layout="constrained")
    for axes, (title, names) in zip(row, panels.items(), strict=True):
        for name, marker in zip(names, "os", strict=True):
            label = name.removesuffix("_loss").removesuffix("_score").replace("_", " ")
            every = max(1, len(steps) // 6)
            axes.plot(steps, history.column(name), label=label, marker=marker, markevery=every)
        axes.set(xlabel="step")
        axes.set_title(title)
        axes.locator_params(axis="x", nbins=4)
        axes.legend(fontsize="small")
    row[1].axhline(0, color="black", lw=0.8, ls=":")
    high = max(1.0, *history.column("diversity"))
    row[2].set_ylim(-0.03, 1.08 * high)
    row[2].axhline(0.5, color="black", lw=0.8, ls=":")  # a discriminator that guesses
    row[2].yaxis.set_major_formatter(PercentFormatter(xmax=1))
    return figure


def nearest_rows(
    samples: Any, neighbours: Any, distances: Any = None, *, label: str = "nearest training image"
) -> Figure:
    """Draw samples in a row, and under each of them what lies nearest to it.

    Args:
        samples: (N, C, H, W) pictures, see `to_pixels`.
        neighbours: (N, C, H, W), the nearest one of each, or (N, K, C, H, W), the nearest first.
        distances: (N,) numbers written under the columns.
        label: what the neighbours are.

    Returns:
        A figure with an axes for each picture, row by row.

    Raises:
        ValueError: no sample, or another number of neighbours, distances, or sizes that differ.
    """
    if not len(samples) or len(neighbours) != len(samples):
        raise ValueError(
            f"got {len(samples)} samples and neighbours of {len(neighbours)}; the same number, at "
            "least one, is needed."
        )
    if distances is not None and len(distances) != len(samples):
        raise ValueError(f"got {len(distances)} distances for {len(samples)} samples.")
    stacks = [n if np.ndim(n) == 4 else n[None] for n in neighbours]
    columns = [
        [to_pixels(s), *(to_pixels(n) for n in stack)]
        for s, stack in zip(samples, stacks, strict=True)
    ]
    if len({picture.shape for column in columns for picture in column}) > 1:
        raise ValueError("samples and neighbours have different sizes; one is needed.")
    height, width = columns[0][0].shape[:2]
    scale = max(1, ((WIDTH + GAP) // max(len(columns), 4) - GAP) // width)
    height, width = height * scale, width * scale
    ranks = ["", *(f", number {k}" for k in range(2, len(columns[0])))]
    names = ["generated", *(f"{label}{rank}" for rank in ranks)]
    head = round(TEXT * 1.5)
    pitch = height + head
    below = [] if distances is None else [f"{float(d):.2f}" for d in distances]
    below, size = fitted(below, width)
    total = len(columns) * (width + GAP) - GAP
    figure = canvas(max(total, WIDTH // 2), len(names) * pitch + (head if below else 0))
    for row, name in enumerate(names):
        write(figure, name, 0, row * pitch + head - TEXT * 0.3)
        for place, column in enumerate(columns):
            show(figure, enlarge(column[row], scale), place * (width + GAP), row * pitch + head)
    for place, text in enumerate(below):
        write(figure, text, place * (width + GAP), len(names) * pitch + head - TEXT * 0.3, size)
    return figure
