"""Check of the question `strip_conv`: a convolution on a strip that closes to a ring."""

from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

CHOICES = {
    "ring": {
        "columns": "The first column follows the last one, as on a panorama: beyond the left and "
        "the right border the strip goes on at its other end.",
        "rows": "The first row follows the last one, as on a drum: beyond the upper and the lower "
        "border the strip goes on at its other end.",
    },
    "beyond": {
        "zeros": "Beyond the other two borders there are zeros.",
        "edge": "Beyond the other two borders the outermost pixel is repeated.",
        "mirror": "Beyond the other two borders the image is mirrored at its outermost pixel, "
        "which is not repeated: 2 1 | 0 1 2.",
    },
    "turned": {
        "rows": "upside down (its last row meets the first row of the window), not left to right",
        "columns": "left to right (its last column meets the first column of the window), not "
        "upside down",
        "both": "upside down and left to right, as in a convolution of mathematics",
    },
    "kernels": {
        "(O, kh, kw, C)": "(O, kh, kw, C)",
        "(kw, kh, C, O)": "(kw, kh, C, O), the width first",
    },
}


def _strip(images: Tensor, kernels: Tensor, *, p: dict) -> Tensor:
    """Slide the kernels over the images, one offset at a time; (B, H, W, C) to (B, H, W, O)."""
    if p["kernels"] == "(kw, kh, C, O)":
        kernels = kernels.permute(3, 1, 0, 2)
    turned = {"rows": (1,), "columns": (2,), "both": (1, 2), "no": ()}[p["turned"]]
    kernels = kernels.flip(turned)
    high, wide = images.shape[1:3]
    rows = _places(high, kernels.shape[1] // 2, p["ring"] == "rows", p["beyond"])
    columns = _places(wide, kernels.shape[2] // 2, p["ring"] == "columns", p["beyond"])
    zero = torch.zeros_like(images[:, :1])
    padded = torch.cat([images, zero], 1)[:, rows]
    zero = torch.zeros_like(padded[:, :, :1])
    padded = torch.cat([padded, zero], 2)[:, :, columns]
    parts = [
        padded[:, i : i + high, j : j + wide] @ kernels[:, i, j].T
        for i in range(kernels.shape[1])
        for j in range(kernels.shape[2])
    ]
    return torch.stack(parts).sum(0)


def _places(length: int, reach: int, ring: bool, beyond: str) -> list[int]:
    """Which row or column stands at each place; `length` is the row of zeros behind the last."""
    wanted = range(-reach, length + reach)
    if ring:
        return [i % length for i in wanted]
    if beyond == "edge":
        return [min(max(i, 0), length - 1) for i in wanted]
    if beyond == "mirror":
        return [abs(i) if i < length else 2 * (length - 1) - i for i in wanted]
    return [i if 0 <= i < length else length for i in wanted]


def _draw(generator: torch.Generator, *, p: dict, window=(5, 3), size=(6, 7)) -> tuple:
    images = torch.randn(2, *size, 3, generator=generator)
    kernels = torch.randn(4, *window, 3, generator=generator)
    return images, kernels.permute(2, 1, 3, 0) if p["kernels"] != "(O, kh, kw, C)" else kernels


def _inside(function, arguments: tuple):
    """The places whose window lies inside of the image."""
    got = function(*arguments)
    if not isinstance(got, Tensor) or got.ndim != 4:
        raise AssertionError(
            f"the result is a {type(got).__name__}, wanted a tensor of shape (B, H, W, O)"
        )
    return got[:, 2:-2, 2:-2]


def _border(function, arguments: tuple, *, axis: int):
    """The first two and the last two rows (or columns), away from the other borders."""
    got = function(*arguments)
    if not isinstance(got, Tensor) or got.ndim != 4:
        raise AssertionError(
            f"the result is a {type(got).__name__}, wanted a tensor of shape (B, H, W, O)"
        )
    places = [0, 1, -2, -1]
    return got[:, places, 2:-2] if axis == 1 else got[:, 2:-2, places]


def solution(p: dict) -> str:
    ring, other = (2, 1) if p["ring"] == "columns" else (1, 2)
    order = "" if p["kernels"] == "(O, kh, kw, C)" else "kernels = kernels.permute(3, 1, 0, 2)\n"
    dims = {"rows": "1", "columns": "2", "both": "1, 2"}[p["turned"]]
    pad = {
        "zeros": "before = after = torch.zeros_like(images).narrow({d}, 0, r)",
        "edge": "before = images.narrow({d}, 0, 1).repeat_interleave(r, {d})\n"
        "after = images.narrow({d}, -1, 1).repeat_interleave(r, {d})",
        "mirror": "before = images.narrow({d}, 1, r).flip({d})\n"
        "after = images.narrow({d}, images.shape[{d}] - 1 - r, r).flip({d})",
    }[p["beyond"]].format(d=other)
    return f"""\
{order}kernels = kernels.flip({dims})
height, width = images.shape[1:3]
r = kernels.shape[{ring}] // 2
size = images.shape[{ring}]
ends = images.narrow({ring}, size - r, r), images.narrow({ring}, 0, r)
images = torch.cat([ends[0], images, ends[1]], {ring})
r = kernels.shape[{other}] // 2
{pad}
images = torch.cat([before, images, after], {other})
total = 0
for i in range(kernels.shape[1]):
    for j in range(kernels.shape[2]):
        window = images[:, i : i + height, j : j + width]
        total = total + window @ kernels[:, i, j].T
return total"""


def facts(p: dict, data: object) -> dict:
    images = torch.arange(12.0).reshape(1, 3, 4, 1)
    weights = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
    kernels = weights[None, :, :, None]
    if p["kernels"] != "(O, kh, kw, C)":
        kernels = kernels.permute(2, 1, 3, 0)
    return {
        "WEIGHTS": kernels.tolist(),
        "WANTED_STRIP": _strip(images, kernels, p=p)[0, :, :, 0].tolist(),
    }


def check(p: dict) -> Check:
    right = partial(_strip, p=p)

    def reference(images: Tensor, kernels: Tensor) -> Tensor:
        return right(images, kernels)

    made = Check(
        "strip_conv",
        lab="foundations",
        level="build",
        minutes=30,
        reference=reference,
        example=partial(_draw, p=p),
    )
    made.equals_reference(
        "a kernel of one pixel mixes the channels",
        points=1,
        example=partial(_draw, p=p, window=(1, 1)),
        what="the result for a kernel of one pixel",
    )
    made.equals_reference(
        "inside, each window meets the kernel as it is turned",
        points=2,
        probe=_inside,
        example=[partial(_draw, p=p), partial(_draw, p=p, window=(3, 5), size=(7, 9))],
        what="the inside of the image",
    )
    ring = 2 if p["ring"] == "columns" else 1
    made.equals_reference(
        "the strip closes to a ring",
        points=1,
        probe=partial(_border, axis=ring),
        what="the border that closes to a ring",
    )
    made.equals_reference(
        "beyond the other borders stands what the statement says",
        points=1,
        probe=partial(_border, axis=3 - ring),
        what="the border of the other axis",
    )
    made.equals_reference(
        "the whole result, corners included, for several sizes",
        points=1,
        example=[
            partial(_draw, p=p),
            partial(_draw, p=p, window=(3, 3), size=(3, 8)),
            partial(_draw, p=p, window=(1, 5), size=(5, 5)),
        ],
    )
    made.mistake(
        "the kernel is not turned",
        partial(_strip, p={**p, "turned": "no"}),
        hint="You slide the kernel as it stands, as torch's conv2d does. The statement wants it "
        "turned.",
    )
    for other in ("rows", "columns", "both"):
        if other != p["turned"]:
            made.mistake(
                f"turned: {other}",
                partial(_strip, p={**p, "turned": other}),
                hint=f"You turn the kernel along {other if other != 'both' else 'both axes'}; "
                "read once more along which axis the statement turns it.",
            )
    for other in ("zeros", "edge", "mirror"):
        if other != p["beyond"]:
            made.mistake(
                f"beyond: {other}",
                partial(_strip, p={**p, "beyond": other}),
                hint={
                    "zeros": "Beyond the borders that do not close you have zeros; the statement "
                    "has something else there.",
                    "edge": "Beyond the borders that do not close you repeat the outermost pixel; "
                    "the statement has something else there.",
                    "mirror": "Beyond the borders that do not close you mirror the image; the "
                    "statement has something else there.",
                }[other],
            )
    made.mistake(
        "the other axis closes",
        partial(_strip, p={**p, "ring": "rows" if ring == 2 else "columns"}),
        hint="You close the wrong axis to a ring. Which of height and width is dimension 1 of "
        "(B, H, W, C)?",
    )
    made.mistake(
        "nothing closes",
        partial(_strip, p={**p, "ring": "none"}),
        hint="Both axes are padded alike. One of them closes to a ring: what stands beyond its "
        "border is the other end of the image.",
    )
    return made
