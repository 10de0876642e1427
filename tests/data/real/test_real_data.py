"""The data sets in the folder that COURSE_DATA names (see CONTRIBUTING.md); skipped without it."""

from __future__ import annotations

import time

import pytest
import torch

from course_lib.data import available, load, verify

COUNTS = {  # train, val, test of the parts of these sets that are handed out with the course
    "pets": (250, 50, 200),
    "membrane": (20, 4, 6),
}


def here(real_data, name: str) -> None:
    if not available(name):
        pytest.fail(f"COURSE_DATA={real_data} lacks {name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pets", "membrane"])
def test_splits(real_data, name):
    here(real_data, name)
    parts = [load(name, split) for split in ("train", "val", "test")]
    assert tuple(map(len, parts)) == COUNTS[name]
    keys = [key for part in parts for key in part.keys]
    assert len(set(keys)) == len(keys)
    for part in parts:
        assert part.targets.unique().tolist() == [0, 1]


def test_pets_validation_images_never_change(real_data):
    """Results depend on this split: whoever changes it changes every number measured on it."""
    here(real_data, "pets")
    val = load("pets", "val")
    assert val.keys[:2] == ("american_bulldog_184", "Bengal_120")
    breeds = [key.rsplit("_", 1)[0] for key in val.keys]
    assert sorted(breeds.count(breed) for breed in set(breeds)) == [16, 17, 17]
    assert 0.2 < val.targets.float().mean() < 0.6  # pets fill about a third of their photographs


@pytest.mark.slow
def test_cifar10_says_that_it_is_a_jpeg_copy(real_data):
    here(real_data, "cifar10")
    test = load("cifar10", "test")
    assert len(test) == 10_000 and test.targets.bincount().tolist() == [1000] * 10
    assert "JPEG copy" in test.note and test.images.shape == (10_000, 3, 32, 32)
    assert len(set(load("cifar10", "test", num=200).targets.tolist())) == 10
    begin = time.process_time()
    load("cifar10", "test")
    assert time.process_time() - begin < 10  # from the cache: about 0.2 s when nothing else runs


@pytest.mark.slow
def test_penn_fudan(real_data):
    here(real_data, "penn-fudan")
    parts = [load("penn-fudan", split, size=128) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) >= 150 and min(map(len, parts)) >= 10
    for part in parts:
        assert all(len(boxes) >= 1 for boxes in part.boxes)
        assert all(bool((b[:, 2:] > b[:, :2]).all()) for b in part.boxes)
        counts = torch.tensor([int(ids.max()) for ids in part.targets])
        assert counts.tolist() == [len(labels) for labels in part.labels]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pets", "membrane", "penn-fudan"])
def test_every_file_is_readable(real_data, name):
    here(real_data, name)
    assert verify(name) == []
