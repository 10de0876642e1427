"""The command ``course``, as a person at a terminal meets it."""

import json
from pathlib import Path

import pytest

from course_lib.cli import main
from course_lib.cli.train import MODELS
from course_lib.train import load_checkpoint

TRAIN = ["train", "unet", "--data", "streets", "--size", "16", "24", "--limit", "12", "--quiet"]
TRAIN += ["--epochs", "1", "--batch-size", "4", "--widths", "8", "12", "--device", "cpu"]


def test_train_then_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 0
    path = tmp_path / "run" / "model.safetensors"
    assert "best epoch 1" in capsys.readouterr().out
    command = ["evaluate", str(path), "--data", "streets", "--limit", "8", "--json"]
    assert main([*command, "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    record = json.loads(lines[-1])
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
    ],
)
def test_every_network_is_trained_and_read_back(
    name: str, options: list[str], tmp_path: Path
) -> None:
    command = ["train", name, "--data", "streets", "--size", "32", "48", "--limit", "8", "--quiet"]
    command += ["--epochs", "1", "--batch-size", "4", "--device", "cpu", "--no-augment"]
    assert main([*command, *options, "--out", str(tmp_path)]) == 0
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    assert type(model).__name__ == MODELS[name][0]
    given = dict(zip(options[::2], options[1::2], strict=True))
    for option, value in given.items():
        if option != "--loss":
            assert str(card["arguments"][option[2:].replace("-", "_")]) == value


def test_an_unseen_folder_is_judged(
    tmp_path: Path, real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "unet-pets", "--data", "pets", "--root", str(real_data), "--limit", "16"]
    assert main([*command, "--split", "test", "--json", "--device", "cpu"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["mean_iou"] > 0.7


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["evaluate", "no-such", "--data", "streets"], "no checkpoint 'no-such'"),
        (["evaluate", "unet-streets", "--data", "nonsense"], "nonsense"),
        (["evaluate", "unet-pets", "--data", "streets", "--limit", "2"], "same classes"),
        ([*TRAIN, "--out", "{tmp}", "--lr", "-1"], "positive"),
        ([*TRAIN, "--out", "{tmp}", "--device", "gpu"], '"cuda"'),
        ([*TRAIN, "--out", "{tmp}", "--size", "0"], "--size"),
        ([*TRAIN, "--out", "{tmp}", "--stride", "8"], "unet has no --stride; it takes --widths"),
        ([*TRAIN, "--out", "{tmp}", "--loss", "best"], "best"),
        (["results", "run", "--only", "nonsense"], "Unknown claim"),
        (["data", "verify", "nonsense"], "nonsense"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    command: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.replace("{tmp}", str(tmp_path)) for word in command]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("course: ") and "Traceback" not in error


def test_the_lists_name_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    for name in ("streets", "cells", "shapes", "rooms", "cifar10", "pets", "voc", "imagenet"):
        assert name in out
    assert main(["results"]) == 0
    assert "unet-pets" in capsys.readouterr().out


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        main(["--help"])
    assert status.value.code == 0
    assert "course evaluate unet-pets" in capsys.readouterr().out
