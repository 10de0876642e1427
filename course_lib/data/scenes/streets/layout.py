"""Where things are in a street: cameras, the road, what stands on it; no pixel is touched here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size
from course_lib.data.scenes.streets.objects import PAINTERS
from course_lib.data.scenes.streets.patch import Objects

_BIG = 1e4  # metres; a junction beyond that is none


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
        # Where alpha is 1 nothing of what was below may remain, not even in the rounding: how far
        # down the sky and the walls were painted depends on the batch.
        region *= 1 - alpha[:, None]
        region += colour * alpha[:, None]


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


def per_image(a: Array, dims: int = 3) -> Array:
    """(B,) to (B, 1, 1, …)."""
    return a.reshape(-1, *(1,) * (dims - 1))


def rgb(colour: object) -> Array:
    """A colour (3,) or (B, 3) as (…, 3, 1, 1)."""
    return np.asarray(colour, np.float32)[..., None, None]


def rgbe(colour: Array, emission: float = 0.0) -> Array:
    """(B, 3) to (B, 4, 1, 1) with an emission channel."""
    extra = np.full((len(colour), 1), emission, np.float32)
    return np.concatenate([colour, extra], axis=1)[:, :, None, None]


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
        full = [a[which] for a in (x, z, side, towards, variant)]
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
    for hand in (-1, 1):
        side = np.full(b, np.float32(hand))
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
                side,
                np.full(b, hand < 0),
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
    for hand in (-1, 1):
        side = np.full(b, np.float32(hand))
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
            add("tree", ok, X, z_here, side, no, variant)
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
        kind_of_post = "lamp" if i < 2 else "signal" if i == 6 else "sign"
        add(kind_of_post, exists & free, X, z, side, no, variant)
    result = {}
    for name, parts in rows.items():
        image, x, z_, side_, towards_, variant_, random, keys = (
            np.concatenate(c) for c in zip(*parts, strict=True)
        )
        result[name] = Objects(
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
