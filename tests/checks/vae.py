"""Answers to the exercises of the lab `vae`: right ones in other styles, and wrong ones."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from course_lib.checks.vae import code_nats as nats
from course_lib.checks.vae import diagnose_codes as codes
from course_lib.checks.vae import draw_code as draw
from course_lib.checks.vae import examine_bound as by_bound
from course_lib.checks.vae import smallest_code as short
from course_lib.checks.vae import vae_loss as bound_loss
from course_lib.checks.vae import weighted_bound as many
from course_lib.losses import gaussian_kl
from course_lib.models import CVAE, VAE
from tests.checks.shared import by_the_name, causes, letters, with_an_error


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


def loss_by_distributions(encoder, decoder, log_sigma, images, noise):
    """Every density by torch.distributions."""
    mean, logvar = encoder(images)
    q = Normal(mean, torch.exp(logvar / 2))
    z = mean + q.stddev * noise
    likely = Normal(decoder(z), log_sigma.exp()).log_prob(images).flatten(1).sum(1)
    return (kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(1) - likely).mean()


def loss_image_by_image(encoder, decoder, log_sigma, images, noise):
    total, number = 0, images[0].numel()
    for image, e in zip(images, noise, strict=True):
        mean, logvar = (part[0] for part in encoder(image[None]))
        drawn = decoder((mean + logvar.exp().sqrt() * e)[None])[0]
        error = ((image - drawn) / log_sigma.exp()) ** 2
        nats = 0.5 * error.sum() + number * (log_sigma + 0.5 * math.log(2 * math.pi))
        total = total + nats - 0.5 * (1 + logvar - mean**2 - logvar.exp()).sum()
    return total / len(images)


def short_code(**changes):
    given = {"in_channels": 1, "size": 16, "latent_dim": 4, "hidden": (256, 128), "sigma": 0.1}
    return lambda: VAE(**{**given, **changes})


def loss_changed(**changes):
    return lambda *arguments: bound_loss._loss(*arguments, **changes)


def loss_of(change):
    return lambda *arguments: change(bound_loss.reference(*arguments))


def bound_against_my_own(bound):
    """Random images against a function of one's own, near and far from 0."""
    rng = torch.Generator().manual_seed(2)
    for level in (0.0, -2000.0):
        mean, logvar = torch.randn(2, 5, 3, generator=rng)
        z = torch.randn(5, 4, 3, generator=rng)
        likely = level + 2 * torch.randn(5, 4, generator=rng)
        q = Normal(mean[:, None], (logvar / 2).exp()[:, None])
        weight = likely + (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
        wanted = [math.log(sum(math.exp(w - max(row)) for w in row) / 4) + max(row)
                  for row in weight.tolist()]  # fmt: skip
        got = bound(likely, z, mean, logvar)
        assert torch.allclose(got.double(), torch.tensor(wanted).double(), atol=2e-3)


def bound_by_parts(bound):
    by_bound._far(bound)
    by_bound._by_hand(bound)
    by_bound._one_code(bound)
    by_bound._at_the_prior(bound)
    by_bound._equal_weights(bound)


def bound_returns(bound):
    return bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR).shape == (2,)


def bound_in_float32(bound):
    got = bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR)
    assert got.dtype == torch.float32
    by_bound.reference(bound)


def bound_rises(bound):
    """More codes never give less, which holds on average only."""
    parts = by_bound.LIKELY, by_bound.Z
    one, three = (bound(*(p[:, :k] for p in parts), by_bound.MEAN, by_bound.LOGVAR) for k in (1, 3))
    assert (three >= one).all()


def bound_is_finite(bound):
    assert bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR).isfinite().all()


def bound_of_averages(bound):
    """Expects the average of logarithms."""
    wanted = by_bound._wanted() - 0.3
    got = bound(by_bound.LIKELY, by_bound.Z, by_bound.MEAN, by_bound.LOGVAR)
    assert torch.allclose(got.double(), wanted, atol=1e-4)


def bound_swallows(bound):
    try:
        by_bound.reference(bound)
    except AssertionError:
        print("wrong!")


