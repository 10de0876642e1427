"""Check of the exercise `roi_cells`: repair the sampler that cuts a box out of a feature map."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.kinds import Repair


def reference(
    features: Tensor, box: Tensor, size: tuple[int, int], scale: float, ratio: int
) -> Tensor:
    """Return the cells of one box: RoIAlign without border cases.

    Args:
        features: (C, H, W).
        box: (4,) x1, y1, x2, y2 in pixels of the image.
        size: rows and columns of the result.
        scale: pixels of the map for one pixel of the image.
        ratio: samples of a cell along each side.

    Returns:
        (C, *size).

    Source: arXiv:1703.06870, Sec. 3.
    """
    return _cells(features, box, size, scale, ratio)


def _cells(
    features: Tensor,
    box: Tensor,
    size: tuple[int, int],
    scale: float,
    ratio: int,
    *,
    corners: str = "as they are",
    half: float = 0.5,
    place: float = 0.5,
    weights: str = "nearest most",
    pool: str = "mean",
) -> Tensor:
    """The cells, with each of the parts right or wrong."""
    box = box * scale
    box = {"as they are": box, "rounded": box.round(), "floored": box.floor()}[corners] - half
    x1, y1, x2, y2 = box.tolist()
    rows, columns = size
    ys = y1 + (y2 - y1) / rows * (torch.arange(rows * ratio) + place) / ratio
    xs = x1 + (x2 - x1) / columns * (torch.arange(columns * ratio) + place) / ratio
    if weights == "none":  # the pixel that is nearest
        ys, xs = ys.round(), xs.round()
    top, left = ys.floor().long(), xs.floor().long()
    down, right = (ys - top)[:, None], xs - left
    if weights == "swapped":
        down, right = 1 - down, 1 - right
    top = top[:, None]
    samples = (
        (1 - down) * (1 - right) * features[:, top, left]
        + (1 - down) * right * features[:, top, left + 1]
        + down * (1 - right) * features[:, top + 1, left]
        + down * right * features[:, top + 1, left + 1]
    )  # (C, rows * ratio, columns * ratio)
    if pool == "one":
        return samples[:, ::ratio, ::ratio]
    return F.max_pool2d(samples, ratio) if pool == "max" else F.avg_pool2d(samples, ratio)


BUGS: dict[str, Any] = {
    "corners": "rounded",
    "half": 0.0,
    "place": 0.0,
    "weights": "swapped",
    "pool": "max",
}


def broken(
    features: Tensor, box: Tensor, size: tuple[int, int], scale: float, ratio: int
) -> Tensor:
    """The function that the learner is given."""
    return _cells(features, box, size, scale, ratio, **BUGS)


def _example(generator: torch.Generator) -> tuple:
    """A box that is nowhere whole, on a map of 3 channels."""
    features = torch.randn(3, 20, 24, generator=generator, dtype=torch.float64)
    corner = 3 + 3 * torch.rand(2, generator=generator)
    sides = torch.tensor([9.0, 7.0]) + 2 * torch.rand(2, generator=generator)
    box = torch.cat([corner, corner + sides]) * 8
    return features, box, (3, 4), 1 / 8, 2


roi_cells = Repair(
    "roi_cells",
    lab="mask_rcnn",
    level="build",
    minutes=25,
    reference=reference,
    broken=broken,
    example=_example,
)

WIDTH, HEIGHT = 16, 12
ONE_HOT = torch.eye(WIDTH * HEIGHT, dtype=torch.float64).view(-1, HEIGHT, WIDTH)


def _weights(
    student: Any, box: tuple[float, float, float, float], size: tuple[int, int], ratio: int = 1
) -> Tensor:
    """How much each pixel of a map counts in each cell, (H, W, rows, columns).

    A map with one channel for each pixel, which is 1 there and 0 elsewhere, tells it. The box is in
    pixels of the map, and the image's pixels are half as large.
    """
    got = student(ONE_HOT.clone(), torch.tensor(box, dtype=torch.float64) * 2, size, 0.5, ratio)
    assert isinstance(got, Tensor), f"the result is a {type(got).__name__}, wanted a torch.Tensor"
    wanted = (WIDTH * HEIGHT, *size)
    assert got.shape == wanted, f"the result has shape {tuple(got.shape)}, wanted {wanted}"
    return got.detach().double().view(HEIGHT, WIDTH, *size)


def _middle(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of each cell's centre of weight."""
    total = weights.sum((0, 1)).clamp(min=1e-9)
    rows = (weights.sum(1) * torch.arange(HEIGHT).view(-1, 1, 1)).sum(0) / total
    columns = (weights.sum(0) * torch.arange(WIDTH).view(-1, 1, 1)).sum(0) / total
    return rows, columns


