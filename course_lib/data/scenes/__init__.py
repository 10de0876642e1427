"""Scenes drawn by code: one file or folder for each kind, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from course_lib.data.cards import Card
from course_lib.data.scenes import cells, digits, shapes
from course_lib.data.scenes.batch import Scenes
from course_lib.data.scenes.rooms import scene as rooms
from course_lib.data.scenes.streets import scene as streets


@dataclass(frozen=True)
class SceneSet:
    """How to draw one kind of scene.

    Args:
        card: Its name, its tasks and all that is to be known about it.
        draw: Draws so many of them.
        pixel_classes: Classes of the semantic labels.
        object_classes: Classes of the classification task.
        channels: Of its images.
    """

    card: Card
    draw: Callable[..., Scenes]
    pixel_classes: tuple[str, ...]
    object_classes: tuple[str, ...] = ()
    channels: int = 3


def _classes(scene: ModuleType) -> str:
    named = f"{len(scene.CLASSES)}: {', '.join(scene.CLASSES)}"
    return f"{named}; conditions {', '.join(scene.CONDITIONS)}"


_DRAWN = dict(
    splits="train, val and test are drawn from separate ranges of scene numbers",
    licence="the course's own: MIT",
    download="nothing: drawn on first use, then read from the cache",
    source="`course_lib.data`",
)
_COLOUR, _GREY = (f"as many as you ask for, any size, {kind}" for kind in ("colour", "grey"))
_STREETS = Card(
    name="streets",
    title="Street scenes drawn by code",
    purpose="driving: a class for every pixel, objects, and shifts of weather and light",
    tasks=("semantic", "instance"),
    classes=_classes(streets),
    flaws="drawn: no camera noise model of a real car, few object shapes; scores do not carry "
    "over to photographs",
    images=_COLOUR,
    **_DRAWN,
)
_CELLS = Card(
    name="cells",
    title="Microscope images drawn by code",
    purpose="medicine: separating nuclei that touch",
    tasks=("semantic", "instance"),
    classes=_classes(cells),
    flaws="drawn: no debris or artefacts of a real slide; scores do not carry over to tissue",
    images=_COLOUR,
    **_DRAWN,
)
_SHAPES = Card(
    name="shapes",
    title="Simple objects drawn by code",
    purpose="generation with known factors: class, colour, pose",
    tasks=("classification", "semantic", "instance"),
    classes=_classes(shapes),
    flaws="far simpler than any photograph; the factors are independent of each other",
    images=_COLOUR,
    **_DRAWN,
)
_DIGITS = Card(
    name="digits",
    title="Handwritten digits drawn by code",
    purpose="generation and codes: what MNIST is used for, with known slant, width, style",
    tasks=("classification", "semantic", "instance"),
    classes="10 digits, each in several styles",
    flaws="written by a program, not by people: fewer oddities than in a real hand",
    images=_GREY,
    **_DRAWN,
)
_ROOMS = Card(
    name="rooms",
    title="Views of rooms drawn by code",
    purpose="virtual reality: one room seen from several places",
    tasks=("semantic", "instance"),
    classes=_classes(rooms),
    flaws="drawn: simple light, few kinds of furniture",
    images=_COLOUR,
    **_DRAWN,
)
SCENES: dict[str, SceneSet] = {
    "streets": SceneSet(_STREETS, streets.draw, streets.CLASSES),
    "cells": SceneSet(_CELLS, cells.draw, cells.CLASSES),
    "shapes": SceneSet(_SHAPES, shapes.draw, shapes.SEMANTIC_CLASSES, shapes.CLASSES),
    "digits": SceneSet(_DIGITS, digits.draw, digits.SEMANTIC_CLASSES, digits.CLASSES, channels=1),
    "rooms": SceneSet(_ROOMS, rooms.draw, rooms.CLASSES),
}
