"""``course train-gan`` and ``course sample``, as a person at a terminal meets them."""

from pathlib import Path

import pytest
from PIL import Image

from course_lib.cli import main
from course_lib.cli_generation import GANS
from course_lib.train import load_checkpoint

COMMON = ["--data", "shapes", "--limit", "16", "--batch-size", "4", "--steps", "2", "--quiet"]
COMMON += ["--device", "cpu", "--condition", "plain"]


@pytest.mark.parametrize("name", GANS)
def test_every_family_is_trained_and_read_back(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train-gan", name, *COMMON, "--conditional", "--out", str(tmp_path)]
    size = [] if name == "simple-gan" else ["--size", "16", "32"]
    assert main([*command, *size, "--sample-every", "2"]) == 0
    model, card = load_checkpoint(tmp_path / "model.safetensors")
    assert type(model).__name__ == GANS[name][0]
    assert card["task"] == "generation" and card["arguments"]["num_classes"] == 10
    assert [p.name for p in (tmp_path / "samples").iterdir()] == ["step-0000002.png"]
    sample = ["sample", str(tmp_path / "model.safetensors"), "--out", str(tmp_path / "x.png")]
    assert main([*sample, "--label", "10", "--device", "cpu"]) == 2
    assert "knows 10 classes, 0 to 9" in capsys.readouterr().err


def test_a_sheet_is_drawn_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["train-gan", "dcgan", *COMMON, "--width", "4", "--out", str(tmp_path)]
    assert main(command) == 0
    sheet = tmp_path / "deep" / "sheet.png"
    sample = ["sample", str(tmp_path / "model.safetensors"), "--out", str(sheet), "--count", "16"]
    score = ["--data", "shapes", "--condition", "plain", "--scored", "32", "--device", "cpu"]
    assert main([*sample, *score]) == 0
    assert Image.open(sheet).size == (8 * 34 + 2, 2 * 34 + 2)
    assert "cfd" in capsys.readouterr().out
    asked: dict[str, object] = {}
    monkeypatch.setattr("course_lib.train.sample_scores", lambda *_, **k: asked.update(k) or {})
    assert main([*sample, *score, "--seed", "7"]) == 0
    assert asked["seed"] == 7 and asked["num"] == 32  # what is scored is what is drawn
    assert main(["evaluate", str(tmp_path / "model.safetensors"), "--data", "shapes"]) == 2
    assert "course sample" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["train-gan", "stylegan", *COMMON, "--width", "8"], "stylegan has no --width"),
        (["train-gan", "dcgan", *COMMON, "--size", "28"], "must be 8, 16, 32"),
        (["train-gan", "dcgan", *COMMON, "--size", "1", "2", "3"], "--size is"),
        (["train-gan", "dcgan", *COMMON, "--loss", "cosine"], "adversarial loss is 'cosine'"),
        (["train-gan", "simple-gan", *COMMON, "--size", "16"], "generator makes"),
        (["sample", "unet-streets"], "is no generator"),
        (["sample", "dcgan-mnits"], "no checkpoint"),
    ],
)
def test_a_mistake_is_one_line(
    command: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ("x.png" if command[0] == "sample" else "run")
    assert main([*command, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists() or not list(out.iterdir())


def test_a_picture_is_a_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "unet-streets", "--out", str(tmp_path / "sheet.jpg")]) == 2
    assert "ends in .png" in capsys.readouterr().err
