"""``course train mask-rcnn`` and ``course evaluate`` of what it leaves."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from course_lib.data import load
from course_lib.models import MaskRCNN
from course_lib.train import load_checkpoint, object_scores

TRAIN = ["train", "mask-rcnn", "--epochs", "1", "--evaluate-every", "1", "--batch-size", "2"]
TRAIN += ["--width", "8", "--box-width", "16", "--mask-width", "8", "--quiet", "--device", "cpu"]


def people(folder: Path) -> Path:
    """Forty pictures of three sizes, laid out as Penn-Fudan's are."""
    rng = np.random.default_rng(0)
    for place in ("PNGImages", "PedMasks"):
        (folder / place).mkdir(parents=True)
    for number in range(40):
        height, width = [(60, 90), (101, 75), (64, 64)][number % 3]
        mask = np.zeros((height, width), np.uint8)
        mask[5:50, 10:30], mask[20:58, 40:60] = 1, 2
        image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8) + 90 * (mask > 0)[..., None]
        Image.fromarray(image.astype(np.uint8)).save(folder / "PNGImages" / f"P{number}.png")
        Image.fromarray(mask).save(folder / "PedMasks" / f"P{number}_mask.png")
    return folder


def test_train_on_scenes_and_evaluate(tmp_path: Path, course) -> None:
    data = ["--data", "streets", "--size", "64", "96", "--limit", "4", "--num-val", "2"]
    status, out, err = course(*TRAIN, *data, "--out", tmp_path / "run")
    assert status == 0, err
    assert out.startswith("recipe: mask-rcnn-streets, as it was measured; changed: size (96, 128)")
    path = tmp_path / "run" / "model.safetensors"
    model, card = load_checkpoint(path)
    assert isinstance(model, MaskRCNN) and card["task"] == "instance" and card["size"] == [64, 96]
    status, out, _ = course(
        *("evaluate", path, "--data", "streets", "--limit", "3", "--json", "--device", "cpu")
    )
    record = json.loads(out.splitlines()[-1])
    assert status == 0 and record["num_images"] == 3 and record["size"] == [64, 96]
    assert 0 <= record["box_ap"] <= 1 and 0 <= record["mask_ap"] <= 1
    assert record["num_objects"] > 0
    assert record["mask_ap_large"] is None  # no such object: no number, and no NaN in JSON
    assert "  mask_ap  " in out and "  box_ap  " in out


def test_a_folder_that_nobody_has_seen_is_judged_at_the_checkpoints_size(
    tmp_path: Path, course
) -> None:
    root = people(tmp_path / "unseen")
    data = ["--data", "penn-fudan", "--root", root, "--size", "64", "96", "--limit", "4"]
    status, out, err = course(*TRAIN, *data, "--out", tmp_path / "run")
    assert status == 0, err
    path = tmp_path / "run" / "model.safetensors"
    found = {}
    for split in ("train", "test"):
        status, out, err = course(
            *("evaluate", path, "--data", "penn-fudan", "--root", root),
            *("--split", split, "--json", "--device", "cpu", "--batch-size", "5"),
        )
        assert status == 0, err
        found[split] = json.loads(out.splitlines()[-1])
        assert found[split]["size"] == [64, 96]
        assert found[split]["num_objects"] == 2 * found[split]["num_images"]
    unseen = load("penn-fudan", "test", root=root, size=(64, 96))
    expected = object_scores(load_checkpoint(path)[0], unseen)
    assert found["test"]["mask_ap"] == expected["mask_ap"]
    assert found["test"]["fingerprint"] == unseen.fingerprint


def test_a_detector_on_other_classes_is_refused(tmp_path: Path, course) -> None:
    data = ["--data", "streets", "--size", "64", "96", "--limit", "2", "--num-val", "2"]
    assert course(*TRAIN, *data, "--out", tmp_path / "run")[0] == 0
    status, _, err = course(
        *("evaluate", tmp_path / "run" / "model.safetensors", "--data", "cells", "--limit", "2")
    )
    assert status != 0 and "Choose a data set with the same classes" in err


def test_a_detector_has_losses_of_its_own(tmp_path: Path, course) -> None:
    data = ["--data", "streets", "--size", "64", "96", "--limit", "2", "--num-val", "2"]
    status, _, err = course(*TRAIN, *data, "--loss", "dice", "--out", tmp_path / "run")
    assert status != 0 and "five losses of its own" in err
