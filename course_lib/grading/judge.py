"""Judges one submission: the learner's cells in a sandboxed kernel, the test cells here.

`judge` takes a notebook that `rebuild` has put into the shape of the released one. It runs every
cell that is the learner's in a kernel (`Kernel`), and then each test cell of the *source*, which
the instructor wrote, in this process. A name that the test cell does not define stands for the
learner's object of this name: data are fetched, functions and classes become `Answer`s. So
`checks.iou(iou)` is the check that learners call, unchanged, with a stand-in for their function.

What a kernel's death costs is one property: the next call starts another kernel, runs the learner's
cells again (without the one that ended it), and goes on; `Settings.restarts` times in one question.
The time for that is not the learner's. Must be called in the main thread, whose timer limits the
tests.

What a test cell is worth is what its last line says: a number is partial credit; without one, all
points unless it raises.

A `Design` is not judged: its network can be used from here (`inside.line.Borrowed`), but work and
hidden weights cannot be counted from outside. Its question has `by_hand` set. To judge it, its
graph has to come over as data (`torch.export`, a list of allowed operations), to be computed here.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import io
import math
import os
import queue
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import LocalProvisioner
from nbformat import NotebookNode
from nbformat.v4 import new_output, output_from_msg

from course_lib import checks
from course_lib.checks.core import Check
from course_lib.checks.guard import TookTooLong, limited, untimed
from course_lib.checks.kinds import Design
from course_lib.checks.report import Report, Result
from course_lib.grading.inside import __file__ as inside_file
from course_lib.grading.inside.line import Borrowed, Closed, Function, Line
from course_lib.grading.sandbox import (
    BubblewrapProvisioner,
    Limits,
    SandboxError,
    Template,
    private_folder,
    require_sandbox,
)

START_SECONDS = 120.0  # until a kernel answers, on a busy machine
HELLO = 20.0  # seconds until a kernel that is there says what a name stands for
GRACE = 3.0  # seconds between an interrupt and the end of a kernel
AT_ONCE = 200  # messages of the kernel's between two looks at the clock
KEPT_BYTES = 16 << 20  # of outputs, over all cells
MESSAGE_BYTES = 16 << 20  # of one message of the kernel's; a larger one is not even read
AGENT = "__import__('course_inside.agent', fromlist=['agent'])"


@dataclass(frozen=True)
class Settings:
    """How submissions are run.

    Attributes:
        sandbox: False: run them as they are, with all that this user may do. Only for notebooks
            that are trusted.
        limits: Of the sandbox.
        hidden: What is not shown in it; see `sandbox.command`.
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


@dataclass
class Question:
    """What one test cell gave.

    Attributes:
        name: The cell's `grade_id`.
        points: Reached.
        total: That can be reached.
        results: Of each property, where the test cell made a report.
        message: Why points are missing, where it did not.
        by_hand: The points have to be given by somebody.
    """

    name: str
    points: float
    total: float
    results: list[Result] = field(default_factory=list)
    message: str = ""
    hint: str = ""
    by_hand: bool = False


@dataclass
class Judged:
    """A judged submission: its questions, and the notebook with the outputs of this run."""

    questions: list[Question]
    notebook: NotebookNode

    @property
    def points(self) -> float:
        """Points reached, over all questions."""
        return sum(question.points for question in self.questions)


class Ended(Exception):
    """The kernel ended, or had to be ended; the text is for the learner."""


