"""Answers to the exercises of the lab `flow-editing`: right ones, and wrong ones."""

from __future__ import annotations

import math

import torch

from course_lib.checks.flow_editing import back_to_noise as back
from course_lib.checks.flow_editing import between_images as between
from course_lib.checks.flow_editing import keep_known as keep
from course_lib.checks.flow_editing import restyle as style
from course_lib.ops import mix, solve


def kept_by_where(x, images, known, noise, t):
    here = torch.lerp(noise, images, t)
    return torch.where(known.bool().expand_as(x), here, x)


def kept_in_place(x, images, known, noise, t):
    out = x.clone()
    there = known.bool().expand_as(x)
    out[there] = (noise + t * (images - noise))[there]
    return out


def styled_by_the_package(velocity, images, noise, start, steps):
    x = mix(images, noise, torch.tensor(start, dtype=images.dtype))
    return solve(velocity, x, torch.linspace(start, 1, steps + 1), solver="euler")


def styled_by_counting(velocity, images, noise, start, steps):
    x = noise + start * (images - noise)
    dt = (1 - start) / steps
    for k in range(steps):
        x = x + dt * velocity(x, torch.tensor(start + k * dt))
    return x


def back_by_the_package(velocity, images, steps):
    return solve(velocity, images, torch.linspace(1, 0, steps + 1), solver="midpoint")


def back_by_counting(velocity, images, steps):
    x, dt = images, -1 / steps
    for k in range(steps):
        t = torch.tensor(1 + k * dt)
        x = x + dt * velocity(x + dt / 2 * velocity(x, t), t + dt / 2)
    return x


def between_one_by_one(invert, draw, first, second, share):
    a, b = invert(first), invert(second)
    pictures = []
    for one, two in zip(a, b, strict=True):
        angle = math.acos(float((one * two).sum() / (one.norm() * two.norm())))
        z = math.sin((1 - share) * angle) * one + math.sin(share * angle) * two
        pictures.append(draw((z / math.sin(angle))[None]))
    return torch.cat(pictures)


def between_by_cosines(invert, draw, first, second, share):
    a, b = invert(first), invert(second)
    cosine = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))
    angle = cosine.acos()[:, None, None, None]
    return draw(
        ((1 - share) * angle).sin() / angle.sin() * a + (share * angle).sin() / angle.sin() * b
    )


def kept(change):
    return lambda *arguments: change(keep.reference(*arguments))


def kept_given(change):
    return lambda *arguments: keep.reference(*change(*arguments))


def styled_given(change):
    return lambda *arguments: style.reference(*change(*arguments))


def styled(change):
    return lambda *arguments: change(style.reference(*arguments))


def backed(change):
    return lambda *arguments: change(back.reference(*arguments))


def backed_given(change):
    return lambda *arguments: back.reference(*change(*arguments))


def laid(change):
    return lambda *arguments: change(between.reference(*arguments))


def laid_given(change):
    return lambda *arguments: between.reference(*change(*arguments))


def keeps_in_x(x, images, known, noise, t):
    x.copy_(keep.reference(x, images, known, noise, t))
    return x


def styles_in_images(velocity, images, noise, start, steps):
    images.mul_(start).add_((1 - start) * noise)
    return solve(velocity, images, torch.linspace(start, 1, steps + 1), solver="euler")


def backs_in_images(velocity, images, steps):
    for t in torch.linspace(1, 0, steps + 1)[:-1]:
        half = images - velocity(images, t) / (2 * steps)
        images -= velocity(half, t - 1 / (2 * steps)) / steps
    return images


RIGHT_ANSWERS = {
    "keep_known": [kept_by_where, kept_in_place],
    "restyle": [styled_by_the_package, styled_by_counting],
    "back_to_noise": [back_by_the_package, back_by_counting],
    "between_images": [between_one_by_one, between_by_cosines],
}

