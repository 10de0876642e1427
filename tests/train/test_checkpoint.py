"""Checkpoints: what is saved comes back, and what is damaged is named."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from course_lib.data import load
from course_lib.models import FCN, SimpleCNN, UNet, generator_of
from course_lib.train import (
    checkpoint,
    draw_samples,
    evaluate,
    load_checkpoint,
    object_scores,
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
    (path.parent / "plain").touch()
    assert path.stat().st_mode == (path.parent / "plain").stat().st_mode  # others may read it


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


WRONG_CARDS = {
    "a list": ([1, 2], "its model, arguments, .* are missing"),
    "null": (None, "its model, arguments, .* are missing"),
    "another network": ({"model": "GPT"}, "'GPT'"),
    "no size": ({"size": None}, "its size are missing"),
    "three sizes": ({"size": [16, 24, 3]}, r"the size is \[16, 24, 3\]"),
    "a size in words": ({"size": ["a", "b"]}, "the size is"),
    "classes without names": ({"classes": [1, 2]}, r"the classes is \[1, 2\]"),
    "a task of no network": ({"task": "panoptic"}, "the task is 'panoptic'"),
    "arguments in a list": ({"arguments": [5]}, "its arguments are missing"),
    "other arguments": ({"arguments": {"num_classes": 5, "widths": (8, 12)}}, "of another network"),
    "an unknown argument": ({"arguments": {"depth": 3}}, "unexpected keyword argument 'depth'"),
    "an argument that is a text": ({"arguments": {"widths": "ab"}}, "does not fit UNet"),
    "400 GB": ({"arguments": {"widths": (8, 100_000)}}, "those of another network"),
}


@pytest.mark.parametrize("name", WRONG_CARDS)
def test_a_card_that_says_something_else_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    change, said = WRONG_CARDS[name]
    card = {"model": "UNet", **CARD, **change} if isinstance(change, dict) else change
    save_file(unet().state_dict(), tmp_path / "m.safetensors", metadata={"card": json.dumps(card)})
    with pytest.raises(ValueError, match=said) as told:
        load_checkpoint(tmp_path / "m.safetensors")
    assert "m.safetensors" in str(told.value) and "\n" not in str(told.value)
    save_file(unet().state_dict(), tmp_path / "n.safetensors", metadata={"card": "{"})
    with pytest.raises(ValueError, match="damaged card"):
        load_checkpoint(tmp_path / "n.safetensors")


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(
    tmp_path: Path,
) -> None:
    broken = unet()
    with torch.no_grad():
        broken.head.bias[1] = torch.nan
    with pytest.raises(ValueError, match="weights head.bias hold NaN.*has diverged"):
        save_checkpoint(tmp_path / "m.safetensors", broken, CARD)
    card = json.dumps({"model": "UNet", **CARD})
    save_file(broken.state_dict(), tmp_path / "m.safetensors", metadata={"card": card})
    with pytest.raises(ValueError, match="weights head.bias in .* hold NaN"):
        load_checkpoint(tmp_path / "m.safetensors")
    large = unet()
    with torch.no_grad():
        large.head.bias[1] = 1e6
    with pytest.raises(ValueError, match="too large for float16: use half=False"):
        save_checkpoint(tmp_path / "large.safetensors", large, CARD)
    save_checkpoint(tmp_path / "large.safetensors", large, CARD, half=False)
    assert load_checkpoint(tmp_path / "large.safetensors")[0].head.bias[1] == 1e6


def test_weights_named_in_a_card_are_not_fetched(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("course_lib.models.backbones.fetched_weights", None)
    model = FCN(backbone="resnet18")
    arguments = {"backbone": "resnet18", "weights": "imagenet"}
    path = save_checkpoint(tmp_path / "m.safetensors", model, {**CARD, "arguments": arguments})
    assert load_checkpoint(path)[1]["arguments"] == arguments


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_shipping_leaves_the_old_or_the_new_whenever_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Three files take their places one after the other: stop before each of them."""
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    paths = []
    for number in (0, 1, 2):
        torch.manual_seed(number)
        card = {**CARD, "arguments": {}, "number": number}
        paths.append(save_checkpoint(tmp_path / f"{number}.safetensors", SimpleCNN(), card))
    checkpoint.ship(paths[0], "simple")
    checkpoint.ship(paths[0], "other")
    replace, calls = os.replace, []

    def cut(source: object, target: object) -> None:
        calls.append(target)
        if len(calls) == stop:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", cut)
        checkpoint.ship(paths[1], "simple")
    model, card = load_checkpoint("simple")
    assert card["number"] == shipped()["simple"]["card"]["number"] == (1 if stop == 3 else 0)
    expected = load_checkpoint(paths[card["number"]])[0]
    assert torch.equal(model.fc2.weight, expected.fc2.weight)
    assert load_checkpoint("other")[1]["number"] == 0
    checkpoint.ship(paths[2], "simple")
    assert load_checkpoint("simple")[1]["number"] == 2
    left = {path.name for path in (tmp_path / "shipped").iterdir()}
    assert left == {".lock", "index.json", "simple.safetensors", "other.safetensors"}


