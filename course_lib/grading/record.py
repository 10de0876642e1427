"""What came of one submission: `judged.json`, beside its autograded notebooks.

The grader writes it; feedback, export, report and the gradebook are made from it. Every text in it
that a learner's code may have made (messages, notes) is bounded, and to be escaped where it is
shown. `read` believes nothing of a file that is not what `write` writes.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_lib.grading.folder import Course, write_file
from course_lib.grading.judge import Question as Judged

FORMAT = 1
FILE = "judged.json"
LONGEST = 4_000  # characters of a text
LARGEST = 8 << 20  # bytes of a file


@dataclass(frozen=True)
class Result:
    """How one property of an answer came out: `checks.report.Result`, with the points reached."""

    property: str
    passed: bool
    points: float
    total: float
    message: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Question:
    """What one test cell, or one answer that is read by somebody, gave.

    Attributes:
        name: The cell's `grade_id`.
        points: Reached; 0 where `by_hand` is set, and it means nothing there.
        total: That can be reached.
        by_hand: The points have to be given by somebody: ungraded, not 0.
        message: Why points are missing.
        hint: For the learner, where the mistake is a known one.
        results: Of each property, where the test made a report.
    """

    name: str
    points: float
    total: float
    by_hand: bool = False
    message: str = ""
    hint: str = ""
    results: list[Result] = field(default_factory=list)


@dataclass(frozen=True)
class Notebook:
    """The questions of one notebook, in its order."""

    name: str
    questions: list[Question] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """A judged submission.

    Attributes:
        learner: Who.
        assignment: What.
        submitted: When, as an ISO time; None where nothing says so.
        digest: SHA-256 of the submitted files.
        release: SHA-256 of the released and the source notebooks.
        seconds: That it took.
        notes: What intake, rebuild and the grader said.
        notebooks: With their questions.
        failed: Why the grader, not the learner, failed; then every question is `by_hand`.
    """

    learner: str
    assignment: str
    submitted: str | None
    digest: str
    release: str
    seconds: float
    notes: list[str] = field(default_factory=list)
    notebooks: list[Notebook] = field(default_factory=list)
    failed: str = ""

    @property
    def questions(self) -> list[Question]:
        """Of all notebooks."""
        return [question for notebook in self.notebooks for question in notebook.questions]

    @property
    def points(self) -> float:
        """Reached so far, without what is to be given by hand."""
        return sum(question.points for question in self.questions if not question.by_hand)

    @property
    def total(self) -> float:
        """That can be reached."""
        return sum(question.total for question in self.questions)

    @property
    def by_hand(self) -> bool:
        """Whether somebody has to give points."""
        return any(question.by_hand for question in self.questions)


def question_of(judged: Judged) -> Question:
    """The record of a judged question."""
    by_property = [
        Result(
            property=text(result.name),
            passed=bool(result.passed),
            points=float(result.points) if result.passed else 0.0,
            total=float(result.points),
            message=text(result.message),
        )
        for result in judged.results
    ]
    return Question(
        name=judged.name,
        points=0.0 if judged.by_hand else judged.points,
        total=judged.total,
        by_hand=judged.by_hand,
        message=text(judged.message),
        hint=text(judged.hint),
        results=by_property,
    )


def text(given: object, longest: int = LONGEST) -> str:
    """A text of bounded length that can be written into any file."""
    said = str(given)
    said = said if len(said) <= longest else f"{said[:longest]} [cut here]"
    return said.encode("utf-8", "replace").decode()


def write(path: Path, record: Record) -> None:
    """Write a record: the whole of it, or nothing."""
    told = {"format": FORMAT, **dataclasses.asdict(record)}
    write_file(path, json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read(path: Path) -> Record:
    """Read a record.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is not one of ours: grade that submission again.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `course grade` first")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST >> 20} MB: grade this submission again")
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no record ({error}): grade this submission again") from None


def read_all(course: Course, assignment: str) -> dict[str, Record]:
    """The records of an assignment, by learner."""
    found = {}
    for learner in course.learners(assignment, "autograded"):
        path = course.autograded(learner, assignment) / FILE
        if path.is_file():
            found[learner] = read(path)
    return found


def parse(told: Any) -> Record:
    """Make a record of what JSON gave.

    Raises:
        ValueError: It is not one.
    """
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f"wanted an object with format {FORMAT}")
    fields = {name: value for name, value in told.items() if name != "format"}
    record: Record = _made(Record, fields, "record")
    return record


_STRINGS = ("learner", "assignment", "digest", "release", "name", "property")
_TEXTS = ("message", "hint", "failed")
_NUMBERS = ("seconds", "points", "total")
_FLAGS = ("passed", "by_hand")
_PARTS: dict[str, type] = {"notebooks": Notebook, "questions": Question, "results": Result}


def _made(kind: Any, told: Any, where: str) -> Any:
    """One object of a kind, if what was told is exactly one."""
    if not isinstance(told, dict):
        raise ValueError(f"{where}: wanted an object, got {type(told).__name__}")
    wanted = {f.name for f in dataclasses.fields(kind)}
    required = {
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if not required <= set(told) <= wanted:
        raise ValueError(f"{where}: wanted the fields {sorted(wanted)}, got {sorted(told)[:20]}")
    made = {name: _value(name, value, f"{where}.{name}") for name, value in told.items()}
    return kind(**made)


def _value(name: str, value: Any, where: str) -> Any:
    if name in _PARTS:
        if not isinstance(value, list):
            raise ValueError(f"{where}: wanted a list")
        return [_made(_PARTS[name], part, f"{where}[{i}]") for i, part in enumerate(value)]
    if name == "notes":
        if not isinstance(value, list) or not all(isinstance(note, str) for note in value):
            raise ValueError(f"{where}: wanted a list of texts")
        return value
    if name in _NUMBERS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise ValueError(f"{where}: wanted a number from 0 on, got {value!r}")
        return float(value)
    wanted: Any = bool if name in _FLAGS else str
    if name == "submitted" and value is None:
        return None
    if not isinstance(value, wanted) or (name in _STRINGS and not value):
        raise ValueError(f"{where}: wanted {wanted.__name__}, got {str(value)[:50]!r}")
    return value
