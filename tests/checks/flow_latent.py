"""Answers to the exercises of the lab `flow-latent`: right ones in other styles, and wrong ones."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from course_lib.checks.flow_latent import cut_patches as cut
from course_lib.checks.flow_latent import draw_codes as to_pictures
from course_lib.checks.flow_latent import scale_codes as scale
from course_lib.ops import VectorQuantizer, solve, time_steps
from tests.checks.shared import letters


def scale_by_a_loop(vectors):
    means, spreads = [], []
    for channel in vectors.unbind(1):
        means.append(channel.mean())
        spreads.append(channel.double().std().float())
    return torch.stack(means)[:, None, None], torch.stack(spreads).view(-1, 1, 1)


def scale_by_rows(vectors):
    rows = vectors.movedim(1, 0).flatten(1)  # (C, N h w)
    mean = rows.mean(1)
    return mean.reshape(-1, 1, 1), (rows.square().mean(1) - mean**2).sqrt().reshape(-1, 1, 1)


def scale_by_std_mean(vectors):
    std, mean = torch.std_mean(vectors, (0, 2, 3), correction=0, keepdim=True)
    return [mean[0], std[0]]


def scale_of(change):
    return lambda vectors: change(*scale.reference(vectors))


def scale_in_place(vectors):
    right = scale.reference(vectors)
    vectors -= right[0]
    return right


def cut_by_unshuffle(x, patch):
    return F.pixel_unshuffle(x, patch).flatten(2).transpose(1, 2)


def cut_by_unfold(x, patch):
    return F.unfold(x, patch, stride=patch).movedim(1, 2)


def cut_by_a_loop(x, patch):
    rows = [band.split(patch, 3) for band in x.split(patch, 2)]
    return torch.stack([square.flatten(1) for row in rows for square in row], 1)


def cut_of(change):
    return lambda x, patch: change(cut.reference(x, patch))


def cut_overwrites(x, patch):
    right = cut.reference(x, patch)
    x.zero_()
    return right


def pictures_by_the_package(field, decoder, codebook, mean, std, noise, steps):
    times = time_steps(steps)
    x = solve(lambda at, t: field(at, float(t)), noise, times, solver="euler")
    quantiser = VectorQuantizer(num_codes=len(codebook), dim=codebook.shape[1])
    quantiser.codebook.copy_(codebook)
    return decoder(quantiser.lookup(quantiser.codes(x * std + mean)))


def pictures_by_a_loop(field, decoder, codebook, mean, std, noise, steps):
    x, t = noise.clone(), 0.0
    while t < 1 - 1e-6:
        x += field(x, t) * (1 / steps)
        t += 1 / steps
    u = torch.addcmul(mean, x, std)
    far = (u[:, None] - codebook[None, :, :, None, None]).square().sum(2)  # (B, K, h, w)
    return decoder(F.embedding(far.argmin(1), codebook).permute(0, 3, 1, 2))


def pictures_twice_as_fast(field, *rest):
    return to_pictures.reference(lambda x, t: 2 * field(x, t), *rest)


def pictures_of(change):
    return lambda *arguments: change(to_pictures.reference(*arguments))


RIGHT_ANSWERS = {
    "scale_codes": [scale_by_a_loop, scale_by_rows, scale_by_std_mean],
    "cut_patches": [cut_by_unshuffle, cut_by_unfold, cut_by_a_loop],
    "draw_codes": [pictures_by_the_package, pictures_by_a_loop],
    "swap_patches": [lambda: "b"],
}

WRONG_ANSWERS = {
    "scale_codes": [
        (lambda vectors: None, "return"),
        (lambda vectors: vectors, "return two things"),
        (scale_in_place, "changed your input `vectors`"),
        (scale_of(lambda mean, std: (std, mean)), "FAIL"),
        (scale_of(lambda mean, std: (mean, 2 * std)), "standard deviation 0.50"),
        (scale_of(lambda mean, std: (mean + std, std)), "-1.00 of its standard"),
        (scale_of(lambda mean, std: (mean.flatten(), std.flatten())), "wanted ("),
        (scale_of(lambda mean, std: (mean[None], std[None])), "wanted ("),
        (scale_of(lambda mean, std: (mean, std.flatten().tolist())), "wanted a torch.Tensor"),
        (scale_of(lambda mean, std: (mean, 1 / std)), "after scaling"),
        (scale_of(lambda mean, std: (mean, 0 * std)), "FAIL"),
        (partial(scale._scale, centre="none", spread="variance"), "away from 0"),
    ],
    "cut_patches": [
        (lambda x, patch: None, "return"),
        (lambda x, patch: x, "wanted a tensor of shape"),
        (cut_overwrites, "changed your input `x`"),
        (cut_of(lambda s: s.flip(1)), "place 0 does not hold"),
        (cut_of(lambda s: s.flip(2)), "FAIL the numbers"),
        (cut_of(lambda s: s.transpose(1, 2)), "wanted a tensor of shape"),
        (cut_of(lambda s: 2 * s), "FAIL"),
        (cut_of(lambda s: s.numpy()), "wanted a tensor"),
        (cut_of(lambda s: s.mean(2, keepdim=True).expand_as(s)), "FAIL it can be put back"),
        (lambda x, patch: F.pixel_unshuffle(x, patch), "wanted a tensor of shape"),
        (lambda x, patch: cut.reference(x.transpose(2, 3), patch), "FAIL"),
    ],
    "draw_codes": [
        (partial(to_pictures._draw, time="backwards", last="left out"), "first asked at t = 1.00"),
        (partial(to_pictures._draw, scale="done again", choice="none"), "are not in the list"),
        (partial(to_pictures._draw, scale="left", last="left out"), "away from them"),
        (partial(to_pictures._draw, choice="rows cut across", time="backwards"), "FAIL the time"),
        (lambda *args: to_pictures.reference(*args[:-1], 2 * args[-1]), "times, wanted"),
        (lambda *args: None, "return"),
        (lambda field, decoder, *rest: decoder(rest[3]), "the field is never asked"),
        (lambda *args: to_pictures.reference(args[0], lambda u: u, *args[2:]), "wanted what"),
        (pictures_of(lambda made: made.flip(2)), "FAIL on random numbers"),
        (pictures_of(lambda made: made[:1]), "wanted what the decoder returns"),
        (pictures_twice_as_fast, "times 1 / steps"),
    ],
    "swap_patches": [
        *[(letters(n), "you committed") for n in "acd"],
        *[(letters(n), "nothing is committed") for n in ("B", "e", 2, "swapped", ["b"], None, "")],
    ],
}

POINTS = {
    "scale_codes": {"the variance": 1, "each place by itself": 0},
    "cut_patches": {"channels last": 2, "reshaped": 0, "columns first": 1},
    "draw_codes": {"left: the codes are unscaled": 3, "unchanged": 0, "vectors cut across": 3},
}
