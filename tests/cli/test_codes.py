"""``course train-code``, and sampling from what it trained."""

from pathlib import Path

import pytest

from course_lib.cli import parse
from course_lib.recipes import CODE_FAMILIES, CODES, CodeRecipe
from course_lib.train import load_checkpoint

COMMON = ["--data", "shapes", "--limit", "16", "--batch-size", "4", "--steps", "2", "--quiet"]
COMMON += ["--device", "cpu", "--size", "16", "20"]


def recipe_of(words: str) -> CodeRecipe:
    return parse(["train-code", *words.split(), "--out", "x"]).recipe()


@pytest.mark.parametrize("name", CODE_FAMILIES)
def test_every_family_is_trained_and_drawn_from(name: str, tmp_path: Path, course) -> None:
    own = []
    if name == "vqvae":
        own = ["--prior-training.steps", "2", "--prior-training.batch-size", "4"]
    status, out, err = course("train-code", name, *COMMON, *own, "--out", tmp_path)
    assert status == 0, err
    assert f"recipe: {name}-shapes" in out and "changed: " in out
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    assert card["task"] == "generation" and card["size"] == [16, 20]
    sheet = tmp_path / "sheet.png"
    status, _, err = course(
        "sample", tmp_path / "model.safetensors", "--out", sheet, "--count", "4", "--device", "cpu"
    )
    assert status == 0 and sheet.exists(), err
    status, out, _ = course("train-code", name, *COMMON, *own, "--out", tmp_path)  # finished
    assert status == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--prior.heads", "3", "--prior.width", "8"], "heads do not divide"),
        (["--prior.layers", "0"], "must be at least 1"),
        (["--prior-training.batch-size", "64"], "has 16 images"),
        (["--likelihood", "bernoulli", "--binarise", "threshold"], "hold grey pixels"),
    ],
)
def test_a_prior_that_does_not_fit_is_told_before_the_codes_are_trained(
    options: list[str], said: str, tmp_path: Path, course
) -> None:
    small = ["--prior-training.steps", "2", "--prior-training.batch-size", "4"]
    status, _, err = course("train-code", "vqvae", *COMMON, *small, *options, "--out", tmp_path)
    assert status == 2 and said in err
    assert not list(tmp_path.rglob("checkpoint.pt"))


@pytest.mark.parametrize("pair", CODES, ids=" ".join)
def test_what_is_not_changed_is_the_measured_recipe(pair: tuple[str, str]) -> None:
    assert recipe_of(f"{pair[0]} --data {pair[1]}") == CODES[pair]


def test_options_of_the_two_stages() -> None:
    recipe = recipe_of(
        "vqvae --data digits --num-codes 64 --prior.layers 2 --prior-training.steps 60"
    )
    family = recipe.family
    assert family.arguments["num_codes"] == 64 and family.prior.arguments["layers"] == 2
    assert family.prior.config.steps == 60 and family.prior.config.log_every == 2
    assert family.config.steps == CODES["vqvae", "digits"].family.config.steps


def test_both_stages_have_the_seed_of_the_run() -> None:
    with pytest.raises(ValueError, match="give it with --seed"):
        recipe_of("vqvae --data digits --prior-training.seed 1")
    assert recipe_of("vqvae --data digits --seed 1").family.config.seed == 1


def test_a_family_keeps_its_recipe_on_other_images() -> None:
    recipe = recipe_of("vae --data cells")
    assert recipe.data.name == "cells" and recipe.data.size == 32
    assert recipe.family == CODE_FAMILIES["vae"]


def test_an_unknown_model_is_told(course) -> None:
    status, _, err = course("train-code", "gan", "--data", "digits", "--out", "x")
    assert status == 2 and "there are vae, cvae, vqvae, vaegan" in err
