"""Drawing by code: the brushes that the scene modules share.

Every scene (`streets`, `cells`, `shapes`, `rooms`) is computed for a whole batch of images at once
from four things: a seed, the index of the image, the size and the condition. Three rules make the
result the same on every machine, bit for bit:

- random numbers are counter-based (a hash of seed, index and a running number), so an image does
  not depend on which other images are drawn with it;
- pixels are touched only by operations that IEEE 754 rounds in one way (``+ - * / sqrt floor min
  max``); sine and cosine are polynomials of our own, and nothing is summed in an order that
  depends on the processor;
- integers do the hashing.

Coordinates: ``x`` to the right, ``y`` downwards, in pixels, the centre of the first pixel at 0.5.
A signed distance is negative inside a shape. Colours are in [0, 1].
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Values = NDArray[Any] | np.floating[Any] | float  # what broadcasts against an array
Size = tuple[int, int]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_TILE = 512


@dataclass
class Scenes:
    """A batch of drawn images with their exact ground truth.

    Attributes:
        images: (N, 3, H, W) uint8.
        semantic: (N, H, W) uint8, an index into `classes`.
        instances: (N, H, W) int16; 0 is background, the objects of an image are 1..n.
        boxes: for each image (n, 4) float32, ``x1 y1 x2 y2`` in pixels: the tight bounds of what is
            visible, the end exclusive, so that ``x2 - x1`` is the width.
        labels: for each image (n,) int64, the class of each object (an index into `classes`).
        classes: the names of the semantic labels.
        depth: (N, H, W) float32, distance along the optical axis in metres; None where a scene has
            no depth. Sky is infinitely far.
        factors: what the scene was drawn from, one tensor (N, ...) per name: class, colour, pose …
    """

    images: Tensor
    semantic: Tensor
    instances: Tensor
    boxes: list[Tensor]
    labels: list[Tensor]
    classes: tuple[str, ...]
    depth: Tensor | None = None
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)


# ---------------------------------------------------------------------------------------------
# Random numbers
# ---------------------------------------------------------------------------------------------


def _mix64(x: Array) -> Array:
    """A bijective 64-bit hash (the finaliser of SplitMix64), elementwise on uint64."""
    x = x ^ (x >> np.uint64(30))
    x = x * np.uint64(0xBF58476D1CE4E5B9)
    x = x ^ (x >> np.uint64(27))
    x = x * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _mix_int(x: int) -> int:
    """`_mix64` of one Python integer."""
    return int(_mix64(np.array([x & _MASK], dtype=np.uint64))[0])


class Random:
    """Random parameters for a batch: row i depends on (seed, indices[i], stream) and nothing else.

    Args:
        seed: any integer.
        indices: (B,) the numbers of the images.
        stream: keeps independent uses apart, e.g. "layout" and "appearance".
    """

    def __init__(self, seed: int, indices: Array, stream: str) -> None:
        """Derive one key per image."""
        salt = 0
        for byte in stream.encode():
            salt = _mix_int(salt * 257 + byte + 1)
        # A negative seed and its 64-bit complement differ too: the sign is hashed separately.
        base = _mix_int(_mix_int(abs(seed) & _MASK) + (seed < 0) + (abs(seed) >> 64) + salt)
        self.keys = _mix64(_mix64(indices.astype(np.uint64) * np.uint64(_GOLDEN)) ^ np.uint64(base))
        self._count = 0

    def bits(self, n: int) -> Array:
        """(B, n) random uint64."""
        steps = np.arange(self._count + 1, self._count + n + 1, dtype=np.uint64)
        self._count += n
        return _mix64(self.keys[:, None] + steps * np.uint64(_GOLDEN))

    def uniform(self, low: float = 0.0, high: float = 1.0, n: int | None = None) -> Array:
        """(B, n), or (B,) without `n`, float32 in [low, high)."""
        unit = (self.bits(n or 1) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        value = unit * np.float32(high - low) + np.float32(low)
        return value if n is not None else value[:, 0]

    def integers(self, stop: int, n: int | None = None) -> Array:
        """(B, n) or (B,) int64 in [0, stop)."""
        value = (self.bits(n or 1) >> np.uint64(33)).astype(np.int64) % stop
        return value if n is not None else value[:, 0]

    def chance(self, probability: float, n: int | None = None) -> Array:
        """(B, n) or (B,) bool, true with the given probability."""
        return self.uniform(n=n) < np.float32(probability)

    def pick(self, table: Sequence[Any] | Array, n: int | None = None) -> Array:
        """(B, n, …) or (B, …) float32 rows of `table`, each equally likely."""
        rows = np.asarray(table, dtype=np.float32)
        return rows[self.integers(len(rows), n)]

    def pixel_noise(self, shape: tuple[int, ...]) -> Array:
        """(B, *shape) float32 noise in (-1, 1), triangular, standard deviation 0.41."""
        count = int(np.prod(shape))
        key = (self.bits(1)[:, 0] >> np.uint64(32)).astype(np.uint32)
        h = np.arange(count, dtype=np.uint32)[None] * np.uint32(0x9E3779B1) + key[:, None]
        h = h ^ (h >> np.uint32(16))
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
        both = (h & np.uint32(0xFFFF)) + (h >> np.uint32(16))
        noise = both.astype(np.float32) * np.float32(2.0**-16) - np.float32(1.0)
        return noise.reshape(len(key), *shape)


# ---------------------------------------------------------------------------------------------
# Exact mathematics
# ---------------------------------------------------------------------------------------------


def sincos(turns: Array) -> tuple[Array, Array]:
    """Sine and cosine of an angle in turns (1.0 = full circle), from polynomials: error < 2e-6."""
    t = turns - np.floor(turns + 0.5)  # [-0.5, 0.5)

    def sine(a: Array) -> Array:  # a in [-0.5, 0.5) turns
        a = np.where(a > 0.25, 0.5 - a, np.where(a < -0.25, -0.5 - a, a))
        x = a * np.float32(6.283185307179586)
        s = x * x
        series = 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72 * (1 - s / 110))))
        return x * series

    c = t + 0.25
    return sine(t), sine(c - np.floor(c + 0.5))


def f32(values: Any) -> Array:
    """A float32 array of anything that looks like one."""
    return np.asarray(values, dtype=np.float32)


def smoothstep(x: Values) -> Array:
    """0 below 0, 1 above 1, and the cubic 3x² - 2x³ in between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def mix(a: Values, b: Values, t: Values) -> Array:
    """Linear interpolation: `a` where t is 0, `b` where t is 1."""
    result: Any = a + (b - a) * t  # an array: one of the three is
    return result


