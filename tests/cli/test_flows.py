"""``course train-flow``, and sampling from what it trained."""

from pathlib import Path

import pytest

from course_lib.cli import parse
from course_lib.recipes import FLOW_KINDS, FLOWS, FlowRecipe
from course_lib.train import load_checkpoint

COMMON = ["--data", "shapes", "--limit", "16", "--batch-size", "4", "--steps", "2", "--quiet"]
COMMON += ["--device", "cpu", "--size", "16", "20", "--widths", "8", "12", "--asked.steps", "2"]


def recipe_of(words: str) -> FlowRecipe:
    return parse(["train-flow", *words.split(), "--out", "x"]).recipe()


@pytest.mark.parametrize("kind", FLOW_KINDS)
@pytest.mark.parametrize("more", [[], ["--unconditional"]], ids=["classes", "none"])
def test_every_kind_is_trained_and_drawn_from(kind, more, tmp_path: Path, course) -> None:
    status, out, err = course("train-flow", kind, *COMMON, *more, "--out", tmp_path)
    assert status == 0, err
    assert "recipe: " in out and "changed: " in out and "loss" in out
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    assert card["task"] == "generation" and card["size"] == [16, 20]
    assert model.num_classes == (0 if more else 10) and model.steps == 2
    sheet = tmp_path / "sheet.png"
    status, _, err = course(
        "sample", tmp_path / "model.safetensors", "--out", sheet, "--count", "4", "--device", "cpu"
    )
    assert status == 0 and sheet.exists(), err
    status, _, err = course("train-flow", kind, *COMMON, *more, "--out", tmp_path)  # finished
    assert status == 0, err
    status, _, err = course("evaluate", tmp_path / "model.safetensors", "--data", "shapes")
    assert status == 2 and "is a generator; `course sample` with --data" in err


@pytest.mark.parametrize("pair", FLOWS, ids=" ".join)
def test_what_is_not_changed_is_the_measured_recipe(pair: tuple[str, str]) -> None:
    assert recipe_of(f"{pair[0]} --data {pair[1]}") == FLOWS[pair]


def test_options_of_the_network_and_the_way_of_asking() -> None:
    recipe = recipe_of("flow --data digits --widths 16 32 --asked.guidance 3 --steps 300")
    assert recipe.network["widths"] == (16, 32) and recipe.asked["guidance"] == 3
    assert recipe.config.steps == 300 and recipe.config.log_every == 10


def test_a_kind_keeps_its_recipe_on_other_images() -> None:
    recipe = recipe_of("ddpm --data mnist")
    assert recipe.data.name == "mnist" and recipe.data.size == 32
    assert recipe.asked == FLOWS["ddpm", "digits"].asked


def test_an_unknown_kind_is_told(course) -> None:
    status, _, err = course("train-flow", "gan", "--data", "digits", "--out", "x")
    assert status == 2 and "there are flow, ddpm" in err
