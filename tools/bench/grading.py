"""Grades a made-up class, kills the grader and its workers, and compares with plain nbgrader.

`python -m tools.bench grading` makes a class, lets `course grade` judge it with two workers, kills
it three times at random moments with SIGKILL and starts it again; judges honest ones with and
without nbgrader's own `autograde`; and judges a class by two Dask workers, of which one is killed.
Each table of grades must be the expected one. The figures are printed and written to
`_build/bench/grading.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbgrader.api import Gradebook

from course_lib.grading import intake, practice_class, record, release, roster
from course_lib.grading.folder import Course
from tools.common import ROOT, ToolError, say

ASSIGNMENT = "unet"
NOTEBOOKS = ("iou", "flip_together")
Table = dict[tuple[str, str, str], float | None]


class Memory(threading.Thread):
    """The most memory that this process's children used together, shared pages counted once."""

    def __init__(self, root: int, every: float = 1.0) -> None:
        super().__init__(daemon=True)
        self.root, self.every, self.peak = psutil.Process(root), every, 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(self.every):
            whole = 0
            with contextlib.suppress(psutil.Error):
                for process in [self.root, *self.root.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        whole += process.memory_full_info().pss
            self.peak = max(self.peak, whole)


def make(
    folder: Path, number: int, seed: int = 0, only: Sequence[str] = NOTEBOOKS
) -> tuple[Course, list[practice_class.Handed]]:
    """A course folder in which a class has handed in."""
    course = release.make_course(folder / "course")
    release.release(course, ASSIGNMENT, base=ROOT / "notebooks" / "exercises", only=only)
    people = practice_class.people(number, seed)
    practice_class.write_roster(folder / "class.csv", people)
    handed = practice_class.hand_in(
        people, lambda who: practice_class.of_course(course, ASSIGNMENT, who), seed
    )
    path = practice_class.write(folder, handed, "moodle", ASSIGNMENT)
    who = roster.read(folder / "class.csv")
    lines = intake.collect(course, ASSIGNMENT, [path], platform="moodle", roster=who)
    refused = [str(line) for line in lines if not line.taken]
    if refused or len(lines) != number:
        raise ToolError(f"not everybody was collected: {refused[:3]}")
    return course, handed


def expected(handed: Sequence[practice_class.Handed]) -> Table:
    """The table that must come out."""
    return {
        (one.learner.id, notebook, question): points
        for one in handed
        for (notebook, question), points in one.points.items()
    }


def recorded(course: Course, assignment: str = ASSIGNMENT) -> Table:
    """What the records say."""
    return {
        (learner, notebook.name, question.name): None if question.by_hand else question.points
        for learner, judged in record.read_all(course, assignment).items()
        for notebook in judged.notebooks
        for question in notebook.questions
    }


def entered(course: Course, assignment: str = ASSIGNMENT) -> Table:
    """What the gradebook says."""
    with Gradebook(course.database) as gradebook:
        return {
            (submission.student.id, book.name, grade.name): (
                None if grade.needs_manual_grade else grade.auto_score
            )
            for submission in gradebook.assignment_submissions(assignment)
            for book in submission.notebooks
            for grade in book.grades
        }


def compare(course: Course, wanted: Table) -> None:
    """Fail unless records and gradebook say what was expected."""
    for name, table in (("records", recorded(course)), ("gradebook", entered(course))):
        wrong = {k: (wanted.get(k), table.get(k)) for k in {*wanted, *table}}
        wrong = {k: pair for k, pair in wrong.items() if pair[0] != pair[1]}
        if wrong:
            raise ToolError(
                f"the {name} are not what was expected: {dict(list(wrong.items())[:5])}"
            )


def command(course: Course, *words: str) -> list[str]:
    start = [sys.executable, "-m", "course_lib.cli", "grade", ASSIGNMENT]
    return [*start, "--course", str(course.root), "--cell-seconds", "20", *words]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "COURSE_PROGRESS": "0", "OMP_NUM_THREADS": "1"}