WRONG_ANSWERS = {
    "keep_known": [
        (kept(lambda x: None), "None"),
        (kept(lambda x: x.tolist()), "wanted a torch.Tensor"),
        (kept(lambda x: x[0]), "shape (2, 3, 4)"),
        (kept(lambda x: x.mean(1, keepdim=True)), "shape (2, 1, 3, 4)"),
        (kept(lambda x: x.clamp(-1, 1)), "FAIL"),
        (kept(lambda x: 2 * x), "FAIL the rest stays"),
        (kept_given(lambda x, i, k, n, t: (x, i, k, n, t**2)), "FAIL on the way"),
        (kept_given(lambda x, i, k, n, t: (x, i, k, -n, t)), "FAIL on the way"),
        (kept_given(lambda x, i, k, n, t: (n, i, k, n, t)), "FAIL the rest stays"),
        (kept_given(lambda x, i, k, n, t: (x, i, k[:1], n, t)), "FAIL"),
        (kept_given(lambda x, i, k, n, t: (x, i, k, torch.randn_like(n), t)), "FAIL on the way"),
        (keeps_in_x, "you changed your input `x`"),
    ],
    "restyle": [
        (styled(lambda x: None), "None"),
        (styled(lambda x: x[0]), "shape (1, 3, 4)"),
        (styled(lambda x: x.numpy()), "wanted a torch.Tensor"),
        (styled(lambda x: x.clamp(-1, 1)), "FAIL"),
        (styled(lambda x: x.detach() + 0.01), "FAIL"),
        (styled_given(lambda v, i, n, s, k: (v, i, n, s, k + 1)), "FAIL one step"),
        (styled_given(lambda v, i, n, s, k: (v, i, n, s, 2)), "FAIL one step"),
        (styled_given(lambda v, i, n, s, k: (v, i, -n, s, k)), "FAIL the images are mixed"),
        (styled_given(lambda v, i, n, s, k: (v, n, i, s, k)), "FAIL the images are mixed"),
        (styled_given(lambda v, i, n, s, k: (v, i, n, s**2, k)), "FAIL the images are mixed"),
        (styled_given(lambda v, i, n, s, k: (v, i, 0 * n, s, k)), "FAIL the images are mixed"),
        (styles_in_images, "you changed your input `images`"),
    ],
    "back_to_noise": [
        (backed(lambda x: None), "None"),
        (backed(lambda x: x[0]), "shape (1, 3, 4)"),
        (backed(lambda x: x.tolist()), "wanted a torch.Tensor"),
        (backed(lambda x: -x), "FAIL with a constant velocity"),
        (backed(lambda x: x / x.std()), "FAIL with a constant velocity"),
        (backed_given(lambda v, x, k: (v, x, k + 1)), "FAIL one step"),
        (backed_given(lambda v, x, k: (v, x, 1)), "FAIL one step"),
        (backed_given(lambda v, x, k: (v, x.clamp(-1, 1), k)), "FAIL"),
        (backed_given(lambda v, x, k: (lambda y, t: v(y, 1 - t), x, k)), "FAIL one step"),
        (backed_given(lambda v, x, k: (lambda y, t: v(x, t), x, k)), "FAIL one step"),
        (lambda v, x, k: x, "nothing has moved"),
        (backs_in_images, "you changed your input `images`"),
    ],
    "between_images": [
        (laid(lambda x: None), "None"),
        (laid(lambda x: x[0]), "shape (1, 2, 3)"),
        (laid(lambda x: x.tolist()), "wanted a torch.Tensor"),
        (laid(lambda x: x.clamp(-1, 1)), "FAIL"),
        (laid(lambda x: 1.1 * x), "FAIL at both ends"),
        (laid_given(lambda i, d, a, b, s: (i, d, b, a, s)), "FAIL at both ends"),
        (laid_given(lambda i, d, a, b, s: (i, d, a, b, s**2)), "FAIL through codes"),
        (laid_given(lambda i, d, a, b, s: (i, d, a, b, 0.5)), "FAIL at both ends"),
        (laid_given(lambda i, d, a, b, s: (i, lambda z: z, a, b, s)), "FAIL through codes"),
        (laid_given(lambda i, d, a, b, s: (lambda x: x, d, a, b, s)), "FAIL through codes"),
        (laid_given(lambda i, d, a, b, s: (i, d, a, a.roll(1, 0), s)), "FAIL"),
        (laid_given(lambda i, d, a, b, s: (d, i, a, b, s)), "FAIL through codes"),
    ],
}

POINTS = {
    "keep_known": {"the mask the wrong way": 0, "the known part clean": 2},
    "restyle": {"time from 0": 2, "the velocity of the next time": 1},
    "back_to_noise": {"Euler": 1},
    "between_images": {"a straight line": 1, "a straight line, stretched": 1},
}
