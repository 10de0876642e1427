"""Everything a run must remember to go on exactly: where it is, the weights, the record."""

import copy
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from course_lib.data import ImageSet
from course_lib.train.config import TrainConfig
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.history import History
from course_lib.train.resume import check_same, load_scaler, read_state, scaler_state


class RunState:
    """The state of one training run, saved and resumed as one.

    Order, augmentation and dropout are pure functions of (seed, epoch, step, rank), so no random
    state is part of it.
    """

    def __init__(
        self,
        engine: Engine,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: LRScheduler,
        config: TrainConfig,
        train_set: ImageSet,
        out_dir: str | Path | None,
    ) -> None:
        self.engine, self.model, self.config = engine, model, config
        self.optimizer, self.schedule = optimizer, schedule
        self.ema = EMA(model, config.ema) if config.ema is not None else None
        self.out_dir = Path(out_dir) if out_dir is not None else None
        self.data = f"{train_set.name}/{train_set.split} {train_set.fingerprint}"
        self.epoch = 0
        self.step = 0  # batches done in this epoch
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        steps = train_set.num_batches(config.batch_size, world_size=engine.world_size)
        self.losses = torch.zeros(steps, device=engine.device)  # of this epoch, read rarely

    def candidate(self) -> nn.Module:
        """Return the model that is evaluated and kept: the average, if there is one."""
        return self.ema.model if self.ema is not None else self.model

    def mean_loss(self) -> float:
        """Return the epoch's mean loss so far, over all processes.

        Raises:
            FloatingPointError: if a loss was NaN or infinite, naming the step.
        """
        losses = self.engine.sum(self.losses[: self.step]).cpu() / self.engine.world_size
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            step = int(bad[0])
            advice = "Lower the learning rate, set clip_norm=1.0, or check the inputs."
            if self.config.precision == "fp16":
                advice = 'Try precision="bf16". ' + advice
            raise FloatingPointError(
                f"The loss is {float(losses[step])} at epoch {self.epoch + 1}, step {step + 1} of "
                f"{len(self.losses)} (learning rate {self.schedule.get_last_lr()[0]:.3g}). "
                f"{advice} The last checkpoint is from before that step."
            )
        return float(losses.mean())

    def end_epoch(self, *, seconds: float, scores: dict[str, float]) -> None:
        """Write down the epoch, keep its weights if they are the best, and save."""
        record = {
            "epoch": self.epoch,
            "train_loss": self.mean_loss(),
            **scores,
            "lr": self.schedule.get_last_lr()[0],
            "seconds": round(seconds, 2),
        }
        self.history.epochs.append(record)
        if self.history.best_epoch == self.epoch:
            self.best = {
                k: v.detach().to("cpu", copy=True) for k, v in self.candidate().state_dict().items()
            }
        self.epoch, self.step = self.epoch + 1, 0
        self.losses.zero_()
        self.save()

    def finish(self) -> None:
        """Leave the kept weights in the model."""
        kept = self.best if self.best is not None else self.candidate().state_dict()
        self.model.load_state_dict(copy.deepcopy(kept))
        self.model.eval()

    def save(self) -> None:
        """Write the checkpoint; never one that contains a loss that is not finite."""
        if self.out_dir is None:
            return
        if self.step:
            self.mean_loss()
        state = {
            "config": self.config.as_dict(),
            "data": self.data,
            "world_size": self.engine.world_size,
            "epoch": self.epoch,
            "step": self.step,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "schedule": {k: v for k, v in self.schedule.state_dict().items() if _simple(v)},
            "scaler": scaler_state(self.engine),
            "losses": self.losses,
            "best": self.best,
            "history": {"score": self.history.score, "epochs": self.history.epochs},
            "versions": {"torch": str(torch.__version__), "python": platform.python_version()},
        }
        self.engine.save(state, self.out_dir / "checkpoint.pt")
        if self.engine.is_main:
            self.history.save(self.out_dir / "history.json")

    def resume(self) -> None:
        """Take over a checkpoint in ``out_dir``, if there is one.

        Raises:
            ValueError: if it belongs to another configuration, data set or number of processes, or
                cannot be read.
        """
        found = read_state(self.out_dir)
        if found is None:
            return
        path, state = found
        different = self.config.differences(state["config"])
        if state["model"].keys() != self.model.state_dict().keys():
            different.append("the model's layers")
        same = {"data": self.data, "world_size": self.engine.world_size}
        check_same(path, state, different, same)
        self.model.load_state_dict(state["model"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        load_scaler(self.engine, state["scaler"])
        self.losses.copy_(state["losses"])
        self.best = state["best"]
        self.epoch, self.step = state["epoch"], state["step"]
        self.history = History(**state["history"])


def _simple(value: Any) -> bool:
    """Tell whether a scheduler's attribute is plain data; its functions are made anew."""
    if isinstance(value, list | tuple):
        return all(_simple(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)
