"""Microscopy of cell nuclei: many that touch, uneven light, out-of-focus haze, noise.

Three kinds of preparation, with the same nuclei for the same index: "fluorescence" (bright nuclei
on black, the default), "histology" (purple nuclei in pink tissue) and "brightfield" (faint grey
nuclei with a halo). Where two nuclei meet, the border lies where both are equally near, so touching
nuclei share pixels' edges and never overlap: semantic labels alone cannot count them.

    scenes = draw(100, size=(64, 64), seed=1)
    three = border(scenes.instances)       # background, nucleus, border between touching nuclei
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from course_lib.data.scenes.batch import (
    Chunk,
    Scenes,
    check_request,
    draw_in_chunks,
    tidy_instances,
)
from course_lib.data.scenes.brushes import blur, noise, windows
from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size, f32, mix, sincos, smoothstep, to_uint8

CLASSES = ("background", "nucleus")
BORDER_CLASSES = ("background", "nucleus", "border")
CONDITIONS = ("fluorescence", "histology", "brightfield")
SMALLEST = 16

_GROUPS, _PER_GROUP = 9, 4  # clusters per image, nuclei per cluster


def draw(
    num: int,
    *,
    size: int | Size = (64, 64),
    seed: int = 0,
    condition: str = "fluorescence",
    start: int = 0,
    workers: int | None = None,
) -> Scenes:
    """Draw microscopy images.

    Image i depends only on (seed, start + i, size, condition); the nuclei do not depend on the
    condition.

    Args:
        num: how many images.
        size: (H, W) or one number, at least 16 a side. The field of view is constant along the
            shorter side: a larger image shows the same nuclei in more pixels.
        seed: any integer.
        condition: "fluorescence", "histology" or "brightfield".
        start: index of the first image.
        workers: threads; None takes as many as torch uses.

    Returns:
        Scenes with semantic labels `CLASSES` and one instance per visible nucleus. Factors (N,):
        count (nuclei visible) and radius (mean, as a fraction of the shorter side).

    Raises:
        ValueError: for an unknown condition, a size that is too small, a negative number.
    """
    size = check_request(
        num, size, seed, condition, start, conditions=CONDITIONS, smallest=SMALLEST, scene="cells"
    )
    chunk = partial(_draw_chunk, seed=int(seed), size=size, condition=condition)
    return draw_in_chunks(chunk, num, start, size, CLASSES, workers=workers)


def border(instances: Tensor, width: int = 1) -> Tensor:
    """Three classes from instances: background, nucleus, border between touching nuclei.

    A pixel is border if one of its eight neighbours belongs to another nucleus: the class that a
    network can learn in order to take touching nuclei apart (arXiv:1505.04597 weights it instead).

    Args:
        instances: (N, H, W) or (H, W), 0 is background.
        width: how far away another nucleus makes a border, in pixels; the line is twice as wide.

    Returns:
        uint8 of the same shape, an index into `BORDER_CLASSES`.
    """
    ids = instances if instances.ndim == 3 else instances[None]
    ids = ids.to(torch.int32)
    padded = torch.nn.functional.pad(ids, (width,) * 4)
    h, w = ids.shape[-2:]
    result = (ids > 0).to(torch.uint8)
    for dy in range(2 * width + 1):
        for dx in range(2 * width + 1):
            other = padded[:, dy : dy + h, dx : dx + w]
            result[(ids > 0) & (other > 0) & (other != ids)] = 2
    return result.reshape(instances.shape)


def _c(a: Array) -> Array:
    return a.astype(np.float32)[:, None, None]


def place_nuclei(r: Random, count: int, size: Size) -> dict[str, Array]:
    """Clusters of nuclei: arrays (B, K) of centres (pixels), radii, turns, outline, existence."""
    h, w = size
    unit = np.float32(min(h, w))
    mean = r.uniform(0.050, 0.085)  # radius, as a fraction of the shorter side
    crowd = r.uniform(0.45, 1.0)
    columns: dict[str, list[Array]] = {k: [] for k in ("x", "y", "a", "b", "turn", "exists")}
    # A jittered grid of cluster centres keeps the clusters apart and the image filled.
    rows = max(2, round((_GROUPS * h / w) ** 0.5))
    across = max(2, round(_GROUPS / rows))
    cells = [(i, j) for i in range(rows) for j in range(across)]
    for i, j in cells:
        gx = (j + 0.5 + r.uniform(-0.42, 0.42)) * np.float32(w / across)
        gy = (i + 0.5 + r.uniform(-0.42, 0.42)) * np.float32(h / rows)
        number = 1 + r.integers(_PER_GROUP)
        present = r.uniform(0, 1) < crowd
        heading, before = r.uniform(0, 1), unit * mean
        for k in range(_PER_GROUP):
            radius = mean * r.uniform(0.75, 1.3) * unit
            long = r.uniform(1.0, 1.5)
            a, b = radius * np.sqrt(long), radius / np.sqrt(long)
            if k:  # next to the one before: from a hair's breadth apart to slightly overlapping
                heading = heading + r.uniform(-0.2, 0.2)
                s, c = sincos(heading)
                reach = (radius + before) * r.uniform(0.80, 1.04)
                gx, gy = gx + c * reach, gy + s * reach
            before = radius
            for name, value in (("x", gx), ("y", gy), ("a", a), ("b", b)):
                columns[name].append(value.astype(np.float32))
            columns["turn"].append(r.uniform(0, 1))
            columns["exists"].append(present & (k < number))
    result = {k: np.stack(v, axis=1) for k, v in columns.items()}
    result["wave"] = r.uniform(-1, 1, 4 * len(cells) * _PER_GROUP).reshape(count, -1, 4)
    result["mean"] = mean
    return result


def _draw_chunk(indices: Array, *, seed: int, size: Size, condition: str) -> Chunk:
    b, (h, w) = len(indices), size
    n = place_nuclei(Random(seed, indices, "cells layout"), b, size)
    # For every pixel the nearest nucleus (signed, in units of its radius) and its number.
    nearest = np.full((b, h, w), np.float32(9))
    ids = np.zeros((b, h, w), np.int16)
    image, key = np.nonzero(n["exists"])
    f = {k: n[k][image, key] for k in ("x", "y", "a", "b", "turn", "wave")}
    reach = np.maximum(f["a"], f["b"]) * np.float32(1.7)
    bounds = np.stack([f["x"] - reach, f["y"] - reach, f["x"] + reach, f["y"] + reach], 1)
    for which, window in windows(image, bounds, size):
        px, py = window.pixels()
        x, y = px - _c(f["x"][which]), py - _c(f["y"][which])
        s, c = sincos(f["turn"][which])
        u, v = (
            (x * _c(c) + y * _c(s)) / _c(f["a"][which]),
            (y * _c(c) - x * _c(s)) / _c(f["b"][which]),
        )
        r2 = u * u + v * v
        r = np.sqrt(r2) + np.float32(1e-6)
        cu, cv = u / r, v / r
        # Second and third harmonic of the outline, from products of sine and cosine.
        wave = f["wave"][which]
        second = _c(wave[:, 0]) * (cu * cu - cv * cv) + _c(wave[:, 1]) * 2 * cu * cv
        third = _c(wave[:, 2]) * cu * (cu * cu - 3 * cv * cv) + _c(wave[:, 3]) * cv * (
            3 * cu * cu - cv * cv
        )
        d = r - (1 + 0.06 * second + 0.07 * third)
        number = (key[which] + 1).astype(np.int16)
        # One nucleus per image at a time, because windows of one image may overlap.
        for k in np.unique(key[which]):
            now = np.nonzero(key[which] == k)[0]
            place = window.select(now)
            old, own = place.read(nearest), d[now]
            closer = own < old
            place.write(nearest, np.where(closer, own, old))
            place.write(ids, np.where(closer, number[now, None, None], place.read(ids)))
    inside = nearest < 0
    full = np.where(inside, ids, 0).astype(np.int16)
    picture = _RENDER[condition](seed, indices, size, nearest, ids, n)
    instances, boxes, labels = tidy_instances(full, np.ones((b, n["exists"].shape[1]), np.int64))
    factors = {"count": np.array([len(x) for x in labels], np.int64), "radius": n["mean"]}
    return Chunk(
        to_uint8(picture), inside.astype(np.uint8), instances, boxes, labels, None, factors
    )


def _fields(seed: int, indices: Array, size: Size, stream: str) -> tuple[Random, Array, Array]:
    """Random numbers for the look, and coordinates in which the shorter side is 1."""
    h, w = size
    unit = np.float32(min(h, w))
    x = (np.arange(w, dtype=np.float32) + np.float32(0.5))[None, None] / unit
    y = (np.arange(h, dtype=np.float32) + np.float32(0.5))[None, :, None] / unit
    return Random(seed, indices, stream), x, y


def _per_nucleus(look: Random, ids: Array, count: int, low: float, high: float) -> Array:
    """(B, H, W): one random number per nucleus, spread over its pixels."""
    table = np.concatenate([np.zeros((len(ids), 1), np.float32), look.uniform(low, high, count)], 1)
    flat: Array = np.take_along_axis(table, ids.reshape(len(ids), -1).astype(np.int64), axis=1)
    return flat.reshape(ids.shape)


def _fluorescence(
    seed: int, indices: Array, size: Size, d: Array, ids: Array, n: dict[str, Array]
) -> Array:
    look, x, y = _fields(seed, indices, size, "cells fluorescence")
    ox, oy = _c(look.uniform(0, 512)), _c(look.uniform(0, 512))
    pixel = 1 / (n["mean"] * np.float32(min(size)))  # one pixel in nuclear radii
    soft = smoothstep(0.5 - d / _c(np.maximum(pixel * look.uniform(1.2, 2.6), 0.12)))
    texture = noise(x * 420 + ox, y * 420 + oy, octaves=5, seed=21, smooth=True)
    broad = noise(x * 70 + oy, y * 70 + ox, octaves=3, seed=22, smooth=True)
    bright = _per_nucleus(look, ids, n["exists"].shape[1], 0.30, 1.0)
    dome = np.sqrt(np.clip(1 - (d + 1) * (d + 1) * 0.75, 0.1, 1))
    signal = soft * bright * dome * (1 + 0.32 * texture)
    haze = blur(signal, max(2, round(min(size) / 12)))  # light from out of focus
    signal = signal + _c(look.uniform(0.10, 0.45)) * haze
    signal += _c(look.uniform(0.03, 0.12)) * (1 + 0.6 * broad)
    # Uneven illumination: a bright region somewhere, darker corners.
    ax, ay = x - _c(look.uniform(0.1, 0.9)) * x.max(), y - _c(look.uniform(0.1, 0.9)) * y.max()
    light = 1 / (1 + _c(look.uniform(0.2, 1.8)) * (ax * ax + ay * ay))
    signal *= light * _c(look.uniform(0.65, 1.1))
    grain = look.pixel_noise(size)
    # Shot noise grows with the square root of the signal.
    signal = signal + grain * (
        np.sqrt(np.maximum(signal, 0)) * _c(look.uniform(0.05, 0.20)) + 0.012
    )
    tint = np.stack(
        [look.uniform(0.10, 0.45), look.uniform(0.35, 0.75), look.uniform(0.95, 1.05)], 1
    )
    grey = look.chance(0.35)[:, None]
    tint = np.where(grey, np.float32(0.85), tint).astype(np.float32)
    signal = np.clip(signal, 0, 1.3)
    core = np.clip(signal - 0.75, 0, 1) * 0.8  # the brightest spots turn white
    return signal[:, None] * tint[:, :, None, None] + core[:, None]


def _histology(
    seed: int, indices: Array, size: Size, d: Array, ids: Array, n: dict[str, Array]
) -> Array:
    look, x, y = _fields(seed, indices, size, "cells histology")
    ox, oy = _c(look.uniform(0, 512)), _c(look.uniform(0, 512))
    pixel = 1 / (n["mean"] * np.float32(min(size)))
    soft = smoothstep(0.5 - d / _c(np.maximum(pixel * 1.3, 0.10)))
    s, c = sincos(look.uniform(0, 1))
    along, across = x * _c(c) + y * _c(s), y * _c(c) - x * _c(s)
    fibre = noise(along * 60 + ox, across * 260 + oy, octaves=4, seed=23, smooth=True)
    fine = noise(x * 500 + oy, y * 500 + ox, octaves=5, seed=24, smooth=True)
    gap = smoothstep((noise(x * 55 + oy, y * 55 + ox, octaves=4, seed=25, smooth=True) - 0.28) * 4)
    gap = gap * smoothstep(d * 2.5 - 0.4) * _c(look.chance(0.7).astype(np.float32))
    tint = look.uniform(-0.05, 0.05, 3)
    pink = f32([0.86, 0.62, 0.74]) + tint
    deep = f32([0.74, 0.42, 0.60]) + tint
    dye = f32([0.36, 0.22, 0.50]) + look.uniform(-0.06, 0.06, 3)
    white = f32([0.94, 0.92, 0.93])
    pale = _per_nucleus(look, ids, n["exists"].shape[1], 0.0, 0.55)
    rim = np.clip(1 - np.abs(d + 0.08) * 7, 0, 1)  # chromatin at the membrane
    depth = np.clip(1 - pale + 0.30 * fine + 0.25 * rim, 0, 1.15) * soft
    weight = np.clip(0.5 + 0.75 * fibre + 0.12 * fine, 0, 1)
    out = np.empty((len(ids), 3, *size), np.float32)
    for k in range(3):
        tissue = mix(pink[:, k, None, None], deep[:, k, None, None], weight)
        tissue = mix(tissue, white[k], gap)
        out[:, k] = mix(tissue, dye[:, k, None, None], np.clip(depth, 0, 1))
    ax, ay = x - x.max() * 0.5, y - y.max() * 0.5
    light = (
        1.03 - _c(look.uniform(0, 0.35)) * (ax * ax + ay * ay) + _c(look.uniform(-0.15, 0.15)) * ax
    )
    out *= light[:, None]
    out = mix(
        out, blur(out, max(1, round(min(size) / 64))), look.uniform(0, 1)[:, None, None, None]
    )
    out += look.pixel_noise((3, *size)) * (look.uniform(0.01, 0.06))[:, None, None, None]
    return out


def _brightfield(
    seed: int, indices: Array, size: Size, d: Array, ids: Array, n: dict[str, Array]
) -> Array:
    look, x, y = _fields(seed, indices, size, "cells brightfield")
    ox, oy = _c(look.uniform(0, 512)), _c(look.uniform(0, 512))
    fine = noise(x * 460 + oy, y * 460 + ox, octaves=5, seed=26, smooth=True)
    broad = noise(x * 40 + ox, y * 40 + oy, octaves=3, seed=27, smooth=True)
    faint = _per_nucleus(look, ids, n["exists"].shape[1], 0.3, 1.0)
    ring = np.clip(1 - np.abs(d) * 6, 0, 1)
    halo = np.clip(1 - np.abs(d - 0.16) * 6, 0, 1)
    inside = smoothstep(0.5 - d * 6)
    grey = 0.56 + 0.05 * broad + 0.02 * fine
    grey = grey + inside * faint * (0.10 * fine - 0.06) - ring * 0.20 * faint + halo * 0.16
    light = 1 + _c(look.uniform(-0.3, 0.3)) * (x - 0.5) + _c(look.uniform(-0.3, 0.3)) * (y - 0.5)
    grey = grey * light + look.pixel_noise(size) * _c(look.uniform(0.02, 0.09))
    tint = 1 + look.uniform(-0.03, 0.03, 3)
    return grey[:, None] * tint[:, :, None, None]


_RENDER = {"fluorescence": _fluorescence, "histology": _histology, "brightfield": _brightfield}
