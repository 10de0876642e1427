"""The ground of a street: road, kerb, pavement, verge and lane markings, in perspective."""

from __future__ import annotations

import numpy as np

from course_lib.data.scenes.brushes import cover, noise
from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, f32, mix
from course_lib.data.scenes.streets.layout import Canvas, Condition, Street, per_image, rgb
from course_lib.data.scenes.streets.patch import MARKING, ROAD, SIDEWALK, VEGETATION

_FAR = 400.0  # metres


def paint_ground(scene: Canvas, street: Street, look: Random, light: Condition) -> None:
    """Road, kerb, pavement, verge and lane markings, in perspective."""
    b = street.count
    first = int(street.size[0] * 0.34)
    rows = slice(first, None)
    y = street.y[None, rows, None]
    below = y - per_image(street.vy)
    z = np.minimum(
        per_image(street.f) * per_image(street.h) / np.maximum(below, np.float32(0.3)), _FAR
    )  # (B, h, 1)
    m = per_image(street.f) / z  # pixels per metre across
    mz = m * per_image(street.h) / z  # and along
    X = (
        (street.x[None, None] - per_image(street.vx)) / m
        + per_image(street.offset)
        - per_image(street.bend) * z * z
    )
    side = np.abs(X)
    half, walk = per_image(street.half), per_image(street.walk)
    cross = (
        np.abs(z - per_image(street.crossing)) - per_image(street.cross_half)
    ) * mz  # (B, h, 1)
    road = np.minimum((side - half) * m, cross)
    kerb = np.minimum((side - half - 0.22) * m, cross)
    pavement = (side - half - walk) * m
    paved = np.minimum(
        pavement, (np.abs(z - per_image(street.crossing)) - per_image(street.cross_half) - 2) * mz
    )

    asphalt = (
        f32([0.36, 0.36, 0.37]) * look.uniform(0.75, 1.3, 1) * (1 + look.uniform(-0.05, 0.05, 3))
    )
    stone = (
        f32([0.50, 0.49, 0.47]) * look.uniform(0.7, 1.25, 1) * (1 + look.uniform(-0.07, 0.07, 3))
    )
    grass = (
        f32([0.30, 0.38, 0.19]) * look.uniform(0.75, 1.2, 1) * (1 + look.uniform(-0.15, 0.15, 3))
    )
    plaza = stone * look.uniform(0.8, 1.15, 1)
    verge = np.where(street.green[:, None], grass, plaza).astype(np.float32)
    edge = np.clip(stone * look.uniform(1.05, 1.35, 1), 0, 0.9)

    near = np.clip(m * 0.09, 0, 1)  # fine texture fades where it is smaller than a pixel
    nx, nz = per_image(look.uniform(0, 512)), per_image(look.uniform(0, 512))
    fine = noise(X * 37 + nx, z * 37 + nz, octaves=5, seed=10) * near
    broad = noise(X * 6 + nz, z * 2.6 + nx, octaves=4, seed=11, smooth=street.size[0] > 80)
    a_road, a_kerb, a_walk = cover(road), cover(kerb), cover(paved)
    tile = per_image(look.uniform(0.5, 1.2))
    gx, gz = side / tile, z / tile
    gx, gz = np.abs(gx - np.floor(gx) - 0.5), np.abs(gz - np.floor(gz) - 0.5)
    joint = np.maximum(cover((0.47 - gx) * tile * m), cover((0.47 - gz) * tile * mz))
    joint = (
        joint
        * np.clip(m * tile * 0.15 - 0.2, 0, 1)
        * per_image(look.chance(0.7).astype(np.float32))
    )
    tone_verge = 1 + per_image(np.where(street.green, 0.28, 0.08).astype(np.float32)) * (
        fine + 0.6 * broad
    )
    tone_walk = 1 + 0.09 * fine + 0.07 * broad - 0.16 * joint
    tone_road = 1 + 0.16 * fine + 0.14 * broad
    # Two worn tracks per lane, and a darker repair.
    track = np.abs(X / per_image(street.lane) - np.floor(X / per_image(street.lane)) - 0.5)
    tone_road -= per_image(look.uniform(0, 0.12)) * np.clip(1 - np.abs(track - 0.25) * 9, 0, 1)
    patch_x, patch_z = per_image(look.uniform(-4, 4)), per_image(look.uniform(4, 22))
    patch = np.maximum(
        (np.abs(X - patch_x) - per_image(look.uniform(0.5, 1.6))) * m,
        (np.abs(z - patch_z) - per_image(look.uniform(0.6, 4))) * mz,
    )
    tone_road *= 1 - cover(patch) * per_image(look.uniform(-0.12, 0.28))
    tone = mix(mix(mix(tone_verge, tone_walk, a_walk), np.float32(1), a_kerb), tone_road, a_road)
    # Shadows of the buildings, one reach per stretch of street.
    reach = (
        look.uniform(-3.0, 5.0, 16) * look.chance(0.6)[:, None]
        + np.where(look.chance(0.4), 0, -30)[:, None]
    )
    bins = np.minimum(z[:, :, 0] * 0.25, 15).astype(np.int64)
    rows_reach = np.take_along_axis(reach.astype(np.float32), bins, axis=1)[:, :, None]
    sun = per_image(np.where(look.chance(0.5), 1, -1).astype(np.float32))
    shade = cover((half + walk - rows_reach - X * sun) * m * 0.5)
    tone *= 1 - np.float32(light.shadow) * shade

    ground = np.empty((b, 4, *X.shape[1:]), np.float32)
    for c in range(3):
        g = mix(verge[:, c, None, None], stone[:, c, None, None], a_walk)
        g = mix(g, edge[:, c, None, None], a_kerb)
        ground[:, c] = mix(g, asphalt[:, c, None, None], a_road) * tone
    ground[:, 3] = 0

    paint, marking = lane_markings(street, look, X, z, m, mz)
    marking = marking * a_road
    wear = np.clip(0.92 + 0.5 * fine - per_image(look.uniform(0, 0.35)) * (0.5 + broad), 0.2, 1)
    ground[:, :3] += (rgb(paint) * (tone * 0.35 + 0.65)[:, None] - ground[:, :3]) * (
        marking * wear
    )[:, None]

    floor = np.maximum(per_image(street.vy), street.floor)
    under = y - floor
    scene.blend(cover(-under), ground, rows)
    label = np.where(street.green, VEGETATION, SIDEWALK).astype(np.uint8)[:, None, None]
    label = np.where(a_walk >= 0.5, np.uint8(SIDEWALK), label)
    label = np.where(a_kerb >= 0.5, np.uint8(SIDEWALK), label)
    label = np.where(a_road >= 0.5, np.uint8(ROAD), label)
    label = np.where(marking >= 0.5, np.uint8(MARKING), label)
    inside = under >= 0
    np.copyto(scene.label[:, rows], label, where=inside)
    np.copyto(scene.depth[:, rows], z, where=inside)
    np.copyto(street.wall[:, rows], np.float32(np.inf), where=inside)