class Kernel:
    """One kernel, with the line to it."""

    def __init__(self, settings: Settings, folder: str) -> None:
        """Start it.

        Args:
            settings: Limits, and whether there is a sandbox.
            folder: Its files are in the working folder.

        Raises:
            SandboxError: There is no sandbox, or it did not start.
        """
        self.settings = settings
        self.line: Line | None = None
        self.context = zmq.Context()
        self.context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
        self.context.setsockopt(zmq.RCVHWM, 10)  # of each channel, read or not
        self.manager = KernelManager(kernel_name="python3", context=self.context)
        self._private: str | None = None
        if settings.sandbox:
            limits = vars(settings.limits)
            self.manager.provisioner = BubblewrapProvisioner(
                kernel_id="learner",
                kernel_spec=self.manager.kernel_spec,
                parent=self.manager,
                hidden=list(settings.hidden),
                **limits,
            )
            self.manager.provisioner.template = settings.template
            self.manager.start_kernel(cwd=folder)
            private = self.manager.provisioner.private
        else:
            private = self._private = self._unprotected(folder)
        self.client = self.manager.client(context=self.context)
        try:
            self.client.start_channels()
            self.client.wait_for_ready(timeout=START_SECONDS)
            self.line = self._connect(f"{private}/line")
            if isinstance(self.manager.provisioner, BubblewrapProvisioner):
                self.manager.provisioner.lock()
        except (RuntimeError, OSError, Ended) as error:
            reason = self.why()
            self.close()
            raise SandboxError(f"a kernel did not start: {error} ({reason}); try again") from error

    def _unprotected(self, folder: str) -> str:
        """Start the kernel as an ordinary process."""
        private = private_folder()
        Path(private, "course_inside").symlink_to(Path(inside_file).parent)
        self.manager.transport, self.manager.ip = "ipc", f"{private}/k"
        self.manager.connection_file = f"{private}/connection.json"
        self.manager.provisioner = LocalProvisioner(
            kernel_id="learner", kernel_spec=self.manager.kernel_spec, parent=self.manager
        )
        paths = [private, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.manager.start_kernel(cwd=folder, env=environment)
        return private

    def _connect(self, path: str) -> Line:
        """Make the line, before any cell of the learner's has run."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(0.2)
            self._send(f"{AGENT}.connect({path!r}, get_ipython().user_ns)")
            until = time.monotonic() + START_SECONDS
            while True:
                try:
                    connection, _ = listener.accept()
                    break
                except TimeoutError:
                    if not self.alive() or time.monotonic() > until:
                        raise Ended("it did not connect") from None
        finally:
            listener.close()
            Path(path).unlink(missing_ok=True)
        connection.setblocking(False)
        line = Line(connection, strict=True, printed=lambda text: print(text, end=""))
        line.why = self.why
        return line

    def _send(self, code: str) -> str:
        sent: str = self.client.execute(
            code, silent=True, store_history=False, allow_stdin=False, stop_on_error=False
        )
        return sent

    def alive(self) -> bool:
        """Whether the kernel's process runs."""
        return bool(self.manager.is_alive())

    def why(self) -> str:
        """Why the kernel is gone, for the learner."""
        until = time.monotonic() + 1.0  # its end is known a moment later than the line's
        while self.alive() and time.monotonic() < until:
            time.sleep(0.02)
        reason = getattr(self.manager.provisioner, "reason", "")
        if reason:
            return f"your code was ended: {reason}"
        if self.alive():
            return "your code no longer answers"
        return "your code ended its own Python process (an exit, a crash, or too little memory)"

    def run(self, source: str) -> tuple[list[NotebookNode], str]:
        """Run a cell.

        Returns:
            Its outputs, cut, and the error that ended it; empty if none did.

        Raises:
            Ended: The kernel is gone.
        """
        sent = self.client.execute(source, allow_stdin=False, stop_on_error=False)
        outputs = _Outputs(self.settings.output_bytes)
        until, interrupted, replied, idle = (
            time.monotonic() + self.settings.cell_seconds,
            "",
            0.0,
            False,
        )
        while not (replied and (idle or time.monotonic() > replied + 1)):
            if not replied and not self.alive():
                raise Ended(self.why())
            if outputs.flooded and not interrupted:
                interrupted, until = "it printed too much and was stopped", 0.0
                self.manager.interrupt_kernel()
                until = time.monotonic() + GRACE
            if time.monotonic() > until:
                if interrupted:
                    self.close()
                    raise Ended(f"{interrupted}; it did not react, so its kernel was ended")
                interrupted = f"it was stopped after {self.settings.cell_seconds:g} s"
                self.manager.interrupt_kernel()
                until = time.monotonic() + GRACE
            message = self._message(self.client.iopub_channel, 0.1)
            for _ in range(AT_ONCE):  # there may be no end of them
                if message is None or idle:
                    break
                if _parent(message) == sent:
                    idle = idle or message["content"].get("execution_state") == "idle"
                    outputs.take(message)
                else:
                    outputs.size += 1_000  # nobody asked for it
                message = self._message(self.client.iopub_channel, 0)
            reply = self._message(self.client.shell_channel, 0)
            if reply is not None and _parent(reply) == sent:
                replied = time.monotonic()
        if interrupted:
            outputs.kept.append(_error_output("Stopped", interrupted))
        return outputs.kept, interrupted or outputs.error

    def _message(self, channel: Any, seconds: float) -> dict[str, Any] | None:
        """The next message of a channel; what is none is passed over."""
        try:
            message: dict[str, Any] = channel.get_msg(timeout=seconds)
        except queue.Empty:
            return None
        except Exception:  # not signed, not JSON: the kernel can send what it likes
            return None
        return message if isinstance(message.get("content"), dict) else None

    def serve(self) -> None:
        """Let the kernel answer calls from now on."""
        self._send(f"{AGENT}.serve()")

    def close(self) -> None:
        """End it."""
        if self.line is not None:
            self.line.broken = True
            self.line.connection.close()
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        with contextlib.suppress(Exception):
            self.manager.shutdown_kernel(now=True)
        with contextlib.suppress(Exception):
            self.context.destroy(linger=0)
        if self._private is not None:
            for path in Path(self._private).iterdir():
                path.unlink(missing_ok=True)
            Path(self._private).rmdir()
            self._private = None


def _parent(message: dict[str, Any]) -> Any:
    """Which message it answers; the kernel can send what it likes."""
    header = message.get("parent_header")
    return header.get("msg_id") if isinstance(header, dict) else None


class _Outputs:
    """The outputs of one cell, cut."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size = limit, 0
        self.kept: list[NotebookNode] = []
        self.error = ""

    @property
    def flooded(self) -> bool:
        return self.size > 20 * self.limit

    def take(self, message: dict[str, Any]) -> None:
        kind, content = message.get("msg_type"), message["content"]
        if kind not in ("stream", "execute_result", "display_data", "error"):
            self.size += 1_000  # what is not kept, but read
            return
        if kind == "error":
            self.error = f"{content.get('ename')}: {content.get('evalue')}"[:500]
        with contextlib.suppress(Exception):  # a message that is no output
            self.add(output_from_msg(message))

    def add(self, output: NotebookNode) -> None:
        before = self.size
        self.size += len(str(output))
        if before > self.limit:
            return
        if output.output_type == "stream" and len(output.text) > self.limit:
            output.text = f"{output.text[: self.limit]}\n[cut here]"
        elif self.size > self.limit:
            output = new_output("stream", name="stderr", text="[more output was cut]\n")
        last = self.kept[-1] if self.kept else None
        streams = [o for o in (last, output) if o and o.output_type == "stream"]
        if len(streams) == 2 and streams[0].name == streams[1].name:
            streams[0].text += output.text
            return
        self.kept.append(output)


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
                cell.outputs = [_error_output("Ended", str(error))]
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


def _error_output(name: str, text: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])


def rules(cell: NotebookNode) -> dict[str, Any]:
    """What nbgrader says of a cell."""
    found: dict[str, Any] = cell.metadata.get("nbgrader") or {}
    return found


def is_test(cell: NotebookNode) -> bool:
    """Whether a cell is the instructor's test, run here."""
    given = rules(cell)
    return cell.cell_type == "code" and bool(given.get("grade")) and not given.get("solution")


def judge(
    notebook: NotebookNode,
    source: NotebookNode,
    settings: Settings | None = None,
    folder: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> Judged:
    """Judge a submission.

    Args:
        notebook: As `rebuild` made it; outputs are written into it.
        source: The instructor's notebook, with hidden tests; its test cells are what is run here.
        settings: How it is run.
        folder: Files that the notebook needs, copied into its working folder. None: none.
        given: What the test cells find under these names, whatever the notebook says of them: who
            the learner is, say.

    Returns:
        Points for each question, with the reasons.

    Raises:
        SandboxError: There is no sandbox, and the settings ask for one.
    """
    settings = settings or Settings()
    if settings.sandbox:
        require_sandbox()
    tests = {rules(cell)["grade_id"]: cell for cell in source.cells if is_test(cell)}
    own = [c for c in notebook.cells if c.cell_type == "code" and not is_test(c)]
    for check in checks.ALL.values():
        check.forget()
    shown = {rules(cell).get("grade_id"): cell for cell in notebook.cells if is_test(cell)}
    with tempfile.TemporaryDirectory() as empty:
        learner = Learner(own, settings, folder or empty)
        try:
            questions = [
                _mark(cell, learner, shown.get(name), dict(given or {}))
                for name, cell in tests.items()
            ]
        finally:
            learner.close()
    return Judged(questions, notebook)


def _mark(
    cell: NotebookNode, learner: Learner, shown: NotebookNode | None, names: dict[str, Any]
) -> Question:
    """Run one test cell, and say what came of it."""
    given = rules(cell)
    question = Question(given["grade_id"], 0.0, float(given.get("points") or 0))
    learner.question()
    printed = io.StringIO()
    space: dict[str, Any] = {"__name__": "__grader__", **names}
    try:
        with contextlib.redirect_stdout(printed):
            value = limited(
                functools.partial(_run_test, cell.source, space, learner),
                max(0.001, min(learner.settings.question_seconds, learner.left)),
            )
        reached = question.total if type(value) not in (int, float) else float(value)
        question.points = min(max(reached, 0.0), question.total) if reached == reached else 0.0
    except ByHand as error:
        question.by_hand, question.message = True, str(error)
    except TookTooLong:
        late = f"all of it took longer than {learner.settings.seconds:g} s"
        asked = f"stopped after {learner.settings.question_seconds:g} s"
        question.message = late if learner.left <= 0 else asked
    except AssertionError as error:
        question.message = str(error)[:500] or "a test failed"
    except KeyboardInterrupt:
        raise
    except SandboxError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:
        question.message = f"{type(error).__name__}: {error}"[:500]
    reports = [value for value in space.values() if isinstance(value, Report)]
    if reports:
        question.results, question.hint = reports[-1].results, reports[-1].hint or ""
    if shown is not None:
        text = printed.getvalue()[:20_000]
        shown.outputs = [new_output("stream", name="stdout", text=text)] if text else []
        if question.message:
            shown.outputs.append(_error_output("Test", question.message))
    return question


class ByHand(Exception):
    """A question that has to be judged by somebody."""


def _run_test(source: str, space: dict[str, Any], learner: Learner) -> Any:
    """Run a test cell, the learner's objects among its names; returns its last line's value."""
    tree = ast.parse(source)
    for name in _free(tree):
        if name not in space:
            space[name] = learner.get(name)
    if any(_designs(node) for node in ast.walk(tree)):
        raise ByHand("a design is judged by hand: its work cannot be counted from outside")
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "<test>", "exec"), space)
        return None
    tree.body.pop()
    exec(compile(tree, "<test>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<test>", "eval"), space)


def _designs(node: ast.AST) -> bool:
    check: Check | None = None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        check = checks.ALL.get(node.attr) if node.value.id == "checks" else None
    return isinstance(check, Design)


def _free(tree: ast.Module) -> list[str]:
    """The names that a test cell uses and does not make: the learner's."""
    used: dict[str, None] = {}
    made = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                used[node.id] = None
            else:
                made.add(node.id)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    return [name for name in used if name not in made]
