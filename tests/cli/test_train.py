"""``course train`` and ``course evaluate``."""

import json
from pathlib import Path

import pytest
import torch

from course_lib.cli import evaluate, parse
from course_lib.recipes import NETWORKS, SUPERVISED, Recipe, segmentation
from course_lib.train import Evaluation, load_checkpoint

TRAIN = ["train", "unet", "--data", "streets", "--size", "16", "24", "--limit", "12", "--quiet"]
TRAIN += ["--epochs", "1", "--batch-size", "4", "--num-val", "8", "--device", "cpu"]
SMALL = ["--widths", "8", "12"]


def recipe_of(words: str) -> Recipe:
    return parse(["train", *words.split(), "--out", "x"]).recipe()


def test_train_then_evaluate(tmp_path: Path, course) -> None:
    status, out, _ = course(*TRAIN, *SMALL, "--out", tmp_path / "run")
    assert status == 0 and "best epoch 1" in out
    assert out.startswith("recipe: unet-streets, as it was measured; changed: size (96, 128) → ")
    assert "epochs 24 → 1" in out and "widths (16, 32, 64, 128) → (8, 12)" in out
    path = tmp_path / "run" / "model.safetensors"
    status, out, _ = course(
        *("evaluate", path, "--data", "streets", "--limit", "8", "--json", "--device", "cpu")
    )
    record = json.loads(out.splitlines()[-1])
    assert status == 0
    assert list(record) == [
        *("checkpoint", "data", "split", "num_images", "size", "fingerprint"),
        *("mean_iou", "accuracy", "loss", "iou", "note"),
    ]
    assert 0 <= record["mean_iou"] <= 1 and record["num_images"] == 8
    assert record["size"] == [16, 24]
    assert record["iou"].keys() == set(load_checkpoint(path)[1]["classes"])
    assert all(value is None or 0 <= value <= 1 for value in record["iou"].values())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet-unet", ["--encoder", "small"]),
        ("fcn", ["--backbone", "small", "--stride", "16", "--loss", "cross-entropy+dice"]),
        ("dilated-fcn", ["--backbone", "mobilenet_v3_small", "--dropout", "0.2"]),
        ("deeplabv3", ["--output-stride", "16"]),
        ("deeplabv3plus", []),
        ("pixelwise", []),
    ],
)
def test_every_network_is_trained_and_read_back(
    name: str, options: list[str], tmp_path: Path, course
) -> None:
    command = ["train", name, "--data", "streets", "--size", "32", "48", "--limit", "8", "--quiet"]
    command += ["--epochs", "1", "--batch-size", "4", "--num-val", "4", "--device", "cpu"]
    status, out, err = course(*command, "--no-flip", *options, "--out", tmp_path)
    assert status == 0, err
    assert ("none was measured" in out) is ((name, "streets") not in SUPERVISED)
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    assert type(model) is NETWORKS[name].model
    given = dict(zip(options[::2], options[1::2], strict=True))
    for option, value in given.items():
        if option != "--loss":
            assert str(card["arguments"][option[2:].replace("-", "_")]) == value


@pytest.mark.parametrize("pair", SUPERVISED, ids=" ".join)
def test_what_is_not_changed_is_the_measured_recipe(pair: tuple[str, str]) -> None:
    assert recipe_of(f"{pair[0]} --data {pair[1]}") == SUPERVISED[pair]


def test_an_option_replaces_one_field() -> None:
    recipe = recipe_of("unet --data pets --epochs 7 --no-flip --scale None --size 64 --skips")
    measured = SUPERVISED["unet", "pets"]
    assert recipe.config.epochs == 7 and recipe.config.lr == measured.config.lr
    assert recipe.config.augment is not None and recipe.config.augment.rotate == 15
    assert not recipe.config.augment.flip and recipe.config.augment.scale is None
    assert recipe.data.size == 64 and recipe.network.arguments == measured.network.arguments
    assert recipe_of("unet --data streets --no-flip").config.augment is None


def test_the_nearest_recipe_is_that_of_the_data_or_of_the_network() -> None:
    beside = recipe_of("resnet-unet --data pets")
    assert beside.config == segmentation.PETS_CONFIG and beside.data == segmentation.PETS
    assert beside.network.arguments == {}
    elsewhere = recipe_of("deeplabv3plus --data cells")
    measured = SUPERVISED["deeplabv3plus", "streets"]
    assert elsewhere.config == measured.config and elsewhere.network == measured.network
    assert elsewhere.data.name == "cells" and elsewhere.data.num_train is None
    digits = recipe_of("simple-cnn --data fashion-mnist")
    assert digits.config == SUPERVISED["simple-cnn", "cifar10"].config
    assert digits.data.task == "classification"


