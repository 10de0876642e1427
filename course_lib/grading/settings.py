"""How submissions are run: within which times and limits, in a sandbox or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from course_lib.grading.limits import Limits
from course_lib.grading.template import Template


@dataclass(frozen=True)
class Settings:
    """How submissions are run.

    Attributes:
        sandbox: False: run them as they are, with all that this user may do. Only for notebooks
            that are trusted.
        limits: Of the sandbox.
        hidden: What is not shown in it; see `bubblewrap.command`.
        cell_seconds: Time of one of the learner's cells.
        question_seconds: Time of one test cell.
        output_bytes: Output of one cell that is kept; twenty times as much stops the cell.
        restarts: Kernels in one question, besides the first.
        seconds: Time of the whole submission, restarts included; what is left then has no points.
        template: Where kernels are forked, in a fraction of a second; None: each is started cold.
            What it hides counts then, not `hidden`.
    """

    sandbox: bool = True
    limits: Limits = field(default_factory=Limits)
    hidden: Sequence[str] = ()
    cell_seconds: float = 30.0
    question_seconds: float = 300.0
    output_bytes: int = 1 << 20
    restarts: int = 2
    seconds: float = 900.0
    template: Template | None = None
