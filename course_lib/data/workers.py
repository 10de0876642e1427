"""Sets that are too large for memory: the same batches, read from disk while the model trains.

Worker processes read and resize. Order and augmentation are the same pure functions as for a set in
memory (the augmentation runs afterwards, on the device), so the number of workers changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from course_lib.data.augment import Augment
from course_lib.data.cache import files_key
from course_lib.data.decode import Items, read_item
from course_lib.data.sets import (
    DataError,
    ImageSet,
    batch_indices,
    check_batches,
    epoch_order,
    finish_batch,
)


def memory_needed(items: Items, size: tuple[int, int] | None) -> int:
    """Return the bytes that the decoded items will take."""
    shape = size or items.size
    if shape is None:
        shape = read_item(items, 0, None)[0].shape[1:]
    pixels = shape[0] * shape[1]
    per_mask = 0 if items.masks is None else pixels * (1 if items.table is not None else 4)
    return len(items) * (items.channels * pixels + per_mask)


def memory_free() -> int:
    """Return the bytes of main memory that can be used without swapping."""
    import psutil  # type: ignore[import-untyped]

    return int(psutil.virtual_memory().available)


def default_workers() -> int:
    """Return a number of workers that is safe here.

    Where processes are spawned (Windows, macOS), workers need a script with a main guard; there the
    default is to read in the main process.
    """
    if sys.platform != "linux":
        return 0
    return min(8, len(os.sched_getaffinity(0)))


class _Files(Dataset[Any]):
    """What the workers hold. A failure is returned, not raised, so that it keeps its text."""

    def __init__(self, items: Items, size: tuple[int, int] | None) -> None:
        self.items = items
        self.size = size

    def __getitem__(self, row: int) -> Any:
        try:
            image, target = read_item(self.items, row, self.size)
        except DataError as error:
            return error
        return torch.from_numpy(image.copy()), torch.from_numpy(target.copy())


def _collate(parts: list[Any]) -> Any:
    for part in parts:
        if isinstance(part, DataError):
            return part
    if len({part[0].shape for part in parts}) > 1:
        return DataError("The images have different sizes: give size=, for example size=128.")
    return torch.stack([part[0] for part in parts]), torch.stack([part[1] for part in parts])


class StreamedSet(ImageSet):
    """A set whose images stay on disk; `batches` works as it does for one in memory.

    Args:
        items: What to read.
        size: (H, W) of the images.
        name: Name of the data set.
        split: "train", "val" or "test".
        task: "classification", "semantic" or "instance".
        num_workers: Processes that read; None: see `default_workers`.
        device: Where the batches are made.
    """

    def __init__(
        self,
        items: Items,
        size: tuple[int, int] | None,
        *,
        name: str,
        split: str,
        task: str,
        num_workers: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.items = items
        self.size = size or items.size
        self.name, self.split, self.task = name, split, task
        self.num_workers = default_workers() if num_workers is None else num_workers
        self.batch_device = torch.device(device or "cpu")
        self.classes, self.note = items.classes, items.note
        self.ignore_index = items.ignore_index
        self.keys = tuple(items.keys)
        self.boxes = self.labels = None
        self._fingerprint = ""

    def __getattr__(self, name: str) -> Any:
        if name in ("images", "targets"):
            raise DataError(
                f"{self.name} stays on disk, because it does not fit into memory: it has no "
                f".{name}. Use .batches(), or load fewer (num=) or smaller (size=) images."
            )
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return (
            f"StreamedSet({self.name}, {self.split}, {self.task}: {len(self)} images of size "
            f"{self.size}, {len(self.classes)} classes, read by {self.num_workers} workers)"
        )

    @property
    def device(self) -> torch.device:
        """Where the batches are made."""
        return self.batch_device or torch.device("cpu")

    @property
    def fingerprint(self) -> str:
        """Hash of the files' names, sizes and times; their content is not read."""
        if not self._fingerprint:
            state = (files_key(self.items.files()), self.keys, self.size, self.classes)
            self._fingerprint = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
        return self._fingerprint

    def to(self, device: torch.device | str | None) -> StreamedSet:
        """Return the set with its batches made on another device."""
        return self._again(self.items, device or self.batch_device)

    def subset(self, indices: Sequence[int] | Tensor | slice) -> StreamedSet:
        """Return a set of the named items, in the order in which they are named."""
        rows: Any = range(len(self))[indices] if isinstance(indices, slice) else indices
        if isinstance(rows, Tensor) and rows.dtype == torch.bool:
            rows = rows.nonzero()[:, 0]
        return self._again(self.items.pick([int(row) for row in rows]), self.batch_device)

    def _again(self, items: Items, device: torch.device | str | None) -> StreamedSet:
        return StreamedSet(
            items,
            self.size,
            name=self.name,
            split=self.split,
            task=self.task,
            num_workers=self.num_workers,
            device=device,
        )

    def batches(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        epoch: int = 0,
        shuffle: bool = True,
        augment: Augment | None = None,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
        drop_last: bool = False,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch; see `ImageSet.batches`.

        Raises:
            DataError: When an image cannot be read.
        """
        check_batches(batch_size, rank, world_size, start)
        order = epoch_order(len(self), seed=seed, epoch=epoch, shuffle=shuffle)
        total = self.num_batches(batch_size, world_size=world_size, drop_last=drop_last)
        rows = [
            batch_indices(
                order, batch_size, step, rank=rank, world_size=world_size, shuffle=shuffle
            ).tolist()
            for step in range(start, total)
        ]
        steps = [step for step, row in zip(range(start, total), rows, strict=True) if row]
        loader: DataLoader[Any] = DataLoader(
            _Files(self.items, self.size),
            batch_sampler=[row for row in rows if row],
            num_workers=self.num_workers,
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
        )
        for step, batch in zip(steps, loader, strict=True):
            if isinstance(batch, DataError):
                raise batch
            images, targets = (part.to(self.device, non_blocking=True) for part in batch)
            yield finish_batch(images, targets, augment, seed, epoch, step, rank)
