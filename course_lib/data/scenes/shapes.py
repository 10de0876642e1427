"""One object per image, its class, colour and pose known; clean to generate, cluttered to classify.

Ten classes that differ in shape only. Under the condition "clutter" (the default) the background
is textured, fragments of other shapes and lines lie around and partly over the object, light and
focus vary: an offline stand-in for CIFAR-10. Under "plain" the object lies alone on an even
background: pictures whose factors are all known, for generative models.

    scenes = draw(1000, size=32, seed=1)
    labels, angle = scenes.factors["class"], scenes.factors["angle"]
"""

from __future__ import annotations

from functools import partial

import numpy as np

from course_lib.data.scenes.batch import (
    Chunk,
    Scenes,
    check_request,
    draw_in_chunks,
    tidy_instances,
)
from course_lib.data.scenes.brushes import (
    blur,
    box,
    circle,
    cover,
    ellipse,
    noise,
    round_box,
    segment,
)
from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size, mix, sincos, to_uint8

CLASSES = (
    "disc", "square", "triangle", "pentagon", "star", "cross", "ring", "crescent", "heart", "arrow",
)  # fmt: skip
SEMANTIC_CLASSES = ("background", *CLASSES)
COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "grey")
CONDITIONS = ("clutter", "plain")
SMALLEST = 12

_PALETTE = (
    (0.80, 0.22, 0.20), (0.88, 0.52, 0.18), (0.86, 0.78, 0.26), (0.28, 0.62, 0.30),
    (0.30, 0.70, 0.74), (0.24, 0.38, 0.78), (0.58, 0.32, 0.68), (0.60, 0.60, 0.60),
)  # fmt: skip


def draw(
    num: int,
    *,
    size: int | Size = (32, 32),
    seed: int = 0,
    condition: str = "clutter",
    start: int = 0,
    workers: int | None = None,
) -> Scenes:
    """Draw images of one object each.

    Image i depends only on (seed, start + i, size, condition). The object's factors do not depend
    on the condition.

    Args:
        num: how many images.
        size: (H, W) or one number, at least 12 a side.
        seed: any integer.
        condition: "clutter" or "plain".
        start: index of the first image.
        workers: threads; None takes as many as torch uses.

    Returns:
        Scenes; the semantic labels are `SEMANTIC_CLASSES` (background, then `CLASSES`), the
        instance is the object. Factors, all (N,): class (int64, index into `CLASSES`), colour
        (int64, index into `COLOURS`), angle (turns), radius, x, y (fractions of the shorter side,
        x and y from the image's centre), background (int64, index into `COLOURS`).

    Raises:
        ValueError: for an unknown condition, a size that is too small, a negative number.
    """
    size = check_request(
        num, size, seed, condition, start, conditions=CONDITIONS, smallest=SMALLEST, scene="shapes"
    )
    chunk = partial(_draw_chunk, seed=int(seed), size=size, clutter=condition == "clutter")
    return draw_in_chunks(chunk, num, start, size, SEMANTIC_CLASSES, workers=workers)


def _c(a: Array) -> Array:
    return a.astype(np.float32)[:, None, None]


def outline(kind: Array, x: Array, y: Array) -> Array:
    """Signed distance (B, H, W) to the shape of each image, drawn with a radius of about one.

    Args:
        kind: (B,) index into `CLASSES`.
        x: (B, H, W) to the right, in radii, in the object's frame.
        y: (B, H, W) downwards.
    """
    result = np.empty(np.broadcast_shapes(x.shape, y.shape), np.float32)
    for k in np.unique(kind):
        at = kind == k
        result[at] = _DISTANCES[CLASSES[k]](x[at], y[at])
    return result


def _polygon(x: Array, y: Array, corners: int, radius: float) -> Array:
    """Regular polygon with a corner at the top."""
    s, c = sincos((np.arange(corners, dtype=np.float32) + 0.5) / np.float32(corners))
    distance = np.full(x.shape, -np.inf, np.float32)
    for sine, cosine in zip(s, c, strict=True):
        distance = np.maximum(distance, x * sine - y * cosine)
    return distance - np.float32(radius)


def _star(x: Array, y: Array) -> Array:
    """Five points: two pentagon half-plane sets, the second largest distance of the five lines."""
    s, c = sincos((np.arange(5, dtype=np.float32) + 0.5) / np.float32(5))
    lines = np.stack([x * a - y * b for a, b in zip(s, c, strict=True)]) - np.float32(0.40)
    lines.partition(3, axis=0)
    return lines[3]


