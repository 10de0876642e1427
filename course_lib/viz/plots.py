"""Curves with their spread over seeds, and confusion matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

_MARKERS = "osD^vPX"


def curves(
    series: Mapping[str, Any],
    *,
    xlabel: str = "epoch",
    ylabel: str = "",
    x: Sequence[float] | None = None,
    percent: bool = False,
) -> Figure:
    """Draw the mean over seeds of each series, with a band of one standard deviation.

    Series differ by colour, line and marker. With a single seed there is no band.

    Args:
        series: label to values, (seeds, points) or (points,); NaN where nothing was measured.
        xlabel: name and unit of the horizontal axis.
        ylabel: name and unit of the vertical axis.
        x: positions of the points; by default 1, 2, 3, …
        percent: show fractions as per cent.

    Returns:
        A figure with one axes.

    Raises:
        ValueError: no series, or values of another shape.
    """
    if not series:
        raise ValueError("got no series; pass for instance {'training loss': values}.")
    figure, axes = plt.subplots()
    num_seeds = set()
    for index, (label, given) in enumerate(series.items()):
        values = np.asarray(getattr(given, "cpu", lambda given=given: given)(), dtype=np.float64)
        values = np.atleast_2d(values)
        if values.ndim != 2 or not values.size:
            raise ValueError(
                f"the series {label!r} has shape {values.shape}; (seeds, points) or (points,) "
                "is needed."
            )
        points = np.arange(1, values.shape[1] + 1) if x is None else np.asarray(x, dtype=float)
        if len(points) != values.shape[1]:
            raise ValueError(
                f"the series {label!r} has {values.shape[1]} points and x has {len(points)}."
            )
        measured = ~np.isnan(values).all(axis=0)
        points, values = points[measured], values[:, measured]
        if not points.size:
            continue
        mean = np.nanmean(values, axis=0)
        every = max(1, len(points) // 8)
        (line,) = axes.plot(
            points, mean, label=label, marker=_MARKERS[index % len(_MARKERS)], markevery=every
        )
        num_seeds.add(len(values))
        if len(values) > 1:
            num = (~np.isnan(values)).sum(axis=0)  # of seeds with this point
            spread = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / np.maximum(num - 1, 1))
            axes.fill_between(
                points, mean - spread, mean + spread, color=line.get_color(), alpha=0.2, lw=0
            )
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if x is None:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    if len(series) > 1:
        columns = 2 if max(len(label) for label in series) <= 24 else 1
        rows = -(-len(series) // columns)
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + 0.23 * (rows - 1))  # the axes keep their height
        figure.legend(loc="outside upper left", ncols=columns)
    elif not ylabel:
        axes.set_ylabel(next(iter(series)))
    if max(num_seeds, default=1) > 1:
        counts = " or ".join(str(num) for num in sorted(num_seeds))
        axes.set_title(f"mean of {counts} seeds, band: ± 1 standard deviation")
    return figure


def confusion(confusion: Any, classes: Sequence[str], *, counts: bool = False) -> Figure:
    """Draw a confusion matrix: rows are the truth, each row adds up to 100 %.

    The shade and, up to 12 classes, the number say the share of a row; the diagonal, where the
    prediction is right, is framed. A class that does not occur in the truth has dashes.

    Args:
        confusion: (C, C) counts of :func:`course_lib.metrics.confusion_matrix`.
        classes: C names.
        counts: write the counts, not the per cent.

    Returns:
        A figure with two axes: the matrix and its colour scale.

    Raises:
        ValueError: not a (C, C) matrix of counts for the C classes.
    """
    matrix = np.asarray(getattr(confusion, "cpu", lambda: confusion)(), dtype=np.float64)
    num = len(classes)
    if matrix.shape != (num, num) or (matrix < 0).any():
        raise ValueError(
            f"got a confusion matrix of shape {matrix.shape}, least entry "
            f"{matrix.min() if matrix.size else None}, for {num} classes; counts of shape "
            f"({num}, {num}) are needed."
        )
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, total, out=np.full_like(matrix, np.nan), where=total > 0)
    longest = max(len(name) for name in classes)
    side = 3.9 if num <= 4 else 5.2
    figure, axes = plt.subplots(figsize=(side, side + 0.3), layout="compressed")
    image = axes.imshow(share, vmin=0, vmax=1, cmap="cividis")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    upright = num * longest <= 40
    axes.set_xticks(range(num), classes, rotation=0 if upright else 90)
    axes.set_yticks(range(num), classes)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted class", ylabel="true class")
    for index in range(num):
        axes.add_patch(
            Rectangle((index - 0.5, index - 0.5), 1, 1, fill=False, ec="#D55E00", lw=1.5)
        )
    if num <= 12:
        for row, column in np.ndindex(num, num):
            value = share[row, column]
            number = f"{int(matrix[row, column])}" if counts else f"{100 * value:.0f}"
            axes.text(
                column,
                row,
                "–" if np.isnan(value) else number,
                ha="center",
                va="center",
                fontsize=9 if num <= 10 else 7.5,
                color="black" if value > 0.45 else "white",
            )
    for row in np.flatnonzero(total[:, 0] == 0):
        axes.add_patch(
            Rectangle((-0.5, row - 0.5), num, 1, color="#5A5A5A", lw=0, zorder=image.zorder)
        )
    bar = figure.colorbar(
        image, ax=axes, location="top", format=PercentFormatter(xmax=1), aspect=30, pad=0.02
    )
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    return figure
