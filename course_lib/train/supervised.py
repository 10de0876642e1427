"""Supervised training, for classification and segmentation alike: the loop in full view."""

import time
from pathlib import Path

import torch
from torch import nn

from course_lib.data import ImageSet
from course_lib.losses import Loss, make_loss
from course_lib.train.batches import epoch_batches
from course_lib.train.beforehand import check_batch_of_one, check_supervised
from course_lib.train.config import TrainConfig
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.epochs import Epochs
from course_lib.train.evaluate import validation_scores
from course_lib.train.history import History
from course_lib.train.log import Log
from course_lib.train.optimizers import make_optimizer, make_schedule
from course_lib.train.run import Run


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
    (``checkpoint.pt``, ``history.json``) and goes on exactly where it stopped, on a CPU bit for
    bit, when it is started again with the same configuration: after Ctrl-C, a crash or a power cut.

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
        ValueError: for sets that cannot be trained on, or an ``out_dir`` of another run.
        OSError: where the run cannot be saved; before it starts, as far as that can be known.
        FloatingPointError: when the loss stops being finite, naming epoch and step.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    check_supervised(model, train_set, val_set)
    engine = Engine(device=device, precision=config.precision, clip_norm=config.clip_norm)
    train_set = train_set.to(engine.device)
    val_set = val_set.to(engine.device) if val_set is not None else None
    steps = train_set.num_batches(config.batch_size, world_size=engine.world_size)  # in an epoch
    updates = -(-steps // config.accumulate)  # the last one may be smaller
    engine.place(model, channels_last=config.channels_last)
    check_batch_of_one(model, train_set, config, engine)
    given = config.class_weights  # moved once: a step that brought them along would wait for a GPU
    weights = None if given is None else torch.tensor(given, device=engine.device)
    loss = loss or make_loss(config.loss, weight=weights, ignore_index=train_set.ignore_index)
    optimizer = make_optimizer(model, config)
    schedule = make_schedule(optimizer, config, updates=config.epochs * updates)
    ema = EMA(model, config.ema) if config.ema is not None else None
    kept = ema.model if ema is not None else model
    score = "val_mean_iou" if train_set.task == "semantic" else "val_accuracy"
    at = Epochs(engine, config, schedule, steps=steps, score=score)
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
            batches = epoch_batches(train_set, config, engine, epoch=at.epoch, start=at.step)
            for step, (images, targets) in enumerate(batches, start=at.step):
                first = step - step % config.accumulate  # of the micro-steps of this update
                group = min(config.accumulate, steps - first)
                update = step == first + group - 1
                engine.seed_step(config.seed, at.epoch, step)
                with engine.micro_step(net, update=update):
                    with engine.autocast():
                        value = loss(net(images), targets)
                    engine.backward(value / group if group > 1 else value)
                if update:
                    engine.clip(net)
                    optim.step()
                    optim.zero_grad()
                    schedule.step()
                    if ema is not None:
                        ema.update(model)
                at.note(value)
                reading = at.step % config.log_every == 0 or at.step == steps
                if reading:
                    log.show(*at.reading())  # the only place in an epoch that waits for the device
                log.advance()
                if update and at.step < steps:
                    due = config.checkpoint_every and at.step % config.checkpoint_every == 0
                    run.pause(save=bool(due), meet=reading)
            run.check_finite()
            scores = validation_scores(kept, val_set, config, engine, epoch=at.epoch)
            log.show(*at.end(kept, scores, seconds=time.perf_counter() - started))
            run.pause(save=True, meet=True)

    model.load_state_dict(at.best or kept.state_dict())
    model.eval()
    return at.history