RIGHT_ANSWERS = {
    "draw_code": [draw_by_the_root, draw_number_by_number, draw_scaled_first],
    "code_nats": [nats_by_distributions, nats_by_the_package, nats_as_most_write_it],
    "weighted_bound": [bound_by_distributions, bound_by_noise, bound_by_a_loop],
    "examine_bound": [bound_against_my_own, bound_by_parts],
    "vae_loss": [loss_by_distributions, loss_image_by_image],
    "silent_numbers": [lambda: "b"],
    "diagnose_codes": [causes(codes)],
    "smallest_code": [short_code(hidden=(256, 96), sigma=0.09)],
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
    "diagnose_codes": [
        (causes(codes, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(codes, B="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(codes, C="code too short"), "not 'code too short'"),
        (causes(codes, D="variance without a bound"), "not 'variance without a bound'"),
        (causes(codes, E="no divergence"), "not 'no divergence'"),
        (causes(codes, E="Collapsed"), "wanted one of"),
        (causes(codes, A=None), "your cause is None"),
        (causes(codes, C=["beta too large"]), "wanted one of"),
        (lambda: {"A": "no divergence"}, "says nothing about run 'B'"),
        (lambda: list(codes.reference().values()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: dict.fromkeys("ABCDE", "beta too large"), "not 'beta too large'"),
    ],
    "smallest_code": [
        (lambda: 4, "wanted a models.VAE"),
        (lambda: VAE, "wanted a models.VAE"),
        (lambda: [short.reference()], "wanted a models.VAE"),
        (lambda: nn.Linear(256, 4), "wanted a models.VAE"),
        (lambda: CVAE(in_channels=1, size=16), "wanted a models.VAE"),
        (short_code(size=32), "takes images of 1x32x32"),
        (short_code(in_channels=3), "takes images of 3x16x16"),
        (short_code(likelihood="bernoulli", sigma=None), "the digits are grey"),
        (short_code(hidden=(512, 128)), "over the budget"),
        (short_code(hidden=None, width=32), "over the budget"),
        (short_code(sigma=-1.0), "ValueError"),
        (short_code(sigma=3.0), "mean squared error 0.1"),
    ],
    "examine_bound": [
        (with_an_error, "RuntimeError"),
        (bound_returns, "returns"),
        (bound_in_float32, "rejects a right function"),
        (bound_rises, "rejects a right function"),
        (bound_is_finite, "accepts every wrong one"),
        (bound_of_averages, "rejects a right function"),
        (bound_swallows, "accepts every wrong one"),
        (by_the_name, "rejects a right function"),
        (lambda bound: bound(by_bound.LIKELY, by_bound.Z), "TypeError"),
        (lambda bound: 0, "returns 0"),
        (lambda bound: by_bound._one_code(bound), "accepts it"),
    ],
    "vae_loss": [
        (loss_changed(**{**bound_loss.BUGS, "pixels": "sum"}), "1 of 7 points"),
        (loss_changed(pixels="mean", path="cut"), "the loss rises by"),
        (loss_changed(codes="mean", own_sigma=0.0), "sigma goes from 1 to"),
        (loss_changed(deviation=0.0), "FAIL codes spread"),
        (loss_of(lambda loss: -loss), "FAIL loss and gradients"),
        (loss_of(lambda loss: 2 * loss), "FAIL"),
        (loss_of(lambda loss: loss.item()), "is a float, wanted a torch.Tensor"),
        (loss_of(lambda loss: loss.detach()), "no gradient at all"),
        (loss_of(lambda loss: loss.expand(3)), "wanted one number"),
        (loss_of(lambda loss: None), "is a NoneType"),
        (lambda e, d, s, x, n: bound_loss.reference(e, d, s.detach(), x, n), "log_sigma"),
        (lambda e, d, s, x, n: bound_loss.reference(e, d, s, x, 0 * n), "FAIL codes spread"),
        (lambda e, d, s, x, n: bound_loss.reference(e, d, s / 2, x, n), "FAIL a large sigma"),
    ],
    "silent_numbers": [
        *[(letters(n), "you committed") for n in "acd"],
        *[(letters(n), "nothing is committed") for n in ("B", "e", 0.0, "it stays", ["b"], None)],
        (letters("b "), "nothing is committed"),
    ],
}

POINTS = {
    "draw_code": {"the variance for the deviation": 2, "cut off": 3, "the deviation cut off": 4},
    "code_nats": {"the exponential forgotten": 0, "the wrong sign": 1, "nothing summed": 0},
    "weighted_bound": {"the mean of the logarithms": 3, "exponentials as they are": 5},
    "diagnose_codes": {"collapse and large weight exchanged": 3},
    "smallest_code": {"a long code": 2, "noise that is learned": 0},
    "examine_bound": {"small numbers": 9, "one code": 6},
    "vae_loss": {"left: the encoder hears the decoder": 4, "unchanged": 0},
}
