"""Check of the exercise `match_skip`: bring the coarse map to the skip's size and join the two."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import assert_close
from course_lib.checks.core import Check


def reference(up: Tensor, skip: Tensor) -> Tensor:
    """Pad `up` at the bottom and the right by repeating its edge, then join it after `skip`.

    Args:
        up: (B, C, h, w), the coarse map after its resolution was doubled.
        skip: (B, D, H, W), the encoder's map; H is h or h + 1, W is w or w + 1.

    Returns:
        (B, D + C, H, W).
    """
    return torch.cat([skip, _padded(up, skip)], dim=1)


def _missing(up: Tensor, skip: Tensor) -> tuple[int, int]:
    return skip.shape[-2] - up.shape[-2], skip.shape[-1] - up.shape[-1]


def _padded(up: Tensor, skip: Tensor) -> Tensor:
    rows, columns = _missing(up, skip)
    return F.pad(up, [0, columns, 0, rows], mode="replicate")


def _join(
    match: Callable[[Tensor, Tensor], Tensor] = _padded,
    join: Callable[[list[Tensor]], Tensor] = torch.hstack,  # along dimension 1
) -> Any:
    """An answer of which one half can be made wrong: the match, or the join of [skip, up]."""
    return lambda up, skip: join([skip, match(up, skip)])


def _pad(
    sides: Callable[[int, int], list[int]], mode: str = "replicate"
) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda up, skip: F.pad(up, sides(*_missing(up, skip)), mode=mode)


def _crop(up: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([skip[..., : up.shape[-2], : up.shape[-1]], up], dim=1)


def _channels_for_rows(up: Tensor, skip: Tensor) -> Tensor:
    """Sizes are read one dimension too early: channels for rows, rows for columns."""
    channels, rows = skip.shape[1] - up.shape[1], skip.shape[2] - up.shape[2]
    return torch.cat([skip, F.pad(up, [0, rows, 0, channels], mode="replicate")], dim=1)


def _draw(
    generator: torch.Generator, *, rows: int, columns: int, channels: int, skip_channels: int
) -> tuple[Tensor, Tensor]:
    height, width = (2 * int(n) for n in torch.randperm(4, generator=generator)[:2] + 2)
    up = torch.rand((2, channels, height, width), generator=generator)
    skip = torch.rand((2, skip_channels, height + rows, width + columns), generator=generator)
    return up, skip


def _example(generator: torch.Generator) -> tuple:
    rows, fewer = (int(n) for n in torch.randint(0, 2, (2,), generator=generator))
    return _draw(generator, rows=rows, columns=1 - rows, channels=3 - fewer, skip_channels=3)


match_skip = Check(
    "match_skip", lab="unet", level="build", minutes=10, reference=reference, example=_example
)


@match_skip.holds("equal sizes: both maps lie behind each other along the channels", points=1)
def _even(student: Any, generator: torch.Generator) -> None:
    up, skip = _draw(generator, rows=0, columns=0, channels=5, skip_channels=3)
    what = f"for up {tuple(up.shape)} and skip {tuple(skip.shape)}, the result"
    answer = student(up, skip)
    wanted = (2, 8, *skip.shape[-2:])
    if isinstance(answer, Tensor) and tuple(answer.shape) != wanted:
        raise AssertionError(f"{what} has shape {tuple(answer.shape)}, wanted {wanted}")
    found = [answer[:, :3], answer[:, 3:]] if isinstance(answer, Tensor) else [answer]
    if len(found) == 2 and torch.equal(answer, torch.cat([up, skip], dim=1)):
        return  # the order is another property
    assert_close(found[0], skip, what)
    assert_close(found[-1], up, what)


match_skip.equals_reference(
    "the skip comes first",
    points=1,
    example=partial(_draw, rows=0, columns=0, channels=4, skip_channels=2),
    what="the joined map (skip first)",
)


@match_skip.holds("odd sizes: the result has the skip's height and width", points=1)
def _odd(student: Any, generator: torch.Generator) -> None:
    for rows, columns in ((1, 0), (0, 1), (1, 1)):
        up, skip = _draw(generator, rows=rows, columns=columns, channels=2, skip_channels=3)
        answer, wanted = student(up, skip), (2, 5, *skip.shape[-2:])
        if tuple(getattr(answer, "shape", ())) != wanted:
            got = tuple(getattr(answer, "shape", ())) or type(answer).__name__
            raise AssertionError(
                f"for up {tuple(up.shape)} and skip {tuple(skip.shape)} you return {got}, "
                f"wanted {wanted}"
            )


match_skip.equals_reference(
    "odd sizes: the last row or column is repeated",
    points=2,
    example=[
        partial(_draw, rows=rows, columns=columns, channels=2, skip_channels=2)
        for rows, columns in ((1, 0), (0, 1), (1, 1))
    ],
    what="with a row or a column missing, the result",
)

match_skip.mistake(
    "rows and columns swapped",
    _join(_pad(lambda rows, columns: [0, rows, 0, columns])),
    hint="F.pad counts from the last dimension: its first two numbers are left and right "
    "(columns), the next two top and bottom (rows). You gave the missing rows to the columns.",
)
match_skip.mistake(
    "sizes not matched",
    _join(lambda up, skip: up),
    hint="An odd side was pooled to its floor and doubled to one pixel less: 13 -> 6 -> 12. Pad "
    "`up` by what is missing before you join.",
)
match_skip.mistake(
    "the first row repeated",
    _join(_pad(lambda rows, columns: [columns, 0, rows, 0])),
    hint="You repeated the first row or column (padding at the top or left does it, and so does "
    "F.interpolate by nearest neighbour). Pooling dropped the last one, so your map is moved by "
    "one pixel against the skip: pad at the bottom and the right.",
)
match_skip.mistake(
    "padded with zeros",
    _join(_pad(lambda rows, columns: [0, columns, 0, rows], "constant")),
    hint="You padded with zeros, a value that the map may have nowhere. Repeat the last row and "
    'column: mode="replicate".',
)
match_skip.mistake(
    "reflected",
    _join(_pad(lambda rows, columns: [0, columns, 0, rows], "reflect")),
    hint='Your new row is the last but one: mode="reflect" mirrors the map at its last row. '
    'Repeat the last row and column itself: mode="replicate".',
)
match_skip.mistake(
    "wrapped around",
    _join(_pad(lambda rows, columns: [0, columns, 0, rows], "circular")),
    hint='Your new row is the first one, from the other end of the map: that is mode="circular". '
    'Repeat the last row and column: mode="replicate".',
)
match_skip.mistake(
    "skip cropped",
    _crop,
    hint="You cropped the skip to the coarse map. Then the output has fewer pixels than the image "
    "and some get no label. Pad `up` instead.",
)
match_skip.mistake(
    "stretched",
    _join(lambda up, skip: F.interpolate(up, size=skip.shape[-2:], mode="bilinear")),
    hint="You stretched `up` to the skip's size. The further right or down, the more each pixel "
    "moves, up to almost one pixel. Only the last row or column is missing: pad it.",
)
match_skip.mistake(
    "added",
    _join(join=lambda maps: maps[0] + maps[1]),
    hint="You added the maps (as in a ResNet). A U-Net puts them side by side: concatenate along "
    "the channels, so that the next convolution learns how to mix.",
)
match_skip.mistake(
    "up before skip",
    _join(join=lambda maps: torch.cat(maps[::-1], dim=1)),
    hint="The order is [skip, up]. Either order can be learned, but weights trained with one are "
    "nonsense with the other, and the checkpoints of this course have the skip first.",
)
match_skip.mistake(
    "joined side by side",
    _join(join=partial(torch.cat, dim=-1)),
    hint="You joined along the width, so the maps lie beside each other. Channels are dimension 1 "
    "of (B, C, H, W).",
)
match_skip.mistake(
    "joined one below the other",
    _join(join=partial(torch.cat, dim=-2)),
    hint="You joined along the height, so the maps lie one below the other. Channels are dimension "
    "1 of (B, C, H, W).",
)
match_skip.mistake(
    "joined along the batch",
    _join(join=partial(torch.cat, dim=0)),
    hint="You joined along dimension 0, the batch: twice as many images came out. Channels are "
    "dimension 1 of (B, C, H, W).",
)
match_skip.mistake(
    "stacked",
    _join(join=partial(torch.stack, dim=1)),
    hint="You used stack, which makes a new dimension and needs equal channels. Wanted is one map "
    "with the channels of both behind each other: torch.cat along dimension 1.",
)
match_skip.mistake(
    "sizes read one dimension too early",
    _channels_for_rows,
    hint="You compare dimensions 1 and 2 of the two maps, channels and rows. Rows and columns are "
    "the last two: shape[-2] and shape[-1], or 2 and 3.",
)
