"""Penn-Fudan: instances, and a split by name."""

from __future__ import annotations

import numpy as np
import torch

from course_lib.data import load


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


def test_an_instance_that_vanishes_when_resized_is_dropped(build):
    build.image("PNGImages/a.png", (40, 40))
    mask = np.zeros((40, 40), np.uint8)
    mask[0, 0], mask[10:30, 10:30] = 1, 2
    build.save("PedMasks/a_mask.png", mask)
    data = load("penn-fudan", "all", root=build.folder, size=8)
    assert data.boxes[0].tolist() == [[2, 2, 6, 6]] and data.targets.max() == 1
