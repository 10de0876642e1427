"""ImageNet in its folders."""

from __future__ import annotations

import torch

from course_lib.data import load


def test_imagenet(build):
    build.classes("train", ["n02", "n01"], 4)
    build.classes("val", ["n01"], 3)
    train, val, test = (load("imagenet", p, root=build.folder) for p in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (7, 1, 3)
    assert test.classes == ("n01", "n02") and test.images.shape[2:] == (64, 64)
    torch.save(({"n01": ("fish", "x"), "n02": ("hen",)}, []), build.folder / "meta.bin")
    assert load("imagenet", "test", root=build.folder).classes == ("fish", "hen")
