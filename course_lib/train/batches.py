"""Training batches in the order that a run's seed says, from wherever it stopped."""

from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.data import ImageSet
from course_lib.train.config import TrainConfig
from course_lib.train.engine import Engine
from course_lib.train.flow_config import FlowConfig
from course_lib.train.gan_config import GANConfig
from course_lib.train.vaegan_config import VAEGANConfig
from course_lib.train.variational_config import VariationalConfig


def epoch_batches(
    train_set: ImageSet,
    config: TrainConfig | FlowConfig | GANConfig | VAEGANConfig | VariationalConfig,
    engine: Engine,
    *,
    epoch: int,
    start: int = 0,
    drop_last: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one process's batches of an epoch, from number `start` on, in its memory format."""
    for images, targets in train_set.batches(
        config.batch_size,
        seed=config.seed,
        epoch=epoch,
        augment=config.augment,
        rank=engine.rank,
        world_size=engine.world_size,
        start=start,
        drop_last=drop_last,
    ):
        if config.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        yield images, targets


def endless_batches(
    train_set: ImageSet,
    config: FlowConfig | GANConfig | VAEGANConfig | VariationalConfig,
    engine: Engine,
    *,
    start: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches from number `start` on, epoch after epoch; whole ones only."""
    steps = train_set.num_batches(config.batch_size, world_size=engine.world_size, drop_last=True)
    epoch, step = divmod(start, steps)
    while True:
        yield from epoch_batches(train_set, config, engine, epoch=epoch, start=step, drop_last=True)
        epoch, step = epoch + 1, 0
