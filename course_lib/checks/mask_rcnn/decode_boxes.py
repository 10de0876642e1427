"""Check of the exercise `decode_boxes`: from an anchor and four numbers to a box."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

LIMIT = math.log(1000 / 16)


def reference(codes: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes that the codes describe.

    Args:
        codes: (n, 4): shift of the centre in x and y, in parts of the anchor's width and height,
            and logarithm of the growth of the width and of the height.
        anchors: (n, 4), x1, y1, x2, y2 in pixels.

    Returns:
        (n, 4) boxes, x1, y1, x2, y2 in pixels.

    Source: arXiv:1506.01497, Eq. 2.
    """
    return _decode(codes, anchors)


def _decode(
    codes: Tensor,
    anchors: Tensor,
    *,
    start: str = "centre",
    unit: str = "its own side",
    size: str = "exp",
    limit: str = "sizes",
    gives: str = "corners",
    plus: float = 0.0,
) -> Tensor:
    """Decode, with one thing at a time that can be made wrong."""
    sides = anchors[:, 2:] - anchors[:, :2] + plus  # (n, 2)
    origin = anchors[:, :2] + (sides / 2 if start == "centre" else 0)
    shift, growth = codes[:, :2], codes[:, 2:]
    if limit != "none":
        growth = growth.clamp(max=LIMIT)
    if limit == "everything":
        shift = shift.clamp(max=LIMIT)
    if limit == "both sides":
        growth = growth.clamp(min=-LIMIT)
    grown = {
        "exp": sides * growth.exp(),
        "linear": sides * (1 + growth),
        "bare": sides * growth,
        "added": sides + growth.exp(),
        "base 2": sides * 2**growth,
    }[size]
    by = {
        "its own side": sides,
        "the other side": sides.flip(1),
        "the new side": grown,
        "pixels": torch.ones_like(sides),
    }[unit]
    centre = origin + shift * by
    if gives == "centre and size":
        return torch.cat([centre, grown], dim=1)
    if gives == "centre as corner":
        return torch.cat([centre, centre + grown], dim=1)
    reach = grown if gives == "whole sides" else grown / 2
    return torch.cat([centre - reach, centre + reach], dim=1)


def _draw(
    generator: torch.Generator,
    *,
    num: int = 6,
    shift: float = 0.0,
    growth: float = 0.0,
    extreme: bool = False,
) -> tuple:
    """Anchors that are nowhere square, and codes of the given spread."""
    corner = 100 * torch.rand(num, 2, generator=generator)
    sides = torch.stack(
        [
            10 + 20 * torch.rand(num, generator=generator),
            40 + 20 * torch.rand(num, generator=generator),
        ],
        dim=1,
    )
    spread = torch.tensor([shift, shift, growth, growth])
    codes = spread * torch.randn(num, 4, generator=generator)
    if extreme:  # a shift, a growth and a shrinking that are beyond the limit
        codes[0] = torch.tensor([5.0, -0.5, 6.0, 0.2])
        codes[1] = torch.tensor([0.3, 6.0, -6.0, 7.5])
    return codes, torch.cat([corner, corner + sides], dim=1)


_example = partial(_draw, shift=0.5, growth=0.6, extreme=True)

decode_boxes = Check(
    "decode_boxes",
    lab="mask_rcnn",
    level="build",
    minutes=15,
    reference=reference,
    example=_example,
)

decode_boxes.equals_reference(
    "a code of zeros gives the anchor; no anchors give no boxes",
    points=1,
    example=[_draw, partial(_draw, num=0)],
    what="the boxes of codes that are 0",
)
decode_boxes.equals_reference(
    "the centre moves by parts of the anchor's sides",
    points=2,
    example=partial(_draw, shift=0.7),
    what="the boxes of codes that only shift",
)
decode_boxes.equals_reference(
    "the sides grow by an exponential, about the centre",
    points=2,
    example=partial(_draw, growth=0.7),
    what="the boxes of codes that only grow",
)
decode_boxes.equals_reference(
    "a growth is limited, a shift is not",
    points=1,
    what="the boxes of codes of which some are beyond the limit",
)

decode_boxes.mistake(
    "moved from the corner",
    partial(_decode, start="corner"),
    hint="You start at the anchor's upper left corner. The first two codes shift its *centre*, "
    "(x1 + x2) / 2 and (y1 + y2) / 2.",
)
decode_boxes.mistake(
    "shifted in pixels",
    partial(_decode, unit="pixels"),
    hint="You shift the centre by the code itself, as if it were pixels. It is in parts of the "
    "anchor's sides: multiply by width and height, so that one code means the same for small and "
    "large anchors.",
)
decode_boxes.mistake(
    "shifted by the other side",
    partial(_decode, unit="the other side"),
    hint="Your shift in x goes by the height and that in y by the width. For square anchors nobody "
    "would notice.",
)
decode_boxes.mistake(
    "shifted by the new sides",
    partial(_decode, unit="the new side"),
    hint="You multiply the shift by the sides of the *new* box. Its unit is the anchor's side, "
    "which is known before anything is decoded.",
)
decode_boxes.mistake(
    "grown linearly",
    partial(_decode, size="linear"),
    hint="You multiply the side by 1 + code, which is exp(code) only for small codes; a code below "
    "-1 would even give a negative side. The code is a logarithm: multiply by exp(code).",
)
decode_boxes.mistake(
    "the exponential forgotten",
    partial(_decode, size="bare"),
    hint="You multiply the side by the code. A code of 0 then makes the box vanish. The code is "
    "the *logarithm* of the growth: multiply by exp(code).",
)
decode_boxes.mistake(
    "the exponential added",
    partial(_decode, size="added"),
    hint="You add exp(code) to the side. The code is the logarithm of a ratio: new side = side "
    "times exp(code).",
)
decode_boxes.mistake(
    "powers of two",
    partial(_decode, size="base 2"),
    hint="You take 2 to the power of the code; the logarithm is the natural one: torch.exp.",
)
decode_boxes.mistake(
    "no limit",
    partial(_decode, limit="none"),
    hint="Your sides have no limit. A badly trained layer says 20, exp(20) is half a billion "
    "pixels, and the next loss is NaN: clamp the last two codes at log(1000 / 16) first.",
)
decode_boxes.mistake(
    "everything limited",
    partial(_decode, limit="everything"),
    hint="You limit all four codes. Only the last two go through an exponential; a box may move as "
    "far as it likes.",
)
decode_boxes.mistake(
    "limited on both sides",
    partial(_decode, limit="both sides"),
    hint="You limit the growth from below as well. A very negative code makes a very thin box, "
    "which harms nobody: only the upper end is limited.",
)
decode_boxes.mistake(
    "centre and size",
    partial(_decode, gives="centre and size"),
    hint="You return centre, width and height. The statement asks for corners: centre minus and "
    "plus half a side.",
)
decode_boxes.mistake(
    "the centre as corner",
    partial(_decode, gives="centre as corner"),
    hint="You lay the new box to the right of and below its centre. Half of each side lies on "
    "either hand of it.",
)
decode_boxes.mistake(
    "twice as large",
    partial(_decode, gives="whole sides"),
    hint="You go a whole side from the centre in both directions, so your box is twice as wide and "
    "high. It is half a side each way.",
)
decode_boxes.mistake(
    "one pixel wider",
    partial(_decode, plus=1.0),
    hint="You count the last column in once more, x2 - x1 + 1. Boxes here are half-open: x2 lies "
    "behind the last column, and the width is x2 - x1.",
)
