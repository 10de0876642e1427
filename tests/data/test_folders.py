"""Image folders that the course has never seen, and every way in which data can be broken."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import DataError, available, load
from course_lib.data.folders import listed, name_rank


@pytest.mark.parametrize("name", ["pets", "penn-fudan", "voc", "cityscapes", "streets"])
def test_images_and_masks(build, name):
    root = build.folders("mine", labels=(0, 1, 255))
    data = load(name, "test", root=root, size=(9, 12), task="semantic")
    assert len(data) == 3 and data.keys == ("0", "1", "2") and data.ignore_index == 255
    mask = np.asarray(Image.open(root / "masks" / "1.png"))
    assert torch.equal(data.targets[1], torch.from_numpy(mask.copy()))
    if name != "streets":
        assert len(load(name, "all", root=root, task="semantic")) == 3
    with pytest.raises(DataError, match='one split, "test"'):
        load(name, "train", root=root, task="semantic")


def test_images_and_masks_with_splits(build):
    for part, count in (("train", 4), ("val", 1), ("test", 2)):
        build.folders(f"mine/{part}", count)
    for part, count in (("train", 4), ("val", 1), ("test", 2)):
        assert len(load("pets", part, root=build.folder / "mine")) == count
    assert len(load("pets", "all", root=build.folder / "mine")) == 7
    shutil.rmtree(build.folder / "mine" / "val")
    with pytest.raises(DataError, match="There is no folder .*val"):
        load("pets", "val", root=build.folder / "mine")


def test_names_of_masks(build):
    build.image("images/a.jpg"), build.mask("masks/a_mask.png")
    build.image("images/b.jpeg"), build.mask("masks/b.png")
    build.image("images/C.PNG"), build.mask("masks/C-label.bmp")
    assert set(load("pets", "test", root=build.folder).keys) == {"a", "b", "C"}


def test_grey_images_and_masks_for_a_grey_set(build):
    root = build.folders("mine")
    assert load("membrane", "test", root=root).images.shape == (3, 1, 9, 12)


def test_an_image_of_another_format_and_mode_is_read(build):
    build.folders("mine", 1)
    rgba = Image.new("RGBA", (12, 9), (10, 20, 30, 128))
    rgba.save(build.folder / "mine" / "images" / "0.jpg", "PNG")
    data = load("pets", "test", root=build.folder / "mine", size=(9, 12))
    assert data.images[0, :, 0, 0].tolist() == [10, 20, 30]


# Folders of classes


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


# What goes wrong


def broken(build, kind: str):
    root = build.folders("mine")
    if kind == "undeclared":
        build.mask("mine/masks/1.png", labels=(0, 1, 7))
        return root, r"1\.png: label 7 is not declared. Declared are 0-1, 255 .*background, pet"
    if kind == "sizes":
        build.mask("mine/masks/1.png", (8, 12))
        return root, r"1\.jpg is 9x12 and its mask .*1\.png 8x12"
    if kind == "truncated":
        path = root / "images" / "2.jpg"
        path.write_bytes(path.read_bytes()[:150])
        return root, r"2\.jpg cannot be read as an image"
    if kind == "no image":
        (root / "images" / "2.jpg").write_text("hello")
        return root, r"2\.jpg cannot be read as an image"
    if kind == "no mask":
        (root / "masks" / "0.png").unlink()
        return root, r"no mask for 0\.jpg"
    if kind == "coloured mask":
        build.image("mine/masks/0.png")
        return root, "one whole number per pixel"
    if kind == "deep mask":
        Image.fromarray(np.full((9, 12), 70_000, np.int32)).save(root / "masks" / "0.tif")
        (root / "masks" / "0.png").unlink()
        return root, "label 70000 is not declared"
    for path in (root / "images").iterdir():
        path.unlink()
    return root, "is empty"


KINDS = [
    "undeclared",
    "sizes",
    "truncated",
    "no image",
    "no mask",
    "coloured mask",
    "deep mask",
    "empty",
]


@pytest.mark.adversarial
@pytest.mark.parametrize("kind", KINDS)
def test_bad_folders_give_one_clear_error(build, own_folder, kind):
    root, message = broken(build, kind)
    with pytest.raises(DataError, match=message) as error:
        load("pets", "test", root=root)
    raised = error.value
    assert "\n" not in str(raised) and (raised.__context__ is None or raised.__suppress_context__)
    assert not list(own_folder.rglob("*.safetensors")) and not list(own_folder.rglob(".half*"))


def test_different_sizes_need_a_size(build):
    build.image("membrane/image/0.png", (16, 16), mode="L")
    build.image("membrane/image/1.png", (16, 18), mode="L")
    build.mask("membrane/label/0.png", (16, 16), (0, 255))
    build.mask("membrane/label/1.png", (16, 18), (0, 255))
    with pytest.raises(DataError, match="16x18.*need size="):
        load("membrane", "all", root=build.folder)
    assert load("membrane", "all", root=build.folder, size=8).images.shape == (2, 1, 8, 8)


def test_a_shared_folder_is_not_mistaken_for_a_set(build, monkeypatch):
    """COURSE_DATA with train/ of something else: mnist is not there, which is the only message."""
    build.classes("train", ["cat"], 2)
    build.folders(".", 1)
    monkeypatch.setenv("COURSE_DATA", str(build.folder))
    for name in ("mnist", "pets"):
        with pytest.raises(DataError, match=f"{name} is not in .*course data fetch {name}"):
            load(name, "test")
        assert not available(name)


def test_splits_by_name_do_not_depend_on_the_machine():
    assert name_rank("FudanPed00001") == pytest.approx(0.237947, abs=1e-6)
    assert 0 <= name_rank("x") < 1 and name_rank("x") != name_rank("y")
    assert 0 <= name_rank("caf\udce9") < 1  # a byte that is not UTF-8


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (["2.jpg", "2.png"], ["2.png"], r"2\.jpg and 2\.png have the same name but for the suffix"),
        (["0.png", "0_mask.png"], ["0_mask.png"], r"0_mask\.png and 0\.png share the mask"),
        (["0.png"], ["0.png", "0_mask.png"], r"0\.png and 0_mask\.png are both named as the mask"),
        (["0.png"], ["0.png", "0.tif"], r"0\.png and 0\.tif are both named as the mask of 0\.png"),
    ],
)
def test_every_image_has_one_mask_of_its_own(build, images, masks, message):
    for name in images:
        build.image(f"images/{name}")
    for name in masks:
        build.mask(f"masks/{name}")
    with pytest.raises(DataError, match=message):
        load("pets", "test", root=build.folder)


def test_lists_as_windows_saves_them(build):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = build.folder / "list.txt"
        path.write_bytes("a_1 3\r\n\r\n# no\r\nb 4\r\n".encode(encoding))
        assert listed(path) == ["a_1", "b"]
