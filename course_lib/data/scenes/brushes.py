"""The brushes that the scene modules share: signed distances, texture, and windows for objects.

Coordinates: ``x`` to the right, ``y`` downwards, in pixels, the centre of the first pixel at 0.5.
A signed distance is negative inside a shape. Colours are in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size, Values, mix, smoothstep

_TILE = 512

# ---------------------------------------------------------------------------------------------
# Signed distances (arrays that broadcast against each other)
# ---------------------------------------------------------------------------------------------


def cover(distance: Values) -> Array:
    """How much of a pixel a shape covers, from the signed distance of its centre in pixels."""
    return np.clip(np.float32(0.5) - distance, 0, 1)


def circle(x: Values, y: Values, radius: Values) -> Array:
    """Signed distance to a circle around the origin."""
    return np.sqrt(x * x + y * y) - radius


def box(x: Values, y: Values, half_x: Values, half_y: Values) -> Array:
    """Signed distance to a rectangle (exact at the sides, smaller than true beyond the corners)."""
    return np.maximum(np.abs(x) - half_x, np.abs(y) - half_y)


def round_box(x: Values, y: Values, half_x: Values, half_y: Values, radius: Values) -> Array:
    """Signed distance to a rectangle with rounded corners."""
    dx = np.abs(x) - (half_x - radius)
    dy = np.abs(y) - (half_y - radius)
    ox, oy = np.maximum(dx, 0), np.maximum(dy, 0)
    return np.sqrt(ox * ox + oy * oy) + np.minimum(np.maximum(dx, dy), 0) - radius


def ellipse(x: Values, y: Values, half_x: Values, half_y: Values) -> Array:
    """Signed distance to an ellipse, first order: right near the edge."""
    ax, ay = x / half_x, y / half_y
    r = np.sqrt(ax * ax + ay * ay)
    bx, by = ax / half_x, ay / half_y
    gradient = np.sqrt(bx * bx + by * by)
    return r * (r - 1) / np.maximum(gradient, np.float32(1e-6))


def segment(
    x: Values,
    y: Values,
    x0: Values,
    y0: Values,
    x1: Values,
    y1: Values,
    radius: Values,
) -> Array:
    """Signed distance to a line with round ends."""
    dx, dy = x1 - x0, y1 - y0
    t = np.clip(((x - x0) * dx + (y - y0) * dy) / np.maximum(dx * dx + dy * dy, 1e-9), 0, 1)
    return circle(x - x0 - t * dx, y - y0 - t * dy, radius)


def trapezoid(
    x: Values,
    y: Values,
    top: Values,
    bottom: Values,
    half_top: Values,
    half_bottom: Values,
) -> Array:
    """Signed distance to an upright symmetric trapezoid between two heights (`top` < `bottom`)."""
    slope = (half_bottom - half_top) / (bottom - top)
    side = (np.abs(x) - half_top - (y - top) * slope) / np.sqrt(1 + slope * slope)
    return np.maximum(side, np.maximum(top - y, y - bottom))


# ---------------------------------------------------------------------------------------------
# Texture
# ---------------------------------------------------------------------------------------------


@cache
def noise_tile(octaves: int = 5, seed: int = 1) -> Array:
    """(512, 512) float32 fractal value noise in [-1, 1] that repeats without a seam."""
    total = np.zeros((_TILE, _TILE), np.float32)
    position = np.arange(_TILE, dtype=np.float32)
    weight = 0.0
    for octave in range(octaves):
        cells = 8 << octave
        lattice = Random(seed, np.arange(cells), f"tile {octave}").uniform(-1, 1, cells)
        p = position * np.float32(cells / _TILE)
        i = p.astype(np.int64)
        t = smoothstep(p - i)
        j = (i + 1) % cells
        rows = mix(lattice[i], lattice[j], t[:, None])
        total += np.float32(0.6**octave) * mix(rows[:, i], rows[:, j], t[None])
        weight += 0.6**octave
    total *= np.float32(1.6 / weight)
    tile: Array = np.clip(total, -1, 1)
    tile.flags.writeable = False
    return tile


def noise(x: Array, y: Array, octaves: int = 5, seed: int = 1, smooth: bool = False) -> Array:
    """Fractal noise at the points (x, y), in units of 1/64 of its coarsest cells' period.

    Args:
        x: any shape; one unit is one texel of the tile, which repeats after 512.
        y: the same shape as `x` after broadcasting.
        octaves: 1 is smooth blobs, 5 is rough.
        seed: another tile.
        smooth: interpolate between texels (four look-ups instead of one); for magnified texture.

    Returns:
        Values in [-1, 1], shape of `x` and `y` broadcast.
    """
    tile = noise_tile(octaves, seed).reshape(-1)
    if not smooth:
        ix = np.floor(x).astype(np.int32) & (_TILE - 1)
        iy = np.floor(y).astype(np.int32) & (_TILE - 1)
        return tile.take(iy * _TILE + ix)
    fx, fy = np.floor(x), np.floor(y)
    ix, iy = fx.astype(np.int32) & (_TILE - 1), fy.astype(np.int32) & (_TILE - 1)
    jx, jy = (ix + 1) & (_TILE - 1), ((iy + 1) & (_TILE - 1)) * _TILE
    iy = iy * _TILE
    tx, ty = x - fx, y - fy
    upper = mix(tile.take(iy + ix), tile.take(iy + jx), tx)
    lower = mix(tile.take(jy + ix), tile.take(jy + jx), tx)
    return mix(upper, lower, ty)


def blur(images: Array, passes: int = 1) -> Array:
    """Blur the last two axes with the kernel (1, 2, 1)/4 in both directions, edges repeated."""
    for _ in range(passes):
        for axis in (-1, -2):
            if images.shape[axis] < 2:
                continue
            a = np.moveaxis(images, axis, -1)
            before = np.concatenate([a[..., :1], a[..., :-1]], axis=-1)
            after = np.concatenate([a[..., 1:], a[..., -1:]], axis=-1)
            images = np.moveaxis((before + after) * 0.25 + a * 0.5, -1, axis)
    return images


# ---------------------------------------------------------------------------------------------
# Patches: small windows of a batch of canvases, one window per object
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Where a patch lies: image index, first row, first column, height and width in pixels."""

    image: Array
    row: Array
    column: Array
    height: int
    width: int

    def pixels(self) -> tuple[Array, Array]:
        """Pixel centres: x (M, 1, w) and y (M, h, 1), float32."""
        half = np.float32(0.5)
        x = (self.column[:, None] + np.arange(self.width)).astype(np.float32)[:, None, :] + half
        y = (self.row[:, None] + np.arange(self.height)).astype(np.float32)[:, :, None] + half
        return x, y

    def select(self, which: Array) -> Window:
        """The windows of some objects."""
        return Window(
            self.image[which], self.row[which], self.column[which], self.height, self.width
        )

    def places(self) -> list[tuple[int, slice, slice]]:
        """Image, rows and columns of each window."""
        return [
            (i, slice(r, r + self.height), slice(c, c + self.width))
            for i, r, c in zip(
                self.image.tolist(), self.row.tolist(), self.column.tolist(), strict=True
            )
        ]

    def read(self, canvas: Array) -> Array:
        """Copy the windows out of a canvas (B, [C,] H, W): (M, [C,] h, w)."""
        return self._view(canvas)[self._index(canvas)]

    def write(self, canvas: Array, patch: Array) -> None:
        """Copy patches back; no two windows of one call may lie in the same image."""
        self._view(canvas)[self._index(canvas)] = patch

    def _view(self, canvas: Array) -> Array:
        *front, h, w = canvas.shape
        shape = (*front, h - self.height + 1, w - self.width + 1, self.height, self.width)
        strides = (*canvas.strides, *canvas.strides[-2:])
        return np.lib.stride_tricks.as_strided(canvas, shape, strides)

    def _index(self, canvas: Array) -> tuple[Any, ...]:
        middle = (slice(None),) * (canvas.ndim - 3)
        return (self.image, *middle, self.row, self.column)


