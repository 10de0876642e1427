"""Check of the exercise `examine_prior`: write a test that finds priors which see their answer."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.kinds import WriteTest
from course_lib.checks.vqvae.next_shares import next_shares

Prior = Callable[[Tensor, int], Tensor]
LENGTH, K = 3, 2


def _every() -> Tensor:
    """All sequences of three codes out of two, (8, 3)."""
    return torch.cartesian_prod(*[torch.arange(K)] * LENGTH)


def reference(prior: Prior) -> None:
    """Raise AssertionError if a function is no honest prior."""
    total = 0.0
    for row in _every():  # one at a time: no row may help another
        shares = prior(row[None], K)
        total += float(shares[0].gather(1, row[:, None]).prod())
    assert abs(total - 1) < 1e-5
    _blind(prior)
    _alone(prior)


def _blind(prior: Prior) -> None:
    codes = torch.tensor([[0, 1, 2, 1, 0]])
    before = prior(codes, 3)
    for place in range(5):
        other = codes.clone()
        other[0, place] = (other[0, place] + 1) % 3
        after = prior(other, 3)
        assert torch.allclose(before[:, : place + 1], after[:, : place + 1], atol=1e-6)


def _alone(prior: Prior) -> None:
    two = torch.tensor([[0, 1, 0], [1, 1, 1]])
    assert torch.allclose(prior(two, K)[:1], prior(two[:1], K), atol=1e-6)


def _by_a_loop(codes: Tensor, num_codes: int) -> Tensor:
    """The same prior, counted one code after the other."""
    out = torch.empty(*codes.shape, num_codes)
    for row, shares in zip(codes, out, strict=True):
        counts = torch.ones(num_codes)
        for place, code in enumerate(row.tolist()):
            shares[place] = counts / counts.sum()
            counts[code] += 1
    return out


def _uniform(codes: Tensor, num_codes: int) -> Tensor:
    """Another honest prior: it knows nothing."""
    return torch.full((*codes.shape, num_codes), 1 / num_codes)


def _likes_the_last(codes: Tensor, num_codes: int) -> Tensor:
    """Another honest prior: the code just before is twice as likely as the others."""
    last = F.one_hot(codes, num_codes)[:, :-1].double()
    counts = 1 + torch.cat([torch.zeros_like(last[:, :1]), last], 1)
    counts = counts.expand(-1, codes.shape[1], -1) if codes.shape[1] == 1 else counts
    return counts / counts.sum(2, keepdim=True)


examine_prior = WriteTest(
    "examine_prior",
    lab="vqvae",
    level="stretch",
    minutes=25,
    reference=reference,
    of=next_shares,
    right=(next_shares.reference, _by_a_loop, _uniform, _likes_the_last),
    wrong=(
        "a code counts itself",
        "all places count",
        "all other places count",
        "those after count",
        "no first count",
        "divided by the same number everywhere",
        "normalised over the places",
        "all rows counted together",
    ),
)


def _nothing_is_right(prior: Prior) -> None:
    assert prior(torch.tensor([[0, 1]]), K)[0, 0, 0] == 2


def _counts_wanted(prior: Prior) -> None:
    """Wants one prior's numbers, and refuses other honest ones."""
    codes = torch.tensor([[0, 1, 0], [1, 1, 1]])
    assert torch.allclose(prior(codes, K).double(), next_shares.reference(codes, K).double())


def _places(prior: Prior) -> None:
    """The shares of each place sum to 1: a leak does not change that."""
    shares = prior(torch.tensor([[0, 1, 1], [1, 0, 0]]), K)
    assert torch.allclose(shares.sum(2).double(), torch.ones(2, 3, dtype=torch.float64))


def _one_sum(prior: Prior) -> None:
    total = 0.0
    for row in _every():
        total += float(prior(row[None], K)[0].gather(1, row[:, None]).prod())
    assert abs(total - 1) < 1e-5


def _changes(prior: Prior) -> None:
    """Changes alone: what does not sum to 1 passes."""
    _blind(prior)
    _alone(prior)


def _last_changed(prior: Prior) -> None:
    """Only the last code is changed, and only the places before it are looked at."""
    codes, other = torch.tensor([[0, 1, 0]]), torch.tensor([[0, 1, 1]])
    assert torch.allclose(prior(codes, K)[:, :2], prior(other, K)[:, :2])


examine_prior.mistake(
    "accepts everything",
    lambda prior: None,
    hint="Your test accepts every function: nothing in it can raise. Change a code, call the prior "
    "twice, and assert.",
)
examine_prior.mistake(
    "rejects everything",
    _nothing_is_right,
    hint="Your test rejects honest priors and others alike. Print what the one of the lab gives "
    "for your example.",
)
examine_prior.mistake(
    "one prior's numbers are wanted",
    _counts_wanted,
    hint="Your test knows which numbers it wants. A prior that knows nothing, or that looks at the "
    "last code alone, is honest, too. Test what *every* prior must do, not what one of them says.",
)
examine_prior.mistake(
    "the places alone sum to 1",
    _places,
    hint="You test that the shares of each place sum to 1. A prior that sees its answer does that "
    "as well. Which probability do all *sequences* have together?",
)
examine_prior.mistake(
    "the sum alone",
    _one_sum,
    hint="The sum over all sequences is right even if a row is read backwards, and rows that look "
    "at each other pass it as well. Change a code, and look at places at and before it; and give a "
    "row once alone and once beside another.",
)
examine_prior.mistake(
    "changes alone",
    _changes,
    hint="Your test finds what looks where it must not. It does not notice that probabilities do "
    "not sum to 1. Go through all sequences of a tiny case.",
)
examine_prior.mistake(
    "the last code changed alone",
    _last_changed,
    hint="You look at the places before the changed one, and not at the place itself. A prior that "
    "sees exactly its own answer passes. And does everything sum to 1?",
)
