"""The membranes: runs of slices, as files and as stacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import DataError, load


def membrane(build, count=30, labels=(0, 255)):
    for number in range(count):
        build.image(f"membrane/image/{number}.png", (16, 16), value=number, mode="L")
        build.mask(f"membrane/label/{number}.png", (16, 16), labels)
    return build.folder


def test_membrane(build):
    root = membrane(build)
    parts = [load("membrane", part, root=root) for part in ("train", "val", "test")]
    values = [[int(image[0, 0, 0]) for image in part.images] for part in parts]
    assert values == [list(range(20)), list(range(20, 24)), list(range(24, 30))]  # 2 before 10
    label = np.asarray(Image.open(root / "membrane/label/0.png"))
    assert torch.equal(parts[0].targets[0], torch.from_numpy((label == 0).astype(np.uint8)))
    assert parts[0].images.shape[1] == 1


def test_membrane_as_published(build):
    for name, scale in (("train-volume", 1), ("train-labels", 255)):
        pages = [Image.fromarray(np.full((8, 8), n * scale % 510, np.uint8)) for n in range(6)]
        pages[0].save(build.folder / f"{name}.tif", save_all=True, append_images=pages[1:])
    data = load("membrane", "train", root=build.folder)
    assert [int(i[0, 0, 0]) for i in data.images] == [0, 1, 2, 3]
    assert [int(t[0, 0]) for t in data.targets] == [1, 0, 1, 0]
    path = build.folder / "train-volume.tif"
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(DataError, match="train-volume.tif"):
        load("membrane", "train", root=build.folder)
