"""Furnished rooms seen from several places: images with labels, depth and exact camera poses.

A room is a box with a window, a door, pictures and a rug; in it stand a sofa, tables, chairs, a
shelf, a lamp and a plant, all made of boxes and ellipsoids. Every pixel's ray is cast into it.
Image i shows view ``i % views`` of room ``i // views``: consecutive images look at the same room.

    scenes = draw(8, size=(96, 128), views=4)          # two rooms, four views each
    scenes.factors["rotation"], scenes.factors["position"], scenes.factors["intrinsics"]

World: x and y along the walls, z upwards, metres, the floor at z = 0. Camera: x right, y down, z
ahead. A pixel (u, v) with depth d is the world point ``position + rotation @ K⁻¹ (u, v, 1) d``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from course_lib.data.draw import (
    Array,
    Chunk,
    Random,
    Scenes,
    Size,
    Values,
    check_request,
    draw_in_chunks,
    f32,
    mix,
    noise,
    sincos,
    smoothstep,
    tidy_instances,
    to_uint8,
)

CLASSES = (
    "wall", "floor", "ceiling", "window", "door", "picture", "rug",
    "table", "chair", "sofa", "shelf", "lamp", "plant",
)  # fmt: skip
THINGS = ("window", "door", "picture", "table", "chair", "sofa", "shelf", "lamp", "plant")
CONDITIONS = ("day", "evening")
SMALLEST = 16
VIEWS = 4

WALL, FLOOR, CEILING, WINDOW, DOOR, PICTURE, RUG = range(7)
TABLE, CHAIR, SOFA, SHELF, LAMP, PLANT = range(7, 13)

# fmt: off
_WOOD = ((0.52, 0.36, 0.22), (0.66, 0.50, 0.33), (0.36, 0.24, 0.16), (0.75, 0.66, 0.52),
         (0.86, 0.85, 0.82), (0.22, 0.21, 0.21))
_CLOTH = ((0.36, 0.42, 0.50), (0.58, 0.30, 0.26), (0.42, 0.46, 0.34), (0.66, 0.60, 0.50),
          (0.30, 0.31, 0.33), (0.70, 0.54, 0.24), (0.24, 0.40, 0.44), (0.55, 0.42, 0.52))
_PAINT = ((0.86, 0.84, 0.79), (0.78, 0.80, 0.80), (0.72, 0.78, 0.74), (0.84, 0.76, 0.66),
          (0.66, 0.72, 0.80), (0.80, 0.70, 0.70), (0.62, 0.66, 0.60))
# fmt: on


def draw(
    num: int,
    *,
    size: int | Size = (64, 64),
    seed: int = 0,
    condition: str = "day",
    start: int = 0,
    views: int = VIEWS,
    workers: int | None = None,
) -> Scenes:
    """Draw views of rooms.

    Image i depends only on (seed, start + i, size, condition, views). The geometry does not depend
    on the condition.

    Args:
        num: how many images.
        size: (H, W) or one number, at least 16 a side.
        seed: any integer.
        condition: "day" (light from the window) or "evening" (light from the lamps).
        start: index of the first image.
        views: images per room.
        workers: threads; None takes as many as torch uses.

    Returns:
        Scenes with semantic labels `CLASSES`, instances of `THINGS`, depth in metres along the
        optical axis, and factors: room, view (N,) int64; position (N, 3), rotation (N, 3, 3)
        (camera to world), intrinsics (N, 3, 3), extent (N, 3): the room's size.

    Raises:
        ValueError: for an unknown condition, a size that is too small, a number out of range.
    """
    size = check_request(
        num, size, seed, condition, start, conditions=CONDITIONS, smallest=SMALLEST, scene="rooms"
    )
    if isinstance(views, bool) or not isinstance(views, (int, np.integer)) or views < 1:
        raise ValueError(f"rooms.draw: views must be an integer of at least 1, got {views!r}.")
    chunk = partial(
        _draw_chunk, seed=int(seed), size=size, views=int(views), day=condition == "day"
    )
    return draw_in_chunks(chunk, num, start, size, CLASSES, workers=workers, chunk_pixels=1 << 15)


# --- the room ----------------------------------------------------------------------------------


@dataclass
class Parts:
    """Boxes and ellipsoids of a batch of rooms, each array (B, P) or (B, P, 3)."""

    centre: Array
    half: Array
    colour: Array
    exists: Array
    label: Array  # (P,)
    object: Array  # (P,) number of the piece of furniture, from 1
    rounded: Array  # (P,) ellipsoid instead of box


class Furniture:
    """Collects parts; `place` sets where the next ones stand and which way they face."""

    def __init__(self, count: int) -> None:
        """Empty rooms."""
        self.count = count
        self.rows: list[tuple[Array, Array, Array, Array, int, int, bool]] = []
        self.number = 0

    def place(self, x: Array, y: Array, quarter: Array, exists: Array, label: int) -> None:
        """Start a piece of furniture at (x, y), turned by quarter turns."""
        self.x, self.y, self.exists, self.label = x, y, exists, label
        self.cos = f32([1, 0, -1, 0])[quarter % 4]
        self.sin = f32([0, 1, 0, -1])[quarter % 4]
        self.number += 1

    def add(
        self,
        centre: tuple[Values, Values, Values],
        half: tuple[Values, Values, Values],
        colour: Array,
        rounded: bool = False,
    ) -> None:
        """Add a box (or ellipsoid) in the furniture's own frame: x along its front, y backwards."""
        cx, cy, cz = (np.broadcast_to(f32(v), (self.count,)) for v in centre)
        hx, hy, hz = (np.broadcast_to(f32(v), (self.count,)) for v in half)
        x = self.x + cx * self.cos - cy * self.sin
        y = self.y + cx * self.sin + cy * self.cos
        wide = np.abs(hx * self.cos) + np.abs(hy * self.sin)
        deep = np.abs(hx * self.sin) + np.abs(hy * self.cos)
        self.rows.append(
            (np.stack([x, y, cz], 1), np.stack([wide, deep, hz], 1), colour, self.exists,
             self.label, self.number, rounded)
        )  # fmt: skip

    def legs(self, wide: Array, deep: Array, top: Values, thick: float, colour: Array) -> None:
        """Four legs under a plate."""
        for sx in (-1, 1):
            for sy in (-1, 1):
                centre = (sx * (wide - thick), sy * (deep - thick), np.float32(top) * 0.5)
                self.add(centre, (thick, thick, np.float32(top) * 0.5), colour)

    def done(self) -> Parts:
        """All parts, stacked."""
        centre, half, colour, exists, label, number, rounded = zip(*self.rows, strict=True)
        floats = [np.stack(a, 1).astype(np.float32) for a in (centre, half, colour)]
        shown = np.stack(exists, 1)
        return Parts(
            floats[0], floats[1], floats[2], shown, *map(np.array, (label, number, rounded))
        )


