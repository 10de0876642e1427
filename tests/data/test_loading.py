"""`load` and `available`: names, splits, sizes, scenes, the cache of decoded tensors."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from course_lib.data import NAMES, DataError, ImageSet, StreamedSet, available, cache, load, loading
from course_lib.data.names import CARDS
from course_lib.data.real import SETS
from course_lib.data.scenes import SCENES
from course_lib.data.sets import SPLITS


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cifar", {}, "There is no data set 'cifar'. Did you mean 'cifar10'"),
        ("Fashion_MNIST", {}, "Did you mean 'fashion-mnist'"),
        ("street", {}, "Did you mean 'streets'"),
        ("xyzzyx", {}, "There is no data set 'xyzzyx'. There are streets"),
        ("pets", dict(split="valid"), "no split 'valid'. Did you mean 'val'"),
        ("pets", dict(split="training"), "Did you mean 'train'"),
        ("pets", dict(task="instance"), "pets has no task 'instance'. .*It has semantic"),
        ("streets", dict(task="classification"), "no task 'classification'. It has semantic, inst"),
        ("streets", dict(task="semantics"), "Did you mean 'semantic'. It has semantic, instance"),
        ("pets", dict(size=0), "size=0: wanted a number of pixels"),
        ("pets", dict(size=(3, 4, 5)), "wanted a number of pixels, or"),
        ("pets", dict(size=100_000), "an image has at most 100,000,000 pixels here"),
        ("pets", dict(num=0), "num=0"),
        ("streets", dict(num=10**30), "train has 100,000,000 scenes. Take fewer"),
        ("shapes", dict(num=10**8), "100000000 images of 32x32 need .* GB of memory, .* are free"),
        ("pets", dict(root="/no/such/folder"), "there is no such folder"),
        ("streets", dict(split="all"), "Scenes are without end"),
        ("streets", dict(num=2, condition="hail"), "hail"),
        ("streets", dict(num=2, size=3), "3x3"),
        ("streets", dict(root=".", task="instance"), "task semantic only"),
    ],
)
def test_wrong_requests(name, options, message):
    with pytest.raises(DataError, match=message):
        load(name, **options)


def test_a_set_that_is_not_there(own_folder):
    with pytest.raises(
        DataError, match="Fetch it with `course data fetch voc`, or set COURSE_DATA"
    ):
        load("voc", "test")
    assert not available("voc") and available("streets")
    with pytest.raises(DataError, match="Did you mean"):
        available("pet")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
def test_a_folder_that_cannot_be_read_is_not_there(build, monkeypatch, error):
    """Neither a listing of all sets nor a fallback stops at it; `load` says what is wrong."""
    root = build.pets(["pug_1"], ["pug_2"], at="oxford-iiit-pet").parent
    assert available("pets", root)

    def refuse(folder):
        raise error

    monkeypatch.setattr(os, "listdir", refuse)
    assert not available("pets", root)
    with pytest.raises(DataError, match=f"pet cannot be read .{error.strerror}"):
        load("pets", "test", root=root)


@pytest.mark.parametrize("root", ["", "x" * 300, "~no_such_user/data", "a\0b"])
def test_strange_folders_are_not_there(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not available("pets", root)
    monkeypatch.setenv("COURSE_DATA", root.replace("\0", "0"))
    assert not available("pets")


def test_more_than_there_is(build):
    assert len(load("pets", "test", root=build.folders("mine"), num=10**30)) == 3


def test_condition_is_for_scenes(build):
    with pytest.raises(DataError, match="only drawn scenes"):
        load("pets", "test", root=build.folders("mine"), condition="night")


@pytest.mark.parametrize("name", SCENES)
def test_scenes(name, own_folder):
    for task in SCENES[name].card.tasks:
        data = load(name, "train", num=4, size=(24, 32), task=task)
        assert len(data) == 4 and data.images.shape == (4, SCENES[name].channels, 24, 32)
        assert data.task == task
        assert int(data.targets.max()) < len(data.classes) or task == "instance"
        if task == "instance":
            for ids, boxes, labels in zip(data.targets, data.boxes, data.labels, strict=True):
                assert len(boxes) == len(labels) == int(ids.max())
                for number, (x1, y1, x2, y2) in enumerate(boxes.int().tolist(), start=1):
                    rows, columns = torch.nonzero(ids == number, as_tuple=True)
                    assert (columns.min(), rows.min()) == (x1, y1)
                    assert (columns.max() + 1, rows.max() + 1) == (x2, y2)
        again = load(name, "train", num=4, size=(24, 32), task=task)  # from the cache
        assert torch.equal(again.images, data.images) and torch.equal(again.targets, data.targets)
        assert again.classes == data.classes and again.fingerprint == data.fingerprint


def test_scene_splits_are_disjoint_and_num_is_a_prefix(own_folder):
    parts = [load("shapes", split, num=6, size=16) for split in SPLITS]
    prints = {image.numpy().tobytes() for part in parts for image in part.images}
    assert len(prints) == 18
    assert torch.equal(load("shapes", "val", num=3, size=16).images, parts[1].images[:3])
    assert not torch.equal(
        load("shapes", "val", num=3, size=16, seed=1).images, parts[1].images[:3]
    )


def test_changed_drawing_code_is_drawn_again(own_folder, monkeypatch):
    shapes = SCENES["shapes"]
    load("shapes", "val", num=2, size=16)
    calls = []
    counting = replace(shapes, draw=lambda *a, **k: calls.append(1) or shapes.draw(*a, **k))
    monkeypatch.setitem(SCENES, "shapes", counting)
    load("shapes", "val", num=2, size=16)
    assert not calls
    monkeypatch.setattr(loading, "scenes_source", lambda: [("x.py", b"changed")])
    load("shapes", "val", num=2, size=16)
    load("shapes", "val", num=2, size=16, cache=False)
    assert len(calls) == 2


def test_editing_any_file_of_the_scenes_changes_the_key(tmp_path, monkeypatch):
    shutil.copytree(loading.SCENES_FOLDER, tmp_path / "scenes")
    known = loading.scenes_source()
    monkeypatch.setattr(loading, "SCENES_FOLDER", tmp_path / "scenes")
    assert loading.scenes_source() == known
    files = sorted((tmp_path / "scenes").rglob("*.py"))
    names = {path.relative_to(tmp_path / "scenes").as_posix() for path in files}
    assert {"exact.py", "shapes.py", "streets/vehicles.py", "rooms/rays.py"} <= names
    keys = {cache.content_key(known)}
    for path in files:
        with open(path, "a") as file:
            file.write("# edited\n")
        keys.add(cache.content_key(loading.scenes_source()))
    assert len(keys) == 1 + len(files)


@pytest.mark.parametrize("name", SCENES)
def test_the_key_covers_all_that_is_imported(name):
    """Python's own account of what a scene module loads, following the objects it can reach."""
    names, todo = set(), [SCENES[name].draw.__module__]
    while todo:
        names.add(known := todo.pop())
        used = {str(getattr(v, "__module__", "")) for v in vars(sys.modules[known]).values()}
        todo += [m for m in used - names if m.startswith("course_lib.data.")]
    texts = [Path(str(sys.modules[known].__file__)).read_bytes() for known in names]
    assert len(texts) > 3
    assert set(texts) <= {content for _, content in loading.scenes_source()}


# Memory


def test_the_free_memory_decides(build, own_folder, monkeypatch):
    root = build.folders("mine", size=(20, 20))
    needed = 3 * 20 * 20 * (3 + 1)
    monkeypatch.setattr(loading, "memory_free", lambda: 2 * needed)
    assert type(load("pets", "test", root=root, size=20)) is ImageSet
    monkeypatch.setattr(loading, "memory_free", lambda: 2 * needed - 2)
    large = load("pets", "test", root=root, size=20)
    assert type(large) is StreamedSet and len(large) == 3
    assert type(load("pets", "test", root=root, size=20, in_memory=True)) is ImageSet
    assert type(load("pets", "test", root=root, size=20, in_memory=False)) is StreamedSet


def test_every_set_has_a_card():
    assert tuple(CARDS) == NAMES == (*SCENES, *SETS)
    for name, card in CARDS.items():
        assert card.name == name and card.tasks
        assert all(getattr(card, field) for field in card.__dataclass_fields__)
