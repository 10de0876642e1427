"""Enters records into nbgrader's gradebook: one writer, and again and again the same result.

The records are the truth, the gradebook is made from them. A mark beside each record says that it
has been entered, so that a crash between the two costs nothing: what has no mark is entered again.
Points that an instructor gave are never touched; where a new record comes to a question that has
some, the question is marked for review, as nbgrader does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

from course_lib.grading import record
from course_lib.grading.folder import Course, write_file
from course_lib.grading.record import Record

MARK = ".entered"  # beside a record: its hash


def pending(course: Course, assignment: str) -> list[str]:
    """The learners whose record has not been entered."""
    found = []
    for learner in course.learners(assignment, "autograded"):
        path = course.autograded(learner, assignment) / record.FILE
        if path.is_file() and _mark(path) != _hash(path):
            found.append(learner)
    return found


def enter(course: Course, assignment: str, learners: Iterable[str] | None = None) -> list[str]:
    """Enter the records of these learners; None: all that are pending.

    Returns:
        Whose were entered.

    Raises:
        ValueError: A record is not one, or the assignment was never released here.
    """
    wanted = pending(course, assignment) if learners is None else list(learners)
    if not wanted:
        return []
    with Gradebook(course.database) as gradebook:
        try:
            gradebook.find_assignment(assignment)
        except MissingEntry:
            raise ValueError(
                f"{assignment} is not in the gradebook of {course.root}: release it first"
            ) from None
        for learner in wanted:
            path = course.autograded(learner, assignment) / record.FILE
            seen = _hash(path)
            _enter(gradebook, record.read(path))
            write_file(path.with_name(MARK), seen)
    return wanted


def _mark(path: Path) -> str:
    mark = path.with_name(MARK)
    return mark.read_text(encoding="ascii", errors="replace") if mark.is_file() else ""


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _enter(gradebook: Gradebook, judged: Record) -> None:
    """One record, in one commit."""
    with gradebook.db.no_autoflush:
        try:
            gradebook.find_student(judged.learner)
        except MissingEntry:
            gradebook.add_student(judged.learner)
        values = {} if judged.submitted is None else {"timestamp": _utc(judged.submitted)}
        submission = gradebook.update_or_create_submission(
            judged.assignment, judged.learner, **values
        )
        grades = {
            (book.name, grade.name): grade for book in submission.notebooks for grade in book.grades
        }
        for notebook in judged.notebooks:
            for question in notebook.questions:
                grade = grades.pop((notebook.name, question.name), None)
                if grade is None:
                    raise ValueError(
                        f"the gradebook does not know {notebook.name}/{question.name}: release "
                        f"{judged.assignment} again"
                    )
                grade.auto_score = None if question.by_hand else question.points
                grade.needs_manual_grade = question.by_hand or grade.manual_score is not None
        for grade in grades.values():  # not judged, so not 0
            grade.auto_score, grade.needs_manual_grade = None, True
    gradebook.db.commit()


def _utc(text: str) -> str:
    """A time as nbgrader stores it: UTC, without saying so."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is not None:
        when = when.astimezone(timezone.utc).replace(tzinfo=None)
    return when.isoformat(sep=" ")
