"""``course train-gan`` and ``course sample``, as a person at a terminal meets them."""

from pathlib import Path

import pytest
from PIL import Image

from course_lib.cli import main
from course_lib.cli.generation import GANS
from course_lib.train import GANConfig, load_checkpoint

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
    capsys.readouterr()
    judged: list[object] = []
    monkeypatch.setattr("course_lib.data.load", lambda *_, **k: judged.append(k) or range(99))
    assert main([*sample, "--data", "shapes"]) == 0  # as it has learned: on plain ground
    assert judged[-1]["condition"] == "plain"
    assert "judged by" not in capsys.readouterr().out
    assert main([*sample, "--data", "shapes", "--condition", "clutter"]) == 0
    assert "learned from shapes plain and is judged by shapes clutter" in capsys.readouterr().out
    assert main([*sample, "--data", "mnist"]) == 0
    assert "condition" not in judged[-1]
    assert main(["evaluate", str(tmp_path / "model.safetensors"), "--data", "shapes"]) == 2
    assert "course sample" in capsys.readouterr().err


def test_a_penalty_that_is_asked_for_is_not_weighed_as_the_recipes_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[GANConfig] = []
    monkeypatch.setattr("course_lib.train.train_gan", lambda *_, config, **__: seen.append(config))
    command = ["train-gan", "stylegan", *COMMON, "--out", str(tmp_path), "--ema-images", "0"]
    for options in ([], ["--penalty", "gradient"]):
        assert main([*command, *options]) == 0
    assert [(c.penalty, c.penalty_every) for c in seen] == [("r1", 16), ("gradient", 1)]
    assert seen[1].penalty_weight == GANConfig(steps=1).penalty_weight
    assert seen[0].ema_images is None


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