def windows(
    image: Array, bounds: Array, size: Size, smallest: int = 8, reach: Array | None = None
) -> Iterator[tuple[Array, Window]]:
    """Group objects by the window that holds their visible part.

    Args:
        image: (M,) the image of each object.
        bounds: (M, 4) x1 y1 x2 y2 in pixels; may reach outside the image.
        size: (H, W) of the canvas.
        smallest: windows are squares with sides 8, 16, 32 … cut to the canvas, so few groups arise;
            this is the first side.
        reach: (M, 4) what is painted lies within these bounds; the squares are then cut to
            rectangles around it, with sides 16, 32 …

    Yields:
        (which, window): the objects of a group and their windows. Objects outside the image, or
        thinner than nothing, are left out.
    """
    canvas = np.array(size[::-1])
    low = np.maximum(np.floor(bounds[:, :2]).astype(np.int64) - 1, 0)
    high = np.minimum(np.ceil(bounds[:, 2:]).astype(np.int64) + 1, canvas)
    valid = (high > low).all(axis=1)
    extent = np.minimum(_power_of_two((high - low).max(axis=1), smallest)[:, None], canvas)
    low = np.minimum(low, canvas - extent)
    if reach is not None:
        first = np.clip(np.floor(reach[:, :2]).astype(np.int64) - 1, low, low + extent)
        last = np.clip(np.ceil(reach[:, 2:]).astype(np.int64) + 1, low, low + extent)
        cut = np.minimum(_power_of_two(last - first, 16), extent)
        low, extent = np.minimum(first, low + extent - cut), cut
    for wide, tall in sorted({(x, y) for x, y in extent[valid].tolist()}):
        which = np.nonzero(valid & (extent[:, 0] == wide) & (extent[:, 1] == tall))[0]
        yield which, Window(image[which], low[which, 1], low[which, 0], tall, wide)


def _power_of_two(length: Array, smallest: int) -> Array:
    """The smallest of s, 2 s, 4 s … that is not below each length."""
    side: Array = np.full(length.shape, smallest)
    while (side < length).any():
        side = np.where(side < length, side * 2, side)
    return side