def furnish(r: Random, extent: Array) -> Parts:
    """Choose and place the furniture of each room."""
    b = len(extent)
    w, d = extent[:, 0], extent[:, 1]
    f = Furniture(b)
    dark = np.float32(0.75)
    first = r.integers(4)  # the wall of the sofa

    def at_wall(quarter: Array, along: Array, off: Values) -> tuple[Array, Array]:
        # Quarter 0: back to the wall y = d; 1: x = 0; 2: y = 0; 3: x = w.
        q = quarter % 4
        x = np.select([q == 0, q == 1, q == 2], [along * w, off + 0 * w, (1 - along) * w], w - off)
        y = np.select([q == 0, q == 1, q == 2], [d - off, along * d, off + 0 * d], (1 - along) * d)
        return x.astype(np.float32), y.astype(np.float32)

    # Sofa with arms, back and cushions.
    cloth = r.pick(_CLOTH) * r.uniform(0.85, 1.15, 1)
    wide, along = r.uniform(0.75, 1.1), r.uniform(0.42, 0.58)
    x, y = at_wall(first, along, 0.5)
    f.place(x, y, first, r.chance(0.92), SOFA)
    f.add((0, 0, 0.24), (wide, 0.42, 0.18), cloth * dark)
    f.add((0, 0.33, 0.55), (wide, 0.11, 0.32), cloth)
    for s in (-1, 1):
        f.add((s * wide, 0, 0.34), (0.11, 0.43, 0.28), cloth * 0.92)
        f.add((s * wide * 0.45, -0.06, 0.45), (wide * 0.43, 0.34, 0.08), cloth * 1.06)
    pillow = r.pick(_CLOTH)
    f.add((wide * 0.55, 0.14, 0.66), (0.2, 0.09, 0.18), pillow, True)
    # Coffee table before the sofa.
    x, y = at_wall(first, along, 1.45)
    wood = r.pick(_WOOD) * r.uniform(0.85, 1.15, 1)
    f.place(x, y, first, r.chance(0.8), TABLE)
    tw, td = r.uniform(0.4, 0.6), r.uniform(0.24, 0.34)
    f.add((0, 0, 0.40), (tw, td, 0.025), wood)
    f.legs(tw, td, 0.38, 0.03, wood * dark)
    f.add((tw * 0.4, 0, 0.45), (0.1, 0.14, 0.015), r.pick(_CLOTH))  # a book
    f.add((-tw * 0.4, 0.05, 0.49), (0.06, 0.06, 0.07), r.pick(_CLOTH), True)  # a bowl
    # Shelf with boards and books, at another wall.
    wall = first + 1 + 2 * r.integers(2)
    wood = r.pick(_WOOD) * r.uniform(0.85, 1.15, 1)
    x, y = at_wall(wall, r.uniform(0.25, 0.75), 0.19)
    f.place(x, y, wall, r.chance(0.85), SHELF)
    sw, tall = r.uniform(0.4, 0.75), r.uniform(0.9, 2.0)
    f.add((0, 0.16, tall * 0.5), (sw, 0.015, tall * 0.5), wood * dark)
    for s in (-1, 1):
        f.add((s * sw, 0, tall * 0.5), (0.02, 0.18, tall * 0.5), wood)
    for level in range(4):
        height = tall * np.float32((level + 0.08) / 3.1)
        f.add((0, 0, height), (sw, 0.18, 0.018), wood)
        if level < 3:
            for _ in range(2):
                bw, bh = r.uniform(0.06, 0.16), r.uniform(0.07, 0.13) * tall * 0.6
                f.add(
                    (r.uniform(-0.6, 0.6) * sw, 0.02, height + bh + 0.02),
                    (bw, 0.11, bh),
                    r.pick(_CLOTH),
                )
    # Dining table with chairs, towards the opposite side.
    x, y = at_wall(first + 2, r.uniform(0.35, 0.65), r.uniform(1.15, 1.5))
    wood = r.pick(_WOOD) * r.uniform(0.85, 1.15, 1)
    has_table = r.chance(0.85)
    f.place(x, y, first, has_table, TABLE)
    tw, td = r.uniform(0.5, 0.75), r.uniform(0.36, 0.45)
    f.add((0, 0, 0.73), (tw, td, 0.025), wood)
    f.legs(tw, td, 0.71, 0.035, wood * dark)
    f.add((r.uniform(-0.3, 0.3), 0, 0.82), (0.08, 0.08, 0.09), r.pick(_CLOTH), True)
    seat_colour, frame = r.pick(_CLOTH), r.pick(_WOOD)
    for sx, sy, turn in ((-0.35, 1, 0), (0.35, 1, 0), (-0.35, -1, 2), (0.35, -1, 2)):
        local_x, local_y = sx * 1.6 * tw, sy * (td + r.uniform(0.12, 0.35))
        cosine, sine = f32([1, 0, -1, 0])[first], f32([0, 1, 0, -1])[first]
        f.place(
            x + local_x * cosine - local_y * sine,
            y + local_x * sine + local_y * cosine,
            first + turn,
            has_table & r.chance(0.75),
            CHAIR,
        )
        f.add((0, 0, 0.44), (0.2, 0.2, 0.025), seat_colour)
        f.add((0, 0.19, 0.75), (0.2, 0.02, 0.16), seat_colour * 0.92)
        for side in (-1, 1):
            f.add((side * 0.18, 0.19, 0.5), (0.018, 0.018, 0.42), frame)
            f.add((side * 0.18, -0.18, 0.21), (0.018, 0.018, 0.21), frame)
    # Floor lamp beside the sofa, plant in a corner.
    x, y = at_wall(
        first,
        along + np.where(along < 0.5, 1, -1) * (wide + 0.45) / np.where(first % 2 == 0, w, d),
        0.35,
    )
    f.place(x, y, first, r.chance(0.75), LAMP)
    metal = np.repeat(r.uniform(0.15, 0.6, 1), 3, 1)
    f.add((0, 0, 0.015), (0.14, 0.14, 0.015), metal, True)
    f.add((0, 0, 0.75), (0.014, 0.014, 0.75), metal)
    f.add((0, 0, 1.55), (0.17, 0.17, 0.13), np.repeat(f32([[0.95, 0.88, 0.70]]), b, 0), True)
    corner = first + 2
    x, y = at_wall(corner, np.where(r.chance(0.5), 0.5 / w, 1 - 0.5 / w), 0.5)
    f.place(x, y, corner, r.chance(0.7), PLANT)
    green = f32([0.22, 0.42, 0.20]) * r.uniform(0.7, 1.3, 1)
    f.add((0, 0, 0.16), (0.15, 0.15, 0.16), r.pick(_CLOTH))
    grow = r.uniform(0.8, 1.3)
    f.add((0, 0, 0.45 * grow), (0.02, 0.02, 0.3), green * 0.5)
    for _ in range(4):
        f.add(
            (r.uniform(-0.15, 0.15), r.uniform(-0.15, 0.15), r.uniform(0.55, 1.05) * grow),
            (r.uniform(0.12, 0.25), r.uniform(0.12, 0.25), r.uniform(0.10, 0.22)),
            green * r.uniform(0.8, 1.2, 1),
            True,
        )
    return f.done()


