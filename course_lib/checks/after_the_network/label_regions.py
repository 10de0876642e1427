"""Check of the exercise `label_regions`: which pixels of a mask hang together?"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.compare import whole_numbers
from course_lib.checks.core import Check

Steps = tuple[tuple[int, int], ...]
SIDES: Steps = ((-1, 0), (0, -1), (0, 1), (1, 0))
CORNERS: Steps = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def reference(mask: Tensor, connectivity: int) -> Tensor:
    """Return the number of each pixel's region.

    Args:
        mask: (H, W) bool.
        connectivity: 4, neighbours share a side; or 8, a corner is enough.

    Returns:
        (H, W) integers: 0 outside of the mask; regions numbered from 1 in the order in which
        reading meets them.
    """
    return _label(mask, connectivity)


def _label(
    mask: Tensor,
    connectivity: int,
    *,
    always: int | None = None,
    steps: Steps | None = None,
    wraps: bool = False,
    number: str = "reading",
    start: int = 1,
    invert: bool = False,
) -> Tensor:
    """Label by filling, with one thing at a time that can be made wrong."""
    height, width = mask.shape
    inside = mask.logical_not() if invert else mask
    if steps is None:
        steps = SIDES + CORNERS if (always or connectivity) == 8 else SIDES
    labels = torch.zeros(mask.shape, dtype=torch.long)
    truth, found = inside.tolist(), labels.tolist()
    first: list[int] = []  # of each region, the place of its first pixel
    for i in range(height):
        for j in range(width):
            if not truth[i][j] or found[i][j]:
                continue
            first.append(i * width + j)
            found[i][j] = len(first)
            todo = [(i, j)]
            while todo:
                a, b = todo.pop()
                for down, right in steps:
                    y, x = a + down, b + right
                    if wraps:
                        y, x = divmod(y * width + x, width)
                    if not (0 <= y < height and 0 <= x < width):
                        continue
                    if truth[y][x] and not found[y][x]:
                        found[y][x] = len(first)
                        todo.append((y, x))
    labels = torch.tensor(found).view(mask.shape)
    if number == "columns":
        return labels if not first else _label(mask.T, connectivity).T.contiguous()
    names = torch.arange(len(first) + 1)
    if number == "place":
        names[1:] = torch.tensor(first, dtype=torch.long) + 1
    elif number == "size":
        size = labels.flatten().bincount(minlength=len(first) + 1)[1:]
        names[size.argsort(descending=True, stable=True) + 1] = torch.arange(1, len(first) + 1)
    elif number == "one":
        names = names.clamp(max=1)
    names[1:] += start - 1
    return names[labels]


def _one_pass(mask: Tensor, connectivity: int, *, gaps: bool = False) -> Tensor:
    """One pass without joining, or with joining and without counting again."""
    height, width = mask.shape
    steps = [(-1, 0), (0, -1)] + ([(-1, -1), (-1, 1)] if connectivity == 8 else [])
    found = [[0] * width for _ in range(height)]
    parent = [0]

    def root(k: int) -> int:
        while parent[k] != k:
            k = parent[k]
        return k

    for i in range(height):
        for j in range(width):
            if not mask[i, j]:
                continue
            near = [
                found[i + down][j + right]
                for down, right in steps
                if i + down >= 0 and 0 <= j + right < width and found[i + down][j + right]
            ]
            if not near:
                parent.append(len(parent))
            found[i][j] = min(near, default=len(parent) - 1)
            for other in near if gaps else ():
                a, b = sorted((root(other), root(found[i][j])))
                parent[b] = a
    return torch.tensor([[root(k) for k in row] for row in found]).view(mask.shape)


def _apart(generator: torch.Generator) -> tuple:
    """Rectangles that do not touch, not even at corners; whichever connectivity."""
    mask = torch.zeros(11, 14, dtype=torch.bool)
    for top in (0, 4, 8):
        for left in (0, 5, 10):
            if torch.rand((), generator=generator) < 0.8:
                high, wide = torch.randint(1, 4, (2,), generator=generator).tolist()
                mask[top : top + high, left : left + wide] = True
    mask[0, 0] = mask[5, 6] = mask[9, 12] = True
    return mask, 4 + 4 * int(torch.rand((), generator=generator) < 0.5)


def _pronged(generator: torch.Generator, *, connectivity: int | None = None) -> tuple:
    """Forks whose prongs meet further down, and a ring."""
    rows = int(torch.randint(3, 6, (), generator=generator))
    fork = torch.zeros(8, 17, dtype=torch.bool)
    for column in (0, 2, 4, 6):
        top = int(torch.randint(0, 3, (), generator=generator))
        fork[top:rows, column] = True
    fork[rows, 0:7] = True
    fork[rows - 1 :, 10] = fork[0:4, 16] = True
    fork[0, 12:17] = fork[3, 12:17] = fork[0:4, 12] = True
    fork[7, 0:3] = True
    if torch.rand((), generator=generator) < 0.5:
        fork = fork.flip(1)
    either = 4 + 4 * int(torch.rand((), generator=generator) < 0.5)
    return fork, connectivity or either


def _diagonal(generator: torch.Generator, *, connectivity: int) -> tuple:
    """Random pixels, and two lines that hang together at corners only."""
    mask = torch.rand(9, 13, generator=generator) < 0.4
    mask[:, 4:9] = False
    down = torch.arange(3)
    mask[down + 1, down + 5] = True
    mask[down + 5, 7 - down] = True
    return mask, connectivity


def _wrapping(generator: torch.Generator) -> tuple:
    """Regions at the left and right border, one row apart."""
    mask = torch.zeros(7, 9, dtype=torch.bool)
    row = int(torch.randint(0, 3, (), generator=generator))
    mask[row, 6:] = True
    mask[row + 1, :2] = True
    mask[row + 4, :] = True
    return mask, 4 + 4 * int(torch.rand((), generator=generator) < 0.5)


def _nothing(generator: torch.Generator) -> tuple:
    return torch.zeros(4, 6, dtype=torch.bool), 8


def _everything(generator: torch.Generator) -> tuple:
    return torch.ones(5, 3, dtype=torch.bool), 4


def _example(generator: torch.Generator) -> tuple:
    """Something of all."""
    connectivity = 4 + 4 * int(torch.rand((), generator=generator) < 0.5)
    mask, _ = _pronged(generator)
    other, _ = _diagonal(generator, connectivity=4)
    wrapping, _ = _wrapping(generator)
    parts = torch.zeros(8 + 9 + 7 + 2, 17, dtype=torch.bool)
    parts[:8] = mask
    parts[9:18, 4:17] = other
    parts[19:26, :9] = wrapping
    parts[19:22, 12] = parts[20:23, 16] = parts[23, 0] = True
    parts[22, 16] = True
    return parts, connectivity


label_regions = Check(
    "label_regions",
    lab="after_the_network",
    level="build",
    minutes=20,
    reference=reference,
    example=_example,
)

label_regions.equals_reference(
    "regions that lie apart get the numbers 1, 2, 3 in the order of reading",
    points=2,
    example=_apart,
    probe=whole_numbers,
    what="the label map of rectangles, with connectivity {1},",
)
label_regions.equals_reference(
    "parts that meet further down are one region",
    points=2,
    example=_pronged,
    what="the label map of forks and rings, with connectivity {1},",
)
label_regions.equals_reference(
    "with 4 a corner separates, with 8 it joins",
    points=2,
    example=[partial(_diagonal, connectivity=number) for number in (4, 8)],
    what="the label map of slanting lines, with connectivity {1},",
)
label_regions.equals_reference(
    "the end of a row does not touch the beginning of the next",
    points=1,
    example=[_wrapping, _everything],
    what="the label map of regions at the border, with connectivity {1},",
)
label_regions.equals_reference(
    "an empty mask has no region",
    points=1,
    example=[_nothing, _everything],
    what="the label map",
)

label_regions.mistake(
    "always 4",
    partial(_label, always=4),
    hint="You look at the four neighbours beyond the sides, whatever is asked. With connectivity 8 "
    "the four beyond the corners count as well.",
)
label_regions.mistake(
    "always 8",
    partial(_label, always=8),
    hint="You look at all eight neighbours, whatever is asked. With connectivity 4 two pixels that "
    "share a corner only are two regions.",
)
label_regions.mistake(
    "4 and 8 exchanged",
    lambda mask, connectivity: _label(mask, 12 - connectivity),
    hint="You have exchanged the two: 4 are the neighbours beyond the sides, 8 are these and those "
    "beyond the corners.",
)
label_regions.mistake(
    "never joined",
    _one_pass,
    hint="The prongs of a fork have several numbers in your map. When a pixel meets neighbours "
    "with different numbers, these are one region: note that they are equal, and give out the "
    "final numbers in a second pass. (Or fill each region from its first pixel on.)",
)
label_regions.mistake(
    "gaps in the numbers",
    partial(_one_pass, gaps=True),
    hint="Your regions are right, and their numbers have gaps where two have been joined. Number "
    "them again, 1, 2, 3, in the order in which reading meets them.",
)
label_regions.mistake(
    "one diagonal only",
    lambda mask, connectivity: _label(
        mask,
        connectivity,
        steps=SIDES if connectivity == 4 else (*SIDES, (-1, -1), (1, 1)),
    ),
    hint="You join corners in one of the two diagonals only. Of the neighbours that have been read "
    "before, both those above at the left and above at the right touch a corner.",
)
label_regions.mistake(
    "round the corner",
    partial(_label, wraps=True),
    hint="The last pixel of a row and the first of the next follow each other in memory, and not "
    "in the picture. Watch the columns when you step left or right.",
)
label_regions.mistake(
    "numbered by place",
    partial(_label, number="place"),
    hint="You number a region by the place of its first pixel. Count them instead: 1, 2, 3.",
)
label_regions.mistake(
    "numbered by size",
    partial(_label, number="size"),
    hint="You number the regions by size. The statement wants the order in which reading meets "
    "their first pixels: rows from the top, each from the left.",
)
label_regions.mistake(
    "read by columns",
    partial(_label, number="columns"),
    hint="You read column by column. Go row by row, each from left to right.",
)
label_regions.mistake(
    "numbered from 2",
    partial(_label, start=2),
    hint="Your first region has the number 2. Begin with 1: 0 is what lies outside.",
)
label_regions.mistake(
    "all one region",
    partial(_label, number="one"),
    hint="That is the mask itself, as numbers. Pixels that do not hang together need different "
    "ones.",
)
label_regions.mistake(
    "the background labelled",
    partial(_label, invert=True),
    hint="You number the regions of the background. The mask is true where the object is.",
)
