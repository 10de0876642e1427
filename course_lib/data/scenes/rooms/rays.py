"""Cameras in a room, and what their rays hit: depth, label, normal and the point itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size, f32, sincos
from course_lib.data.scenes.rooms.furniture import CEILING, FLOOR, LAMP, WALL, Parts


def cameras(r: Random, indices: Array, views: int, extent: Array, size: Size) -> dict[str, Array]:
    """Cameras on an ellipse in the room, looking across it: position, rotation, focal length."""
    view = (indices % views).astype(np.float32)
    h, w = size
    turn = r.uniform(0, 1) + view / np.float32(views)
    s, c = sincos(turn)
    rx, ry = extent[:, 0] * 0.5 - 0.75, extent[:, 1] * 0.5 - 0.75
    position = np.stack(
        [extent[:, 0] * 0.5 + c * rx, extent[:, 1] * 0.5 + s * ry, r.uniform(1.35, 1.75)], 1
    )
    target = extent * f32([0.5, 0.5, 0]) + f32([0, 0, 0.75])
    target = target + np.concatenate([r.uniform(-0.5, 0.5, 2), r.uniform(-0.1, 0.3, 1)], 1)
    ahead = target - position
    ahead /= np.sqrt((ahead[:, 0] ** 2 + ahead[:, 1] ** 2) + ahead[:, 2] ** 2)[:, None]
    flat = np.sqrt(ahead[:, 0] ** 2 + ahead[:, 1] ** 2)
    right = np.stack([ahead[:, 1] / flat, -ahead[:, 0] / flat, 0 * flat], 1)
    down = np.stack(
        [
            ahead[:, 1] * right[:, 2] - ahead[:, 2] * right[:, 1],
            ahead[:, 2] * right[:, 0] - ahead[:, 0] * right[:, 2],
            ahead[:, 0] * right[:, 1] - ahead[:, 1] * right[:, 0],
        ],
        1,
    )
    rotation = np.stack([right, down, ahead], axis=2)  # columns
    focal = np.full(len(view), 0.62 * np.sqrt(np.float32(h * w)), np.float32)
    zero, one = np.zeros_like(focal), np.ones_like(focal)
    intrinsics = np.stack(
        [
            focal,
            zero,
            zero + np.float32(w / 2),
            zero,
            focal,
            zero + np.float32(h / 2),
            zero,
            zero,
            one,
        ],
        1,
    ).reshape(-1, 3, 3)
    return {
        "position": position.astype(np.float32),
        "rotation": rotation.astype(np.float32),
        "intrinsics": intrinsics,
    }


def each(a: Array) -> Array:
    """(B,) to (B, 1, 1)."""
    return a[:, None, None]


def _hit_part(
    parts: Parts, k: int, origin: list[Array], ray: list[Array], inverse: list[Array]
) -> Array:
    """Distance at which each ray enters part k; infinity where it misses."""
    near: Any = np.float32(-np.inf)
    far: Any = np.float32(np.inf)
    if parts.rounded[k]:
        a: Any = np.float32(0)
        b: Any = np.float32(0)
        c: Any = np.float32(0)
        for i in range(3):
            scale = 1 / each(parts.half[:, k, i])
            o = (origin[i] - each(parts.centre[:, k, i])) * scale
            v = ray[i] * scale
            a, b, c = a + v * v, b + o * v, c + o * o
        root = b * b - a * (c - 1)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        hit = (root > 0) & (t > 0.05)
    else:
        for i in range(3):
            middle = (each(parts.centre[:, k, i]) - origin[i]) * inverse[i]
            reach = each(parts.half[:, k, i]) * np.abs(inverse[i])
            near, far = np.maximum(near, middle - reach), np.minimum(far, middle + reach)
        t, hit = near, (near < far) & (near > 0.05)
    return np.where(hit & each(parts.exists[:, k]), t, np.float32(np.inf))


def _cast(
    parts: Parts, extent: Array, origin: list[Array], ray: list[Array]
) -> tuple[Array, Array]:
    """First hit of each ray: distance and part number, -1 for the room itself."""
    inverse = [1 / np.where(np.abs(v) < 1e-6, np.float32(1e-6), v) for v in ray]
    best: Any = np.float32(np.inf)
    for i in range(3):
        exit_ = np.where(inverse[i] > 0, each(extent[:, i]) - origin[i], -origin[i]) * inverse[i]
        best = np.minimum(best, exit_)
    which = np.full(best.shape, -1, np.int16)
    for k in range(len(parts.label)):
        if not parts.exists[:, k].any():
            continue
        t = _hit_part(parts, k, origin, ray, inverse)
        np.copyto(which, np.int16(k), where=t < best)
        best = np.minimum(best, t)
    return best, which


def shadowed(parts: Parts, point: list[Array], light: Array) -> Array:
    """True where something stands between a point and the light (B, 3)."""
    ray = [each(light[:, i]) - point[i] for i in range(3)]
    inverse = [1 / np.where(np.abs(v) < 1e-6, np.float32(1e-6), v) for v in ray]
    dark = np.zeros(point[0].shape, bool)
    for k in range(len(parts.label)):
        if parts.label[k] == LAMP or not parts.exists[:, k].any():
            continue
        dark |= _hit_part(parts, k, point, ray, inverse) < 0.98
    return dark


@dataclass
class Hit:
    """What the rays of a batch found."""

    depth: Array
    label: Array
    object: Array
    albedo: Array  # (3, B, H, W)
    normal: list[Array]
    point: list[Array]
    glow: Array


def look_at(parts: Parts, extent: Array, cam: dict[str, Array], x: Array, y: Array) -> Hit:
    """Cast rays through the image points (x, y) and name what they hit."""
    k = cam["intrinsics"]
    u, v = (x - each(k[:, 0, 2])) / each(k[:, 0, 0]), (y - each(k[:, 1, 2])) / each(k[:, 1, 1])
    rot = cam["rotation"]
    ray = [each(rot[:, i, 0]) * u + each(rot[:, i, 1]) * v + each(rot[:, i, 2]) for i in range(3)]
    origin = [each(cam["position"][:, i]) for i in range(3)]
    depth, part = _cast(parts, extent, origin, ray)
    point = [origin[i] + ray[i] * depth for i in range(3)]
    label = np.concatenate([parts.label, [WALL]])[part].astype(np.uint8)
    number = np.concatenate([parts.object, [0]])[part].astype(np.int16)
    shell = part < 0
    eps = np.float32(2e-3)
    label[shell & (point[2] < eps)] = FLOOR
    label[shell & (point[2] > each(extent[:, 2]) - eps)] = CEILING
    albedo = np.empty((3, *depth.shape), np.float32)
    flat = part + (np.arange(len(extent)) * (len(parts.label) + 1))[:, None, None] + 1
    for c in range(3):  # a column of zeros in front stands for the room itself
        table = np.pad(parts.colour[:, :, c], ((0, 0), (1, 0)))
        albedo[c] = table.reshape(-1).take(flat)
    normal = _normals(parts, extent, part, point)
    return Hit(depth, label, number, albedo, normal, point, np.zeros(depth.shape, np.float32))


def _normals(parts: Parts, extent: Array, part: Array, point: list[Array]) -> list[Array]:
    """Unit normals at the hit points."""
    b, p = parts.exists.shape
    shell = part < 0
    index = np.maximum(part, 0) + (np.arange(b) * p)[:, None, None]
    rounded = parts.rounded[np.maximum(part, 0)]
    relative, scaled = [], []
    for i in range(3):
        centre = np.where(
            shell, each(extent[:, i]) / 2, parts.centre[:, :, i].reshape(-1).take(index)
        )
        half = np.where(shell, each(extent[:, i]) / 2, parts.half[:, :, i].reshape(-1).take(index))
        relative.append((point[i] - centre) / half)
        scaled.append((point[i] - centre) / (half * half))
    largest = np.maximum(np.maximum(np.abs(relative[0]), np.abs(relative[1])), np.abs(relative[2]))
    length = np.sqrt(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2)
    result = []
    for i in range(3):
        face = np.where(np.abs(relative[i]) >= largest, np.sign(relative[i]), np.float32(0))
        normal = np.where(rounded & ~shell, scaled[i] / np.maximum(length, np.float32(1e-6)), face)
        result.append(np.where(shell, -normal, normal).astype(np.float32))
    return result
