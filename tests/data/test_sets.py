"""The set in memory: order, sharing between processes, resuming, errors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data import Augment, DataError, ImageSet
from course_lib.data.sets import batch_indices, count_batches, epoch_order

BUSY = Augment(flip=True, crop=2, scale=(0.8, 1.25), rotate=20, translate=0.1, colour=0.3)


def numbered(count: int, size: tuple[int, int] = (5, 7)) -> ImageSet:
    """A classification set whose targets are the items' own numbers."""
    images = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8)
    return ImageSet(images, torch.arange(count), tuple(map(str, range(count))))


def masks(count: int, size: tuple[int, int] = (9, 12)) -> ImageSet:
    images = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8)
    targets = torch.randint(0, 3, (count, *size), dtype=torch.uint8)
    return ImageSet(images, targets, ("a", "b", "c"), task="semantic")


def same(a: list, b: list) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(a, b, strict=True)
    )


def test_batches_are_float_in_unit_range_and_int64():
    data = numbered(10)
    images, targets = next(data.batches(4, shuffle=False))
    assert images.dtype == torch.float32 and targets.dtype == torch.int64
    assert torch.equal(images, data.images[:4].float() / 127.5 - 1)
    assert images.min() >= -1 and images.max() <= 1
    images, targets = next(masks(4).batches(3))
    assert images.shape == (3, 3, 9, 12) and targets.shape == (3, 9, 12)
    assert targets.dtype == torch.int64


def test_order_depends_on_seed_and_epoch_only():
    data = numbered(50)

    def order(**options: int) -> list[int]:
        return torch.cat([y for _, y in data.batches(8, **options)]).tolist()

    first = order(seed=3, epoch=2)
    torch.rand(7)  # the global random state does not matter
    assert order(seed=3, epoch=2) == first and sorted(first) == list(range(50))
    assert order(seed=3, epoch=3) != first and order(seed=4, epoch=2) != first
    # seed and epoch are mixed, not added: (3, 2) and (2, 3) are different runs.
    assert order(seed=2, epoch=3) != first
    assert torch.cat([y for _, y in data.batches(8, shuffle=False)]).tolist() == list(range(50))


def test_order_is_the_same_on_every_machine():
    assert epoch_order(8, seed=0, epoch=0, shuffle=True).tolist() == [1, 0, 2, 3, 5, 4, 6, 7]


@settings(max_examples=200, deadline=None)
@given(
    count=st.integers(1, 60),
    batch_size=st.integers(1, 9),
    world_size=st.integers(1, 5),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
)
def test_ranks_share_an_epoch(count, batch_size, world_size, shuffle, drop_last):
    order = epoch_order(count, seed=1, epoch=0, shuffle=shuffle)
    steps = count_batches(count, batch_size, world_size=world_size, drop_last=drop_last)
    parts = [
        [
            batch_indices(
                order, batch_size, step, rank=rank, world_size=world_size, shuffle=shuffle
            ).tolist()
            for step in range(steps)
        ]
        for rank in range(world_size)
    ]
    seen = [item for rank in parts for batch in rank for item in batch]
    if drop_last:
        assert all(len(batch) == batch_size for rank in parts for batch in rank)
        assert len(seen) == len(set(seen)) == steps * batch_size * world_size
        return
    assert set(seen) == set(range(count))  # nobody is left out
    if shuffle:  # every process has the same number of batches, none empty
        assert all(len(batch) >= 1 for rank in parts for batch in rank)
        assert len(seen) - count < world_size  # items repeated to get there
    else:  # evaluation counts every item once
        assert len(seen) == count
    # Together the processes take what one process with the joint batch size takes.
    for step in range(steps):
        together = [item for rank in parts for item in rank[step]]
        alone = batch_indices(
            order, batch_size * world_size, step, rank=0, world_size=1, shuffle=shuffle
        ).tolist()
        assert together[: len(alone)] == alone


def test_two_ranks_equal_one_process_with_double_batch():
    data = numbered(24)
    alone = list(data.batches(8, seed=5, epoch=1))
    ranks = [list(data.batches(4, seed=5, epoch=1, rank=r, world_size=2)) for r in range(2)]
    joined = [
        (torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])) for a, b in zip(*ranks, strict=True)
    ]
    assert same(alone, joined)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 30), batch_size=st.integers(1, 7), data=st.data())
def test_start_resumes_exactly(count, batch_size, data):
    images = masks(count)
    world_size = data.draw(st.integers(1, 3))
    options = dict(
        seed=data.draw(st.integers(-5, 5)),
        epoch=data.draw(st.integers(0, 4)),
        augment=BUSY,
        rank=data.draw(st.integers(0, world_size - 1)),
        world_size=world_size,
        drop_last=data.draw(st.booleans()),
    )
    whole = list(images.batches(batch_size, **options))
    start = data.draw(st.integers(0, len(whole) + 1))
    assert same(list(images.batches(batch_size, start=start, **options)), whole[start:])
    assert len(whole) == images.num_batches(
        batch_size, world_size=world_size, drop_last=options["drop_last"]
    )


