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

from course_lib.data.scenes.batch import (
    Chunk,
    Scenes,
    check_request,
    draw_in_chunks,
    tidy_instances,
)
from course_lib.data.scenes.brushes import Window, blur, windows
from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size, f32, mix, to_uint8
from course_lib.data.scenes.streets.ground import paint_ground
from course_lib.data.scenes.streets.layout import (
    Canvas,
    Condition,
    Street,
    per_image,
    place_objects,
    rgb,
)
from course_lib.data.scenes.streets.objects import PAINTERS, bounds, reach
from course_lib.data.scenes.streets.patch import PEDESTRIAN, SIGN, SKY, VEHICLE, Camera, Objects
from course_lib.data.scenes.streets.scenery import paint_buildings, paint_sky

CLASSES = (
    "sky", "road", "lane marking", "building", "vegetation",
    "vehicle", "pedestrian", "sign", "sidewalk", "pole",
)  # fmt: skip
THINGS = ("vehicle", "pedestrian", "sign")  # the classes that have instances and boxes
CONDITIONS = ("day", "dusk", "fog", "night")
SMALLEST = 16  # pixels a side; below that a street cannot be recognised

_FAR = 400.0  # metres; fog and depth end there
_CHUNK_PIXELS = 1 << 18

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
        (sky: infinity) and factors horizon, vanishing_x, focal (pixels), camera_height (metres).

    Raises:
        ValueError: for an unknown condition, a size that is too small, a negative number.
    """
    size = check_request(
        num, size, seed, condition, start, conditions=CONDITIONS, smallest=SMALLEST, scene="streets"
    )
    chunk = partial(_draw_chunk, seed=int(seed), size=size, light=LIGHTING[condition])
    # Larger chunks than elsewhere, because objects are painted in many small groups.
    return draw_in_chunks(
        chunk, num, start, size, CLASSES, workers=workers, chunk_pixels=_CHUNK_PIXELS
    )


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
        "horizon": street.vy,
        "vanishing_x": street.vx,
        "focal": street.f,
        "camera_height": street.h,
    }
    return Chunk(images, scene.label, instances, boxes, labels, scene.depth, factors)


_THING_OF = {"car": VEHICLE, "crossing": VEHICLE, "person": PEDESTRIAN, "tree": 0,
             "lamp": SIGN, "sign": SIGN, "signal": SIGN}  # fmt: skip


@dataclass
class Layer:
    """Painted objects that share a window size, ready to be laid over the canvas."""

    window: Window
    keep: Array  # (M, h, w) what remains of the canvas below
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
        inside = bounds(kind, o, cam)
        limits = reach(kind, o, cam, inside)
        for which, window in windows(o.image, inside, street.size, reach=limits):
            part = o.select(which)
            sub = Camera(*(a[which] for a in (cam.focal, cam.x, cam.y, cam.height)))
            patch = PAINTERS[kind](part, sub, *window.pixels())
            shown = window.read(street.wall) >= (part.z - 0.3)[:, None, None]
            if not shown.all():  # hidden by a building, in part
                visible = shown.astype(np.float32)
                patch.alpha *= visible
                patch.colour *= visible[:, None]
                patch.shadow *= visible
            patch.shadow *= strength
            keep = (1 - patch.alpha) * (1 - patch.shadow)
            code = patch.label + (16 * part.key.astype(np.int16))[:, None, None]
            layers.append(
                Layer(window, keep, patch.colour, code, patch.alpha >= 0.5, part.z, part.key)
            )
    _composite(scene, layers, distance)
    return classes


def _composite(scene: Canvas, layers: list[Layer], distance: Array) -> None:
    """Lay the objects over the canvas, in each image from far to near."""
    if not layers:
        return
    image = np.concatenate([y.window.image for y in layers])
    z = np.concatenate([y.z for y in layers])
    key = np.concatenate([y.key for y in layers])
    places = [(y, m, place) for y in layers for m, place in enumerate(y.window.places())]
    code = np.full(scene.label.shape, -1, np.int16)
    # One object at a time: a few operations on a view cost less than to gather many windows.
    for i in np.lexsort((key, -z, image)).tolist():
        layer, m, (picture, rows, columns) = places[i]
        colour = scene.colour[picture, :, rows, columns]
        colour *= layer.keep[m]
        colour += layer.colour[m]
        np.copyto(code[picture, rows, columns], layer.code[m], where=layer.solid[m])
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
    lamp_light: Array = rgb(f32(light.light) * gain)
    if light.lamps > 0:  # our own headlights
        t = (street.x[None, None] - per_image(street.vx)) / per_image(street.f)
        low = (street.y[None, :, None] - per_image(street.vy)) / per_image(street.f)
        beam = np.clip(1.1 - t * t * 3.5, 0, 1) * np.clip(1.0 - np.abs(low - 0.12) * 1.8, 0, 1)
        reach = 1 / (1 + depth * depth * np.float32(1 / 180))
        beam = beam[:, None] * reach * np.float32(0.75 * light.lamps * light.lamps)
        lamp_light = lamp_light + beam * rgb([1.0, 0.95, 0.82])
    image = colour * mix(lamp_light, np.float32(1), glow)
    q = depth * np.float32(light.fog)
    through = 1 / (1 + q * (1 + q * (np.float32(0.5) + q * np.float32(1 / 6))))
    sky = (scene.label == SKY)[:, None]
    through = np.where(sky, np.float32(1 - light.fog_sky), through)
    image = mix(rgb(f32(light.haze) * (1 + (gain - 1) * 0.5)), image, through)
    if light.lamps > 0.3:  # halos around lamps and lit windows
        source = colour * (glow * ~sky)
        halo = blur(source, 2)
        image += halo * np.float32(0.55 * light.lamps)
    grain = look.pixel_noise((3, *street.size))
    image += grain * (look.uniform(0.5, 1.6) * np.float32(light.noise) * 2)[:, None, None, None]
    return to_uint8(image)
