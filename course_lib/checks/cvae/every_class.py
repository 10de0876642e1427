"""Check of the exercise `every_class`: one code, drawn with each of the labels."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.checks.core import Check


def reference(decoder: nn.Module, codes: Tensor, num_classes: int) -> Tensor:
    """Draw each code with every class.

    Args:
        decoder: codes (M, D) and labels (M,) to images (M, C, H, W).
        codes: (n, D).
        num_classes: K.

    Returns:
        (n, K, C, H, W): in a row one code, in a column one class.
    """
    return _drawn(decoder, codes, num_classes)


def _drawn(
    decoder: nn.Module,
    codes: Tensor,
    num_classes: int,
    *,
    pairs: str = "each with each",
    first: int = 0,
    shape: str = "rows of codes",
    classes: str = "all",
) -> Tensor:
    """The pictures, with one thing at a time that can be made wrong."""
    n = len(codes)
    labels = torch.arange(first, num_classes + first) % num_classes
    z = codes.repeat_interleave(num_classes, 0)
    told = labels.repeat(n)
    if pairs == "in step":
        told = labels.repeat_interleave(n)
    if pairs == "the code first":
        z, told = codes.repeat(num_classes, 1), labels.repeat_interleave(n)
    if pairs == "new codes":
        z = torch.randn_like(z)
    if pairs == "the mean code":
        z = codes.mean(0, keepdim=True).expand_as(z)
    if classes == "one":
        told = torch.zeros_like(told)
    if classes == "backwards":
        told = num_classes - 1 - told
    images: Tensor = decoder(z, told)
    size = images.shape[1:]
    if shape == "flat":
        return images
    grid = images.view(num_classes, n, *size) if pairs == "the code first" else None
    if grid is not None and shape == "rows of codes":
        return grid.reshape(n, num_classes, *size)
    made = images.view(n, num_classes, *size)
    return made.transpose(0, 1) if shape == "rows of classes" else made


class _Decoder(nn.Module):
    """Draws the code in the first row, and the class in the second, of 2 by 3 pixels."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(1 + torch.rand(3, generator=generator))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return (M, 1, 2, 3)."""
        if labels.is_floating_point():
            raise TypeError("labels are whole numbers")
        if labels.shape != z.shape[:1] or labels.min() < 0:
            raise ValueError(f"{len(z)} codes and labels of shape {tuple(labels.shape)}")
        first = z * self.weight
        second = labels[:, None] + 10 * first.cos()
        return torch.stack([first, second], dim=1)[:, None]


def _draw(generator: torch.Generator, *, codes: int = 3, classes: int = 4) -> tuple:
    return _Decoder(generator), torch.randn(codes, 3, generator=generator), classes


every_class = Check(
    "every_class", lab="cvae", level="warm-up", minutes=8, reference=reference, example=_draw
)
every_class.equals_reference(
    "one code with every class",
    points=1,
    example=[partial(_draw, codes=1), partial(_draw, codes=1, classes=7)],
    what="for one code and {2} classes, the pictures",
)
every_class.equals_reference(
    "in a row one code, in a column one class",
    points=2,
    example=[_draw, partial(_draw, codes=5, classes=2), partial(_draw, codes=3, classes=3)],
    what="for {1.shape[0]} codes and {2} classes, the pictures",
)

every_class.mistake(
    "code and class in step",
    partial(_drawn, pairs="in step"),
    hint="Codes and labels move on together, so a code does not meet every class. Repeat each "
    "code K times in a row (repeat_interleave), and the list of labels as a whole n times "
    "(repeat).",
)
every_class.mistake(
    "rows and columns mixed",
    partial(_drawn, pairs="the code first"),
    hint="Your pictures are right, in another order: you let all codes go through class 0 first, "
    "and then cut the list into rows of K. Repeat each code K times in a row.",
)
every_class.mistake(
    "classes in rows",
    partial(_drawn, shape="rows of classes"),
    hint="Your rows are classes. Wanted are rows of codes: (n, K, ...), not (K, n, ...).",
)
every_class.mistake(
    "a list",
    partial(_drawn, shape="flat"),
    hint="You return one list of n times K pictures. Cut it into n rows of K with view or "
    "unflatten.",
)
every_class.mistake(
    "a new code for each",
    partial(_drawn, pairs="new codes"),
    hint="You draw new codes. The point of the sheet is that a row has *one* code: what the "
    "classes have in common then shows.",
)
every_class.mistake(
    "the mean of the codes",
    partial(_drawn, pairs="the mean code"),
    hint="All your rows are the same: you average the codes. Each has a row of its own.",
)
every_class.mistake(
    "one class",
    partial(_drawn, classes="one"),
    hint="Every picture of yours is of class 0. The labels of a row are 0 to K - 1.",
)
every_class.mistake(
    "classes backwards",
    partial(_drawn, classes="backwards"),
    hint="Your columns run from the last class to the first. Column 0 is class 0.",
)
every_class.mistake(
    "counted from 1",
    partial(_drawn, first=1),
    hint="Your first column is class 1, and class 0 comes last. Labels count from 0: "
    "torch.arange(num_classes).",
)
