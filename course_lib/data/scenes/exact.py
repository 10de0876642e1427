"""Array types, and mathematics that gives the same bits on every machine.

Only operations that IEEE 754 rounds in one way are used (``+ - * / sqrt floor min max``), so sine
and cosine are polynomials of our own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Values = NDArray[Any] | np.floating[Any] | float  # what broadcasts against an array
Size = tuple[int, int]


def f32(values: Any) -> Array:
    """A float32 array of anything that looks like one."""
    return np.asarray(values, dtype=np.float32)


def sincos(turns: Array) -> tuple[Array, Array]:
    """Sine and cosine of an angle in turns (1.0 = full circle), from polynomials: error < 2e-6."""
    t = turns - np.floor(turns + 0.5)  # [-0.5, 0.5)

    def sine(a: Array) -> Array:  # a in [-0.5, 0.5) turns
        a = np.where(a > 0.25, 0.5 - a, np.where(a < -0.25, -0.5 - a, a))
        x = a * np.float32(6.283185307179586)
        s = x * x
        series = 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72 * (1 - s / 110))))
        return x * series

    c = t + 0.25
    return sine(t), sine(c - np.floor(c + 0.5))


def smoothstep(x: Values) -> Array:
    """0 below 0, 1 above 1, and the cubic 3x² - 2x³ in between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def mix(a: Values, b: Values, t: Values) -> Array:
    """Linear interpolation: `a` where t is 0, `b` where t is 1."""
    result: Any = a + (b - a) * t  # an array: one of the three is
    return result


def to_uint8(images: Array) -> Array:
    """[0, 1] float to uint8, rounded and clipped."""
    result: Array = np.rint(np.clip(images, 0, 1) * np.float32(255)).astype(np.uint8)
    return result
