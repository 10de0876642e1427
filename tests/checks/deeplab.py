"""Answers to the exercises of the lab `deeplab`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import numpy as np
import torch

from course_lib.checks.deeplab import choose_rates as rates
from course_lib.ops.atrous import taps_inside


def halves(height, width):
    top = rates.largest(height, width)
    return [max(1, top // 4), max(2, top // 2), top]


def by_counting(height, width):
    """Count every tap at every place, in whole numbers."""

    def fits(rate):
        inside = [
            sum(0 <= i + step < size for i in range(size) for step in (-rate, 0, rate))
            for size in (height, width)
        ]
        return 10 * inside[0] * inside[1] >= 4 * 9 * height * width

    top = max(rate for rate in range(1, height + width) if fits(rate))
    return rates._thirds(top)


def by_floats(height, width):
    """The notebook's solution: 0.39999... where the share is 40 %."""
    top = 1
    while taps_inside(height, top + 1) * taps_inside(width, top + 1) >= 0.4:
        top += 1
    return rates._thirds(top)


def as_numpy(height, width):
    return tuple(np.array(rates.reference(height, width)))


def as_array(height, width):
    return np.array(rates.reference(height, width))


def as_tensor(height, width):
    return torch.tensor(rates.reference(height, width))


def changed(change):
    return lambda height, width: change(*rates.reference(height, width))


RIGHT_ANSWERS = {
    "choose_rates": [halves, by_counting, by_floats, as_numpy, as_array, as_tensor],
}

WRONG_ANSWERS = {
    "choose_rates": [
        (lambda h, w: 3, "wanted 3 whole numbers"),
        (lambda h, w: (1.0, 2.0, 3.0), "is a float (1.0), wanted an int"),
        (changed(lambda a, b, c: (True, b, c)), "is a bool"),
        (changed(lambda a, b, c: (a, b, c, c + 1)), "has 4 numbers, wanted 3"),
        (changed(lambda a, b, c: {a, b, c}), "is a set"),
        (changed(lambda a, b, c: (0, b, c)), "at least 1"),
        (changed(lambda a, b, c: (-a, b, c)), "at least 1"),
        (changed(lambda a, b, c: (a, b, c + 1)), "of the taps"),
        (changed(lambda a, b, c: (a, b, c - 1)), "a larger one would still"),
        (changed(lambda a, b, c: (b, a, c)), "the smallest first"),
        (changed(lambda a, b, c: (a, c, c)), "different"),
        (changed(lambda a, b, c: (c - 2, c - 1, c)), "far end"),
        (changed(lambda a, b, c: (1, 2, c)), "a fifth of the largest apart"),
        (changed(lambda a, b, c: f"{a}{b}{c}"), "is a str"),
        (lambda h, w: (1, 2, 3), "a larger one would still"),
        (lambda h, w: (h // 6, h // 3, h // 2), ""),
        (lambda h, w: rates.reference(max(h, w), max(h, w)), ""),
        (lambda h, w: (min(h, w) // 4, min(h, w) // 3, min(h, w) // 2), ""),
    ]
}

POINTS = {"choose_rates": {"largest first": 4, "crowded at the far end": 4}}
