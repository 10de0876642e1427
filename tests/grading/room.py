"""A course folder as grading leaves it, made by hand in a moment: no kernel has run."""

from __future__ import annotations

import functools
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning

from course_lib.grading import record
from course_lib.grading.folder import Course
from course_lib.grading.record import Notebook, Question, Record, Result
from course_lib.grading.submission import came_in, digest_of

DUE = datetime(2026, 3, 2, 12, 0)
SET = "graded-overlap"
SECRET = "sesame-93716"
ANSWER = "def overlap(a, b):\n    return (a & b).sum() / (a | b).sum()"


@dataclass
class Person:
    """A learner, and what came of the submission."""

    name: str
    points: float | None = 4.0  # of 5; None: not judged
    written: float | None = None  # by hand, of 3
    hand: str | None = None  # comment
    submitted: datetime | None = DUE - timedelta(hours=3)
    answer: str = ANSWER
    essay: str = "The union counts each pixel once."
    outputs: list[Any] = field(default_factory=list)
    message: str = ""
    hint: str = ""
    failed: str = ""
    notes: list[str] = field(default_factory=list)
    first: str = ""
    last: str = ""
    email: str = ""
    extra: list[Any] = field(default_factory=list)  # cells of their own


def rules(name: str, **changes: Any) -> dict[str, Any]:
    made = {"grade_id": name, "grade": False, "solution": False, "locked": False, "points": 0}
    return {"nbgrader": {**made, "schema_version": 3, "task": False, **changes}}


def released() -> Any:
    """Statement, stub, test, and a question in words."""
    cells = [
        new_markdown_cell(
            "# Overlap\n\nWrite it.", id="statement", metadata=rules("statement", locked=True)
        ),
        new_code_cell("import torch", id="setup"),
        new_code_cell(
            "def overlap(a, b):\n    raise NotImplementedError()",
            id="overlap",
            metadata=rules("overlap", solution=True),
        ),
        new_code_cell(
            "report = checks.overlap(overlap)",
            id="overlap-check",
            metadata=rules("overlap-check", grade=True, locked=True, points=5),
        ),
        new_markdown_cell(
            "Your answer.",
            id="why",
            metadata=rules("why", grade=True, solution=True, points=3),
        ),
    ]
    return new_notebook(cells=cells)


def source() -> Any:
    """The same with what nobody may see."""
    made = released()
    made.cells[3].source += f"\n### BEGIN HIDDEN TESTS\nassert {SECRET!r}\n### END HIDDEN TESTS"
    made.cells[
        2
    ].source = f"def overlap(a, b):\n    ### BEGIN SOLUTION\n    {SECRET!r}\n    ### END SOLUTION"
    return made


def handed_in(person: Person) -> Any:
    made = released()
    made.cells[2].source = person.answer
    made.cells[2].outputs = person.outputs
    made.cells[3].outputs = [new_output("stream", text=f"hidden test says {SECRET}")]
    # As nbgrader would have it; ours leaves the release's cell. Neither may come out.
    made.cells[3].source = source().cells[3].source
    made.cells[4].source = person.essay
    made.cells[3:3] = person.extra
    return made


def judged(person: Person, points: float, digest: str) -> Record:
    results = [
        Result("shape", points >= 1, min(points, 1.0), 1.0, person.message),
        Result("values", points >= 5, max(points - 1, 0.0), 4.0, person.message),
    ]
    asked = Question("overlap-check", points, 5.0, False, person.message, person.hint, results)
    by_hand = Question("why", 0.0, 3.0, by_hand=True)
    return Record(
        learner=person.name,
        assignment=SET,
        submitted=person.submitted and f"{person.submitted.isoformat()}+00:00",
        digest=digest,
        release="1" * 64,
        seconds=2.5,
        notes=person.notes,
        notebooks=[Notebook("overlap", [asked, by_hand])],
        failed=person.failed,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without what SQLAlchemy says of the order in which nbgrader does things."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        yield


@functools.cache
def empty_gradebook() -> bytes:
    """A new gradebook; to make one nbgrader starts a process, which takes seconds."""
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gradebook.db"
        Gradebook(f"sqlite:///{path}").close()
        return path.read_bytes()


def furnish(folder: Path, people: list[Person], due: datetime | None = DUE) -> Course:
    """A course with these learners."""
    for kind, notebook in (("source", source()), ("release", released())):
        place = folder / kind / SET / "overlap.ipynb"
        place.parent.mkdir(parents=True)
        nbformat.write(notebook, place)
    (folder / "nbgrader_config.py").write_text("c = get_config()\n")
    (folder / "gradebook.db").write_bytes(empty_gradebook())
    with quiet(), Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        book.add_assignment(SET, duedate=due)
        book.add_notebook("overlap", SET)
        book.add_solution_cell("overlap", "overlap", SET)
        book.add_solution_cell("why", "overlap", SET)
        book.add_grade_cell("overlap-check", "overlap", SET, max_score=5, cell_type="code")
        book.add_grade_cell("why", "overlap", SET, max_score=3, cell_type="markdown")
        for person in people:
            book.add_student(
                person.name, first_name=person.first, last_name=person.last, email=person.email
            )
            if person.submitted is None:
                continue
            place = folder / "submitted" / person.name / SET
            place.mkdir(parents=True)
            nbformat.write(handed_in(person), place / "overlap.ipynb")
            if person.points is None:
                continue
            place = folder / "autograded" / person.name / SET
            place.mkdir(parents=True)
            nbformat.write(handed_in(person), place / "overlap.ipynb")
            came = digest_of(came_in(folder / "submitted" / person.name / SET))
            record.write(place / record.FILE, judged(person, person.points, came))
            book.add_submission(SET, person.name, timestamp=person.submitted)
            grade = book.find_grade("overlap-check", "overlap", SET, person.name)
            grade.auto_score, grade.needs_manual_grade = person.points, False
            if person.written is not None:
                give(book, person.name, person.written)
            if person.hand is not None:
                book.find_comment("why", "overlap", SET, person.name).manual_comment = person.hand
        book.db.commit()
    return Course(folder)


def give(book: Gradebook, learner: str, points: float) -> None:
    """Points by hand, as Formgrader gives them."""
    grade = book.find_grade("why", "overlap", SET, learner)
    grade.manual_score, grade.needs_manual_grade = points, False
    book.db.commit()
