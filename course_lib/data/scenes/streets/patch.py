"""What the painters of a street share: classes, cameras, objects, and the patches they paint.

A painter gets the pixel centres of one window per object and draws all objects of its kind at
once into a `Patch`. Lengths are in metres, ``Y`` is the height above the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from course_lib.data.scenes.exact import Array, Values

SKY, ROAD, MARKING, BUILDING, VEGETATION, VEHICLE, PEDESTRIAN, SIGN, SIDEWALK, POLE = range(10)


@dataclass(frozen=True)
class Camera:
    """One camera per object or image: focal length and vanishing point in pixels, height in m."""

    focal: Array
    x: Array
    y: Array
    height: Array


@dataclass(frozen=True)
class Objects:
    """Objects of one kind; every field has the objects in its first axis.

    `x` is the lateral position in the camera's frame, `z` the distance of the near face, `random`
    (M, 24) holds uniform numbers from which the painter takes shapes and colours.
    """

    image: Array
    x: Array
    z: Array
    side: Array  # -1 left of the road, +1 right
    towards: Array  # bool: a vehicle that comes towards the camera
    variant: Array  # int64, meaning depends on the kind
    random: Array
    key: Array  # int64, the object's column in the image's table (its instance number - 1)

    def select(self, which: Array) -> Objects:
        """Some of them."""
        return replace(self, **{f.name: getattr(self, f.name)[which] for f in fields(self)})


class Patch:
    """What one window per object adds to the picture.

    Attributes:
        colour: (M, 4, h, w) premultiplied colour and emission.
        alpha: (M, h, w) coverage.
        label: (M, h, w) the class where alpha is at least a half.
        shadow: (M, h, w) how much of the light the object takes from the ground.
    """

    def __init__(self, count: int, height: int, width: int, label: int) -> None:
        """Start transparent, with one class for all that is painted unless `paint` says else."""
        self.colour = np.zeros((count, 4, height, width), np.float32)
        self.alpha = np.zeros((count, height, width), np.float32)
        self.label = np.full((count, height, width), label, np.uint8)
        self.shadow: Array = np.zeros((), np.float32)  # every painter sets it
        self._painted = self._glows = False

    def paint(
        self,
        coverage: Array,
        colour: Array,
        shade: Values = 1.0,
        *,
        glow: Values = 0.0,
        label: int | None = None,
    ) -> None:
        """Lay a colour over what is there.

        Args:
            coverage: (M, h, w) in [0, 1].
            colour: (M, 3).
            shade: (M, h, w) brightness of the colour, or a number.
            glow: 1 for a lamp, which keeps its colour in the dark; a number or (M, 1, 1).
            label: another class, for the pixels that are covered by half or more.
        """
        rgb, emission = self.colour[:, :3], self.colour[:, 3]
        glows = not isinstance(glow, float) or glow != 0
        if self._painted:  # else all is 0, and stays 0
            keep = 1 - coverage
            rgb *= keep[:, None]
            self.alpha *= keep
            if self._glows:
                emission *= keep
        lit = coverage * shade
        rgb += lit[:, None] * colour[:, :, None, None]
        self.alpha += coverage
        if glows:
            emission += coverage * glow
        self._painted, self._glows = True, self._glows or glows
        if label is not None:
            np.copyto(self.label, np.uint8(label), where=coverage >= 0.5)


def col(a: Array) -> Array:
    """(M,) to (M, 1, 1): one number per object against its window."""
    return a.astype(np.float32)[:, None, None]


def choose(table: tuple[tuple[float, ...], ...], unit: Array) -> Array:
    """Rows of a colour table by uniform numbers in [0, 1): (M, 3)."""
    rows = np.asarray(table, np.float32)
    return rows[np.minimum((unit * len(rows)).astype(np.int64), len(rows) - 1)]
