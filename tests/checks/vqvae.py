"""Answers to the exercises of the lab `vqvae`: right ones in other styles, and wrong ones."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from course_lib.checks.vqvae import diagnose_codebooks as codebooks
from course_lib.checks.vqvae import examine_prior as by_prior
from course_lib.checks.vqvae import follow_codes as follow
from course_lib.checks.vqvae import next_shares as shares
from course_lib.checks.vqvae import quantise as choice
from course_lib.ops import VectorQuantizer
from tests.checks.shared import by_the_name, causes, with_an_error


def follow_by_one_hot(vectors, codes, counts, sums, decay):
    chosen = F.one_hot(codes, len(counts)).to(vectors)  # (N, K)
    counts = decay * counts + (1 - decay) * chosen.sum(0)
    sums = decay * sums + (1 - decay) * chosen.T @ vectors
    return counts, sums, sums / counts[:, None]


def follow_by_a_loop(vectors, codes, counts, sums, decay):
    new_counts, new_sums = [], []
    for k in range(len(counts)):
        own = vectors[codes == k]
        new_counts.append(torch.lerp(counts[k], torch.tensor(float(len(own))), 1 - decay))
        new_sums.append(torch.lerp(sums[k], own.sum(0), 1 - decay))
    counts, sums = torch.stack(new_counts), torch.stack(new_sums)
    return counts, sums, sums / counts.unsqueeze(1)


def follow_by_the_package(vectors, codes, counts, sums, decay):
    quantiser = VectorQuantizer(
        num_codes=len(counts), dim=vectors.shape[1], decay=decay, restart=0.0
    )
    quantiser.counts.copy_(counts)
    quantiser.sums.copy_(sums)
    quantiser._follow(vectors, codes)
    return [quantiser.counts, quantiser.sums, quantiser.codebook]


def follow_of(change):
    return lambda *arguments: change(*follow.reference(*arguments))


def follow_in_place(vectors, codes, counts, sums, decay):
    right = follow.reference(vectors, codes, counts, sums, decay)
    counts.copy_(right[0])
    return right


def shares_by_a_loop(codes, num_codes):
    out = torch.empty(*codes.shape, num_codes)
    for b, row in enumerate(codes.tolist()):
        for place in range(len(row)):
            for k in range(num_codes):
                out[b, place, k] = (row[:place].count(k) + 1) / (place + num_codes)
    return out


def shares_by_a_matrix(codes, num_codes):
    before = torch.ones(codes.shape[1], codes.shape[1]).tril(-1)  # (L, L)
    counts = before @ F.one_hot(codes, num_codes).float() + 1
    return F.normalize(counts, p=1, dim=2)


def shares_moved(codes, num_codes):
    each = F.one_hot(codes, num_codes).double()
    moved = F.pad(each, (0, 0, 1, 0))[:, :-1].cumsum(1) + 1
    return moved / moved.sum(-1, keepdim=True)


def shares_of(change):
    return lambda codes, num_codes: change(shares.reference(codes, num_codes))


def shares_overwrites(codes, num_codes):
    right = shares.reference(codes, num_codes)
    codes.zero_()
    return right


class Straight(torch.autograd.Function):
    """Forward the nearest code, backward nothing at all happens."""

    @staticmethod
    def forward(ctx, u, e):
        return e.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope, None


def choice_by_a_function(u, codebook, beta):
    codes = (u[:, None] - codebook).square().sum(2).argmin(1)
    e = F.embedding(codes, codebook)
    to_codes = (u.detach() - e).square().mean()
    to_vectors = (u - e.detach()).square().mean()
    return Straight.apply(u, e.detach()), codes, to_codes + beta * to_vectors


def choice_by_the_package(u, codebook, beta):
    quantiser = VectorQuantizer(
        num_codes=len(codebook), dim=u.shape[1], decay=None, commitment=beta
    )
    del quantiser.codebook
    quantiser.codebook = codebook
    out = quantiser(u[:, :, None, None])
    return out.quantised[:, :, 0, 0], out.codes[:, 0, 0], out.loss


def choice_of(change):
    return lambda *arguments: change(*choice.reference(*arguments))


def prior_by_logarithms(prior):
    """Other sizes, logarithms, all images in turn."""
    total = torch.zeros((), dtype=torch.float64)
    for row in torch.cartesian_prod(torch.arange(3), torch.arange(3)):
        chances = torch.as_tensor(prior(row[None], 3))[0].double()
        assert (chances > 0).all()
        total += chances.log().gather(1, row[:, None]).sum().exp()
    assert torch.isclose(total, torch.ones_like(total))
    a, b = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 0]])
    assert torch.allclose(prior(a, 3), prior(b, 3))  # the last code is seen by nobody
    c = torch.tensor([[2, 1, 0]])
    assert torch.allclose(prior(b, 3)[:, 0], prior(c, 3)[:, 0])
    assert torch.allclose(prior(torch.cat([a, a]), 3)[1:], prior(a, 3))
    d = torch.tensor([[0, 0, 0]])
    assert torch.allclose(prior(torch.cat([a, d]), 3)[:1], prior(a, 3))


def prior_returns(prior):
    by_prior.reference(prior)
    return True


def prior_wants_double(prior):
    assert prior(torch.tensor([[0, 1]]), 2).dtype == torch.float64


def prior_wants_a_half(prior):
    by_prior.reference(prior)
    assert prior(torch.tensor([[0, 0]]), 2)[0, 1, 0] == 2 / 3


def prior_swallows(prior):
    try:
        by_prior.reference(prior)
    except AssertionError:
        print("leaks!")


def prior_first_place_only(prior):
    shares = prior(torch.tensor([[0, 1, 0]]), 2)
    assert abs(float(shares[0, 0].sum()) - 1) < 1e-6


RIGHT_ANSWERS = {
    "follow_codes": [follow_by_one_hot, follow_by_a_loop, follow_by_the_package],
    "next_shares": [shares_by_a_loop, shares_by_a_matrix, shares_moved],
    "quantise": [choice_by_a_function, choice_by_the_package],
    "examine_prior": [prior_by_logarithms],
    "diagnose_codebooks": [causes(codebooks)],
}

WRONG_ANSWERS = {
    "follow_codes": [
        (lambda *_: None, "return"),
        (lambda *_: torch.zeros(3, 2), "return three things"),
        (follow_in_place, "changed your input `counts`"),
        (follow_of(lambda counts, sums, book: (sums, counts, book)), "FAIL the average counts"),
        (follow_of(lambda counts, sums, book: (counts, sums)), "return three things"),
        (follow_of(lambda counts, sums, book: (counts, sums, sums)), "FAIL the codebook"),
        (follow_of(lambda counts, sums, book: (counts, sums, 2 * book)), "it has moved"),
        (follow_of(lambda counts, sums, book: (counts + 1, sums, book)), "nobody chose"),
        (follow_of(lambda counts, sums, book: (counts, sums, book.T)), "shape"),
        (follow_of(lambda counts, sums, book: (counts.numpy(), sums, book)), "no tensor"),
        (follow_of(lambda counts, sums, book: (counts, sums + 0.1, book)), "the sums is wrong"),
        (partial(follow._follow, batch="mean", who="chosen codes"), "FAIL the average sums"),
        (partial(follow._follow, kept="the rest", repeated="overwritten"), "FAIL the average"),
    ],
    "next_shares": [
        (lambda *_: None, "return"),
        (lambda codes, num_codes: 3, "wanted a torch.Tensor"),
        (shares_overwrites, "changed your input `codes`"),
        (shares_of(lambda x: x.argmax(2)), "shape"),
        (shares_of(lambda x: x.log()), "FAIL counts"),
        (shares_of(lambda x: x.transpose(1, 2)), "shape"),
        (shares_of(lambda x: x.numpy()), "wanted a torch.Tensor"),
        (shares_of(lambda x: x.flip(2)), "FAIL counts"),
        (shares_of(lambda x: x.softmax(2)), "FAIL counts"),
        (partial(shares._shares, seen="all", extra=0.0), "was changed, and the shares"),
        (partial(shares._shares, seen="itself too", below="without K"), "16 sequences"),
        (partial(shares._shares, extra=0.5), "FAIL counts"),
    ],
    "quantise": [
        (partial(choice._quantise, nearest="farthest"), "not their nearest"),
        (partial(choice._quantise, **{**choice.BUGS, "order": "distances first"}), "the pull"),
        (partial(choice._quantise, straight="backwards", nearest="product"), "-1.00 times"),
        (partial(choice._quantise, straight="cut", terms="exchanged"), "0.00 times"),
        (partial(choice._quantise, order="afterwards", terms="exchanged"), "the loss is 0.0000"),
        (lambda u, codebook, beta: choice.reference(u, codebook, 1.0), "wanted 0."),
        (lambda *_: None, "return"),
        (choice_of(lambda handed, codes, loss: (codes, handed, loss)), "shape"),
        (choice_of(lambda handed, codes, loss: (handed, codes, loss.item())), "wanted a torch"),
        (choice_of(lambda handed, codes, loss: (handed, codes, 2 * loss)), "FAIL the loss is"),
        (choice_of(lambda handed, codes, loss: (handed, codes, loss.detach())), "does not move"),
        (choice_of(lambda handed, codes, loss: (handed, codes.float(), loss)), "no whole numbers"),
    ],
    "examine_prior": [
        (prior_returns, "returns True"),
        (prior_wants_double, "rejects a right function"),
        (prior_wants_a_half, "rejects a right function"),
        (prior_swallows, "accepts every wrong one"),
        (prior_first_place_only, "accepts it"),
        (with_an_error, "RuntimeError"),
        (by_the_name, "rejects a right function"),
        (lambda prior: prior(torch.tensor([[0, 1]])), "TypeError"),
        (lambda prior: 0, "returns 0"),
        (lambda prior: by_prior._alone(prior), "accepts it"),
    ],
    "diagnose_codebooks": [
        (causes(codebooks, A="nothing is wrong"), "not 'nothing is wrong'"),
        (causes(codebooks, B="gradient cut"), "not 'gradient cut'"),
        (causes(codebooks, C="nothing restarted"), "not 'nothing restarted'"),
        (causes(codebooks, D="loss after the line"), "not 'loss after the line'"),
        (causes(codebooks, E="rate too high"), "not 'rate too high'"),
        (causes(codebooks, A="Nothing restarted"), "wanted one of"),
        (causes(codebooks, B=None), "your cause is None"),
        (lambda: {"A": "nothing restarted"}, "says nothing about run 'B'"),
        (lambda: list(codebooks.reference().items()), "wanted a dictionary"),
        (lambda: {}, "says nothing"),
        (lambda: "gradient cut", "wanted a dictionary"),
    ],
}

POINTS = {
    "follow_codes": {"divided by the old count": 3, "only chosen codes fade": 1},
    "next_shares": {"a code counts itself": 0, "the last code alone counts": 2},
    "quantise": {"left: the nearest code is chosen": 3, "unchanged": 0},
    "examine_prior": {"the places alone sum to 1": 5, "changes alone": 9},
    "diagnose_codebooks": {"the falling errors taken for health": 3},
}
