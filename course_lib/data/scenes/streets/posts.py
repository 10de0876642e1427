"""Posts of a street and what they carry: lamps, signs, traffic lights, boards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.data.scenes.brushes import box, circle, cover, ellipse, round_box, segment
from course_lib.data.scenes.exact import Array, f32
from course_lib.data.scenes.streets.patch import POLE, SIGN, Camera, Objects, Patch, choose, col

SIGN_COLOURS = (
    (0.72, 0.10, 0.12), (0.12, 0.30, 0.62), (0.82, 0.66, 0.12), (0.14, 0.40, 0.24),
    (0.86, 0.86, 0.84), (0.46, 0.30, 0.20),
)  # fmt: skip


def post_height(kind: str, o: Objects) -> Array:
    """Height of a post in metres; by variant, a lamp post is 0, a sign 1-3 or 5, a signal 4."""
    low, more = {"lamp": (5.5, 1.5), "signal": (3.1, 0.4), "sign": (2.3, 0.6)}[kind]
    height: Array = low + more * o.random[:, 0]
    return height


@dataclass(frozen=True)
class Post:
    """A post without what it carries, and its frame of metres."""

    patch: Patch
    m: Array  # pixels per metre
    X: Array
    Y: Array
    top: Array
    thick: Array  # half of it
    grey: Array


def _post(kind: str, o: Objects, cam: Camera, px: Array, py: Array) -> Post:
    """The frame of a post, and its shadow."""
    patch = Patch(len(o.x), py.shape[1], px.shape[2], POLE)
    m = col(cam.focal / o.z)
    X = (px - col(cam.x)) / m - col(o.x)
    Y = col(cam.height) - (py - col(cam.y)) / m
    patch.shadow = np.clip(1 - ellipse(X, Y, np.float32(0.3), np.float32(0.08)) * 6, 0, 1)
    grey = f32([0.42, 0.43, 0.44]) * (0.5 + 0.9 * o.random[:, 1:2])
    thick = np.maximum(0.055, 0.5 / m)
    return Post(patch, m, X, Y, col(post_height(kind, o)), thick, grey)


def _paint_pole(post: Post, pole: Array) -> None:
    tone = np.clip(1.0 - 3 * post.X, 0.75, 1.2)
    post.patch.paint(cover(pole * post.m), post.grey, tone)


def paint_lamp(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A lamp on a post with an arm over the road."""
    post = _post("lamp", o, cam, px, py)
    patch, m, X, Y, top = post.patch, post.m, post.X, post.Y, post.top
    pole = box(X, Y - top / 2, post.thick, top / 2)
    side = col(o.side)
    arm = segment(X, Y, 0.0, top, -side * 1.3, top + 0.25, np.maximum(0.045, 0.45 / m))
    far = np.float32(1e3)  # this detour rounds the arm's distance, and the stored pixels have that
    _paint_pole(post, np.minimum(pole, far + (arm - far)))
    head = round_box(X + side * 1.35, Y - top - 0.2, 0.38, 0.11, 0.08)
    patch.paint(cover(head * m), post.grey * np.float32(0.8))
    bulb = round_box(X + side * 1.35, Y - top - 0.13, 0.28, 0.06, 0.05)
    patch.paint(cover(bulb * m), np.tile(f32([1.0, 0.90, 0.66]), (len(o.x), 1)), glow=1.0)
    return patch


def _plate(kind: Array, X: Array, y: Array, radius: Array) -> Array:
    """Signed distance to a disc, triangle, diamond, square, octagon or board, one per object."""
    disc = circle(X, y, radius)
    plate = disc.copy()
    for k in range(1, 6):
        which = np.nonzero(kind == k)[0]
        if len(which) == 0:
            continue
        x_k, y_k, r_k, disc_k = X[which], y[which], radius[which], disc[which]
        ax, ay = np.abs(x_k), np.abs(y_k)
        if k == 1:
            shape = np.maximum(ax * 0.866 + y_k * 0.5, -y_k) - r_k * 0.62
        elif k == 2:
            shape = (ax + ay) * 0.7071 - r_k * 0.8
        elif k == 3:
            shape = box(x_k, y_k, r_k * 0.8, r_k)
        elif k == 4:
            shape = np.maximum(np.maximum(ax, ay), (ax + ay) * 0.7071) - r_k * 0.92
        else:
            shape = box(x_k, y_k - 0.1, np.float32(1.15), np.float32(0.55))
        plate[which] = disc_k + (shape - disc_k)  # rounds as `mix`, which the stored pixels have
    return plate


def paint_sign(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A plate of some shape on a post, or a board on two."""
    post = _post("sign", o, cam, px, py)
    patch, m, X, Y, top = post.patch, post.m, post.X, post.Y, post.top
    r, board = o.random, o.variant == 5
    gap = col(np.where(board, 0.75, 0.0))  # a board stands on two posts
    _paint_pole(post, box(np.abs(X) - gap, Y - top / 2, post.thick, top / 2))
    radius = col(0.36 + 0.12 * r[:, 2])
    y = Y - top + 0.1
    plate = _plate(np.where(board, 5, (r[:, 3] * 5).astype(np.int64)), X, y, radius)
    colour = choose(SIGN_COLOURS, r[:, 4]) * (0.8 + 0.35 * r[:, 5:6])
    light = np.tile(f32([0.88, 0.88, 0.86]), (len(o.x), 1))
    rim = np.where((r[:, 6] < 0.5)[:, None], light, colour).astype(np.float32)
    field = np.where(
        (r[:, 6] < 0.5)[:, None], colour, light * (r[:, 7:8] > 0.3) + colour * (r[:, 7:8] <= 0.3)
    )
    patch.paint(cover(plate * m), rim, label=SIGN)
    patch.paint(cover((plate + 0.07) * m), field.astype(np.float32), label=SIGN)
    mark = np.minimum(
        box(X, y, radius * 0.1, radius * 0.45),
        box(X, y + radius * (r[:, 8, None, None] - 0.5), radius * 0.45, radius * 0.1),
    )
    ink = np.where(field.mean(axis=1, keepdims=True) > 0.5, np.float32(0.15), np.float32(0.9))
    patch.paint(cover(mark * m) * 0.85, np.repeat(ink, 3, axis=1).astype(np.float32), label=SIGN)
    return patch


def paint_signal(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A traffic light: a case on a post, with three lamps of which one is lit."""
    post = _post("signal", o, cam, px, py)
    patch, m, X, Y, top = post.patch, post.m, post.X, post.Y, post.top
    _paint_pole(post, box(X, Y - top / 2, post.thick, top / 2))
    case = round_box(X, Y - top - 0.2, np.float32(0.2), np.float32(0.52), 0.06)
    black = np.full((len(o.x), 3), 0.10, np.float32)
    patch.paint(cover((case - 0.03) * m), black, label=SIGN)
    state = (o.random[:, 9] * 3).astype(np.int64)
    for i, rgb in enumerate(((0.95, 0.15, 0.10), (0.98, 0.70, 0.15), (0.15, 0.85, 0.45))):
        on = state == i
        tone = (f32(rgb) * np.where(on, 1.0, 0.25)[:, None]).astype(np.float32)
        spot = cover(circle(X, Y - top - 0.2 - (0.32 - 0.32 * i), np.float32(0.13)) * m)
        patch.paint(spot, tone, glow=col(on), label=SIGN)
    return patch