def cover(distance: Values) -> Array:
    """How much of a pixel a shape covers, from the signed distance of its centre in pixels."""
    return np.clip(np.float32(0.5) - distance, 0, 1)


# ---------------------------------------------------------------------------------------------
# Signed distances (arrays that broadcast against each other)
# ---------------------------------------------------------------------------------------------


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


def to_uint8(images: Array) -> Array:
    """[0, 1] float to uint8, rounded and clipped."""
    result: Array = np.rint(np.clip(images, 0, 1) * np.float32(255)).astype(np.uint8)
    return result


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
    image: Array, bounds: Array, size: Size, smallest: int = 8
) -> Iterator[tuple[Array, Window]]:
    """Group objects by the window that holds their visible part.

    Args:
        image: (M,) the image of each object.
        bounds: (M, 4) x1 y1 x2 y2 in pixels; may reach outside the image.
        size: (H, W) of the canvas.
        smallest: windows are squares with sides 8, 16, 32 … cut to the canvas, so few groups arise;
            this is the first side.

    Yields:
        (which, window): the objects of a group and their windows. Objects outside the image, or
        thinner than nothing, are left out.
    """
    h, w = size
    low = np.maximum(np.floor(bounds[:, :2]).astype(np.int64) - 1, 0)
    high = np.minimum(np.ceil(bounds[:, 2:]).astype(np.int64) + 1, np.array([w, h]))
    extent = (high - low).min(axis=1, initial=1 << 30), (high - low).max(axis=1)
    valid = extent[0] > 0
    side: Array = np.full(len(low), smallest)
    while (side < extent[1]).any():
        side = np.where(side < extent[1], side * 2, side)
    for s in sorted(set(side[valid].tolist())):
        which = np.nonzero(valid & (side == s))[0]
        wide, tall = min(s, w), min(s, h)
        column = np.minimum(low[which, 0], w - wide)
        row = np.minimum(low[which, 1], h - tall)
        yield which, Window(image[which], row, column, tall, wide)


# ---------------------------------------------------------------------------------------------
# Ground truth of instances
# ---------------------------------------------------------------------------------------------


def tidy_instances(ids: Array, labels: Array) -> tuple[Array, list[Array], list[Array]]:
    """Renumber the visible objects of each image 1..n and find their boxes.

    Args:
        ids: (B, H, W) integer; 0 is background, k > 0 is object k of that image.
        labels: (B, K) the class of object k in column k - 1.

    Returns:
        instances (B, H, W) int16; per image boxes (n, 4) float32 and labels (n,) int64. Objects of
        which no pixel is visible are dropped.
    """
    b, h, w = ids.shape
    k = labels.shape[1]
    rows = np.zeros((b, k + 1, h), bool)
    columns = np.zeros((b, k + 1, w), bool)
    image, y, x = np.nonzero(ids)
    which = ids[image, y, x]
    rows[image, which, y] = True
    columns[image, which, x] = True
    visible: Array = np.asarray(rows.any(axis=2))
    renumbered = np.where(visible, np.cumsum(visible, axis=1), 0).astype(np.int16)
    instances = np.zeros(ids.shape, np.int16)
    instances[image, y, x] = renumbered[image, which]
    bounds = np.stack(
        [
            columns.argmax(axis=2),
            rows.argmax(axis=2),
            w - columns[:, :, ::-1].argmax(axis=2),
            h - rows[:, :, ::-1].argmax(axis=2),
        ],
        axis=2,
    ).astype(np.float32)
    seen = [np.nonzero(visible[i])[0] for i in range(b)]
    boxes = [bounds[i, s] for i, s in enumerate(seen)]
    classes = [labels[i, s - 1].astype(np.int64) for i, s in enumerate(seen)]
    return instances, boxes, classes


