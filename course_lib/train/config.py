"""Everything a training is determined by, besides the model and the data."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_type_hints

from course_lib.data import Augment
from course_lib.losses import check_loss


class Rule(NamedTuple):
    """What a field's value must be: in words, and as a test."""

    words: str
    holds: Callable[[Any], bool]


def _whole(value: Any) -> bool:
    return isinstance(value, Integral)


def _number(value: Any) -> bool:
    return isinstance(value, Real)


def _betas(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(0 <= x < 1 for x in value)


def one_of(*names: str) -> Rule:
    """Return the rule of a choice."""
    return Rule(f"choose one of {', '.join(names)}", lambda value: value in names)


Seed = Annotated[
    int,
    Rule("it must be a whole number of at most 63 bits", lambda n: _whole(n) and abs(n) < 2**63),
]
Count = Annotated[int, Rule("it must be at least 1", lambda n: _whole(n) and n >= 1)]
CountOrZero = Annotated[int, Rule("it must be at least 0", lambda n: _whole(n) and n >= 0)]
Positive = Annotated[float, Rule("it must be positive", lambda x: _number(x) and 0 < x < math.inf)]
Weight = Annotated[float, Rule("it must be at least 0", lambda x: _number(x) and 0 <= x < math.inf)]
Share = Annotated[float, Rule("it must lie between 0 and 1", lambda x: _number(x) and 0 < x < 1)]
Betas = Annotated[tuple[float, float], Rule("give two numbers from 0 to below 1", _betas)]
Precision = Annotated[str, one_of("no", "bf16", "fp16")]


@dataclass(frozen=True, kw_only=True)
class Config:
    """What all configurations can do: check themselves, be stored, be compared.

    The rule of a field stands in its type: `Annotated` with a `Rule`.
    """

    harmless: ClassVar[frozenset[str]] = frozenset()  # fields that change nothing in the weights
    advice: ClassVar[str] = "Lower the learning rate."  # when a loss is not finite

    def __post_init__(self) -> None:
        """Raise ValueError for the first field that breaks its rule."""
        hints = get_type_hints(type(self), include_extras=True)
        for name in (field.name for field in fields(self)):
            value, hint = getattr(self, name), hints[name]
            for option in (hint, *get_args(hint)):  # with the members of a union
                for rule in getattr(option, "__metadata__", ()):
                    wanted = isinstance(rule, Rule) and not (value is None and option is not hint)
                    if wanted and not rule.holds(value):
                        raise ValueError(f"{name} is {value!r}; {rule.words}.")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as storing and reading back leaves them (lists, no tuples)."""
        return {k: _plain(v) for k, v in asdict(self).items()}

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Name the settings in which a stored configuration differs in what it computes.

        A setting that the stored configuration lacks came later, and the run did what is its
        default now.
        """
        mine = self.as_dict()
        stored = {field.name: _plain(field.default) for field in fields(self)} | other
        return [
            f"{name} ({stored.get(name)} there, {mine.get(name)} here)"
            for name in sorted(stored.keys() | mine.keys())
            if name not in self.harmless and stored.get(name) != mine.get(name)
        ]

    def diverged(self, found: str) -> FloatingPointError:
        """Return the error of a training whose losses or weights are not finite."""
        half = 'Try precision="bf16". ' if getattr(self, "precision", "no") == "fp16" else ""
        return FloatingPointError(
            f"{found} {half}{self.advice} The last checkpoint is from before that."
        )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How to train; two runs with equal configuration, model and data have equal weights on a CPU.

    (On a GPU some backward passes, such as that of bilinear upsampling, add in any order.)

    Args:
        epochs: passes over the training set.
        batch_size: images per process and micro-step.
        loss: a name of `course_lib.losses.LOSSES`, or several joined by "+": "cross-entropy+dice".
        class_weights: one number for each class, for cross-entropy and focal loss, or ``None``.
        lr: learning rate; the peak, where the schedule has one.
        optimizer: "adam", "adamw" or "sgd" (momentum 0.9, Nesterov).
        weight_decay: decoupled for "adamw", an L2 penalty otherwise.
        schedule: "constant", "one-cycle" (up for 30 % of the steps, then down; momentum, or Adam's
            first beta, goes from 0.95 down to 0.85 and back) or "cosine".
        clip_norm: largest norm of the gradient; ``None`` leaves it alone.
        accumulate: micro-steps whose gradients are averaged into one update.
        ema: decay of the moving average of the weights that is evaluated and kept, or ``None``.
        precision: "no" (float32), "bf16" (where the hardware has bfloat16; elsewhere float32) or
            "fp16" (with loss scaling; GPU only).
        channels_last: store images and weights with the channels innermost; faster convolutions.
        seed: order, augmentation and dropout are pure functions of (seed, epoch, step, rank).
        augment: what is done to training batches, see `course_lib.data.Augment`.
        log_every: steps between two readings of the loss; each reading waits for the device.
        evaluate_every: epochs between two evaluations on the validation set.
        checkpoint_every: steps between two checkpoints; ``None``: at the end of each epoch.
    """

    harmless = frozenset({"log_every", "checkpoint_every"})
    advice = "Lower the learning rate, set clip_norm=1.0, or check the inputs."

    epochs: Count = 10
    batch_size: Count = 64
    loss: str = "cross-entropy"
    class_weights: tuple[float, ...] | None = None
    lr: Positive = 1e-3
    optimizer: Annotated[str, one_of("adam", "adamw", "sgd")] = "adam"
    weight_decay: Weight = 0.0
    schedule: Annotated[str, one_of("constant", "one-cycle", "cosine")] = "constant"
    clip_norm: Positive | None = None
    accumulate: Count = 1
    ema: Share | None = None
    precision: Precision = "no"
    channels_last: bool = False
    seed: Seed = 0
    augment: Augment | None = None
    log_every: Count = 50
    evaluate_every: Count = 1
    checkpoint_every: Count | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be trained with, by name."""
        super().__post_init__()
        check_loss(self.loss, self.class_weights)


def _plain(value: Any) -> Any:
    """Turn tuples into lists and NumPy's numbers into Python's, as storing and reading does."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value
