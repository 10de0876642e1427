"""Answers to the exercises of the lab `vae`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal, kl_divergence

from course_lib.checks.vae import code_nats as nats
from course_lib.checks.vae import draw_code as draw
from course_lib.checks.vae import weighted_bound as many
from course_lib.losses import gaussian_kl


def draw_by_the_root(mean, logvar, noise):
    return torch.addcmul(mean, logvar.exp().sqrt(), noise)


def draw_number_by_number(mean, logvar, noise):
    rows = [
        torch.stack([m + math.e ** (v / 2) * e for m, v, e in zip(*row, strict=True)])
        for row in zip(mean, logvar, noise, strict=True)
    ]
    return torch.stack(rows)


def draw_scaled_first(mean, logvar, noise):
    return (noise / torch.exp(-logvar / 2)).add(mean)


def drawn(change):
    return lambda mean, logvar, noise: change(draw.reference(mean, logvar, noise))


def draw_in_place(mean, logvar, noise):
    right = draw.reference(mean, logvar, noise)
    noise.mul_((0.5 * logvar.detach()).exp())
    return right


def nats_by_distributions(mean, logvar):
    q = Normal(mean, (0.5 * logvar).exp())
    return kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(1)


def nats_by_the_package(mean, logvar):
    return gaussian_kl(mean, logvar).sum(1)


def nats_as_most_write_it(mean, logvar):
    return -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp(), dim=-1)


def nats_of(change):
    return lambda mean, logvar: change(nats.reference(mean, logvar))


def nats_given(change):
    return lambda mean, logvar: nats.reference(*change(mean, logvar))


def nats_in_place(mean, logvar):
    right = nats.reference(mean, logvar)
    logvar.exp_()
    return right


def bound_by_distributions(likely, z, mean, logvar):
    q = Normal(mean[:, None], (0.5 * logvar[:, None]).exp())
    weights = likely + Normal(0.0, 1.0).log_prob(z).sum(2) - q.log_prob(z).sum(2)
    return torch.logsumexp(weights, dim=1) - math.log(likely.shape[1])


def bound_by_noise(likely, z, mean, logvar):
    """The constants of both densities are the same and cancel."""
    noise = (z - mean.unsqueeze(1)) / (logvar.unsqueeze(1) / 2).exp()
    weights = likely + (noise.square() - z.square() + logvar.unsqueeze(1)).sum(2) / 2
    largest = weights.amax(1, keepdim=True)
    return (weights - largest).exp().mean(1).log() + largest.squeeze(1)


def bound_by_a_loop(likely, z, mean, logvar):
    found = []
    for i in range(len(likely)):
        total = -math.inf
        for r in range(likely.shape[1]):
            q = Normal(mean[i].double(), (logvar[i].double() / 2).exp())
            weight = likely[i, r].item() + Normal(0.0, 1.0).log_prob(z[i, r]).sum().item()
            weight -= q.log_prob(z[i, r].double()).sum().item()
            top, low = max(total, weight), min(total, weight)
            total = top + math.log1p(math.exp(low - top))
        found.append(total - math.log(likely.shape[1]))
    return torch.tensor(found)


def bound_of(change):
    return lambda *arguments: change(many.reference(*arguments))


def bound_given(change):
    return lambda *arguments: many.reference(*change(*arguments))


RIGHT_ANSWERS = {
    "draw_code": [draw_by_the_root, draw_number_by_number, draw_scaled_first],
    "code_nats": [nats_by_distributions, nats_by_the_package, nats_as_most_write_it],
    "weighted_bound": [bound_by_distributions, bound_by_noise, bound_by_a_loop],
}

WRONG_ANSWERS = {
    "draw_code": [
        (drawn(lambda z: None), "is the `return` missing?"),
        (drawn(lambda z: z.tolist()), "wanted a torch.Tensor"),
        (drawn(lambda z: z.T), "has shape"),
        (drawn(lambda z: z[:1]), "has shape (1, 3)"),
        (drawn(lambda z: z.mean(1)), "has shape"),
        (drawn(lambda z: z.clamp(-2, 2)), "is wrong in"),
        (drawn(lambda z: z.round()), "is wrong in"),
        (drawn(lambda z: z.data), "no gradient arrives"),
        (draw_in_place, "you changed your input `noise`"),
        (lambda mean, logvar, noise: noise, "is wrong in"),
        (lambda mean, logvar, noise: mean + noise, "FAIL elsewhere"),
        (lambda mean, logvar, noise: mean + logvar.exp() ** 2 * noise, "FAIL elsewhere"),
        (lambda mean, logvar, noise: torch.normal(mean, logvar.exp().sqrt()), "is wrong in"),
        (lambda mean, logvar, noise: mean.detach() + (logvar / 2).exp() * noise, "at `mean`"),
    ],
    "code_nats": [
        (nats_of(lambda kl: None), "is the `return` missing?"),
        (nats_of(lambda kl: kl.tolist()), "wanted a torch.Tensor"),
        (nats_of(lambda kl: kl[:, None]), "has shape"),
        (nats_of(lambda kl: kl.sum()), "wanted (5,)"),
        (nats_of(lambda kl: kl / math.log(2)), "is wrong in"),
        (nats_of(lambda kl: kl.clamp(max=1.0)), "is wrong in"),
        (nats_of(lambda kl: kl + 1), "FAIL a code that is the prior"),
        (nats_given(lambda mean, logvar: (logvar, mean)), "is wrong in"),
        (nats_given(lambda mean, logvar: (mean, -logvar)), "FAIL a variance other than 1"),
        (nats_given(lambda mean, logvar: (mean, 0 * logvar)), "FAIL a variance other than 1"),
        (nats_given(lambda mean, logvar: (0 * mean, logvar)), "FAIL far means cost"),
        (nats_given(lambda mean, logvar: (mean.T, logvar.T)), "has shape"),
        (nats_in_place, "you changed your input `logvar`"),
    ],
    "weighted_bound": [
        (bound_of(lambda b: None), "is the `return` missing?"),
        (bound_of(lambda b: b.tolist()), "wanted a torch.Tensor"),
        (bound_of(lambda b: b.mean()), "wanted (4,)"),
        (bound_of(lambda b: -b), "is wrong in"),
        (bound_of(lambda b: b / math.log(2)), "is wrong in"),
        (bound_of(lambda b: b.clamp(min=-50)), "FAIL a thousand nats"),
        (bound_of(lambda b: b.exp()), "is wrong in"),
        (bound_given(lambda p, z, m, v: (p[:, :1], z[:, :1], m, v)), "FAIL with several"),
        (bound_given(lambda p, z, m, v: (p, z, 0 * m, v)), "is wrong in"),
        (bound_given(lambda p, z, m, v: (p, z, m, 0 * v)), "is wrong in"),
        (bound_given(lambda p, z, m, v: (-p, z, m, v)), "is wrong in"),
        (bound_given(lambda p, z, m, v: (p, z[:, :, :1], m[:, :1], v[:, :1])), "is wrong in"),
        (lambda p, z, m, v: p.logsumexp(1), "is wrong in"),
    ],
}

POINTS = {
    "draw_code": {"the variance for the deviation": 2, "cut off": 3, "the deviation cut off": 4},
    "code_nats": {"the exponential forgotten": 0, "the wrong sign": 1, "nothing summed": 0},
    "weighted_bound": {"the mean of the logarithms": 3, "exponentials as they are": 5},
}
