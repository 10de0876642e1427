"""Check of the exercise `follow_codes`: a codebook that is a running average of its vectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import Check, Example


def reference(
    vectors: Tensor, codes: Tensor, counts: Tensor, sums: Tensor, decay: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Move the averages of a codebook by one batch.

    Args:
        vectors: (N, D).
        codes: (N,) int64, the code that each vector chose.
        counts: (K,) average number of vectors that choose each code, positive.
        sums: (K, D) average of their sum.
        decay: share of the old averages that is kept.

    Returns:
        The new counts, the new sums, and the codebook (K, D).

    Source: arXiv:1711.00937, appendix A.1.
    """
    return _follow(vectors, codes, counts, sums, decay)


def _follow(
    vectors: Tensor,
    codes: Tensor,
    counts: Tensor,
    sums: Tensor,
    decay: float,
    *,
    kept: str = "decay",
    batch: str = "sum",
    repeated: str = "added",
    who: str = "all codes",
    ratio: str = "of the averages",
) -> tuple[Tensor, Tensor, Tensor]:
    """The step, with one thing at a time that can be made wrong."""
    number = torch.bincount(codes, minlength=len(counts)).to(sums)  # (K,)
    if repeated == "added":
        total = torch.zeros_like(sums).index_add_(0, codes, vectors)  # (K, D)
    else:  # of several vectors with one code the last is left
        total = torch.zeros_like(sums)
        for code, vector in zip(codes.tolist(), vectors, strict=True):
            total[code] = vector
    if batch == "mean":
        total = total / number.clamp(min=1)[:, None]
    old, new = {
        "decay": (decay, 1 - decay),
        "the rest": (1 - decay, decay),
        "all": (1.0, 1.0),
        "decay, new in full": (decay, 1.0),
    }[kept]
    after, summed = old * counts + new * number, old * sums + new * total
    if who == "chosen codes":
        after = torch.where(number > 0, after, counts)
        summed = torch.where(number[:, None] > 0, summed, sums)
    book = {
        "of the averages": summed / after[:, None],
        "by the old count": summed / counts[:, None],
        "of the batch": total / number[:, None],
        "by the number of vectors": summed / len(vectors),
    }.get(ratio)
    if book is None:  # the places are averaged
        place, known = sums / counts[:, None], number[:, None] > 0
        mean = total / number.clamp(min=1)[:, None]
        book = torch.where(known, decay * place + (1 - decay) * mean, place)
    return after, summed, book


def _draw(generator: torch.Generator, unused: bool = True) -> tuple:
    """More vectors than codes, so that codes repeat; the last code is chosen by nobody."""
    k, d = (int(torch.randint(low, low + 3, (), generator=generator)) for low in (4, 2))
    n = 3 * k
    codes = torch.cat([torch.arange(k - 1), torch.arange(k - 1)])
    more = torch.randint(k - 1 if unused else k, (n - len(codes),), generator=generator)
    codes = torch.cat([codes, more])[torch.randperm(n, generator=generator)]
    counts = 0.5 + 3 * torch.rand(k, generator=generator)
    place = 2 * torch.randn(k, d, generator=generator)
    decay = 0.6 + 0.3 * float(torch.rand((), generator=generator))
    vectors = torch.randn(n, d, generator=generator) + 1
    return vectors, codes, counts, counts[:, None] * place, decay


def _part(number: int) -> Any:
    def probe(student: Any, arguments: tuple) -> Any:
        return _three(student(*arguments))[number]

    return probe


def _three(answer: Any) -> tuple:
    if answer is None:
        raise AssertionError("the result is None: is the `return` missing?")
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise AssertionError(
            f"return three things, counts, sums and codebook; got {type(answer).__name__}"
        )
    return tuple(answer)


def _probe(student: Any, arguments: tuple) -> tuple:
    return _three(student(*arguments))


