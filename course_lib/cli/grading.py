"""``course release``, ``collect`` and ``grade``: from exercises to a gradebook."""

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm.auto import tqdm

from course_lib.grading import (
    grade,
    intake,
    personal,
    practice_class,
    record,
    release,
    roster,
    task,
)
from course_lib.grading.folder import Course
from course_lib.grading.limits import GB, Limits

Here = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class Release:
    """Make from exercises with solutions what learners get, and enter it into the gradebook.

    Writes source/ASSIGNMENT and release/ASSIGNMENT in the course folder. Nothing is written if a
    line of a solution or of a hidden test stood in what learners get.

    Args:
        assignment: name of the assignment; the folder of its notebooks is called so.
        course: the course folder.
        init: make the course folder first.
        exercises: folder of assignments to take the notebooks from; ``None``: source/ASSIGNMENT of
            the course folder, or if that is not there, the course's own exercises.
        overlay: folder of assignments, private, whose notebooks replace those or are added.
        only: only these notebooks.
        roster: CSV file of the class. A graded set has a variant for each of them, in
            handout/ASSIGNMENT; it needs an overlay with a secret.
        learner: these, in place of a roster or besides. Whoever is named, here or in the roster,
            gets their notebook written anew: after a change of the overlay, name newcomers only.
    """

    assignment: Annotated[str | None, tyro.conf.Positional] = None
    course: Here = Path(".")
    init: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    exercises: Path | None = None
    overlay: Path | None = None
    only: tuple[str, ...] = ()
    roster: Path | None = None
    learner: tuple[str, ...] = ()

    def run(self) -> int:
        """Release, and say what."""
        if self.init:
            release.make_course(self.course)
            print(f"{self.course} is a course folder now.")
        if self.assignment is None:
            if not self.init:
                raise ValueError(
                    "name an assignment, or a new course folder: --init --course FOLDER"
                )
            return 0
        course, base = Course(self.course).check(), self.exercises
        if personal.is_set(self.assignment, personal.set_folders(self.overlay, base)):
            return self._set(course)
        if base is None and not course.source(self.assignment).is_dir():
            base = release.exercises()
        made = release.release(
            course, self.assignment, base=base, overlay=self.overlay, only=self.only
        )
        for name, points in made.points.items():
            print(f"{name:24s} {points:g} points")
        print(f"Released: hand out what is in {course.release(self.assignment)}.")
        return 0

    def _set(self, course: Course) -> int:
        """Release a graded set: a variant for each learner."""
        assert self.assignment is not None
        if self.overlay is None:
            raise ValueError(
                f"{self.assignment} has variants, drawn from a secret: name the folder that holds "
                "it, --overlay FOLDER (`course overlay new FOLDER` makes one)"
            )
        people = roster.Roster() if self.roster is None else roster.read(self.roster)
        if self.roster is not None:
            roster.enter(course, people)
        everybody = [*dict.fromkeys([who.id for who in people.learners] + list(self.learner))]
        made = personal.release_set(
            course, self.assignment, everybody, overlay=self.overlay, sets=self.exercises
        )
        for name, points in made.points.items():
            print(f"{name:24s} {points:g} points")
        place = course.root / "handout" / self.assignment
        print(f"Released for {len(everybody)}: give each learner their own folder of {place}.")
        return 0


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Take in what learners handed in: one line for each, what was taken, or why not.

    Every attempt is kept in collected/; the one that counts is put into submitted/. The originals
    are only read. Who handed something in is told by its outer name.

    Args:
        assignment: name of a released assignment.
        paths: of Moodle and Canvas the archive of all submissions; otherwise archives and
            notebooks, each one submission, or folders that hold them.
        course: the course folder.
        platform: how outer names look: names (LEARNER.zip, LEARNER/), moodle, canvas, or github
            (ASSIGNMENT-USER/).
        pattern: a regular expression for outer names instead, with a group (?P<id>...).
        roster: CSV file of the class with the column id and, where known, first_name, last_name,
            email, moodle, canvas, github; with it nobody else is taken in.
        attempt: which attempt counts, the latest or the one with the most points.
    """

    assignment: tyro.conf.Positional[str]
    paths: tyro.conf.Positional[tuple[Path, ...]]
    course: Here = Path(".")
    platform: Literal["names", "moodle", "canvas", "github"] = "names"
    pattern: str = ""
    roster: Path | None = None
    attempt: Literal["latest", "best"] = "latest"

    def run(self) -> int:
        """Collect, and say what; the status is 1 if something was refused."""
        course = Course(self.course).check()
        if not self.paths:
            raise ValueError("name what the platform gave you: an archive, or a folder")
        people = roster.Roster()
        if self.roster is not None:
            people = roster.read(self.roster)
            roster.enter(course, people)
        lines = intake.collect(
            course,
            self.assignment,
            self.paths,
            platform=self.platform,
            pattern=self.pattern,
            roster=people,
            choose=self.attempt,
        )
        for line in lines:
            print(_speakable(str(line)))
        refused = sum(not line.taken for line in lines)
        here = {line.learner for line in lines if line.taken}
        print(f"{len(lines) - refused} taken, of {len(here)} learners; {refused} refused.")
        absent = [who.id for who in people.learners if who.id not in here]
        if absent:
            print(f"Nothing from {', '.join(absent)}.")
        return 1 if refused else 0


@dataclass(frozen=True, kw_only=True)
class Grade:
    """Judge what was handed in, in sandboxes, and enter the points into the gradebook.

    May be ended at any moment: the same command goes on where it was, and judges nobody twice. One
    line for each learner. What somebody has to read, and where the grader failed, stays ungraded.

    Args:
        assignment: name of the assignment.
        course: the course folder.
        jobs: submissions at a time; each needs about 1 GB.
        learner: only these.
        again: judge again what is judged. Where the grader failed is always judged again; points by
            hand stay.
        sandbox: ``--no-sandbox`` runs the notebooks as they are, with all that you may do: only
            where you trust every one of them.
        memory: GB that one submission may use.
        cell_seconds: of one of the learner's cells.
        scheduler: address of a Dask scheduler whose workers judge, as tcp://HOST:8786.
        cluster: judge by a Dask cluster that is made on this machine.
    """

    assignment: tyro.conf.Positional[str]
    course: Here = Path(".")
    jobs: int = max(1, min(os.cpu_count() or 1, 8))
    learner: tuple[str, ...] = ()
    again: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    sandbox: bool = True
    memory: float = 4.0
    cell_seconds: float = 30.0
    scheduler: str | None = None
    cluster: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ValueError(f"--jobs is {self.jobs}; it must be at least 1.")
        if not self.cell_seconds > 0:
            raise ValueError(f"--cell-seconds is {self.cell_seconds}; it must be above 0.")

    def _runner(self) -> grade.Runner | None:
        """Who judges: workers of this process's, or of a Dask cluster."""
        if self.scheduler is None and not self.cluster:
            return None
        try:
            from course_lib.grading import cluster
        except ImportError as error:
            raise ValueError(
                f"{error.name} is not installed: pip install -e '.[grading]'"
            ) from None
        return partial(cluster.run, address=self.scheduler, jobs=self.jobs)

    def run(self) -> int:
        """Grade; the status is 1 if the grader failed for somebody."""
        course = Course(self.course).check()
        rules = task.Rules(
            sandbox=self.sandbox,
            limits=Limits(memory=int(self.memory * GB)),
            cell_seconds=self.cell_seconds,
        )
        with tqdm(
            total=len(course.learners(self.assignment)),
            unit="learner",
            leave=False,
            disable=os.environ.get("COURSE_PROGRESS") == "0",
        ) as bar:

            def tell(judged: record.Record, done: int, of: int) -> None:
                bar.total = of
                with tqdm.external_write_mode(sys.stdout):
                    print(_speakable(line(judged)), flush=True)
                bar.update(done - bar.n)

            made = grade.grade(
                course,
                self.assignment,
                jobs=self.jobs,
                rules=rules,
                again=self.again,
                only=self.learner,
                tell=tell,
                run=self._runner(),
            )
        print(
            f"{len(made.judged)} judged in {made.seconds:.0f} s, {len(made.kept)} were before; "
            f"the grader failed for {len(made.failed)}."
        )
        return 1 if made.failed else 0


