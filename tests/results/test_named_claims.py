"""The classifiers that name what a generator drew: sure of real ones, less so of noise."""

from pathlib import Path

import pytest
import torch

from course_lib.recipes.generation import DATA
from course_lib.results import CLAIMS
from course_lib.results.claim import Context
from course_lib.results.claims.named import named

DRAWN = ("digits", "shapes")


@pytest.mark.parametrize("task", DRAWN)
def test_the_classifier_names_drawn_objects_and_not_noise(task: str) -> None:
    test = DATA[task].load("test")
    images, classes = test.images[:400], test.targets[:400]
    share, names = named(images, task)
    assert share > 0.9 and (names == classes).double().mean() > 0.97
    noise = torch.randint(256, images.shape, generator=torch.Generator().manual_seed(0))
    assert named(noise.to(torch.uint8), task)[0] < share


@pytest.mark.parametrize("task", DRAWN)
def test_each_shipped_generator_is_shown_beside_real_ones(task: str, tmp_path: Path) -> None:
    context = Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)
    metrics = CLAIMS[f"{task}-named"].measure(context).metrics
    assert len(metrics) == 2 * (1 + 3)
    assert all(0 <= value <= 1 for value in metrics.values())
    assert metrics["real_named"] > max(v for k, v in metrics.items() if k[:4] in ("wgan", "dcga"))
