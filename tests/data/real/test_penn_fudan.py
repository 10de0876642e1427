"""Penn-Fudan: instances, and a split by name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from course_lib import results
from course_lib.data import load
from course_lib.data.real.penn_fudan import CARD, split_of


def test_penn_fudan(build):
    for number in range(40):
        build.image(f"PennFudanPed/PNGImages/F{number}.png", (20, 15))
        mask = np.zeros((20, 15), np.uint8)
        mask[2:8, 3:5], mask[10:12, 6:15] = 1, 7
        build.save(f"PennFudanPed/PedMasks/F{number}_mask.png", mask)
    parts = [
        load("penn-fudan", p, root=build.folder, size=(20, 15)) for p in ("train", "val", "test")
    ]
    keys = [key for part in parts for key in part.keys]
    assert sorted(keys) == sorted(f"F{n}" for n in range(40)) and min(map(len, parts)) > 0
    data = parts[0]
    assert data.task == "instance" and data.targets.unique().tolist() == [0, 1, 2]
    assert data.boxes[0].tolist() == [[3, 2, 5, 8], [6, 10, 15, 12]]
    assert data.labels[0].tolist() == [1, 1] and len(data.boxes) == len(data)
    flat = load("penn-fudan", "train", root=build.folder, size=(20, 15), task="semantic")
    assert torch.equal(flat.targets, (data.targets > 0).to(torch.uint8))
    # An image stays in its split when others are removed.
    for path in (build.folder / "PennFudanPed" / "PNGImages").glob("F1*.png"):
        path.unlink()
    fewer = load("penn-fudan", "train", root=build.folder, size=(20, 15))
    assert set(fewer.keys) == {key for key in data.keys if not key.startswith("F1")}


def test_the_split_is_as_the_card_and_the_pages_say():
    """By name alone; the course's own copy lacks the last twenty of the first kind."""
    fudan, penn = ([f"{kind}Ped{k:05d}" for k in range(1, 97)] for kind in ("Fudan", "Penn"))
    whole, ours = (Counter(map(split_of, [*fudan[:last], *penn])) for last in (74, 54))
    assert whole == {"train": 114, "val": 22, "test": 34}
    assert ours == {"train": 101, "val": 19, "test": 30}
    assert "114 of the 170 into train, 22 into val and 34 into test" in CARD.splits
    for claim in ("mask-rcnn-pennfudan", "torchvision-mask-rcnn-pennfudan"):
        measured = "101 images to train, 19 to choose the epoch, 30 to test"
        assert measured in results.load(claim).content["data"]


def test_an_instance_that_vanishes_when_resized_is_dropped(build):
    build.image("PNGImages/a.png", (40, 40))
    mask = np.zeros((40, 40), np.uint8)
    mask[0, 0], mask[10:30, 10:30] = 1, 2
    build.save("PedMasks/a_mask.png", mask)
    data = load("penn-fudan", "all", root=build.folder, size=8)
    assert data.boxes[0].tolist() == [[2, 2, 6, 6]] and data.targets.max() == 1
