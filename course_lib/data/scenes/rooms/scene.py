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

from functools import partial

import numpy as np

from course_lib.data.scenes.batch import (
    Chunk,
    Scenes,
    check_request,
    draw_in_chunks,
    tidy_instances,
)
from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size, f32, to_uint8
from course_lib.data.scenes.rooms.furniture import (
    CLOTH,
    LAMP,
    WOOD,
    Decals,
    Parts,
    decorate,
    furnish,
)
from course_lib.data.scenes.rooms.rays import cameras, look_at
from course_lib.data.scenes.rooms.surfaces import dress, shaded

CLASSES = (
    "wall", "floor", "ceiling", "window", "door", "picture", "rug",
    "table", "chair", "sofa", "shelf", "lamp", "plant",
)  # fmt: skip
THINGS = ("window", "door", "picture", "table", "chair", "sofa", "shelf", "lamp", "plant")
CONDITIONS = ("day", "evening")
SMALLEST = 16
VIEWS = 4

_PAINT = ((0.86, 0.84, 0.79), (0.78, 0.80, 0.80), (0.72, 0.78, 0.74), (0.84, 0.76, 0.66),
          (0.66, 0.72, 0.80), (0.80, 0.70, 0.70), (0.62, 0.66, 0.60))  # fmt: skip


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


def _draw_chunk(indices: Array, *, seed: int, size: Size, views: int, day: bool) -> Chunk:
    room = indices // views
    r = Random(seed, room, "rooms layout")
    extent = np.stack([r.uniform(4.2, 6.2), r.uniform(4.2, 6.6), r.uniform(2.5, 3.0)], 1)
    parts, decals = furnish(r, extent), decorate(r, extent)
    cam = cameras(r, indices, views, extent, size)
    look = {
        "paint": r.pick(_PAINT) * r.uniform(0.9, 1.08, 1),
        "floor": r.pick(WOOD[:4]) * r.uniform(0.85, 1.15, 1),
        "stripes": r.uniform(0, 0.05) * r.chance(0.4),
        "shift": r.uniform(0, 512),
        "turned": r.uniform(0, 1),
        "rug": r.uniform(0, 1) + 0.2,
        "rug_a": r.pick(CLOTH),
        "rug_b": r.pick(CLOTH) * 1.2,
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
    truth = look_at(parts, extent, cam, x, y)  # labels and depth: the pixel's centre
    dress(truth, decals, extent, look, first, day)
    total = np.zeros((len(indices), 3, h, w), np.float32)
    for dx, dy in ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125)):
        hit = look_at(parts, extent, cam, x + np.float32(dx), y + np.float32(dy))
        dress(hit, decals, extent, look, first, day)
        total += shaded(hit, parts, extent, lights, day) * np.float32(0.25)
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