@dataclass
class Decals:
    """Rectangles on the walls, each array (B, D): wall 0-3, centre and half size along and up."""

    wall: Array
    along: Array
    up: Array
    wide: Array
    tall: Array
    colour: Array  # (B, D, 3)
    exists: Array
    label: Array  # (D,)


def decorate(r: Random, extent: Array) -> Decals:
    """A window or two, a door, pictures."""
    b, h = len(extent), extent[:, 2]
    rows = []
    base = r.integers(4)
    for label, turn, chance in (
        (WINDOW, 0, 1.0),
        (DOOR, 1, 0.9),
        (PICTURE, 2, 0.8),
        (WINDOW, 3, 0.4),
        (PICTURE, 1, 0.6),
    ):
        wall = (base + turn) % 4
        length = np.where(wall % 2 == 0, extent[:, 0], extent[:, 1])
        if label == WINDOW:
            wide, tall = r.uniform(0.6, 1.1), r.uniform(0.5, 0.75)
            up, place = h * 0.57, r.uniform(0.35, 0.65)
        elif label == DOOR:
            wide, tall = r.uniform(0.4, 0.5), np.full(b, 1.02, np.float32)
            up, place = tall, r.uniform(0.15, 0.3)
        else:
            wide, tall = r.uniform(0.2, 0.5), r.uniform(0.2, 0.4)
            up, place = np.full(b, 1.6, np.float32), r.uniform(0.55, 0.8)
        colour = r.pick(_WOOD) if label == DOOR else r.pick(_CLOTH)
        rows.append((wall, place * length, up, wide, tall, colour, r.chance(chance)))
    wall, along, up, wide, tall, colour, exists = (
        np.stack(column, 1) for column in zip(*rows, strict=True)
    )
    labels = np.array([WINDOW, DOOR, PICTURE, WINDOW, PICTURE])
    floats = [a.astype(np.float32) for a in (along, up, wide, tall, colour)]
    return Decals(wall, floats[0], floats[1], floats[2], floats[3], floats[4], exists, labels)