def test_augmentation_differs_between_epochs_steps_and_ranks():
    data = ImageSet(
        torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8).repeat(8, 1, 1, 1),
        torch.zeros(8, dtype=torch.int64),
        ("a",),
    )
    first = list(data.batches(4, augment=BUSY))
    assert not torch.equal(first[0][0], first[1][0])  # steps
    assert not torch.equal(first[0][0][0], first[0][0][1])  # items
    assert not torch.equal(first[0][0], next(data.batches(4, epoch=1, augment=BUSY))[0])
    ranks = [next(data.batches(2, augment=BUSY, rank=r, world_size=2))[0] for r in range(2)]
    assert not torch.equal(*ranks)


def test_drop_last_and_num_batches():
    data = numbered(10)
    assert data.num_batches(4) == 3 and data.num_batches(4, drop_last=True) == 2
    assert data.num_batches(4, world_size=2) == 2
    assert [len(y) for _, y in data.batches(4)] == [4, 4, 2]
    assert [len(y) for _, y in data.batches(4, drop_last=True)] == [4, 4]


def test_batches_do_not_change_the_set():
    data = masks(4)
    before = data.images.clone(), data.targets.clone()
    for images, targets in data.batches(4, augment=BUSY):
        images.fill_(7), targets.fill_(7)
    for images, targets in data.batches(4, shuffle=False):
        images.fill_(7), targets.fill_(7)
    assert torch.equal(data.images, before[0]) and torch.equal(data.targets, before[1])


def test_subset():
    data = numbered(6)
    data.boxes, data.keys = [torch.full((1, 4), float(i)) for i in range(6)], tuple("abcdef")
    part = data.subset([4, 0])
    assert part.targets.tolist() == [4, 0] and part.keys == ("e", "a")
    assert part.boxes[0][0, 0] == 4 and part.classes == data.classes
    assert data.subset(slice(0, 6, 2)).targets.tolist() == [0, 2, 4]
    assert data.subset(torch.tensor([False, True] * 3)).targets.tolist() == [1, 3, 5]
    assert len(data.subset([])) == 0
    with pytest.raises(DataError, match="item 6 asked for, the set has 6"):
        data.subset([6])


def test_fingerprint_follows_the_content():
    data = numbered(6)
    again = ImageSet(data.images.clone(), data.targets.clone(), data.classes)
    assert data.fingerprint == again.fingerprint and len(data.fingerprint) == 16
    changed = data.images.clone()
    changed[3, 1, 2, 2] += 1
    assert ImageSet(changed, data.targets, data.classes).fingerprint != data.fingerprint
    assert data.subset([0]).fingerprint != data.fingerprint
    other = ImageSet(data.images, data.targets, data.classes[::-1])
    assert other.fingerprint != data.fingerprint


def test_to_keeps_the_set():
    data = numbered(3)
    assert torch.equal(data.to("cpu").images, data.images) and data.to(None) is data
    assert data.device == torch.device("cpu")


@pytest.mark.gpu
def test_a_set_moves_to_the_gpu_and_gives_the_same_batches():
    data = masks(12)
    there = data.to("cuda")
    assert there.images.is_cuda and there.device.type == "cuda"
    for (x, y), (u, v) in zip(data.batches(4), there.batches(4), strict=True):
        assert torch.equal(x, u.cpu()) and torch.equal(y, v.cpu())
    for (x, y), (u, v) in zip(
        data.batches(4, augment=BUSY), there.batches(4, augment=BUSY), strict=True
    ):
        torch.testing.assert_close(x, u.cpu(), atol=2e-3, rtol=0)
        assert (y == v.cpu()).float().mean() > 0.99


@pytest.mark.gpu
def test_a_set_that_does_not_fit_stays_and_its_batches_travel(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 100))
    data = masks(12).to("cuda")
    assert not data.images.is_cuda and data.device.type == "cuda"
    images, targets = next(data.batches(4))
    assert images.is_cuda and targets.is_cuda


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(images=torch.zeros(2, 3, 4, 4)), "wanted uint8"),
        (dict(images=torch.zeros(2, 4, 4, dtype=torch.uint8)), r"shape \(N, C, H, W\)"),
        (dict(targets=torch.zeros(2)), "got torch.float32, wanted whole numbers"),
        (dict(targets=torch.zeros(3, dtype=torch.uint8)), r"got shape \(3,\), wanted \(2,\)"),
        (dict(task="semantic"), r"wanted \(2, 4, 4\)"),
        (dict(task="panoptic"), "wanted one of classification"),
    ],
)
def test_wrong_tensors_are_refused(change, message):
    given = dict(
        images=torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        targets=torch.zeros(2, dtype=torch.int64),
        classes=("a",),
    )
    with pytest.raises(DataError, match=message):
        ImageSet(**{**given, **change})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(batch_size=0), "batch_size=0"),
        (dict(batch_size=2, rank=2, world_size=2), "rank=2 of world_size=2"),
        (dict(batch_size=2, start=-1), "start=-1"),
    ],
)
def test_wrong_batch_options_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        next(numbered(4).batches(**options))
