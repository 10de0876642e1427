"""The things that stand and move in a street: how far each reaches, and who paints it."""

from __future__ import annotations

import numpy as np

from course_lib.data.exact import Array, Values
from course_lib.data.street_patch import Camera, Objects
from course_lib.data.street_people_and_plants import paint_person, paint_tree, tree_shape
from course_lib.data.street_posts import paint_post, post_height
from course_lib.data.street_vehicles import paint_car, paint_crossing, vehicle_shape


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


PAINTERS = {
    "car": paint_car,
    "crossing": paint_crossing,
    "person": paint_person,
    "tree": paint_tree,
    "post": paint_post,
}
