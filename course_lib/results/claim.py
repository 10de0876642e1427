"""What a claim is: something the course says with a number, and the function that measures it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

Value = TypeVar("Value")
# Fields of a recipe on which no number of its result depends.
HARMLESS = ("title", "smoke", "log_every", "checkpoint_every", "sample_every")


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
        """Return the value for a run of seconds, or that of the real measurement."""
        return smoke if self.smoke else full

    def run_of(self, claim: str) -> Path:
        """Return the folder in which the training of another claim with this seed is saved."""
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
        fingerprint: of the test images (`ImageSet.fingerprint`), the same for all seeds.
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
        recipe: what is trained, and how, as plain data; needless where `measure` is a
            `functools.partial` that gives its function a ``recipe``.
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
        """Hash of the recipe, which each run keeps; "" for a claim that has none."""
        recipe = self.recipe
        if isinstance(self.measure, partial):
            recipe = self.measure.keywords.get("recipe", recipe)
        if recipe is None:
            return ""
        return hashlib.sha256(json.dumps(_plain(recipe)).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Return what JSON can hold, the same in every process; a class or function by its name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value) if f.name not in HARMLESS]
        return {name: _plain(getattr(value, name)) for name in names}
    if hasattr(value, "__qualname__"):
        return value.__qualname__
    raise ValueError(
        f"A recipe holds {value!r}; it must be plain data: dataclasses, classes, numbers, text."
    )
