"""Handwritten digits drawn by code: one in each image, light on black, nearly as varied as MNIST.

A digit is a few strokes, each a smooth curve through control points. Every class is written in
several styles (a 4 open or closed, a 7 with or without a bar …), and every hand is another: the
control points are moved, the sheet is bent, and slant, breadth, proportions, rotation, size, place,
width of the pen and brightness of the ink are drawn at random, as `Scenes.factors` says.

    scenes = draw(1000, size=28, seed=1)
    labels, slant = scenes.factors["class"], scenes.factors["slant"]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from course_lib.data.scenes.batch import (
    Chunk,
    Scenes,
    check_request,
    draw_in_chunks,
    tidy_instances,
)
from course_lib.data.scenes.counter_rng import Random
from course_lib.data.scenes.exact import Array, Size, f32, sincos, to_uint8

CLASSES = tuple("0123456789")
SEMANTIC_CLASSES = ("background", *CLASSES)
CONDITIONS = ("plain",)
SMALLEST = 12

Stroke = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Style:
    """One way to write a digit.

    Args:
        digit: the class.
        name: of the style.
        weight: how often it is chosen, against the other styles of the digit.
        strokes: control points (x, y), y downwards, about 1 from the centre to the top. A point
            named twice in a row is a corner; points with equal coordinates move together.
    """

    digit: int
    name: str
    weight: float
    strokes: tuple[Stroke, ...]


_BOWL_3 = ((0.45, 0.15), (0.55, 0.5), (0.22, 0.92), (-0.25, 0.96), (-0.55, 0.72))
_BOWL_5 = ((0.0, -0.22), (0.42, -0.06), (0.52, 0.42), (0.18, 0.9), (-0.3, 0.95), (-0.55, 0.75))
_TOP_2 = ((-0.5, -0.55), (-0.25, -0.92), (0.2, -0.96), (0.45, -0.6))
_HEAD_9 = ((0.38, -0.72), (0.02, -0.97), (-0.4, -0.7), (-0.36, -0.28), (0.0, -0.1), (0.34, -0.4))
_STEM_4: Stroke = ((0.3, -0.9), (0.26, 0.0), (0.2, 1.0))

STYLES: tuple[Style, ...] = (
    Style(0, "oval", 3, ((
        (0.15, -0.97), (-0.3, -0.85), (-0.58, -0.2), (-0.5, 0.6), (-0.05, 0.98), (0.42, 0.7),
        (0.58, 0.0), (0.42, -0.7), (0.05, -0.96),
    ),)),
    Style(0, "overrun", 2, ((
        (0.25, -0.72), (-0.1, -1.0), (-0.48, -0.65), (-0.6, 0.15), (-0.22, 0.95), (0.35, 0.75),
        (0.6, 0.0), (0.42, -0.75), (0.1, -1.0), (-0.25, -0.8),
    ),)),
    Style(0, "open", 1, ((
        (-0.05, -1.0), (-0.42, -0.65), (-0.58, 0.1), (-0.3, 0.88), (0.2, 0.9), (0.55, 0.3),
        (0.5, -0.4), (0.2, -0.82),
    ),)),
    Style(1, "stroke", 8, (((0.0, -1.0), (0.0, -0.3), (0.0, 0.35), (0.0, 1.0)),)),
    Style(1, "serif", 1, ((
        (-0.32, -0.62), (-0.12, -0.82), (0.0, -1.0), (0.0, -1.0), (0.0, 0.0), (0.0, 1.0),
    ),)),
    Style(1, "serif and base", 1, (
        ((-0.32, -0.62), (-0.12, -0.82), (0.0, -1.0), (0.0, -1.0), (0.0, 0.0), (0.0, 1.0)),
        ((-0.42, 1.0), (0.0, 1.0), (0.42, 1.0)),
    )),
    Style(2, "angle", 3, ((
        *_TOP_2, (0.3, -0.1), (-0.1, 0.45), (-0.55, 0.92), (-0.55, 0.92), (0.0, 0.9), (0.6, 0.92),
    ),)),
    Style(2, "wave", 2, ((
        *_TOP_2, (0.28, -0.1), (-0.1, 0.45), (-0.52, 0.88), (-0.52, 0.88), (-0.2, 0.72),
        (0.2, 0.92), (0.6, 0.8),
    ),)),
    Style(2, "loop", 3, ((
        *_TOP_2, (0.28, 0.0), (-0.05, 0.5), (-0.35, 0.9), (-0.6, 0.78), (-0.42, 0.52), (0.0, 0.75),
        (0.35, 0.95), (0.7, 0.8),
    ),)),
    Style(2, "edges", 1, ((
        (-0.5, -0.85), (0.0, -0.95), (0.45, -0.8), (0.25, -0.2), (-0.1, 0.35), (-0.5, 0.9),
        (-0.5, 0.9), (0.0, 0.9), (0.6, 0.9),
    ),)),
    Style(2, "wide loop", 3, ((
        (-0.45, -0.6), (-0.2, -0.95), (0.25, -0.92), (0.4, -0.45), (0.12, 0.2), (-0.2, 0.75),
        (-0.55, 0.9), (-0.68, 0.55), (-0.35, 0.3), (0.05, 0.5), (0.35, 0.8), (0.75, 0.88),
    ),)),
    Style(2, "upright loop", 2, ((
        (-0.45, -0.7), (-0.1, -1.0), (0.3, -0.8), (0.32, -0.2), (0.15, 0.4), (-0.15, 0.85),
        (-0.5, 0.88), (-0.55, 0.5), (-0.2, 0.38), (0.2, 0.65), (0.6, 0.98),
    ),)),
    Style(3, "round", 4, ((
        (-0.5, -0.75), (-0.1, -1.0), (0.36, -0.8), (0.34, -0.36), (-0.1, -0.08), (-0.1, -0.08),
        *_BOWL_3,
    ),)),
    Style(3, "loop", 2, ((
        (-0.5, -0.75), (-0.1, -1.0), (0.36, -0.8), (0.3, -0.36), (-0.05, -0.1), (-0.2, 0.02),
        (0.0, -0.02), *_BOWL_3,
    ),)),
    Style(3, "flat top", 1, ((
        (-0.5, -0.92), (0.0, -0.95), (0.45, -0.95), (0.45, -0.95), (0.2, -0.5), (-0.08, -0.14),
        (-0.08, -0.14), *_BOWL_3,
    ),)),
    Style(3, "hook", 2, ((
        (-0.45, -0.85), (-0.05, -1.0), (0.4, -0.85), (0.3, -0.5), (-0.12, -0.2), (-0.12, -0.2),
        (0.25, -0.1), (0.38, 0.3), (0.15, 0.75), (-0.2, 1.0),
    ),)),
    Style(4, "open", 4, (
        ((-0.4, -0.9), (-0.5, -0.4), (-0.52, 0.1), (-0.52, 0.1), (0.0, 0.1), (0.6, 0.02)),
        _STEM_4,
    )),
    Style(4, "rounded", 3, (
        ((-0.42, -0.9), (-0.52, -0.25), (-0.25, 0.08), (0.1, 0.0), (0.55, -0.12)),
        ((0.45, -0.9), (0.36, 0.0), (0.25, 1.0)),
    )),
    Style(4, "closed", 2, (
        ((0.25, -1.0), (-0.2, -0.4), (-0.6, 0.25), (-0.6, 0.25), (0.0, 0.22), (0.6, 0.22)),
        ((0.25, -1.0), (0.25, 0.0), (0.25, 1.0)),
    )),
    Style(4, "one stroke", 2, ((
        (-0.45, -0.85), (-0.5, -0.25), (-0.2, 0.05), (0.2, -0.12), (0.48, -0.85), (0.48, -0.85),
        (0.38, 0.0), (0.25, 1.0),
    ),)),
    Style(5, "two strokes", 3, (
        ((-0.3, -0.9), (-0.38, -0.55), (-0.42, -0.12), (-0.42, -0.12), *_BOWL_5),
        ((-0.3, -0.9), (0.1, -0.92), (0.58, -0.97)),
    )),
    Style(5, "one stroke", 3, ((
        (0.55, -0.95), (0.1, -0.92), (-0.3, -0.9), (-0.3, -0.9), (-0.38, -0.55), (-0.42, -0.12),
        (-0.42, -0.12), *_BOWL_5,
    ),)),
    Style(5, "curve", 2, ((
        (0.6, -0.92), (0.1, -0.95), (-0.25, -0.7), (-0.22, -0.35), (0.2, -0.05), (0.38, 0.4),
        (0.05, 0.9), (-0.5, 0.85),
    ),)),
    Style(6, "curve", 3, ((
        (0.4, -0.95), (0.0, -0.65), (-0.38, -0.05), (-0.5, 0.5), (-0.2, 0.95), (0.3, 0.85),
        (0.5, 0.42), (0.2, 0.1), (-0.2, 0.22), (-0.45, 0.55),
    ),)),
    Style(6, "straight", 2, ((
        (0.05, -1.0), (-0.25, -0.4), (-0.45, 0.25), (-0.42, 0.72), (-0.1, 0.98), (0.32, 0.8),
        (0.42, 0.4), (0.1, 0.15), (-0.3, 0.35), (-0.45, 0.62),
    ),)),
    Style(6, "open", 1, ((
        (0.1, -1.0), (-0.3, -0.4), (-0.5, 0.25), (-0.35, 0.85), (0.1, 0.95), (0.45, 0.6),
        (0.4, 0.25), (0.1, 0.22), (-0.12, 0.5),
    ),)),
    Style(6, "wide", 3, ((
        (-0.2, -1.0), (-0.45, -0.4), (-0.58, 0.3), (-0.3, 0.9), (0.25, 0.92), (0.58, 0.45),
        (0.38, 0.0), (0.0, 0.1), (-0.18, 0.5), (-0.1, 0.85),
    ),)),
    Style(7, "plain", 4, ((
        (-0.5, -0.85), (0.0, -0.88), (0.5, -0.92), (0.5, -0.92), (0.3, -0.3), (0.05, 0.3),
        (-0.1, 1.0),
    ),)),
    Style(7, "bar", 2, (
        ((-0.5, -0.85), (0.0, -0.88), (0.5, -0.92), (0.5, -0.92), (0.25, -0.3), (0.02, 0.3),
         (-0.12, 1.0)),
        ((-0.3, 0.0), (0.12, -0.03), (0.52, -0.05)),
    )),
    Style(7, "serif", 2, ((
        (-0.52, -0.5), (-0.48, -0.86), (-0.48, -0.86), (0.0, -0.88), (0.5, -0.92), (0.5, -0.92),
        (0.3, -0.3), (0.08, 0.3), (-0.05, 1.0),
    ),)),
    Style(7, "round", 2, ((
        (-0.52, -0.72), (-0.25, -0.92), (0.2, -0.95), (0.46, -0.72), (0.32, -0.1), (0.12, 0.45),
        (0.05, 1.0),
    ),)),
    Style(8, "one stroke", 4, ((
        (0.36, -0.78), (0.02, -0.99), (-0.35, -0.7), (-0.2, -0.3), (0.2, 0.05), (0.42, 0.5),
        (0.05, 0.97), (-0.4, 0.6), (-0.18, 0.1), (0.2, -0.25), (0.42, -0.6), (0.3, -0.85),
    ),)),
    Style(8, "two rings", 1, (
        ((0.05, -0.97), (-0.3, -0.8), (-0.32, -0.35), (0.0, -0.08), (0.32, -0.35), (0.3, -0.8),
         (0.0, -0.98)),
        ((0.0, -0.08), (-0.38, 0.15), (-0.42, 0.65), (0.0, 0.97), (0.42, 0.65), (0.38, 0.15),
         (0.0, -0.06)),
    )),
    Style(8, "open top", 2, ((
        (0.5, -0.78), (0.1, -0.99), (-0.35, -0.75), (-0.22, -0.32), (0.18, 0.05), (0.35, 0.5),
        (0.0, 0.97), (-0.4, 0.65), (-0.12, 0.1), (0.3, -0.32), (0.55, -0.7),
    ),)),
    Style(8, "small foot", 2, ((
        (0.4, -0.85), (-0.05, -0.98), (-0.42, -0.65), (-0.2, -0.2), (0.1, 0.15), (0.18, 0.6),
        (0.0, 0.97), (-0.2, 0.65), (-0.02, 0.1), (0.3, -0.35), (0.48, -0.75),
    ),)),
    Style(8, "crossing", 2, ((
        (0.42, -0.98), (0.1, -0.4), (-0.2, 0.1), (-0.38, 0.6), (-0.05, 0.97), (0.32, 0.65),
        (0.15, 0.1), (-0.2, -0.35), (-0.38, -0.75), (-0.05, -0.95), (0.4, -0.9),
    ),)),
    Style(9, "straight", 4, ((
        *_HEAD_9, (0.42, -0.8), (0.42, -0.8), (0.36, 0.1), (0.28, 1.0),
    ),)),
    Style(9, "smooth", 3, ((
        *_HEAD_9, (0.44, -0.72), (0.36, 0.0), (0.15, 0.5), (-0.02, 1.0),
    ),)),
    Style(9, "wide", 3, ((
        (0.3, -0.75), (-0.05, -0.96), (-0.5, -0.65), (-0.52, -0.15), (-0.1, 0.05), (0.3, -0.3),
        (0.42, -0.85), (0.42, -0.85), (0.4, 0.2), (0.38, 1.0),
    ),)),
    Style(9, "hook", 2, ((
        (0.5, -0.9), (0.05, -0.95), (-0.4, -0.65), (-0.3, -0.25), (0.1, -0.25), (0.42, -0.6),
        (0.42, -0.6), (0.3, 0.2), (0.1, 1.0),
    ),)),
    Style(9, "curved", 2, ((
        *_HEAD_9, (0.44, -0.72), (0.44, 0.1), (0.22, 0.8), (-0.2, 0.95), (-0.45, 0.75),
    ),)),
)  # fmt: skip

_PIECES = 3  # straight pieces between two control points
_WAVES = 3  # of the bending of the sheet


def draw(
    num: int,
    *,
    size: int | Size = (28, 28),
    seed: int = 0,
    condition: str = "plain",
    start: int = 0,
    workers: int | None = None,
) -> Scenes:
    """Draw images of one digit each, of one channel.

    Image i depends only on (seed, start + i, size).

    Args:
        num: how many images.
        size: (H, W) or one number, at least 12 a side.
        seed: any integer.
        condition: "plain", the only one.
        start: index of the first image.
        workers: threads; None takes as many as torch uses.

    Returns:
        Scenes with images (N, 1, H, W); the semantic labels are `SEMANTIC_CLASSES` (background,
        then `CLASSES`: where ink covers half of a pixel), the instance is the digit. Factors, all
        (N,): class (int64), style (int64, index into `STYLES`), slant (how far the top leans to
        the right for each unit of height), breadth (factor of the horizontal extent), waist (how
        far the middle lies below its usual place, for a digit 2 high), taper (how much broader
        the foot is than the middle, as a fraction), angle (turns, clockwise), height (the digit's
        height or breadth, whichever is larger, as a fraction of the image's shorter side), x, y
        (the middle of the strokes from the image's centre, in the same fractions), width (of the
        pen, the same), ink (1 is white), unevenness (how far the hand moves control points).

    Raises:
        ValueError: for an unknown condition, a size that is too small, a negative number.
    """
    size = check_request(
        num, size, seed, condition, start, conditions=CONDITIONS, smallest=SMALLEST, scene="digits"
    )
    chunk = partial(_draw_chunk, seed=int(seed), size=size)
    return draw_in_chunks(
        chunk, num, start, size, SEMANTIC_CLASSES, workers=workers, chunk_pixels=1 << 15
    )


@dataclass(frozen=True)
class _Pen:
    """How all styles are drawn, as tables with one row for each style, padded to one length.

    Args:
        points: (S, C, 2) control points.
        loose: (S, C) how far each is moved: 1, and more for the ends of strokes.
        knots: (S, P, 2, 4) the four control points by which each end of a piece is reached.
        weights: (S, P, 2, 4) by which weights.
        time: (S, P) when each piece is written: -1 first, 1 last.
    """

    points: Array
    loose: Array
    knots: Array
    weights: Array
    time: Array


@cache
def _pen() -> _Pen:
    rows = [_pieces(style) for style in STYLES]
    most_points = max(len(points) for points, _, _, _ in rows)
    most_pieces = max(len(knots) for _, _, knots, _ in rows)

    def padded(values: Array, length: int) -> Array:  # repeat the last
        return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])

    def rested(ends: Array, length: int) -> Array:  # pieces without length where the last one ends
        last = np.repeat(ends[-1:, 1:], 2, axis=1)
        return np.concatenate([ends, np.repeat(last, length - len(ends), axis=0)])

    return _Pen(
        np.stack([padded(points, most_points) for points, _, _, _ in rows]),
        np.stack([padded(loose, most_points) for _, loose, _, _ in rows]),
        np.stack([rested(knots, most_pieces) for _, _, knots, _ in rows]),
        np.stack([rested(weights, most_pieces) for _, _, _, weights in rows]),
        np.stack([padded(f32(np.linspace(-1, 1, len(k))), most_pieces) for _, _, k, _ in rows]),
    )


def _pieces(style: Style) -> tuple[Array, Array, Array, Array]:
    """Cut a style's strokes into straight pieces along Catmull-Rom curves."""
    points = list(dict.fromkeys(point for stroke in style.strokes for point in stroke))
    loose = np.ones(len(points), np.float32)
    knots, weights = [], []
    for stroke in style.strokes:
        for end in (stroke[0], stroke[-1]):
            loose[points.index(end)] = 1.6
        curves = [[points.index(stroke[0])]]
        for before, point in zip(stroke, stroke[1:], strict=False):
            if point == before:  # a corner: the next curve begins
                curves.append([])
            curves[-1].append(points.index(point))
        for curve in curves:
            for k in range(len(curve) - 1):
                near = [curve[min(max(k + j, 0), len(curve) - 1)] for j in (-1, 0, 1, 2)]
                at = [_weights(i / _PIECES) for i in range(_PIECES + 1)]
                knots += [[near, near]] * _PIECES
                weights += [[a, b] for a, b in zip(at, at[1:], strict=False)]
    return f32(points), loose, np.array(knots), f32(weights)


def _weights(t: float) -> list[float]:
    """Weights of four points in a row for the Catmull-Rom curve between the second and third."""
    return [
        0.5 * t * (-1 + t * (2 - t)),
        0.5 * (2 + t * t * (3 * t - 5)),
        0.5 * t * (1 + t * (4 - 3 * t)),
        0.5 * t * t * (t - 1),
    ]


def _c(a: Array) -> Array:
    return a.astype(np.float32)[:, None, None]


def _choose_style(kind: Array, chance: Array) -> Array:
    """(B,) index into `STYLES`: a style of the digit, by its weight."""
    result = np.zeros(len(kind), np.int64)
    for digit in range(len(CLASSES)):
        own = [i for i, style in enumerate(STYLES) if style.digit == digit]
        share = np.cumsum([STYLES[i].weight for i in own]) / sum(STYLES[i].weight for i in own)
        number = (chance[:, None] >= f32(share[:-1])).sum(axis=1)
        result = np.where(kind == digit, np.array(own)[number], result)
    return result


def _bell(r: Random, n: int | None = None) -> Array:
    """Random numbers with a bell's shape: mean 0, deviation 0.5, within -1.5 and 1.5."""
    result: Array = r.uniform(-0.5, 0.5, n) + r.uniform(-0.5, 0.5, n) + r.uniform(-0.5, 0.5, n)
    return result


def _draw_chunk(indices: Array, *, seed: int, size: Size) -> Chunk:
    h, w = size
    unit = np.float32(min(h, w))
    r = Random(seed, indices, "digits")
    kind = r.integers(len(CLASSES))
    style = _choose_style(kind, r.uniform())
    slant = np.float32(0.18) + np.float32(0.45) * _bell(r)
    breadth = np.float32(1.08) + np.float32(0.4) * _bell(r)
    waist, taper = np.float32(0.25) * _bell(r), np.float32(0.3) * _bell(r)
    angle = np.float32(0.03) * _bell(r)
    height = np.float32(0.68) + np.float32(0.06) * _bell(r)
    x0, y0 = np.float32(0.03) * _bell(r), np.float32(0.03) * _bell(r)
    width = np.float32(0.095) + np.float32(0.045) * _bell(r)
    ink = r.uniform(0.85, 1.0)
    uneven = r.uniform(0.03, 0.16)

    pen = _pen()
    hand = Random(seed, indices, "digits hand")
    points = pen.points[style]  # (B, C, 2)
    most = points.shape[1]
    loose = pen.loose[style] * uneven[:, None]
    px = points[..., 0] + loose * _bell(hand, most)
    py = points[..., 1] + loose * _bell(hand, most)
    row = np.arange(len(indices))[:, None, None]
    knots, weights = pen.knots[style], pen.weights[style]  # (B, P, 2, 4)
    x = np.zeros(knots.shape[:3], np.float32)  # (B, P, 2): both ends of each piece
    y = x
    for j in range(4):
        x = x + weights[..., j] * px[row, knots[..., j]]
        y = y + weights[..., j] * py[row, knots[..., j]]
    for _ in range(_WAVES):  # bend the sheet
        s, c = sincos(hand.uniform(0, 1))
        wave, _ = sincos(
            (x * _c(s) + y * _c(c)) * _c(hand.uniform(0.15, 0.45)) + _c(hand.uniform(0, 1))
        )
        x = x + wave * _c(np.float32(0.14) * _bell(hand))
        y = y + wave * _c(np.float32(0.14) * _bell(hand))

    y = y + _c(waist) * (1 - y * y)  # at the top and at the foot nothing moves
    x = x * _c(breadth) * (1 + _c(taper) * y) - y * _c(slant)
    s, c = sincos(angle)
    x, y = x * _c(c) - y * _c(s), x * _c(s) + y * _c(c)
    spans = [a.max(axis=(1, 2)) - a.min(axis=(1, 2)) for a in (x, y)]
    scale = (height - width) / np.maximum(*spans)
    x, y = x * _c(scale), y * _c(scale)  # fractions of the shorter side
    mx, my = _middle(x, y)
    x, x0 = _placed(x - _c(mx), x0, width, np.float32(w / 2) / unit)
    y, y0 = _placed(y - _c(my), y0, width, np.float32(h / 2) / unit)
    x, y = x * unit, y * unit  # pixels

    radius = np.maximum(width * unit * np.float32(0.5), np.float32(0.5))
    pressure = np.float32(0.25) * _bell(hand)  # thicker or thinner towards the end
    thick = radius[:, None] * (1 + pressure[:, None] * pen.time[style])
    distance = _distance(x, y, thick, size) * _c(radius)
    soft = hand.uniform(0.8, 1.3)
    alpha = np.clip(np.float32(0.5) - distance / _c(soft), 0, 1)
    visible = alpha >= 0.5
    image = alpha * _c(ink)
    semantic = np.where(visible, (kind + 1)[:, None, None], 0).astype(np.uint8)
    instances, boxes, labels = tidy_instances(visible.astype(np.int16), (kind + 1)[:, None])
    factors = {
        "class": kind, "style": style, "slant": slant, "breadth": breadth, "waist": waist,
        "taper": taper, "angle": angle, "height": height, "x": x0, "y": y0,
        "width": width, "ink": ink, "unevenness": uneven,
    }  # fmt: skip
    return Chunk(to_uint8(image)[:, None], semantic, instances, boxes, labels, None, factors)


def _middle(x: Array, y: Array) -> tuple[Array, Array]:
    """Centre of the strokes' length, (B,) each; pieces are summed in their order."""
    dx, dy = x[..., 1] - x[..., 0], y[..., 1] - y[..., 0]
    length = np.sqrt(dx * dx + dy * dy) + np.float32(1e-6)
    total = sx = sy = np.zeros(len(x), np.float32)
    for k in range(length.shape[1]):
        total = total + length[:, k]
        sx = sx + length[:, k] * (x[:, k, 0] + x[:, k, 1])
        sy = sy + length[:, k] * (y[:, k, 0] + y[:, k, 1])
    return sx / (2 * total), sy / (2 * total)


def _placed(place: Array, shift: Array, width: Array, half: np.float32) -> tuple[Array, Array]:
    """Move strokes (B, P, 2) to `shift` from the middle at `half`; none leaves the image."""
    margin = np.float32(0.7) * width + np.float32(0.03)
    low = margin - half - place.min(axis=(1, 2))
    high = half - margin - place.max(axis=(1, 2))
    shift = np.minimum(np.maximum(shift, low), high)
    return place + _c(shift + half), shift


def _distance(x: Array, y: Array, radius: Array, size: Size) -> Array:
    """Signed distance (B, H, W) from the edge of the ink, in radii of the nearest piece.

    Args:
        x: (B, P, 2) ends of the pieces, in pixels.
        y: the same.
        radius: (B, P) half of the pen's width at each piece.
        size: (H, W).
    """
    h, w = size
    number, pieces = x.shape[:2]
    across = (np.arange(w, dtype=np.float32) + np.float32(0.5))[None]
    down = (np.arange(h, dtype=np.float32) + np.float32(0.5))[None]
    least = np.full((number, h, w), np.inf, np.float32)
    along, aside = np.empty_like(least), np.empty_like(least)
    for k in range(pieces):
        ax, ay, bx, by = x[:, k, 0], y[:, k, 0], x[:, k, 1], y[:, k, 1]
        dx, dy = bx - ax, by - ay
        length = np.sqrt(dx * dx + dy * dy)
        still = length < np.float32(1e-6)
        dx = np.where(still, np.float32(1), dx / np.maximum(length, np.float32(1e-6)))
        dy = np.where(still, np.float32(0), dy / np.maximum(length, np.float32(1e-6)))
        dx, dy, half = dx / radius[:, k], dy / radius[:, k], length * np.float32(0.5) / radius[:, k]
        rx = across - ((ax + bx) * np.float32(0.5))[:, None]  # (B, W), from the piece's middle
        ry = down - ((ay + by) * np.float32(0.5))[:, None]
        np.add((rx * dx[:, None])[:, None], (ry * dy[:, None])[:, :, None], out=along)
        np.subtract((ry * dx[:, None])[:, :, None], (rx * dy[:, None])[:, None], out=aside)
        np.abs(along, out=along)
        np.subtract(along, half[:, None, None], out=along)
        np.maximum(along, 0, out=along)
        np.multiply(along, along, out=along)
        np.multiply(aside, aside, out=aside)
        np.add(along, aside, out=along)
        np.minimum(least, along, out=least)
    return np.sqrt(least) - np.float32(1)
