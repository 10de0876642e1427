"""Everything a training run is determined by, besides the model and the data."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from course_lib.data import Augment
from course_lib.losses import check_loss

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "one-cycle", "cosine")
PRECISIONS = ("no", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train; two runs with equal configuration, model and data have equal weights.

    Args:
        epochs: passes over the training set.
        batch_size: images per process and micro-step.
        loss: a name of `course_lib.losses.LOSSES`, or several joined by "+": "cross-entropy+dice".
        class_weights: one number for each class, for cross-entropy and focal loss, or ``None``.
        lr: learning rate; the peak, where the schedule has one.
        optimizer: "adam", "adamw" or "sgd" (momentum 0.9, Nesterov).
        weight_decay: decoupled for "adamw", an L2 penalty otherwise.
        schedule: "constant", "one-cycle" (up for 30 % of the steps, then down) or "cosine".
        clip_norm: largest norm of the gradient; ``None`` leaves it alone.
        accumulate: micro-steps whose gradients are averaged into one update.
        ema: decay of the moving average of the weights that is evaluated and kept, or ``None``.
        precision: "no" (float32), "bf16" or "fp16" (with loss scaling; GPU only).
        channels_last: store images and weights with the channels innermost; faster convolutions.
        seed: order, augmentation and dropout are pure functions of (seed, epoch, step, rank).
        augment: what is done to training batches, see `course_lib.data.Augment`.
        log_every: steps between two readings of the loss; each reading waits for the device.
        evaluate_every: epochs between two evaluations on the validation set.
        checkpoint_every: steps between two checkpoints; ``None``: at the end of each epoch.
    """

    epochs: int = 10
    batch_size: int = 64
    loss: str = "cross-entropy"
    class_weights: tuple[float, ...] | None = None
    lr: float = 1e-3
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "constant"
    clip_norm: float | None = None
    accumulate: int = 1
    ema: float | None = None
    precision: str = "no"
    channels_last: bool = False
    seed: int = 0
    augment: Augment | None = None
    log_every: int = 50
    evaluate_every: int = 1
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}."
                )
        check_loss(self.loss, self.class_weights)
        for name in ("epochs", "batch_size", "accumulate", "log_every", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.checkpoint_every is not None and self.checkpoint_every < 1:
            raise ValueError(
                f"checkpoint_every is {self.checkpoint_every}; give a number of steps of at least "
                "1, or None for the end of each epoch."
            )
        if self.lr <= 0:
            raise ValueError(f"lr is {self.lr}; a learning rate is positive.")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema is {self.ema}; a decay lies between 0 and 1, or is None.")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as storing and reading back leaves them (lists, no tuples)."""
        return {k: _plain(v) for k, v in asdict(self).items()}

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Name the settings in which a stored configuration differs in what it computes.

        How often something is logged or saved changes nothing in the weights. A setting that the
        stored configuration lacks came later, and the run did what is its default now.
        """
        harmless = {"log_every", "checkpoint_every"}
        stored = {field.name: _plain(field.default) for field in fields(self)} | other
        mine = self.as_dict()
        return sorted(k for k, v in mine.items() if k not in harmless and stored[k] != v)


def _plain(value: Any) -> Any:
    """Turn tuples into lists, as storing and reading back does."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
