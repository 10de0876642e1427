"""Check of the exercise `next_shares`: the smallest prior, which counts what came before."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import Check


def reference(codes: Tensor, num_codes: int) -> Tensor:
    """Return how likely each code is at each place, given those before it.

    A code that was seen n times among the l codes before has the probability (n + 1) / (l + K):
    Laplace's rule.

    Args:
        codes: (B, L) int64, each row by itself.
        num_codes: K.

    Returns:
        (B, L, K); at each place the K numbers sum to 1.
    """
    return _shares(codes, num_codes)


def _shares(
    codes: Tensor,
    num_codes: int,
    *,
    seen: str = "before",
    extra: float = 1.0,
    below: str = "as many as were seen",
    rows: str = "each by itself",
) -> Tensor:
    """The shares, with one thing at a time that can be made wrong."""
    each = F.one_hot(codes, num_codes).float()  # (B, L, K)
    upto = each.cumsum(1)
    if seen == "before":
        counts = upto - each
    elif seen == "itself too":
        counts = upto
    elif seen == "all":
        counts = upto[:, -1:].expand_as(upto)
    elif seen == "all others":
        counts = upto[:, -1:] - each
    elif seen == "after":
        counts = upto[:, -1:] - upto
    else:  # the last one alone
        counts = torch.cat([torch.zeros_like(each[:, :1]), each[:, :-1]], 1)
    if rows == "together":
        counts = counts.sum(0, keepdim=True).expand_as(counts)
    counts = counts + extra
    if below == "the same everywhere":
        return counts / (codes.shape[1] + num_codes)
    if below == "without K":
        return counts / (counts.sum(2, keepdim=True) - num_codes + 1)
    if below == "over places":
        return counts / counts.sum(1, keepdim=True)
    return counts / counts.sum(2, keepdim=True)


def _draw(generator: torch.Generator, batch: int | None = None, length: int | None = None) -> tuple:
    b, n, k = (int(torch.randint(low, low + 3, (), generator=generator)) for low in (2, 6, 3))
    codes = torch.randint(k, (batch or b, length or n), generator=generator)
    return codes, k


next_shares = Check(
    "next_shares",
    lab="vqvae",
    level="warm-up",
    minutes=15,
    reference=reference,
    example=_draw,
)
next_shares.equals_reference(
    "counts of the codes before, plus one", points=2, what="the shares of {1} codes"
)
next_shares.equals_reference(
    "one row, and a row of one code",
    points=1,
    example=[partial(_draw, batch=1), partial(_draw, length=1)],
)


def _tensor(answer: Any, shape: tuple[int, ...]) -> Tensor:
    assert answer is not None, "the result is None: is the `return` missing?"
    assert isinstance(answer, Tensor), (
        f"the result is a {type(answer).__name__}, wanted a torch.Tensor"
    )
    assert answer.shape == shape, f"the result has shape {tuple(answer.shape)}, wanted {shape}"
    return answer.double()


@next_shares.holds("no place sees itself or what comes after", points=1)
def _blind(student: Any, generator: torch.Generator) -> None:
    codes, k = _draw(generator)
    place = codes.shape[1] // 2
    other = codes.clone()
    other[:, place] = (other[:, place] + 1) % k
    before, after = (_tensor(student(c, k), (*codes.shape, k)) for c in (codes, other))
    moved = (before - after).abs().amax((0, 2)) > 1e-6
    moved |= before.isnan().any(2).any(0)
    first = int(moved.nonzero()[0]) if moved.any() else len(moved)
    assert first > place, (
        f"the code at place {place} was changed, and the shares at place {first} are others"
    )


@next_shares.holds("all sequences together have the probability 1", points=1)
def _sums(student: Any, generator: torch.Generator) -> None:
    k, length = 2, 4
    every = torch.cartesian_prod(*[torch.arange(k)] * length)  # (16, 4)
    total = 0.0
    for row in every:
        shares = _tensor(student(row[None], k), (1, length, k))[0]
        total += float(shares.gather(1, row[:, None]).prod())
    assert abs(total - 1) < 1e-5, (
        f"the probabilities of all 16 sequences of 4 codes out of 2 sum to {total:.4f}"
    )


next_shares.mistake(
    "a code counts itself",
    partial(_shares, seen="itself too"),
    hint="Your counts at a place hold the code *of* that place: the prior has seen its answer. A "
    "cumulative sum includes the present place; take that away again.",
)
next_shares.mistake(
    "all places count",
    partial(_shares, seen="all"),
    hint="You count the whole row at every place, what comes later included. At place l only the "
    "codes 0 to l - 1 are known.",
)
next_shares.mistake(
    "all other places count",
    partial(_shares, seen="all others"),
    hint="You left out the place itself, and counted what comes after it. That is not known either "
    "when the row is drawn.",
)
next_shares.mistake(
    "those after count",
    partial(_shares, seen="after"),
    hint="You count the codes *after* a place. Read the row in the other direction.",
)
next_shares.mistake(
    "the last code alone counts",
    partial(_shares, seen="last"),
    hint="You look at the code just before and at no other. Wanted are the counts of all codes "
    "before.",
)
next_shares.mistake(
    "no first count",
    partial(_shares, extra=0.0),
    hint="You forgot to add 1 to each count. At the first place you divide 0 by 0, and a code that "
    "was not seen yet gets the probability 0, so it can never occur.",
)
next_shares.mistake(
    "divided by the same number everywhere",
    partial(_shares, below="the same everywhere"),
    hint="You divide by L + K at every place. At place l only l codes have been counted: divide by "
    "l + K, or the shares do not sum to 1.",
)
next_shares.mistake(
    "divided without the first counts",
    partial(_shares, below="without K"),
    hint="Each of the K codes got one count more, so K has to be added below as well: l + K.",
)
next_shares.mistake(
    "normalised over the places",
    partial(_shares, below="over places"),
    hint="Your shares sum to 1 over the *places*. They are a choice among codes: the last "
    "dimension sums to 1.",
)
next_shares.mistake(
    "all rows counted together",
    partial(_shares, rows="together"),
    hint="You count the codes of all rows of the batch. Each row is an image of its own.",
)
