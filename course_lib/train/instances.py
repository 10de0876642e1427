"""Batches of pictures with their objects, in the order that a run's seed says."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.data.sets import batch_indices, epoch_order, finish_batch
from course_lib.models.mask_rcnn import Truth, make_truth
from course_lib.train.beforehand import check_model
from course_lib.train.config import TrainConfig
from course_lib.train.engine import Engine


def instance_batches(
    train_set: ImageSet, config: TrainConfig, engine: Engine, *, epoch: int, start: int = 0
) -> Iterator[tuple[Tensor, Truth]]:
    """Yield one process's batches of an epoch, from number `start` on.

    Boxes are found again after augmentation, tight around the pixels that are left. What has left
    the picture does not exist.

    Yields:
        Images (B, C, H, W) float32 in [-1, 1], and the objects.
    """
    device = train_set.device
    labels = padded_labels(train_set)  # (N, K)
    order = epoch_order(len(train_set), seed=config.seed, epoch=epoch, shuffle=True)
    steps = train_set.num_batches(config.batch_size, world_size=engine.world_size)
    for step in range(start, steps):
        index = batch_indices(
            order,
            config.batch_size,
            step,
            rank=engine.rank,
            world_size=engine.world_size,
            shuffle=True,
        )
        where = index.to(train_set.images.device, non_blocking=True)
        images = train_set.images.index_select(0, where).to(device, non_blocking=True)
        ids = train_set.targets.index_select(0, where).to(device, non_blocking=True)
        if config.augment is None:
            pictures, ids = finish_batch(images, ids, None, config.seed, epoch, step, engine.rank)
        else:
            pictures, moved = config.augment(
                images,
                ids,
                seed=config.seed,
                epoch=epoch,
                step=step,
                rank=engine.rank,
                mirrored=False,
            )
            assert moved is not None
            ids = moved.long()
        if config.channels_last:
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        yield pictures, make_truth(ids, labels[index].to(device, non_blocking=True))


def padded_labels(data: ImageSet) -> Tensor:
    """Return the classes of each picture's objects (N, K), filled up with 0; K at least 1."""
    assert data.labels is not None
    most = max([1, *(len(row) for row in data.labels)])
    labels = torch.zeros((len(data), most), dtype=torch.int64)
    for row, classes in zip(labels, data.labels, strict=True):
        row[: len(classes)] = classes
    return labels


def check_instances(
    model: nn.Module, train_set: ImageSet, val_set: ImageSet | None, config: TrainConfig
) -> None:
    """Raise ValueError unless a detector can be trained on one set and judged on the other."""
    check_model(model)
    if config.loss != "cross-entropy" or config.class_weights is not None:
        raise ValueError(
            f"loss is {config.loss!r} and class_weights {config.class_weights}; a detector has "
            "five losses of its own: leave both as they are."
        )
    if config.augment is not None and config.augment.crop:
        raise ValueError(
            f"augment.crop is {config.augment.crop}; it mirrors what lies outside, and half a "
            "mirrored object is none. Use translate and scale."
        )
    for data in (train_set, val_set):
        if data is None:
            continue
        if data.task != "instance" or data.labels is None:
            raise ValueError(
                f"A detector learns objects; {data.name}/{data.split} was loaded for the task "
                f'"{data.task}", in memory or not. Load it with task="instance", in_memory=True.'
            )
        if len(data) == 0:
            raise ValueError(f"The set {data.name}/{data.split} is empty.")
        check_labels(data, getattr(model, "num_classes", data.num_classes))
    if val_set is not None and not sum(map(len, val_set.labels or [])):
        raise ValueError(
            f"The validation set {val_set.name}/{val_set.split} has no object, so no epoch could "
            "be chosen on it; pass None, or load more images."
        )
    if val_set is not None and val_set.classes != train_set.classes:
        raise ValueError(
            f"Training and validation set name different classes: {train_set.classes} and "
            f"{val_set.classes}."
        )


def check_labels(data: ImageSet, num_classes: int) -> None:
    """Raise ValueError for an object whose class is the background's, or none of the model's."""
    assert data.labels is not None
    every = torch.cat([*data.labels, torch.ones(1, dtype=torch.int64)])
    if int(every.min()) < 1 or int(every.max()) >= num_classes:
        raise ValueError(
            f"{data.name}/{data.split} has objects of classes {int(every.min())} to "
            f"{int(every.max())}; this model knows 1 to {num_classes - 1} (0 is the background)."
        )
