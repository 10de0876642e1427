"""Answers to the exercises of the lab `flow-editing`: right ones, and wrong ones."""

from __future__ import annotations

import math

import torch

from course_lib.checks.flow_editing import back_to_noise as back
from course_lib.checks.flow_editing import between_images as between
from course_lib.checks.flow_editing import examine_inversion as by_inversion
from course_lib.checks.flow_editing import fill_in as filling
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


def filled_by_where(velocity, images, known, noise, steps):
    there = known.bool().expand_as(images)
    x = noise.clone()
    for k in range(steps):
        t = torch.tensor(k / steps)
        x = torch.where(there, torch.lerp(noise, images, k / steps), x)
        x += velocity(x, t) / steps
    return torch.where(there, images, x)


def filled_in_residuals(velocity, images, known, noise, steps):
    """What is known is added as a difference."""
    times = torch.linspace(0, 1, steps + 1)
    x = noise
    for k in range(steps):
        t = times[k]
        x = x + known * (t * images + (1 - t) * noise - x)
        x = x + (times[k + 1] - t) * velocity(x, t)
    return x + known * (images - x)


def filled(change):
    return lambda *arguments: change(filling.reference(*arguments))


def filled_given(change):
    return lambda *arguments: filling.reference(*change(*arguments))


def inversion_against_my_own(invert):
    """A velocity of both, three steps, against the steps written out."""

    def field(x, t):
        return torch.sin(x) + 2 * t**2

    x0 = torch.tensor([[0.3, -2.0, 1.0]])
    x = x0.double()
    for k in range(3):
        t = torch.tensor(1 - k / 3).double()
        x = x - field(x - field(x, t) / 6, t - 1 / 6) / 3
    assert torch.allclose(invert(field, x0, 3).double(), x, atol=1e-5)


def inversion_by_a_product(invert):
    """One step with velocity x t: half the step to x / 2, and 3/4 x at the end."""
    x = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    assert torch.allclose(invert(lambda y, t: y * t, x, 1), 0.75 * x, atol=1e-6)


def inversion_returns(invert):
    by_inversion.reference(invert)
    return True


def inversion_swallows(invert):
    try:
        by_inversion.reference(invert)
    except AssertionError:
        print("lost!")


def inversion_wants_single(invert):
    by_inversion.reference(invert)
    x = torch.zeros(1, 2, dtype=torch.float64)
    assert invert(lambda y, t: 0 * y, x, 1).dtype == torch.float32


def inversion_is_exact(invert):
    """No solver with few steps is."""
    x = torch.ones(1, 2, dtype=torch.float64)
    assert torch.allclose(invert(lambda y, t: y, x, 4), x * math.exp(-1), atol=1e-6)


def inversion_moves(invert):
    x = torch.ones(1, 2)
    assert not torch.equal(invert(lambda y, t: y + t, x, 2), x)


def inversion_goes_back(invert):
    x = torch.ones(1, 2)
    assert float(invert(lambda y, t: torch.ones_like(y), x, 2).max()) < 1


RIGHT_ANSWERS = {
    "keep_known": [kept_by_where, kept_in_place],
    "restyle": [styled_by_the_package, styled_by_counting],
    "back_to_noise": [back_by_the_package, back_by_counting],
    "between_images": [between_one_by_one, between_by_cosines],
    "fill_in": [filled_by_where, filled_in_residuals],
    "examine_inversion": [inversion_against_my_own, inversion_by_a_product],
    "likeliest": [lambda: "c"],
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
    "fill_in": [
        (filled(lambda x: None), "None"),
        (filled(lambda x: x[0]), "FAIL"),
        (filled(lambda x: x.tolist()), "FAIL"),
        (filled(lambda x: x.clamp(-1, 1)), "FAIL known pixels come out"),
        (filled_given(lambda v, i, k, n, s: (v, i, 1 - k, n, s)), "they were looked up"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, n, s + 1)), "FAIL there are as many steps"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, n, 2 * s)), "FAIL there are as many steps"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, -n, s)), "FAIL known pixels are as noisy"),
        (filled_given(lambda v, i, k, n, s: (v, i, k, i, s)), "FAIL known pixels are as noisy"),
        (filled_given(lambda v, i, k, n, s: (v, n, k, n, s)), "FAIL known pixels come out"),
        (lambda v, i, k, n, s: k * i + (1 - k) * n, "the velocity is never asked"),
    ],
    "examine_inversion": [
        (inversion_returns, "your test returns True"),
        (inversion_swallows, "no points for that"),
        (inversion_wants_single, "your test rejects a right function"),
        (inversion_is_exact, "your test rejects a right function"),
        (inversion_moves, "no points for that"),
        (inversion_goes_back, "FAIL rejects: Euler"),
        (lambda invert: by_inversion._by_hand, "your test returns"),
        (by_inversion._constant, "FAIL rejects: Euler"),
        (by_inversion._without_time, "FAIL rejects: the clock forwards"),
        (by_inversion._generous, "FAIL rejects: Euler"),
        (lambda f: f(3), "your test rejects a right function"),
    ],
    "likeliest": [
        (lambda: "a", "FAIL the answer is what the run shows"),
        (lambda: "b", "FAIL the answer is what the run shows"),
        (lambda: "d", "nothing is committed yet"),
        (lambda: "C", "nothing is committed yet"),
        (lambda: 512, "nothing is committed yet"),
        (lambda: 512.0, "nothing is committed yet"),
        (lambda: ["c"], "nothing is committed yet"),
        (lambda: ("c",), "nothing is committed yet"),
        (lambda: "it is higher by about 500 nats", "nothing is committed yet"),
        (lambda: True, "nothing is committed yet"),
        (lambda: None, "nothing is committed yet"),
    ],
}

POINTS = {
    "keep_known": {"the mask the wrong way": 0, "the known part clean": 2},
    "restyle": {"time from 0": 2, "the velocity of the next time": 1},
    "back_to_noise": {"Euler": 1},
    "between_images": {"a straight line": 1, "a straight line, stretched": 1},
    "fill_in": {"left: hidden pixels stay hidden": 4, "unchanged": 0},
}
