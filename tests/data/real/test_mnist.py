"""MNIST and Fashion-MNIST as published and as folders."""

from __future__ import annotations

import pytest
import torch

from course_lib.data import DataError, load
from course_lib.data.real.fashion_mnist import CLASSES as FASHION


def test_folders_and_published_files_give_the_same_split(build):
    """MNIST as one file and as folders: the same images are held out."""
    build.mnist("mnist/MNIST/raw")
    for number in range(24):
        build.image(f"b/train/{number * 7 % 10}/{number}.png", (28, 28), value=number, mode="L")
    for split in ("train", "val"):
        one = load("mnist", split, root=build.folder)
        two = load("mnist", split, root=build.folder / "b")
        assert torch.equal(one.images, two.images) and torch.equal(one.targets, two.targets)
    assert len(one) == 2 and one.images.shape == (2, 1, 28, 28)
    assert len(load("mnist", "test", root=build.folder)) == 6


def test_mnist_truncated(build):
    build.mnist("MNIST/raw")
    path = build.folder / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged or not whole"):
        load("mnist", "train", root=build.folder)


def test_fashion_mnist_folder_names(build):
    names = ["T-shirt_top", "trouser", "2", "Dress", "4", "5", "6", "7", "8", "ankle-boot"]
    build.classes("test", names, 1, mode="L")
    data = load("fashion-mnist", "test", root=build.folder)
    assert data.classes == FASHION and sorted(data.targets.tolist()) == list(range(10))
