"""The claims about scores of samples can be measured, and say what the chapter says they say."""

from pathlib import Path

import pytest
import torch

from course_lib.results import CLAIMS, load, run
from course_lib.results.claims import sample_features, sample_metrics


def test_the_bench_compares_equal_results(tmp_path: Path) -> None:
    run(["frechet-speed"], smoke=True, results_dir=tmp_path / "r", runs_dir=tmp_path / "runs")
    result = load("frechet-speed", tmp_path / "r")
    assert len(result.runs) == 3 and min(result.values("seconds")) > 0
    assert max(result.values("relative_difference_billionths")) < 1000


@pytest.mark.slow
def test_the_claims_on_real_data_can_be_measured(tmp_path: Path, real_data: Path) -> None:
    names = [c.name for c in (*sample_features.CLAIMS, *sample_metrics.CLAIMS) if c.needs]
    folders = {"results_dir": tmp_path / "r", "runs_dir": tmp_path / "runs"}
    assert run(names, smoke=True, device="cpu", root=real_data, **folders) == []
    for name in names:
        result = load(name, tmp_path / "r")
        assert len(result.runs) == len(CLAIMS[name].seeds)
        assert result.mean(CLAIMS[name].main) == result.mean(CLAIMS[name].main)  # not NaN


def test_moving_and_noise_do_what_their_names_say() -> None:
    images = torch.randint(256, (2, 1, 6, 5), dtype=torch.uint8)
    moved = sample_metrics.shift(images)
    assert torch.equal(moved[..., 1:, 1:], images[..., :-1, :-1])
    assert torch.equal(moved[..., 0, 1:], images[..., 0, :-1])
    grey = torch.full((4, 1, 32, 32), 100, dtype=torch.uint8)
    noise = sample_metrics.noisy(grey, torch.Generator().manual_seed(0)).float() - 100
    assert float(noise.std()) == pytest.approx(8, rel=0.05) and abs(float(noise.mean())) < 0.5


def test_what_the_chapter_says_about_the_scores_was_measured() -> None:
    speed = load("frechet-speed")
    assert min(speed.values("times_torchmetrics")) >= 3
    assert max(speed.values("relative_difference_billionths")) < 10_000

    count, largest = load("score-by-sample-count"), sample_metrics.COUNTS[-1]
    cfd = [count.mean(f"cfd_new_{n}") for n in sample_metrics.COUNTS]
    assert cfd == sorted(cfd, reverse=True) and cfd[0] > 10 * cfd[-1]
    assert cfd[0] > count.mean(f"cfd_noisy_{largest}")  # fewer perfect samples score worse
    for n in sample_metrics.COUNTS:
        kernel = count.values(f"kernel_new_{n}")
        assert abs(sum(kernel)) / 3 < 0.25 * count.mean(f"kernel_noisy_{n}")

    copies = load("score-memoriser")
    for name in ("mnist", "cifar10"):
        assert copies.mean(f"{name}_copies_cfd") < 2 * copies.mean(f"{name}_new_cfd")
        assert min(copies.values(f"{name}_copies_copied_pixels")) == 1
        assert max(copies.values(f"{name}_new_copied_features")) < 0.12
    assert copies.mean("mnist_moved_copied_features") < 0.1  # a shift silences the alarm here,
    for space in ("pixels", "features"):  # and only in part there
        assert 0.2 < copies.mean(f"cifar10_moved_copied_{space}") < 0.95
    pixels, features = (copies.mean(f"cifar10_moved_copied_{s}") for s in ("pixels", "features"))
    assert features > pixels

    dropped = load("score-dropped-modes")
    assert abs(dropped.mean("precision_5") - dropped.mean("precision_10")) < 0.1
    assert dropped.mean("recall_5") < dropped.mean("recall_10") - 0.2
    assert dropped.mean("coverage_5") < dropped.mean("coverage_10") - 0.2
