"""Panoptic quality equals torchmetrics' and an independent count; void; roles; refusals."""

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.detection import panoptic_quality as reference

from course_lib.metrics import panoptic_counts, panoptic_quality
from course_lib.post import Segment

THINGS, STUFF = (0, 1), (2, 3)
CASES = 2500
SINGLE = {"rtol": 1e-6, "atol": 1e-6}  # torchmetrics divides in single precision


def random_map(generator: torch.Generator, size: tuple[int, int], void: float) -> Tensor:
    """(H, W, 2) classes and numbers of things in blocks, class -1 where void."""
    blocks = torch.randint(1, 4, (2,), generator=generator).tolist()
    grid = tuple((side + block - 1) // block for side, block in zip(size, blocks, strict=True))
    classes = torch.randint(0, 4, grid, generator=generator)
    numbers = torch.randint(1, 3, grid, generator=generator)
    classes[torch.rand(grid, generator=generator) < void] = -1
    parts = torch.stack([classes, torch.where(classes <= 1, numbers, 0)], -1)
    parts = parts.repeat_interleave(blocks[0], 0).repeat_interleave(blocks[1], 1)
    return parts[: size[0], : size[1]]


def random_pair(generator: torch.Generator, void: float) -> tuple[Tensor, Tensor]:
    """A prediction and a truth of one size; the prediction keeps most of the truth."""
    size = tuple(torch.randint(2, 9, (2,), generator=generator).tolist())
    truth = random_map(generator, size, 0.2)
    guess = random_map(generator, size, void)
    same = torch.rand(size, generator=generator) < torch.rand((), generator=generator)
    if void == 0:
        same &= truth[..., 0] >= 0
    return torch.where(same[..., None], truth, guess), truth


def as_segments(pairs: Tensor) -> tuple[Tensor, list[Segment]]:
    """The same map as numbers with a list, in the numbers' own order; 7, 14, ... for variety."""
    ids, segments = torch.zeros(pairs.shape[:2], dtype=torch.int64), []
    for label, number in pairs.reshape(-1, 2).unique(dim=0).tolist():
        if label >= 0:
            segments.append(Segment(7 * (len(segments) + 1), label, label in THINGS))
            ids[(pairs == torch.tensor([label, number])).all(-1)] = segments[-1].id
    return ids, segments[::-1]


@pytest.mark.parity
def test_it_equals_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(0)
    total, batch = torch.zeros(4, 4, dtype=torch.float64), []
    paired = with_void = 0
    for _ in range(CASES):
        guess, truth = random_pair(generator, void=0)
        counts = panoptic_counts(*as_segments(guess), *as_segments(truth), 4)
        ours = panoptic_quality(counts)
        if (truth[..., 0] < 0).all():
            assert ours.pq.isnan().all()
            continue
        theirs = reference(
            guess[None],
            truth[None],
            things=set(THINGS),
            stuffs=set(STUFF),
            return_sq_and_rq=True,
            return_per_class=True,
        )  # (C, 3)
        mine = torch.stack([ours.pq, ours.sq, ours.rq], 1).nan_to_num(0)
        torch.testing.assert_close(mine, theirs.double(), **SINGLE)
        mean = reference(guess[None], truth[None], things=set(THINGS), stuffs=set(STUFF))
        if ours.pq.isfinite().any():
            assert ours.mean == pytest.approx(float(mean), abs=1e-6)
        paired += bool((counts[:, 1] > 0).any())
        with_void += bool((truth[..., 0] < 0).any())
        if guess.shape == (5, 6, 2):
            total += counts
            batch.append((guess, truth))
    assert min(paired, with_void) > CASES // 3
    # Of a data set: sum the counts first.
    guesses, truths = (torch.stack(x) for x in zip(*batch, strict=True))
    mean = reference(guesses, truths, things=set(THINGS), stuffs=set(STUFF))
    assert panoptic_quality(total).mean == pytest.approx(float(mean), abs=1e-6)


def plain_counts(
    guess: Tensor, truth: Tensor, crowds: set[tuple[int, int]] = frozenset()
) -> list[list[float]]:
    """The definition, with sets of pixels; crowds are keys (class, number) of the truth."""

    def sets(pairs: Tensor) -> dict:
        found: dict = {}
        for place, key in enumerate(map(tuple, pairs.reshape(-1, 2).tolist())):
            found.setdefault(key, set()).add(place)
        void = {p for k, v in found.items() if k[0] < 0 for p in v}
        return {k: v for k, v in found.items() if k[0] >= 0}, void

    (predicted, _), (true, void) = sets(guess), sets(truth)
    counts = [[0.0] * 4 for _ in range(4)]
    done = set()
    for (label, _), pixels in predicted.items():
        partner = None
        for key, other in true.items():
            shared = len(pixels & other)
            union = len(pixels) + len(other) - shared - len(pixels & void)
            if key[0] == label and key not in crowds and shared / union > 0.5:
                partner = key
                counts[label][0] += shared / union
                counts[label][1] += 1
        if partner is not None:
            assert partner not in done  # pairs are unique
            done.add(partner)
            continue
        left_out = void.union(*(true[key] for key in crowds if key[0] == label and key in true))
        if len(pixels & left_out) / len(pixels) <= 0.5:
            counts[label][2] += 1
    for key in true.keys() - done - crowds:
        counts[key[0]][3] += 1
    return counts


@pytest.mark.parity
def test_it_equals_the_definition_with_void_in_both() -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(CASES):
        guess, truth = random_pair(generator, void=0.2)
        ours = panoptic_counts(*as_segments(guess), *as_segments(truth), 4)
        expected = torch.tensor(plain_counts(guess, truth), dtype=torch.float64)
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parity
def test_crowds_are_as_in_the_published_evaluation() -> None:
    """Sets of pixels again, with one object in three a crowd."""
    generator = torch.Generator().manual_seed(3)
    moved = 0
    for _ in range(CASES):
        guess, truth = random_pair(generator, void=0.2)
        ids, segments = as_segments(truth)
        many = (torch.rand(len(segments), generator=generator) < 1 / 3).tolist()
        marked = [s._replace(crowd=s.thing and c) for s, c in zip(segments, many, strict=True)]
        crowds = {tuple(truth[ids == s.id][0].tolist()) for s in marked if s.crowd}
        ours = panoptic_counts(*as_segments(guess), ids, marked, 4)
        expected = torch.tensor(plain_counts(guess, truth, crowds), dtype=torch.float64)
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
        moved += not torch.equal(ours, panoptic_counts(*as_segments(guess), ids, segments, 4))
    assert moved > CASES // 3


def test_crowds_by_hand() -> None:
    """A row of ten pixels: a crowd of class 0 on the left, an object on the right."""
    ids, segments = row("aaaaaabbbb")
    truth = ids, [segments[0]._replace(crowd=True), segments[1]]
    # The crowd is neither found nor missed, whatever covers it; b is found.
    assert panoptic_counts(*row("aaaaaabbbb"), *truth, 1).tolist() == [[1, 1, 0, 0]]
    assert panoptic_counts(*row("......bbbb"), *truth, 1).tolist() == [[1, 1, 0, 0]]
    # Three objects in the crowd, none of them false.
    assert panoptic_counts(*row("aaccddbbbb"), *truth, 1).tolist() == [[1, 1, 0, 0]]
    # Half in the crowd is not more than half. What has a partner gets nothing from the crowd.
    assert panoptic_counts(*row("....aaaa.."), *truth, 1).tolist() == [[0, 0, 1, 1]]
    assert panoptic_counts(*row(".....bbbbb"), *truth, 1).tolist() == [[0.8, 1, 0, 0]]
    # A crowd of another class is no excuse.
    other = ids, [Segment(1, 1, True, crowd=True), segments[1]]
    assert panoptic_counts(*row("aaaaaabbbb"), *other, 2).tolist() == [[1, 1, 1, 0], [0, 0, 0, 0]]
    # Void and crowd together.
    mixed = row("aaa...bbbb")
    mixed = mixed[0], [mixed[1][0]._replace(crowd=True), mixed[1][1]]
    assert panoptic_counts(*row("..aaaabbbb"), *mixed, 1).tolist() == [[1, 1, 0, 0]]
    # A class that is nothing but crowd has no score.
    alone = row("aaaa")
    counts = panoptic_counts(*row("aabb"), alone[0], [alone[1][0]._replace(crowd=True)], 1)
    assert panoptic_quality(counts).pq.isnan().all()
    with pytest.raises(ValueError, match="only the truth has crowds"):
        panoptic_counts(*truth, ids, segments, 1)


def row(text: str) -> tuple[Tensor, list[Segment]]:
    """A picture of one row: letters are things of class 0, dots are void."""
    letters = sorted(set(text) - {"."})
    ids = torch.tensor([[letters.index(c) + 1 if c != "." else 0 for c in text]])
    return ids, [Segment(number, 0, True) for number in range(1, len(letters) + 1)]


def test_the_roles_of_truth_and_prediction_are_not_the_same() -> None:
    first, second = row("aaaaaaaaaa.........."), row("aaaaaaaa..bbbbbbbbbb")
    # The second as a prediction: a is a pair (8 / 10), b lies in void.
    forth = panoptic_counts(*second, *first, 1)
    assert forth.tolist() == [[0.8, 1, 0, 0]]
    # The first as a prediction: its two pixels in void are taken out (8 / 8), b is missed.
    back = panoptic_counts(*first, *second, 1)
    assert back.tolist() == [[1.0, 1, 0, 1]]
    assert panoptic_quality(forth).mean == pytest.approx(0.8)
    assert panoptic_quality(back).mean == pytest.approx(2 / 3)


def test_without_void_the_roles_are_the_same() -> None:
    generator = torch.Generator().manual_seed(2)
    differing = 0
    for _ in range(300):
        guess, truth = random_pair(generator, void=0)
        truth = torch.where(truth[..., :1] >= 0, truth, guess)
        forth = panoptic_counts(*as_segments(guess), *as_segments(truth), 4)
        back = panoptic_counts(*as_segments(truth), *as_segments(guess), 4)
        torch.testing.assert_close(forth, back[:, [0, 1, 3, 2]])
        void = random_pair(generator, void=0.2)
        forth = panoptic_quality(panoptic_counts(*as_segments(void[0]), *as_segments(void[1]), 4))
        back = panoptic_quality(panoptic_counts(*as_segments(void[1]), *as_segments(void[0]), 4))
        differing += abs(forth.mean - back.mean) > 0.01
    assert differing > 30


def test_by_hand() -> None:
    """Pairs of 0.9 and 0.6, and one overlap of 0.4 that is none."""
    counts = torch.tensor([[1.5, 2, 1, 1], [0, 0, 0, 2], [0, 0, 0, 0]])
    quality = panoptic_quality(counts)
    assert quality.pq[:2].tolist() == [0.5, 0.0] and quality.pq[2].isnan()
    assert quality.sq[0] == 0.75 and quality.sq[1:].isnan().all()
    assert quality.rq[0] == pytest.approx(2 / 3) and quality.rq[1] == 0
    assert (quality.mean, quality.mean_sq) == (0.25, 0.75)
    assert quality.mean_rq == pytest.approx(1 / 3)
    # One half is not enough.
    assert panoptic_counts(*row("aa.."), *row("aaaa"), 1).tolist() == [[0, 0, 1, 1]]
    # Three pixels in four of a lie in void: it is ignored. Two of four: it counts.
    assert panoptic_counts(*row("aaaab"), *row("...ab"), 1)[0].tolist() == [2.0, 2, 0, 0]
    assert panoptic_counts(*row("aaaa."), *row("..bcd"), 1)[0].tolist() == [0, 0, 1, 3]


def test_nothing_at_all() -> None:
    nothing = torch.zeros(3, 4, dtype=torch.int64), []
    assert panoptic_counts(*nothing, *nothing, 2).abs().max() == 0
    assert panoptic_counts(*row("aabb"), *row("...."), 1).abs().max() == 0
    assert panoptic_counts(*row("...."), *row("aabb"), 1).tolist() == [[0, 0, 0, 2]]


@pytest.mark.adversarial
def test_what_does_not_fit_is_refused() -> None:
    ids, segments = row("aab.")
    for wrong, message in (
        (segments[:1], r"lists the numbers \[1\], the map has \[1, 2\]"),
        ([*segments, Segment(3, 0, True)], "list each number"),
        ([*segments, Segment(2, 0, True)], "list each number of the map once"),
        ([*segments, Segment(0, 0, True)], "number segments from 1"),
        ([segments[0], Segment(2, 5, True)], "has class 5; with num_classes=1"),
        ([Segment(1, 0, False), Segment(2, 0, False)], "two segments of one stuff class"),
    ):
        with pytest.raises(ValueError, match=message):
            panoptic_counts(ids, wrong, ids, segments, 1)
        with pytest.raises(ValueError, match=message):
            panoptic_counts(ids, segments, ids, wrong, 1)
    with pytest.raises(ValueError, match="two maps"):
        panoptic_counts(ids, segments, ids[0], segments, 1)
    with pytest.raises(ValueError, match=r"\(C, 4\) of panoptic_counts"):
        panoptic_quality(torch.zeros(4))
