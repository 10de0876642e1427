"""How a class stands in an assignment: the gradebook and what was judged, put together.

Points are the gradebook's, where Formgrader writes too; why they are missing is what the judge
wrote down (`judged.json`). A grade that somebody still has to give is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.api import SubmittedAssignment as Submission

from course_lib.grading import record
from course_lib.grading.folder import NAME, Course
from course_lib.grading.record import Question, Record, Result
from course_lib.grading.submission import came_in, digest_of

GRADED = "graded"
WAITING = "waiting for points by hand"
UNGRADED = "not graded"
MISSING = "not submitted"


@dataclass
class Mark:
    """One question of one learner.

    Attributes:
        notebook: Its name.
        name: The cell's `grade_id`.
        total: Points that can be reached.
        points: Reached, with extra credit; None: somebody has to give them.
        by_hand: Somebody gave them, or has to.
        again: Points were given by hand, and graded anew since: to be looked at.
        results: Of each property.
        message: Why points are missing.
        hint: What the mistake may be.
    """

    notebook: str
    name: str
    total: float
    points: float | None
    by_hand: bool = False
    again: bool = False
    results: list[Result] = field(default_factory=list)
    message: str = ""
    hint: str = ""


@dataclass
class Standing:
    """One learner.

    Attributes:
        learner: The name in the gradebook and of the folders.
        state: `GRADED`, `WAITING`, `UNGRADED` or `MISSING`.
        marks: In the order of the questions; empty unless graded.
        comments: Notebook and cell to what the instructor wrote there.
        submitted: When, in UTC.
        late: Seconds after the time due.
        penalty: Points taken off for that.
        notes: What had to be put right in the submission.
        seconds: That judging took.
    """

    learner: str
    first: str = ""
    last: str = ""
    email: str = ""
    platform: str = ""
    state: str = MISSING
    marks: list[Mark] = field(default_factory=list)
    comments: dict[tuple[str, str], str] = field(default_factory=dict)
    submitted: datetime | None = None
    late: float = 0.0
    penalty: float = 0.0
    notes: list[str] = field(default_factory=list)
    seconds: float | None = None

    @property
    def name(self) -> str:
        """What a person is called; the learner's name in the gradebook if nobody said."""
        return " ".join(filter(None, (self.first, self.last))) or self.learner

    @property
    def reached(self) -> float:
        """Points of the questions that are graded."""
        return sum(mark.points for mark in self.marks if mark.points is not None)

    @property
    def points(self) -> float | None:
        """The grade; None where it is not final."""
        return max(self.reached - self.penalty, 0.0) if self.state == GRADED else None

    @property
    def days_late(self) -> int:
        """Days that have begun since the time due."""
        return math.ceil(self.late / 86_400)

    @property
    def flags(self) -> list[str]:
        """What has to be known beside the points."""
        found = [] if self.state == GRADED else [self.state]
        if any(mark.again for mark in self.marks):
            found.append("graded again since points were given by hand: look once more")
        if self.late:
            found.append(f"{self.days_late} {'day' if self.days_late == 1 else 'days'} late")
        return found + self.notes


@dataclass
class Standings:
    """A class in one assignment.

    Attributes:
        course: Its folder.
        assignment: Name.
        questions: Notebook, name and points of each question.
        due: In UTC.
        learners: By name.
    """

    course: Course
    assignment: str
    questions: list[tuple[str, str, float]]
    due: datetime | None
    learners: list[Standing]

    @property
    def total(self) -> float:
        """Points that can be reached."""
        return sum(points for _, _, points in self.questions)


@contextmanager
def gradebook(course: Course) -> Iterator[Gradebook]:
    """Open a course's gradebook.

    Raises:
        FileNotFoundError: This is no course folder, or it has none.
    """
    if not (course.check().root / "gradebook.db").is_file():
        raise FileNotFoundError(
            f"{course.root} has no gradebook.db: release an assignment first, "
            "with `course release ASSIGNMENT`"
        )
    with Gradebook(course.database) as book:
        yield book