def line(judged: record.Record) -> str:
    """One line about a learner."""
    if judged.failed:
        return f"{judged.learner:20s} ungraded: {judged.failed}"
    points = f"{judged.points:g} of {judged.total:g} points"
    parts = [f"{judged.learner:20s} {points:18s} {judged.seconds:5.1f} s"]
    hand = sum(question.by_hand for question in judged.questions)
    if hand:
        parts.append(f"{hand} by hand")
    parts += judged.notes[:2]
    if len(judged.notes) > 2:
        parts.append(f"and {len(judged.notes) - 2} more notes")
    return "  ".join(parts)


def _speakable(text: str) -> str:
    """A line that a terminal shows as it is: learners' texts may hold its commands."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def parse_release(words: list[str]) -> Release:
    """Return what these words ask for."""
    return tyro.cli(Release, args=words, prog="course release")


def parse_collect(words: list[str]) -> Collect:
    """Return what these words ask for."""
    return tyro.cli(Collect, args=words, prog="course collect")


def parse_grade(words: list[str]) -> Grade:
    """Return what these words ask for."""
    return tyro.cli(Grade, args=words, prog="course grade")


@dataclass(frozen=True, kw_only=True)
class People:
    """Make up a class, and write it as a roster.

    Args:
        out: CSV file to write.
        learners: how many.
        seed: of their names.
    """

    out: tyro.conf.Positional[Path]
    learners: int = 30
    seed: int = 0

    def run(self) -> int:
        """Write it."""
        practice_class.write_roster(self.out, practice_class.people(self.learners, self.seed))
        print(f"{self.out}: {self.learners} people who do not exist.")
        return 0


@dataclass(frozen=True, kw_only=True)
class HandIn:
    """Make what a made-up class hands in for a released assignment, as a platform gives it.

    Beside the submissions, expected.csv says what each must earn.

    Args:
        assignment: name of a released assignment.
        out: folder to write to.
        roster: the class.
        course: the course folder.
        platform: as which platform gives it.
        seed: of who does what.
    """

    assignment: tyro.conf.Positional[str]
    out: tyro.conf.Positional[Path]
    roster: Path
    course: Here = Path(".")
    platform: Literal["names", "moodle", "canvas", "github"] = "moodle"
    seed: int = 0

    def run(self) -> int:
        """Write it."""
        course = Course(self.course).check()
        handed = practice_class.hand_in(
            roster.read(self.roster).learners,
            lambda learner: practice_class.of_course(course, self.assignment, learner),
            self.seed,
        )
        path = practice_class.write(self.out, handed, self.platform, self.assignment)
        practice_class.write_expected(self.out / "expected.csv", handed)
        print(f"{path}: {len(handed)} submissions; expected.csv says what each must earn.")
        return 0


Practice = (
    Annotated[People, tyro.conf.subcommand("people")]
    | Annotated[HandIn, tyro.conf.subcommand("hand-in")]
)


def parse_practice(words: list[str]) -> People | HandIn:
    """Return what these words ask for."""
    return tyro.cli(Practice, args=words, prog="course practice-class")
