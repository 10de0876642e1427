"""A submission at work: the learner's cells in a kernel, and stand-ins for what they define.

What a kernel's death costs is one property: the next call starts another kernel, runs the learner's
cells again (without the one that ended it), and goes on; `Settings.restarts` times in one question.
The time for that is not the learner's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_lib.checks.guard import untimed
from course_lib.grading.inside.channel import Closed
from course_lib.grading.inside.line import Line
from course_lib.grading.inside.remote import Borrowed, Function
from course_lib.grading.kernel import Ended, Kernel
from course_lib.grading.outputs import error_output
from course_lib.grading.settings import Settings

HELLO = 20.0  # seconds until a kernel that is there says what a name stands for
KEPT_BYTES = 16 << 20  # of outputs, over all cells


class Learner:
    """A submission at work: its kernel, another one when that is gone, its objects by name."""

    def __init__(self, cells: Sequence[NotebookNode], settings: Settings, folder: str) -> None:
        """Run the cells, in a kernel.

        Args:
            cells: The learner's code cells, in order; their outputs are written into them.
            settings: How they are run.
            folder: Files beside the notebook.
        """
        self.cells, self.settings, self.folder = cells, settings, folder
        self.kernel: Kernel | None = None
        self.bad: dict[int, str] = {}  # cells that ended their kernel
        self.starts, self.allowed, self.reason = 0, 0, ""
        self._first, self._until = True, math.inf
        self._room = KEPT_BYTES
        self._end = time.monotonic() + settings.seconds
        self.start()

    @property
    def left(self) -> float:
        """Seconds that are left for all of it."""
        return self._end - time.monotonic()

    def start(self) -> None:
        """Start a kernel and run the cells; those that end it are left out."""
        while True:
            self.close()
            if self.left <= 0:
                self.reason = f"all of it took longer than {self.settings.seconds:g} s"
                return
            self.starts += 1
            self.kernel = Kernel(self.settings, self.folder)
            ended = self._run_cells(self.kernel)
            if ended is None:
                break
            if len(self.bad) > 3:
                self.close()
                self.reason = ended
                return
        self._first = False
        self.kernel.serve()
        if self.kernel.line is not None:
            self.kernel.line.deadline = self._until

    def _run_cells(self, kernel: Kernel) -> str | None:
        for index, cell in enumerate(self.cells):
            if index in self.bad:
                continue
            if self.left <= 0:
                return "its time is over"
            try:
                outputs, _ = kernel.run(cell.source)
            except Ended as error:
                self.bad[index] = self.reason = str(error)
                cell.outputs = [error_output("Ended", str(error))]
                return str(error)
            if self._first:
                self._room -= sum(len(str(output)) for output in outputs)
                cut = [new_output("stream", name="stderr", text="[more output was cut]\n")]
                cell.outputs = outputs if self._room >= 0 or not outputs else cut
        return None

    def close(self) -> None:
        """End the kernel."""
        if self.kernel is not None:
            self.kernel.close()
            self.kernel = None

    def line(self) -> Line:
        """The line to a kernel that answers; starts another one if there is none.

        Raises:
            Closed: Too many of them ended.
        """
        if self.kernel is not None and self.kernel.line is not None:
            if not self.kernel.line.broken:
                return self.kernel.line
            with untimed():
                self.reason = self.kernel.why()
                self.close()
        if self.starts > self.allowed:
            raise Closed(self.reason or "your code ended its Python process too often")
        with untimed():
            self.start()
        if self.kernel is None or self.kernel.line is None:
            raise Closed(self.reason)
        return self.kernel.line

    def question(self) -> None:
        """Another question begins: it has kernels of its own."""
        self.allowed = self.starts + self.settings.restarts
        # A second fence behind the timers of the tests.
        self._until = time.monotonic() + 2 * self.settings.question_seconds
        if self.kernel is not None and self.kernel.line is not None:
            self.kernel.line.forget()
            self.kernel.line.deadline = self._until

    def get(self, name: str) -> Any:
        """The object with this name: data as they are, a function or class as an `Answer`.

        Raises:
            NameError: There is none.
        """
        line = self.line()
        line.deadline = time.monotonic() + HELLO
        found = line.get(name)
        line.deadline = self._until
        return Answer(self, name) if isinstance(found, Function | Borrowed) else found


class Answer:
    """A function, class or network of the learner's, in whichever kernel there is."""

    def __init__(self, learner: Learner, name: str) -> None:
        """Stand for the object with this name."""
        self._learner, self.__name__ = learner, name
        self._known: tuple[Line, Any] | None = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it, on copies of the arguments; what it changes in them is changed here."""
        return self._found()(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        """Of a network: whatever else it has, as parameters(), train() or a layer."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._found(), name)

    def __deepcopy__(self, memo: Any) -> Answer:
        return self

    def _found(self) -> Any:
        line = self._learner.line()
        if self._known is None or self._known[0] is not line:
            self._known = line, line.get(self.__name__)
        return self._known[1]