def _crescent(x: Array, y: Array) -> Array:
    return np.maximum(circle(x, y, np.float32(0.92)), -circle(x - 0.42, y + 0.1, np.float32(0.74)))


def _heart(x: Array, y: Array) -> Array:
    ax = np.abs(x)
    lobes = circle(ax - 0.40, y + 0.30, np.float32(0.46))
    tip = np.maximum((ax + y * 0.92) * 0.736 - 0.60, -0.20 - y)
    return np.minimum(lobes, np.maximum(tip, ax - 0.9))


def _arrow(x: Array, y: Array) -> Array:
    shaft = box(x, y - 0.35, np.float32(0.24), np.float32(0.6))
    head = np.maximum((np.abs(x) * 1.15 - y - 0.95) * 0.656, y + 0.02)
    return np.minimum(shaft, head)


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(
        box(x, y, np.float32(0.30), np.float32(0.92)), box(x, y, np.float32(0.92), np.float32(0.30))
    )


_DISTANCES = {
    "disc": lambda x, y: circle(x, y, np.float32(0.85)),
    "square": lambda x, y: box(x, y, np.float32(0.76), np.float32(0.76)),
    "triangle": lambda x, y: _polygon(x, y + 0.05, 3, 0.50),
    "pentagon": lambda x, y: _polygon(x, y, 5, 0.76),
    "star": _star,
    "cross": _cross,
    "ring": lambda x, y: np.abs(circle(x, y, np.float32(0.68))) - np.float32(0.21),
    "crescent": _crescent,
    "heart": _heart,
    "arrow": _arrow,
}


def _draw_chunk(indices: Array, *, seed: int, size: Size, clutter: bool) -> Chunk:
    h, w = size
    b = len(indices)
    unit = np.float32(min(h, w))
    r = Random(seed, indices, "shapes object")
    kind, colour, backdrop = (
        r.integers(len(CLASSES)),
        r.integers(len(COLOURS)),
        r.integers(len(COLOURS)),
    )
    backdrop = np.where(backdrop == colour, (backdrop + 1 + r.integers(6)) % 8, backdrop)
    angle = r.uniform(0, 1)
    radius = r.uniform(0.20, 0.36)
    x0, y0 = r.uniform(-0.16, 0.16), r.uniform(-0.16, 0.16)
    x = (np.arange(w, dtype=np.float32)[None, None] + np.float32(0.5 - w / 2)) / unit
    y = (np.arange(h, dtype=np.float32)[None, :, None] + np.float32(0.5 - h / 2)) / unit

    look = Random(seed, indices, "shapes look")
    paint = look_colour(look, colour, clutter)
    back = look_colour(look, backdrop, clutter)
    ox, oy = _c(look.uniform(0, 512, 1)[:, 0]), _c(look.uniform(0, 512))
    image = np.empty((b, 3, h, w), np.float32)
    if clutter:
        scale = _c(look.uniform(30, 160))
        grain = noise(x * scale + ox, y * scale + oy, octaves=5, seed=12, smooth=True)
        other = look_colour(look, look.integers(len(COLOURS)), True)
        split = np.clip(
            0.5 + 1.6 * noise(x * 40 + oy, y * 40 + ox, octaves=3, seed=13, smooth=True), 0, 1
        )
        split = split * _c(look.uniform(0, 1))
        for c in range(3):
            image[:, c] = mix(back[:, c, None, None], other[:, c, None, None], split) * (
                1 + 0.3 * grain
            )
        _fragments(image, look, x, y, unit, 5, 0.7)
    else:
        image[:] = back[:, :, None, None] * np.float32(0.55) + np.float32(0.40)

    s, c_ = sincos(angle)
    dx, dy = (x - _c(x0)) / _c(radius), (y - _c(y0)) / _c(radius)
    px, py = dx * _c(c_) + dy * _c(s), dy * _c(c_) - dx * _c(s)
    if clutter:  # a slightly skewed view: not part of the factors, not in "plain"
        px, py = px * _c(look.uniform(0.85, 1.15)) + py * _c(look.uniform(-0.15, 0.15)), py
    distance = outline(kind, px, py) * _c(radius) * unit  # pixels
    alpha = cover(distance)
    tone = 1.0 - 0.16 * (dx * 0.6 + dy * 0.8)
    if clutter:
        mode = look.integers(3)
        stripes = px * _c(look.uniform(1.2, 2.6)) + py * _c(look.uniform(-1, 1))
        stripes = (np.abs(stripes - np.floor(stripes) - 0.5) > 0.25).astype(np.float32)
        tone = tone * (1 - 0.35 * stripes * _c(mode == 1)) * (1 + 0.35 * grain * _c(mode == 2))
    shadow = (
        cover(outline(kind, px, py - np.float32(0.0)) * _c(radius) * unit - 1.5) if False else 0.0
    )
    del shadow
    for c in range(3):
        image[:, c] += alpha * (paint[:, c, None, None] * tone - image[:, c])
    visible = alpha >= 0.5
    if clutter:
        over = _fragments(image, look, x, y, unit, 2, 0.5, near=(x0, y0))
        visible &= over < 0.5
        light = 1 + _c(look.uniform(-0.35, 0.35)) * x + _c(look.uniform(-0.35, 0.35)) * y
        image *= (light * _c(look.uniform(0.75, 1.2)))[:, None]
        soft = _c(look.uniform(0, 1))[:, None]
        image = mix(image, blur(image, max(1, round(float(unit) / 48))), soft)
        image += look.pixel_noise((3, h, w)) * _c(look.uniform(0.02, 0.16))[:, None]
    else:
        image += look.pixel_noise((3, h, w)) * np.float32(0.01)
    ids = visible.astype(np.int16)
    semantic = np.where(visible, (kind + 1)[:, None, None], 0).astype(np.uint8)
    instances, boxes, labels = tidy_instances(ids, (kind + 1)[:, None])
    factors = {
        "class": kind, "colour": colour, "background": backdrop,
        "angle": angle, "radius": radius, "x": x0, "y": y0,
    }  # fmt: skip
    return Chunk(to_uint8(image), semantic, instances, boxes, labels, None, factors)


