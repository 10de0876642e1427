"""How far a run is: read from what it saved last, without its networks."""

from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Progress:
    """A run's place.

    Attributes:
        step: how many steps are done and saved.
        steps: how many there will be.
        saved: when, in seconds since 1970.
    """

    step: int
    steps: int
    saved: float

    @property
    def share(self) -> float:
        """How much of the training is done, from 0 to 1."""
        return self.step / max(self.steps, 1)


def progress(out_dir: Path) -> Progress | None:
    """Return how far the run in a folder is; None if it saved nothing that can be read."""
    path = out_dir / "checkpoint.pt"
    try:
        saved = path.stat().st_mtime
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        config, step = state["config"], int(state["step"])
        if "epochs" not in config:
            return Progress(step, config["steps"], saved)
        length = len(state["losses"])  # of an epoch
        return Progress(state["epoch"] * length + step, config["epochs"] * length, saved)
    except Exception:  # no file yet, or one that an unpickler can make nothing of
        return None
