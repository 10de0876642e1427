"""Check of the exercise `match_skip`: bring the coarse map to the skip's size and join the two."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Mistake, Property, Report, assert_close, grade


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


def _no_match(up: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([skip, up], dim=1)


def _swapped(up: Tensor, skip: Tensor) -> Tensor:
    rows, columns = _missing(up, skip)
    return torch.cat([skip, F.pad(up, [0, rows, 0, columns], mode="replicate")], dim=1)


def _top_left(up: Tensor, skip: Tensor) -> Tensor:
    rows, columns = _missing(up, skip)
    return torch.cat([skip, F.pad(up, [columns, 0, rows, 0], mode="replicate")], dim=1)


def _zeros(up: Tensor, skip: Tensor) -> Tensor:
    rows, columns = _missing(up, skip)
    return torch.cat([skip, F.pad(up, [0, columns, 0, rows])], dim=1)


def _crop(up: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([skip[..., : up.shape[-2], : up.shape[-1]], up], dim=1)


def _resize(up: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([skip, F.interpolate(up, size=skip.shape[-2:], mode="bilinear")], dim=1)


def _add(up: Tensor, skip: Tensor) -> Tensor:
    return skip + _padded(up, skip)


def _order(up: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([_padded(up, skip), skip], dim=1)


def _width(up: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([skip, _padded(up, skip)], dim=-1)


def _batch(up: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([skip, _padded(up, skip)], dim=0)


MISTAKES = [
    Mistake(
        "rows and columns swapped",
        _swapped,
        "F.pad counts from the last dimension: its first two numbers are left and right (columns), "
        "the next two top and bottom (rows). You gave the missing rows to the columns.",
    ),
    Mistake(
        "sizes not matched",
        _no_match,
        "An odd side was pooled to its floor and doubled to one pixel less: 13 -> 6 -> 12. Pad "
        "`up` by what is missing before you join.",
    ),
    Mistake(
        "the first row repeated",
        _top_left,
        "You repeated the first row or column (padding at the top or left does it, and so does "
        "F.interpolate by nearest neighbour). Pooling dropped the last one, so your map is moved "
        "by one pixel against the skip: pad at the bottom and the right.",
    ),
    Mistake(
        "padded with zeros",
        _zeros,
        "You padded with zeros, a value that the map may have nowhere. Repeat the last row and "
        'column: mode="replicate".',
    ),
    Mistake(
        "skip cropped",
        _crop,
        "You cropped the skip to the coarse map. Then the output has fewer pixels than the image "
        "and some get no label. Pad `up` instead.",
    ),
    Mistake(
        "stretched",
        _resize,
        "You stretched `up` to the skip's size. The further right or down, the more each pixel "
        "moves, up to almost one pixel. Only the last row or column is missing: pad it.",
    ),
    Mistake(
        "added",
        _add,
        "You added the maps (as in a ResNet). A U-Net puts them side by side: concatenate along "
        "the channels, so that the next convolution learns how to mix.",
    ),
    Mistake(
        "up before skip",
        _order,
        "The order is [skip, up]. Either order can be learned, but weights trained with one are "
        "nonsense with the other, and the checkpoints of this course have the skip first.",
    ),
    Mistake(
        "joined side by side",
        _width,
        "You joined along the width, so the maps lie beside each other. Channels are dimension 1 "
        "of (B, C, H, W).",
    ),
    Mistake(
        "joined along the batch",
        _batch,
        "You joined along dimension 0, the batch: twice as many images came out. Channels are "
        "dimension 1 of (B, C, H, W).",
    ),
]


def _draw(
    generator: torch.Generator, *, rows: int, columns: int, channels: int, skip_channels: int
) -> tuple[Tensor, Tensor]:
    height, width = (2 * int(n) for n in torch.randperm(4, generator=generator)[:2] + 2)
    up = torch.rand((2, channels, height, width), generator=generator)
    skip = torch.rand((2, skip_channels, height + rows, width + columns), generator=generator)
    return up, skip


def _example(generator: torch.Generator) -> tuple:
    rows = int(torch.randint(0, 2, (1,), generator=generator))
    return _draw(generator, rows=rows, columns=1 - rows, channels=3, skip_channels=3)


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


def _skip_first(student: Any, generator: torch.Generator) -> None:
    up, skip = _draw(generator, rows=0, columns=0, channels=4, skip_channels=2)
    answer = student(up, skip)
    assert_close(answer, reference(up, skip), "the joined map (skip first)")


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


def _edges(student: Any, generator: torch.Generator) -> None:
    for rows, columns in ((1, 0), (0, 1), (1, 1)):
        up, skip = _draw(generator, rows=rows, columns=columns, channels=2, skip_channels=2)
        what = f"with {rows} row(s) and {columns} column(s) missing, the result"
        assert_close(student(up, skip), reference(up, skip), what)


PROPERTIES = [
    Property("equal sizes: both maps lie behind each other along the channels", 1, _even),
    Property("the skip comes first", 1, _skip_first),
    Property("odd sizes: the result has the skip's height and width", 1, _odd),
    Property("odd sizes: the last row or column is repeated", 2, _edges),
]


def match_skip(student: Any, *, seed: int | None = None) -> Report:
    """Check a learner's `match_skip(up, skip)`.

    Args:
        student: The learner's function.
        seed: Repeats the inputs of an earlier report.

    Returns:
        Points per property, and a hint if the mistake is a known one.
    """
    return grade(
        "match_skip",
        student,
        properties=PROPERTIES,
        mistakes=MISTAKES,
        example=_example,
        seed=seed,
    )
