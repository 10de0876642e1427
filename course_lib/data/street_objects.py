"""The things that stand and move in a street: painters of vehicles, people, trees and posts.

A painter gets the pixel centres of one window per object and draws all objects of its kind at
once into a `Patch`. Lengths are in metres, ``Y`` is the height above the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from course_lib.data.draw import (
    Array,
    Values,
    box,
    circle,
    cover,
    ellipse,
    f32,
    mix,
    noise,
    round_box,
    segment,
    trapezoid,
)

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
        self.shadow = np.zeros((count, height, width), np.float32)

    def paint(
        self,
        coverage: Array,
        colour: Array,
        shade: Values = 1.0,
        *,
        glow: float = 0,
        label: int | None = None,
    ) -> None:
        """Lay a colour over what is there.

        Args:
            coverage: (M, h, w) in [0, 1].
            colour: (M, 3).
            shade: (M, h, w) brightness of the colour, or a number.
            glow: 1 for a lamp, which keeps its colour in the dark.
            label: another class, for the pixels that are covered by half or more.
        """
        keep = 1 - coverage
        self.colour *= keep[:, None]
        lit = coverage * shade
        for c in range(3):
            self.colour[:, c] += lit * colour[:, c, None, None]
        if glow:
            self.colour[:, 3] += coverage * np.float32(glow)
        self.alpha *= keep
        self.alpha += coverage
        if label is not None:
            np.copyto(self.label, np.uint8(label), where=coverage >= 0.5)


def _col(a: Array) -> Array:
    return a.astype(np.float32)[:, None, None]


CAR_COLOURS = (
    (0.80, 0.80, 0.80), (0.92, 0.92, 0.90), (0.15, 0.15, 0.17), (0.42, 0.43, 0.45),
    (0.55, 0.55, 0.56), (0.62, 0.12, 0.12), (0.16, 0.26, 0.48), (0.30, 0.44, 0.60),
    (0.20, 0.36, 0.24), (0.55, 0.45, 0.35), (0.72, 0.60, 0.20), (0.33, 0.33, 0.34),
    (0.56, 0.34, 0.26), (0.28, 0.33, 0.22),
)  # fmt: skip
LEAF_COLOURS = (
    (0.22, 0.38, 0.16), (0.30, 0.44, 0.20), (0.16, 0.30, 0.16), (0.38, 0.46, 0.20),
    (0.26, 0.40, 0.26), (0.60, 0.40, 0.18), (0.62, 0.30, 0.18), (0.50, 0.46, 0.24),
    (0.36, 0.34, 0.26),
)  # fmt: skip
CLOTHES = (
    (0.14, 0.15, 0.18), (0.24, 0.28, 0.40), (0.55, 0.16, 0.16), (0.40, 0.40, 0.42),
    (0.70, 0.68, 0.64), (0.22, 0.36, 0.24), (0.48, 0.36, 0.24), (0.75, 0.58, 0.22),
    (0.30, 0.46, 0.62), (0.52, 0.30, 0.44),
)  # fmt: skip
SKIN = ((0.86, 0.66, 0.54), (0.70, 0.50, 0.38), (0.48, 0.33, 0.24), (0.32, 0.22, 0.17))
HAIR = ((0.10, 0.08, 0.07), (0.26, 0.17, 0.10), (0.55, 0.42, 0.24), (0.45, 0.44, 0.43))
SIGN_COLOURS = (
    (0.72, 0.10, 0.12), (0.12, 0.30, 0.62), (0.82, 0.66, 0.12), (0.14, 0.40, 0.24),
    (0.86, 0.86, 0.84), (0.46, 0.30, 0.20),
)  # fmt: skip


def _choose(table: tuple[tuple[float, ...], ...], unit: Array) -> Array:
    """Rows of a colour table by uniform numbers in [0, 1): (M, 3)."""
    rows = np.asarray(table, np.float32)
    return rows[np.minimum((unit * len(rows)).astype(np.int64), len(rows) - 1)]


def bounds(kind: str, o: Objects, cam: Camera) -> Array:
    """(M, 4) pixel bounds that contain each object and its shadow."""
    scale = cam.focal / o.z
    u = cam.x + o.x * scale
    base = cam.y + cam.height * scale
    half: Values
    low: Values
    high: Values
    if kind == "car":
        s = vehicle_shape(o)
        half = s["width"] / 2 + 0.3
        far = o.z + s["length"]
        inner = np.abs(o.x) - s["width"] / 2
        u_far = cam.x + np.where(o.x > 0, 1, -1) * np.maximum(inner, 0) * cam.focal / far
        left = np.minimum(u - half * scale, u_far)
        right = np.maximum(u + half * scale, u_far)
        return np.stack([left, base - (s["roof"] + 0.1) * scale, right, base + 0.3 * scale], 1)
    if kind == "crossing":
        s = vehicle_shape(o)
        half = s["length"] / 2 + 0.3
        low, high = 0.3, s["roof"] + 0.1
    elif kind == "person":
        half, low, high = 0.75, 0.15, 2.0
    elif kind == "tree":
        t = tree_shape(o)
        half, low, high = t["radius"] * 1.45 + 0.2, 0.3, t["middle"] + t["tall"] * 1.45
    else:
        half = np.select([o.variant == 0, o.variant == 5], [1.8, 1.25], 0.6)
        low, high = 0.2, post_height(o) + np.where(o.variant == 4, 0.8, 0.7)
    # A pixel more, because thin things are drawn at least about one pixel wide.
    return np.stack(
        [
            u - half * scale - 1,
            base - high * scale - 1,
            u + half * scale + 1,
            base + low * scale + 1,
        ],
        1,
    )


# --- vehicles ----------------------------------------------------------------------------------


def vehicle_shape(o: Objects) -> dict[str, Array]:
    """Measures in metres by variant: 0-3 car, 4 estate or van, 5 bus or lorry."""
    r, v = o.random, o.variant
    big, van = v == 5, v == 4
    width = np.where(big, 2.35, 1.75) + 0.15 * r[:, 0]
    length = np.where(big, 7.5 + 3 * r[:, 1], np.where(van, 4.6 + r[:, 1], 3.8 + 0.8 * r[:, 1]))
    roof = np.where(
        big, 2.8 + 0.5 * r[:, 2], np.where(van, 1.85 + 0.4 * r[:, 2], 1.42 + 0.16 * r[:, 2])
    )
    belt = np.where(big, 1.25, np.where(van, 1.0, 0.88)) + 0.06 * r[:, 3]
    back = np.where(big | van | (r[:, 4] < 0.5), 0.06, 0.75)  # hatchback or saloon
    front = np.where(big, 0.06, np.where(van, 0.9, 1.25))
    shape = {
        "width": width, "length": length, "roof": roof, "belt": belt, "back": back, "front": front,
    }  # fmt: skip
    return {k: a.astype(np.float32) for k, a in shape.items()}


def _side_view(patch: Patch, s: dict[str, Array], S: Array, Y: Array, m: Array, inside: Values,
               paint: Array, glass: Array, shade: Array, lights: bool) -> None:  # fmt: skip
    """A vehicle's profile; S runs from its back (0) to its front (length)."""
    length, roof, belt = _col(s["length"]), _col(s["roof"]), _col(s["belt"])
    back, front = _col(s["back"]), _col(s["front"])
    floor = np.float32(0.26)
    body = round_box(S - length / 2, Y - (floor + belt) / 2, length / 2, (belt - floor) / 2, 0.14)
    middle = (back + length - front) / 2
    half = (length - front - back) / 2
    slope = np.minimum(0.45, 0.2 + front * 0.4)
    cabin = trapezoid(S - middle, -Y, -roof, -belt + 0.05, half - slope, half)
    shell = cover(np.minimum(body, cabin) * m) * inside
    tone = shade * np.clip(0.78 + 0.22 * Y / belt, 0.6, 1.08)
    patch.paint(shell, paint, tone)
    inner = trapezoid(S - middle, -Y, -roof + 0.13, -belt - 0.02, half - slope - 0.12, half - 0.12)
    pillar = np.abs(np.abs(S - middle) - half * 0.32) - 0.05
    window = cover(np.maximum(inner, -pillar) * m) * inside
    patch.paint(window, glass, shade)
    line = cover((np.abs(Y - belt * 0.45) - 0.025) * m) * shell * 0.5
    patch.paint(line, paint * np.float32(0.55))
    radius = np.float32(0.33)
    for at in (np.float32(0.85), length - np.float32(0.85)):
        wheel = circle(S - at, Y - radius, radius)
        patch.paint(cover((wheel - 0.05) * m) * inside, paint * np.float32(0.25))
        patch.paint(cover(wheel * m) * inside, np.full_like(paint, 0.09))
        patch.paint(cover((wheel + 0.16) * m) * inside, np.full_like(paint, 0.55), shade)
    if lights:
        for end, colour in ((0.1, (0.75, 0.08, 0.06)), (-0.1, (0.95, 0.92, 0.78))):
            place = S - np.float32(end) if end > 0 else S - length - np.float32(end)
            lamp = cover(round_box(place, Y - belt * 0.8, 0.12, 0.07, 0.05) * m) * inside
            patch.paint(lamp, np.tile(f32(colour), (len(paint), 1)), glow=1)


