"""Answers to the exercises of the lab `dcgan`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks.dcgan import latent_walk as walk
from course_lib.checks.dcgan import up_padding as padding


def padding_by_trying(kernel, stride):
    """Try all paddings, the smallest output_padding first."""
    for extra in range(stride):
        for number in range(kernel + 1):
            if 4 * stride - 2 * number + kernel + extra == 5 * stride and kernel >= stride:
                return number, extra
    raise ValueError("no padding")


def padding_by_numpy(kernel, stride):
    if kernel < stride:
        raise ValueError("gaps")
    return np.array([-((stride - kernel) // 2), (kernel - stride) & 1])


def padding_by_ceiling(kernel, stride):
    if stride > kernel:
        raise ValueError
    half = -(-(kernel - stride) // 2)
    return [half, 2 * half - (kernel - stride)]


def refusing(rule):
    return lambda k, s: padding.reference(k, s) and rule(k, s)


def padding_largest_extra(kernel, stride):
    """The largest output_padding that works, for the smallest."""
    least = padding.reference(kernel, stride)
    more = (stride - 1 - least[1]) // 2
    return least[0] + more, least[1] + 2 * more


def padding_refused_by_none(kernel, stride):
    return None if kernel < stride else padding.reference(kernel, stride)


def padding_refused_too_often(kernel, stride):
    if kernel <= stride:
        raise ValueError("gaps")
    return padding.reference(kernel, stride)


def padding_refused_when_odd(kernel, stride):
    if (kernel - stride) % 2:
        raise ValueError("not exact")
    return padding.reference(kernel, stride)


def padding_asserted(kernel, stride):
    assert kernel >= stride, "kernel too small"
    return padding.reference(kernel, stride)


def padding_for_even_strides(kernel, stride):
    extra = kernel % 2
    return padding.reference(kernel, stride) and ((kernel - stride + extra) // 2, extra)


def walk_by_rotating(start, end, steps):
    """By an orthonormal basis of the plane of both: the unit vectors rotate, lengths are weights.

    The formula's point is a |start| + b |end| in that basis, a and b by the sine rule.
    """
    unit = start / start.norm()
    along = end @ unit
    across = end - along * unit
    if across.norm() < 1e-3 * end.norm():
        return torch.stack([torch.lerp(start, end, i / (steps - 1)) for i in range(steps)])
    other = across / across.norm()
    angle = torch.atan2(across.norm(), along)
    rows = []
    for i in range(steps):
        turned = angle * i / (steps - 1)
        weight_end = turned.sin() / angle.sin()
        weight_start = turned.cos() - weight_end * angle.cos()  # so that b=(sin) across fits
        first = weight_start * start.norm() + weight_end * along
        rows.append(first * unit + weight_end * across.norm() * other)
    return torch.stack(rows)


def walk_by_numpy(start, end, steps):
    a, b = start.numpy().astype(float), end.numpy().astype(float)
    angle = np.arccos(np.clip(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    if angle < 1e-3:
        return torch.from_numpy((1 - t) * a + t * b)
    return torch.from_numpy((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle))


def walk_by_cosine_similarity(start, end, steps, enough=0.9995):
    """The listing that most people copy: straight above a cosine of 0.9995."""
    cosine = F.cosine_similarity(start, end, dim=0)
    t = torch.linspace(0, 1, steps)
    if cosine > enough:
        return torch.outer(1 - t, start) + torch.outer(t, end)
    angle = torch.acos(cosine)
    return (
        torch.outer(torch.sin((1 - t) * angle), start) + torch.outer(torch.sin(t * angle), end)
    ) / torch.sin(angle)


def walk_with(**options):
    return lambda start, end, steps: walk._walk(start, end, steps, **options)


def walk_unclamped_by_units(start, end, steps):
    angle = torch.arccos((start / start.norm()) @ (end / end.norm()))
    if angle < 1e-3:
        return walk._walk(start, end, steps, straight=True)
    t = torch.linspace(0, 1, steps)[:, None]
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


def walk_start_overwritten(start, end, steps):
    right = walk.reference(start, end, steps)
    start /= start.norm()
    return right


def walk_scaled_to_mean_length(start, end, steps):
    arc = walk.reference(start / start.norm(), end / end.norm(), steps)
    t = torch.linspace(0, 1, steps)[:, None]
    return arc * ((1 - t) * start.norm() + t * end.norm())


def walk_by_small_number(start, end, steps):
    """A small number below the line, in place of the straight line."""
    angle = torch.arccos((start @ end / (start.norm() * end.norm())).clamp(-1 + 1e-7, 1 - 1e-7))
    t = torch.linspace(0, 1, steps)[:, None]
    below = torch.sin(angle) + 1e-3
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / below


def walk_smooth(start, end, steps):
    t = torch.linspace(0, 1, steps)
    return walk._walk(start, end, steps, times=t * t * (3 - 2 * t))


def walk_cosine_as_angle(start, end, steps):
    angle = 1 - start @ end / (start.norm() * end.norm())
    t = torch.linspace(0, 1, steps)[:, None]
    if angle < 1e-3:
        return (1 - t) * start + t * end
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


def walk_long_way(start, end, steps):
    return walk.reference(start, -end, steps)


RIGHT_ANSWERS = {
    "up_padding": [padding_by_trying, padding_by_numpy, padding_by_ceiling],
    "latent_walk": [walk_by_rotating, walk_by_numpy, walk_by_cosine_similarity],
}

WRONG_ANSWERS = {
    "up_padding": [
        (padding_largest_extra, "smaller output_padding is enough"),
        (padding_refused_by_none, "wanted a ValueError"),
        (padding_refused_too_often, "ValueError: gaps"),
        (padding_refused_when_odd, "ValueError: not exact"),
        (padding_asserted, "kernel too small"),
        (padding_for_even_strides, ""),
        (refusing(lambda k, s: ((k - s) / 2, 0)), "wanted an int"),
        (refusing(lambda k, s: (k - s + 1) // 2), "wanted 2 whole numbers"),
        (refusing(lambda k, s: (k - s, k - s)), "0 <= output_padding < stride"),
        (refusing(lambda k, s: ((k - s) // 2, -((k - s) % 2))), "0 <= output_padding < stride"),
        (refusing(lambda k, s: (round((k - s) / 2), (k - s) % 2)), "becomes"),
        (refusing(lambda k, s: (k // 2 - 1, k % 2)), "becomes"),
        (refusing(lambda k, s: (k // s, k % s)), "becomes"),
        (refusing(lambda k, s: ((k - 1) // 2, k % 2)), "does not use the stride"),
    ],
    "latent_walk": [
        (walk_with(clamp=False), "Clamp it"),
        (walk_unclamped_by_units, "Clamp it"),
        (walk_start_overwritten, "you changed your input `start`"),
        (walk_scaled_to_mean_length, ""),
        (walk_by_small_number, ""),
        (walk_smooth, ""),
        (walk_cosine_as_angle, ""),
        (walk_long_way, ""),
        (lambda *a: walk_by_cosine_similarity(*a, enough=0.9), ""),
        (lambda *a: walk.reference(*a)[1:-1], "shape"),
        (lambda *a: walk.reference(*a).T, "shape"),
        (lambda *a: list(walk.reference(*a)), "torch.stack"),
        (lambda a, b, n: walk._walk(a, b, n, times=torch.linspace(0, 1, n + 1)[1:]), ""),
        (lambda a, b, n: walk.reference(a, b, n) * a.norm() / walk.reference(a, b, n).norm(), ""),
    ],
}

POINTS = {
    "up_padding": {"a kernel smaller than the stride": 3},
    "latent_walk": {
        "divided by zero where both point the same way": 3,
        "no clamp before arccos": 3,
    },
}
