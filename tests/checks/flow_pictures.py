"""Answers to the exercises of the lab `flow-pictures`: right ones in other styles, and wrong."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from course_lib.checks.flow_pictures import examine_way as by_way
from course_lib.checks.flow_pictures import flow_step as flowing
from course_lib.checks.flow_pictures import guided_answer as guide
from course_lib.checks.flow_pictures import on_the_way as way
from course_lib.checks.flow_pictures import time_waves as waves
from course_lib.checks.flow_pictures import undo_noise as undo
from course_lib.models.time_unet import waves_of
from course_lib.ops import guided, mix, target
from tests.checks.shared import by_the_name, letters, with_an_error


def way_by_the_package(images, noise, t):
    return mix(images, noise, t), target(images, noise, t, "velocity")


def way_by_lerp(images, noise, t):
    return torch.lerp(noise, images, t.reshape(-1, 1, 1, 1)), images.sub(noise)


def way_image_by_image(images, noise, t):
    rows = [float(s) * x + (1 - float(s)) * e for x, e, s in zip(images, noise, t, strict=True)]
    return torch.stack(rows), -(noise - images)


def way_of(change):
    return lambda *arguments: change(*way.reference(*arguments))


def way_given(change):
    return lambda *arguments: way.reference(*change(*arguments))


def way_in_place(images, noise, t):
    right = way.reference(images, noise, t)
    noise.sub_(images)
    return right


def waves_by_the_package(t, num):
    return waves_of(t, num)


def waves_column_by_column(t, num):
    half = num // 2
    angles = [1000 * t.double() / 10_000 ** (k / half) for k in range(half)]
    columns = [angle.cos() for angle in angles] + [angle.sin() for angle in angles]
    return torch.stack(columns, dim=1).float()


def waves_as_complex_numbers(t, num):
    half = num // 2
    angles = 1000 * t[:, None] * torch.logspace(0, -4, half + 1)[:half]
    turned = torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=1)


def waves_result(change):
    return lambda t, num: change(waves.reference(t, num))


def waves_in_place(t, num):
    right = waves.reference(t, num)
    t.mul_(1000)
    return right


def guided_by_the_package(network, x, t, labels, weight):
    times = t.expand(len(x))
    none = network(x, times, torch.full_like(labels, -1))
    return guided(none, network(x, times, labels), weight)


def guided_in_one_call(network, x, t, labels, weight):
    both = network(
        torch.cat([x, x]), t.repeat(2 * len(x)), torch.cat([labels, labels.new_full((len(x),), -1)])
    )
    told, none = both.chunk(2)
    return torch.lerp(none, told, weight)


def guided_as_the_paper(network, x, t, labels, weight):
    w, times = weight - 1, t.repeat(len(x))
    told, none = network(x, times, labels), network(x, times, 0 * labels - 1)
    return (1 + w) * told - w * none


def guided_of(change):
    return lambda *arguments: change(guide.reference(*arguments))


def guided_given(change):
    return lambda *arguments: guide.reference(*change(*arguments))


def guided_in_place(network, x, t, labels, weight):
    right = guide.reference(network, x, t, labels, weight)
    labels.fill_(-1)
    return right


def undone_by_the_image(say_noise, x, betas, fresh):
    """The same mean, by the image that the noise implies."""
    for k in range(len(betas) - 1, -1, -1):
        kept = math.prod((1 - betas[: k + 1]).tolist())
        before = math.prod((1 - betas[:k]).tolist())
        image = (x - (1 - kept) ** 0.5 * say_noise(x, k)) / kept**0.5
        own = before**0.5 * betas[k] / (1 - kept) * image
        x = own + (1 - betas[k]) ** 0.5 * (1 - before) / (1 - kept) * x
        x = x + (betas[k] ** 0.5 * fresh[k] if k else 0)
    return x


def undone_with_zeros(say_noise, x, betas, fresh):
    kept, z = (1 - betas).cumprod(0), fresh.clone()
    z[0] = 0
    for k, (beta, left, new) in reversed(list(enumerate(zip(betas, kept, z, strict=True)))):
        less = beta * say_noise(x, k) / torch.sqrt(1 - left)
        x = torch.rsqrt(1 - beta) * (x - less) + beta.sqrt() * new
    return x


def undone_of(change):
    return lambda *arguments: change(undo.reference(*arguments))


def undone_given(change):
    return lambda *arguments: undo.reference(*change(*arguments))


def undone_in_place(say_noise, x, betas, fresh):
    right = undo.reference(say_noise, x, betas, fresh)
    fresh[0] = 0
    return right


def flow_by_lists(layers, pixels, labels, noise, t, coins):
    """Image by image, each with its own share."""
    away = coins(len(labels)).tolist()
    told = torch.tensor([-1 if gone else k for k, gone in zip(labels.tolist(), away, strict=True)])
    images = 2 * pixels.float() / 255 - 1
    x = torch.stack([torch.lerp(e, i, s) for e, i, s in zip(noise, images, t, strict=True)])
    for layer in layers:
        x = layer(x, t, told)
    return F.mse_loss(x, images - noise)


def flow_by_the_package(layers, pixels, labels, noise, t, coins):
    from course_lib.data import to_float
    from course_lib.ops import mix, target

    images = to_float(pixels)
    told = torch.where(coins(len(labels)), -1, labels)
    h = mix(images, noise, t)
    for layer in layers:
        h = layer(h, t, told)
    return (h - target(images, noise, t, "velocity")).square().flatten(1).mean(1).mean()


def flow_changed(**changes):
    return lambda *arguments: flowing._step(*arguments, **changes)


def flow_of(change):
    return lambda *arguments: change(flowing.reference(*arguments))


def flow_given(change):
    return lambda *arguments: flowing.reference(*change(*arguments))


def way_against_my_own(way):
    """Other sizes, by torch.lerp, in double precision."""
    generator = torch.Generator().manual_seed(3)
    for size in ((2, 3, 4, 2), (3, 1, 2, 3)):
        images, noise = torch.randn(2, *size, generator=generator)
        t = torch.linspace(0.1, 0.7, len(images))
        x, velocity = way(images, noise, t)
        share = t.double().view(-1, 1, 1, 1)
        wanted = torch.lerp(noise.double(), images.double(), share)
        assert torch.allclose(x.double(), wanted, atol=1e-3)
        assert torch.allclose(velocity.double(), images.double() - noise.double(), atol=1e-3)


def way_by_a_step(way):
    """Where the velocity leads in the rest of the time, and in the time so far."""
    t = torch.tensor([0.3, 0.6])
    x, velocity = way(by_way.IMAGES, by_way.NOISE, t)
    at = t.view(-1, 1, 1, 1)
    assert torch.allclose((x + (1 - at) * velocity).float(), by_way.IMAGES, atol=1e-3)
    assert torch.allclose((x - at * velocity).float(), by_way.NOISE, atol=1e-3)


def way_returns(way):
    by_way.reference(way)
    return True


def way_wants_float32(way):
    by_way.reference(way)
    assert way(by_way.IMAGES, by_way.NOISE, by_way.T)[0].dtype == torch.float32


def way_swallows(way):
    try:
        by_way.reference(way)
    except AssertionError:
        print("wrong!")


def way_of_shapes(way):
    x, velocity = way(by_way.IMAGES, by_way.NOISE, by_way.T)
    assert x.shape == velocity.shape == by_way.IMAGES.shape


def way_backwards(way):
    """As papers on diffusion count."""
    x, _ = way(by_way.IMAGES, by_way.NOISE, torch.zeros(2))
    assert torch.allclose(x.double(), by_way.IMAGES.double(), atol=1e-3)


RIGHT_ANSWERS = {
    "on_the_way": [way_by_the_package, way_by_lerp, way_image_by_image],
    "time_waves": [waves_by_the_package, waves_column_by_column, waves_as_complex_numbers],
    "guided_answer": [guided_by_the_package, guided_in_one_call, guided_as_the_paper],
    "undo_noise": [undone_by_the_image, undone_with_zeros],
    "flow_step": [flow_by_lists, flow_by_the_package],
    "examine_way": [way_against_my_own, way_by_a_step],
    "paper_weight": [lambda: "c"],
}

WRONG_ANSWERS = {
    "on_the_way": [
        (way_of(lambda x, v: None), "is the `return` missing?"),
        (way_of(lambda x, v: x), "return two tensors"),
        (way_of(lambda x, v: (x, v, v)), "return two tensors"),
        (way_of(lambda x, v: (x.tolist(), v)), "wanted a torch.Tensor"),
        (way_of(lambda x, v: (x[0], v)), "has shape"),
        (way_of(lambda x, v: (x, v.mean())), "has shape"),
        (way_of(lambda x, v: (x.clamp(-1, 1), v)), "is wrong in"),
        (way_of(lambda x, v: (x, 2 * v)), "the velocity is wrong in"),
        (way_given(lambda x, e, t: (e, x, t)), "FAIL noise at time 0"),
        (way_given(lambda x, e, t: (x, e, t.square())), "FAIL each image at its own time"),
        (way_given(lambda x, e, t: (x, e, t.flip(0))), "FAIL noise at time 0"),
        (way_given(lambda x, e, t: (x, 0 * e, t)), "FAIL the velocity leads"),
        (way_in_place, "you changed your input `noise`"),
    ],
    "time_waves": [
        (waves_result(lambda w: None), "wanted a tensor of shape (2, 16)"),
        (waves_result(lambda w: w.tolist()), "wanted a tensor"),
        (waves_result(lambda w: w.T), "wanted a tensor of shape (2, 16)"),
        (waves_result(lambda w: w[:, :-1]), "wanted a tensor of shape (2, 16)"),
        (waves_result(lambda w: w.flip(1)), "FAIL at time 0"),
        (waves_result(lambda w: w + 1), "FAIL at time 0"),
        (waves_result(lambda w: w.square()), "FAIL the waves"),
        (lambda t, num: t[:, None].expand(-1, num), "FAIL neighbouring times"),
        (lambda t, num: waves.reference(1 - t, num), "FAIL at time 0"),
        (lambda t, num: waves.reference(0 * t, num), "differs by 0.000"),
        (lambda t, num: waves.reference(t, 16)[:, :num], "FAIL"),
        (waves_in_place, "you changed your input `t`"),
    ],
    "guided_answer": [
        (guided_of(lambda u: None), "is the `return` missing?"),
        (guided_of(lambda u: u.tolist()), "wanted a torch.Tensor"),
        (guided_of(lambda u: u.flatten(1)), "has shape"),
        (guided_of(lambda u: -u), "is wrong in"),
        (guided_of(lambda u: u.mean(0)), "has shape"),
        (guided_given(lambda n, x, t, y, w: (n, x, t, y, min(w, 1))), "FAIL a larger weight"),
        (guided_given(lambda n, x, t, y, w: (n, x, t, y, 2 * w)), "FAIL weight 1"),
        (guided_given(lambda n, x, t, y, w: (n, x, 1 - t, y, w)), "is wrong in"),
        (guided_given(lambda n, x, t, y, w: (n, x, t, y.flip(0), w)), "is wrong in"),
        (lambda n, x, t, y, w: n(x, t, y), "ValueError"),
        (lambda n, x, t, y, w: n(x, t.expand(len(x)), y), "FAIL weight 0"),
        (guided_in_place, "you changed your input `labels`"),
    ],
    "undo_noise": [
        (undone_of(lambda x: None), "is the `return` missing?"),
        (undone_of(lambda x: x.tolist()), "wanted a torch.Tensor"),
        (undone_of(lambda x: x[:1]), "FAIL"),
        (undone_of(lambda x: x.clamp(-0.5, 0.5)), "is wrong in"),
        (undone_given(lambda n, x, b, z: (n, x, b.flip(0), z)), "FAIL all steps"),
        (undone_given(lambda n, x, b, z: (n, x, b, z.flip(0))), "FAIL all steps"),
        (undone_given(lambda n, x, b, z: (n, 0 * x, b, z)), "is wrong in"),
        (undone_given(lambda n, x, b, z: (n, x, b[1:], z[1:])), "FAIL one step"),
        (undone_given(lambda n, x, b, z: (n, x, b.sqrt(), z)), "is wrong in"),
        (lambda n, x, b, z: n(x, 0), "is wrong in"),
        (lambda n, x, b, z: x - n(x, len(b) - 1), "is wrong in"),
        (undone_in_place, "you changed your input `fresh`"),
    ],
    "flow_step": [
        (flow_changed(**{**flowing.BUGS, "values": "-1 to 1"}), "1 of 7 points"),
        (flow_changed(values="0 to 1", way="image at 0"), "grey level 0"),
        (flow_changed(thrown="in each layer", not_told=0), "the three layers are told"),
        (flow_changed(wanted="noise - image", not_told=0), "the loss 16.000"),
        (flow_changed(thrown="for all", mean=False), "FAIL loss and gradients"),
        (flow_of(lambda loss: None), "wanted a torch.Tensor"),
        (flow_of(lambda loss: loss.item()), "is a float, wanted a torch.Tensor"),
        (flow_of(lambda loss: loss.detach()), "no gradient at all"),
        (flow_of(lambda loss: loss.expand(3)), "wanted one number"),
        (flow_of(lambda loss: 2 * loss), "FAIL loss and gradients"),
        (flow_given(lambda n, p, y, e, t, c: (n[:1], p, y, e, t, c)), "not every layer"),
        (flow_given(lambda n, p, y, e, t, c: (n, 255 - p, y, e, t, c)), "a black pixel"),
        (flow_given(lambda n, p, y, e, t, c: (n, p, y, 0 * e, t, c)), "at time 0.9"),
    ],
    "examine_way": [
        (with_an_error, "RuntimeError"),
        (way_returns, "returns True"),
        (way_wants_float32, "rejects a right function"),
        (way_swallows, "accepts every wrong one"),
        (way_of_shapes, "accepts every wrong one"),
        (way_backwards, "rejects a right function"),
        (by_the_name, "rejects a right function"),
        (lambda w: w(by_way.IMAGES, by_way.NOISE), "TypeError"),
        (lambda w: 0, "returns 0"),
        (lambda w: by_way._the_mixture_alone(w), "accepts it"),
        (lambda w: by_way._at_the_half(w), "accepts it"),
    ],
    "paper_weight": [
        *[(letters(n), "you committed") for n in "abd"],
        *[(letters(n), "nothing is committed") for n in ("C", "e", 4.0, "4", ["c"], None, "")],
    ],
}

POINTS = {
    "on_the_way": {"the velocity the other way": 3, "roots": 2, "time the other way": 0},
    "time_waves": {"t as it is": 1, "in turns": 1},
    "guided_answer": {"w for 1 + w": 0, "class 0 for not told": 1},
    "undo_noise": {"noise in the last step": 0, "no noise at all": 2},
    "flow_step": {"left: not told is no class": 4, "unchanged": 0},
    "examine_way": {"the two ends": 9, "half of the way": 7},
}
