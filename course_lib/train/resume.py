"""What all kinds of runs share when they go on from a checkpoint."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_lib.train.engine import Engine


def read_state(out_dir: Path | None) -> tuple[Path, dict[str, Any]] | None:
    """Return a run's checkpoint with its path, or None if there is none yet.

    Raises:
        ValueError: if it cannot be read.
    """
    path = out_dir / "checkpoint.pt" if out_dir is not None else None
    if path is None or not path.exists():
        return None
    try:
        return path, torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler fed with garbage raises anything
        raise ValueError(f"{path} cannot be read ({error}); delete it to start anew.") from error


def check_same(
    path: Path, state: dict[str, Any], different: list[str], same: dict[str, Any]
) -> None:
    """Raise ValueError if a checkpoint belongs to another run, saying in what they differ.

    Args:
        path: of the checkpoint.
        state: what it holds.
        different: what is known to differ already.
        same: entries that must be equal, as they are in this run.
    """
    for name, mine in same.items():
        if state[name] != mine:
            different.append(f"{name} ({state[name]} there, {mine} here)")
    if different:
        raise ValueError(
            f"{path} belongs to another run: {', '.join(different)} differ. "
            "Choose another out_dir, or delete that one."
        )


def settings(model: nn.Module, name: str) -> dict[str, Any]:
    """Return what a model computes with and its weights do not tell: strides, shares, sizes.

    Args:
        model: its public attributes that are plain numbers, texts or tuples are taken, and those of
            all its parts.
        name: what it is called in the result's keys.
    """
    return {
        ".".join(filter(None, (name, part, key))): value
        for part, module in model.named_modules()
        for key, value in vars(module).items()
        if not key.startswith("_") and key != "training" and _plain(value)
    }


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)


def scaler_state(engine: Engine) -> dict[str, Any] | None:
    """Return the state of the loss scaler of fp16; None for the other precisions."""
    scaler = engine.accelerator.scaler
    return scaler.state_dict() if scaler is not None else None


def load_scaler(engine: Engine, state: dict[str, Any] | None) -> None:
    """Put a loss scaler's state back, if there is one."""
    scaler = engine.accelerator.scaler
    if scaler is not None and state is not None:
        scaler.load_state_dict(state)


def where_saved(out_dir: Path | None) -> str:
    """Say what a learner can do who interrupted a run."""
    if out_dir is None:
        return "Interrupted; nothing was saved, because the run has no out_dir."
    return f"Interrupted; start the same run again to go on from {out_dir}."