# --- cameras -----------------------------------------------------------------------------------


def cameras(r: Random, indices: Array, views: int, extent: Array, size: Size) -> dict[str, Array]:
    """Cameras on an ellipse in the room, looking across it: position, rotation, focal length."""
    view = (indices % views).astype(np.float32)
    h, w = size
    turn = r.uniform(0, 1) + view / np.float32(views)
    s, c = sincos(turn)
    rx, ry = extent[:, 0] * 0.5 - 0.75, extent[:, 1] * 0.5 - 0.75
    position = np.stack(
        [extent[:, 0] * 0.5 + c * rx, extent[:, 1] * 0.5 + s * ry, r.uniform(1.35, 1.75)], 1
    )
    target = extent * f32([0.5, 0.5, 0]) + f32([0, 0, 0.75])
    target = target + np.concatenate([r.uniform(-0.5, 0.5, 2), r.uniform(-0.1, 0.3, 1)], 1)
    ahead = target - position
    ahead /= np.sqrt((ahead[:, 0] ** 2 + ahead[:, 1] ** 2) + ahead[:, 2] ** 2)[:, None]
    flat = np.sqrt(ahead[:, 0] ** 2 + ahead[:, 1] ** 2)
    right = np.stack([ahead[:, 1] / flat, -ahead[:, 0] / flat, 0 * flat], 1)
    down = np.stack(
        [
            ahead[:, 1] * right[:, 2] - ahead[:, 2] * right[:, 1],
            ahead[:, 2] * right[:, 0] - ahead[:, 0] * right[:, 2],
            ahead[:, 0] * right[:, 1] - ahead[:, 1] * right[:, 0],
        ],
        1,
    )
    rotation = np.stack([right, down, ahead], axis=2)  # columns
    focal = np.full(len(view), 0.62 * np.sqrt(np.float32(h * w)), np.float32)
    zero, one = np.zeros_like(focal), np.ones_like(focal)
    intrinsics = np.stack(
        [
            focal,
            zero,
            zero + np.float32(w / 2),
            zero,
            focal,
            zero + np.float32(h / 2),
            zero,
            zero,
            one,
        ],
        1,
    ).reshape(-1, 3, 3)
    return {
        "position": position.astype(np.float32),
        "rotation": rotation.astype(np.float32),
        "intrinsics": intrinsics,
    }


