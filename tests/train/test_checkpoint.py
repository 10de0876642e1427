"""Checkpoints: what is saved comes back, and what is damaged is named."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from course_lib.data import load
from course_lib.models import SimpleCNN, UNet
from course_lib.train import (
    checkpoint,
    draw_samples,
    evaluate,
    load_checkpoint,
    save_checkpoint,
    shipped,
)

CARD = {
    "arguments": {"num_classes": 2, "widths": (8, 12)},
    "classes": ("background", "pet"),
    "task": "semantic",
    "size": (16, 24),
    "data": "nothing",
}


def unet() -> UNet:
    torch.manual_seed(3)
    return UNet(widths=(8, 12)).eval()


@pytest.mark.parametrize("half", [True, False])
def test_a_model_comes_back_with_its_card(tmp_path: Path, half: bool) -> None:
    model, x = unet(), torch.randn(1, 3, 17, 22)
    path = save_checkpoint(tmp_path / "deep" / "m.safetensors", model, CARD, half=half)
    loaded, card = load_checkpoint(path)
    assert card["classes"] == ["background", "pet"] and card["model"] == "UNet"
    assert not loaded.training and loaded.head.weight.dtype == torch.float32
    torch.testing.assert_close(loaded(x), model(x), rtol=0, atol=2e-2 if half else 0)
    assert sorted(p.name for p in path.parent.iterdir()) == ["m.safetensors"]


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(ValueError, match="must end in"):
        save_checkpoint(tmp_path / "m.pt", unet(), CARD)
    with pytest.raises(ValueError, match="none of the course's models"):
        save_checkpoint(path, torch.nn.Linear(2, 2), CARD)
    with pytest.raises(ValueError, match="lacks .*classes"):
        save_checkpoint(path, unet(), {"arguments": {}})
    assert not list(tmp_path.iterdir())


def test_a_damaged_or_foreign_file_is_named(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "m.safetensors", unet(), CARD)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_checkpoint(path)
    save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="no model card"):
        load_checkpoint(path)
    save_file({"w": torch.zeros(1)}, path, metadata={"card": json.dumps({"model": "GPT"})})
    with pytest.raises(ValueError, match="'GPT'"):
        load_checkpoint(path)
    save_checkpoint(path, unet(), {**CARD, "arguments": {"num_classes": 5, "widths": (8, 12)}})
    with pytest.raises(ValueError, match="does not fit UNet"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError, match="neither a file nor"):
        load_checkpoint(tmp_path / "no.safetensors")


def test_a_shipped_checkpoint_is_checked_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    path = save_checkpoint(tmp_path / "made.safetensors", SimpleCNN(), {**CARD, "arguments": {}})
    checkpoint.ship(path, "simple")
    assert load_checkpoint("simple")[1]["model"] == "SimpleCNN"
    with pytest.raises(FileNotFoundError, match="Did you mean 'simple'"):
        load_checkpoint("simpel")
    changed = bytearray((tmp_path / "simple.safetensors").read_bytes())
    changed[-1] ^= 1
    (tmp_path / "simple.safetensors").write_bytes(bytes(changed))
    with pytest.raises(ValueError, match="not the file that was shipped"):
        load_checkpoint("simple")


def test_the_shipped_checkpoints_stay_within_their_budget() -> None:
    index = shipped()
    assert {"simple-cnn-cifar10", "unet-pets", "unet-streets"} <= index.keys()
    assert sum(entry["bytes"] for entry in index.values()) < 40_000_000
    for name, entry in index.items():
        path = checkpoint.SHIPPED / f"{name}.safetensors"
        assert path.stat().st_size == entry["bytes"]
        model, card = load_checkpoint(name)
        assert card == entry["card"]
        assert {"claim", "seed", "score", "licence", "versions", "hardware"} <= card.keys()
        if card["task"] == "generation":
            drawn = draw_samples(model, 2)
            assert drawn.shape[-2:] == tuple(card["size"]) and drawn.float().std() > 10
        else:
            images = torch.zeros(1, 3, *card["size"])
            assert model(images).shape[1] == len(card["classes"])


@pytest.mark.parametrize("name", ["unet-streets"])
def test_a_card_states_the_score_that_the_checkpoint_has(name: str) -> None:
    model, card = load_checkpoint(name)
    test = load("streets", "test", size=tuple(card["size"]), num=400, seed=0)
    score = card["score"]["test_mean_iou"]
    assert evaluate(model, test, batch_size=16).mean_iou == pytest.approx(score, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "data", "metric"),
    [("unet-pets", "pets", "mean_iou"), ("simple-cnn-cifar10", "cifar10", "accuracy")],
)
def test_a_card_states_the_score_on_real_data(
    name: str, data: str, metric: str, real_data: Path
) -> None:
    model, card = load_checkpoint(name)
    test = load(data, "test", size=tuple(card["size"]), task=card["task"], root=real_data)
    score = card["score"][f"test_{metric}"]
    assert getattr(evaluate(model, test), metric) == pytest.approx(score, abs=2e-3)
