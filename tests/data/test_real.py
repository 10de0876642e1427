"""Real data sets: every layout that can be read, fixed splits, every way to fail."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from course_lib.data import DataError, available, load
from course_lib.data.folders import stratified
from course_lib.data.real import BREEDS, CIFAR10, CITYSCAPES, FASHION, VOC

# Pets

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


# Classification


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


def test_folder_of_an_undeclared_class(build):
    build.classes("train", ["cat", "unicorn"], 1)
    with pytest.raises(DataError, match="'unicorn' is no class of this data set"):
        load("cifar10", "train", root=build.folder)


def test_empty_and_missing_class_folders(build):
    (build.folder / "train").mkdir()
    with pytest.raises(DataError, match="is empty: wanted one folder of images per class"):
        load("cifar10", "train", root=build.folder)
    (build.folder / "train" / "cat").mkdir()
    with pytest.raises(DataError, match="hold no images"):
        load("cifar10", "train", root=build.folder)
    with pytest.raises(DataError, match="There is no folder .*test"):
        load("cifar10", "test", root=build.folder)


def test_a_folder_val_is_used(build):
    for part in ("train", "val", "test"):
        build.classes(part, ["cat", "dog"], 2)
    assert len(load("cifar10", "train", root=build.folder)) == 4
    assert len(load("cifar10", "val", root=build.folder)) == 4


def test_imagenet(build):
    build.classes("train", ["n02", "n01"], 4)
    build.classes("val", ["n01"], 3)
    train, val, test = (load("imagenet", p, root=build.folder) for p in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (7, 1, 3)
    assert test.classes == ("n01", "n02") and test.images.shape[2:] == (64, 64)
    torch.save(({"n01": ("fish", "x"), "n02": ("hen",)}, []), build.folder / "meta.bin")
    assert load("imagenet", "test", root=build.folder).classes == ("fish", "hen")


# Semantic and instance sets


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
    (build.folder / base / "ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(DataError, match="damaged or not whole"):
        load("voc", "test", root=build.folder)


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
