"""The claims that compare losses, at a size of seconds."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from course_lib.recipes.losses import RECIPES, STREETS
from course_lib.results import Context
from course_lib.results.claims import counting, losses
from course_lib.results.compact import pack_counts, unpack_counts


def context(folder):
    return Context(0, "cpu", None, folder / "run", smoke=True, results_dir=folder)


def test_a_perfect_answer_has_perfect_scores():
    test = replace(STREETS, num_test=6).load("test")
    logits = 50 * F.one_hot(test.targets.long(), test.num_classes).movedim(-1, 1).float()
    metrics, per_image = losses.scores(logits, test, 1.0)
    assert per_image.shape == (6, 10, 10) and per_image.sum() == test.targets.numel()
    for name in ("mean_iou", "rare_iou", "rare_recall", "boundary_iou", "accuracy", "image_iou"):
        assert metrics[f"test_{name}"] == pytest.approx(1), name
    assert metrics["test_calibration_error"] == pytest.approx(0, abs=1e-6)


def test_a_claim_is_measured_with_the_weights_of_its_training_set(tmp_path):
    measured = losses._measure(context(tmp_path), "weighted")
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    weights = state["config"]["class_weights"]
    assert len(weights) == 10 and max(weights) > 5 > min(weights)
    assert unpack_counts(measured.arrays["per_image"]).shape == (8, 10, 10)
    assert {"test_mean_iou", "test_boundary_iou", "temperature"} <= set(measured.metrics)


def test_every_candidate_has_its_claim():
    names = [claim.name for claim in losses.CLAIMS]
    assert names[:-1] == [losses.claim_name(name) for name in RECIPES]
    assert losses.CLAIMS[-1].after == tuple(names[:-1])


def test_differences_are_those_to_cross_entropy(tmp_path):
    right = torch.full((5,), 90)
    for index, name in enumerate(RECIPES):
        hits = right + index  # each candidate a little better than the one before
        counts = torch.stack([hits, 100 - hits, 100 - hits, hits], 1).reshape(5, 2, 2)
        run = {"seed": 0, "metrics": {}, "arrays": {"per_image": pack_counts(counts)}}
        content = {"claim": losses.claim_name(name), "runs": [run, {**run, "seed": 1}]}
        (tmp_path / f"{losses.claim_name(name)}.json").write_text(json.dumps(content))
    metrics = losses._differences(context(tmp_path)).metrics
    assert metrics["best_difference"] == metrics["cross_entropy_boundary"] > metrics["weighted"] > 0
    assert metrics["weighted"] == pytest.approx(91 / 109 - 90 / 110)
    assert metrics["weighted_low"] == pytest.approx(metrics["weighted_high"])  # all images alike


def test_counting_is_timed(tmp_path):
    metrics = counting._measure(context(tmp_path)).metrics
    assert metrics["times_torchmetrics"] > 1 and metrics["ms"] > 0
