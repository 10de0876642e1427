"""``course train-flow``, and sampling from what it trained."""

from pathlib import Path

import pytest

from course_lib.cli import parse
from course_lib.models import LatentFlow
from course_lib.recipes import FLOW_KINDS, FLOWS, FlowRecipe
from course_lib.train import draw_samples, load_checkpoint

COMMON = ["--data", "shapes", "--limit", "16", "--batch-size", "4", "--steps", "2", "--quiet"]
COMMON += ["--device", "cpu", "--size", "16", "20", "--asked.steps", "2"]


def recipe_of(words: str) -> FlowRecipe:
    return parse(["train-flow", *words.split(), "--out", "x"]).recipe()


OWN = {"patch-flow": ["--width", "16", "--layers", "1"]}
PIXELS = [kind for kind in FLOW_KINDS if kind != "latent-flow"]


@pytest.mark.parametrize("kind", PIXELS)
@pytest.mark.parametrize("more", [[], ["--unconditional"]], ids=["classes", "none"])
def test_every_kind_is_trained_and_drawn_from(kind, more, tmp_path: Path, course) -> None:
    more = [*more, *OWN.get(kind, ["--widths", "8", "12"])]
    status, out, err = course("train-flow", kind, *COMMON, *more, "--out", tmp_path)
    assert status == 0, err
    assert "recipe: " in out and "changed: " in out and "loss" in out
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    assert card["task"] == "generation" and card["size"] == [16, 20]
    assert model.num_classes == (0 if "--unconditional" in more else 10) and model.steps == 2
    sheet = tmp_path / "sheet.png"
    status, _, err = course(
        "sample", tmp_path / "model.safetensors", "--out", sheet, "--count", "4", "--device", "cpu"
    )
    assert status == 0 and sheet.exists(), err
    status, _, err = course("train-flow", kind, *COMMON, *more, "--out", tmp_path)  # finished
    assert status == 0, err
    status, _, err = course("evaluate", tmp_path / "model.safetensors", "--data", "shapes")
    assert status == 2 and "is a generator; `course sample` with --data" in err


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--unconditional"]], ids=["classes", "none"])
def test_a_flow_on_codes_takes_the_autoencoder_that_is_given(more, tmp_path: Path, course) -> None:
    """One that this command trained before, for images of another size and in colour."""
    first, second = tmp_path / "codes", tmp_path / "flow"
    small = ["--width", "8", "--dim", "4", "--num-codes", "8"]
    small += ["--prior-training.steps", "2", "--prior-training.batch-size", "4"]
    status, _, err = course("train-code", "vqvae", *COMMON[:-2], *small, "--out", first)
    assert status == 0, err
    made = first / "model.safetensors"
    again = [*COMMON, *more, "--widths", "8", "12", "--out", second]
    status, out, err = course("train-flow", "latent-flow", *again, "--autoencoder", made)
    assert status == 0, err
    assert "autoencoder vqvae-digits → " in out
    model, card = load_checkpoint(second / "model.safetensors")
    assert isinstance(model, LatentFlow) and model.shape == (4, 4, 5)
    assert card["size"] == [16, 20] and model.num_classes == (0 if more else 10)
    assert draw_samples(model, 2).shape == (2, 3, 16, 20)


def test_an_autoencoder_that_does_not_fit_is_told(tmp_path: Path, course) -> None:
    status, _, err = course("train-flow", "latent-flow", *COMMON, "--out", tmp_path)
    assert status == 2 and "vqvae-digits takes images of 1x32x32" in err
    status, _, err = course("train-flow", "flow", *COMMON, "--autoencoder", "x", "--out", tmp_path)
    assert status == 2 and "train a latent-flow, or leave it out" in err


@pytest.mark.parametrize("pair", FLOWS, ids=" ".join)
def test_what_is_not_changed_is_the_measured_recipe(pair: tuple[str, str]) -> None:
    assert recipe_of(f"{pair[0]} --data {pair[1]}") == FLOWS[pair]


def test_options_of_the_network_and_the_way_of_asking() -> None:
    recipe = recipe_of("flow --data digits --widths 16 32 --asked.guidance 3 --steps 300")
    assert recipe.network["widths"] == (16, 32) and recipe.asked["guidance"] == 3
    assert recipe.config.steps == 300 and recipe.config.log_every == 10


@pytest.mark.parametrize(
    ("options", "word"),
    [("--asked.guidance 3", "--asked.guidance is 3.0"), ("--drop-labels 0.2", "--drop-labels is")],
)
def test_a_flow_without_classes_has_no_use_for(options: str, word: str) -> None:
    with pytest.raises(ValueError, match=f"{word}.*leave one of them out"):
        recipe_of(f"flow --data digits --unconditional {options}")
    allowed = recipe_of("flow --data digits --unconditional --asked.guidance 1 --drop-labels 0")
    assert allowed.asked["guidance"] == 1 and not allowed.config.drop_labels


def test_a_kind_keeps_its_recipe_on_other_images() -> None:
    recipe = recipe_of("ddpm --data mnist")
    assert recipe.data.name == "mnist" and recipe.data.size == 32
    assert recipe.asked == FLOWS["ddpm", "digits"].asked


def test_an_unknown_kind_is_told(course) -> None:
    status, _, err = course("train-flow", "gan", "--data", "digits", "--out", "x")
    assert status == 2 and "there are flow, ddpm, patch-flow, latent-flow" in err
