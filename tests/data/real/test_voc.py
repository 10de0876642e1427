"""Pascal VOC: its lists and its palette masks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from course_lib.data import DataError, load
from course_lib.data.real.voc import CLASSES as VOC


def test_voc(build):
    base = "VOCdevkit/VOC2012"
    names = [f"2007_{n}" for n in range(12)]
    for name in names:
        build.image(f"{base}/JPEGImages/{name}.jpg", (10, 14))
        mask = Image.fromarray(np.tile(np.array([0, 1, 20, 255, 5], np.uint8), (10, 3))[:, :14])
        mask.putpalette([n % 251 for n in range(768)])  # VOC's masks are palette images
        path = build.folder / base / "SegmentationClass" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask.save(path)
    build.text(f"{base}/ImageSets/Segmentation/train.txt", *names[:10])
    build.text(f"{base}/ImageSets/Segmentation/val.txt", *names[10:])
    train, val, test = (
        load("voc", p, root=build.folder, size=(10, 14)) for p in ("train", "val", "test")
    )
    assert (len(train), len(val), len(test)) == (9, 1, 2) and set(test.keys) == set(names[10:])
    assert test.targets.unique().tolist() == [0, 1, 5, 20, 255]
    assert test.ignore_index == 255 and test.classes == VOC and len(VOC) == 21
    path = build.folder / base / "ImageSets/Segmentation/val.txt"
    path.write_bytes("\r\n".join(names[10:]).encode("utf-8-sig"))  # as saved on Windows
    assert load("voc", "test", root=build.folder).keys == test.keys
    path.unlink()
    with pytest.raises(DataError, match=r"val\.txt is missing"):
        load("voc", "test", root=build.folder)