# --- rays --------------------------------------------------------------------------------------


def _e(a: Array) -> Array:
    """(B,) to (B, 1, 1)."""
    return a[:, None, None]


def _hit_part(
    parts: Parts, k: int, origin: list[Array], ray: list[Array], inverse: list[Array]
) -> Array:
    """Distance at which each ray enters part k; infinity where it misses."""
    near: Any = np.float32(-np.inf)
    far: Any = np.float32(np.inf)
    if parts.rounded[k]:
        a: Any = np.float32(0)
        b: Any = np.float32(0)
        c: Any = np.float32(0)
        for i in range(3):
            scale = 1 / _e(parts.half[:, k, i])
            o = (origin[i] - _e(parts.centre[:, k, i])) * scale
            v = ray[i] * scale
            a, b, c = a + v * v, b + o * v, c + o * o
        root = b * b - a * (c - 1)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        hit = (root > 0) & (t > 0.05)
    else:
        for i in range(3):
            middle = (_e(parts.centre[:, k, i]) - origin[i]) * inverse[i]
            reach = _e(parts.half[:, k, i]) * np.abs(inverse[i])
            near, far = np.maximum(near, middle - reach), np.minimum(far, middle + reach)
        t, hit = near, (near < far) & (near > 0.05)
    return np.where(hit & _e(parts.exists[:, k]), t, np.float32(np.inf))


def _cast(
    parts: Parts, extent: Array, origin: list[Array], ray: list[Array]
) -> tuple[Array, Array]:
    """First hit of each ray: distance and part number, -1 for the room itself."""
    inverse = [1 / np.where(np.abs(v) < 1e-6, np.float32(1e-6), v) for v in ray]
    best: Any = np.float32(np.inf)
    for i in range(3):
        exit_ = np.where(inverse[i] > 0, _e(extent[:, i]) - origin[i], -origin[i]) * inverse[i]
        best = np.minimum(best, exit_)
    which = np.full(best.shape, -1, np.int16)
    for k in range(len(parts.label)):
        if not parts.exists[:, k].any():
            continue
        t = _hit_part(parts, k, origin, ray, inverse)
        np.copyto(which, np.int16(k), where=t < best)
        best = np.minimum(best, t)
    return best, which


def _shadowed(parts: Parts, point: list[Array], light: Array) -> Array:
    """True where something stands between a point and the light (B, 3)."""
    ray = [_e(light[:, i]) - point[i] for i in range(3)]
    inverse = [1 / np.where(np.abs(v) < 1e-6, np.float32(1e-6), v) for v in ray]
    dark = np.zeros(point[0].shape, bool)
    for k in range(len(parts.label)):
        if parts.label[k] == LAMP or not parts.exists[:, k].any():
            continue
        dark |= _hit_part(parts, k, point, ray, inverse) < 0.98
    return dark


@dataclass
class Hit:
    """What the rays of a batch found."""

    depth: Array
    label: Array
    object: Array
    albedo: Array  # (3, B, H, W)
    normal: list[Array]
    point: list[Array]
    glow: Array


def _look_at(parts: Parts, extent: Array, cam: dict[str, Array], x: Array, y: Array) -> Hit:
    """Cast rays through the image points (x, y) and name what they hit."""
    k = cam["intrinsics"]
    u, v = (x - _e(k[:, 0, 2])) / _e(k[:, 0, 0]), (y - _e(k[:, 1, 2])) / _e(k[:, 1, 1])
    rot = cam["rotation"]
    ray = [_e(rot[:, i, 0]) * u + _e(rot[:, i, 1]) * v + _e(rot[:, i, 2]) for i in range(3)]
    origin = [_e(cam["position"][:, i]) for i in range(3)]
    depth, part = _cast(parts, extent, origin, ray)
    point = [origin[i] + ray[i] * depth for i in range(3)]
    label = np.concatenate([parts.label, [WALL]])[part].astype(np.uint8)
    number = np.concatenate([parts.object, [0]])[part].astype(np.int16)
    shell = part < 0
    eps = np.float32(2e-3)
    label[shell & (point[2] < eps)] = FLOOR
    label[shell & (point[2] > _e(extent[:, 2]) - eps)] = CEILING
    albedo = np.empty((3, *depth.shape), np.float32)
    flat = part + (np.arange(len(extent)) * (len(parts.label) + 1))[:, None, None] + 1
    for c in range(3):  # a column of zeros in front stands for the room itself
        table = np.pad(parts.colour[:, :, c], ((0, 0), (1, 0)))
        albedo[c] = table.reshape(-1).take(flat)
    normal = _normals(parts, extent, part, point)
    return Hit(depth, label, number, albedo, normal, point, np.zeros(depth.shape, np.float32))


