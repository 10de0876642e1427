"""What the surfaces of a room look like: patterns and what hangs on the walls, light and shadow."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_lib.data.scenes.brushes import noise
from course_lib.data.scenes.exact import Array, mix, smoothstep
from course_lib.data.scenes.rooms.furniture import (
    CEILING,
    DOOR,
    FLOOR,
    LAMP,
    RUG,
    WALL,
    WINDOW,
    Decals,
    Parts,
)
from course_lib.data.scenes.rooms.rays import Hit, each, shadowed


def dress(
    hit: Hit, decals: Decals, extent: Array, look: dict[str, Array], first_id: int, day: bool
) -> None:
    """Wallpaper, floor boards, rug, and what hangs on the walls."""
    x, y, z = hit.point
    w, d = (each(extent[:, i]) for i in range(2))
    # Walls: 0 at y = d, 1 at x = 0, 2 at y = 0, 3 at x = w.
    gaps = np.stack([np.abs(y - d), np.abs(x), np.abs(y), np.abs(x - w)])
    wall = gaps.argmin(axis=0)
    along = np.where(wall % 2 == 0, x + 0 * y, y + 0 * x)
    ox = each(look["shift"])
    grain = noise(along * 90 + ox, z * 90 + ox, octaves=5, seed=31, smooth=True)
    stripe = np.abs(along * 4 - np.floor(along * 4) - 0.5)
    tone = 1 + 0.03 * grain + each(look["stripes"]) * np.clip((stripe - 0.25) * 20, -1, 1)
    board = z < 0.09
    is_wall, is_floor, is_ceiling = hit.label == WALL, hit.label == FLOOR, hit.label == CEILING
    turned = each(look["turned"]) > 0.5
    fx, fy = np.where(turned, y, x), np.where(turned, x, y)
    plank = np.floor(fx * 7)
    jitter = noise(plank * 41 + ox, np.floor(fy * 0.7 + plank * 0.37) * 67, octaves=5, seed=32)
    fibre = noise(fx * 170 + ox, fy * 14 + plank * 31, octaves=5, seed=33, smooth=True)
    seam = np.clip(1.3 - np.abs(fx * 7 - plank - 0.5) * 2, 0.3, 1) * 0.35 + 0.65
    floor_tone = (1 + 0.16 * jitter + 0.14 * fibre) * seam
    rx, ry = (
        np.abs(x - each(look["rug_x"])) / each(look["rug_w"]),
        np.abs(y - each(look["rug_y"])) / each(look["rug_d"]),
    )
    ring = np.maximum(rx, ry)
    rug = is_floor & (ring < 1) & (each(look["rug"]) > 0.5)
    hit.label[rug] = RUG
    weave = 1 + 0.10 * noise(x * 200 + ox, y * 200, octaves=5, seed=34)
    band = ((ring > 0.78) & (ring < 0.9)) | (np.abs(rx + ry - 0.6) < 0.07)
    for c in range(3):
        a = hit.albedo[c]
        np.copyto(
            a, each(look["paint"][:, c]) * np.where(board, np.float32(0.92), tone), where=is_wall
        )
        np.copyto(a, each(look["floor"][:, c]) * floor_tone, where=is_floor)
        rug_colour = np.where(band, each(look["rug_b"][:, c]), each(look["rug_a"][:, c])) * weave
        np.copyto(a, rug_colour, where=rug)
        a[is_ceiling] = 0.93
    for k in range(decals.wall.shape[1]):
        u = (along - each(decals.along[:, k])) / each(decals.wide[:, k])
        v = (z - each(decals.up[:, k])) / each(decals.tall[:, k])
        on = (
            is_wall
            & (wall == each(decals.wall[:, k]))
            & (np.maximum(np.abs(u), np.abs(v)) < 1)
            & each(decals.exists[:, k])
        )
        if not on.any():
            continue
        label = int(decals.label[k])
        hit.label[on] = label
        hit.object[on] = first_id + k
        edge_u, edge_v = (
            (1 - np.abs(u)) * each(decals.wide[:, k]),
            (1 - np.abs(v)) * each(decals.tall[:, k]),
        )
        frame = np.minimum(edge_u, edge_v) < 0.05
        for c in range(3):
            own = each(decals.colour[:, k, c])
            if label == WINDOW:
                bar = (np.abs(u) * each(decals.wide[:, k]) < 0.025) | (
                    np.abs(v - 0.2) * each(decals.tall[:, k]) < 0.02
                )
                top, low = (
                    ((0.52, 0.70, 0.92)[c], (0.90, 0.94, 0.97)[c])
                    if day
                    else ((0.04, 0.05, 0.12)[c], (0.13, 0.12, 0.20)[c])
                )
                hill = v < -0.45 + 0.25 * noise(
                    u * 30 + ox, 0 * u + 7, octaves=4, seed=35, smooth=True
                )
                view = mix(np.float32(low), np.float32(top), np.clip(v * 0.6 + 0.4, 0, 1))
                view = np.where(hill, np.float32((0.32, 0.46, 0.26)[c] if day else 0.04), view)
                colour = np.where(frame | bar, np.float32(0.9), view)
                if c == 0:
                    np.copyto(hit.glow, np.float32(1), where=on & ~(frame | bar))
            elif label == DOOR:
                panel = (np.abs(u) < 0.68) & (np.abs(np.abs(v) - 0.48) < 0.34)
                colour = own * np.where(panel, np.float32(0.86), 1) * (1 + 0.06 * grain)
                knob = (u - 0.8) ** 2 * 0.2 + (v + 0.02) ** 2 < 0.001
                colour = np.where(knob, np.float32((0.8, 0.7, 0.4)[c]), colour)
            else:
                art = noise(
                    u * 60 + ox + 50 * k, v * 45 + 9 * c, octaves=3, seed=36 + k, smooth=True
                )
                colour = np.where(frame, np.float32((0.25, 0.18, 0.12)[c]), own * (0.9 + 0.7 * art))
            np.copyto(hit.albedo[c], colour.astype(np.float32), where=on)
    lamp = hit.label == LAMP
    np.copyto(hit.glow, np.float32(0 if day else 0.95), where=lamp & (z > 1.4))


def shaded(hit: Hit, parts: Parts, extent: Array, lights: dict[str, Array], day: bool) -> Array:
    """Colour (B, 3, H, W): light from the window or the ceiling, with shadows, and soft corners."""
    lifted = [hit.point[i] + hit.normal[i] * np.float32(0.01) for i in range(3)]

    def lambert(light: Array, falloff: float) -> Array:
        to = [each(light[:, i]) - lifted[i] for i in range(3)]
        r2 = to[0] * to[0] + to[1] * to[1] + to[2] * to[2]
        facing = (to[0] * hit.normal[0] + to[1] * hit.normal[1] + to[2] * hit.normal[2]) / np.sqrt(
            r2
        )
        return np.clip(facing, 0, 1) / (1 + r2 * np.float32(falloff))

    lamp = lambert(lights["ceiling"], 0.05) * ~shadowed(parts, lifted, lights["ceiling"])
    window = lambert(lights["window"], 0.03) * (
        1 - 0.75 * shadowed(parts, lifted, lights["window"])
    )
    # Corners get less of the light that comes from everywhere.
    open_: Any = np.float32(1)
    for i in range(3):
        for gap in (hit.point[i], each(extent[:, i]) - hit.point[i]):
            away = 1 - np.abs(hit.normal[i])
            open_ = open_ * (1 - 0.38 * away * (1 - smoothstep(gap * 1.4)))
    under = smoothstep(hit.point[2] * 1.2) * 0.25 + 0.75
    up = 0.88 + 0.12 * hit.normal[2]
    image = np.empty((len(extent), 3, *hit.depth.shape[1:]), np.float32)
    for c in range(3):
        if day:
            light = (
                0.44 * (0.96, 1.0, 1.06)[c] * open_ * up * under
                + 0.85 * (1.05, 1.0, 0.92)[c] * window
                + 0.15 * lamp
            )
        else:
            light = (
                0.16 * (0.9, 0.85, 0.95)[c] * open_ * up * under
                + 0.90 * (1.08, 0.86, 0.58)[c] * lamp
            )
            near = lambert(lights["lamp"], 0.5) * each(lights["has_lamp"])
            light = light + 0.8 * (1.1, 0.8, 0.5)[c] * near
        image[:, c] = hit.albedo[c] * mix(light, np.float32(1), hit.glow)
    return image
