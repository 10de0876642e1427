"""Judges one submission: the learner's cells in a sandboxed kernel, the test cells here.

`judge` takes a notebook that `rebuild` has put into the shape of the released one. It runs every
cell that is the learner's in a kernel (`learner`), and then each test cell of the *source*, which
the instructor wrote, in this process. A name that the test cell does not define stands for the
learner's object of this name: data are fetched, functions and classes become `Answer`s. So
`checks.iou(iou)` is the check that learners call, unchanged, with a stand-in for their function.
Must be called in the main thread, whose timer limits the tests.

What a test cell is worth is what its last line says: a number is partial credit; without one, all
points unless it raises.

A `Design` is not judged: its network can be used from here (`inside.remote.Borrowed`), but work and
hidden weights cannot be counted from outside. Its question has `by_hand` set. To judge it, its
graph has to come over as data (`torch.export`, a list of allowed operations), to be computed here.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_lib import checks
from course_lib.checks.core import Check
from course_lib.checks.guard import TookTooLong, limited
from course_lib.checks.kinds import Design
from course_lib.checks.report import Report, Result
from course_lib.grading.bubblewrap import SandboxError
from course_lib.grading.learner import Learner
from course_lib.grading.outputs import error_output
from course_lib.grading.sandbox import require_sandbox
from course_lib.grading.settings import Settings


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
            shown.outputs.append(error_output("Test", question.message))
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
