"""Answers to the exercises of the lab `vqvae`: right ones in other styles, and wrong ones."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from course_lib.checks.vqvae import follow_codes as follow
from course_lib.checks.vqvae import next_shares as shares
from course_lib.ops import VectorQuantizer


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


RIGHT_ANSWERS = {
    "follow_codes": [follow_by_one_hot, follow_by_a_loop, follow_by_the_package],
    "next_shares": [shares_by_a_loop, shares_by_a_matrix, shares_moved],
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
}

POINTS = {
    "follow_codes": {"divided by the old count": 3, "only chosen codes fade": 1},
    "next_shares": {"a code counts itself": 0, "the last code alone counts": 2},
}