def test_help_tells_the_recipes_own_values(course) -> None:
    status, out, _ = course("train", "unet", "--data", "pets", "--help")
    assert status == 0
    told = " ".join(word for word in out.split() if word not in "│╭╰─╮╯")
    assert "--epochs INT passes over the training set. (default: 100)" in told
    assert "--widths" in told and "channels at each level" in told
    assert "--output-stride" not in told and "--num-test" not in told
    status, out, _ = course("train", "--help")
    assert status == 0 and "streets, pets, membrane" in out
    assert course("train")[0] == 2


def test_an_unseen_folder_is_judged(course, real_data: Path) -> None:
    command = ["evaluate", "unet-pets", "--data", "pets", "--root", real_data, "--limit", "16"]
    status, out, _ = course(*command, "--split", "test", "--json", "--device", "cpu")
    assert status == 0 and json.loads(out.splitlines()[-1])["mean_iou"] > 0.7


def test_json_is_json_even_where_nothing_is_a_number(
    course, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = tuple(load_checkpoint("unet-streets")[1]["classes"])
    lost = Evaluation(torch.zeros(10, 10, dtype=torch.int64), float("nan"), classes)
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: lost)
    status, out, _ = course("evaluate", "unet-streets", "--data", "streets", "--limit", 2, "--json")
    last = json.loads(out.splitlines()[-1], parse_constant=lambda word: pytest.fail(word))
    assert status == 0 and last["loss"] is None and set(last["iou"].values()) == {None}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["evaluate", "no-such", "--data", "streets"], "no checkpoint 'no-such'"),
        (["evaluate", "unet-streets", "--data", "nonsense"], "nonsense"),
        (["evaluate", "unet-pets", "--data", "streets", "--limit", "2"], "same classes"),
        (["evaluate", "unet-streets", "--data", "streets", "--limit", 10**30], "do not fit"),
        (["evaluate", "unet-streets", "--data", "streets", "--limit", 0], "--limit is 0"),
        (["evaluate", "unet-streets", "--data", "streets", "--batch-size", 0], "at least 1"),
        ([*TRAIN, "--out", "{tmp}", "--lr", "-1"], "positive"),
        ([*TRAIN, "--out", "{tmp}", "--device", "gpu"], '"cuda"'),
        ([*TRAIN, "--out", "{tmp}", "--size", "0"], "size=0"),
        ([*TRAIN, "--out", "{tmp}", "--size", "100000"], "100000"),
        ([*TRAIN, "--out", "{tmp}", "--stride", "8"], "Unrecognized options: --stride"),
        ([*TRAIN, "--out", "{tmp}", "--loss", "best"], "best"),
        ([*TRAIN, "--out", "{tmp}", "--seed", 10**30], "at most 63 bits"),
        ([*TRAIN, "--out", "{tmp}", "--widths", "8", "0"], "widths is (8, 0)"),
        ([*TRAIN, "--out", "{tmp}", "--widths", "-4"], "widths is (-4,)"),
        ([*TRAIN, "--out", "{tmp}", "--dropout", "nan"], "dropout is nan"),
        ([*TRAIN, "--out", ""], "the name is empty"),
        (TRAIN, "--out"),
        (["train", "unet", "--out", "x"], "--data"),
        (["train", "unett", "--data", "streets", "--out", "x"], "there are fcn, unet,"),
        (["train", "--data", "streets", "unet"], "begins with a network"),
    ],
)
def test_a_mistake_is_said_and_status_2(
    command: list[str], message: str, tmp_path: Path, course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = course(
        *(str(word).replace("{tmp}", str(tmp_path / "run")) for word in command)
    )
    assert status == 2
    assert message in " ".join(word for word in err.split() if word != "│")
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.*"))  # nothing was written


@pytest.mark.parametrize("kind", ["a file", "full", "locked"])
def test_a_folder_that_cannot_be_written_is_noticed_before_the_training(
    kind: str, course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "taken"
    if kind == "a file":
        out.write_text("")
    elif kind == "full":
        usage = type("Usage", (), {"free": 1e6})
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    else:

        def refuse(dir: Path) -> None:
            raise PermissionError(13, "Permission denied", str(dir))

        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("course_lib.cli.train.train_supervised", lambda *_, **__: pytest.fail())
    status, _, err = course(*TRAIN, "--out", out)
    assert status in (1, 2) and str(out) in err and len(err.splitlines()) == 1
