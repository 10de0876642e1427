"""Where a training is that counts steps, and what it has noted since it was last read."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from course_lib.train.config import Config
from course_lib.train.engine import Engine
from course_lib.train.run import Progress


class Steps(Progress):
    """The progress of a run without epochs: numbers are noted in each step, and read rarely.

    Args:
        engine: of the run.
        config: of the run.
        history: the record, with a list `steps` of readings.
        total: steps that are asked for.
        log_every: steps between two readings.
        images_per_step: real images shown in each, all processes together.

    Attributes:
        step: number of those that are done.
        seconds: that they took, those before an interruption included.
    """

    saved: tuple[str, ...] = ("step", "seconds", "noted")

    def __init__(
        self,
        engine: Engine,
        config: Config,
        history: Any,
        *,
        total: int,
        log_every: int,
        images_per_step: int,
    ) -> None:
        self.engine, self.config, self.history = engine, config, history
        self.total, self.log_every, self.images_per_step = total, log_every, images_per_step
        self.step, self.seconds = 0, 0.0
        # One tensor for each step since the last reading; they stay on the device until then.
        self.noted: list[Tensor] = []
        self.names: list[str] = []
        self._before, self._started = 0.0, time.perf_counter()

    def note(self, numbers: dict[str, Tensor]) -> None:
        """Keep a step's numbers, the same ones in every step, without waiting for the device."""
        self.names = list(numbers)
        self.noted.append(torch.stack([value.detach().float() for value in numbers.values()]))
        self.step += 1
        self.seconds = self._before + time.perf_counter() - self._started

    def write_down(self, extra: dict[str, float], scores: dict[str, float]) -> dict[str, Any]:
        """Write down the means of what was noted since the last reading.

        Args:
            extra: what else is known at this moment.
            scores: of an evaluation.

        Raises:
            ValueError: for scores with names that the record uses itself.
        """
        record: dict[str, Any] = {"step": self.step, "images": self.step * self.images_per_step}
        record |= dict(zip(self.names, self._rows().mean(dim=0).tolist(), strict=True))
        record |= extra | {"seconds": round(self.seconds, 2)}
        taken = sorted(record.keys() & scores.keys())
        if taken:
            raise ValueError(
                f"evaluate returned scores called {', '.join(taken)}, which the record holds "
                "already; give them other names."
            )
        self.noted = []
        self.history.steps.append(record | scores)
        return self.history.steps[-1]

    def due(self, every: int) -> bool:
        """Tell whether something is due that comes every so many steps, and at the end."""
        return self.step % every == 0 or self.step == self.total

    @property
    def done(self) -> int:
        """Steps that were done."""
        return self.step

    @property
    def place(self) -> str:
        """Where the loop is."""
        return f"After step {self.step} of {self.total}"

    def check_losses(self) -> None:
        """Raise FloatingPointError if something noted is not finite, naming its step."""
        if not self.noted:
            return
        rows = self._rows()
        bad = (~rows.isfinite().all(dim=1)).nonzero()
        if len(bad):
            step = self.step - len(rows) + int(bad[0]) + 1
            values = zip(self.names, rows[int(bad[0])].tolist(), strict=True)
            said = " and ".join(
                f"the {name.replace('_', ' ')} is {x}" for name, x in values if not math.isfinite(x)
            )
            raise self.config.diverged(f"At step {step} of {self.total} {said}.")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a stored place, and what had been noted there."""
        super().load_state_dict(state_dict)
        if self.step > self.total:
            raise ValueError(
                f"it has already made {self.step} steps, and {self.total} are asked for"
            )
        # What was noted since the last reading; or, as log_every may be another now, since the last
        # one that would have been due.
        kept = min(len(self.noted), self.step % self.log_every)
        self.noted = [row.to(self.engine.device) for row in self.noted[len(self.noted) - kept :]]
        self._before, self._started = self.seconds, time.perf_counter()

    def _rows(self) -> Tensor:
        """Return what was noted, (steps, numbers), a mean over the processes."""
        return self.engine.sum(torch.stack(self.noted)).cpu() / self.engine.world_size