def lane_markings(
    street: Street, look: Random, X: Array, z: Array, m: Array, mz: Array
) -> tuple[Array, Array]:
    """Colour (B, 3) and coverage (B, h, W) of lines, zebra crossings, stop lines and arrows."""
    r = street.rng
    lane, lanes = per_image(street.lane), per_image(street.lanes)
    half_width = per_image(r.uniform(0.075, 0.13))
    phase = per_image(r.uniform(0, 8))
    period, filled = per_image(r.uniform(5, 9)), per_image(r.uniform(0.35, 0.6))
    along = (z + phase) / period
    dash = cover((np.abs(along - np.floor(along) - 0.5) - filled * 0.5) * period * mz)
    has_centre, solid = r.chance(0.9), r.chance(0.3)
    double, has_edge = r.chance(0.2), r.chance(0.65)
    clear = cover(
        (per_image(street.cross_half) + 3.5 - np.abs(z - per_image(street.crossing))) * mz
    )

    def line(distance: Array) -> Array:
        # Never thinner than it is: below a pixel, coverage is the line's width.
        return np.clip((half_width - distance) * m + 0.5, 0, np.minimum(2 * half_width * m, 1))

    centre = line(np.abs(np.abs(X) - per_image(double * np.float32(0.18))))
    centre = centre * np.maximum(dash, per_image((solid | double).astype(np.float32)))
    centre = centre * per_image(has_centre.astype(np.float32))
    between = line(np.abs(np.abs(X) - lane)) * dash * (lanes > 1.5)
    edge = line(np.abs(np.abs(X) - lane * lanes + 0.1)) * per_image(has_edge.astype(np.float32))
    total = np.maximum(np.maximum(centre, between), edge) * clear

    # A zebra crossing, before the junction or on its own.
    at = np.where(
        street.crossing < 1e4, street.crossing - street.cross_half - 2.2, r.uniform(6, 28)
    )
    has_zebra = np.where(street.crossing < 1e4, r.chance(0.65), r.chance(0.25))
    stripe = X / np.float32(1.1) + per_image(r.uniform(0, 1))
    stripe = cover((np.abs(stripe - np.floor(stripe) - 0.5) - 0.26) * 1.1 * m)
    extent = cover((np.abs(z - per_image(at.astype(np.float32))) - 1.5) * mz)
    inside = cover((np.abs(X) - per_image(street.half) + 0.25) * m)
    total = np.maximum(total, stripe * extent * inside * per_image(has_zebra.astype(np.float32)))
    # A stop line in our lanes.
    stop = cover((np.abs(z - per_image((at - 2.6).astype(np.float32))) - 0.22) * mz)
    ours = cover((np.abs(X - lane * lanes * 0.5) - lane * lanes * 0.48) * m)
    total = np.maximum(
        total, stop * ours * per_image((has_zebra & r.chance(0.6)).astype(np.float32))
    )
    # An arrow in our lane.
    arrow_z = z - per_image(r.uniform(6, 16))
    arrow_x = np.abs(X - (lanes - 0.5) * lane)
    shaft = np.maximum((arrow_x - 0.11) * m, (np.abs(arrow_z) - 1.5) * mz)
    head = np.maximum((arrow_x - (2.5 - arrow_z) * 0.35) * m, (np.abs(arrow_z - 1.9) - 0.6) * mz)
    arrow = cover(np.minimum(shaft, head)) * per_image(r.chance(0.35).astype(np.float32))
    total = np.maximum(total, arrow)
    white = f32([0.86, 0.86, 0.84]) * look.uniform(0.8, 1.05, 1)
    yellow = f32([0.84, 0.66, 0.20]) * look.uniform(0.85, 1.05, 1)
    return np.where(look.chance(0.22)[:, None], yellow, white).astype(np.float32), total
