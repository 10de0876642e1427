"""Cityscapes: a split by city."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from course_lib.data import DataError, load
from course_lib.data.real.cityscapes import CLASSES as CITYSCAPES


def test_cityscapes(build):
    for part, city in (("train", "ulm"), ("train", "zurich"), ("val", "munster")):
        for n in range(2):
            key = f"{city}_00000{n}_000019"
            build.image(f"leftImg8bit/{part}/{city}/{key}_leftImg8bit.png", (16, 32))
            mask = np.tile(np.array([7, 8, 23, 0, 4, 33, 255, 26], np.uint8), (16, 4))
            build.save(f"gtFine/{part}/{city}/{key}_gtFine_labelIds.png", mask)
    parts = [
        load("cityscapes", p, root=build.folder, size=(16, 32)) for p in ("train", "val", "test")
    ]
    assert [{key.split("_")[0] for key in part.keys} for part in parts] == [
        {"ulm"}, {"zurich"}, {"munster"},
    ]  # fmt: skip
    row = [CITYSCAPES[int(n)] if n < 255 else "ignore" for n in parts[0].targets[0, 0, :8]]
    assert row == ["road", "sidewalk", "sky", "ignore", "ignore", "bicycle", "ignore", "car"]
    shutil.rmtree(build.folder / "gtFine" / "val")
    with pytest.raises(DataError, match="gtFine/val is missing"):
        load("cityscapes", "test", root=build.folder)
