"""Grades an assignment: who is not judged yet is, and the gradebook gets what came of it.

It may be killed at any moment, and started again: what has a record with the digest of the files
that are there now, and of the release, is not judged again, and a record is written whole or not at
all. One process writes records and gradebook; `pool` or `cluster` judges.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.grading import gradebook, personal, pool, record, release, submission
from course_lib.grading.folder import Course, files_of, write_file
from course_lib.grading.record import Record
from course_lib.grading.sandbox import require_sandbox, sweep
from course_lib.grading.task import Assignment, Outcome, Rules, Task, failed

Runner = Callable[[Iterable[Task]], Iterator[tuple[Task, Outcome]]]


@dataclass
class Graded:
    """What a run did.

    Attributes:
        judged: Whose submissions were judged now.
        kept: Whose were judged before.
        failed: Where the grader failed.
        seconds: That it took.
    """

    judged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def assignment_of(course: Course, name: str) -> Assignment:
    """What submissions are judged by.

    Raises:
        FileNotFoundError: It was not released.
    """
    source, released = course.source(name), course.release(name)
    if not released.is_dir():
        raise FileNotFoundError(
            f"{name} was not released in {course.root}: `course release {name}`"
        )
    sources = {path.stem: path.read_text("utf-8") for path in sorted(source.glob("*.ipynb"))}
    releases = {path.stem: path.read_text("utf-8") for path in sorted(released.glob("*.ipynb"))}
    if not sources or set(sources) != set(releases):
        raise ValueError(
            f"{source} and {released} do not hold the same notebooks: `course release {name}` again"
        )
    extra = {n: data for n, data in files_of(released).items() if not n.endswith(".ipynb")}
    hidden = release.hidden_modules(release.notebooks(source).values())
    digest = release.release_digest(course, name)
    return Assignment(name, digest, sources, releases, extra, tuple(hidden))


def grade(
    course: Course,
    name: str,
    *,
    jobs: int = 2,
    rules: Rules | None = None,
    again: bool = False,
    only: Iterable[str] = (),
    tell: Callable[[Record, int, int], None] | None = None,
    run: Runner | None = None,
) -> Graded:
    """Judge what is not judged yet, and enter it into the gradebook.

    Args:
        course: The course.
        name: The assignment.
        jobs: Workers on this machine.
        rules: How submissions are run.
        again: Judge those too that are judged already.
        only: These learners; empty: all.
        tell: Called with each new record, how many are done, and of how many.
        run: Who judges; None: workers on this machine.

    Returns:
        What was done.

    Raises:
        SandboxError: There is no sandbox, and the rules ask for one.
        CourseBusy: Somebody else grades this course.
    """
    course.check()
    rules = rules or Rules()
    if rules.sandbox and run is None:
        require_sandbox()
    wanted = set(only)
    made, start = Graded(), time.monotonic()
    with course.alone("grading"):
        sweep()
        assignment = assignment_of(course, name)
        learners = course.learners(name)
        missing = wanted - set(learners)
        if missing:
            raise ValueError(f"{sorted(missing)[0]} has handed in nothing for {name}")
        gradebook.enter(course, name)
        todo = []
        for learner in learners:
            if wanted and learner not in wanted:
                continue
            try:
                own = personal.assignment_of(course, assignment, learner)
            except FileNotFoundError as error:  # others have a variant
                outcome = failed(_task(course, learner, assignment, rules), str(error))
                _keep(course, outcome)
                gradebook.enter(course, name, [learner])
                made.failed.append(learner)
                if tell is not None:
                    tell(outcome.record, len(made.judged), len(todo))
                continue
            if not again and _is_judged(course, learner, own):
                made.kept.append(learner)
            else:
                todo.append(learner)
        tasks = (
            _task(course, learner, personal.assignment_of(course, assignment, learner), rules)
            for learner in todo
        )
        judging = pool.run(tasks, min(jobs, len(todo)) or 1) if run is None else run(tasks)
        with contextlib.closing(judging):
            for task, outcome in judging:
                _keep(course, outcome)
                gradebook.enter(course, name, [task.learner])
                made.judged.append(task.learner)
                if outcome.record.failed:
                    made.failed.append(task.learner)
                if tell is not None:
                    tell(outcome.record, len(made.judged), len(todo))
    made.seconds = time.monotonic() - start
    return made


def _task(course: Course, learner: str, assignment: Assignment, rules: Rules) -> Task:
    folder = course.submitted(learner, assignment.name)
    files, known = submission.came_in(folder), submission.read(folder)
    submitted, notes = None, ["not taken in by `course collect`"]
    if known is not None:
        submitted, notes = known.submitted, known.notes
    return Task(
        learner=learner,
        assignment=assignment,
        files=files,
        digest=submission.digest_of(files),
        submitted=submitted,
        notes=tuple(notes),
        rules=rules,
    )


def _is_judged(course: Course, learner: str, assignment: Assignment) -> bool:
    """Whether the record is of these files and this release, and the grader did not fail."""
    try:
        known = record.read(course.autograded(learner, assignment.name) / record.FILE)
    except (FileNotFoundError, ValueError):
        return False
    files = submission.came_in(course.submitted(learner, assignment.name))
    now = (submission.digest_of(files), assignment.digest, "")
    return (known.digest, known.release, known.failed) == now


def _keep(course: Course, outcome: Outcome) -> None:
    """Write what came out; the record last, for it says that the rest is there."""
    judged = outcome.record
    folder = course.autograded(judged.learner, judged.assignment)
    keep_in(folder, outcome)


def keep_in(folder: Path, outcome: Outcome) -> None:
    """Write notebooks and record into a folder; a crash leaves no record."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / record.FILE).unlink(missing_ok=True)
    for path in folder.glob("*.ipynb"):
        if path.stem not in outcome.notebooks:
            path.unlink()
    for name, text in outcome.notebooks.items():
        write_file(folder / f"{name}.ipynb", text)
    record.write(folder / record.FILE, outcome.record)
