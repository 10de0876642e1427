"""One submission from files to a record: what a worker does, wherever it runs.

Nothing but the `Task` goes in and nothing but an `Outcome` comes out, so a worker needs no course
folder and keeps nothing; whoever has the gradebook writes what came out.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_lib.grading import clean, record
from course_lib.grading.bubblewrap import SandboxError
from course_lib.grading.judge import Judged, is_test, judge, rules
from course_lib.grading.limits import Limits
from course_lib.grading.rebuild import rebuild
from course_lib.grading.record import Notebook, Question, Record
from course_lib.grading.settings import Settings
from course_lib.grading.template import Template

NOT_HANDED_IN = "this notebook was not handed in"


@dataclass(frozen=True)
class Assignment:
    """What a submission is judged by: texts only, so that it can be sent.

    Attributes:
        name: Of the assignment.
        digest: Of all that follows; see `release.release_digest`.
        sources: The instructor's notebooks, by name.
        releases: What learners got.
        files: Beside the notebooks, by path.
        hidden: Modules that would give an answer away.
    """

    name: str
    digest: str
    sources: dict[str, str]
    releases: dict[str, str]
    files: dict[str, bytes] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """How submissions are run: `settings.Settings`, without what cannot be sent."""

    sandbox: bool = True
    limits: Limits = field(default_factory=Limits)
    cell_seconds: float = Settings.cell_seconds
    question_seconds: float = Settings.question_seconds
    restarts: int = Settings.restarts


@dataclass(frozen=True)
class Task:
    """One attempt to judge.

    Attributes:
        learner: Who.
        assignment: By what.
        files: That came in, by path.
        digest: Of the files.
        submitted: When.
        notes: What intake said.
        rules: How it is run.
        attempt: Number of the attempt where all of them are judged; 0: the one that counts.
    """

    learner: str
    assignment: Assignment
    files: dict[str, bytes]
    digest: str
    submitted: str | None = None
    notes: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)
    attempt: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a task: the record, and the cleaned notebooks by name."""

    record: Record
    notebooks: dict[str, str]

    def packed(self) -> bytes:
        """As JSON, to be sent."""
        told = {"format": record.FORMAT, **dataclasses.asdict(self.record)}
        return json.dumps({"record": told, "notebooks": self.notebooks}).encode()

    @staticmethod
    def unpacked(data: bytes) -> Outcome:
        """The outcome that was sent.

        Raises:
            ValueError: It is none.
        """
        told: Any = json.loads(data)
        if not isinstance(told, dict) or set(told) != {"record", "notebooks"}:
            raise ValueError("wanted a record and notebooks")
        books = told["notebooks"]
        if not isinstance(books, dict) or not all(isinstance(b, str) for b in books.values()):
            raise ValueError("wanted notebooks by name")
        return Outcome(record.parse(told["record"]), books)


class Bench:
    """Where a worker judges: it keeps a warm process, and nothing of a learner's."""

    def __init__(self) -> None:
        self._template: Template | None = None
        self._hidden: tuple[str, ...] = ()

    def judge(self, task: Task) -> Outcome:
        """Judge one submission; a warm process that is gone is replaced, once.

        Raises:
            SandboxError: There is no sandbox, or it does not start.
        """
        for last in (False, True):
            try:
                return _judged(task, self._settings(task))
            except SandboxError:
                self.close()
                if last:
                    raise
        raise AssertionError("the second try returned or raised")

    def _settings(self, task: Task) -> Settings:
        hidden = task.assignment.hidden
        if not task.rules.sandbox:
            self.close()
        elif self._template is None or self._hidden != hidden:
            self.close()
            self._template, self._hidden = Template(hidden=hidden), hidden
        return Settings(
            sandbox=task.rules.sandbox,
            limits=task.rules.limits,
            hidden=hidden,
            cell_seconds=task.rules.cell_seconds,
            question_seconds=task.rules.question_seconds,
            restarts=task.rules.restarts,
            template=self._template,
        )

    def close(self) -> None:
        """End the warm process."""
        if self._template is not None:
            self._template.close()
            self._template = None