def _normals(parts: Parts, extent: Array, part: Array, point: list[Array]) -> list[Array]:
    """Unit normals at the hit points."""
    b, p = parts.exists.shape
    shell = part < 0
    index = np.maximum(part, 0) + (np.arange(b) * p)[:, None, None]
    rounded = parts.rounded[np.maximum(part, 0)]
    relative, scaled = [], []
    for i in range(3):
        centre = np.where(
            shell, _e(extent[:, i]) / 2, parts.centre[:, :, i].reshape(-1).take(index)
        )
        half = np.where(shell, _e(extent[:, i]) / 2, parts.half[:, :, i].reshape(-1).take(index))
        relative.append((point[i] - centre) / half)
        scaled.append((point[i] - centre) / (half * half))
    largest = np.maximum(np.maximum(np.abs(relative[0]), np.abs(relative[1])), np.abs(relative[2]))
    length = np.sqrt(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2)
    result = []
    for i in range(3):
        face = np.where(np.abs(relative[i]) >= largest, np.sign(relative[i]), np.float32(0))
        normal = np.where(rounded & ~shell, scaled[i] / np.maximum(length, np.float32(1e-6)), face)
        result.append(np.where(shell, -normal, normal).astype(np.float32))
    return result


def _dress(
    hit: Hit, decals: Decals, extent: Array, look: dict[str, Array], first_id: int, day: bool
) -> None:
    """Wallpaper, floor boards, rug, and what hangs on the walls."""
    x, y, z = hit.point
    w, d = (_e(extent[:, i]) for i in range(2))
    # Walls: 0 at y = d, 1 at x = 0, 2 at y = 0, 3 at x = w.
    gaps = np.stack([np.abs(y - d), np.abs(x), np.abs(y), np.abs(x - w)])
    wall = gaps.argmin(axis=0)
    along = np.where(wall % 2 == 0, x + 0 * y, y + 0 * x)
    ox = _e(look["shift"])
    grain = noise(along * 90 + ox, z * 90 + ox, octaves=5, seed=31, smooth=True)
    stripe = np.abs(along * 4 - np.floor(along * 4) - 0.5)
    tone = 1 + 0.03 * grain + _e(look["stripes"]) * np.clip((stripe - 0.25) * 20, -1, 1)
    board = z < 0.09
    is_wall, is_floor, is_ceiling = hit.label == WALL, hit.label == FLOOR, hit.label == CEILING
    turned = _e(look["turned"]) > 0.5
    fx, fy = np.where(turned, y, x), np.where(turned, x, y)
    plank = np.floor(fx * 7)
    jitter = noise(plank * 41 + ox, np.floor(fy * 0.7 + plank * 0.37) * 67, octaves=5, seed=32)
    fibre = noise(fx * 170 + ox, fy * 14 + plank * 31, octaves=5, seed=33, smooth=True)
    seam = np.clip(1.3 - np.abs(fx * 7 - plank - 0.5) * 2, 0.3, 1) * 0.35 + 0.65
    floor_tone = (1 + 0.16 * jitter + 0.14 * fibre) * seam
    rx, ry = (
        np.abs(x - _e(look["rug_x"])) / _e(look["rug_w"]),
        np.abs(y - _e(look["rug_y"])) / _e(look["rug_d"]),
    )
    ring = np.maximum(rx, ry)
    rug = is_floor & (ring < 1) & (_e(look["rug"]) > 0.5)
    hit.label[rug] = RUG
    weave = 1 + 0.10 * noise(x * 200 + ox, y * 200, octaves=5, seed=34)
    band = ((ring > 0.78) & (ring < 0.9)) | (np.abs(rx + ry - 0.6) < 0.07)
    for c in range(3):
        a = hit.albedo[c]
        np.copyto(
            a, _e(look["paint"][:, c]) * np.where(board, np.float32(0.92), tone), where=is_wall
        )
        np.copyto(a, _e(look["floor"][:, c]) * floor_tone, where=is_floor)
        rug_colour = np.where(band, _e(look["rug_b"][:, c]), _e(look["rug_a"][:, c])) * weave
        np.copyto(a, rug_colour, where=rug)
        a[is_ceiling] = 0.93
    for k in range(decals.wall.shape[1]):
        u = (along - _e(decals.along[:, k])) / _e(decals.wide[:, k])
        v = (z - _e(decals.up[:, k])) / _e(decals.tall[:, k])
        on = (
            is_wall
            & (wall == _e(decals.wall[:, k]))
            & (np.maximum(np.abs(u), np.abs(v)) < 1)
            & _e(decals.exists[:, k])
        )
        if not on.any():
            continue
        label = int(decals.label[k])
        hit.label[on] = label
        hit.object[on] = first_id + k
        edge_u, edge_v = (
            (1 - np.abs(u)) * _e(decals.wide[:, k]),
            (1 - np.abs(v)) * _e(decals.tall[:, k]),
        )
        frame = np.minimum(edge_u, edge_v) < 0.05
        for c in range(3):
            own = _e(decals.colour[:, k, c])
            if label == WINDOW:
                bar = (np.abs(u) * _e(decals.wide[:, k]) < 0.025) | (
                    np.abs(v - 0.2) * _e(decals.tall[:, k]) < 0.02
                )
                top, low = (
                    ((0.52, 0.70, 0.92)[c], (0.90, 0.94, 0.97)[c])
                    if day
                    else ((0.04, 0.05, 0.12)[c], (0.13, 0.12, 0.20)[c])
                )
                hill = v < -0.45 + 0.25 * noise(
                    u * 30 + ox, 0 * u + 7, octaves=4, seed=35, smooth=True
                )
                view = mix(np.float32(low), np.float32(top), np.clip(v * 0.6 + 0.4, 0, 1))
                view = np.where(hill, np.float32((0.32, 0.46, 0.26)[c] if day else 0.04), view)
                colour = np.where(frame | bar, np.float32(0.9), view)
                if c == 0:
                    np.copyto(hit.glow, np.float32(1), where=on & ~(frame | bar))
            elif label == DOOR:
                panel = (np.abs(u) < 0.68) & (np.abs(np.abs(v) - 0.48) < 0.34)
                colour = own * np.where(panel, np.float32(0.86), 1) * (1 + 0.06 * grain)
                knob = (u - 0.8) ** 2 * 0.2 + (v + 0.02) ** 2 < 0.001
                colour = np.where(knob, np.float32((0.8, 0.7, 0.4)[c]), colour)
            else:
                art = noise(
                    u * 60 + ox + 50 * k, v * 45 + 9 * c, octaves=3, seed=36 + k, smooth=True
                )
                colour = np.where(frame, np.float32((0.25, 0.18, 0.12)[c]), own * (0.9 + 0.7 * art))
            np.copyto(hit.albedo[c], colour.astype(np.float32), where=on)
    lamp = hit.label == LAMP
    np.copyto(hit.glow, np.float32(0 if day else 0.95), where=lamp & (z > 1.4))


