"""The pets: their lists, their split, their trimaps, their breeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from course_lib.data import DataError, available, load
from course_lib.data.real.pets import BREEDS, stratified

TRAIN = [f"{breed}_{n}" for breed in ("Abyssinian", "american_bulldog", "Unknown_Breed")
         for n in range(1, 9)]  # fmt: skip
TEST = ["pug_1", "pug_22", "Martian_cat_3"]


def test_pets_in_the_published_layout(build):
    root = build.pets(TRAIN, TEST)
    parts = {
        split: load("pets", split, root=root, size=(16, 24)) for split in ("train", "val", "test")
    }
    train, val, test = parts.values()
    assert (len(train), len(val), len(test)) == (20, 4, 3)
    assert set(train.keys) | set(val.keys) == set(TRAIN) and not set(train.keys) & set(val.keys)
    assert set(test.keys) == set(TEST)  # breeds that the course does not know do not matter
    assert train.images.shape == (20, 3, 16, 24) and train.targets.shape == (20, 16, 24)
    assert train.classes == ("background", "pet") and train.ignore_index is None
    breeds = sorted(key.rsplit("_", 1)[0] for key in val.keys)
    assert len(set(breeds)) == 3  # the same share of each


def test_pets_trimap_becomes_pet_and_background(build):
    root = build.pets(["pug_1", "pug_2"], [], size=(7, 11))
    data = load("pets", "train", root=root, size=(7, 11))
    trimap = np.asarray(Image.open(root / f"annotations/trimaps/{data.keys[0]}.png"))
    assert torch.equal(data.targets[0], torch.from_numpy((trimap != 2).astype(np.uint8)))
    image = Image.open(root / f"images/{data.keys[0]}.jpg")
    assert torch.equal(data.images[0], torch.from_numpy(np.array(image)).permute(2, 0, 1))


def test_pets_root_may_be_the_folder_above(build, monkeypatch):
    build.pets(TRAIN, TEST, at="oxford-iiit-pet")
    assert len(load("pets", "test", root=build.folder)) == 3
    monkeypatch.setenv("COURSE_DATA", str(build.folder))
    assert len(load("pets", "test")) == 3 and available("pets")


def test_pets_listed_but_absent_images_do_not_count(build):
    root = build.pets(TRAIN, TEST)
    (root / "images" / "pug_22.jpg").unlink()
    assert sorted(load("pets", "test", root=root).keys) == ["Martian_cat_3", "pug_1"]


@pytest.mark.parametrize(("count", "val"), [(2, 1), (3, 1), (7, 1), (12, 2)])
def test_pets_tiny_splits(build, count, val):
    root = build.pets([f"pug_{n}" for n in range(count)], [])
    assert len(load("pets", "val", root=root)) == val
    assert len(load("pets", "train", root=root)) == count - val
    assert len(load("pets", "all", root=root)) == count
    with pytest.raises(DataError, match="'test' .* has no images"):
        load("pets", "test", root=root)


def test_pets_one_image_cannot_be_split(build):
    root = build.pets(["pug_1"], [])
    assert len(load("pets", "train", root=root)) == 1
    with pytest.raises(DataError, match="One image cannot be split"):
        load("pets", "val", root=root)


def test_pets_without_lists_are_all_test(build):
    root = build.pets(TRAIN[:4], [])
    (root / "annotations" / "trainval.txt").unlink()
    with pytest.raises(DataError, match=r"trainval.txt is missing"):
        load("pets", "train", root=root)
    (root / "annotations" / "test.txt").unlink()
    assert len(load("pets", "test", root=root)) == 4
    with pytest.raises(DataError, match="all images are the split 'test'"):
        load("pets", "val", root=root)


def test_pets_breeds(build):
    root = build.pets(["Abyssinian_1", "yorkshire_terrier_2"], ["Unknown_3"])
    data = load("pets", "all", root=root, task="semantic")
    assert len(data) == 3
    train = load("pets", "train", root=root, task="classification", size=8)
    assert train.classes == BREEDS and len(BREEDS) == 37
    labels = {BREEDS[int(label)] for label in train.targets}
    assert labels <= {"Abyssinian", "yorkshire_terrier"}
    with pytest.raises(DataError, match="Unknown_3 is of no declared breed"):
        load("pets", "test", root=root, task="classification")


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 40), min_size=1))
def test_stratified_takes_the_share_of_every_group(sizes):
    keys = [f"{group}_{n}" for group, count in sizes.items() for n in range(count)]
    groups = [key[0] for key in keys]
    held = stratified(groups, keys, 1 / 6)
    assert len(held) == (round(len(keys) / 6) or int(len(keys) > 1))
    for group, count in sizes.items():
        taken = sum(groups[row] == group for row in held)
        assert count // 6 <= taken <= count // 6 + 1
    assert stratified(groups, keys, 1 / 6) == held


def test_pets_lists_saved_on_windows(build):
    root = build.pets(TRAIN, TEST)
    wanted = {split: load("pets", split, root=root).keys for split in ("train", "val", "test")}
    for path in (root / "annotations").glob("*.txt"):
        lines = [line for line in path.read_text().splitlines() if line[0] != "#"]
        path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    for split, keys in wanted.items():
        assert load("pets", split, root=root).keys == keys


def test_pets_two_images_of_one_name(build):
    root = build.pets(TRAIN, TEST)
    build.image("pets/images/pug_1.png")
    with pytest.raises(DataError, match="have the same name but for the suffix"):
        load("pets", "test", root=root)