def test_a_cut_list_of_shipped_checkpoints_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    for text in ('{"a": {"sha', "[]", '{"a": {"bytes": 3}}', '{"a": 3}'):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ValueError, match="index.json is damaged .*install the course again"):
            shipped()


def test_the_shipped_checkpoints_stay_within_their_budget() -> None:
    index = shipped()
    assert {"simple-cnn-cifar10", "unet-pets", "unet-streets"} <= index.keys()
    # A third of it is the four flows of pictures, of two million weights each.
    assert sum(entry["bytes"] for entry in index.values()) < 55_000_000
    for name, entry in index.items():
        path = checkpoint.SHIPPED / f"{name}.safetensors"
        assert path.stat().st_size == entry["bytes"]
        model, card = load_checkpoint(name)
        assert card == entry["card"]
        assert {"claim", "seed", "score", "licence", "versions", "hardware"} <= card.keys()
        if card["task"] == "generation":
            drawn = draw_samples(generator_of(model), 2)
            assert drawn.shape[-2:] == tuple(card["size"]) and drawn.float().std() > 10
        else:
            channels = card["arguments"].get("in_channels", 3)
            images = torch.zeros(1, channels, *card["size"])
            answer = model(images)
            if card["task"] == "instance":
                assert len(answer) == 1 and answer[0].boxes.shape[1:] == (4,)
                assert model.num_classes == len(card["classes"])
            else:
                assert answer.shape[1] == len(card["classes"])


@pytest.mark.parametrize("name", ["unet-streets"])
def test_a_card_states_the_score_that_the_checkpoint_has(name: str) -> None:
    model, card = load_checkpoint(name)
    test = load("streets", "test", size=tuple(card["size"]), num=400, seed=0)
    score = card["score"]["test_mean_iou"]
    assert evaluate(model, test, batch_size=16).mean_iou == pytest.approx(score, abs=2e-3)


@pytest.mark.parametrize(("name", "data"), [("mask-rcnn-cells", "cells")])
def test_a_card_states_the_score_that_the_detector_has(name: str, data: str) -> None:
    model, card = load_checkpoint(name)
    test = load(data, "test", size=tuple(card["size"]), task="instance", num=200, seed=0)
    found = object_scores(model, test)
    for metric in ("box_ap", "mask_ap"):
        assert found[metric] == pytest.approx(card["score"][metric], abs=5e-3)


def test_a_card_states_the_score_on_photographs_of_people(real_data: Path) -> None:
    model, card = load_checkpoint("mask-rcnn-pennfudan")
    size = tuple(card["size"])
    test = load("penn-fudan", "test", size=size, task="instance", root=real_data)
    found = object_scores(model, test)
    for metric in ("box_ap", "mask_ap"):
        assert found[metric] == pytest.approx(card["score"][metric], abs=1e-2)


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
