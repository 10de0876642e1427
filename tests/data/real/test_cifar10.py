"""CIFAR-10 as published and as folders."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from course_lib.data import DataError, load
from course_lib.data.real.cifar10 import CLASSES as CIFAR10


def cifar_files(folder, monkeypatch, count=10):
    """Write the files of CIFAR-10, and tell torchvision their checksums."""
    import hashlib

    from torchvision.datasets import CIFAR10 as Published

    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True)

    def put(name: str, content: object) -> list[str]:
        (base / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((base / name).read_bytes()).hexdigest()]

    def batch(first: int) -> dict[str, object]:
        pixels = np.repeat(np.arange(first, first + count, dtype=np.uint8)[:, None], 3072, 1)
        return {"data": pixels, "labels": [(first + n) * 3 % 10 for n in range(count)]}

    train = [put(f"data_batch_{n}", batch(n * count)) for n in range(2)]
    monkeypatch.setattr(Published, "train_list", train)
    monkeypatch.setattr(Published, "test_list", [put("test_batch", batch(90))])
    meta = put("batches.meta", {"label_names": list(CIFAR10)})
    monkeypatch.setattr(
        Published, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]}
    )


def test_cifar10_as_published(build, monkeypatch):
    cifar_files(build.folder / "cifar10", monkeypatch)
    train, val = (load("cifar10", split, root=build.folder) for split in ("train", "val"))
    assert len(train) == 18 and len(val) == 2 and train.note == ""
    values = [int(image[0, 0, 0]) for part in (train, val) for image in part.images]
    assert sorted(values) == list(range(20))  # every image once
    for part in (train, val):
        for image, label in zip(part.images, part.targets, strict=True):
            assert int(label) == int(image[0, 0, 0]) * 3 % 10
    assert len(load("cifar10", "test", root=build.folder)) == 10
    small = load("cifar10", "test", root=build.folder, size=(5, 9))
    assert small.images.shape == (10, 3, 5, 9)


def test_cifar10_as_published_but_damaged(build, monkeypatch):
    cifar_files(build.folder, monkeypatch)
    (build.folder / "cifar-10-batches-py" / "data_batch_0").write_bytes(b"no")
    with pytest.raises(DataError, match="damaged or not whole"):
        load("cifar10", "train", root=build.folder)


@pytest.mark.parametrize(("suffix", "note"), [(".jpg", "JPEG copy of CIFAR-10"), (".png", "")])
def test_cifar10_as_image_folders(build, suffix, note):
    build.classes("cifar10/train", CIFAR10, 5, suffix=suffix)
    build.classes("cifar10/test", CIFAR10, 2, suffix=suffix)
    train, val, test = (
        load("cifar10", part, root=build.folder) for part in ("train", "val", "test")
    )
    assert (len(train), len(val), len(test)) == (45, 5, 20)
    assert not set(train.keys) & set(val.keys) and len({*train.keys, *val.keys}) == 50
    assert train.note.startswith(note) and bool(train.note) == bool(note)
    for part in (train, val, test):
        for image, label in zip(part.images, part.targets, strict=True):
            assert int(image.float().mean()) // 20 == int(label)
    assert load("cifar10", "train", root=build.folder, num=7).keys == train.keys[:7]
