"""Supervised training, for classification and segmentation alike: the loop in full view."""

import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR
from tqdm.auto import tqdm

from course_lib.data import ImageSet
from course_lib.losses import Loss, make_loss
from course_lib.metrics import mean_iou, pixel_accuracy
from course_lib.train.config import TrainConfig
from course_lib.train.engine import Engine
from course_lib.train.evaluate import _count
from course_lib.train.history import History
from course_lib.train.resume import where_saved
from course_lib.train.state import RunState


def train_supervised(
    model: nn.Module,
    train_set: ImageSet,
    val_set: ImageSet | None = None,
    *,
    config: TrainConfig,
    loss: Loss | None = None,
    out_dir: str | Path | None = None,
    device: str | torch.device | None = "auto",
    progress: bool = True,
    tensorboard: bool = False,
) -> History:
    """Train a model; it ends with the weights of the best epoch on the validation set.

    Without a validation set it ends with the last weights. With ``out_dir`` the run is saved there
    (``checkpoint.pt``, ``history.json``) and goes on exactly where it stopped, bit for bit, when it
    is started again with the same configuration: after Ctrl-C, a crash or a power cut.

    Args:
        model: returns logits (B, C) or (B, C, H, W); trained in place.
        train_set: labelled images.
        val_set: labelled images on which the epoch is chosen, never the test set.
        config: see `TrainConfig`.
        loss: a function of (logits, targets) in place of the one that the configuration names;
            that one skips the set's ignore label.
        out_dir: where the run is saved.
        device: "auto", "cpu", "cuda" or a `torch.device`.
        progress: whether to draw a progress bar (``COURSE_PROGRESS=0`` turns all of them off).
        tensorboard: whether to log curves into ``out_dir`` for TensorBoard.

    Returns:
        The record of all epochs, those before an interruption included.

    Raises:
        ValueError: for sets that cannot be trained on, or an ``out_dir`` of another configuration.
        FloatingPointError: when the loss stops being finite, naming epoch and step.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    _check(train_set, val_set)
    engine = Engine(device=device, precision=config.precision, clip_norm=config.clip_norm)
    steps = train_set.num_batches(config.batch_size, world_size=engine.world_size)
    updates = -(-steps // config.accumulate)  # per epoch, the last one may be smaller
    train_set = train_set.to(engine.device)
    val_set = val_set.to(engine.device) if val_set is not None else None
    model.to(engine.device)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, config)
    schedule = make_schedule(optimizer, config, updates)
    run = RunState(engine, model, optimizer, schedule, config, train_set, out_dir)
    run.history.score = "val_mean_iou" if train_set.task == "semantic" else "val_accuracy"
    run.resume()
    if loss is None:
        loss = make_loss(
            config.loss, weight=config.class_weights, ignore_index=train_set.ignore_index
        )
    net, (optim,) = engine.prepare(model, optimizer)
    log = _Log(config, steps, run, progress and engine.is_main, tensorboard and engine.is_main)

    with engine.interruptible(), log:
        while run.epoch < config.epochs:
            epoch, started = run.epoch, time.perf_counter()
            batches = train_set.batches(
                config.batch_size,
                seed=config.seed,
                epoch=epoch,
                augment=config.augment,
                rank=engine.rank,
                world_size=engine.world_size,
                start=run.step,
            )
            net.train()
            for step, (images, targets) in enumerate(batches, start=run.step):
                first = step - step % config.accumulate  # of the micro-steps of this update
                group = min(config.accumulate, steps - first)
                update = step == first + group - 1
                engine.seed_step(config.seed, epoch, step)
                if config.channels_last:
                    images = images.contiguous(memory_format=torch.channels_last)
                with engine.micro_step(net, update=update):
                    with engine.autocast():
                        value = loss(net(images), targets)
                    engine.backward(value / group if group > 1 else value)
                if update:
                    engine.clip(net)
                    optim.step()
                    optim.zero_grad()
                    schedule.step()
                    if run.ema is not None:
                        run.ema.update(model)
                run.losses[step] = value.detach()
                run.step = step + 1

                reading = run.step % config.log_every == 0 or run.step == steps
                if reading:  # the only place in an epoch that waits for the device
                    log.reading(run)
                log.advance()
                if update and run.step < steps:
                    stop = engine.stop_requested(meet=reading)
                    due = config.checkpoint_every and run.step % config.checkpoint_every == 0
                    if stop or due:
                        run.save()
                    if stop:
                        raise KeyboardInterrupt(where_saved(run.out_dir))

            run.end_epoch(seconds=time.perf_counter() - started, scores=_scores(run, val_set))
            log.epoch(run)
            if engine.stop_requested(meet=True):
                raise KeyboardInterrupt(where_saved(run.out_dir))

    run.finish()
    return run.history


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the configured optimiser, fused into one kernel for all weights where that exists."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    fused = bool(parameters) and all(p.device.type in ("cpu", "cuda") for p in parameters)
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": fused}
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **common)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **common)
    return torch.optim.Adam(parameters, **common)


def make_schedule(
    optimizer: torch.optim.Optimizer, config: TrainConfig, updates_per_epoch: int
) -> LRScheduler:
    """Return the configured learning-rate schedule, stepped once per update."""
    total = config.epochs * updates_per_epoch
    if config.schedule == "one-cycle":
        return OneCycleLR(optimizer, max_lr=config.lr, total_steps=total + 1)
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total)
    return LambdaLR(optimizer, lambda _: 1.0)


def _check(train_set: ImageSet, val_set: ImageSet | None) -> None:
    if len(train_set) == 0:
        raise ValueError(f"The set {train_set.name}/{train_set.split} is empty.")
    if val_set is not None and len(val_set) == 0:
        raise ValueError(
            f"The validation set {val_set.name}/{val_set.split} is empty; pass None to train "
            "without one."
        )
    if train_set.task not in ("classification", "semantic"):
        raise ValueError(
            f"train_supervised learns one label per image or pixel; {train_set.name} was loaded "
            f'for the task "{train_set.task}". Load it with task="semantic".'
        )
    if val_set is not None and val_set.classes != train_set.classes:
        raise ValueError(
            f"Training and validation set name different classes: {train_set.classes} and "
            f"{val_set.classes}."
        )


def _scores(run: RunState, val_set: ImageSet | None) -> dict[str, float]:
    """Evaluate the weights that would be kept, every process on its share of the images."""
    due = (run.epoch + 1) % run.config.evaluate_every == 0 or run.epoch + 1 == run.config.epochs
    if val_set is None or not due:
        return {}
    engine, candidate = run.engine, run.candidate()
    engine.broadcast_buffers(candidate)
    confusion, loss = _count(
        candidate,
        val_set,
        batch_size=max(run.config.batch_size, 64),
        device=engine.device,
        precision=run.config.precision,
        rank=engine.rank,
        world_size=engine.world_size,
    )
    confusion, loss = engine.sum(confusion).cpu(), engine.sum(loss)
    scores = {
        "val_loss": float(loss) / max(int(confusion.sum()), 1),
        "val_accuracy": float(pixel_accuracy(confusion)),
    }
    if val_set.task == "semantic":
        scores["val_mean_iou"] = float(mean_iou(confusion))
    return scores


class _Log:
    """The progress bar and TensorBoard; neither touches what is computed."""

    def __init__(
        self, config: TrainConfig, steps: int, run: RunState, bar: bool, tensorboard: bool
    ) -> None:
        hidden = not bar or os.environ.get("COURSE_PROGRESS") == "0"
        self.total, self.steps, self.disable = config.epochs * steps, steps, hidden
        self.initial = run.epoch * steps + run.step
        self.epochs = config.epochs
        self.text = ""
        self.writer = _writer(run.out_dir) if tensorboard else None

    def __enter__(self) -> None:
        self.bar = tqdm(
            total=self.total, initial=self.initial, disable=self.disable, unit="step", leave=False
        )

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self.writer is not None:
            self.writer.close()

    def advance(self) -> None:
        self.bar.update()

    def reading(self, run: RunState) -> None:
        loss = run.mean_loss()  # raises when a loss is not finite
        self.bar.set_description(f"epoch {run.epoch + 1}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(f"loss {loss:.3f}{self.text}", refresh=False)
        if self.writer is not None:
            self.writer.add_scalar("train/loss", loss, run.epoch * self.steps + run.step)

    def epoch(self, run: RunState) -> None:
        record = run.history.epochs[-1]
        if run.history.score in record:
            self.text = f", {run.history.score.replace('_', ' ')} {record[run.history.score]:.3f}"
        if self.writer is not None:
            for name, value in record.items():
                self.writer.add_scalar(f"epoch/{name}", value, record["epoch"])


def _writer(out_dir: Path | None) -> Any:
    if out_dir is None:
        raise ValueError("tensorboard=True needs an out_dir to write into.")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "TensorBoard is not installed: pip install tensorboard, or tensorboard=False."
        ) from error
    return SummaryWriter(out_dir / "tensorboard")
