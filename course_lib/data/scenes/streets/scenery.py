"""The scenery of a street: sky and distance, buildings."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from course_lib.data.scenes.brushes import cover, noise
from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, f32, mix, smoothstep
from course_lib.data.scenes.streets.layout import Canvas, Condition, Street, per_image, rgb, rgbe
from course_lib.data.scenes.streets.patch import BUILDING, VEGETATION

_NEAR = 0.5  # metres
_BUILDINGS = 7  # per side
_TABLE = 4096

WALLS = (
    (0.50, 0.50, 0.51), (0.42, 0.42, 0.43), (0.60, 0.58, 0.55), (0.52, 0.30, 0.24),
    (0.62, 0.44, 0.32), (0.72, 0.64, 0.50), (0.80, 0.79, 0.75), (0.40, 0.50, 0.60),
    (0.34, 0.40, 0.30), (0.46, 0.38, 0.30), (0.62, 0.62, 0.60), (0.55, 0.52, 0.36),
    (0.90, 0.90, 0.89), (0.72, 0.80, 0.88), (0.56, 0.68, 0.82),
)  # fmt: skip

# --- sky and distance ----------------------------------------------------------------------------


def paint_sky(scene: Canvas, street: Street, look: Random, light: Condition) -> None:
    """Gradient, clouds, and at the horizon hills (vegetation) or a far skyline (building)."""
    rows = slice(0, int(street.vy.max()) + 2)  # the ground covers what is below
    y = street.y[None, rows, None]
    up = np.clip((per_image(street.vy) - y) / per_image(street.vy), 0, 1)  # 1 at the top
    tint = 1 + look.uniform(-0.06, 0.06, 3)
    grey = look.uniform(0, 0.9) * look.chance(0.6)  # overcast
    top = f32(light.sky_top) * tint
    low = f32(light.sky_low) * tint
    cloud = f32(light.cloud) * tint
    top = mix(top, cloud * np.float32(0.92), grey[:, None])
    dull = look.uniform(0.68, 1.0, 1)  # an overcast sky may be as dark as a wall
    top, low, cloud = top * dull, low * mix(dull, np.float32(1), 0.3), cloud * dull
    sky = mix(rgb(low), rgb(top), (up * (2 - up))[:, None])  # (B, 3, H, 1)
    # Clouds lie on a plane overhead, so they shrink towards the horizon.
    scale = 40 / (np.maximum(per_image(street.vy) - y, 0) / per_image(street.f) + 0.12)
    cx = (street.x[None, None] - per_image(street.vx)) / per_image(street.f) * scale + per_image(
        look.uniform(0, 512)
    )
    cy = scale + per_image(look.uniform(0, 512))
    density = noise(cx, cy + 0 * cx, octaves=5, seed=2, smooth=street.size[0] > 80)
    amount = smoothstep((density + per_image(look.uniform(-0.5, 0.25))) * 1.6) * np.clip(
        up * 5, 0, 1
    )
    shade = 1.0 - 0.22 * np.clip(density, 0, 1)
    heaven = scene.colour[:, :3, rows]
    heaven[:] = sky
    heaven += (rgb(cloud) * shade[:, None] - heaven) * (amount * np.float32(0.85))[:, None]
    scene.colour[:, 3, rows] = 1  # the sky is not lit by the scene's light
    if light.lamps == 1:
        star = street.stars.pixel_noise(street.size)[:, rows]
        bright = np.clip(star * 40 - 37.5, 0, 1) * np.clip(up * 2 - 0.3, 0, 1) * (1 - amount)
        heaven += bright[:, None] * np.float32(0.6)
    # The distance.
    u = (street.x[None] - street.vx[:, None]) / street.f[:, None]
    r = street.rng
    hills = 10 + 9 * noise(u * 70 + r.uniform(0, 512)[:, None], 9 + 0 * u, octaves=5, seed=5)
    block = noise(np.floor(u * 26) * 37 + r.uniform(0, 512)[:, None], 40 + 0 * u, octaves=5, seed=6)
    town = 12 + 16 * np.clip(block, -0.6, 1)
    is_town = r.chance(0.4)
    height = np.where(is_town[:, None], town, hills) * r.uniform(0.7, 1.6)[:, None]
    z = np.float32(170)
    crest = street.vy[:, None] - street.f[:, None] * height / z
    far = y - crest[:, None, :]
    leaf = f32([0.26, 0.34, 0.20]) * (1 + look.uniform(-0.2, 0.3, 3))
    wall = look.pick(WALLS) * 0.8
    colour = np.where(is_town[:, None], wall, leaf).astype(np.float32)
    grain = noise(street.x[None, None] * 5 + 0 * y, y * 9 + 0 * street.x, octaves=5, seed=7)
    tone = rgbe(colour) * (1 + 0.25 * grain[:, None])
    scene.blend(cover(-far), tone, rows)
    inside = far >= 0
    label = np.where(is_town, BUILDING, VEGETATION).astype(np.uint8)[:, None, None]
    np.copyto(scene.label[:, rows], label, where=inside)
    np.copyto(scene.depth[:, rows], z, where=inside)


# --- buildings -----------------------------------------------------------------------------------


def paint_buildings(scene: Canvas, street: Street, look: Random, light: Condition) -> None:
    """Two rows of boxes along the street, found per image column, then textured per pixel."""
    r, b = street.rng, street.count
    h, w = street.size
    n = _BUILDINGS
    t = (street.x[None] - street.vx[:, None]) / street.f[:, None]  # (B, W) slope of the ray
    tables: dict[str, list[Array]] = {k: [] for k in ("z", "s", "front", "top", "base")}
    props: dict[str, list[Array]] = {k: [] for k in ("kind", "near", "height")}
    style = r.uniform(0, 1)  # suburb to centre
    for side in (-1, 1):
        length = r.uniform(6, 18, n)
        tall = (
            1 + np.floor(r.uniform(0, 1, n) * (2 + 6 * style[:, None]) + style[:, None] * 1.5)
        ) * 3.1 + 0.8
        gap = np.where(r.chance(0.45, n), r.uniform(1.5, 9, n), 0.0)
        back = r.uniform(0, 2.5, n) * r.chance(0.5, n)
        exists = r.uniform(0, 1, n) < (0.62 + 0.3 * style[:, None])
        deep = r.uniform(7, 14, n)
        near = r.uniform(-6, 3)
        cross_near = street.crossing - street.cross_half - 2
        cross_far = street.crossing + street.cross_half + 2
        for k in range(n):
            z0, z1 = near, near + length[:, k]
            hits = (z1 > cross_near) & (z0 < cross_far)
            z0 = np.where(hits, cross_far, z0)
            z1 = np.where(hits, cross_far + length[:, k], z1)
            near = z1 + gap[:, k]
            z0 = np.maximum(z0, _NEAR).astype(np.float32)
            inner = street.half + street.walk + street.verge + back[:, k]
            a = side * (-street.offset + street.bend * z0 * z0) + inner
            a, z0c, z1c = a[:, None], z0[:, None], z1[:, None].astype(np.float32)
            outer = a + deep[:, k, None]
            ts = side * t
            xf = ts * z0c
            front = (xf >= a) & (xf <= outer)
            zs = a / np.maximum(ts, np.float32(1e-4))
            wall = (a > 0) & (ts > 1e-4) & (zs > z0c) & (zs < z1c)
            hit = (front | wall) & exists[:, k, None] & (z1c > 1)
            z = np.where(front, z0c, np.where(wall, zs, 1)).astype(np.float32)
            s = np.where(front, xf - a, z).astype(np.float32)
            scale = street.f[:, None] / z
            top = street.vy[:, None] - (tall[:, k, None] - street.h[:, None]) * scale
            base = street.vy[:, None] + street.h[:, None] * scale
            tables["z"].append(z)
            tables["s"].append(s)
            tables["front"].append(front)
            tables["top"].append(np.where(hit, top, np.inf).astype(np.float32))
            tables["base"].append(np.where(hit, base, -np.inf).astype(np.float32))
            props["near"].append(z0)
            props["height"].append(tall[:, k].astype(np.float32))
    slots = 2 * n
    stack = {k: np.stack(v, axis=1) for k, v in tables.items()}  # (B, slots, W)
    height = np.stack(props["height"], 1)
    # Far to near. Both sides seldom overlap, so the order along each side is enough.
    skyline = stack["top"].min(axis=1)[:, None]
    street.floor = stack["base"].max(axis=1)[:, None]
    lowest = np.where(np.isfinite(street.floor), street.floor, 0).max()
    rows = slice(0, int(np.clip(lowest + 2, 1, h)))
    h = rows.stop
    slot = np.full((b, h, w), -1, np.int8)
    y = street.y[None, rows, None]
    for k in range(n - 1, -1, -1):
        for j in (k, n + k):
            np.copyto(slot, np.int8(j), where=(y + 0.5) >= stack["top"][:, j, None, :])
    alpha = cover(skyline - y)
    index = np.maximum(slot, 0).astype(np.int32)
    where: Array = (np.arange(b, dtype=np.int32) * slots)[:, None, None] + index
    column: Any = where * w + np.arange(w, dtype=np.int32)
    z = stack["z"].reshape(-1).take(column)
    s = stack["s"].reshape(-1).take(column)
    is_front = stack["front"].reshape(-1).take(column)

    # Materials, one set per building.
    wall = look.pick(WALLS, slots) * look.uniform(0.8, 1.2, slots)[..., None]
    glassy = look.chance(0.16, slots)
    wall = np.where(
        glassy[..., None],
        f32([0.42, 0.52, 0.60]) * look.uniform(0.8, 1.15, slots)[..., None],
        wall,
    )
    pitch = look.uniform(1.9, 3.4, slots)
    wide = np.where(glassy, 0.90, look.uniform(0.36, 0.75, slots)).astype(np.float32)
    high = np.where(glassy, 0.86, look.uniform(0.40, 0.62, slots)).astype(np.float32)
    lit = look.uniform(0.1, 0.6, slots)
    shop = look.chance(0.5, slots).astype(np.float32)
    awning = look.uniform(0, 1, (slots) * 3).reshape(b, slots, 3) * 0.6 + 0.1
    sun_side = look.uniform(0.62, 1.0, 2)  # brightness of the two rows
    facing = look.uniform(0.7, 1.0)
    take = lambda a: a.reshape(-1).take(where)  # noqa: E731

    m = per_image(street.f) / z
    Y = per_image(street.h) - (y - per_image(street.vy)) / m
    m_along = np.where(
        is_front, m, m * np.abs(street.x[None, None] - per_image(street.vx)) / per_image(street.f)
    )
    p, wd, hg = take(pitch), take(wide), take(high)
    cell_s, cell_y = s / p, Y * np.float32(1 / 3.1)
    i_s, i_y = np.floor(cell_s), np.floor(cell_y)
    ground_floor = (i_y < 1) * take(shop)
    wd = mix(wd, np.float32(0.84), ground_floor)
    hg = mix(hg, np.float32(0.74), ground_floor)
    ds = (np.abs(cell_s - i_s - 0.5) - wd * 0.5) * p
    dy = (
        np.abs(cell_y - i_y - mix(np.float32(0.52), np.float32(0.42), ground_floor)) - hg * 0.5
    ) * np.float32(3.1)
    pane = cover(ds * m_along) * cover(dy * m)
    detail = np.clip(np.minimum(m_along * p, m * 3.1) * 0.45 - 0.6, 0, 1)
    pane = mix(wd * hg * 0.8, pane, detail)
    tall_px = take(height)
    pane *= (Y > 0.15) & (tall_px - 0.7 > Y)
    grain = noise(s * 22 + take(pitch) * 99, Y * 22, octaves=5, seed=8)
    course = noise(s * 2.5 + take(wide) * 999, Y * 2.5, octaves=3, seed=9)
    tone = 1 + 0.10 * grain + 0.13 * course
    tone *= 1 - 0.30 * np.clip(1 - Y / 1.2, 0, 1)  # dirt at the foot
    tone *= 1 - 0.35 * cover((np.abs(Y - tall_px + 0.75) - 0.12) * m)  # under the cornice
    bright = np.concatenate([np.repeat(sun_side[:, :1], n, 1), np.repeat(sun_side[:, 1:], n, 1)], 1)
    tone *= np.where(is_front, per_image(facing), take(bright))
    # Windows: each has its own darkness; after sunset some are lit.
    pick = (
        i_s.astype(np.int32) * 73
        + i_y.astype(np.int32) * 151
        + index * 37
        + (p * 9777).astype(np.int32)
    ) & (_TABLE - 1)
    chance = _window_table().take(pick)
    on = (chance < take(lit)) * np.float32(light.lamps)
    mirror = 0.16 + 0.30 * chance + 0.22 * np.clip(cell_y - i_y, 0, 1)
    sky = f32(light.sky_low)
    facade = np.empty((b, 4, h, w), np.float32)
    sign_band = ground_floor * cover((np.abs(cell_y - 0.9) - 0.07) * 3.1 * m)
    for c in range(3):
        base = take(wall[..., c]) * tone
        base = mix(base, take(awning[..., c]) * tone, sign_band)
        pane_colour = mirror * (0.55 + 0.6 * sky[c]) * (0.9, 1.0, 1.1)[c]
        pane_colour = mix(pane_colour, np.float32((1.0, 0.80, 0.48)[c]) * (0.55 + 0.6 * chance), on)
        facade[:, c] = mix(base, pane_colour, pane)
    facade[:, 3] = pane * on * 0.9
    scene.blend(alpha * (slot >= 0), facade, rows)
    inside = (y >= skyline) & (slot >= 0)
    np.copyto(scene.label[:, rows], np.uint8(BUILDING), where=inside)
    np.copyto(scene.depth[:, rows], z, where=inside)
    np.copyto(street.wall[:, rows], z, where=inside)


@cache
def _window_table() -> Array:
    """4096 uniform numbers."""
    return Random(5, np.arange(1), "windows").uniform(0, 1, _TABLE)[0]
