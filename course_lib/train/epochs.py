"""Where a training is that counts epochs: its losses, its best weights, its record."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from course_lib.train.config import TrainConfig
from course_lib.train.engine import Engine
from course_lib.train.history import History
from course_lib.train.run import Progress


class Epochs(Progress):
    """The progress of a supervised run.

    Args:
        engine: of the run.
        config: of the run.
        schedule: of the learning rate.
        steps: batches in an epoch.
        score: the name of the score that chooses the best epoch.

    Attributes:
        epoch: number of those that are finished.
        step: batches done in this epoch.
        losses: (steps,) of this epoch, on the device until they are read.
        best: the weights of the best epoch so far.
    """

    saved: tuple[str, ...] = ("epoch", "step", "losses", "best")
    history: History

    def __init__(
        self, engine: Engine, config: TrainConfig, schedule: LRScheduler, *, steps: int, score: str
    ) -> None:
        self.engine, self.config, self.schedule = engine, config, schedule
        self.history = History(score=score)
        self.epoch = self.step = 0
        self.losses = torch.zeros(steps, device=engine.device)
        self.best: dict[str, Tensor] | None = None
        self.total = config.epochs * steps

    @property
    def done(self) -> int:
        """Steps that were done, in all epochs."""
        return self.epoch * len(self.losses) + self.step

    @property
    def place(self) -> str:
        """Where the loop is."""
        return f"At epoch {self.epoch + 1}, after step {self.step} of {len(self.losses)},"

    def note(self, loss: Tensor) -> None:
        """Keep a step's loss, without waiting for the device."""
        self.losses[self.step] = loss.detach()
        self.step += 1

    def check_losses(self) -> None:
        """Raise FloatingPointError if a loss of this epoch was not finite, naming its step."""
        if self.step:
            self.mean_loss()

    def mean_loss(self) -> float:
        """Return the epoch's mean loss so far, over all processes; it must be finite."""
        losses = self.engine.sum(self.losses[: self.step]).cpu() / self.engine.world_size
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            step = int(bad[0])
            raise self.config.diverged(
                f"The loss is {float(losses[step])} at epoch {self.epoch + 1}, step {step + 1} of "
                f"{len(self.losses)} (learning rate {self.schedule.get_last_lr()[0]:.3g})."
            )
        return float(losses.mean())

    def reading(self) -> tuple[str, dict[str, float], int]:
        """Return what a log shows in the middle of an epoch."""
        loss, score = self.mean_loss(), self.history.score
        text = f"epoch {self.epoch + 1}/{self.config.epochs}, loss {loss:.3f}"
        for last in self.history.column(score)[-1:]:
            text += f", {score.replace('_', ' ')} {last:.3f}"
        return text, {"train/loss": loss}, self.done

    def end(
        self, candidate: nn.Module, scores: dict[str, float], *, seconds: float
    ) -> tuple[str, dict[str, float], int]:
        """Write down the epoch, keep its weights if they are the best, return what a log shows.

        Args:
            candidate: the model that would be kept.
            scores: of the candidate on the validation set, if it was judged.
            seconds: that the epoch took.
        """
        record: dict[str, Any] = {
            "epoch": self.epoch,
            "train_loss": self.mean_loss(),
            **scores,
            "lr": self.schedule.get_last_lr()[0],
            "seconds": round(seconds, 2),
        }
        self.history.epochs.append(record)
        if self.history.best_epoch == self.epoch:
            weights = candidate.state_dict()
            self.best = {k: v.detach().to("cpu", copy=True) for k, v in weights.items()}
        shown = self.reading()[0], {f"epoch/{k}": v for k, v in record.items()}, self.epoch
        self.epoch, self.step = self.epoch + 1, 0
        self.losses.zero_()
        return shown