def _judged(task: Task, settings: Settings) -> Outcome:
    start = time.monotonic()
    notes, made, texts = list(task.notes), [], {}
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        ours = task.assignment.files
        extra = {n: d for n, d in task.files.items() if not n.endswith(".ipynb") and n not in ours}
        for name, data in (ours | extra).items():
            path = Path(folder, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            except OSError:  # a learner's file stands where a folder of ours does, or the reverse
                if name in ours:
                    raise
        for name, text in task.assignment.sources.items():
            source, release = _parsed(text), _parsed(task.assignment.releases[name])
            handed_in = task.files.get(f"{name}.ipynb")
            rebuilt = rebuild(handed_in or b"", release)
            problem = NOT_HANDED_IN if handed_in is None else rebuilt.problem
            notes += [record.text(f"{name}: {note}", 300) for note in rebuilt.notes[:50]]
            if problem:
                notes.append(record.text(f"{name}: {problem}", 300))
                questions = [_nothing(cell, problem) for cell in source.cells if is_graded(cell)]
            else:
                given = {"learner": task.learner}
                judged = judge(rebuilt.notebook, source, settings, folder, given)
                questions = _questions(source, release, judged)
            made.append(Notebook(name, questions))
            cleaned = clean.notebook(rebuilt.notebook, release)
            texts[name] = nbformat.writes(cleaned, version=4, indent=1) + "\n"
    return Outcome(
        Record(
            learner=task.learner,
            assignment=task.assignment.name,
            submitted=task.submitted,
            digest=task.digest,
            release=task.assignment.digest,
            seconds=round(time.monotonic() - start, 3),
            notes=notes[:200],
            notebooks=made,
        ),
        texts,
    )


def failed(task: Task, reason: str) -> Outcome:
    """The outcome where the grader failed, not the learner: every question is left to somebody."""
    made, texts = [], {}
    for name, text in task.assignment.sources.items():
        reason = record.text(reason, 500)
        questions = [
            Question(rules(cell)["grade_id"], 0.0, _points(cell), by_hand=True, message=reason)
            for cell in _parsed(text).cells
            if is_graded(cell)
        ]
        made.append(Notebook(name, questions))
        release = _parsed(task.assignment.releases[name])
        try:  # what made a worker fail may do so here
            rebuilt = rebuild(task.files.get(f"{name}.ipynb") or b"", release)
            cleaned = clean.notebook(rebuilt.notebook, release)
        except Exception:
            cleaned = clean.notebook(rebuild(b"", release).notebook, release)
        texts[name] = nbformat.writes(cleaned, version=4)
    return Outcome(
        Record(
            learner=task.learner,
            assignment=task.assignment.name,
            submitted=task.submitted,
            digest=task.digest,
            release=task.assignment.digest,
            seconds=0.0,
            notes=list(task.notes),
            notebooks=made,
            failed=reason,
        ),
        texts,
    )


def _parsed(text: str) -> NotebookNode:
    return nbformat.reads(text, as_version=4)


def is_graded(cell: NotebookNode) -> bool:
    """Whether points are given for a cell."""
    return bool(rules(cell).get("grade") or rules(cell).get("task"))


def _points(cell: NotebookNode) -> float:
    return float(rules(cell).get("points") or 0)


def _nothing(cell: NotebookNode, reason: str) -> Question:
    return Question(rules(cell)["grade_id"], 0.0, _points(cell), message=record.text(reason, 500))


def _questions(source: NotebookNode, release: NotebookNode, judged: Judged) -> list[Question]:
    """The questions in the source's order: judged ones, and answers that somebody reads."""
    known = {question.name: record.question_of(question) for question in judged.questions}
    before, after = _answers(release.cells), _answers(judged.notebook.cells)
    made = []
    for cell in source.cells:
        if not is_graded(cell):
            continue
        name = str(rules(cell)["grade_id"])
        if is_test(cell):
            made.append(known[name])
        elif rules(cell).get("task") or after.get(name) != before.get(name):
            made.append(Question(name, 0.0, _points(cell), by_hand=True))
        else:
            made.append(_nothing(cell, "no answer"))
    return made


def _answers(cells: Iterable[NotebookNode]) -> dict[str, str]:
    return {rules(c)["grade_id"]: c.source.strip() for c in cells if rules(c).get("grade_id")}