def paint_car(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A vehicle along the road: the face towards the camera and the side that can be seen."""
    s = vehicle_shape(o)
    patch = Patch(len(o.x), py.shape[1], px.shape[2], VEHICLE)
    paint = _choose(CAR_COLOURS, o.random[:, 5]) * (0.85 + 0.3 * o.random[:, 6:7])
    glass = f32([0.20, 0.25, 0.30]) * (0.6 + 0.9 * o.random[:, 7:8])
    focal, z = _col(cam.focal), _col(o.z)
    m = focal / z
    X = (px - _col(cam.x)) / m - _col(o.x)
    Y = _col(cam.height) - (py - _col(cam.y)) / m
    width, roof, belt = _col(s["width"]), _col(s["roof"]), _col(s["belt"])
    w = width / 2
    patch.shadow = np.clip(1.15 - ellipse(X, Y - 0.02, w * 1.2, np.float32(0.22)) * 4, 0, 1)

    # The visible side: the plane x = a, seen at the depth where the ray reaches it.
    side = np.where(o.x > 0, 1, -1).astype(np.float32)
    a = _col(np.abs(o.x)) - w
    t = _col(side) * (px - _col(cam.x)) / focal
    seen = (a > 0.05) & (t > 1e-3)
    depth = np.where(seen, a / np.where(seen, t, 1), 1e4)
    S = depth - z
    Y_side = _col(cam.height) - (py - _col(cam.y)) * depth / focal
    m_side = focal / depth
    inside = (S > 0) & (_col(s["length"]) > S)
    towards = o.towards.astype(np.float32)
    S = np.where(_col(towards) > 0, _col(s["length"]) - S, S)
    shade = np.float32(0.82) + 0 * S
    _side_view(patch, s, S, Y_side, m_side, inside.astype(np.float32), paint, glass, shade, False)

    body = round_box(X, Y - (0.26 + belt) / 2, w, (belt - 0.26) / 2, 0.12)
    cabin = trapezoid(X, -Y, -roof, -belt + 0.05, w * 0.74 + 0.1 * (roof > 1.7), w * 0.93)
    wheels = np.maximum(box(np.abs(X) - w + 0.16, Y - 0.18, 0.12, 0.18), -Y)
    patch.paint(cover(wheels * m), np.full_like(paint, 0.07))
    tone = np.clip(0.72 + 0.28 * Y / belt, 0.6, 1.05)
    patch.paint(cover(np.minimum(body, cabin) * m), paint, tone)
    sill = np.maximum(belt + 0.03, roof - 1.15)
    window = trapezoid(X, -Y, -roof + 0.12 + 0.1 * (roof > 2.4), -sill, w * 0.66, w * 0.8)
    gleam = 0.85 + 0.5 * np.clip((Y - belt) / (roof - belt), 0, 1)
    patch.paint(cover(window * m), glass, gleam)
    bumper = box(X, Y - 0.36, w * 0.98, np.float32(0.07))
    patch.paint(cover(bumper * m) * 0.8, paint * np.float32(0.45))
    plate = box(X, Y - belt * 0.62, np.float32(0.26), np.float32(0.07))
    patch.paint(cover(plate * m) * 0.9, np.full_like(paint, 0.85))
    front = f32([0.97, 0.95, 0.82])
    rear = f32([0.80, 0.08, 0.06])
    lamp_colour = np.where(towards[:, None] > 0, front, rear).astype(np.float32)
    lamps = round_box(np.abs(X) - w * 0.78, Y - belt * 0.78, w * 0.17, 0.08, 0.05)
    patch.paint(cover(lamps * m), lamp_colour, glow=1)
    return patch


def paint_crossing(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A vehicle across the road, in profile."""
    s = vehicle_shape(o)
    patch = Patch(len(o.x), py.shape[1], px.shape[2], VEHICLE)
    paint = _choose(CAR_COLOURS, o.random[:, 5]) * (0.85 + 0.3 * o.random[:, 6:7])
    glass = f32([0.20, 0.25, 0.30]) * (0.6 + 0.9 * o.random[:, 7:8])
    m = _col(cam.focal / o.z)
    X = ((px - _col(cam.x)) / m - _col(o.x)) * _col(o.side)
    Y = _col(cam.height) - (py - _col(cam.y)) / m
    half = _col(s["length"]) / 2
    patch.shadow = np.clip(1.15 - ellipse(X, Y - 0.02, half * 1.1, np.float32(0.2)) * 4, 0, 1)
    _side_view(patch, s, X + half, Y, m, np.float32(1), paint, glass, np.ones_like(X + Y), True)
    return patch


# --- people ------------------------------------------------------------------------------------


def paint_person(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A pedestrian: legs in stride, coat, arms, head, hair; sometimes a skirt or a bag."""
    r = o.random
    patch = Patch(len(o.x), py.shape[1], px.shape[2], PEDESTRIAN)
    m = _col(cam.focal / o.z)
    tall = _col(1.5 + 0.4 * r[:, 0])
    X = ((px - _col(cam.x)) / m - _col(o.x)) * _col(o.side) / tall  # in body heights
    Y = (_col(cam.height) - (py - _col(cam.y)) / m) / tall
    m = m * tall
    thin = np.float32(0.42) / m
    stride = _col(0.04 + 0.11 * r[:, 1])
    top, trousers = _choose(CLOTHES, r[:, 2]), _choose(CLOTHES, r[:, 3]) * np.float32(0.85)
    skin, hair = _choose(SKIN, r[:, 4]), _choose(HAIR, r[:, 5])
    patch.shadow = np.clip(1.1 - ellipse(X, Y, np.float32(0.24), np.float32(0.05)) * 12, 0, 1)
    leg = np.maximum(0.043, thin)
    for s, shade in ((-1, 0.8), (1, 1.0)):
        d = segment(X, Y, 0.045 * s, 0.48, stride * s, 0.02, leg)
        patch.paint(cover(d * m), trousers, np.float32(shade))
    skirt = trapezoid(X, -Y, -0.54, np.float32(-0.27), 0.09, 0.15)
    patch.paint(cover(skirt * m) * _col(r[:, 6] < 0.3), top * np.float32(0.9))
    broad = np.maximum(_col(0.105 + 0.03 * r[:, 7]), thin)
    torso = round_box(X, Y - 0.65, broad, np.float32(0.185), 0.06)
    patch.paint(cover(torso * m), top, np.clip(1.0 - 2.2 * X, 0.75, 1.15))
    swing = _col(0.16 * (r[:, 8] - 0.3))
    for s in (-1, 1):
        d = segment(
            X,
            Y,
            (broad + 0.005) * s,
            0.78,
            broad * s * 1.25 + swing * s,
            0.47,
            np.maximum(0.03, thin),
        )
        patch.paint(cover(d * m), top * np.float32(0.82))
    bag = round_box(X + broad * 1.1, Y - 0.62, np.float32(0.07), np.float32(0.12), 0.03)
    patch.paint(cover(bag * m) * _col(r[:, 9] < 0.35), _choose(CLOTHES, r[:, 10]))
    head = np.maximum(0.066, thin * 1.1)
    patch.paint(cover(circle(X, Y - 0.915, head) * m), skin)
    crown = np.maximum(circle(X + 0.006, Y - 0.925, head * 1.06), 0.925 - Y)
    patch.paint(cover(crown * m), hair)
    return patch


# --- plants ------------------------------------------------------------------------------------


def tree_shape(o: Objects) -> dict[str, Array]:
    """Measures by variant: 0-2 broad-leaved, 3 conifer, 4 bush."""
    r, v = o.random, o.variant
    radius = np.where(
        v == 4, 0.7 + 0.7 * r[:, 0], np.where(v == 3, 1.1 + 0.7 * r[:, 0], 1.3 + 1.5 * r[:, 0])
    )
    tall = np.where(
        v == 4, radius * 0.7, np.where(v == 3, radius * 2.2, radius * (0.85 + 0.5 * r[:, 1]))
    )
    trunk = np.where(v == 4, 0.1, np.where(v == 3, 0.5, 1.6 + 1.4 * r[:, 2]))
    shape = {"radius": radius, "tall": tall, "middle": trunk + tall * 0.85, "trunk": trunk}
    return {k: a.astype(np.float32) for k, a in shape.items()}


def paint_tree(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A tree or a bush: trunk, and a crown with a ragged edge, light from above."""
    r, s = o.random, tree_shape(o)
    patch = Patch(len(o.x), py.shape[1], px.shape[2], VEGETATION)
    m = _col(cam.focal / o.z)
    X = (px - _col(cam.x)) / m - _col(o.x)
    Y = _col(cam.height) - (py - _col(cam.y)) / m
    radius, tall, middle = _col(s["radius"]), _col(s["tall"]), _col(s["middle"])
    patch.shadow = np.clip(1 - ellipse(X, Y, radius * 0.9, np.float32(0.25)) * 2.5, 0, 1)
    bark = f32([0.30, 0.23, 0.17]) * (0.7 + 0.6 * r[:, 3:4])
    lean = _col(0.5 * (r[:, 4] - 0.5))
    d = segment(X, Y, 0.0, 0.0, lean, middle, np.maximum(_col(0.09 + 0.08 * r[:, 5]), 0.42 / m))
    patch.paint(cover(d * m) * _col(o.variant != 4), bark, np.clip(1.05 - 1.5 * X, 0.7, 1.2))
    x, y = (X - lean) / radius, (Y - middle) / tall
    # Texture with a fixed size in metres, and a coarser one that makes the outline ragged.
    ox, oy = _col(r[:, 6] * 512), _col(r[:, 7] * 512)
    coarse = noise(x * 60 + ox, y * 60 + oy, octaves=4, seed=3, smooth=True)
    fine = noise(X * 75 + oy, Y * 75 + ox, octaves=5, seed=4)
    round_ = np.sqrt(x * x + y * y) - 1
    cone = np.abs(x) * 1.15 + (y - 1) * 0.52
    conifer = _col(o.variant == 3)
    shape = mix(round_, np.maximum(cone, -1.05 - y), conifer)
    edge = shape + 0.42 * coarse + 0.12 * fine
    leaves = cover(np.maximum(edge * radius, 0.15 - Y) * m)
    colour = _choose(LEAF_COLOURS, r[:, 8]) * (0.8 + 0.4 * r[:, 9:10])
    light = 0.86 + 0.24 * y - 0.10 * x + 0.30 * coarse + 0.34 * fine
    patch.paint(leaves, colour, np.clip(light, 0.3, 1.5))
    return patch


# --- posts and signs ---------------------------------------------------------------------------


def post_height(o: Objects) -> Array:
    """Height in metres by variant: 0 lamp post, 1-3 sign, 4 traffic light, 5 direction board."""
    r, v = o.random[:, 0], o.variant
    return np.where(v == 0, 5.5 + 1.5 * r, np.where(v == 4, 3.1 + 0.4 * r, 2.3 + 0.6 * r)).astype(
        np.float32
    )


def paint_post(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A post with what it carries: a lamp, a plate of some shape, or a signal with three lamps."""
    r, v = o.random, o.variant
    n = len(o.x)
    patch = Patch(n, py.shape[1], px.shape[2], POLE)
    m = _col(cam.focal / o.z)
    X = (px - _col(cam.x)) / m - _col(o.x)
    Y = _col(cam.height) - (py - _col(cam.y)) / m
    top = _col(post_height(o))
    grey = f32([0.42, 0.43, 0.44]) * (0.5 + 0.9 * r[:, 1:2])
    thick = np.maximum(0.055, 0.5 / m)
    patch.shadow = np.clip(1 - ellipse(X, Y, np.float32(0.3), np.float32(0.08)) * 6, 0, 1)
    board = v == 5
    gap = _col(np.where(board, 0.75, 0.0))  # a board stands on two posts
    pole = box(np.abs(X) - gap, Y - top / 2, thick, top / 2)
    lamp = _col(v == 0)
    arm = segment(X, Y, 0.0, top, -_col(o.side) * 1.3, top + 0.25, np.maximum(0.045, 0.45 / m))
    pole = np.minimum(pole, mix(np.float32(1e3), arm, lamp))
    patch.paint(cover(pole * m), grey, np.clip(1.0 - 3 * X, 0.75, 1.2))
    head = round_box(X + _col(o.side) * 1.35, Y - top - 0.2, 0.38, 0.11, 0.08)
    patch.paint(cover(head * m) * lamp, grey * np.float32(0.8))
    bulb = round_box(X + _col(o.side) * 1.35, Y - top - 0.13, 0.28, 0.06, 0.05)
    warm = np.tile(f32([1.0, 0.90, 0.66]), (n, 1))
    patch.paint(cover(bulb * m) * lamp, warm, glow=1)

    # Plates. The shape is chosen per object: disc, triangle, diamond, square, octagon, board.
    radius = _col(0.36 + 0.12 * r[:, 2])
    y = Y - top + 0.1
    kind = np.where(board, 5, (r[:, 3] * 5).astype(np.int64))
    ax, ay = np.abs(X), np.abs(y)
    triangle = np.maximum(ax * 0.866 + y * 0.5, -y) - radius * 0.62
    diamond = (ax + ay) * 0.7071 - radius * 0.8
    octagon = np.maximum(np.maximum(ax, ay), (ax + ay) * 0.7071) - radius * 0.92
    plates = (
        circle(X, y, radius), triangle, diamond, box(X, y, radius * 0.8, radius), octagon,
        box(X, y - 0.1, np.float32(1.15), np.float32(0.55)),
    )  # fmt: skip
    plate = plates[0]
    for i, other in enumerate(plates[1:], 1):
        plate = mix(plate, other, _col(kind == i))
    is_plate = _col((v != 0) & (v != 4))
    colour = _choose(SIGN_COLOURS, r[:, 4]) * (0.8 + 0.35 * r[:, 5:6])
    light = np.tile(f32([0.88, 0.88, 0.86]), (n, 1))
    rim = np.where((r[:, 6] < 0.5)[:, None], light, colour).astype(np.float32)
    field = np.where(
        (r[:, 6] < 0.5)[:, None], colour, light * (r[:, 7:8] > 0.3) + colour * (r[:, 7:8] <= 0.3)
    )
    patch.paint(cover(plate * m) * is_plate, rim, label=SIGN)
    patch.paint(cover((plate + 0.07) * m) * is_plate, field.astype(np.float32), label=SIGN)
    mark = np.minimum(
        box(X, y, radius * 0.1, radius * 0.45),
        box(X, y + radius * (r[:, 8, None, None] - 0.5), radius * 0.45, radius * 0.1),
    )
    ink = np.where(field.mean(axis=1, keepdims=True) > 0.5, np.float32(0.15), np.float32(0.9))
    patch.paint(
        cover(mark * m) * is_plate * 0.85, np.repeat(ink, 3, axis=1).astype(np.float32), label=SIGN
    )

    signal = _col(v == 4)
    case = round_box(X, Y - top - 0.2, np.float32(0.2), np.float32(0.52), 0.06)
    patch.paint(cover((case - 0.03) * m) * signal, np.full((n, 3), 0.10, np.float32), label=SIGN)
    state = (r[:, 9] * 3).astype(np.int64)
    for i, rgb in enumerate(((0.95, 0.15, 0.10), (0.98, 0.70, 0.15), (0.15, 0.85, 0.45))):
        on = (state == i)[:, None]
        tone = (f32(rgb) * np.where(on, 1.0, 0.25)).astype(np.float32)
        spot = cover(circle(X, Y - top - 0.2 - (0.32 - 0.32 * i), np.float32(0.13)) * m) * signal
        patch.paint(spot * _col(~on[:, 0]), tone, label=SIGN)
        patch.paint(spot * _col(on[:, 0]), tone, glow=1, label=SIGN)
    return patch


PAINTERS = {
    "car": paint_car,
    "crossing": paint_crossing,
    "person": paint_person,
    "tree": paint_tree,
    "post": paint_post,
}
