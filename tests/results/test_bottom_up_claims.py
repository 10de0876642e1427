"""Bottom-up and top-down: equal terms, and scores that are right for known answers."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from course_lib.data import load
from course_lib.metrics import panoptic_quality
from course_lib.recipes.bottom_up import BOTTOM_UP, TOP_DOWN, TOP_DOWN_SHORT
from course_lib.results import CLAIMS, run
from course_lib.results import load as load_result
from course_lib.results.claims import bottom_up as claims


def test_both_ways_get_the_same_pictures_and_updates() -> None:
    for name, recipe in BOTTOM_UP.items():
        other = TOP_DOWN_SHORT if name.endswith("short") else TOP_DOWN
        assert recipe.data == other.data and recipe.smoke == other.smoke
        assert replace(recipe.config, evaluate_every=1) == replace(other.config, evaluate_every=1)
    assert 4 * TOP_DOWN_SHORT.config.epochs == TOP_DOWN.config.epochs
    widths = {name: recipe.width for name, recipe in BOTTOM_UP.items()}
    assert widths == {"foreground": 0, "border": 1, "wide-border": 2, "border-short": 1}
    assert len(claims.BY_DISTANCE) == len(claims.BY_BORDER) == len(claims.BY_SCORE) == 12
    train = replace(TOP_DOWN.data, num_train=2).load("train")
    down = sum(p.numel() for p in TOP_DOWN.build(train, 0).parameters())
    up = BOTTOM_UP["border"]
    pixels = up.pixels_of(train)
    assert pixels.task == "semantic" and pixels.fingerprint != train.fingerprint
    assert torch.equal(pixels.images, train.images) and pixels.num_classes == 3
    assert BOTTOM_UP["foreground"].pixels_of(train).num_classes == 2
    assert 0.8 < sum(p.numel() for p in up.build(pixels, 0).parameters()) / down < 1.25


@pytest.fixture(scope="module")
def pictures():
    return load("cells", "test", size=(64, 80), task="instance", num=9, seed=4)


def test_the_truth_scores_one(pictures) -> None:
    maps = list(pictures.targets.long())
    found = [claims.objects_of(ids, torch.ones(ids.shape)) for ids in maps]
    metrics, arrays = claims.judge(maps, found, pictures, 20)
    for end in ("", "_few", "_some", "_many"):
        assert metrics[f"mask_ap{end}"] == metrics[f"pq{end}"] == metrics[f"sq{end}"] == 1
        assert metrics[f"count_error{end}"] == metrics[f"count_bias{end}"] == 0
        assert set(arrays[f"resampled{end}"]["pq"]) == {1.0}
    assert metrics["found_none"] == metrics["found_one"] == metrics["found_more"] == 1
    assert metrics["crowding_few"] < metrics["crowding_some"] < metrics["crowding_many"]


def test_a_nucleus_too_few_is_counted(pictures) -> None:
    maps = list(pictures.targets.long().clone())
    for ids in maps:
        ids[ids == 1] = 0
    found = [claims.objects_of(ids, torch.ones(ids.shape)) for ids in maps]
    metrics, _ = claims.judge(maps, found, pictures, 2)
    assert metrics["count_error"] == 1 and metrics["count_bias"] == -1
    true = sum(map(len, pictures.labels))
    assert metrics["pq"] == pytest.approx((true - 9) / (true - 4.5))


def test_quality_counts_a_false_nucleus_in_the_background() -> None:
    true = torch.zeros(8, 9, dtype=torch.long)
    true[1:4, 1:4] = 1
    guess = true * 5
    guess[5:7, 5:8] = 2
    assert claims.quality_counts(guess, true).tolist() == [1, 1, 1, 0]
    assert claims.quality_counts(torch.zeros_like(true), true).tolist() == [0, 0, 0, 1]
    assert claims.quality_counts(torch.ones_like(true), true).tolist() == [0, 0, 1, 1]


def test_perfect_classes_give_nearly_all_nuclei(pictures) -> None:
    """What post-processing alone loses: little with a border class, much without."""
    quality = {}
    for name in ("foreground", "border"):
        recipe = BOTTOM_UP[name]
        way, settings = claims._way(recipe)
        chances = claims.perfect(recipe, pictures)
        assert all((one.sum(0) == 1).all() for one in chances)
        setting = claims.choose(chances, pictures, way, settings)
        counts = [
            claims.quality_counts(way(one, setting), ids)
            for one, ids in zip(chances, pictures.targets.long(), strict=True)
        ]
        quality[name] = panoptic_quality(torch.stack(counts).sum(0, keepdim=True)).mean
    assert quality["border"] > 0.85 and quality["border"] > quality["foreground"] + 0.05


def test_neighbours_by_hand() -> None:
    ids = torch.tensor([[1, 1, 0, 4, 0], [2, 0, 3, 0, 0], [2, 0, 0, 0, 5]])
    assert claims.neighbours(ids).tolist() == [2, 1, 2, 1, 0]
    assert claims.neighbours(torch.zeros(3, 3, dtype=torch.long)).tolist() == []


def test_what_was_found_is_cut_to_what_does_not_overlap(pictures) -> None:
    ids = pictures.targets[0].long()
    found = claims.objects_of(ids, torch.rand(ids.shape))
    twice = type(found)(*(torch.cat([x, x]) for x in vars(found).values()))
    setting = claims.Setting(0.0)
    assert torch.equal(claims.by_score(twice, setting) > 0, ids > 0)
    assert int(claims.by_score(twice, setting).max()) == int(ids.max())
    nothing = claims.by_score(twice, claims.Setting(2.0))
    assert (nothing == 0).all()


@pytest.mark.slow
def test_every_claim_is_measured(tmp_path: Path) -> None:
    folders = {"results_dir": tmp_path / "r", "runs_dir": tmp_path / "runs"}
    names = [claim.name for claim in claims.CLAIMS]
    assert len(names) == 9 and set(names) <= set(CLAIMS)
    first = ["mask-rcnn-cells", *(name for name in names if name != "cells-differences")]
    assert run(first, smoke=True, seeds=[0], device="cpu", **folders) == []
    # The differences are of all seeds.
    for name in {name for pair in claims.PAIRS.values() for name in pair}:
        result = load_result(name, folders["results_dir"])
        assert 0 <= result.runs[0]["metrics"]["pq"] <= 1
    assert run(["cells-differences"], smoke=True, seeds=[0], device="cpu", **folders) == []
    times = load_result("cells-step-time", folders["results_dir"]).runs[0]["metrics"]
    assert times["ratio"] == pytest.approx(times["bottom_up_ms"] / times["top_down_ms"], abs=1e-3)
    metrics = load_result("cells-differences", folders["results_dir"]).runs[0]["metrics"]
    assert metrics["border_pq_low"] <= metrics["border_pq_high"]
    assert len(metrics) == 5 * 4 * 3 * 3