follow_codes = Check(
    "follow_codes",
    lab="vqvae",
    level="build",
    minutes=15,
    reference=reference,
    example=_draw,
    probe=_probe,
)
BOTH: list[Example] = [_draw, partial(_draw, unused=False)]
follow_codes.equals_reference(
    "the average counts", points=1, example=BOTH, probe=_part(0), what="the counts"
)
follow_codes.equals_reference(
    "the average sums", points=2, example=BOTH, probe=_part(1), what="the sums"
)
follow_codes.equals_reference(
    "the codebook is their ratio", points=1, example=BOTH, probe=_part(2), what="the codebook"
)


@follow_codes.holds("a code that nobody chooses fades and stays where it is", points=1)
def _fades(student: Any, generator: torch.Generator) -> None:
    vectors, codes, counts, sums, decay = _draw(generator)
    after, _, book = _three(student(vectors, codes, counts, sums, decay))
    before, place = float(counts[-1]), sums[-1] / counts[-1]
    if not isinstance(after, Tensor) or after.shape != counts.shape:
        raise AssertionError("the counts are no tensor of the shape (K,)")
    if not isinstance(book, Tensor) or book.shape != sums.shape:
        raise AssertionError("the codebook is no tensor of the shape (K, D)")
    if not abs(float(after[-1]) - decay * before) < 1e-4:
        raise AssertionError(
            f"nobody chose the last code; its average count goes from {before:.3f} to "
            f"{float(after[-1]):.3f}, wanted {decay:.3f} times the old one"
        )
    if not torch.allclose(book[-1].double(), place.double(), atol=1e-4):
        raise AssertionError("nobody chose the last code, and it has moved")


follow_codes.mistake(
    "the two shares exchanged",
    partial(_follow, kept="the rest"),
    hint="Your decay is the share of what is *new*. It is the share of the old average that is "
    "kept: with 0.99 a batch moves a code by a hundredth of the way.",
)
follow_codes.mistake(
    "nothing fades",
    partial(_follow, kept="all"),
    hint="Your counts and sums only grow. They are averages: the old ones times decay, and what is "
    "new times 1 - decay.",
)
follow_codes.mistake(
    "what is new counts in full",
    partial(_follow, kept="decay, new in full"),
    hint="You add the batch in full. Its weight is 1 - decay, in the counts and in the sums. (The "
    "ratio hides it in part, because both are too large.)",
)
follow_codes.mistake(
    "mean instead of the sum",
    partial(_follow, batch="mean"),
    hint="You average the *mean* of a code's vectors. What is averaged is their sum; the division "
    "comes at the end, by the average count. Otherwise a code with ten vectors is drawn towards 0.",
)
follow_codes.mistake(
    "one vector for each code",
    partial(_follow, repeated="overwritten"),
    hint="Several vectors chose the same code, and only one of them is in your sum: "
    "sums[codes] += vectors does not add repeated places. Use index_add_, or a one-hot matrix.",
)
follow_codes.mistake(
    "only chosen codes fade",
    partial(_follow, who="chosen codes"),
    hint="You leave the averages of codes that nobody chose as they were. They fade, too: a count "
    "that falls is how one sees that a code is dying.",
)
follow_codes.mistake(
    "divided by the old count",
    partial(_follow, ratio="by the old count"),
    hint="You divide the new sums by the *old* counts. Both averages move first; the codebook is "
    "their ratio afterwards.",
)
follow_codes.mistake(
    "the means of the batch",
    partial(_follow, ratio="of the batch"),
    hint="Your codebook is the mean of this batch alone: it forgets everything before, and a code "
    "that nobody chose becomes NaN. Divide the average sums by the average counts.",
)
follow_codes.mistake(
    "the places averaged",
    partial(_follow, ratio="of the places"),
    hint="You average the *places* of the codes. Then a batch with one vector of a code weighs as "
    "much as one with a hundred. The codebook is the ratio of the two averages.",
)
follow_codes.mistake(
    "divided by the number of vectors",
    partial(_follow, ratio="by the number of vectors"),
    hint="You divide by the number of all vectors. Each code's sum is divided by the average "
    "number of vectors that choose *it*.",
)