@contextlib.contextmanager
def running(words: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, ended in the end."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            list(words), stdout=stream, stderr=stream, env=environment(), start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def leftovers() -> list[str]:
    """What graders left that are gone: processes of theirs, and folders of sockets."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        words = " ".join(process.info["cmdline"] or [])
        ours = "course_lib.grading.worker" in words or "course_inside" in words
        if ours and process.info["ppid"] == 1:
            found.append(words[:100])
    return found


def judged_files(course: Course) -> dict[str, float]:
    """The time of each record."""
    return {
        who: path.stat().st_mtime
        for who in course.learners(ASSIGNMENT, "autograded")
        if (path := course.autograded(who, ASSIGNMENT) / record.FILE).is_file()
    }


def killed(course: Course, wanted: Table, number: int, kills: int, seed: int) -> dict[str, Any]:
    """Grade with two workers, killed so many times; nothing is lost, nobody judged twice."""
    dice, start, peak, again = random.Random(seed), time.monotonic(), 0, 0
    moments = sorted(dice.uniform(0.1, 0.9) * number for _ in range(kills))
    log = course.root / "grade.log"
    for moment in [*moments, None]:
        before = judged_files(course)
        with running(command(course, "--jobs", "2"), log) as process:
            memory = Memory(process.pid)
            memory.start()
            while process.poll() is None:
                time.sleep(0.2)
                if moment is not None and len(judged_files(course)) >= moment:
                    time.sleep(dice.uniform(0, 2))
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
                    say(f"killed at {len(judged_files(course))} of {number}")
                    break
            memory.over.set()
            peak = max(peak, memory.peak)
        after = judged_files(course)
        again += sum(after.get(who) != made for who, made in before.items())
        time.sleep(1)
        if left := leftovers():
            raise ToolError(f"after the kill these were left: {left[:3]}")
    if again:
        raise ToolError(f"{again} were judged twice")
    compare(course, wanted)
    seconds = time.monotonic() - start
    return {
        "learners": number,
        "kills": kills,
        "seconds": round(seconds),
        "a minute": round(60 * number / seconds, 1),
        "peak memory GB": round(peak / (1 << 30), 2),
    }


def honest(folder: Path, number: int) -> dict[str, Any]:
    """The same honest submissions by `course grade` and by plain nbgrader."""
    course = release.make_course(folder / "course")
    release.release(course, ASSIGNMENT, base=ROOT / "notebooks" / "exercises", only=NOTEBOOKS)
    for who in practice_class.people(number):
        place = course.submitted(who.id, ASSIGNMENT)
        place.mkdir(parents=True)
        books = practice_class.of_course(course, ASSIGNMENT, who.id)
        for name, (source, _) in books.items():
            for cell in source.cells:
                cell.source = practice_class.solved(cell.source)
            nbformat.write(source, place / f"{name}.ipynb")
    log, figures = folder / "log", {}
    for name, words in (
        ("ours, two workers", command(course, "--jobs", "2")),
        ("ours, one worker", command(course, "--jobs", "1", "--again")),
    ):
        figures[name] = _timed(words, number, log, course.root)
        wrong = [points for points in recorded(course).values() if not points]
        if wrong:
            raise ToolError(f"{name}: an honest answer did not get its points, see {log}")
    shutil.rmtree(course.root / "autograded")
    plain = [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT]
    figures["plain nbgrader"] = _timed(plain, number, log, course.root)
    figures["ratio, two workers"] = round(
        figures["ours, two workers"] / figures["plain nbgrader"], 2
    )
    figures["ratio, one worker"] = round(figures["ours, one worker"] / figures["plain nbgrader"], 2)
    return {"learners": number, **figures}


def _timed(words: Sequence[str], number: int, log: Path, folder: Path) -> float:
    start = time.monotonic()
    with log.open("ab") as stream:
        done = subprocess.run(
            list(words), stdout=stream, stderr=stream, env=environment(), cwd=folder, check=False
        )
    if done.returncode:
        raise ToolError(f"{words[1:4]} failed, see {log}")
    return round(60 * number / (time.monotonic() - start), 1)


def dask(course: Course, wanted: Table, number: int) -> dict[str, Any]:
    """Grade by two Dask workers, of which one is killed in mid-run."""
    start, log = time.monotonic(), course.root / "dask.log"
    known = course.root / "scheduler.json"
    tool = [sys.executable, "-m", "dask"]
    scheduler = [*tool, "scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(running([*scheduler, "--scheduler-file", str(known)], log))
        until = time.monotonic() + 60
        while not known.is_file() and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(0.5)
        address = json.loads(known.read_text())["address"]
        worker = [*tool, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        workers = [stack.enter_context(running(worker, log)) for _ in range(2)]
        time.sleep(10)
        grader = stack.enter_context(running(command(course, "--scheduler", address), log))
        while grader.poll() is None:
            time.sleep(0.2)
            if workers[0].poll() is None and len(judged_files(course)) >= number * 0.4:
                workers[0].kill()
                say(f"killed a Dask worker at {len(judged_files(course))} of {number}")
        if grader.returncode:
            raise ToolError(f"the grader failed, see {log}")
        if workers[0].poll() is None:
            raise ToolError("the run was over before a worker could be killed")
    compare(course, wanted)
    return {"learners": number, "seconds": round(time.monotonic() - start)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("what", choices=["grading"])
    parser.add_argument("--learners", type=int, default=200)
    parser.add_argument("--honest", type=int, default=40)
    parser.add_argument("--dask", type=int, default=60)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    out = ROOT / "_build" / "bench" / "grading.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "load before": round(os.getloadavg()[0], 2),
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        place = Path(folder)
        if given.honest:
            figures["honest"] = honest(place / "honest", given.honest)
            _told(figures, "honest", out)
        if given.learners:
            course, handed = make(place / "whole", given.learners, given.seed)
            figures["class"] = killed(
                course, expected(handed), given.learners, given.kills, given.seed
            )
            _told(figures, "class", out)
        if given.dask:
            course, handed = make(place / "dask", given.dask, given.seed + 1)
            figures["dask"] = dask(course, expected(handed), given.dask)
            _told(figures, "dask", out)


def _told(figures: dict[str, Any], name: str, out: Path) -> None:
    say(f"{name}: {json.dumps(figures[name])}")
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
