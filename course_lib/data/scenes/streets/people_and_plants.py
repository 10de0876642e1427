"""Pedestrians, trees and bushes of a street."""

from __future__ import annotations

import numpy as np

from course_lib.data.scenes.brushes import (
    circle,
    cover,
    ellipse,
    noise,
    round_box,
    segment,
    trapezoid,
)
from course_lib.data.scenes.exact import Array, f32, mix
from course_lib.data.scenes.streets.patch import (
    PEDESTRIAN,
    VEGETATION,
    Camera,
    Objects,
    Patch,
    choose,
    col,
)

CLOTHES = (
    (0.14, 0.15, 0.18), (0.24, 0.28, 0.40), (0.55, 0.16, 0.16), (0.40, 0.40, 0.42),
    (0.70, 0.68, 0.64), (0.22, 0.36, 0.24), (0.48, 0.36, 0.24), (0.75, 0.58, 0.22),
    (0.30, 0.46, 0.62), (0.52, 0.30, 0.44),
)  # fmt: skip
SKIN = ((0.86, 0.66, 0.54), (0.70, 0.50, 0.38), (0.48, 0.33, 0.24), (0.32, 0.22, 0.17))
HAIR = ((0.10, 0.08, 0.07), (0.26, 0.17, 0.10), (0.55, 0.42, 0.24), (0.45, 0.44, 0.43))
LEAF_COLOURS = (
    (0.22, 0.38, 0.16), (0.30, 0.44, 0.20), (0.16, 0.30, 0.16), (0.38, 0.46, 0.20),
    (0.26, 0.40, 0.26), (0.60, 0.40, 0.18), (0.62, 0.30, 0.18), (0.50, 0.46, 0.24),
    (0.36, 0.34, 0.26),
)  # fmt: skip


def paint_person(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A pedestrian: legs in stride, coat, arms, head, hair; sometimes a skirt or a bag."""
    r = o.random
    patch = Patch(len(o.x), py.shape[1], px.shape[2], PEDESTRIAN)
    m = col(cam.focal / o.z)
    tall = col(1.5 + 0.4 * r[:, 0])
    X = ((px - col(cam.x)) / m - col(o.x)) * col(o.side) / tall  # in body heights
    Y = (col(cam.height) - (py - col(cam.y)) / m) / tall
    m = m * tall
    thin = np.float32(0.42) / m
    stride = col(0.04 + 0.11 * r[:, 1])
    top, trousers = choose(CLOTHES, r[:, 2]), choose(CLOTHES, r[:, 3]) * np.float32(0.85)
    skin, hair = choose(SKIN, r[:, 4]), choose(HAIR, r[:, 5])
    patch.shadow = np.clip(1.1 - ellipse(X, Y, np.float32(0.24), np.float32(0.05)) * 12, 0, 1)
    leg = np.maximum(0.043, thin)
    for s, shade in ((-1, 0.8), (1, 1.0)):
        d = segment(X, Y, 0.045 * s, 0.48, stride * s, 0.02, leg)
        patch.paint(cover(d * m), trousers, np.float32(shade))
    skirt = trapezoid(X, -Y, -0.54, np.float32(-0.27), 0.09, 0.15)
    patch.paint(cover(skirt * m) * col(r[:, 6] < 0.3), top * np.float32(0.9))
    broad = np.maximum(col(0.105 + 0.03 * r[:, 7]), thin)
    torso = round_box(X, Y - 0.65, broad, np.float32(0.185), 0.06)
    patch.paint(cover(torso * m), top, np.clip(1.0 - 2.2 * X, 0.75, 1.15))
    swing = col(0.16 * (r[:, 8] - 0.3))
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
    patch.paint(cover(bag * m) * col(r[:, 9] < 0.35), choose(CLOTHES, r[:, 10]))
    head = np.maximum(0.066, thin * 1.1)
    patch.paint(cover(circle(X, Y - 0.915, head) * m), skin)
    crown = np.maximum(circle(X + 0.006, Y - 0.925, head * 1.06), 0.925 - Y)
    patch.paint(cover(crown * m), hair)
    return patch


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
    m = col(cam.focal / o.z)
    X = (px - col(cam.x)) / m - col(o.x)
    Y = col(cam.height) - (py - col(cam.y)) / m
    radius, tall, middle = col(s["radius"]), col(s["tall"]), col(s["middle"])
    patch.shadow = np.clip(1 - ellipse(X, Y, radius * 0.9, np.float32(0.25)) * 2.5, 0, 1)
    bark = f32([0.30, 0.23, 0.17]) * (0.7 + 0.6 * r[:, 3:4])
    lean = col(0.5 * (r[:, 4] - 0.5))
    d = segment(X, Y, 0.0, 0.0, lean, middle, np.maximum(col(0.09 + 0.08 * r[:, 5]), 0.42 / m))
    patch.paint(cover(d * m) * col(o.variant != 4), bark, np.clip(1.05 - 1.5 * X, 0.7, 1.2))
    x, y = (X - lean) / radius, (Y - middle) / tall
    # Texture with a fixed size in metres, and a coarser one that makes the outline ragged.
    ox, oy = col(r[:, 6] * 512), col(r[:, 7] * 512)
    coarse = noise(x * 60 + ox, y * 60 + oy, octaves=4, seed=3, smooth=True)
    fine = noise(X * 75 + oy, Y * 75 + ox, octaves=5, seed=4)
    round_ = np.sqrt(x * x + y * y) - 1
    cone = np.abs(x) * 1.15 + (y - 1) * 0.52
    conifer = col(o.variant == 3)
    shape = mix(round_, np.maximum(cone, -1.05 - y), conifer)
    edge = shape + 0.42 * coarse + 0.12 * fine
    leaves = cover(np.maximum(edge * radius, 0.15 - Y) * m)
    colour = choose(LEAF_COLOURS, r[:, 8]) * (0.8 + 0.4 * r[:, 9:10])
    light = 0.86 + 0.24 * y - 0.10 * x + 0.30 * coarse + 0.34 * fine
    patch.paint(leaves, colour, np.clip(light, 0.3, 1.5))
    return patch
