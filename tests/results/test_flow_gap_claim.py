"""The claim on the gap of a network's loss, at a size of seconds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import Tensor

from course_lib import results
from course_lib.data.points import mixture
from course_lib.recipes.flow import MEMORY, MEMORY_STEPS, PLANE_STD, plane_centres
from course_lib.results import CLAIMS
from course_lib.results.claim import Context
from course_lib.results.claims.flow_gap import BINS, NEAR, POINTS


def test_loss_is_floor_and_gap_in_each_part_of_the_time(tmp_path: Path) -> None:
    context = Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)
    metrics = CLAIMS["flow-gap"].measure(context).metrics
    for name in ("seen", "unseen"):
        for size in POINTS:
            for part in range(BINS):
                at = {k: metrics[f"{name}_{size}_{k}_{part}"] for k in ("loss", "floor", "gap")}
                assert at["loss"] == pytest.approx(at["floor"] + at["gap"])
    assert CLAIMS["flow-gap"].seeds == (0, 1, 2)


def mean(metric: str) -> float:
    runs = results.load("flow-gap").runs
    return sum(float(run["metrics"][metric]) for run in runs) / len(runs)


def each(metric: str) -> list[float]:
    return [float(run["metrics"][metric]) for run in results.load("flow-gap").runs]


def spiral(num: int, *, seed: int) -> Tensor:
    return mixture(num, plane_centres("spiral"), PLANE_STD["spiral"], seed=seed)


# What the chapter says in words, and that it holds for the measured result.
SAID = {
    "the network's loss lies above the floor in each fifth of the time": lambda: all(
        min(each(f"seen_256_gap_{part}")) > 0
        and mean(f"seen_256_gap_{part}") > 3 * mean(f"seen_256_error_{part}") / 3**0.5
        for part in range(BINS)
    ),
    "most of the gap": lambda: (
        mean("seen_256_gap_4") > 0.75 * sum(mean(f"seen_256_gap_{part}") for part in range(BINS))
    ),
    "whose loss on unseen points is nearly the same": lambda: all(
        abs(a / b - 1) < 0.1
        for a, b in zip(each("unseen_256_loss_4"), each("seen_256_loss_4"), strict=True)
    ),
    "In all three trainings they happen to be more spread than the unseen ones.": lambda: all(
        seen.var(0).sum() > unseen.var(0).sum()
        for seen, unseen in (
            (spiral(POINTS[1], seed=2 * seed), spiral(20_000, seed=2 * seed + 1))
            for seed in range(3)
        )
    ),
    "Why is the floor of the first rows *above* the network's loss on unseen points?": lambda: all(
        mean(f"seen_256_floor_{part}") > mean(f"unseen_256_loss_{part}") for part in range(3)
    ),
    "in the last fifth its loss on unseen points is by far the larger of the two models'": lambda: (
        min(each("unseen_256_floor_4")) > 10 * max(each("unseen_256_loss_4"))
    ),
    "Yet the network is no copying machine": lambda: (
        max(each("near_256")) < 2 * min(each("near_unseen_256")) + 0.05
    ),
    "From 16 points the same network has begun to copy": lambda: (
        POINTS[0] == 16 and min(each("near_16")) > 5 * max(each("near_unseen_16"))
    ),
    "A set sixteen times as large as the first leaves a smaller gap": lambda: (
        POINTS[2] == 16 * POINTS[1] and max(each("seen_4096_gap_4")) < min(each("seen_256_gap_4"))
    ),
    "There the floor itself is higher": lambda: (
        min(each("seen_4096_floor_4")) > max(each("seen_256_floor_4"))
    ),
    "A network learns from 256 points of a spiral": lambda: POINTS[1] == 256,
    "within 0.02 of a training point": lambda: NEAR == 0.02,
}


def of(metric: str) -> float:
    (run,) = results.load("flow-memory").runs
    return float(run["metrics"][metric])


def gaps(num: int) -> list[float]:
    return [of(f"gap_{num}_{part}") for part in range(5)]


SAID |= {
    "from 64, 512 and 4,096 digits, each time with 4,000 updates": lambda: (
        [*MEMORY] == [64, 512, 4096] and MEMORY_STEPS == 4000
    ),
    "Every sample is a copy, off by about one grey level.": lambda: (
        of("copied_pixels_64") == of("copied_features_64") == 1
        and of("nearest_pixels_64") == pytest.approx(1, abs=0.5)
    ),
    "From 512 a quarter lie that near, five times as many as of new digits, though at a far "
    "larger distance.": lambda: (
        0.22 < of("copied_pixels_512") < 0.28
        and 4.5 < of("copied_pixels_512") / 0.05 < 5.5
        and of("nearest_pixels_512") > 10 * of("nearest_pixels_64")
    ),
    "From 4,096 fewer samples lie that near than new digits do": lambda: (
        max(of("copied_pixels_4096"), of("copied_features_4096")) < 0.05
        and of("nearest_pixels_4096") > of("nearest_pixels_test_4096")
    ),
    "And the one that copies has the lowest training loss": lambda: (
        of("loss_64") < of("loss_512") < of("loss_4096")
    ),
    "From time 0.4 on the floor is 0 for 64 and for 512 digits, and nearly so for 4,096": lambda: (
        max(of(f"floor_{num}_{part}") for num in (64, 512) for part in (2, 3, 4)) < 5e-5
        and max(of(f"floor_4096_{part}") for part in (2, 3, 4)) < 0.02 * of("floor_4096_1")
    ),
    "Between 0.2 and 0.4 the network that copies has about a fifth of the gap of the others, "
    "between 0.4 and 0.8 less than a tenth; before 0.2 it has no smaller one.": lambda: all(
        0.17 < gaps(64)[1] / gaps(num)[1] < 0.23
        and max(gaps(64)[part] / gaps(num)[part] for part in (2, 3)) < 0.1
        and gaps(64)[0] > gaps(num)[0]
        for num in (512, 4096)
    ),
    "in the last fifth of the time its gap is the largest of its five, half that of the": lambda: (
        max(gaps(64)) == gaps(64)[4]
        and all(0.45 < gaps(64)[4] / gaps(num)[4] < 0.55 for num in (512, 4096))
    ),
    "The samples of which a quarter lie so near have the *least* CFD of the three": lambda: (
        of("cfd_512") < min(of("cfd_64"), of("cfd_4096"))
    ),
    "Those that are all copies have the largest": lambda: (
        of("cfd_64") > max(of("cfd_512"), of("cfd_4096"))
    ),
    "One training of each, of one length.": lambda: len(results.load("flow-memory").runs) == 1,
}


@pytest.mark.parametrize("sentence", SAID)
def test_what_the_chapter_says_is_measured(sentence: str) -> None:
    chapter = Path(__file__).resolve().parents[2] / "book" / "math" / "perfect-flow.md"
    assert sentence in re.sub(r"\s+", " ", chapter.read_text("utf-8"))
    assert SAID[sentence]()
