"""The generators' claims: one recipe for each family, equal data, judged by the same numbers."""

from pathlib import Path

import pytest
import torch

from course_lib.results import CLAIMS
from course_lib.results.claim import Context
from course_lib.results.claims import gan_compute, generation
from course_lib.train import draw_samples, shipped

COMPARED = ("dcgan", "wgan-gp", "stylegan")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)


def test_every_family_stands_on_every_data_set() -> None:
    for task in generation.TITLES:
        for family in COMPARED:
            claim = CLAIMS[f"{family}-{task}"]
            assert len(claim.seeds) == 3
            assert claim.checkpoint == generation.checkpoint_name(family, task)
        assert f"real-{task}" in CLAIMS


def test_a_family_has_one_recipe_for_all_data_sets(context: Context) -> None:
    from dataclasses import replace

    full = replace(context, smoke=False)
    for family, steps in generation.STEPS.items():
        recipes = {
            replace(generation.config(family, task, full), steps=1, log_every=1, sample_every=1)
            for task in steps
        }
        assert len(recipes) == 1
        assert {recipe.seed for recipe in recipes} == {full.seed}


def test_a_claim_measures_scores_and_keeps_the_generator(context: Context) -> None:
    measured = CLAIMS["stylegan-shapes"].measure(context)
    assert {"cfd", "kernel_distance", "precision", "recall", "density", "coverage"} <= set(
        measured.metrics
    )
    assert measured.metrics["copied_pixels"] <= 1
    assert measured.metrics["images_seen"] == 2 * 16
    assert len(measured.curves["val_cfd"]) == len(measured.curves["val_cfd_images"]) == 2
    assert measured.trained is not None
    model, card = measured.trained
    assert card["task"] == "generation"
    again = type(model)(**card["arguments"])
    again.load_state_dict(model.state_dict())
    # The claim's model keeps its channels innermost, which may round a grey level otherwise.
    assert (draw_samples(again, 3).int() - draw_samples(model, 3).int()).abs().max() <= 1


def test_real_images_score_better_than_an_untrained_generator(context: Context) -> None:
    real = CLAIMS["real-shapes"].measure(context).metrics["cfd"]
    made = CLAIMS["dcgan-shapes"].measure(context).metrics["cfd"]
    assert real < made / 3


def test_the_published_numbers_say_why_they_differ() -> None:
    for claim in generation.CLAIMS:
        for published in claim.published:
            assert "FID" in published.reason and "CFD" in published.reason


def test_the_compute_claims_measure_each_family(context: Context) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        metrics = CLAIMS["generation-compute"].measure(context).metrics
        assert torch.get_num_threads() == threads + 1  # put back
    finally:
        torch.set_num_threads(threads)
    for family in generation.FAMILIES:
        assert metrics[f"{family}_images_per_second"] > 0
    step = gan_compute.CLAIMS[-1].measure(context).metrics
    assert step["ratio"] == pytest.approx(step["ours_ms"] / step["example_ms"])


@pytest.mark.real_data
@pytest.mark.parametrize("family", COMPARED)
def test_a_shipped_generator_reproduces_its_score(family: str) -> None:
    """Scores of fewer samples differ, so exactly the claim's are drawn."""
    from course_lib.data import load
    from course_lib.train import load_checkpoint, sample_scores

    name = f"{family}-mnist"
    generator, card = load_checkpoint(name)
    test = load("mnist", "test", size=generation.SIZE)
    score = sample_scores(generator, test, num=generation.NUM)["cfd"]
    # Half-precision weights in the file move the third digit.
    assert score == pytest.approx(card["score"]["cfd"], rel=0.03)
    assert name in shipped()
