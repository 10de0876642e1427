"""The claim on the gap of a network's loss, at a size of seconds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import Tensor

from course_lib import results
from course_lib.data.points import mixture
from course_lib.recipes.flow import PLANE_STD, plane_centres
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


@pytest.mark.parametrize("sentence", SAID)
def test_what_the_chapter_says_is_measured(sentence: str) -> None:
    chapter = Path(__file__).resolve().parents[2] / "book" / "math" / "perfect-flow.md"
    assert sentence in re.sub(r"\s+", " ", chapter.read_text("utf-8"))
    assert SAID[sentence]()
