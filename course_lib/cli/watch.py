"""``course formgrader`` and ``course grade-now``: what stays open until it is ended."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from course_lib.grading.folder import Course
from course_lib.grading.formgrader import serve
from course_lib.grading.now import Limits, Watch
from course_lib.grading.task import Rules

Here = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class Formgrader:
    """Open nbgrader's page for points by hand and comments, on this machine; Ctrl-C ends it.

    It shows the cleaned notebooks of autograded/. What is given there, course export and course
    feedback take from the gradebook.

    Args:
        course: the course folder.
        port: of this machine; 0: a free one.
    """

    course: Here = Path(".")
    port: int = 0

    def run(self) -> int:
        """Serve it, and say where."""
        with serve(Course(self.course), self.port) as served:
            print(f"Formgrader: {served.url}", flush=True)
            return served.process.wait()


@dataclass(frozen=True, kw_only=True)
class GradeNow:
    """Watch a shared folder, and grade what learners put there before the time due.

    Each learner has a folder there, INBOX/LEARNER, that only they can write. A notebook in it is
    judged in the sandbox, by the checks that learners have; points and hints come back beside it,
    as NAME.feedback.html. Nothing of it goes into the gradebook. Where all checks are hidden, as in
    the graded sets, there is nothing to tell, and it is refused. Ctrl-C ends it; the limits hold
    over a restart.

    Args:
        assignment: name of a released assignment.
        inbox: the shared folder.
        course: the course folder.
        per_day: grades of one learner in 24 hours.
        anybody: grade those too who are not in the gradebook.
        once: look until everything that is there is answered, and end.
        sandbox: ``--no-sandbox`` runs the notebooks as they are, with all that you may do: only
            where you trust every one of them.
    """

    assignment: tyro.conf.Positional[str]
    inbox: Path
    course: Here = Path(".")
    per_day: int = 3
    anybody: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    once: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    sandbox: bool = True

    def run(self) -> int:
        """Watch."""
        limits = Limits(per_day=self.per_day)
        if self.once:
            limits = replace(limits, settle=0.0)
        watch = Watch(
            Course(self.course),
            self.assignment,
            self.inbox,
            limits=limits,
            rules=Rules(sandbox=self.sandbox),
            anybody=self.anybody,
        )
        looks = 0

        def done() -> bool:
            nonlocal looks
            looks += 1
            return self.once and looks > 2 and not watch.open

        watch.watch(tell=_tell, until=done)
        return 0


def _tell(line: str) -> None:
    print("".join(letter if letter.isprintable() else "?" for letter in line), flush=True)


def parse(name: str, words: list[str]) -> Formgrader | GradeNow:
    """Return what these words ask for."""
    commands = {"formgrader": Formgrader, "grade-now": GradeNow}
    return tyro.cli(commands[name], args=words, prog=f"course {name}")