# ---------------------------------------------------------------------------------------------
# Requests, chunks and speed
# ---------------------------------------------------------------------------------------------


@dataclass
class Chunk:
    """What a scene module returns for a few images, in numpy; see `Scenes` for the meaning."""

    images: Array
    semantic: Array
    instances: Array
    boxes: list[Array]
    labels: list[Array]
    depth: Array | None = None
    factors: dict[str, Array] = field(default_factory=dict)


def check_request(
    num: int,
    size: int | Size,
    seed: int,
    condition: str,
    start: int,
    *,
    conditions: Sequence[str],
    smallest: int,
    scene: str,
) -> Size:
    """Validate the arguments of a scene's ``draw`` and return the size as (H, W).

    Raises:
        ValueError: with what was got, what was wanted and what to do.
    """
    for name, value in (("num", num), ("start", start), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"{scene}.draw: {name} must be an integer, got {value!r}.")
    if num < 0 or start < 0:
        raise ValueError(
            f"{scene}.draw: num and start must not be negative, got num={num}, start={start}."
        )
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(
        isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in pair
    ):
        raise ValueError(f"{scene}.draw: size must be an integer or (height, width), got {size!r}.")
    if min(pair) < smallest:
        raise ValueError(
            f"{scene}.draw: size {pair[0]}x{pair[1]} is too small to show the scene; "
            f"both sides need at least {smallest} pixels. Draw larger and resize."
        )
    if condition not in conditions:
        raise ValueError(
            f"{scene}.draw: unknown condition {condition!r}; choose one of {', '.join(conditions)}."
        )
    return int(pair[0]), int(pair[1])


def draw_in_chunks(
    draw_chunk: Callable[[Array], Chunk],
    num: int,
    start: int,
    size: Size,
    classes: tuple[str, ...],
    *,
    workers: int | None = None,
    chunk_pixels: int = 1 << 17,
) -> Scenes:
    """Draw `num` images in chunks that fit the cache, on several threads, and join them.

    Args:
        draw_chunk: takes (B,) int64 indices and draws those images.
        num: number of images.
        start: index of the first.
        size: (H, W).
        classes: names of the semantic labels.
        workers: threads; None takes as many as torch uses (``OMP_NUM_THREADS`` sets that).
        chunk_pixels: pixels per chunk.
    """
    h, w = size
    step = max(1, chunk_pixels // (h * w))
    parts = [np.arange(i, min(i + step, start + num)) for i in range(start, start + num, step)]
    if not parts:  # draw one image for the shapes and types, then keep none of it
        empty = draw_chunk(np.array([start]))
        chunks = [
            Chunk(
                empty.images[:0],
                empty.semantic[:0],
                empty.instances[:0],
                [],
                [],
                None if empty.depth is None else empty.depth[:0],
                {k: v[:0] for k, v in empty.factors.items()},
            )
        ]
    else:
        workers = min(workers or torch.get_num_threads(), os.cpu_count() or 1, len(parts))
        if workers == 1:
            chunks = [draw_chunk(p) for p in parts]
        else:
            with ThreadPoolExecutor(workers) as pool:
                chunks = list(pool.map(draw_chunk, parts))
    depths = [c.depth for c in chunks if c.depth is not None]

    def join(arrays: list[Array]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.concatenate(arrays)))

    return Scenes(
        images=join([c.images for c in chunks]),
        semantic=join([c.semantic for c in chunks]),
        instances=join([c.instances for c in chunks]),
        boxes=[torch.from_numpy(b) for c in chunks for b in c.boxes],
        labels=[torch.from_numpy(b) for c in chunks for b in c.labels],
        classes=classes,
        depth=join(depths) if depths else None,
        factors={k: join([c.factors[k] for c in chunks]) for k in chunks[0].factors},
    )


def throughput(
    draw: Callable[..., Scenes],
    *,
    size: int | Size = (64, 64),
    num: int = 2000,
    repeats: int = 3,
    workers: int | None = None,
) -> dict[str, float]:
    """Measure how many images a second a scene's ``draw`` function makes.

    Args:
        draw: for example ``streets.draw``.
        size: as for ``draw``.
        num: images per measurement; new ones each time.
        repeats: measurements; the median and the best are reported.
        workers: threads, as in `draw_in_chunks`.

    Returns:
        images_per_second (median), images_per_second_best, workers, num.
    """
    draw(1, size=size)  # textures are computed once
    rates = []
    for repeat in range(repeats):
        begin = time.perf_counter()
        draw(num, size=size, seed=1000 + repeat, workers=workers)
        rates.append(num / (time.perf_counter() - begin))
    rates.sort()
    return {
        "images_per_second": rates[len(rates) // 2],
        "images_per_second_best": rates[-1],
        "workers": float(min(workers or torch.get_num_threads(), os.cpu_count() or 1)),
        "num": float(num),
    }
