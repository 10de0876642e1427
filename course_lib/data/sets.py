"""A data set in memory, and the order in which its items are visited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from course_lib.data.augment import Augment, stream_seed, to_float

SPLITS = ("train", "val", "test")
TASKS = ("classification", "semantic", "instance")
IGNORE = 255


class DataError(ValueError):
    """Data that cannot be read; the message says what was found, what was wanted and what to do."""


def epoch_order(num_items: int, *, seed: int, epoch: int, shuffle: bool) -> Tensor:
    """Return the order of the items in one epoch: (num_items,) int64, a pure function."""
    if not shuffle:
        return torch.arange(num_items)
    generator = torch.Generator().manual_seed(stream_seed(seed, epoch))
    return torch.randperm(num_items, generator=generator)


def count_batches(
    num_items: int, batch_size: int, *, world_size: int = 1, drop_last: bool = False
) -> int:
    """Return how many batches every process sees in one epoch."""
    whole, rest = divmod(num_items, batch_size * world_size)
    return whole + (1 if rest and not drop_last else 0)


def batch_indices(
    order: Tensor, batch_size: int, step: int, *, rank: int, world_size: int, shuffle: bool
) -> Tensor:
    """Return the items of one process's batch number `step`.

    All processes together take the next `batch_size * world_size` items of the order, so that two
    processes with batches of 32 see what one process with batches of 64 sees. What is left at the
    end is shared out evenly. If fewer items than processes are left, a training run (`shuffle`)
    repeats items from the start of the order, so that nobody waits for a batch that never comes;
    otherwise the last processes get an empty batch, so that nothing is counted twice.
    """
    group = order[step * batch_size * world_size : (step + 1) * batch_size * world_size]
    if shuffle and len(group) < world_size:
        group = torch.cat([group, order.repeat(world_size)])[:world_size]
    return group.tensor_split(world_size)[rank]


@dataclass
class ImageSet:
    """Images with their targets, held in memory.

    Args:
        images: (N, C, H, W) uint8.
        targets: (N,) int64 for classification; (N, H, W) uint8 class ids for the semantic task;
            (N, H, W) instance ids, 0 = background, for the instance task.
        classes: Names of the classes; position = class id.
        name: Name of the data set.
        split: "train", "val" or "test".
        task: "classification", "semantic" or "instance".
        ignore_index: Label that stands for "do not count this pixel", or None.
        boxes: Instance task: per image (n, 4) float32 boxes (x1, y1, x2, y2) in pixels.
        labels: Instance task: per image (n,) int64 class ids.
        note: What a result on this set has to say, such as that the images are a JPEG copy; or "".
        keys: Name of each item (file stem, or number), where known.
    """

    images: Tensor
    targets: Tensor
    classes: tuple[str, ...]
    name: str = "unnamed"
    split: str = "train"
    task: str = "classification"
    ignore_index: int | None = None
    boxes: list[Tensor] | None = None
    labels: list[Tensor] | None = None
    note: str = ""
    keys: tuple[str, ...] = ()
    batch_device: torch.device | None = field(default=None, repr=False)
    _fingerprint: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise DataError(
                f"images: got {self.images.dtype} of shape {tuple(self.images.shape)}, "
                "wanted uint8 of shape (N, C, H, W)."
            )
        if self.task not in TASKS:
            raise DataError(f"task {self.task!r}: wanted one of {', '.join(TASKS)}.")
        if self.targets.is_floating_point() or self.targets.is_complex():
            raise DataError(
                f"targets: got {self.targets.dtype}, wanted whole numbers (uint8 or int64): each "
                "is the number of a class. A mask that was resized or normalised like an image "
                "has lost them; load it again, and resize with the nearest pixel."
            )
        wanted = (
            (len(self.images),)
            if self.task == "classification"
            else (len(self.images), *self.images.shape[2:])
        )
        if tuple(self.targets.shape) != wanted:
            raise DataError(
                f"targets: got shape {tuple(self.targets.shape)}, wanted {wanted} "
                f"for the {self.task} task on {len(self.images)} images."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        channels, height, width = self.images.shape[1:]
        note = f", {self.note}" if self.note else ""
        return (
            f"ImageSet({self.name}, {self.split}, {self.task}: {len(self)} images of "
            f"{channels}x{height}x{width}, {len(self.classes)} classes, on {self.device}{note})"
        )

    @property
    def device(self) -> torch.device:
        """Where the batches are made."""
        return self.batch_device or self.images.device

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def fingerprint(self) -> str:
        """Hash of all images, targets and class names; equal data, equal fingerprint."""
        if not self._fingerprint:
            digest = hashlib.sha256(repr((self.task, self.classes, self.ignore_index)).encode())
            for part in (self.images, self.targets):
                digest.update(repr((part.dtype, tuple(part.shape))).encode())
                digest.update(part.cpu().contiguous().numpy().data.cast("B"))
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def to(self, device: torch.device | str | None) -> ImageSet:
        """Return the set on a device; where it does not fit, it stays and only its batches travel.

        At most half of the device's free memory is used for data.
        """
        if device is None:
            return self
        device = torch.device(device)
        if device == self.images.device:
            return replace(self, batch_device=None)
        size = self.images.nbytes + self.targets.nbytes
        if device.type == "cuda" and size > torch.cuda.mem_get_info(device)[0] // 2:
            return replace(self, batch_device=device)
        return replace(
            self, images=self.images.to(device), targets=self.targets.to(device), batch_device=None
        )

    def subset(self, indices: Sequence[int] | Tensor | slice) -> ImageSet:
        """Return a set of the named items, in the order in which they are named."""
        if isinstance(indices, slice):
            indices = range(*indices.indices(len(self)))
        index = torch.as_tensor(list(indices) if isinstance(indices, range) else indices)
        if index.dtype == torch.bool:
            index = index.nonzero()[:, 0]
        index = index.to(torch.int64).reshape(-1)
        if len(index) and not (-len(self) <= int(index.min()) and int(index.max()) < len(self)):
            (beyond, *_) = index[(index < -len(self)) | (index >= len(self))].tolist()
            raise DataError(f"subset: item {beyond} asked for, the set has {len(self)} items.")
        where = index.to(self.images.device)
        rows = index.tolist()
        return replace(
            self,
            images=self.images[where],
            targets=self.targets[where],
            boxes=None if self.boxes is None else [self.boxes[row] for row in rows],
            labels=None if self.labels is None else [self.labels[row] for row in rows],
            keys=tuple(self.keys[row] for row in rows) if self.keys else (),
            _fingerprint="",
        )

    def num_batches(self, batch_size: int, *, world_size: int = 1, drop_last: bool = False) -> int:
        """Return how many batches one epoch has for each process."""
        return count_batches(len(self), batch_size, world_size=world_size, drop_last=drop_last)

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
        """Yield the batches of one epoch, made on the set's device.

        The order is a pure function of (seed, epoch), the augmentation of (seed, epoch, step,
        rank): the same call always yields the same batches, and `start=k` yields exactly the
        batches from number k on.

        Args:
            batch_size: Items per batch and process.
            seed: Seed of the run.
            epoch: Number of the epoch.
            shuffle: False: in the order of the set.
            augment: Random changes, or None.
            rank: Number of this process.
            world_size: Number of processes; they share the set, see `batch_indices`.
            start: Number of batches to skip.
            drop_last: Leave out a last, smaller batch.

        Yields:
            Images (B, C, H, W) float32 in [-1, 1] and targets int64, (B,) or (B, H, W).
        """
        check_batches(batch_size, rank, world_size, start)
        order = epoch_order(len(self), seed=seed, epoch=epoch, shuffle=shuffle)
        total = self.num_batches(batch_size, world_size=world_size, drop_last=drop_last)
        for step in range(start, total):
            index = batch_indices(
                order, batch_size, step, rank=rank, world_size=world_size, shuffle=shuffle
            )
            if not len(index):
                continue
            where = index.to(self.images.device, non_blocking=True)
            images = self.images.index_select(0, where)
            targets = self.targets.index_select(0, where)
            if self.batch_device is not None:
                images = images.to(self.batch_device, non_blocking=True)
                targets = targets.to(self.batch_device, non_blocking=True)
            yield finish_batch(images, targets, augment, seed, epoch, step, rank)


def check_batches(batch_size: int, rank: int, world_size: int, start: int) -> None:
    """Raise DataError unless the numbers given to `batches` make sense."""
    if batch_size < 1:
        raise DataError(f"batch_size={batch_size}: wanted at least 1.")
    if not 0 <= rank < world_size:
        raise DataError(f"rank={rank} of world_size={world_size}: wanted 0 <= rank < world_size.")
    if start < 0:
        raise DataError(f"start={start}: wanted 0 or more batches to skip.")


def finish_batch(
    images: Tensor,
    targets: Tensor,
    augment: Augment | None,
    seed: int,
    epoch: int,
    step: int,
    rank: int,
) -> tuple[Tensor, Tensor]:
    """Turn stored uint8 into what a model trains on, augmented."""
    if augment is None:
        return to_float(images), targets.to(torch.int64)
    masks = targets if targets.ndim == 3 else None
    pictures, moved = augment(images, masks, seed=seed, epoch=epoch, step=step, rank=rank)
    return pictures, (targets if moved is None else moved).to(torch.int64)
