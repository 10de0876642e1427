"""Check of the exercise `between_images`: from one image to another, by way of their noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.core import Check

Way = Callable[[Tensor], Tensor]


def reference(invert: Way, draw: Way, first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return the pictures that lie between two images, on the arc between their codes.

    Args:
        invert: images (B, C, H, W) to codes of the same shape.
        draw: codes to images.
        first: (B, C, H, W).
        second: (B, C, H, W).
        share: of the way; 0 gives the first, 1 the second.

    Returns:
        (B, C, H, W): what is drawn of sin((1 - share) w) / sin w * a + sin(share w) / sin w * b,
        with each pair of codes a and b and the angle w between them.

    Source: K. Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985.
    """
    return _between(invert, draw, first, second, share)


def _between(
    invert: Way,
    draw: Way,
    first: Tensor,
    second: Tensor,
    share: float,
    *,
    where: str = "codes",
    line: str = "arc",
    angles: str = "each",
    order: str = "right",
) -> Tensor:
    """The walk, with its parts right or wrong."""
    if where == "pixels":
        return (1 - share) * first + share * second
    a, b = invert(first), invert(second)
    if where == "exchanged":
        a, b = draw(first), draw(second)
    if order == "reversed":
        share = 1 - share
    straight = (1 - share) * a + share * b
    if line == "straight":
        return draw(straight)
    dims = 1 if angles == "each" else (0, 1)
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    product = (flat_a * flat_b).sum(dims, keepdim=True)
    lengths = [z.square().sum(dims, keepdim=True).sqrt() for z in (flat_a, flat_b)]
    if line == "normalised":  # the length is right, and the place is not
        length = (1 - share) * lengths[0] + share * lengths[1]
        long = straight.flatten(1).norm(dim=1, keepdim=True)
        return draw(straight * (length / long)[:, :, None, None])
    cosine = product / (lengths[0] * lengths[1])
    angle = torch.arccos((cosine if line != "raw" else product).clamp(-1, 1))
    below = torch.sin(angle)
    if line == "independent":  # as if every angle were a right one
        angle, below = torch.full_like(angle, torch.pi / 2), torch.ones_like(angle)
    weights = [torch.sin((1 - share) * angle) / below, torch.sin(share * angle) / below]
    one, two = (w[:, :, None, None] for w in weights)
    z = one * a + two * b
    return z if where == "not drawn" else draw(z)


class Bend:
    """Images to codes: each number by itself, in a way that is no straight line."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return codes."""
        return torch.sinh(x)


class Unbend:
    """The way back."""

    def __call__(self, z: Tensor) -> Tensor:
        """Return images."""
        return torch.asinh(z)


class Same:
    """Leaves everything as it is."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


def _draw(generator: torch.Generator, *, share: float | None = None, plain: bool = False) -> tuple:
    """Three pairs of images, whose codes have different lengths and angles."""
    first, second = (
        torch.randn(3, 1, 2, 3, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    second[0] += first[0]
    second[1] -= 0.7 * first[1]
    at = 0.15 + 0.25 * float(torch.rand((), generator=generator)) if share is None else share
    ways = (Same(), Same()) if plain else (Bend(), Unbend())
    return *ways, first, second, at


between_images = Check(
    "between_images",
    lab="flow_editing",
    level="build",
    minutes=15,
    reference=reference,
    example=_draw,
)
between_images.equals_reference(
    "at both ends the images come back",
    points=1,
    example=[partial(_draw, share=0.0), partial(_draw, share=1.0)],
    what="at share {4:g} the result",
)
between_images.equals_reference(
    "codes of the same length stay on their sphere",
    points=2,
    example=[partial(_draw, plain=True), partial(_draw, plain=True, share=0.5)],
    what="with images that are their own codes, at share {4:.2f}, the result",
)
between_images.equals_reference(
    "through codes and back",
    points=2,
    example=[_draw, partial(_draw, share=0.5)],
    what="at share {4:.2f} the result",
)

between_images.mistake(
    "in pixels",
    partial(_between, where="pixels"),
    hint="You mix the images themselves: two ghosts, each at part of its ink. Invert both, and "
    "walk between their codes.",
)
between_images.mistake(
    "a straight line",
    partial(_between, line="straight"),
    hint="You walk in a straight line. Between two codes of random directions it passes nearer to "
    "0 than any noise of so many numbers, which the network has hardly ever seen. Walk along the "
    "arc.",
)
between_images.mistake(
    "a straight line, stretched",
    partial(_between, line="normalised"),
    hint="You walk in a straight line and stretch it to the right length. In the middle that is "
    "nearly the arc; elsewhere you are at another angle than share * w.",
)
between_images.mistake(
    "one angle for the batch",
    partial(_between, angles="all"),
    hint="You compute one angle over the whole batch. Each pair of images has its own.",
)
between_images.mistake(
    "the product for the cosine",
    partial(_between, line="raw"),
    hint="You take the arc cosine of the scalar product. Divide by both lengths first.",
)
between_images.mistake(
    "always a right angle",
    partial(_between, line="independent"),
    hint="You take sine and cosine of share * 90 degrees: right for two codes at a right angle, "
    "as random ones nearly are, and for no others. Use the angle between the two.",
)
between_images.mistake(
    "the wrong way round",
    partial(_between, order="reversed"),
    hint="At share 0 you give the second image. The weight of the first is sin((1 - share) w).",
)
between_images.mistake(
    "not drawn",
    partial(_between, where="not drawn"),
    hint="You return a code. Draw the picture of it.",
)
between_images.mistake(
    "drawn for inverted",
    partial(_between, where="exchanged"),
    hint="You call draw on the images, which are no codes. First invert(image), at the end draw.",
)
