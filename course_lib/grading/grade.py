"""Grades an assignment: who is not judged yet is, and the gradebook gets what came of it.

It may be killed at any moment, and started again: what has a record with the digest of the files
that are there now, and of the release, is not judged again, and a record is written whole or not at
all. One process writes records and gradebook; `pool` or `cluster` judges.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.grading import (
    gradebook,
    intake,
    personal,
    pool,
    record,
    release,
    submission,
)
from course_lib.grading.folder import Course, files_of, write_file
from course_lib.grading.private import sweep
from course_lib.grading.record import Record
from course_lib.grading.sandbox import require_sandbox
from course_lib.grading.task import Assignment, Outcome, Rules, Task, failed

Runner = Callable[[Iterable[Task]], Generator[tuple[Task, Outcome], None, None]]


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
        for learner in gradebook.pending(course, name):
            with contextlib.suppress(ValueError):  # a damaged record: it is judged again
                gradebook.enter(course, name, [learner])
        todo: dict[str, list[int]] = {}
        own: dict[str, Assignment] = {}
        broken: dict[str, str] = {}
        for learner in learners:
            if wanted and learner not in wanted:
                continue
            try:
                own[learner] = personal.assignment_of(course, assignment, learner)
                attempts = _open(course, learner, own[learner], again)
            except (FileNotFoundError, ValueError) as error:  # costs this learner only
                broken[learner] = str(error)
                continue
            if attempts is None:
                made.kept.append(learner)
            else:
                todo[learner] = attempts
        whole = len(todo) + len(broken)

        def finish(learner: str, judged: Record) -> None:
            gradebook.enter(course, name, [learner])
            made.judged.append(learner)
            if judged.failed:
                made.failed.append(learner)
            if tell is not None:
                tell(judged, len(made.judged), whole)

        for learner, reason in broken.items():
            outcome = failed(Task(learner, assignment, {}, "none", rules=rules), reason)
            keep_in(course.autograded(learner, name), outcome)
            finish(learner, outcome.record)
        for learner in [who for who, attempts in todo.items() if not attempts]:
            finish(learner, _best(course, learner, own[learner]))  # a crash came in between
        tasks = (
            _task(course, learner, own[learner], rules, attempt)
            for learner, attempts in list(todo.items())
            for attempt in list(attempts)
        )
        number = sum(map(len, todo.values()))
        judging = pool.run(tasks, min(jobs, number) or 1) if run is None else run(tasks)
        with contextlib.closing(judging):
            for task, outcome in judging:
                keep_in(_place(course, task), outcome)
                todo[task.learner].remove(task.attempt)
                if not task.attempt:
                    finish(task.learner, outcome.record)
                elif not todo[task.learner]:
                    finish(task.learner, _best(course, task.learner, task.assignment))
    made.seconds = time.monotonic() - start
    return made


def _open(course: Course, learner: str, assignment: Assignment, again: bool) -> list[int] | None:
    """The attempts that are to be judged; 0: the one that counts. None: nothing is to be done."""
    counts = course.submitted(learner, assignment.name)
    known = submission.read(counts)
    official = course.autograded(learner, assignment.name)
    if known is None or known.choose != "best":
        return None if not again and _is_judged(official, counts, assignment) else [0]
    attempts = intake.kept(course, assignment.name, learner)
    missing = [
        attempt.attempt
        for folder, attempt in attempts
        if again or not _is_judged(_beside(folder), folder, assignment)
    ]
    if missing or not _is_judged(official, counts, assignment):
        return missing
    best = max(attempts, key=lambda pair: _rank(_beside(pair[0]), pair[1]))
    return None if best[1].attempt == known.attempt else missing


def _beside(attempt: Path) -> Path:
    """Where what came of one attempt of several lies; the attempt's own folder never changes."""
    return attempt.with_name(f"judged-{attempt.name}")


def _rank(place: Path, attempt: submission.Submission) -> tuple[float, str, int]:
    """The better attempt is the greater; of equal ones, the later."""
    return record.read(place / record.FILE).points, attempt.submitted or "", attempt.attempt


def _best(course: Course, learner: str, assignment: Assignment) -> Record:
    """Let the best of a learner's attempts count."""
    attempts = intake.kept(course, assignment.name, learner)
    folder, attempt = max(attempts, key=lambda pair: _rank(_beside(pair[0]), pair[1]))
    intake.settle(course, assignment.name, learner, "best", attempt.attempt)
    judged = record.read(_beside(folder) / record.FILE)
    texts = {p.stem: p.read_text("utf-8") for p in _beside(folder).glob("*.ipynb")}
    keep_in(course.autograded(learner, assignment.name), Outcome(judged, texts))
    return judged


def _place(course: Course, task: Task) -> Path:
    """Where what comes of a task is written."""
    if not task.attempt:
        return course.autograded(task.learner, task.assignment.name)
    return _beside(course.collected(task.assignment.name) / task.learner / f"{task.attempt:03d}")


def _task(course: Course, learner: str, assignment: Assignment, rules: Rules, attempt: int) -> Task:
    folder = course.submitted(learner, assignment.name)
    if attempt:
        folder = course.collected(assignment.name) / learner / f"{attempt:03d}"
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
        attempt=attempt,
    )


def _is_judged(place: Path, submitted: Path, assignment: Assignment) -> bool:
    """Whether the record is of these files and this release, and the grader did not fail."""
    try:
        known = record.read(place / record.FILE)
    except (FileNotFoundError, ValueError):
        return False
    now = (submission.digest_of(submission.came_in(submitted)), assignment.digest, "")
    return (known.digest, known.release, known.failed) == now


def keep_in(folder: Path, outcome: Outcome) -> None:
    """Write notebooks and record into a folder; the record last, for it says that all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / record.FILE).unlink(missing_ok=True)
    for path in folder.glob("*.ipynb"):
        if path.stem not in outcome.notebooks:
            path.unlink()
    for name, text in outcome.notebooks.items():
        write_file(folder / f"{name}.ipynb", text)
    record.write(folder / record.FILE, outcome.record)
