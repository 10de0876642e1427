"""Training of a detector: the loop of `supervised`, with objects for targets and five losses."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from course_lib.data import ImageSet
from course_lib.losses.detection import detection_losses
from course_lib.train.config import TrainConfig
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.epochs import Epochs
from course_lib.train.history import History
from course_lib.train.instances import check_instances, instance_batches
from course_lib.train.judge_objects import object_scores
from course_lib.train.log import Log
from course_lib.train.optimizers import make_optimizer, make_schedule
from course_lib.train.run import Run

NAMES = ("objectness", "anchor_box", "class", "box", "mask")
SCORE = "val_mask_ap"


class DetectionEpochs(Epochs):
    """The progress of a detector's run: the five losses are noted one by one.

    Attributes:
        sums: (5,) of this epoch's losses, on the device until it ends.
    """

    saved = (*Epochs.saved, "sums")

    def __init__(
        self, engine: Engine, config: TrainConfig, schedule: LRScheduler, *, steps: int
    ) -> None:
        super().__init__(engine, config, schedule, steps=steps, score=SCORE)
        self.sums = torch.zeros(len(NAMES), device=engine.device)

    def note_each(self, losses: dict[str, Tensor]) -> None:
        """Keep a step's five losses, without waiting for the device."""
        each = torch.stack([losses[name].detach().float() for name in NAMES])
        self.sums += each
        self.note(each.sum())

    def end(
        self, candidate: nn.Module, scores: dict[str, float], *, seconds: float
    ) -> tuple[str, dict[str, float], int]:
        """Write down the epoch, with the mean of each loss."""
        means = self.engine.sum(self.sums).cpu() / self.engine.world_size / self.step
        parts = {f"train_{name}": x for name, x in zip(NAMES, means.tolist(), strict=True)}
        shown = super().end(candidate, parts | scores, seconds=seconds)
        self.sums.zero_()
        return shown


def train_detection(
    model: nn.Module,
    train_set: ImageSet,
    val_set: ImageSet | None = None,
    *,
    config: TrainConfig,
    losses: Callable[[Any], dict[str, Tensor]] = detection_losses,
    out_dir: str | Path | None = None,
    device: str | torch.device | None = "auto",
    progress: bool = True,
    tensorboard: bool = False,
) -> History:
    """Train a detector; it ends with the weights of the best epoch on the validation set.

    Without a validation set it ends with the last weights. Saving and going on are as in
    `train_supervised`: on a CPU bit for bit.

    Args:
        model: `MaskRCNN`, or anything that is called as it is; trained in place.
        train_set: pictures with objects (task "instance"). Some may have none.
        val_set: pictures on whose mask AP the epoch is chosen, never the test set.
        config: see `TrainConfig`; its loss stays as it is.
        losses: turns what the model returns in training mode into the five losses by name.
        out_dir: where the run is saved.
        device: "auto", "cpu", "cuda" or a `torch.device`.
        progress: whether to draw a progress bar.
        tensorboard: whether to log curves into ``out_dir``.

    Returns:
        The record of all epochs: each of the five losses, and the validation set's scores.

    Raises:
        ValueError: for sets that cannot be trained on, or an ``out_dir`` of another run.
        OSError: where the run cannot be saved.
        FloatingPointError: when the loss stops being finite, naming epoch and step.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    check_instances(model, train_set, val_set, config)
    engine = Engine(device=device, precision=config.precision, clip_norm=config.clip_norm)
    train_set = train_set.to(engine.device)
    steps = train_set.num_batches(config.batch_size, world_size=engine.world_size)
    updates = -(-steps // config.accumulate)
    engine.place(model, channels_last=config.channels_last)
    optimizer = make_optimizer(model, config)
    schedule = make_schedule(optimizer, config, updates=config.epochs * updates)
    ema = EMA(model, config.ema) if config.ema is not None else None
    kept = ema.model if ema is not None else model
    at = DetectionEpochs(engine, config, schedule, steps=steps)
    parts = {"model": model, "ema": ema, "optimizer": optimizer, "schedule": schedule}
    run = Run(out_dir, engine, config, train_set, at, parts | {"scaler": engine.scaler})

    with (
        run,
        engine.interruptible(),
        Log(run, bar=progress, curves=tensorboard) as log,
        engine.prepared(model, optimizer) as (net, (optim,)),
    ):
        while at.epoch < config.epochs:
            started = time.perf_counter()
            net.train()
            batches = instance_batches(train_set, config, engine, epoch=at.epoch, start=at.step)
            for step, (images, truth) in enumerate(batches, start=at.step):
                first = step - step % config.accumulate  # of the micro-steps of this update
                group = min(config.accumulate, steps - first)
                update = step == first + group - 1
                engine.seed_step(config.seed, at.epoch, step)  # which anchors are sampled
                with engine.micro_step(net, update=update):
                    with engine.autocast():
                        seen = net(images, truth)
                    each = losses(seen)  # in float32
                    value = torch.stack(list(each.values())).sum()
                    engine.backward(value / group if group > 1 else value)
                if update:
                    engine.clip(net)
                    optim.step()
                    optim.zero_grad()
                    schedule.step()
                    if ema is not None:
                        ema.update(model)
                at.note_each(each)
                reading = at.step % config.log_every == 0 or at.step == steps
                if reading:
                    # A GPU is waited for in each step anyway: nobody knows before how many boxes
                    # suppression leaves.
                    log.show(*at.reading())
                log.advance()
                if update and at.step < steps:
                    due = config.checkpoint_every and at.step % config.checkpoint_every == 0
                    run.pause(save=bool(due), meet=reading)
            run.check_finite()
            scores = {}
            if val_set is not None and _due(config, at.epoch):
                engine.broadcast_buffers(kept)
                found = object_scores(
                    kept, val_set, device=engine.device, precision=config.precision
                )
                scores = {f"val_{name}": found[name] for name in ("box_ap", "mask_ap")}
            log.show(*at.end(kept, scores, seconds=time.perf_counter() - started))
            run.pause(save=True, meet=True)

    model.load_state_dict(at.best or kept.state_dict())
    model.eval()
    return at.history


def _due(config: TrainConfig, epoch: int) -> bool:
    return (epoch + 1) % config.evaluate_every == 0 or epoch + 1 == config.epochs
