"""The things that stand and move in a street: how far each reaches, and who paints it."""

from __future__ import annotations

import numpy as np

from course_lib.data.scenes.exact import Array, Values
from course_lib.data.scenes.streets.patch import Camera, Objects
from course_lib.data.scenes.streets.people_and_plants import paint_person, paint_tree, tree_shape
from course_lib.data.scenes.streets.posts import paint_lamp, paint_sign, paint_signal, post_height
from course_lib.data.scenes.streets.vehicles import paint_car, paint_crossing, vehicle_shape


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
        half = np.where(o.variant == 5, 1.25, 1.8 if kind == "lamp" else 0.6)
        low, high = 0.2, post_height(kind, o) + np.float64(0.8 if kind == "signal" else 0.7)
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


def reach(kind: str, o: Objects, cam: Camera, inside: Array) -> Array:
    """(M, 4) pixel bounds that contain all that is painted, shadows and the last leaf too.

    The painter of an object may paint on the square window around its `bounds` only (`inside`), so
    what reaches farther ends there.
    """
    scale = cam.focal / o.z
    u = cam.x + o.x * scale
    base = cam.y + cam.height * scale
    half: Values
    low: Values
    top: Array = inside[:, 1]
    if kind == "car":
        s = vehicle_shape(o)
        half, low = 0.89 * s["width"], 0.5
        # A roof below the camera rises in the picture with the distance.
        top = cam.y + (cam.height - s["roof"] - 0.1) * cam.focal / (o.z + s["length"]) - 1
    elif kind == "crossing":
        half, low = 0.83 * vehicle_shape(o)["length"], 0.5
    elif kind == "person":
        half, low = 0.8, 0.28
    elif kind == "tree":
        t = tree_shape(o)
        half, low = 1.65 * t["radius"] + 0.25, 0.66
        crown = np.where(o.variant == 3, 2.04, 1.54)
        top = base - (t["middle"] + t["tall"] * crown) * scale - 3
    else:
        half, low = 0.6, 0.26
    return np.stack(
        [
            np.minimum(inside[:, 0], u - half * scale - 1),
            np.minimum(inside[:, 1], top),
            np.maximum(inside[:, 2], u + half * scale + 1),
            np.maximum(inside[:, 3], base + low * scale + 1),
        ],
        1,
    )


PAINTERS = {
    "car": paint_car,
    "crossing": paint_crossing,
    "person": paint_person,
    "tree": paint_tree,
    "lamp": paint_lamp,
    "sign": paint_sign,
    "signal": paint_signal,
}