def _shade(hit: Hit, parts: Parts, extent: Array, lights: dict[str, Array], day: bool) -> Array:
    """Colour (B, 3, H, W): light from the window or the ceiling, with shadows, and soft corners."""
    lifted = [hit.point[i] + hit.normal[i] * np.float32(0.01) for i in range(3)]

    def lambert(light: Array, falloff: float) -> Array:
        to = [_e(light[:, i]) - lifted[i] for i in range(3)]
        r2 = to[0] * to[0] + to[1] * to[1] + to[2] * to[2]
        facing = (to[0] * hit.normal[0] + to[1] * hit.normal[1] + to[2] * hit.normal[2]) / np.sqrt(
            r2
        )
        return np.clip(facing, 0, 1) / (1 + r2 * np.float32(falloff))

    lamp = lambert(lights["ceiling"], 0.05) * ~_shadowed(parts, lifted, lights["ceiling"])
    window = lambert(lights["window"], 0.03) * (
        1 - 0.75 * _shadowed(parts, lifted, lights["window"])
    )
    # Corners get less of the light that comes from everywhere.
    open_: Any = np.float32(1)
    for i in range(3):
        for gap in (hit.point[i], _e(extent[:, i]) - hit.point[i]):
            away = 1 - np.abs(hit.normal[i])
            open_ = open_ * (1 - 0.38 * away * (1 - smoothstep(gap * 1.4)))
    under = smoothstep(hit.point[2] * 1.2) * 0.25 + 0.75
    up = 0.88 + 0.12 * hit.normal[2]
    image = np.empty((len(extent), 3, *hit.depth.shape[1:]), np.float32)
    for c in range(3):
        if day:
            light = (
                0.44 * (0.96, 1.0, 1.06)[c] * open_ * up * under
                + 0.85 * (1.05, 1.0, 0.92)[c] * window
                + 0.15 * lamp
            )
        else:
            light = (
                0.16 * (0.9, 0.85, 0.95)[c] * open_ * up * under
                + 0.90 * (1.08, 0.86, 0.58)[c] * lamp
            )
            near = lambert(lights["lamp"], 0.5) * _e(lights["has_lamp"])
            light = light + 0.8 * (1.1, 0.8, 0.5)[c] * near
        image[:, c] = hit.albedo[c] * mix(light, np.float32(1), hit.glow)
    return image


