"""Workers of a Dask cluster, for a large class: on this machine, or on many.

A Dask worker needs the course installed with its extra `grading`, and bubblewrap; it needs no file
of the course's. Each keeps one process that judges (`worker`): tests need a main thread of their
own, and a judge that dies must not take the Dask worker along. What a killed Dask worker was at is
given to another one by the scheduler. This process alone has the gradebook.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterable
from typing import Any

from distributed import Client, LocalCluster, WorkerPlugin, as_completed, get_worker
from distributed.scheduler import KilledWorker

from course_lib.grading.bubblewrap import SandboxError
from course_lib.grading.pool import SECONDS, TRIES
from course_lib.grading.sandbox import refusal
from course_lib.grading.task import Assignment, Outcome, Task, failed
from course_lib.grading.worker import Worker

PLUGIN = "course-judge"
CONNECT = 30  # seconds until a scheduler answers


class Judge(WorkerPlugin):
    """What a Dask worker keeps: the process that judges."""

    name = PLUGIN

    def __init__(self) -> None:
        self.process: Worker | None = None

    def teardown(self, worker: Any) -> None:
        """End the process with the Dask worker."""
        self.end()

    def end(self) -> None:
        """End the process; the next task starts another one."""
        if self.process is not None:
            self.process.close()
            self.process = None

    def judge(self, task: Task, seconds: float) -> bytes:
        """Judge one submission.

        Raises:
            EOFError: The process died, or took too long.
            RuntimeError: It could not do it, and says why.
        """
        if self.process is None:
            self.process = Worker()
        self.process.give(task, seconds)
        try:
            if not self.process.connection.poll(seconds):
                raise EOFError(f"it took longer than {seconds:g} s")
            return self.process.answer().packed()
        except EOFError:
            self.end()
            raise


def _judge(task: Task, assignment: Assignment, seconds: float) -> tuple[bytes, str]:
    """On a Dask worker: the outcome, or why there is none."""
    plugin: Any = get_worker().plugins[PLUGIN]
    whole = dataclasses.replace(task, assignment=assignment)
    reason = ""
    for _ in range(TRIES):
        try:
            return plugin.judge(whole, seconds), ""
        except (EOFError, RuntimeError, ValueError) as error:
            reason = str(error) or "its process died twice"
    return b"", reason


def run(
    tasks: Iterable[Task],
    *,
    address: str | None = None,
    jobs: int = 2,
    seconds: float = SECONDS,
) -> Generator[tuple[Task, Outcome], None, None]:
    """Judge all tasks on a cluster.

    Args:
        tasks: A few more than there are workers are sent at a time.
        address: Of the scheduler; None: a cluster of this machine's, for this run.
        jobs: Workers of that one.
        seconds: Of one submission.

    Yields:
        Each task once, with its outcome.

    Raises:
        SandboxError: A worker has no sandbox.
        ValueError: The scheduler does not answer, or has no worker.
    """
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_client(address, jobs, stack))
        client.register_plugin(Judge())
        waiting = iter(tasks)
        first = next(waiting, None)
        if first is None:
            return
        if first.rules.sandbox:
            for where, reason in client.run(refusal).items():
                if reason:
                    raise SandboxError(f"the worker {where} has no sandbox: {reason}")
        known: dict[str, Task] = {}
        shared: dict[str, Any] = {}  # what several have in common is sent once

        def submit(task: Task) -> Any:
            key = f"{task.learner}-{task.attempt}-{task.digest[:16]}-{len(known)}"
            known[key] = task
            if task.assignment.digest not in shared:
                shared[task.assignment.digest] = client.scatter(task.assignment, hash=False)
            small, common = (
                dataclasses.replace(task, assignment=_NONE),
                shared[task.assignment.digest],
            )
            return client.submit(_judge, small, common, seconds, key=key, pure=False)

        done = as_completed([submit(first)])
        width = 2 * max(1, sum(client.nthreads().values()))
        for _ in range(width - 1):
            task = next(waiting, None)
            if task is not None:
                done.add(submit(task))
        for future in done:
            task = known[future.key]
            try:
                data, reason = future.result()
                outcome = failed(task, f"the grader failed: {reason}")
                if not reason:
                    outcome = Outcome.unpacked(data)
            except KilledWorker:
                outcome = failed(task, "the grader failed: several workers died at it")
            following = next(waiting, None)
            if following is not None:
                done.add(submit(following))
            yield task, outcome


_NONE = Assignment("", "", {}, {})  # in the place of the one that is sent once


def _client(address: str | None, jobs: int, stack: contextlib.ExitStack) -> Client:
    if address is None:
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address=None, memory_limit=0
            )
        )
        return Client(cluster)
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {address} ({error}): start one with `dask scheduler`, "
            "and workers with `dask worker ADDRESS --nthreads 1`"
        ) from None
    if not client.nthreads():
        client.close()
        raise ValueError(
            f"the scheduler at {address} has no worker: `dask worker {address} --nthreads 1`"
        )
    return client
