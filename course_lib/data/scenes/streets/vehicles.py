"""Vehicles of a street: cars, vans, buses, along the road and across it."""

from __future__ import annotations

import numpy as np

from course_lib.data.scenes.brushes import box, circle, cover, ellipse, round_box, trapezoid
from course_lib.data.scenes.exact import Array, Values, f32
from course_lib.data.scenes.streets.patch import VEHICLE, Camera, Objects, Patch, choose, col

CAR_COLOURS = (
    (0.80, 0.80, 0.80), (0.92, 0.92, 0.90), (0.15, 0.15, 0.17), (0.42, 0.43, 0.45),
    (0.55, 0.55, 0.56), (0.62, 0.12, 0.12), (0.16, 0.26, 0.48), (0.30, 0.44, 0.60),
    (0.20, 0.36, 0.24), (0.55, 0.45, 0.35), (0.72, 0.60, 0.20), (0.33, 0.33, 0.34),
    (0.56, 0.34, 0.26), (0.28, 0.33, 0.22),
)  # fmt: skip


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
    length, roof, belt = col(s["length"]), col(s["roof"]), col(s["belt"])
    back, front = col(s["back"]), col(s["front"])
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
            patch.paint(lamp, np.tile(f32(colour), (len(paint), 1)), glow=1.0)


def paint_car(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A vehicle along the road: the face towards the camera and the side that can be seen."""
    s = vehicle_shape(o)
    patch = Patch(len(o.x), py.shape[1], px.shape[2], VEHICLE)
    paint = choose(CAR_COLOURS, o.random[:, 5]) * (0.85 + 0.3 * o.random[:, 6:7])
    glass = f32([0.20, 0.25, 0.30]) * (0.6 + 0.9 * o.random[:, 7:8])
    focal, z = col(cam.focal), col(o.z)
    m = focal / z
    X = (px - col(cam.x)) / m - col(o.x)
    Y = col(cam.height) - (py - col(cam.y)) / m
    width, roof, belt = col(s["width"]), col(s["roof"]), col(s["belt"])
    w = width / 2
    patch.shadow = np.clip(1.15 - ellipse(X, Y - 0.02, w * 1.2, np.float32(0.22)) * 4, 0, 1)

    # The visible side: the plane x = a, seen at the depth where the ray reaches it.
    side = np.where(o.x > 0, 1, -1).astype(np.float32)
    a = col(np.abs(o.x)) - w
    t = col(side) * (px - col(cam.x)) / focal
    seen = (a > 0.05) & (t > 1e-3)
    depth = np.where(seen, a / np.where(seen, t, 1), 1e4)
    S = depth - z
    Y_side = col(cam.height) - (py - col(cam.y)) * depth / focal
    m_side = focal / depth
    inside = (S > 0) & (col(s["length"]) > S)
    towards = o.towards.astype(np.float32)
    S = np.where(col(towards) > 0, col(s["length"]) - S, S)
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
    patch.paint(cover(lamps * m), lamp_colour, glow=1.0)
    return patch


def paint_crossing(o: Objects, cam: Camera, px: Array, py: Array) -> Patch:
    """A vehicle across the road, in profile."""
    s = vehicle_shape(o)
    patch = Patch(len(o.x), py.shape[1], px.shape[2], VEHICLE)
    paint = choose(CAR_COLOURS, o.random[:, 5]) * (0.85 + 0.3 * o.random[:, 6:7])
    glass = f32([0.20, 0.25, 0.30]) * (0.6 + 0.9 * o.random[:, 7:8])
    m = col(cam.focal / o.z)
    X = ((px - col(cam.x)) / m - col(o.x)) * col(o.side)
    Y = col(cam.height) - (py - col(cam.y)) / m
    half = col(s["length"]) / 2
    patch.shadow = np.clip(1.15 - ellipse(X, Y - 0.02, half * 1.1, np.float32(0.2)) * 4, 0, 1)
    _side_view(patch, s, X + half, Y, m, np.float32(1), paint, glass, np.ones_like(X + Y), True)
    return patch
