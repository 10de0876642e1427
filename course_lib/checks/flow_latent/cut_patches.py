"""Check of the exercise `cut_patches`: a picture as a sequence of squares."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Check


def reference(x: Tensor, patch: int) -> Tensor:
    """Return the squares of pictures as a sequence.

    Args:
        x: (B, C, H, W); `patch` divides both sides.
        patch: side of a square, in pixels.

    Returns:
        (B, L, C * patch²): squares row by row; in each its channels, in each of these its pixels
        row by row.

    Source: arXiv:2212.09748, section 3.2 ("Patchify").
    """
    return _cut(x, patch)


def _cut(x: Tensor, patch: int, *, how: str = "right") -> Tensor:
    """The squares, in several orders."""
    batch, channels, height, width = x.shape
    h, w, numbers = height // patch, width // patch, channels * patch**2
    if how == "reshaped":
        return x.reshape(batch, h * w, numbers)
    if how == "far apart":  # pixels that lie a whole grid apart
        parts = x.reshape(batch, channels, patch, h, patch, w)
        return parts.permute(0, 3, 5, 1, 2, 4).reshape(batch, h * w, numbers)
    parts = x.reshape(batch, channels, h, patch, w, patch)  # (B, C, h, p, w, p)
    order = {
        "right": (0, 2, 4, 1, 3, 5),
        "columns first": (0, 4, 2, 1, 3, 5),
        "channels last": (0, 2, 4, 3, 5, 1),
        "squares turned": (0, 2, 4, 1, 5, 3),
        "sequence last": (0, 1, 3, 5, 2, 4),
    }[how]
    if how == "sequence last":
        return parts.permute(order).reshape(batch, numbers, h * w)
    return parts.permute(order).reshape(batch, h * w, numbers)


def _draw(generator: torch.Generator) -> tuple[Tensor, int]:
    """Never square, in colours, and squares of several sides."""
    b, c, h, w, patch = (
        int(torch.randint(low, low + 2, (), generator=generator)) for low in (2, 2, 2, 4, 2)
    )
    return torch.randn(b, c, h * patch, w * patch, generator=generator), patch


def _one(student: Any, x: Tensor, patch: int) -> Tensor:
    answer = student(x, patch)
    assert answer is not None, "the result is None: is the `return` missing?"
    batch, channels, height, width = x.shape
    wanted = (batch, (height // patch) * (width // patch), channels * patch**2)
    got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
    assert got == wanted, f"got {got}, wanted a tensor of shape {wanted}"
    return answer


cut_patches = Check(
    "cut_patches",
    lab="flow_latent",
    level="build",
    minutes=15,
    reference=reference,
    example=_draw,
)


@cut_patches.holds("each square's pixels stand together", points=1)
def _together(student: Any, generator: torch.Generator) -> None:
    x, patch = _draw(generator)
    height, width = x.shape[2] // patch, x.shape[3] // patch
    number = torch.arange(height * width).float().view(1, 1, height, width)
    marked = number.repeat_interleave(patch, 2).repeat_interleave(patch, 3).expand_as(x)
    cut = _one(student, marked.contiguous(), patch)
    mixed = int((cut.amax(2) != cut.amin(2)).sum())
    assert not mixed, (
        f"in a picture whose squares have one number each, {mixed} of {cut.shape[0] * cut.shape[1]}"
        " places of your sequence hold numbers of several squares"
    )


@cut_patches.holds("squares come row by row", points=1)
def _in_rows(student: Any, generator: torch.Generator) -> None:
    x, patch = _draw(generator)
    cut = _one(student, x, patch)
    for place in range(cut.shape[1]):
        row, column = divmod(place, x.shape[3] // patch)
        square = x[..., patch * row : patch * (row + 1), patch * column : patch * (column + 1)]
        mine, wanted = cut[0, place].sort().values, square[0].flatten().sort().values
        assert torch.allclose(mine, wanted), (
            f"place {place} does not hold the pixels of the square in row {row}, column {column}"
        )


cut_patches.equals_reference("the numbers of a square in their order", points=1)


@cut_patches.holds("it can be put back", points=1)
def _back(student: Any, generator: torch.Generator) -> None:
    x, patch = _draw(generator)
    cut = _one(student, x, patch)
    maps = cut.transpose(1, 2).unflatten(2, (x.shape[2] // patch, x.shape[3] // patch))
    again = torch.nn.functional.pixel_shuffle(maps, patch)
    assert torch.allclose(again, x), (
        "put back by torch.nn.functional.pixel_shuffle, the picture is another one"
    )


cut_patches.mistake(
    "reshaped",
    partial(_cut, how="reshaped"),
    hint="A reshape alone moves nothing: the numbers stand in memory row by row of the whole "
    "picture. Split both sides, (B, C, h, p, w, p), permute, and only then join.",
)
cut_patches.mistake(
    "columns first",
    partial(_cut, how="columns first"),
    hint="Your squares come column by column. A place's number is row * w + column, and the "
    "positions that the network adds count like that.",
)
cut_patches.mistake(
    "channels last",
    partial(_cut, how="channels last"),
    hint="In each square you put the channels of a pixel together. Here the channels come first, "
    "and in each the pixels.",
)
cut_patches.mistake(
    "squares turned",
    partial(_cut, how="squares turned"),
    hint="The pixels of each square come column by column: the square is mirrored at its diagonal.",
)
cut_patches.mistake(
    "far apart",
    partial(_cut, how="far apart"),
    hint="Your squares are made of pixels that lie far from each other. A side of H pixels splits "
    "into (h, p), the number of the square first: pixel y is in square y // p.",
)
cut_patches.mistake(
    "sequence last",
    partial(_cut, how="sequence last"),
    hint="Your sequence runs along the last dimension. A transformer wants (B, L, numbers).",
)