def _draw_chunk(indices: Array, *, seed: int, size: Size, views: int, day: bool) -> Chunk:
    room = indices // views
    r = Random(seed, room, "rooms layout")
    extent = np.stack([r.uniform(4.2, 6.2), r.uniform(4.2, 6.6), r.uniform(2.5, 3.0)], 1)
    parts, decals = furnish(r, extent), decorate(r, extent)
    cam = cameras(r, indices, views, extent, size)
    look = {
        "paint": r.pick(_PAINT) * r.uniform(0.9, 1.08, 1),
        "floor": r.pick(_WOOD[:4]) * r.uniform(0.85, 1.15, 1),
        "stripes": r.uniform(0, 0.05) * r.chance(0.4),
        "shift": r.uniform(0, 512),
        "turned": r.uniform(0, 1),
        "rug": r.uniform(0, 1) + 0.2,
        "rug_a": r.pick(_CLOTH),
        "rug_b": r.pick(_CLOTH) * 1.2,
        "rug_x": extent[:, 0] * r.uniform(0.4, 0.6),
        "rug_y": extent[:, 1] * r.uniform(0.4, 0.6),
        "rug_w": r.uniform(0.8, 1.3),
        "rug_d": r.uniform(0.8, 1.3),
    }
    lights = _lights(parts, decals, extent)
    h, w = size
    x = (np.arange(w, dtype=np.float32) + np.float32(0.5))[None, None]
    y = (np.arange(h, dtype=np.float32) + np.float32(0.5))[None, :, None]
    first = int(parts.object.max()) + 1
    truth = _look_at(parts, extent, cam, x, y)  # labels and depth: the pixel's centre
    _dress(truth, decals, extent, look, first, day)
    total = np.zeros((len(indices), 3, h, w), np.float32)
    for dx, dy in ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125)):
        hit = _look_at(parts, extent, cam, x + np.float32(dx), y + np.float32(dy))
        _dress(hit, decals, extent, look, first, day)
        total += _shade(hit, parts, extent, lights, day) * np.float32(0.25)
    noise_ = Random(seed, indices, "rooms noise")
    total = total * (1.25 - 0.25 * np.clip(total, 0, 1))
    total += noise_.pixel_noise((3, h, w)) * np.float32(0.02 if day else 0.03)
    label_of = np.concatenate([_object_labels(parts), decals.label])
    things = np.isin(truth.label, [CLASSES.index(t) for t in THINGS])
    ids = np.where(things, truth.object, 0).astype(np.int16)
    instances, boxes, labels = tidy_instances(ids, np.tile(label_of, (len(indices), 1)))
    factors = {"room": room, "view": indices % views, "extent": extent.astype(np.float32), **cam}
    return Chunk(to_uint8(total), truth.label, instances, boxes, labels, truth.depth, factors)


def _object_labels(parts: Parts) -> Array:
    """The class of each piece of furniture, (objects,)."""
    result = np.zeros(int(parts.object.max()), np.int64)
    result[parts.object - 1] = parts.label
    return result


def _lights(parts: Parts, decals: Decals, extent: Array) -> dict[str, Array]:
    """Where light comes from: the ceiling's middle, the first window, the floor lamp."""
    ceiling = extent * f32([0.5, 0.5, 1]) - f32([0, 0, 0.25])
    wall, along, up = decals.wall[:, 0], decals.along[:, 0], decals.up[:, 0]
    inset = np.float32(0.1)
    x = np.select([wall == 1, wall == 3], [inset, extent[:, 0] - inset], along)
    y = np.select([wall == 0, wall == 2], [extent[:, 1] - inset, inset], along)
    shade = int(np.nonzero(parts.label == LAMP)[0][-1])
    return {
        "ceiling": ceiling.astype(np.float32),
        "window": np.stack([x, y, up + 0.3], 1).astype(np.float32),
        "lamp": parts.centre[:, shade] + f32([0, 0, 0.2]),
        "has_lamp": parts.exists[:, shade].astype(np.float32),
    }
