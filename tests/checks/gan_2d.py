"""Answers to the exercises of the lab `gan-2d`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.checks.gan_2d import diagnose_games as games
from course_lib.checks.gan_2d import generator_gradient as heard
from course_lib.checks.gan_2d import modes_covered as modes
from course_lib.checks.gan_2d import optimal_discriminator as best
from course_lib.losses import generator_loss
from course_lib.metrics import mode_coverage
from course_lib.train import PointsConfig
from tests.checks.shared import causes


def best_by_sigmoid(p, q):
    logit = (p / q).log()
    return torch.sigmoid(logit), logit


def best_by_numpy(p, q):
    p, q = p.numpy(), q.numpy()
    return torch.from_numpy(p / (p + q)), torch.from_numpy(np.log(p) - np.log(q))


def best_in_one_tensor_of_two(p, q):
    return [1 / (1 + q / p), p.log().sub(q.log())]


def best_in_place(p, q):
    p /= p + q
    return p, (p / (1 - p)).log()


def best_probability_of(change):
    return lambda p, q: (change(p, q), best.reference(p, q)[1])


def best_logit_of(change):
    return lambda p, q: (best.reference(p, q)[0], change(p, q))


def heard_by_autograd(logits, kind):
    logits = logits.clone().requires_grad_()
    loss = generator_loss(logits, kind=kind)
    return loss.detach(), torch.autograd.grad(loss, logits)[0]


def heard_by_cross_entropy(logits, kind):
    aim = torch.zeros_like(logits) if kind == "minimax" else torch.ones_like(logits)
    sign = -1 if kind == "minimax" else 1
    gradient = sign * (torch.sigmoid(logits) - aim) / len(logits)
    return sign * F.binary_cross_entropy_with_logits(logits, aim), gradient


def heard_by_log_sigmoid(logits, kind):
    if kind == "minimax":
        return F.logsigmoid(-logits).mean(), -logits.sigmoid() / logits.numel()
    return -F.logsigmoid(logits).mean(), -(1 - logits.sigmoid()) / logits.numel()


def heard_scaled(loss, gradient):
    def answer(logits, kind):
        right = heard.reference(logits, kind)
        return right[0] * loss, right[1] * gradient

    return answer


def heard_kind_ignored(kind_taken):
    return lambda logits, kind: heard.reference(logits, kind_taken)


def heard_logits_overwritten(logits, kind):
    right = heard.reference(logits, kind)
    logits.sigmoid_()
    return right


def heard_clamped(logits, kind):
    return heard.reference(logits.clamp(-10, 10), kind)


def modes_by_the_package(points, centres, std):
    got = mode_coverage(points, centres, std)
    return got.covered, got.high_quality


def modes_by_loops(points, centres, std):
    found, good = set(), 0
    for x in points:
        lengths = [(x - c).norm().item() for c in centres]
        if min(lengths) <= 3 * std:
            good += 1
            found.add(lengths.index(min(lengths)))
    return torch.tensor(len(found)), torch.tensor(good / len(points))


def modes_by_numpy(points, centres, std):
    distance = torch.cdist(points, centres).numpy()
    good = distance.min(axis=1) <= 3 * std
    return np.unique(distance.argmin(axis=1)[good]).size, good.mean()


def modes_of(change):
    """A right count, then something done to it."""
    return lambda points, centres, std: change(*modes.reference(points, centres, std))


def modes_bincount_of_all(points, centres, std):
    distance, nearest = torch.cdist(points, centres).min(1)
    counts = torch.bincount(nearest, minlength=len(centres))
    return int((counts > 0).sum()), float((distance <= 3 * std).double().mean())


def modes_by_mean(points, centres, std):
    distance, nearest = torch.cdist(points, centres).min(1)
    near = [distance[nearest == k].mean() <= 3 * std for k in range(len(centres))]
    return int(sum(near)), float((distance <= 3 * std).double().mean())


def modes_good_within_any_pair(points, centres, std):
    inside = torch.cdist(points, centres) <= 3 * std
    return int(inside.any(0).sum()), float(inside.any(1).double().mean())


def modes_share_of_pairs(points, centres, std):
    inside = torch.cdist(points, centres) <= 3 * std
    return modes.reference(points, centres, std)[0], float(inside.double().mean())


def modes_manhattan(points, centres, std):
    distance, nearest = torch.cdist(points, centres, p=1).min(1)
    good = distance <= 3 * std
    return len(nearest[good].unique()), float(good.double().mean())


def schedule(**options):
    return lambda: PointsConfig(**{"batch_size": 128, "penalty": "r1", **options})


RIGHT_ANSWERS = {
    "optimal_discriminator": [best_by_sigmoid, best_by_numpy, best_in_one_tensor_of_two],
    "generator_gradient": [heard_by_autograd, heard_by_cross_entropy, heard_by_log_sigmoid],
    "modes_covered": [modes_by_the_package, modes_by_loops, modes_by_numpy],
    "diagnose_games": [causes(games)],
    "cheapest_game": [
        schedule(steps=580, lr=4e-3, lr_discriminator=8e-3, penalty_weight=0.05),
    ],
}

WRONG_ANSWERS = {
    "optimal_discriminator": [
        (lambda p, q: None, "return"),
        (lambda p, q: torch.zeros(3), "return two"),
        (best_in_place, "changed your input `p`"),
        (best_logit_of(lambda p, q: p.log2() - q.log2()), "base 2"),
        (best_logit_of(lambda p, q: q.log() - p.log()), "sign"),
        (best_logit_of(lambda p, q: (p + 1e-8).log() - (q + 1e-8).log()), "small number"),
        (best_logit_of(lambda p, q: torch.logit(p / (p + q), eps=1e-6)), "cut the probability"),
        (best_logit_of(lambda p, q: (p - q) / (p + q)), "the logit is wrong"),
        (best_probability_of(lambda p, q: torch.softmax(torch.stack([p, q]), 0)[0]), "D is wrong"),
        (best_probability_of(lambda p, q: p / (p + q).sum()), "D is wrong"),
        (best_probability_of(lambda p, q: torch.where(p > q, 1.0, 0.5)), "D is wrong"),
        (lambda p, q: best.reference(p.float(), q.float()), "inf"),
        (lambda p, q: tuple(x.numpy() for x in best.reference(p, q)), "wanted a torch.Tensor"),
    ],
    "generator_gradient": [
        (lambda logits, kind: None, "return"),
        (lambda logits, kind: torch.zeros(3), "return two"),
        (heard_logits_overwritten, "changed your input `logits`"),
        (heard_scaled(0.5, 0.5), "loss"),
        (heard_scaled(1.0, 2.0), "gradient"),
        (heard_scaled(1 / math.log(2), 1.0), "loss"),
        (heard_kind_ignored("minimax"), "the non-saturating loss"),
        (heard_kind_ignored("non-saturating"), "the minimax loss"),
        (heard_clamped, "200"),
        (
            lambda logits, kind: (
                heard.reference(logits, kind)[0],
                heard.reference(logits, kind)[1].mean(),
            ),
            "shape",
        ),
        (
            lambda logits, kind: (
                heard.reference(logits, kind)[0],
                heard.reference(logits, kind)[1].mean().expand(len(logits)),
            ),
            "same for every logit",
        ),
    ],
    "modes_covered": [
        (lambda *_: None, "return"),
        (lambda *_: torch.zeros(3), "return two"),
        (modes_good_within_any_pair, "nearest"),
        (modes_bincount_of_all, "nearest centre"),
        (modes_by_mean, "average the distances"),
        (modes_share_of_pairs, "share"),
        (modes_manhattan, ""),
        (modes_of(lambda found, share: (share, found)), "share first"),
        (modes_of(lambda found, share: (found, 1 - share)), "not* good"),
        (modes_of(lambda found, share: (found, 100 * share)), "percent"),
        (modes_of(lambda found, share: (found, round(share, 1))), "share"),
        (modes_of(lambda found, share: (found > 0, share)), "the number of modes"),
        (modes_of(lambda found, share: (torch.tensor(8 - found), torch.tensor(share))), ""),
    ],
    "diagnose_games": [
        (causes(games, A="no penalty"), "not 'no penalty'"),
        (causes(games, B="no penalty"), "not 'no penalty'"),
        (causes(games, C="rate too high"), "not 'rate too high'"),
        (causes(games, D="leak"), "not 'leak'"),
        (causes(games, E="critic without a bound"), "not 'critic without a bound'"),
        (causes(games, A="Leak"), "wanted one of"),
        (lambda: {"B": "leak"}, "says nothing about run 'A'"),
        (lambda: tuple(games.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "leak", "wanted a dictionary"),
    ],
    "cheapest_game": [
        (lambda: 3, "wanted a train.PointsConfig"),
        (lambda: PointsConfig, "wanted a train.PointsConfig"),
        (lambda: {"steps": 500}, "wanted a train.PointsConfig"),
        (schedule(steps=3000), "not even tried"),
        (schedule(steps=1000, critic_steps=4), "not even tried"),
        (schedule(steps=500, batch_size=256), "at most 128"),
        (schedule(steps=0), "wanted 8 in each"),
        (schedule(steps=5), "wanted 8 in each"),
        (schedule(steps=50, lr=1e-5), "wanted 8 in each"),
        (lambda: PointsConfig(steps=-1), "ValueError"),
    ],
}

POINTS = {
    "optimal_discriminator": {"the logit from the rounded probability": 3},
    "generator_gradient": {
        "the two losses swapped": 0,
        "the logarithm of a rounded number": 4,
    },
    "modes_covered": {"the modes that are missed": 2},
    "cheapest_game": {"far too short": 0},
}
