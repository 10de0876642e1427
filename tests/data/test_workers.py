"""Sets that stay on disk give the batches of sets in memory."""

from __future__ import annotations

import pytest
import torch

from course_lib.data import Augment, DataError, load, workers
from course_lib.data.folders import mask_folders

BUSY = Augment(flip=True, crop=2, rotate=20, colour=0.3)


@pytest.fixture
def both(build, own_folder):
    root = build.folders("mine", 11)
    return [load("pets", "test", root=root, size=(9, 12), in_memory=kind) for kind in (True, False)]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_same_batches_as_in_memory(both, num_workers):
    memory, disk = both
    disk.num_workers = num_workers
    for options in (
        dict(),
        dict(shuffle=False, drop_last=True),
        dict(seed=3, epoch=2, augment=BUSY, start=1, rank=1, world_size=2),
    ):
        wanted = list(memory.batches(2, **options))
        got = list(disk.batches(2, **options))
        assert len(wanted) == len(got) > 0
        for (x, y), (u, v) in zip(wanted, got, strict=True):
            assert torch.equal(x, u) and torch.equal(y, v)
        if num_workers:
            break


def test_a_streamed_set_is_an_image_set(both):
    memory, disk = both
    assert len(disk) == len(memory) and disk.num_batches(4) == 3 and disk.num_classes == 2
    assert (disk.name, disk.split, disk.task, disk.keys) == (
        "pets",
        "test",
        "semantic",
        memory.keys,
    )
    assert "on" not in disk.note and "StreamedSet(pets" in repr(disk)
    part = disk.subset([3, 1])
    x, y = next(part.batches(2, shuffle=False))
    u, v = next(memory.subset([3, 1]).batches(2, shuffle=False))
    assert torch.equal(x, u) and torch.equal(y, v)
    chosen = torch.tensor([False, True, True] + [False] * 8)
    assert disk.subset(chosen).keys == memory.subset(chosen).keys == disk.keys[1:3]
    assert len(disk.subset(slice(0, 4))) == 4 and disk.to("cpu").device == torch.device("cpu")
    assert disk.fingerprint == disk.to("cpu").fingerprint != part.fingerprint
    with pytest.raises(DataError, match="stays on disk.*no .images"):
        disk.images  # noqa: B018
    with pytest.raises(AttributeError):
        disk.no_such_thing  # noqa: B018


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_unreadable_file_is_named(build, num_workers):
    root = build.folders("mine", 3)
    (root / "images" / "1.jpg").write_text("hello")
    disk = load("pets", "test", root=root, in_memory=False)
    disk.num_workers = num_workers
    with pytest.raises(DataError, match=r"1\.jpg cannot be read") as error:
        list(disk.batches(2))
    assert "Traceback" not in str(error.value)


def test_different_sizes_need_a_size(build):
    build.folders("mine", 2)
    build.image("mine/images/1.jpg", (11, 12)), build.mask("mine/masks/1.png", (11, 12))
    items = mask_folders("x", build.folder / "mine", "test", ("a", "b"), 3)
    disk = workers.StreamedSet(items, None, name="x", split="test", task="semantic", num_workers=0)
    with pytest.raises(DataError, match="different sizes: give size="):
        list(disk.batches(2))


def test_memory_needed(build):
    items = mask_folders("x", build.folders("mine", 3, size=(9, 12)), "test", ("a", "b"), 3)
    assert workers.memory_needed(items, (4, 5)) == 3 * 4 * 5 * 4
    assert workers.memory_needed(items, None) == 3 * 9 * 12 * 4
    assert workers.memory_free() > 10**6


def test_workers_are_not_spawned_where_that_needs_a_guard(monkeypatch):
    for platform in ("win32", "darwin"):
        monkeypatch.setattr(workers.sys, "platform", platform)
        assert workers.default_workers() == 0
