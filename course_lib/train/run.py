"""One training run: its named parts, saved together, found again, and refused to another run.

A loop says what it consists of, and goes on wherever a run of the same parts has stopped::

    run = Run(out_dir, engine, config, train_set, progress, {"model": model, "adam": adam})
    with run:  # what is in out_dir is taken over
        while progress.step < config.steps:
            ...
            run.pause(save=..., meet=...)

Order, augmentation and noise are pure functions of (seed, epoch, step, rank), so no random state is
part of a run.
"""

import contextlib
import hashlib
import platform
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.train.config import Config
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine
from course_lib.train.files import claimed, one_line, whole, write_json

# What a checkpoint holds, besides the versions of the libraries.
LAYOUT: dict[str, type] = {
    "kind": str,  # of the configuration
    "config": dict,
    "data": str,
    "world_size": int,
    "settings": dict,  # of the models
    "parts": dict,
    "history": dict,
}
MINUTES = 5  # between two checkpoints, whatever the configuration asks for
TOLD = 4  # differences that are named; more are counted


class Progress:
    """Where a loop is and what it has noted: plain numbers and tensors.

    Attributes:
        saved: names of the attributes that a run saves.
        history: the record; its attributes are saved too, and written as ``history.json``.
        total: steps of the whole run.
    """

    saved: tuple[str, ...] = ()
    history: Any
    total: int

    @property
    def done(self) -> int:
        """Steps that are done."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """The same in words, for messages: "After step 3 of 8"."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return what stands in the saved attributes."""
        return {name: getattr(self, name) for name in self.saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over stored values; a tensor goes where that one was which it replaces."""
        for name in self.saved:
            now, stored = getattr(self, name), state_dict[name]
            setattr(self, name, stored.to(now.device) if isinstance(now, Tensor) else stored)

    def check_losses(self) -> None:
        """Raise FloatingPointError if a loss was not finite, naming its step."""


class Run:
    """The named parts of a training, in a folder of their own.

    Args:
        out_dir: where the run is saved; ``None``: nowhere.
        engine: of the loop.
        config: of the training.
        train_set: the data.
        progress: of the loop.
        parts: models, averages, optimisers and what else changes: anything with `state_dict` and
            `load_state_dict`; ``None`` is left out.
        frozen: models, or parts of one, that the training uses and leaves as they are. They are not
            taken over from the folder: a run of others is another run.
    """

    def __init__(
        self,
        out_dir: str | Path | None,
        engine: Engine,
        config: Config,
        train_set: ImageSet,
        progress: Progress,
        parts: dict[str, Any],
        frozen: Mapping[str, nn.Module] | None = None,
    ) -> None:
        self.out_dir = Path(out_dir) if out_dir is not None else None
        self.engine, self.config, self.progress = engine, config, progress
        found = {k: part for k, part in parts.items() if part is not None}
        self.parts = {"progress": progress, **found}
        self.models = {k: part for k, part in found.items() if isinstance(part, nn.Module)}
        self.data = name_of(train_set)
        # Asked now: what a module counts while it trains is no setting.
        self.settings = {k: v for name, m in self.models.items() for k, v in settings(m, name)}
        if out_dir is not None:
            for name, model in (frozen or {}).items():
                self.settings[f"weights of the {name}"] = weights_of(model)
        self._files = contextlib.ExitStack()
        self._saved = time.monotonic()

    def __enter__(self) -> "Run":
        """Claim the folder, and take over what is saved there.

        Raises:
            ValueError: if it holds another run or a damaged one, or is in use.
            OSError: if it cannot be written to, or has too little room.
        """
        if self.out_dir is not None:
            with contextlib.ExitStack() as files:
                if self.engine.is_main:
                    files.enter_context(claimed(self.out_dir, self._size()))
                self._resume(self.out_dir / "checkpoint.pt")
                self._files = files.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let go of the folder; beside a finished run the record is written anew."""
        with self._files:
            if kind is None and self.out_dir is not None and self.engine.is_main:
                write_json(self.out_dir / "history.json", vars(self.progress.history))

    def pause(self, *, save: bool, meet: bool) -> None:
        """Save if that is due, or was not done for minutes; after Ctrl-C, save and stop.

        Args:
            save: whether it is due.
            meet: whether all processes have come to the same place, and can agree to stop.

        Raises:
            KeyboardInterrupt: after Ctrl-C, saying how to go on.
        """
        stop = self.engine.stop_requested(meet=meet)
        # Several processes have several clocks, and would have to agree.
        late = self.engine.world_size == 1 and time.monotonic() - self._saved > 60 * MINUTES
        if save or stop or late:
            self.save()
        if stop and self.out_dir is None:
            raise KeyboardInterrupt("Interrupted; nothing was saved: the run has no out_dir.")
        if stop:
            raise KeyboardInterrupt(
                f"Interrupted; start the same run again to go on from {self.out_dir}."
            )

    def save(self) -> None:
        """Write the checkpoint and the record; never one whose losses or weights are not finite."""
        self._saved = time.monotonic()
        if self.out_dir is None:
            return
        self.check_finite()
        if self.engine.is_main:
            state = {
                "kind": type(self.config).__name__,
                "config": self.config.as_dict(),
                "data": self.data,
                "world_size": self.engine.world_size,
                "done": self.progress.done,
                "total": self.progress.total,
                "settings": self.settings,
                "parts": {name: part.state_dict() for name, part in self.parts.items()},
                "history": vars(self.progress.history),
                "versions": {"torch": str(torch.__version__), "python": platform.python_version()},
            }
            with whole(self.out_dir / "checkpoint.pt") as file:
                torch.save(state, file)
            write_json(self.out_dir / "history.json", vars(self.progress.history))
        self.engine.wait()

    def check_finite(self) -> None:
        """Raise FloatingPointError for losses or weights that are not; waits for the device."""
        self.progress.check_losses()
        for name, part in self.parts.items():
            model = part.model if isinstance(part, EMA) else part
            if isinstance(model, nn.Module):
                bad = torch.tensor(float(not finite(model)), device=self.engine.device)
                if self.engine.sum(bad) > 0:  # all processes stop, or none
                    raise self.config.diverged(
                        f"{self.progress.place} the {name}'s weights hold NaN or infinite values."
                    )

    def _resume(self, path: Path) -> None:
        state = read_checkpoint(path)
        if state is None:
            return
        different = other_training(state, self.config, self.data)
        if state["world_size"] != self.engine.world_size:
            here = self.engine.world_size
            different.append(f"the number of processes ({state['world_size']} there, {here} here)")
        different += self._other_models(state)
        if different:
            more = f" and {len(different) - TOLD} more" if len(different) > TOLD else ""
            raise ValueError(
                f"{path} belongs to another run: {', '.join(different[:TOLD])}{more} differ. "
                "Choose another out_dir, or delete that one."
            )
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
        except Exception as error:
            raise ValueError(
                f"{path} does not fit this run (its {name}: {one_line(error)}). Choose another "
                "out_dir, or delete that one."
            ) from error
        vars(self.progress.history).update(state["history"])

    def _other_models(self, state: dict[str, Any]) -> list[str]:
        """Say in which layers the models differ from the stored ones, or else in which settings."""
        layers = []
        for name, model in self.models.items():
            mine, stored = _shapes(model.state_dict()), _shapes(state["parts"].get(name))
            for key in [k for k in mine | stored if mine.get(k) != stored.get(k)][:1]:
                there, here = stored.get(key, "none"), mine.get(key, "none")
                layers.append(f"the {name}'s layers ({key} is {there} there, {here} here)")
        stored = state["settings"]
        return layers or [
            f"{key} ({stored[key]} there, {value} here)"
            for key, value in self.settings.items()
            if stored.get(key, value) != value  # one that is not there came later
        ]

    def _size(self) -> int:
        """Return about how many bytes two checkpoints take: the old one goes after the new one."""
        size = sum(_nbytes(part.state_dict()) for part in self.parts.values())
        for part in self.parts.values():
            if isinstance(part, torch.optim.Optimizer) and not part.state:  # two moments to come
                size += 2 * sum(p.nbytes for group in part.param_groups for p in group["params"])
        return 2 * size


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what a run has saved, or None if there is nothing yet.

    Raises:
        ValueError: if the file was damaged (its parts have checksums), or holds no training.
    """
    if not path.exists():
        return None
    try:
        if not path.is_file():
            raise ValueError("it is a folder, a pipe or a device")
        with zipfile.ZipFile(path) as archive:  # PyTorch writes the checksums and never reads them
            if changed := archive.testzip():
                raise ValueError(f"{changed} has changed")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fed with garbage raises anything
        raise ValueError(
            f"{path} is damaged ({one_line(error)}): delete it to start anew, or restore a copy."
        ) from error
    if isinstance(state, dict) and all(isinstance(state.get(k), v) for k, v in LAYOUT.items()):
        return state
    if isinstance(state, dict) and "versions" in state and "kind" not in state:
        raise ValueError(
            f"{path} is from an earlier version of the course: delete it to start anew, or finish "
            "it with that version."
        )
    raise ValueError(f"{path} holds no training: delete it, or choose another out_dir.")


def other_training(state: dict[str, Any], config: Config, data: str) -> list[str]:
    """Say in what kind, configuration and data a checkpoint is that of another training."""
    kind = type(config).__name__
    if state["kind"] != kind:
        return [f"the kind of training ({state['kind']} there, {kind} here)"]
    different = config.differences(state["config"])
    if state["data"] != data:
        different.append(f"data ({state['data']} there, {data} here)")
    return different


def settings(model: nn.Module, name: str) -> list[tuple[str, Any]]:
    """Return what a model computes with and its weights do not tell: strides, shares, sizes.

    Args:
        model: its public attributes that are plain numbers, texts or tuples are taken, and those of
            all its parts; and whether each weight learns.
        name: what it is called in the result's keys.
    """
    found = [
        (".".join(filter(None, (name, part, key))), value)
        for part, module in model.named_modules()
        for key, value in vars(module).items()
        if not key.startswith("_") and key != "training" and _simple(value)
    ]
    return found + [(f"{name}.{k} learns", p.requires_grad) for k, p in model.named_parameters()]


def weights_of(model: nn.Module) -> str:
    """Return what a run knows a model's weights and buffers by: a fingerprint of all of them."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        stored = tensor.detach().cpu().contiguous()
        found.update(f"{name} {stored.dtype} {tuple(stored.shape)} ".encode())
        found.update(stored.view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def finite(model: nn.Module) -> bool:
    """Tell whether all weights are finite and no buffer is NaN, waiting for the device once."""
    good = [p.isfinite().all() for p in model.parameters()]
    good += [~b.isnan().any() for b in model.buffers()]  # a mask may hold infinite values
    return not good or bool(torch.stack(good).all())


def name_of(train_set: ImageSet) -> str:
    """Return what a run knows its data by: images, targets, and the classes of objects."""
    name = f"{train_set.name}/{train_set.split} {train_set.fingerprint}"
    labels = getattr(train_set, "labels", None)
    if not labels:
        return name
    classes = repr([row.tolist() for row in labels])
    return f"{name} {hashlib.sha256(classes.encode()).hexdigest()[:16]}"


def _shapes(state: Any) -> dict[str, tuple[int, ...]]:
    tensors = state.items() if isinstance(state, dict) else ()
    return {name: tuple(t.shape) for name, t in tensors if isinstance(t, Tensor)}


def _nbytes(state: Any) -> int:
    if isinstance(state, dict):
        return sum(_nbytes(value) for value in state.values())
    return state.nbytes if isinstance(state, Tensor) else 0


def _simple(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_simple(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)
