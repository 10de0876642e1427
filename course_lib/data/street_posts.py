"""Posts of a street and what they carry: lamps, signs, traffic lights, boards."""

from __future__ import annotations

import numpy as np

from course_lib.data.drawing import box, circle, cover, ellipse, round_box, segment
from course_lib.data.exact import Array, f32, mix
from course_lib.data.street_patch import POLE, SIGN, Camera, Objects, Patch, choose, col

SIGN_COLOURS = (
    (0.72, 0.10, 0.12), (0.12, 0.30, 0.62), (0.82, 0.66, 0.12), (0.14, 0.40, 0.24),
    (0.86, 0.86, 0.84), (0.46, 0.30, 0.20),
)  # fmt: skip


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
    m = col(cam.focal / o.z)
    X = (px - col(cam.x)) / m - col(o.x)
    Y = col(cam.height) - (py - col(cam.y)) / m
    top = col(post_height(o))
    grey = f32([0.42, 0.43, 0.44]) * (0.5 + 0.9 * r[:, 1:2])
    thick = np.maximum(0.055, 0.5 / m)
    patch.shadow = np.clip(1 - ellipse(X, Y, np.float32(0.3), np.float32(0.08)) * 6, 0, 1)
    board = v == 5
    gap = col(np.where(board, 0.75, 0.0))  # a board stands on two posts
    pole = box(np.abs(X) - gap, Y - top / 2, thick, top / 2)
    lamp = col(v == 0)
    arm = segment(X, Y, 0.0, top, -col(o.side) * 1.3, top + 0.25, np.maximum(0.045, 0.45 / m))
    pole = np.minimum(pole, mix(np.float32(1e3), arm, lamp))
    patch.paint(cover(pole * m), grey, np.clip(1.0 - 3 * X, 0.75, 1.2))
    head = round_box(X + col(o.side) * 1.35, Y - top - 0.2, 0.38, 0.11, 0.08)
    patch.paint(cover(head * m) * lamp, grey * np.float32(0.8))
    bulb = round_box(X + col(o.side) * 1.35, Y - top - 0.13, 0.28, 0.06, 0.05)
    warm = np.tile(f32([1.0, 0.90, 0.66]), (n, 1))
    patch.paint(cover(bulb * m) * lamp, warm, glow=1)

    # Plates. The shape is chosen per object: disc, triangle, diamond, square, octagon, board.
    radius = col(0.36 + 0.12 * r[:, 2])
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
        plate = mix(plate, other, col(kind == i))
    is_plate = col((v != 0) & (v != 4))
    colour = choose(SIGN_COLOURS, r[:, 4]) * (0.8 + 0.35 * r[:, 5:6])
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

    signal = col(v == 4)
    case = round_box(X, Y - top - 0.2, np.float32(0.2), np.float32(0.52), 0.06)
    patch.paint(cover((case - 0.03) * m) * signal, np.full((n, 3), 0.10, np.float32), label=SIGN)
    state = (r[:, 9] * 3).astype(np.int64)
    for i, rgb in enumerate(((0.95, 0.15, 0.10), (0.98, 0.70, 0.15), (0.15, 0.85, 0.45))):
        on = (state == i)[:, None]
        tone = (f32(rgb) * np.where(on, 1.0, 0.25)).astype(np.float32)
        spot = cover(circle(X, Y - top - 0.2 - (0.32 - 0.32 * i), np.float32(0.13)) * m) * signal
        patch.paint(spot * col(~on[:, 0]), tone, label=SIGN)
        patch.paint(spot * col(on[:, 0]), tone, glow=1, label=SIGN)
    return patch
