"""Answers to the exercises of the lab `fcn`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.checks.fcn import bilinear_weight as bilinear
from course_lib.checks.fcn import heat_map as heat
from course_lib.checks.fcn import scatter as spread
from course_lib.ops import upsampling


def heat_by_windows(features, weight, bias, size):
    """The linear layer at each window, one after the other."""
    layer = nn.Linear(weight.shape[1], len(weight))
    layer.load_state_dict({"weight": weight, "bias": bias})
    k, l = size  # noqa: E741
    rows = [
        torch.stack(
            [
                layer(features[:, :, i : i + k, j : j + l].flatten(1))
                for j in range(features.shape[3] - l + 1)
            ],
            dim=-1,
        )
        for i in range(features.shape[2] - k + 1)
    ]
    return torch.stack(rows, dim=-2).detach()


def heat_by_unfold(features, weight, bias, size):
    columns = F.unfold(features, size)  # (B, C k l, places)
    rows = features.shape[2] - size[0] + 1
    return (weight @ columns + bias[:, None]).unflatten(2, (rows, -1))


def heat_by_einsum(features, weight, bias, size):
    windows = features.unfold(2, size[0], 1).unfold(3, size[1], 1)  # (B, C, h', w', k, l)
    kernel = weight.unflatten(1, (features.shape[1], *size))
    return torch.einsum("bchwkl,mckl->bmhw", windows, kernel) + bias[:, None, None]


def heat_of(change):
    return lambda *arguments: change(heat.reference(*arguments))


def heat_given(change):
    return lambda *arguments: heat.reference(*change(*arguments))


def heat_in_place(features, weight, bias, size):
    right = heat.reference(features, weight, bias, size)
    features.relu_()
    return right


def spread_by_torch(v, kernel, stride, padding):
    return F.conv_transpose1d(v[None, None], kernel[None, None], None, stride, padding)[0, 0]


def spread_as_list(v, kernel, stride, padding):
    out = [0.0] * (stride * (len(v) - 1) + len(kernel))
    for i, value in enumerate(v.tolist()):
        for a, tap in enumerate(kernel.tolist()):
            out[stride * i + a] += value * tap
    return out[padding : len(out) - padding]


def spread_by_matrix(v, kernel, stride, padding):
    """One row of the matrix for each input."""
    rows = torch.zeros(len(v), stride * (len(v) - 1) + len(kernel))
    for i in range(len(v)):
        rows[i, stride * i : stride * i + len(kernel)] = kernel
    return (v @ rows)[padding : rows.shape[1] - padding]


def spread_numpy(v, kernel, stride, padding):
    full = np.zeros(stride * (len(v) - 1) + 1)
    full[::stride] = v.numpy()
    return torch.tensor(np.convolve(full, kernel.numpy()))[padding:][: -padding or None]


def spread_of(change):
    return lambda *arguments: change(spread.reference(*arguments))


def spread_in_place(v, kernel, stride, padding):
    right = spread.reference(v, kernel, stride, padding)
    kernel.mul_(v[0])
    return right


def spread_by_sorted_inputs(v, kernel, stride, padding):
    return spread.reference(v.sort().values, kernel, stride, padding)


def weight_by_interpolating(channels, stride):
    """What an image with one bright pixel becomes, cut to where it is not 0."""
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    spot = F.interpolate(point, scale_factor=stride, mode="bilinear")[0, 0]
    inside = spot[2 * stride + stride // 2].nonzero().flatten()
    kernel = spot[inside[0] : inside[-1] + 1, inside[0] : inside[-1] + 1]
    return torch.eye(channels)[:, :, None, None] * kernel


def weight_by_boxes(channels, stride):
    """A triangle is a box on a box; an even stride averages two of them."""
    box = torch.ones(stride) / stride
    line = torch.from_numpy(np.convolve(box, box)).float() * stride
    if stride % 2 == 0:
        line = (F.pad(line, [0, 1]) + F.pad(line, [1, 0])) / 2
    return torch.einsum("oi,u,v->oiuv", torch.eye(channels), line, line)


def weight_of(change):
    return lambda channels, stride: change(bilinear.reference(channels, stride))


RIGHT_ANSWERS = {
    "heat_map": [heat_by_windows, heat_by_unfold, heat_by_einsum],
    "scatter": [spread_by_torch, spread_as_list, spread_by_matrix, spread_numpy],
    "bilinear_weight": [weight_by_interpolating, weight_by_boxes, upsampling.bilinear_weight],
}

WRONG_ANSWERS = {
    "heat_map": [
        (lambda *_: None, ""),
        (heat_in_place, "you changed your input `features`"),
        (heat_of(lambda y: y.softmax(1)), ""),
        (heat_of(lambda y: y.mT), ""),
        (heat_of(lambda y: y.permute(0, 2, 3, 1)), ""),
        (heat_of(lambda y: y[:, :, ::2, ::2]), ""),
        (heat_of(lambda y: F.pad(y, [0, 1, 0, 1])), ""),
        (heat_of(lambda y: y.numpy()), "torch.Tensor"),
        (heat_given(lambda f, w, b, s: (f, w, b.flip(0), s)), ""),
        (heat_given(lambda f, w, b, s: (f, w, b * s[0] * s[1], s)), "once to each score"),
        (heat_given(lambda f, w, b, s: (f, w / (s[0] * s[1]), b, s)), ""),
        (heat_given(lambda f, w, b, s: (f.flip(1), w, b, s)), ""),
        (heat_given(lambda f, w, b, s: (f.relu(), w, b, s)), ""),
    ],
    "scatter": [
        (lambda *_: None, ""),
        (spread_in_place, "you changed your input `kernel`"),
        (spread_by_sorted_inputs, ""),
        (spread_of(lambda u: u.flip(0)), ""),
        (spread_of(lambda u: u[:-1]), ""),
        (spread_of(lambda u: u.relu() + 0.01), ""),
        (spread_of(lambda u: u.mean()), ""),
        (spread_of(lambda u: u[None]), ""),
        (lambda v, k, s, p: spread.reference(k, v, s, p), ""),
        (lambda v, k, s, p: spread.reference(v, k, s + 1, p), ""),
        (lambda v, k, s, p: spread._scatter(v, k, s, p, cut=lambda u, p: u[p:-p]), "[0:0]"),
        (lambda v, k, s, p: spread._scatter(v, k, s, p, cut=lambda u, p: u[2 * p :]), "beginning"),
        (lambda v, k, s, p: spread._scatter(v, k, s, p, meet=torch.maximum), "keep the larger"),
        (lambda v, k, s, p: (v[:, None] * k).flatten(), ""),
    ],
    "bilinear_weight": [
        (lambda *_: None, ""),
        (lambda channels, stride: torch.zeros(channels, channels, 4, 4), ""),
        (weight_of(lambda w: w.flip(0)), "between two different channels"),
        (weight_of(lambda w: w * 0.5), ""),
        (weight_of(lambda w: w.square()), ""),
        (weight_of(lambda w: w.sqrt()), ""),
        (weight_of(lambda w: w + 0.01), "between two different channels"),
        (weight_of(lambda w: w.round(decimals=1)), ""),
        (weight_of(lambda w: w[:, :1]), ""),
        (weight_of(lambda w: F.pad(w, [1, 1, 1, 1])), ""),
        (weight_of(lambda w: w.roll(1, -1)), ""),
        (lambda channels, stride: bilinear.reference(channels, 2), ""),
        (lambda channels, stride: bilinear._weight(channels, stride, plane=torch.diag), ""),
        (weight_of(lambda w: w.numpy()), ""),
    ],
}

POINTS = {
    "heat_map": {"kernel turned": 1, "rows and columns swapped": 3, "zeros around the map": 0},
    "scatter": {"padding not cut": 3, "everything cut at the end": 4, "overlaps overwritten": 2},
    "bilinear_weight": {
        "even size for an odd stride": 4,
        "all pairs of channels": 1,
        "a pyramid": 2,
    },
}