def look_colour(look: Random, index: Array, vary: bool) -> Array:
    """(B, 3) colours of the palette; with variation, also darker, paler and shifted ones."""
    rgb = np.asarray(_PALETTE, np.float32)[index]
    shift, dim, pale = look.uniform(-0.10, 0.10, 3), look.uniform(0.65, 1.1), look.uniform(0, 0.35)
    if not vary:
        return rgb
    grey = (rgb[:, :1] + rgb[:, 1:2] + rgb[:, 2:]) * np.float32(1 / 3)
    mixed: Array = mix(rgb + shift, grey, pale[:, None]) * dim[:, None]
    return mixed


def _fragments(
    image: Array, look: Random, x: Array, y: Array, unit: np.float32, count: int, chance: float,
    near: tuple[Array, Array] | None = None,
) -> Array:  # fmt: skip
    """Paint bars, pieces of rings and blobs; returns what they cover, (B, H, W)."""
    total = np.zeros((len(image), *image.shape[2:]), np.float32)
    for _ in range(count):
        colour = look_colour(look, look.integers(len(COLOURS)), True)
        exists = look.chance(chance)
        turn = look.uniform(0, 1)
        reach = look.uniform(0.16, 0.32) if near else look.uniform(0.0, 0.6)
        s, c = sincos(look.uniform(0, 1))
        u = x - _c(s * reach) - (_c(near[0]) if near else 0)
        v = y - _c(c * reach) - (_c(near[1]) if near else 0)
        s, c = sincos(turn)
        u, v = u * _c(c) + v * _c(s), v * _c(c) - u * _c(s)
        form = look.integers(4)
        long, thin = _c(look.uniform(0.08, 0.3)), _c(look.uniform(0.012, 0.05))
        bar = round_box(u, v, long, thin, np.float32(0.012))
        arc = np.maximum(np.abs(circle(u, v, long * 0.6)) - thin * 0.7, v)
        blob = ellipse(u, v, long * 0.45, thin * 1.4)
        bend = np.minimum(
            segment(u, v, -long * 0.6, 0.0, 0.0, 0.0, thin * 0.7),
            segment(u, v, 0.0, 0.0, long * 0.25, long * 0.45, thin * 0.7),
        )
        d = np.where(
            _c(form) == 0, bar, np.where(_c(form) == 1, arc, np.where(_c(form) == 2, blob, bend))
        )
        alpha = cover(d * unit) * _c(exists)
        for k in range(3):
            image[:, k] += alpha * (colour[:, k, None, None] - image[:, k])
        total = np.maximum(total, alpha)
    return total