@roi_cells.bug(
    "a box between the pixels is not rounded to them",
    left=partial(_cells, corners="rounded"),
    hint="You round the box to whole pixels of the map, as RoIPool did: with 8 image pixels for "
    "one of the map a mask is off by up to 4. Leave the corners as they are; the interpolation "
    "takes care of places between the pixels.",
)
def _unrounded(student: Any, generator: torch.Generator) -> None:
    x, y = (3.1 + 0.05 * torch.rand(2, generator=generator)).tolist()
    still = _weights(student, (x, y, x + 3, y + 2), (2, 2))
    for dx, dy in ((0.2, 0.0), (0.0, 0.2)):
        moved = _weights(student, (x + dx, y + dy, x + dx + 3, y + dy + 2), (2, 2))
        assert not torch.allclose(still, moved), (
            "the cells are the same after the box has moved by a fifth of a pixel of the map"
        )


@roi_cells.bug(
    "a pixel's centre lies half a pixel from its edge",
    left=partial(_cells, half=0.0),
    hint="Your sample is half a pixel off. The value with the index 3 belongs to the middle of its "
    "pixel, which is 3.5 in the coordinates of the box: subtract 0.5 before you use a place as an "
    "index.",
)
def _half(student: Any, generator: torch.Generator) -> None:
    x, y = torch.randint(3, 6, (2,), generator=generator).tolist()
    weights = _weights(student, (x, y, x + 2, y + 2), (1, 1))
    used = int((weights.abs() > 1e-9).sum())
    assert used == 4, (
        f"a box of 2 by 2 whole pixels with one sample in its middle uses {used} pixels of the "
        "map, wanted its 4, with the same weight"
    )


@roi_cells.bug(
    "samples lie in the middle of their part",
    left=partial(_cells, place=0.0),
    hint="Your samples begin at the upper left edge of each cell, so all of them lie too far up "
    "and left. Cut the cell into ratio by ratio parts and take the middle of each: "
    "(arange + 0.5) / ratio.",
)
def _middles(student: Any, generator: torch.Generator) -> None:
    row, column = _middle(_weights(student, (2, 2, 12, 8), (1, 1)))
    assert abs(float(column) - 6.5) < 1.6 and abs(float(row) - 4.5) < 1.6, (
        "the only sample of a box from 2 to 12 in x and from 2 to 8 in y lies near the pixel in "
        f"column {float(column):.1f}, row {float(row):.1f}"
    )


@roi_cells.bug(
    "the nearer pixel counts more",
    left=partial(_cells, weights="swapped"),
    hint="Your weights are exchanged: a sample a quarter of a pixel to the right of a pixel's "
    "centre takes three quarters from that pixel, 1 - 0.25, and a quarter from the next.",
)
def _nearer(student: Any, generator: torch.Generator) -> None:
    x, y = torch.randint(3, 6, (2,), generator=generator).tolist()
    rows, columns = _middle(_weights(student, (x, y, x + 1, y + 1), (2, 2)))
    steps = (rows[1] - rows[0]).tolist() + (columns[:, 1] - columns[:, 0]).tolist()
    wrong = [step for step in steps if abs(step - 0.5) > 1e-6]
    assert not wrong, (
        "two samples lie half a pixel apart, and what they take from the map lies "
        f"{wrong[0]:.2f} pixels apart"
    )


@roi_cells.bug(
    "a cell is the mean of its samples",
    left=partial(_cells, pool="max"),
    hint="You take the largest sample. RoIAlign takes their mean, so that every sample gets its "
    "share of the gradient: avg_pool2d.",
)
def _mean(student: Any, generator: torch.Generator) -> None:
    x, y = torch.randint(2, 4, (2,), generator=generator).tolist()
    total = _weights(student, (x, y, x + 8, y + 6), (1, 1), ratio=2).sum()
    assert abs(float(total) - 1) < 1e-6, (
        f"the weights of all pixels in a cell add up to {float(total):.2f}: on a map that is 1 "
        "at one pixel and 0 elsewhere, summed over all such maps"
    )


roi_cells.equals_reference("on a map of random numbers every cell is right", points=2)

roi_cells.mistake(
    "unchanged",
    broken,
    hint="This is the function as it was given to you. Read it line by line; five things are "
    "wrong.",
)
roi_cells.mistake(
    "rounded down",
    partial(_cells, corners="floored"),
    hint="You cut the corners down to whole pixels. Any rounding is too much: leave them as they "
    "are.",
)
roi_cells.mistake(
    "half a pixel in the other direction",
    partial(_cells, half=-0.5),
    hint="You add the half pixel. The middle of the pixel with the index 3 is at 3.5, so a place "
    "becomes an index by subtracting 0.5.",
)
roi_cells.mistake(
    "the nearest pixel",
    partial(_cells, weights="none"),
    hint="You take the nearest pixel and no mixture: that is rounding again, sample by sample. "
    "Take the four pixels around, each with its weight.",
)
roi_cells.mistake(
    "one sample for all",
    partial(_cells, pool="one"),
    hint="You take the first sample of each cell and leave the others. Take the mean of all.",
)
