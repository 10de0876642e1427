"""Workers on this machine: tasks are handed out one by one, and taken up again when one dies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable
from multiprocessing.connection import wait

from course_lib.grading.task import Outcome, Task, failed
from course_lib.grading.worker import Worker

TRIES = 2  # of one submission, with a worker that dies
SECONDS = 1_800.0  # of one submission; its cells and tests have limits of their own


def run(
    tasks: Iterable[Task], jobs: int, *, seconds: float = SECONDS
) -> Generator[tuple[Task, Outcome], None, None]:
    """Judge all tasks; each outcome is given as soon as it is there.

    Args:
        tasks: Taken one by one, as workers get free.
        jobs: Workers.
        seconds: Of one submission, after which its worker is ended.

    Yields:
        Each task once, with its outcome; where the worker died twice, `failed` says so.
    """
    waiting, again = iter(tasks), deque[Task]()
    tries: dict[int, int] = {}
    workers: list[Worker] = []
    try:
        while True:
            idle = [worker for worker in workers if worker.task is None]
            while idle or len(workers) < jobs:
                task = again.popleft() if again else next(waiting, None)
                if task is None:
                    break
                if not idle:
                    idle.append(Worker())
                    workers.append(idle[0])
                tries[id(task)] = tries.get(id(task), 0) + 1
                idle.pop().give(task, seconds)
            busy = {worker.connection: worker for worker in workers if worker.task is not None}
            if not busy:
                return
            now = time.monotonic()
            nearest = min(worker.until for worker in busy.values())
            ready = set(wait(list(busy), timeout=max(0.0, nearest - now)))
            late = [w for w in busy.values() if w.until <= time.monotonic()]
            for worker in [w for c, w in busy.items() if c in ready or w in late]:
                task = worker.task
                assert task is not None
                try:
                    if worker.connection not in ready:
                        raise EOFError(f"it took longer than {seconds:g} s")
                    outcome = worker.answer()
                except (EOFError, RuntimeError, ValueError) as error:
                    if not isinstance(error, RuntimeError):
                        worker.close()
                        workers.remove(worker)
                    worker.task = None
                    if tries[id(task)] < TRIES:
                        again.append(task)
                        continue
                    reason = str(error) or "its process died twice"
                    outcome = failed(task, f"the grader failed: {reason}")
                del tries[id(task)]
                yield task, outcome
    finally:
        for worker in workers:
            worker.close()
