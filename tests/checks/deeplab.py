"""Answers to the exercises of the lab `deeplab`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks.deeplab import atrous as conv
from course_lib.checks.deeplab import choose_rates as rates
from course_lib.checks.deeplab import stack_field as stack
from course_lib.ops.atrous import atrous_conv2d, effective_kernel, measured_field, taps_inside
from course_lib.ops.convolution import Window, receptive_field


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


def field_by_windows(layers):
    if not layers:
        return 1
    windows = [Window(effective_kernel(k, r), s) for k, s, r in layers]
    return receptive_field(windows)[-1].size


def field_by_gradient(layers):
    net = nn.Sequential(*(nn.Conv1d(1, 1, k, s, dilation=r, bias=False) for k, s, r in layers))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.5)
    wrapped = nn.Sequential(nn.Flatten(2), net, nn.Unflatten(2, (1, -1)))
    field = measured_field(wrapped, torch.zeros(1, 1, 1, 2000), at=(0, 0)).nonzero()
    return int(field[:, 1].max()) + 1


def field_from_the_top(layers):
    """One output needs so many places of the map below, and so on down to the pixels."""
    places = 1
    for kernel, stride, rate in reversed(layers):
        places = (places - 1) * stride + rate * (kernel - 1) + 1
    return np.int64(places)


def field_of(change):
    return lambda layers: change(stack.reference(layers), layers)


def conv_taught(x, weight, rate):
    padding = rate * (len(weight) // 2)
    return atrous_conv2d(x[None, None], weight[None, None], rate=rate, padding=padding)[0, 0]


def conv_by_slices(x, weight, rate):
    reach = rate * (len(weight) // 2)
    padded = F.pad(x, [reach] * 4)
    y = torch.zeros_like(x)
    for a in range(len(weight)):
        for b in range(len(weight)):
            row, column = a * rate, b * rate
            y += weight[a, b] * padded[row : row + len(x), column : column + x.shape[1]]
    return y


def conv_with_holes(x, weight, rate):
    """A dense kernel with zeros between the taps."""
    k = rate * (len(weight) - 1) + 1
    dense = torch.zeros(k, k)
    dense[::rate, ::rate] = weight
    return F.conv2d(x[None, None], dense[None, None], padding=k // 2)[0, 0]


def conv_in_place(x, weight, rate):
    out = conv.reference(x, weight, rate)
    x.copy_(out)
    return x


def conv_by_roll(x, weight, rate):
    half = len(weight) // 2
    return sum(
        weight[a, b] * torch.roll(x, ((half - a) * rate, (half - b) * rate), (0, 1))
        for a in range(len(weight))
        for b in range(len(weight))
    )


def conv_cropped(x, weight, rate):
    """Valid places only, put into the middle of zeros."""
    out = torch.zeros_like(x)
    reach = rate * (len(weight) // 2)
    valid = conv.reference(x, weight, rate)
    if 2 * reach < min(x.shape):
        out[reach : -reach or None, reach : -reach or None] = valid[
            reach : -reach or None, reach : -reach or None
        ]
    return out


RIGHT_ANSWERS = {
    "stack_field": [field_by_windows, field_by_gradient, field_from_the_top],
    "atrous": [conv_taught, conv_by_slices, conv_with_holes],
    "choose_rates": [halves, by_counting, by_floats, as_numpy, as_array, as_tensor],
}

WRONG_ANSWERS = {
    "stack_field": [
        (lambda layers: 7, ""),
        (lambda layers: None, ""),
        (field_of(lambda field, layers: float(field)), "is a float"),
        (field_of(lambda field, layers: torch.tensor(float(field))), "wanted an int"),
        (field_of(lambda field, layers: field - 1), ""),
        (field_of(lambda field, layers: field**2), ""),
        (field_of(lambda field, layers: field if len(layers) < 4 else field - 1), ""),
        (field_of(lambda field, layers: 0 if not layers else field), "the field of []"),
        (lambda layers: stack.reference([(k, s, r) for k, s, r in layers if k > 1][:3]), ""),
        (lambda layers: stack.reference([(k, s, s) for k, s, r in layers]), ""),
        (lambda layers: stack.reference([(k, r, s) for k, s, r in layers]), ""),
        (lambda layers: 1 + sum(r * (k - 1) for k, s, r in layers), "change with the strides"),
        (lambda layers: max([r * (k - 1) + 1 for k, s, r in layers], default=1), ""),
    ],
    "atrous": [
        (lambda *_: None, ""),
        (conv_in_place, "you changed your input `x`"),
        (conv_by_roll, "come back on the other"),
        (conv_cropped, "the map with its border"),
        (lambda x, w, r: conv.reference(x, w, r)[None], "shape"),
        (lambda x, w, r: conv.reference(x, w, max(1, r - 1)), ""),
        (lambda x, w, r: conv.reference(x, w, 2), ""),
        (lambda x, w, r: conv.reference(x, w.flip(0), r), ""),
        (lambda x, w, r: conv.reference(x, w, r).relu() + 1, ""),
        (lambda x, w, r: conv.reference(x, w[:3, :3], r), "another kernel"),
        (lambda x, w, r: conv.reference(x - x.mean(), w, r), ""),
        (lambda x, w, r: conv.reference(x, w, r) / w.sum(), ""),
        (lambda x, w, r: conv.reference(x, w, r).numpy(), "torch.Tensor"),
    ],
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
    ],
}

POINTS = {
    "atrous": {"the border repeated": 4},
    "choose_rates": {"largest first": 4, "crowded at the far end": 4},
}