def standings(course: Course, assignment: str) -> Standings:
    """Read how a class stands.

    Args:
        course: Its folder.
        assignment: Name of the assignment.

    Raises:
        FileNotFoundError: There is no gradebook.
        ValueError: It knows no such assignment.
    """
    with gradebook(course) as book:
        try:
            entry = book.find_assignment(assignment)
        except MissingEntry:
            known = ", ".join(sorted(a.name for a in book.assignments)) or "none yet"
            raise ValueError(
                f"the gradebook knows no assignment {assignment!r}; it has {known}. "
                "Release it first: course release ASSIGNMENT"
            ) from None
        questions = _questions(course, entry)
        order = {(notebook, name): i for i, (notebook, name, _) in enumerate(questions)}
        handed = {s.student.id: s for s in entry.submissions}
        learners = [
            _standing(course, assignment, student, handed.get(student.id), order)
            for student in sorted(book.students, key=lambda student: str(student.id))
        ]
        known_learners = {learner.learner for learner in learners}
        # Whoever handed in and stands in no list: said, not passed over.
        for name in course.learners(assignment):
            if name not in known_learners:
                note = "not in the gradebook's list of learners"
                learners.append(Standing(name, state=UNGRADED, notes=[note]))
        return Standings(course, assignment, questions, entry.duedate, learners)


def _judged(course: Course, learner: str, assignment: str) -> tuple[Record | None, list[str]]:
    """What the judge wrote down for a learner; if that cannot be used, why."""
    try:
        found = record.read(course.autograded(learner, assignment) / record.FILE)
    except FileNotFoundError:
        return None, []
    except ValueError:
        return None, ["what was judged cannot be read: grade this submission again"]
    return (None, [f"grading failed: {found.failed}"]) if found.failed else (found, [])


def _questions(course: Course, entry: Any) -> list[tuple[str, str, float]]:
    """The questions, in the order of the released notebooks."""
    found = {
        (notebook.name, cell.name): float(cell.max_score or 0)
        for notebook in entry.notebooks
        for cell in [*notebook.grade_cells, *notebook.task_cells]
    }
    places: dict[tuple[str, str], int] = {}
    for notebook in {name for name, _ in found}:
        path = course.release(entry.name) / f"{notebook}.ipynb"
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            for key in found:
                if key[0] == notebook:
                    places[key] = text.find(f'"grade_id": "{key[1]}"')
    ordered = sorted(found, key=lambda key: (key[0], places.get(key, -1), key[1]))
    return [(*key, found[key]) for key in ordered]


def _standing(
    course: Course,
    assignment: str,
    student: Any,
    submission: Submission | None,
    order: dict[tuple[str, str], int],
) -> Standing:
    made = Standing(
        student.id,
        student.first_name or "",
        student.last_name or "",
        student.email or "",
        student.lms_user_id or "",
    )
    if not NAME.fullmatch(student.id):
        made.notes.append("no folder can have this name: nothing was looked for")
        return made
    judged, why = _judged(course, student.id, assignment)
    if submission is None or judged is None:
        if course.submitted(student.id, assignment).is_dir():
            made.state, made.notes = UNGRADED, why
        return made
    reasons = {
        (notebook.name, question.name): question
        for notebook in judged.notebooks
        for question in notebook.questions
    }
    made.submitted, made.notes = submission.timestamp, list(judged.notes)
    if judged.digest != digest_of(came_in(course.submitted(student.id, assignment))):
        made.state = UNGRADED
        made.notes = ["something else was handed in since it was graded: course grade again"]
        return made
    made.seconds = judged.seconds
    made.late = _late(submission)
    for notebook in submission.notebooks:
        made.penalty += float(notebook.late_submission_penalty or 0)
        for grade in notebook.grades:
            made.marks.append(_mark(grade, reasons.get((notebook.name, grade.name))))
        for comment in notebook.comments:
            if comment.manual_comment:
                made.comments[notebook.name, comment.name] = comment.manual_comment
    made.marks.sort(key=lambda mark: order.get((mark.notebook, mark.name), len(order)))
    waits = any(mark.points is None for mark in made.marks)
    made.state = WAITING if waits or len(made.marks) < len(order) else GRADED
    return made


def _mark(grade: Any, reason: Question | None) -> Mark:
    given = grade.manual_score is not None
    known = given or grade.auto_score is not None
    made = Mark(
        grade.notebook.name,
        grade.name,
        float(grade.max_score or 0),
        float(grade.score) if known else None,
        by_hand=given or not known,
        again=given and bool(grade.needs_manual_grade),
    )
    if reason is not None:
        made.message, made.hint, made.results = reason.message, reason.hint, reason.results
    if not given and grade.needs_manual_grade:
        made.points, made.by_hand = None, True
    return made


def _late(submission: Submission) -> float:
    due = submission.assignment.duedate
    if due is None or submission.timestamp is None:
        return 0.0
    late: timedelta = submission.timestamp - due - (submission.extension or timedelta())
    return max(late.total_seconds(), 0.0)
