"""Grading by Dask: a worker that is killed in the middle costs nobody anything."""

from __future__ import annotations

import contextlib
import time

import nbformat
import psutil
import pytest

from course_lib.grading import grade, release
from course_lib.grading.task import Rules, Task
from tests.grading import kit

cluster = pytest.importorskip("course_lib.grading.cluster")
ANSWERS = {"ada": kit.RIGHT, "bob": kit.RIGHT, "eve": "def iou(*a): return 1"}


def dask_workers() -> list[psutil.Process]:
    """Those at work: the parents of processes that judge."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "course_lib.grading.worker" in process.cmdline():
                found.append(process.parent())
    return [process for process in found if process is not None]


@pytest.mark.sandbox
@pytest.mark.slow
def test_what_a_killed_worker_was_at_is_judged_by_another(tmp_path):
    course = kit.new_course(tmp_path / "course")
    release.release(course, "unet", base=kit.ROOT / "notebooks" / "exercises", only=["iou"])
    assignment = grade.assignment_of(course, "unet")
    source = kit.source("unet", "iou")
    tasks = []
    for who, answer in ANSWERS.items():
        text = nbformat.writes(kit.submission(source, answer), version=4)
        tasks.append(Task(who, assignment, {"iou.ipynb": text.encode()}, who, rules=Rules()))
    points, killed = {}, []
    started = time.monotonic()
    for task, outcome in cluster.run(tasks, jobs=2):
        assert task.learner not in points and not outcome.record.failed
        points[task.learner] = outcome.record.points
        if not killed:
            killed = dask_workers()[:1]
            killed[0].kill()
    assert len(killed) == 1 and points == {"ada": 5.0, "bob": 5.0, "eve": 0.0}
    assert time.monotonic() - started < 300
