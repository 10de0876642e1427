"""``course train-gan`` and ``course sample``."""

import os
from pathlib import Path

import pytest
from PIL import Image

from course_lib.cli import parse
from course_lib.data import Augment
from course_lib.recipes import FAMILIES, GANS, generation
from course_lib.recipes.recipe import DataSpec, GANRecipe
from course_lib.train import GANConfig, load_checkpoint

COMMON = ["--data", "shapes", "--limit", "16", "--batch-size", "4", "--steps", "2", "--quiet"]
COMMON += ["--device", "cpu", "--condition", "plain"]


def recipe_of(words: str) -> GANRecipe:
    return parse(["train-gan", *words.split(), "--out", "x"]).recipe()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_trained_and_read_back(name: str, tmp_path: Path, course) -> None:
    command = ["train-gan", name, *COMMON, "--conditional", "--out", tmp_path]
    size = [] if name == "simple-gan" else ["--size", "16", "32"]
    status, out, _ = course(*command, *size, "--sample-every", "2")
    assert status == 0 and "recipe: " in out
    assert ("none was measured" in out) is (name == "simple-gan")
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    assert type(model) is FAMILIES[name].generator
    assert card["task"] == "generation" and card["arguments"]["num_classes"] == 10
    assert [p.name for p in (tmp_path / "samples").iterdir()] == ["step-0000002.png"]
    sample = ["sample", tmp_path / "model.safetensors", "--out", tmp_path / "x.png"]
    status, _, err = course(*sample, "--label", "10", "--device", "cpu")
    assert status == 2 and "knows 10 classes, 0 to 9" in err


@pytest.mark.parametrize("pair", GANS, ids=" ".join)
def test_what_is_not_changed_is_the_measured_recipe(pair: tuple[str, str]) -> None:
    assert recipe_of(f"{pair[0]} --data {pair[1]}") == GANS[pair]


def test_the_recipes_that_had_drifted_are_the_measured_ones() -> None:
    stylegan = recipe_of("stylegan --data mnist").config
    assert (stylegan.penalty, stylegan.penalty_weight, stylegan.penalty_every) == ("r1", 5.0, 16)
    assert recipe_of("wgan-gp --data mnist").config.lr == 1e-3


def test_options_of_both_players_and_of_one() -> None:
    recipe = recipe_of("wgan-gp --data mnist --width 8 --generator.norm layer --flip")
    assert recipe.family.arguments == {"width": 8, "norm": "layer"}
    assert recipe.family.opponent == {"width": 8, "norm": "layer"}
    assert recipe.config.augment == Augment(flip=True)


def test_a_family_keeps_its_recipe_on_other_images() -> None:
    recipe = recipe_of("dcgan --data cells --ema-images None")
    assert recipe.data == DataSpec(name="cells", size=32)
    assert recipe.config.lr == generation.DCGAN.config.lr and recipe.config.ema_images is None
    assert recipe_of("simple-gan --data shapes").data == generation.DATA["shapes"]


def test_readings_and_sheets_keep_their_share_of_the_steps() -> None:
    config = recipe_of("dcgan --data mnist --steps 60").config
    assert (config.log_every, config.sample_every) == (2, 10)
    assert recipe_of("dcgan --data mnist --steps 60 --sample-every 7").config.sample_every == 7


def test_a_penalty_that_is_asked_for_is_not_weighed_as_the_recipes_own() -> None:
    words = "stylegan --data mnist --penalty gradient"
    config, usual = recipe_of(words).config, GANConfig(steps=1)
    assert (config.penalty_weight, config.penalty_every) == (usual.penalty_weight, 1)
    assert recipe_of(f"{words} --penalty-weight 3").config.penalty_weight == 3


@pytest.mark.slow
def test_a_sheet_is_drawn_and_scored(
    tmp_path: Path, course, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert course("train-gan", "dcgan", *COMMON, "--width", "4", "--out", tmp_path)[0] == 0
    sheet = tmp_path / "deep" / "sheet.png"
    sample = ["sample", tmp_path / "model.safetensors", "--out", sheet, "--count", "16"]
    score = ["--data", "shapes", "--condition", "plain", "--scored", "32", "--device", "cpu"]
    status, out, _ = course(*sample, *score)
    assert status == 0 and "cfd" in out
    assert Image.open(sheet).size == (8 * 34 + 2, 2 * 34 + 2)
    asked: dict[str, object] = {}
    monkeypatch.setattr(
        "course_lib.cli.generation.sample_scores", lambda *_, **k: asked.update(k) or {}
    )
    assert course(*sample, *score, "--seed", "7")[0] == 0
    assert asked["seed"] == 7 and asked["num"] == 32  # what is scored is what is drawn
    judged: list[DataSpec] = []
    monkeypatch.setattr(DataSpec, "load", lambda self, *_: judged.append(self) or range(99))
    _, out, _ = course(*sample, "--data", "shapes")  # as it has learned: on plain ground
    assert judged[-1].condition == "plain" and "judged by" not in out
    _, out, _ = course(*sample, "--data", "shapes", "--condition", "clutter")
    assert "learned from shapes plain and is judged by shapes clutter" in out
    assert course(*sample, "--data", "mnist")[0] == 0
    assert judged[-1].condition is None
    status, _, err = course("evaluate", tmp_path / "model.safetensors", "--data", "shapes")
    assert status == 2 and "course sample" in err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sample", "dcgan-shapes", "--condition", "plain"], "give --data too"),
        (["train-gan", "stylegan", *COMMON, "--width", "8"], "Unrecognized options: --width"),
        (["train-gan", "dcgan", *COMMON, "--size", "28"], "must be 8, 16, 32"),
        (["train-gan", "dcgan", *COMMON, "--size", "1", "2", "3"], "Error parsing --size"),
        (["train-gan", "dcgan", *COMMON, "--width", "0"], "width is 0"),
        (["train-gan", "dcgan", *COMMON, "--width", "-4"], "width is -4"),
        (["train-gan", "dcgan", *COMMON, "--loss", "cosine"], "adversarial loss is 'cosine'"),
        (["train-gan", "simple-gan", *COMMON, "--size", "16"], "generator makes"),
        (["sample", "unet-streets"], "is no generator"),
        (["sample", "dcgan-mnits"], "no checkpoint"),
        (["sample", "dcgan-mnist", "--count", "1000000000"], "--count is 1000000000; it goes from"),
        (["sample", "dcgan-mnist", "--count", "0"], "--count is 0"),
        (["sample", "dcgan-mnist", "--data", "mnist", "--scored", "-1"], "--scored is -1"),
    ],
)
def test_a_mistake_is_said_and_status_2(
    command: list[str], message: str, tmp_path: Path, course
) -> None:
    out = tmp_path / ("x.png" if command[0] == "sample" else "run")
    status, _, err = course(*command, "--out", out)
    assert status == 2
    assert message in " ".join(word for word in err.split() if word != "│")
    assert not out.exists() or not list(out.iterdir())


def test_a_picture_that_cannot_be_written_is_one_line_with_the_cure(tmp_path: Path, course) -> None:
    (tmp_path / "sheet.png").mkdir()
    status, _, err = course("sample", "dcgan-mnist", "--out", tmp_path / "sheet.png", "--count", 1)
    assert status == 1 and err.count("\n") == 1
    assert "sheet.png cannot be written (Is a directory). Choose another folder." in err
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_a_picture_is_a_png(tmp_path: Path, course) -> None:
    status, _, err = course("sample", "unet-streets", "--out", tmp_path / "sheet.jpg")
    assert status == 2 and "ends in .png" in err
