"""What a room is furnished with: boxes and ellipsoids on the floor, rectangles on the walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Values, f32

WALL, FLOOR, CEILING, WINDOW, DOOR, PICTURE, RUG = range(7)
TABLE, CHAIR, SOFA, SHELF, LAMP, PLANT = range(7, 13)

# fmt: off
WOOD = ((0.52, 0.36, 0.22), (0.66, 0.50, 0.33), (0.36, 0.24, 0.16), (0.75, 0.66, 0.52),
         (0.86, 0.85, 0.82), (0.22, 0.21, 0.21))
CLOTH = ((0.36, 0.42, 0.50), (0.58, 0.30, 0.26), (0.42, 0.46, 0.34), (0.66, 0.60, 0.50),
          (0.30, 0.31, 0.33), (0.70, 0.54, 0.24), (0.24, 0.40, 0.44), (0.55, 0.42, 0.52))
# fmt: on


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
    cloth = r.pick(CLOTH) * r.uniform(0.85, 1.15, 1)
    wide, along = r.uniform(0.75, 1.1), r.uniform(0.42, 0.58)
    x, y = at_wall(first, along, 0.5)
    f.place(x, y, first, r.chance(0.92), SOFA)
    f.add((0, 0, 0.24), (wide, 0.42, 0.18), cloth * dark)
    f.add((0, 0.33, 0.55), (wide, 0.11, 0.32), cloth)
    for s in (-1, 1):
        f.add((s * wide, 0, 0.34), (0.11, 0.43, 0.28), cloth * 0.92)
        f.add((s * wide * 0.45, -0.06, 0.45), (wide * 0.43, 0.34, 0.08), cloth * 1.06)
    pillow = r.pick(CLOTH)
    f.add((wide * 0.55, 0.14, 0.66), (0.2, 0.09, 0.18), pillow, True)
    # Coffee table before the sofa.
    x, y = at_wall(first, along, 1.45)
    wood = r.pick(WOOD) * r.uniform(0.85, 1.15, 1)
    f.place(x, y, first, r.chance(0.8), TABLE)
    tw, td = r.uniform(0.4, 0.6), r.uniform(0.24, 0.34)
    f.add((0, 0, 0.40), (tw, td, 0.025), wood)
    f.legs(tw, td, 0.38, 0.03, wood * dark)
    f.add((tw * 0.4, 0, 0.45), (0.1, 0.14, 0.015), r.pick(CLOTH))  # a book
    f.add((-tw * 0.4, 0.05, 0.49), (0.06, 0.06, 0.07), r.pick(CLOTH), True)  # a bowl
    # Shelf with boards and books, at another wall.
    wall = first + 1 + 2 * r.integers(2)
    wood = r.pick(WOOD) * r.uniform(0.85, 1.15, 1)
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
                    r.pick(CLOTH),
                )
    # Dining table with chairs, towards the opposite side.
    x, y = at_wall(first + 2, r.uniform(0.35, 0.65), r.uniform(1.15, 1.5))
    wood = r.pick(WOOD) * r.uniform(0.85, 1.15, 1)
    has_table = r.chance(0.85)
    f.place(x, y, first, has_table, TABLE)
    tw, td = r.uniform(0.5, 0.75), r.uniform(0.36, 0.45)
    f.add((0, 0, 0.73), (tw, td, 0.025), wood)
    f.legs(tw, td, 0.71, 0.035, wood * dark)
    f.add((r.uniform(-0.3, 0.3), 0, 0.82), (0.08, 0.08, 0.09), r.pick(CLOTH), True)
    seat_colour, frame = r.pick(CLOTH), r.pick(WOOD)
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
    f.add((0, 0, 0.16), (0.15, 0.15, 0.16), r.pick(CLOTH))
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
        colour = r.pick(WOOD) if label == DOOR else r.pick(CLOTH)
        rows.append((wall, place * length, up, wide, tall, colour, r.chance(chance)))
    wall, along, up, wide, tall, colour, exists = (
        np.stack(column, 1) for column in zip(*rows, strict=True)
    )
    labels = np.array([WINDOW, DOOR, PICTURE, WINDOW, PICTURE])
    floats = [a.astype(np.float32) for a in (along, up, wide, tall, colour)]
    return Decals(wall, floats[0], floats[1], floats[2], floats[3], floats[4], exists, labels)
