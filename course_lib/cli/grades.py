"""``course feedback``, ``export``, ``similarity``, ``report``: what is done after grading."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from course_lib.cli.options import Place
from course_lib.grading.export import Format, export
from course_lib.grading.feedback import ungraded, write_feedback
from course_lib.grading.folder import Course
from course_lib.grading.report import report_page
from course_lib.grading.similarity import read_works, similarity_page
from course_lib.grading.standing import GRADED, standings


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Write a page of feedback for each learner: feedback/LEARNER/ASSIGNMENT/feedback.html.

    It holds the learner's own cells, points for each property, hints, and your comments and points
    from Formgrader; no code of a hidden test and no marking scheme. The names of properties and
    their messages are there, so give it out once nobody can hand in. Write it anew after points by
    hand.

    Args:
        assignment: its name.
        course: folder of the course, with gradebook.db.
        learner: this one only; may be given several times.
    """

    assignment: tyro.conf.Positional[str]
    course: Place = Path(".")
    learner: tyro.conf.UseAppendAction[tuple[str, ...]] = ()

    def run(self) -> int:
        """Write the pages, a line for each."""
        found = standings(Course(self.course), self.assignment)
        written = 0
        for learner, path in write_feedback(found, self.learner):
            print(f"{learner}: {path}")
            written += 1
        left = [name for name in ungraded(found) if not self.learner or name in self.learner]
        _warn(left, "handed in and not graded yet; course grade first")
        print(f"{written} {'page' if written == 1 else 'pages'} written")
        return 0


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write the grades as a table (CSV).

    Who has no final grade is flagged in the plain table, with an empty cell; in the tables for the
    platforms such rows are left out, for an empty cell erases a grade there. Learners are found by
    their id (Username, SIS Login ID) or, in Moodle, by the e-mail address.

    Args:
        assignment: its name.
        course: folder of the course, with gradebook.db.
        format: csv for a spreadsheet, or the platform that is to import it.
        out: file to write; ``None``: ASSIGNMENT-FORMAT.csv in the course's folder.
    """

    assignment: tyro.conf.Positional[str]
    course: Place = Path(".")
    format: Format = "csv"
    out: Path | None = None

    def run(self) -> int:
        """Write the file, and say who has no grade in it."""
        found = standings(Course(self.course), self.assignment)
        name = f"{self.assignment}.csv" if self.format == "csv" else None
        name = name or f"{self.assignment}-{self.format}.csv"
        path = self.out or self.course / name
        without = export(found, self.format, path)
        for state in dict.fromkeys(standing.state for standing in without):
            _warn([one.learner for one in without if one.state == state], state)
        graded = sum(standing.state == GRADED for standing in found.learners)
        print(f"{path}: {graded} of {len(found.learners)} learners have a grade")
        return 0


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Write a page of the submissions that resemble each other most, passages side by side.

    What was given is taken out; comments, layout and the learners' own names do not count. It is
    evidence, not proof.

    Args:
        assignment: its name.
        course: folder of the course.
        pairs: that are shown side by side.
        out: file to write; ``None``: reports/ASSIGNMENT-similarity.html in the course's folder.
    """

    assignment: tyro.conf.Positional[str]
    course: Place = Path(".")
    pairs: int = 20
    out: Path | None = None

    def run(self) -> int:
        """Write the page."""
        works = read_works(Course(self.course), self.assignment)
        path = self.out or self.course / "reports" / f"{self.assignment}-similarity.html"
        similarity_page(self.assignment, works, self.pairs).write(path)
        print(path)
        return 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write a page on how the class did: points, properties, wrong answers, time, who waits.

    Args:
        assignment: its name.
        course: folder of the course, with gradebook.db.
        out: file to write; ``None``: reports/ASSIGNMENT.html in the course's folder.
    """

    assignment: tyro.conf.Positional[str]
    course: Place = Path(".")
    out: Path | None = None

    def run(self) -> int:
        """Write the page."""
        found = standings(Course(self.course), self.assignment)
        path = self.out or self.course / "reports" / f"{self.assignment}.html"
        report_page(found).write(path)
        print(path)
        return 0


def _warn(learners: list[str], what: str) -> None:
    """A line on standard error that names a few."""
    if learners:
        named = ", ".join("".join(c if c.isprintable() else "?" for c in n) for n in learners[:8])
        more = f" and {len(learners) - 8} more" if len(learners) > 8 else ""
        print(f"course: {what}: {named}{more}", file=sys.stderr)


def parse(name: str, words: list[str]) -> Feedback | Export | Similarity | Report:
    """Return what these words ask for."""
    commands = {
        "feedback": Feedback,
        "export": Export,
        "similarity": Similarity,
        "report": Report,
    }
    return tyro.cli(commands[name], args=words, prog=f"course {name}")
