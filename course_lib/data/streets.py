"""Street scenes as a driver sees them: drawn, seeded, with exact labels, instances and depth.

A camera looks along a street that may bend. Behind the horizon line there is a sky with clouds
and a distance; along the street stand buildings, trees, posts and signs; on it are lane markings,
vehicles and people. Everything has a place in metres, so perspective, occlusion and depth are
consistent. Colour alone does not tell the classes apart: road, buildings, vehicles, posts and an
overcast sky share their greys, signs and vehicles share the green of leaves, glass mirrors the sky.

The condition (day, dusk, fog, night) changes light, haze and lamps; labels and depth stay.

    scenes = draw(100, size=(64, 128), seed=1, condition="night")
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from course_lib.data.draw import (
    Array,
    Chunk,
    Random,
    Scenes,
    Size,
    Window,
    blur,
    check_request,
    cover,
    draw_in_chunks,
    mix,
    noise,
    smoothstep,
    tidy_instances,
    to_uint8,
    windows,
)
from course_lib.data.street_objects import (
    BUILDING,
    MARKING,
    PAINTERS,
    PEDESTRIAN,
    ROAD,
    SIDEWALK,
    SIGN,
    SKY,
    VEGETATION,
    VEHICLE,
    Camera,
    Objects,
    bounds,
)

CLASSES = (
    "sky", "road", "lane marking", "building", "vegetation",
    "vehicle", "pedestrian", "sign", "sidewalk", "pole",
)  # fmt: skip
THINGS = ("vehicle", "pedestrian", "sign")  # the classes that have instances and boxes
CONDITIONS = ("day", "dusk", "fog", "night")
SMALLEST = 16  # pixels a side; below that a street cannot be recognised

_NEAR, _FAR = 0.5, 400.0
_BUILDINGS = 7  # per side
_TABLE = 4096


@dataclass(frozen=True)
class Condition:
    """How a street is lit. Colours are RGB; `fog` is extinction per metre."""

    light: tuple[float, float, float]
    shadow: float
    sky_top: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    cloud: tuple[float, float, float]
    fog: float
    fog_sky: float  # how much of the sky the fog hides
    haze: tuple[float, float, float]
    lamps: float  # headlights, lit windows and halos
    noise: float


LIGHTING = {
    "day": Condition((1.0, 0.99, 0.96), 0.45, (0.36, 0.56, 0.80), (0.74, 0.82, 0.88),
                     (0.93, 0.94, 0.95), 0.0015, 0.0, (0.74, 0.80, 0.86), 0.0, 0.022),
    "dusk": Condition((0.62, 0.50, 0.48), 0.25, (0.26, 0.28, 0.46), (0.92, 0.60, 0.42),
                      (0.62, 0.42, 0.46), 0.003, 0.0, (0.72, 0.52, 0.46), 0.55, 0.022),
    "fog": Condition((0.86, 0.87, 0.88), 0.10, (0.72, 0.74, 0.76), (0.80, 0.81, 0.82),
                     (0.84, 0.85, 0.86), 0.045, 0.85, (0.76, 0.78, 0.79), 0.15, 0.022),
    "night": Condition((0.22, 0.24, 0.33), 0.0, (0.03, 0.04, 0.09), (0.11, 0.11, 0.17),
                       (0.13, 0.12, 0.16), 0.002, 0.0, (0.12, 0.12, 0.17), 1.0, 0.020),
}  # fmt: skip

WALLS = (
    (0.50, 0.50, 0.51), (0.42, 0.42, 0.43), (0.60, 0.58, 0.55), (0.52, 0.30, 0.24),
    (0.62, 0.44, 0.32), (0.72, 0.64, 0.50), (0.80, 0.79, 0.75), (0.40, 0.50, 0.60),
    (0.34, 0.40, 0.30), (0.46, 0.38, 0.30), (0.62, 0.62, 0.60), (0.55, 0.52, 0.36),
    (0.90, 0.90, 0.89), (0.72, 0.80, 0.88), (0.56, 0.68, 0.82),
)  # fmt: skip


def draw(
    num: int,
    *,
    size: int | Size = (64, 64),
    seed: int = 0,
    condition: str = "day",
    start: int = 0,
    workers: int | None = None,
) -> Scenes:
    """Draw street scenes.

    Image i of the result depends only on (seed, start + i, size, condition); its geometry, and so
    its labels, does not depend on the condition.

    Args:
        num: how many images.
        size: (H, W) or one number, at least 16 a side; need not be even or square.
        seed: any integer; another seed is another city.
        condition: "day", "dusk", "fog", "night".
        start: index of the first image.
        workers: threads; None takes as many as torch uses.

    Returns:
        Scenes with semantic labels (`CLASSES`), instances and boxes of `THINGS`, depth in metres
        (sky: infinity) and factors horizon, vanishing_x (pixels), focal (pixels), camera_height (m).

    Raises:
        ValueError: for an unknown condition, a size that is too small, a negative number.
    """
    size = check_request(
        num, size, seed, condition, start, conditions=CONDITIONS, smallest=SMALLEST, scene="streets"
    )
    chunk = partial(_draw_chunk, seed=int(seed), size=size, light=LIGHTING[condition])
    return draw_in_chunks(chunk, num, start, size, CLASSES, workers=workers)


def _draw_chunk(indices: Array, *, seed: int, size: Size, light: Condition) -> Chunk:
    street = Street(seed, indices, size)
    look = Random(seed, indices, "street look")
    scene = Canvas(len(indices), size)
    paint_sky(scene, street, look, light)
    paint_buildings(scene, street, look, light)
    paint_ground(scene, street, look, light)
    tables = place_objects(street, Random(seed, indices, "street objects"))
    classes = paint_objects(scene, street, tables, light)
    images = develop(scene, street, look, light)
    instances, boxes, labels = tidy_instances(scene.ids, classes)
    factors = {
        "horizon": street.vy, "vanishing_x": street.vx, "focal": street.f, "camera_height": street.h,
    }  # fmt: skip
    return Chunk(images, scene.label, instances, boxes, labels, scene.depth, factors)


class Canvas:
    """What is being painted: colour and emission (B, 4, H, W), labels, object numbers, depth."""

    def __init__(self, count: int, size: Size) -> None:
        """An empty canvas."""
        self.colour = np.zeros((count, 4, *size), np.float32)
        self.label = np.zeros((count, *size), np.uint8)
        self.ids = np.zeros((count, *size), np.int16)
        self.depth = np.full((count, *size), np.inf, np.float32)

    def blend(self, alpha: Array, colour: Array, rows: slice = slice(None)) -> None:
        """Lay `colour`, broadcastable to (B, 4, h, W), over the rows with coverage (B, h, W)."""
        region = self.colour[:, :, rows]
        region += (colour - region) * alpha[:, None]


class Street:
    """The geometry of a batch of streets: cameras, the road's course, its cross-section.

    Positions: x to the right of the camera, X to the right of the road's axis, z ahead, in metres;
    the road bends as X = x + offset - bend z².
    """

    def __init__(self, seed: int, indices: Array, size: Size) -> None:
        """Draw the parameters."""
        r = Random(seed, indices, "street layout")
        h, w = size
        self.size, self.count = size, len(indices)
        self.h = r.uniform(1.3, 2.3)
        self.f = r.uniform(0.80, 1.0) * np.sqrt(np.float32(h * w))
        self.vy = h * r.uniform(0.36, 0.52)
        self.vx = w * r.uniform(0.36, 0.64)
        self.bend = r.uniform(-1, 1) * r.uniform(0, 0.0035)
        self.lane = r.uniform(2.9, 3.6)
        self.lanes = 1 + r.chance(0.4).astype(np.float32)  # per direction
        parking = r.uniform(2.1, 2.4) * r.chance(0.6)
        self.parking = parking
        self.half = self.lane * self.lanes + parking
        self.offset = self.lane * (self.lanes - 0.5) + r.uniform(-0.5, 0.5)
        self.walk = r.uniform(1.6, 4.2)
        self.verge = r.uniform(0.5, 5.0) * r.chance(0.6)
        self.green = r.chance(0.55)  # verge of grass, or paved
        self.crossing = np.where(r.chance(0.45), r.uniform(12, 45), np.float32(1e5)).astype(
            np.float32
        )
        self.cross_half = r.uniform(3.0, 5.0)
        self.rng = r
        self.stars = Random(seed, indices, "street stars")
        # Filled in by `paint_buildings`: depth of the walls (infinity elsewhere), and the row in
        # which the nearest wall of each column meets the ground.
        self.wall = np.full((self.count, h, w), np.inf, np.float32)
        self.floor = np.full((self.count, 1, w), -np.inf, np.float32)
        self.x = np.arange(w, dtype=np.float32) + np.float32(0.5)
        self.y = np.arange(h, dtype=np.float32) + np.float32(0.5)

    def camera_x(self, X: Array, z: Array) -> Array:
        """Lateral position in the camera's frame of points given in the road's frame (B, …)."""
        shape = (-1,) + (1,) * (X.ndim - 1)
        return X - self.offset.reshape(shape) + self.bend.reshape(shape) * z * z


def _c(a: Array, dims: int = 3) -> Array:
    """(B,) to (B, 1, 1, …)."""
    return a.reshape(-1, *(1,) * (dims - 1))


def _rgb(colour: object) -> Array:
    """A colour (3,) or (B, 3) as (…, 3, 1, 1)."""
    return np.asarray(colour, np.float32)[..., None, None]


def _rgbe(colour: Array, emission: float = 0.0) -> Array:
    """(B, 3) to (B, 4, 1, 1) with an emission channel."""
    extra = np.full((len(colour), 1), emission, np.float32)
    return np.concatenate([colour, extra], axis=1)[:, :, None, None]


# --- sky and distance --------------------------------------------------------------------------


def paint_sky(scene: Canvas, street: Street, look: Random, light: Condition) -> None:
    """Gradient, clouds, and at the horizon hills (vegetation) or a far skyline (building)."""
    rows = slice(0, int(street.vy.max()) + 2)  # the ground covers what is below
    y = street.y[None, rows, None]
    up = np.clip((_c(street.vy) - y) / _c(street.vy), 0, 1)  # 1 at the top
    tint = 1 + look.uniform(-0.06, 0.06, 3)
    grey = look.uniform(0, 0.9) * look.chance(0.6)  # overcast
    top = np.float32(light.sky_top) * tint
    low = np.float32(light.sky_low) * tint
    cloud = np.float32(light.cloud) * tint
    top = mix(top, cloud * np.float32(0.92), grey[:, None])
    dull = look.uniform(0.68, 1.0, 1)  # an overcast sky may be as dark as a wall
    top, low, cloud = top * dull, low * mix(dull, np.float32(1), 0.3), cloud * dull
    sky = mix(_rgb(low), _rgb(top), (up * (2 - up))[:, None])  # (B, 3, H, 1)
    # Clouds lie on a plane overhead, so they shrink towards the horizon.
    scale = 40 / (np.maximum(_c(street.vy) - y, 0) / _c(street.f) + 0.12)
    cx = (street.x[None, None] - _c(street.vx)) / _c(street.f) * scale + _c(look.uniform(0, 512))
    cy = scale + _c(look.uniform(0, 512))
    density = noise(cx, cy + 0 * cx, octaves=5, seed=2, smooth=street.size[0] > 80)
    amount = smoothstep((density + _c(look.uniform(-0.5, 0.25))) * 1.6) * np.clip(up * 5, 0, 1)
    shade = 1.0 - 0.22 * np.clip(density, 0, 1)
    heaven = scene.colour[:, :3, rows]
    heaven[:] = sky
    heaven += (_rgb(cloud) * shade[:, None] - heaven) * (amount * np.float32(0.85))[:, None]
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
    leaf = np.float32([0.26, 0.34, 0.20]) * (1 + look.uniform(-0.2, 0.3, 3))
    wall = look.pick(WALLS) * 0.8
    colour = np.where(is_town[:, None], wall, leaf).astype(np.float32)
    grain = noise(street.x[None, None] * 5 + 0 * y, y * 9 + 0 * street.x, octaves=5, seed=7)
    tone = _rgbe(colour) * (1 + 0.25 * grain[:, None])
    scene.blend(cover(-far), tone, rows)
    inside = far >= 0
    label = np.where(is_town, BUILDING, VEGETATION).astype(np.uint8)[:, None, None]
    np.copyto(scene.label[:, rows], label, where=inside)
    np.copyto(scene.depth[:, rows], z, where=inside)


# --- buildings ---------------------------------------------------------------------------------


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
    where = (np.arange(b, dtype=np.int32) * slots)[:, None, None] + index
    column = where * w + np.arange(w, dtype=np.int32)
    z = stack["z"].reshape(-1).take(column)
    s = stack["s"].reshape(-1).take(column)
    is_front = stack["front"].reshape(-1).take(column)

    # Materials, one set per building.
    wall = look.pick(WALLS, slots) * look.uniform(0.8, 1.2, slots)[..., None]
    glassy = look.chance(0.16, slots)
    wall = np.where(
        glassy[..., None],
        np.float32([0.42, 0.52, 0.60]) * look.uniform(0.8, 1.15, slots)[..., None],
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

    m = _c(street.f) / z
    Y = _c(street.h) - (y - _c(street.vy)) / m
    m_along = np.where(is_front, m, m * np.abs(street.x[None, None] - _c(street.vx)) / _c(street.f))
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
    pane *= (Y > 0.15) & (Y < tall_px - 0.7)
    grain = noise(s * 22 + take(pitch) * 99, Y * 22, octaves=5, seed=8)
    course = noise(s * 2.5 + take(wide) * 999, Y * 2.5, octaves=3, seed=9)
    tone = 1 + 0.10 * grain + 0.13 * course
    tone *= 1 - 0.30 * np.clip(1 - Y / 1.2, 0, 1)  # dirt at the foot
    tone *= 1 - 0.35 * cover((np.abs(Y - tall_px + 0.75) - 0.12) * m)  # under the cornice
    bright = np.concatenate([np.repeat(sun_side[:, :1], n, 1), np.repeat(sun_side[:, 1:], n, 1)], 1)
    tone *= np.where(is_front, _c(facing), take(bright))
    # Windows: each has its own darkness; after sunset some are lit.
    pick = (i_s.astype(np.int32) * 73 + i_y.astype(np.int32) * 151 + where * 37) & (_TABLE - 1)
    chance = _window_table().take(pick)
    on = (chance < take(lit)) * np.float32(light.lamps)
    mirror = 0.16 + 0.30 * chance + 0.22 * np.clip(cell_y - i_y, 0, 1)
    sky = np.float32(light.sky_low)
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


_window_cache: list[Array] = []


def _window_table() -> Array:
    """4096 uniform numbers."""
    if not _window_cache:
        _window_cache.append(Random(5, np.arange(1), "windows").uniform(0, 1, _TABLE)[0])
    return _window_cache[0]


# --- ground ------------------------------------------------------------------------------------


def paint_ground(scene: Canvas, street: Street, look: Random, light: Condition) -> None:
    """Road, kerb, pavement, verge and lane markings, in perspective."""
    b = street.count
    first = int(street.size[0] * 0.34)
    rows = slice(first, None)
    y = street.y[None, rows, None]
    below = y - _c(street.vy)
    z = np.minimum(
        _c(street.f) * _c(street.h) / np.maximum(below, np.float32(0.3)), _FAR
    )  # (B, h, 1)
    m = _c(street.f) / z  # pixels per metre across
    mz = m * _c(street.h) / z  # and along
    X = (street.x[None, None] - _c(street.vx)) / m + _c(street.offset) - _c(street.bend) * z * z
    side = np.abs(X)
    half, walk = _c(street.half), _c(street.walk)
    cross = (np.abs(z - _c(street.crossing)) - _c(street.cross_half)) * mz  # (B, h, 1)
    road = np.minimum((side - half) * m, cross)
    kerb = np.minimum((side - half - 0.22) * m, cross)
    pavement = (side - half - walk) * m
    paved = np.minimum(pavement, (np.abs(z - _c(street.crossing)) - _c(street.cross_half) - 2) * mz)

    asphalt = (
        np.float32([0.36, 0.36, 0.37])
        * look.uniform(0.75, 1.3, 1)
        * (1 + look.uniform(-0.05, 0.05, 3))
    )
    stone = (
        np.float32([0.50, 0.49, 0.47])
        * look.uniform(0.7, 1.25, 1)
        * (1 + look.uniform(-0.07, 0.07, 3))
    )
    grass = (
        np.float32([0.30, 0.38, 0.19])
        * look.uniform(0.75, 1.2, 1)
        * (1 + look.uniform(-0.15, 0.15, 3))
    )
    plaza = stone * look.uniform(0.8, 1.15, 1)
    verge = np.where(street.green[:, None], grass, plaza).astype(np.float32)
    edge = np.clip(stone * look.uniform(1.05, 1.35, 1), 0, 0.9)

    near = np.clip(m * 0.09, 0, 1)  # fine texture fades where it is smaller than a pixel
    nx, nz = _c(look.uniform(0, 512)), _c(look.uniform(0, 512))
    fine = noise(X * 37 + nx, z * 37 + nz, octaves=5, seed=10) * near
    broad = noise(X * 6 + nz, z * 2.6 + nx, octaves=4, seed=11, smooth=street.size[0] > 80)
    a_road, a_kerb, a_walk = cover(road), cover(kerb), cover(paved)
    tile = _c(look.uniform(0.5, 1.2))
    gx, gz = side / tile, z / tile
    gx, gz = np.abs(gx - np.floor(gx) - 0.5), np.abs(gz - np.floor(gz) - 0.5)
    joint = np.maximum(cover((0.47 - gx) * tile * m), cover((0.47 - gz) * tile * mz))
    joint = joint * np.clip(m * tile * 0.15 - 0.2, 0, 1) * _c(look.chance(0.7).astype(np.float32))
    tone_verge = 1 + _c(np.where(street.green, 0.28, 0.08).astype(np.float32)) * (
        fine + 0.6 * broad
    )
    tone_walk = 1 + 0.09 * fine + 0.07 * broad - 0.16 * joint
    tone_road = 1 + 0.16 * fine + 0.14 * broad
    # Two worn tracks per lane, and a darker repair.
    track = np.abs(X / _c(street.lane) - np.floor(X / _c(street.lane)) - 0.5)
    tone_road -= _c(look.uniform(0, 0.12)) * np.clip(1 - np.abs(track - 0.25) * 9, 0, 1)
    patch_x, patch_z = _c(look.uniform(-4, 4)), _c(look.uniform(4, 22))
    patch = np.maximum(
        (np.abs(X - patch_x) - _c(look.uniform(0.5, 1.6))) * m,
        (np.abs(z - patch_z) - _c(look.uniform(0.6, 4))) * mz,
    )
    tone_road *= 1 - cover(patch) * _c(look.uniform(-0.12, 0.28))
    tone = mix(mix(mix(tone_verge, tone_walk, a_walk), np.float32(1), a_kerb), tone_road, a_road)
    # Shadows of the buildings, one reach per stretch of street.
    reach = (
        look.uniform(-3.0, 5.0, 16) * look.chance(0.6)[:, None]
        + np.where(look.chance(0.4), 0, -30)[:, None]
    )
    bins = np.minimum(z[:, :, 0] * 0.25, 15).astype(np.int64)
    rows_reach = np.take_along_axis(reach.astype(np.float32), bins, axis=1)[:, :, None]
    sun = _c(np.where(look.chance(0.5), 1, -1).astype(np.float32))
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
    wear = np.clip(0.92 + 0.5 * fine - _c(look.uniform(0, 0.35)) * (0.5 + broad), 0.2, 1)
    ground[:, :3] += (_rgb(paint) * (tone * 0.35 + 0.65)[:, None] - ground[:, :3]) * (
        marking * wear
    )[:, None]

    floor = np.maximum(_c(street.vy), street.floor)
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
    lane, lanes = _c(street.lane), _c(street.lanes)
    half_width = _c(r.uniform(0.075, 0.13))
    phase = _c(r.uniform(0, 8))
    period, filled = _c(r.uniform(5, 9)), _c(r.uniform(0.35, 0.6))
    along = (z + phase) / period
    dash = cover((np.abs(along - np.floor(along) - 0.5) - filled * 0.5) * period * mz)
    has_centre, solid = r.chance(0.9), r.chance(0.3)
    double, has_edge = r.chance(0.2), r.chance(0.65)
    clear = cover((_c(street.cross_half) + 3.5 - np.abs(z - _c(street.crossing))) * mz)

    def line(distance: Array) -> Array:
        # Never thinner than it is: below a pixel, coverage is the line's width.
        return np.clip((half_width - distance) * m + 0.5, 0, np.minimum(2 * half_width * m, 1))

    centre = line(np.abs(np.abs(X) - _c(double * np.float32(0.18))))
    centre = centre * np.maximum(dash, _c((solid | double).astype(np.float32)))
    centre = centre * _c(has_centre.astype(np.float32))
    between = line(np.abs(np.abs(X) - lane)) * dash * (lanes > 1.5)
    edge = line(np.abs(np.abs(X) - lane * lanes + 0.1)) * _c(has_edge.astype(np.float32))
    total = np.maximum(np.maximum(centre, between), edge) * clear

    # A zebra crossing, before the junction or on its own.
    at = np.where(
        street.crossing < 1e4, street.crossing - street.cross_half - 2.2, r.uniform(6, 28)
    )
    has_zebra = np.where(street.crossing < 1e4, r.chance(0.65), r.chance(0.25))
    stripe = X / np.float32(1.1) + _c(r.uniform(0, 1))
    stripe = cover((np.abs(stripe - np.floor(stripe) - 0.5) - 0.26) * 1.1 * m)
    extent = cover((np.abs(z - _c(at.astype(np.float32))) - 1.5) * mz)
    inside = cover((np.abs(X) - _c(street.half) + 0.25) * m)
    total = np.maximum(total, stripe * extent * inside * _c(has_zebra.astype(np.float32)))
    # A stop line in our lanes.
    stop = cover((np.abs(z - _c((at - 2.6).astype(np.float32))) - 0.22) * mz)
    ours = cover((np.abs(X - lane * lanes * 0.5) - lane * lanes * 0.48) * m)
    total = np.maximum(total, stop * ours * _c((has_zebra & r.chance(0.6)).astype(np.float32)))
    # An arrow in our lane.
    arrow_z = z - _c(r.uniform(6, 16))
    arrow_x = np.abs(X - (lanes - 0.5) * lane)
    shaft = np.maximum((arrow_x - 0.11) * m, (np.abs(arrow_z) - 1.5) * mz)
    head = np.maximum((arrow_x - (2.5 - arrow_z) * 0.35) * m, (np.abs(arrow_z - 1.9) - 0.6) * mz)
    arrow = cover(np.minimum(shaft, head)) * _c(r.chance(0.35).astype(np.float32))
    total = np.maximum(total, arrow)
    white = np.float32([0.86, 0.86, 0.84]) * look.uniform(0.8, 1.05, 1)
    yellow = np.float32([0.84, 0.66, 0.20]) * look.uniform(0.85, 1.05, 1)
    return np.where(look.chance(0.22)[:, None], yellow, white).astype(np.float32), total


# --- objects -----------------------------------------------------------------------------------


def place_objects(street: Street, r: Random) -> dict[str, Objects]:
    """Choose what stands where: (kind → objects), with unique keys per image."""
    b = street.count
    rows: dict[str, list[tuple[Array, ...]]] = {k: [] for k in PAINTERS}
    key = 0

    def add(
        kind: str, exists: Array, X: Array, z: Array, side: Array, towards: Array, variant: Array
    ) -> None:
        nonlocal key
        random = r.uniform(0, 1, 24)
        z = z.astype(np.float32)
        x = street.camera_x(X.astype(np.float32), z)
        which = np.nonzero(exists)[0]
        full = [np.broadcast_to(a, (b,))[which] for a in (x, z, side, towards, variant)]
        rows[kind].append((which, *full, random[which], np.full(len(which), key)))
        key += 1

    one = np.ones(b, np.float32)
    no, yes = np.zeros(b, bool), np.ones(b, bool)
    busy = r.uniform(0.25, 1.0)
    own = street.lane * (street.lanes - 0.5)
    # Ahead in our lane, ahead in the inner lane, and two oncoming.
    z = np.zeros(b, np.float32)
    for lane_x, towards, chance in (
        (own, no, 0.75),
        (own, no, 0.5),
        (street.lane * 0.5, no, 0.5),
        (-street.lane * 0.5, yes, 0.7),
        (-own, yes, 0.55),
        (-own, yes, 0.4),
    ):
        z = (
            np.where(z == 0, r.uniform(5, 16), z + r.uniform(9, 18))
            if lane_x is own or towards is yes
            else r.uniform(7, 30)
        )
        kind = (r.uniform(0, 1) * 6.3).astype(np.int64).clip(0, 5)
        add(
            "car",
            r.uniform(0, 1) < chance * busy,
            lane_x + r.uniform(-0.3, 0.3),
            z,
            one,
            towards,
            kind,
        )
        if lane_x is not own:
            z = np.where(r.chance(0.5), np.float32(0), z) if towards is no else z
    # Parked at the kerb.
    for side in (-1, 1):
        z = r.uniform(4, 9)
        for _ in range(3):
            place = side * (street.half - street.parking * 0.5)
            kind = (r.uniform(0, 1) * 5).astype(np.int64)
            free = np.abs(z + 2 - street.crossing) > street.cross_half + 5
            add(
                "car",
                (street.parking > 0) & (r.uniform(0, 1) < 0.75 * busy + 0.1) & free,
                place,
                z,
                one * side,
                np.full(b, side < 0),
                kind,
            )
            z = z + r.uniform(5.5, 9)
    # Across the junction.
    side = np.where(r.chance(0.5), 1, -1).astype(np.float32)
    add(
        "crossing",
        (street.crossing < 1e4) & r.chance(0.55),
        r.uniform(-9, 9),
        street.crossing + side * 1.5,
        side,
        no,
        r.integers(6),
    )
    # People on the pavement, and some on the road.
    for i in range(6):
        side = np.where(r.chance(0.5), 1, -1).astype(np.float32)
        walkway = side * (street.half + 0.4 + r.uniform(0, 1) * (street.walk - 0.6))
        on_road = r.uniform(-1, 1) * street.half
        cross = i >= 4
        X = on_road if cross else walkway
        z = r.uniform(4.5, 20)
        if cross:
            z = np.where(
                street.crossing < 1e4, np.maximum(street.crossing - street.cross_half - 2.2, 6), z
            )
        add(
            "person",
            r.uniform(0, 1) < (0.4 if cross else 0.75) * busy + 0.05,
            X,
            z,
            side,
            no,
            r.integers(2),
        )
    # Trees, bushes.
    leafy = r.uniform(0.1, 1.0)
    for side in (-1, 1):
        z = r.uniform(4, 12)
        for i in range(5):
            line = np.where(
                street.verge > 1.2,
                street.half + street.walk + street.verge * 0.5,
                street.half + 0.6,
            )
            bush = i >= 3
            X = side * (line + (r.uniform(0.2, 3) if bush else r.uniform(-0.2, 0.4)))
            variant = np.full(b, 4) if bush else r.integers(4)
            if bush:
                X = side * (street.half + street.walk + 0.4 + r.uniform(0, 1) * street.verge)
                z_here = r.uniform(5, 25)
            else:
                z_here = z
                z = z + r.uniform(6, 11)
            free = np.abs(z_here - street.crossing) > street.cross_half + 2.5
            ok = free & (r.uniform(0, 1) < leafy) & (~np.full(b, bush) | (street.verge > 0.8))
            add("tree", ok, X, z_here, one * side, no, variant)
    # Lamp posts, signs, boards, signals.
    for i in range(7):
        side = np.where(r.chance(0.7 if i < 5 else 0.4), 1, -1).astype(np.float32)
        X = side * (street.half + 0.45 + r.uniform(0, 0.4))
        z = r.uniform(5, 22)
        variant = np.full(b, 0) if i < 2 else 1 + r.integers(3)
        chance = 0.5
        if i == 5:
            variant, chance = np.full(b, 5), 0.3
            X = side * (street.half + 1.5)
            z = r.uniform(8, 26)
        if i == 6:
            variant, chance = np.full(b, 4), 0.3
        at_junction = street.crossing - street.cross_half - 1.2
        z = np.where((i == 6) & (street.crossing < 1e4), at_junction, z)
        exists = (r.uniform(0, 1) < chance) | ((i == 6) & (street.crossing < 1e4))
        free = np.abs(z - street.crossing) > street.cross_half + 1
        add("post", exists & free, X, z, side, no, variant)
    result = {}
    for kind, parts in rows.items():
        image, x, z_, side_, towards_, variant_, random, keys = (
            np.concatenate(c) for c in zip(*parts, strict=True)
        )
        result[kind] = Objects(
            image,
            x,
            z_,
            side_,
            variant=variant_.astype(np.int64),
            random=random,
            key=keys,
            towards=towards_,
        )
    return result


_THING_OF = {"car": VEHICLE, "crossing": VEHICLE, "person": PEDESTRIAN, "tree": 0, "post": SIGN}


@dataclass
class Layer:
    """Painted objects that share a window size, ready to be laid over the canvas."""

    window: Window
    keep: Array  # (M, 1, h, w) what remains of the canvas below
    colour: Array  # (M, 4, h, w)
    code: Array  # (M, h, w) int16, 16 key + label
    solid: Array  # (M, h, w) bool
    z: Array
    key: Array


def paint_objects(
    scene: Canvas, street: Street, tables: dict[str, Objects], light: Condition
) -> Array:
    """Paint all objects, far to near; returns the class of each key, (B, keys)."""
    keys = 1 + max(int(o.key.max(initial=0)) for o in tables.values())
    classes = np.zeros((street.count, keys), np.int64)
    distance = np.zeros((street.count, keys), np.float32)
    strength = np.float32(0.15 + 0.75 * light.shadow)
    layers = []
    for kind, o in tables.items():
        # Leave out what would be too small to be told.
        o = o.select(street.f[o.image] / o.z * 1.6 >= 4.0)
        cam = Camera(*(a[o.image] for a in (street.f, street.vx, street.vy, street.h)))
        classes[o.image, o.key] = _THING_OF[kind]
        distance[o.image, o.key] = o.z
        for which, window in windows(o.image, bounds(kind, o, cam), street.size):
            part = o.select(which)
            sub = Camera(*(a[which] for a in (cam.focal, cam.x, cam.y, cam.height)))
            patch = PAINTERS[kind](part, sub, *window.pixels())
            shown = window.read(street.wall) >= (part.z - 0.3)[:, None, None]
            alpha = patch.alpha * shown
            keep = (1 - alpha) * (1 - strength * patch.shadow * shown)
            code = patch.label + (16 * part.key.astype(np.int16))[:, None, None]
            colour = patch.colour * shown[:, None]
            layers.append(
                Layer(window, keep[:, None], colour, code, alpha >= 0.5, part.z, part.key)
            )
    _composite(scene, layers, distance)
    return classes


def _composite(scene: Canvas, layers: list[Layer], distance: Array) -> None:
    """Lay the objects over the canvas, the k-th farthest of all images at the same time."""
    if not layers:
        return
    image = np.concatenate([y.window.image for y in layers])
    z = np.concatenate([y.z for y in layers])
    key = np.concatenate([y.key for y in layers])
    order = np.lexsort((key, -z, image))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    ends = np.cumsum([len(y.z) for y in layers])[:-1]
    ranks = np.split(rank, ends)
    code = np.full(scene.label.shape, -1, np.int16)
    for level in range(int(rank.max()) + 1):
        for layer, r in zip(layers, ranks, strict=True):
            which = np.nonzero(r == level)[0]
            if len(which) == 0:
                continue
            place = layer.window.select(which)
            colour = place.read(scene.colour)
            colour *= layer.keep[which]
            colour += layer.colour[which]
            place.write(scene.colour, colour)
            below = place.read(code)
            np.copyto(below, layer.code[which], where=layer.solid[which])
            place.write(code, below)
    image, y, x = np.nonzero(code >= 0)
    top = code[image, y, x]
    label, key = (top & 15).astype(np.uint8), top >> 4
    thing = (label == VEHICLE) | (label == PEDESTRIAN) | (label == SIGN)
    scene.label[image, y, x] = label
    scene.ids[image, y, x] = np.where(thing, key + 1, 0)
    scene.depth[image, y, x] = distance[image, key]


# --- light -------------------------------------------------------------------------------------


def develop(scene: Canvas, street: Street, look: Random, light: Condition) -> Array:
    """From painted colours to the photograph: light, lamps, fog, halos, exposure, noise."""
    colour, glow = scene.colour[:, :3], scene.colour[:, 3:]
    depth = np.minimum(scene.depth, _FAR)[:, None]
    gain = look.uniform(0.85, 1.15, 1) * (1 + look.uniform(-0.05, 0.05, 3))
    lamp_light: Array = _rgb(np.float32(light.light) * gain)
    if light.lamps > 0:  # our own headlights
        t = (street.x[None, None] - _c(street.vx)) / _c(street.f)
        low = (street.y[None, :, None] - _c(street.vy)) / _c(street.f)
        beam = np.clip(1.1 - t * t * 3.5, 0, 1) * np.clip(1.0 - np.abs(low - 0.12) * 1.8, 0, 1)
        reach = 1 / (1 + depth * depth * np.float32(1 / 180))
        beam = beam[:, None] * reach * np.float32(0.75 * light.lamps * light.lamps)
        lamp_light = lamp_light + beam * _rgb([1.0, 0.95, 0.82])
    image = colour * mix(lamp_light, np.float32(1), glow)
    q = depth * np.float32(light.fog)
    through = 1 / (1 + q * (1 + q * (np.float32(0.5) + q * np.float32(1 / 6))))
    sky = (scene.label == SKY)[:, None]
    through = np.where(sky, np.float32(1 - light.fog_sky), through)
    image = mix(_rgb(np.float32(light.haze) * (1 + (gain - 1) * 0.5)), image, through)
    if light.lamps > 0.3:  # halos around lamps and lit windows
        source = colour * (glow * ~sky)
        halo = blur(source, 2)
        image += halo * np.float32(0.55 * light.lamps)
    grain = look.pixel_noise((3, *street.size))
    image += grain * (look.uniform(0.5, 1.6) * np.float32(light.noise) * 2)[:, None, None, None]
    return to_uint8(image)
