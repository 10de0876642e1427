"""One colour and one texture for each class, the same through the whole course.

The first eight colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which stay
apart for all common kinds of colour-blindness; two greys lie far enough from them to do the same
(tests/viz/test_colours.py computes it). The texture is the second cue: two classes that share a
colour, which happens with more than ten, never share both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
DARK_GREY, LIGHT_GREY = "#5A5A5A", "#D0D0D0"
OKABE_ITO = (BLACK, ORANGE, SKY_BLUE, GREEN, YELLOW, BLUE, VERMILLION, PURPLE)
PALETTE = (ORANGE, SKY_BLUE, GREEN, BLUE, VERMILLION, PURPLE, YELLOW, DARK_GREY, LIGHT_GREY, BLACK)

TEXTURES = ("plain", "/", "\\", "-", "|", "x", "+", ".")
"""Named as matplotlib names its hatches."""


@dataclass(frozen=True)
class ClassStyle:
    """How a class looks: a colour ("#RRGGBB") and a texture (one of `TEXTURES`)."""

    colour: str
    texture: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three numbers from 0 to 255."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return red, green, blue


# What is fixed through the course. Names are compared without case, blanks and underscores.
_FIXED = {
    # background of any set
    "background": ClassStyle(BLACK, "plain"),
    # streets
    "sky": ClassStyle(SKY_BLUE, "plain"),
    "road": ClassStyle(DARK_GREY, "plain"),
    "lanemarking": ClassStyle(YELLOW, "|"),
    "building": ClassStyle(LIGHT_GREY, "+"),
    "vegetation": ClassStyle(GREEN, "."),
    "vehicle": ClassStyle(BLUE, "-"),
    "pedestrian": ClassStyle(VERMILLION, "/"),
    "sign": ClassStyle(ORANGE, "x"),
    "sidewalk": ClassStyle(PURPLE, "x"),
    "pole": ClassStyle(BLACK, "/"),
    # shapes
    "disc": ClassStyle(ORANGE, "plain"),
    "square": ClassStyle(SKY_BLUE, "/"),
    "triangle": ClassStyle(GREEN, "\\"),
    "pentagon": ClassStyle(BLUE, "-"),
    "star": ClassStyle(VERMILLION, "|"),
    "cross": ClassStyle(PURPLE, "x"),
    "ring": ClassStyle(YELLOW, "+"),
    "crescent": ClassStyle(DARK_GREY, "."),
    "heart": ClassStyle(LIGHT_GREY, "plain"),
    "arrow": ClassStyle(SKY_BLUE, "x"),
    # rooms
    "wall": ClassStyle(LIGHT_GREY, "plain"),
    "floor": ClassStyle(DARK_GREY, "-"),
    "ceiling": ClassStyle(SKY_BLUE, "."),
    "door": ClassStyle(VERMILLION, "|"),
    "window": ClassStyle(YELLOW, "+"),
    "table": ClassStyle(ORANGE, "/"),
    "chair": ClassStyle(PURPLE, "x"),
    "picture": ClassStyle(PURPLE, "/"),
    "rug": ClassStyle(BLACK, "x"),
    "sofa": ClassStyle(BLUE, "-"),
    "shelf": ClassStyle(ORANGE, "+"),
    "lamp": ClassStyle(YELLOW, "x"),
    "plant": ClassStyle(GREEN, "."),
    # cells and membranes
    "nucleus": ClassStyle(SKY_BLUE, "/"),
    "cell": ClassStyle(SKY_BLUE, "/"),
    "border": ClassStyle(VERMILLION, "x"),
    "membrane": ClassStyle(ORANGE, "plain"),
    # pets and people
    "pet": ClassStyle(ORANGE, "/"),
    "person": ClassStyle(VERMILLION, "/"),
}
_FIXED.update(
    {
        alias: _FIXED[name]
        for alias, name in {
            "lane": "lanemarking",
            "marking": "lanemarking",
            "car": "vehicle",
            "trafficsign": "sign",
            "nuclei": "nucleus",
            "cells": "cell",
        }.items()
    }
)
IGNORED = ClassStyle("#FFFFFF", ".")
"""How pixels without a judged label are drawn."""


def class_styles(classes: Sequence[str]) -> dict[str, ClassStyle]:
    """Colour and texture of each class.

    A class that the course knows always gets its own style. The others get, in their order, the
    styles that are left, so that no two classes of one set look alike.

    Args:
        classes: names, in the order of their labels; no name twice.

    Returns:
        Style of each class, in the same order.

    Raises:
        ValueError: a name occurs twice, or there are more than 80 classes.
    """
    if isinstance(classes, str):
        raise ValueError(f"classes is the text {classes!r}; a sequence of names is needed.")
    if len(set(classes)) != len(classes):
        doubles = sorted({name for name in classes if list(classes).count(name) > 1})
        raise ValueError(f"the class names {doubles} occur more than once; give each class a name.")
    styles: dict[str, ClassStyle] = {}
    for name in classes:
        known = _FIXED.get(_key(name))
        if known is not None and known not in styles.values():
            styles[name] = known
    taken = set(styles.values())
    taken_colours = {style.colour for style in taken}
    free = [style for style in _all_styles() if style not in taken]
    free.sort(key=lambda style: style.colour in taken_colours)  # untouched colours first
    left = iter(free)
    for name in classes:
        if name not in styles:
            style = next(left, None)
            if style is None:
                raise ValueError(
                    f"{len(classes)} classes are more than can be told apart by colour and "
                    "texture; show them in groups."
                )
            styles[name] = style
    return {name: styles[name] for name in classes}


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Colour of each class as "#RRGGBB", fixed through the course.

    Args:
        classes: names, in the order of their labels; no name twice.

    Returns:
        Colour of each class, in the same order.

    Raises:
        ValueError: as :func:`class_styles`.
    """
    return {name: style.colour for name, style in class_styles(classes).items()}


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour (WCAG 2.2 contrast)."""
    return "#000000" if luminance(colour) > 0.179 else "#FFFFFF"


def luminance(colour: str) -> float:
    """Relative luminance of "#RRGGBB", from 0 (black) to 1 (white), as WCAG 2.2 defines it."""
    total = 0.0
    for weight, value in zip(
        (0.2126, 0.7152, 0.0722), ClassStyle(colour, "plain").rgb, strict=True
    ):
        level = value / 255
        total += weight * (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4)
    return total


def _key(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "").replace("-", "")


def _all_styles() -> list[ClassStyle]:
    """Every style: ten colours with a texture each, then the same colours with the next one."""
    return [
        ClassStyle(colour, TEXTURES[(index + turn) % len(TEXTURES)])
        for turn in range(len(TEXTURES))
        for index, colour in enumerate(PALETTE)
    ]
