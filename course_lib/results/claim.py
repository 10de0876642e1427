"""What a claim is: something the course says with a number, and the function that measures it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

Value = TypeVar("Value")


@dataclass(frozen=True)
class Context:
    """What a measurement is given.

    Args:
        seed: of the run; everything random follows from it.
        device: where to compute, as in `course_lib.train.train_supervised`.
        root: folder of the data sets, or ``None`` for the usual places.
        out_dir: where this seed's run is saved, so that it can go on after an interruption.
        smoke: run everything once at a size of seconds, to see that it works; such a result is
            labelled and never stored among the real ones.
        results_dir: where results are, for claims computed from other claims.
    """

    seed: int
    device: str
    root: Path | None
    out_dir: Path
    smoke: bool
    results_dir: Path

    def pick(self, *, smoke: Value, full: Value) -> Value:
        """Return the value for the size at which the claim is measured."""
        return smoke if self.smoke else full

    def run_of(self, claim: str) -> Path:
        """Return the folder in which another claim's run of the same seed is saved."""
        return self.out_dir.parent.parent / claim / self.out_dir.name


@dataclass
class Measurement:
    """What one seed's run measured.

    Attributes:
        metrics: name -> number.
        curves: name -> numbers over epochs or another axis.
        arrays: name -> nested lists that other claims need (such as confusion matrices per image).
        data: what it was measured on, with the fingerprint of the images.
        trained: the model and the arguments of its constructor, for the shipped checkpoint; then
            the metric "val_score", on validation data, picks the seed whose model is shipped.
        fingerprint: of the images that were learnt from (`ImageSet.fingerprint`).
    """

    metrics: dict[str, float]
    data: str
    curves: dict[str, list[float]] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    trained: tuple[nn.Module, dict[str, Any]] | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class Published:
    """A number from elsewhere to hold ours against, and why they differ."""

    text: str
    value: float
    source: str
    reason: str


@dataclass(frozen=True)
class Claim:
    """One line of the list of claims.

    Args:
        name: of the result file, in kebab case.
        title: what is measured, in one sentence.
        measure: does it, for one seed.
        main: the metric that matters most, shown first.
        percent: whether its metrics are shares, shown in percent.
        seeds: one run each.
        needs: data sets that must be readable.
        after: claims that must be measured first.
        checkpoint: name under which the best seed's model is shipped.
        published: numbers to compare with.
        minutes: rough time of all seeds on two cores.
        priority: the queue takes claims with a higher one first; among equals the list's order
            holds.
        recipe: what is trained, and how, as plain data: dataclasses, classes, numbers, text. Each
            run keeps its hash, so that a result of an older recipe is recognised.
    """

    name: str
    title: str
    measure: Callable[[Context], Measurement]
    main: str
    percent: bool = False
    seeds: tuple[int, ...] = (0, 1, 2)
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    checkpoint: str | None = None
    published: tuple[Published, ...] = ()
    minutes: float = 1.0
    priority: int = 0
    recipe: object = None

    @property
    def digest(self) -> str:
        """Hash of the recipe; "" for a claim that names none."""
        if self.recipe is None:
            return ""
        return hashlib.sha256(json.dumps(_plain(self.recipe)).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Return what JSON can hold, the same in every process; a class or function by its name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "__qualname__"):
        return value.__qualname__
    raise ValueError(
        f"A recipe holds {value!r}; it must be plain data: dataclasses, classes, numbers, text."
    )
