"""A queue for long trainings: it takes what is missing, may be killed at any moment, and goes on.

    course results run --queue --minutes 60 --threads 1
    course results queue

The order: what was begun first; then claims with a higher priority; on a GPU those with the most
minutes for each seed, for there it gains most; then the order of the list. What failed the last
time comes last. A training that fails is noted and left, and the queue goes on.

One queue works in a folder of trainings on each machine. Several machines may share the folder:
each takes seeds that no other process is at.
"""

import _thread
import json
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from filelock import FileLock, Timeout

from course_lib.results.claim import Claim
from course_lib.results.runner import Busy, Place, say
from course_lib.results.session import unfinished
from course_lib.train.engine import pick_device
from course_lib.train.files import whole, write_json

Job = tuple[Claim, int]  # a claim and one of its seeds


@dataclass
class State:
    """What a queue says of itself in ``queue-HOST.json``, beside the trainings.

    Jobs are called "CLAIM seed N"; times are seconds since 1970.

    Attributes:
        path: of that file.
        host: name of the machine.
        pid: number of the process.
        device: where it computes.
        threads: how many it computes with.
        since: when it started.
        until: when its minutes are over.
        now: claim, seed and start of what it measures.
        done: the jobs that it has done.
        busy: the jobs that it left to other processes.
        failed: job, or claim, and error.
        failed_before: the jobs that failed the last time and were not tried since.
        ended: why it ended; "" while it works, or after a kill.
    """

    path: Path
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    device: str = "cpu"
    threads: int = field(default_factory=torch.get_num_threads)
    since: float = field(default_factory=time.time)
    until: float | None = None
    now: tuple[str, int, float] | None = None
    done: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    failed_before: list[str] = field(default_factory=list)
    ended: str = ""

    def write(self) -> None:
        """Write it whole, for `course results queue` and for the next queue."""
        write_json(self.path, {k: v for k, v in asdict(self).items() if k != "path"})

    @classmethod
    def read(cls, path: Path) -> "State | None":
        """Return what the last queue wrote, if it did and it can be read."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, **content)
        except (OSError, ValueError, TypeError):
            return None

    def alone(self) -> AbstractContextManager[object]:
        """Hold the place of the one queue.

        Raises:
            ValueError: if another one holds it, saying which.
        """
        try:
            return FileLock(self.path.with_suffix(".lock")).acquire(timeout=0.5)
        except Timeout as error:
            other = State.read(self.path) or self
            raise ValueError(
                f"A queue is at work in {self.path.parent} already (process {other.pid}, since "
                f"{clock(other.since)}); `course results queue` shows it. Let it work, or choose "
                "another folder with --runs."
            ) from error


class Deadline:
    """End the work as Ctrl-C does when the minutes are over, and on SIGTERM.

    A training takes Ctrl-C as a request to save and stop between two steps. `over` tells afterwards
    whether it was the time; that interruption does not leave the ``with`` block.
    """

    def __init__(self, minutes: float | None) -> None:
        self.over = False
        self._timer = threading.Timer(60 * minutes, self._end) if minutes is not None else None

    def _end(self) -> None:
        self.over = True
        _thread.interrupt_main()

    def __enter__(self) -> "Deadline":
        # A shell starts what it sends to the background with Ctrl-C ignored.
        self._interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
        self._terminate = signal.signal(
            signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT)
        )
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGINT, self._interrupt)
        return self.over and kind is KeyboardInterrupt


def settle(threads: int | None) -> None:
    """Make this process a quiet one: low priority, so many threads, no progress bars."""
    if threads is not None:
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # of processes that it starts
    os.environ.setdefault("COURSE_PROGRESS", "0")
    if hasattr(os, "nice"):
        os.nice(10)


def work(
    place: Place,
    *,
    only: Iterable[str] | None = None,
    seeds: Iterable[int] | None = None,
    minutes: float | None = None,
) -> list[str]:
    """Measure what is missing until nothing is left or the minutes are over.

    Args:
        place: where, with what, and which list of claims.
        only: names of claims; default: all.
        seeds: only these.
        minutes: after so many the training in hand is saved, and the queue ends.

    Returns:
        What failed, and what was left out and why, a line for each.

    Raises:
        ValueError: for an unknown claim or seed, or another queue at work here.
        OSError: for folders that cannot be written, or have too little room.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the training in hand is saved.
    """
    chosen, device = place.chosen(only, seeds), pick_device(place.device)
    place.check()
    state = State(place.runs_dir / f"queue-{socket.gethostname()}.json", device=str(device))
    if minutes is not None:
        state.until = state.since + 60 * minutes
    claims: list[Claim] = []
    with state.alone():
        old = State.read(state.path)
        if old is not None:
            state.failed_before = list(dict.fromkeys([*old.failed, *old.failed_before]))
        try:
            with Deadline(minutes) as deadline:
                claims = [claim for claim in chosen if _readable(place, claim, state)]
                while not deadline.over and (job := _next(place, claims, seeds, state)):
                    _take(place, job, state)
            state.ended = "the time was over" if deadline.over else "nothing was left to do"
        except (KeyboardInterrupt, OSError) as error:
            state.ended = str(error) if isinstance(error, OSError) else "stopped"
            raise
        finally:
            state.now = None
            state.write()
    reasons = {c.name: place.obstacle(c, seeds) for c in claims if place.missing(c, seeds)}
    left_out = {name: f"left out, {reason}" for name, reason in reasons.items() if reason}
    return [f"{name}: {text}" for name, text in {**state.failed, **left_out}.items()]


def jobs(
    place: Place,
    claims: Iterable[Claim],
    seeds: Iterable[int] | None = None,
    *,
    gpu: bool = False,
    last: Iterable[str] = (),
) -> list[Job]:
    """Return what is missing, in the order in which the queue takes it.

    Args:
        place: where.
        claims: of these, in the order of the list.
        seeds: only these.
        gpu: whether a GPU computes.
        last: jobs that failed before.
    """

    def rank(job: Job) -> tuple[bool, bool, int, float]:
        claim, seed = job
        begun = unfinished(place.folder(claim, seed)) is not None
        gain = claim.minutes / len(claim.seeds) if gpu else 0.0
        return called(job) in last, not begun, -claim.priority, -gain

    missing = [(claim, seed) for claim in claims for seed in place.missing(claim, seeds)]
    return sorted(missing, key=rank)


def called(job: Job) -> str:
    """Return the name of a job."""
    return f"{job[0].name} seed {job[1]}"


def clock(seconds: float) -> str:
    """Write a time for people."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _readable(place: Place, claim: Claim, state: State) -> bool:
    """Tell whether the result files of a claim can be read; note it if not.

    What was measured completely and not shipped, because of a kill, is shipped.
    """
    try:
        place.missing(claim)
        place.obstacle(claim)
        place.ship_best(claim)
    except (ValueError, OSError) as error:
        state.failed[claim.name] = str(error)
        return False
    return True


def _next(
    place: Place, claims: list[Claim], seeds: Iterable[int] | None, state: State
) -> Job | None:
    """Return the first job that is ready and was not tried yet; each that is done may change it."""
    gpu, tried = state.device.startswith("cuda"), {*state.done, *state.busy, *state.failed}
    for job in jobs(place, claims, seeds, gpu=gpu, last=state.failed_before):
        if called(job) not in tried and not place.obstacle(job[0], seeds):
            return job
    return None


def _take(place: Place, job: Job, state: State) -> None:
    """Measure one seed; whatever goes wrong is noted, but a full disk ends the queue."""
    (claim, seed), name = job, called(job)
    errors = place.folder(claim, seed) / "error.txt"
    place.check()
    state.now = claim.name, seed, time.time()
    state.write()
    try:
        place.measure(claim, seed)
        state.done.append(name)
        errors.unlink(missing_ok=True)
    except Busy as busy:
        say(str(busy))
        state.busy.append(name)
    except Exception as error:  # the other trainings go on
        state.failed[name] = (str(error) or type(error).__name__).splitlines()[0]
        say(f"{claim.name}: seed {seed} failed: {state.failed[name]}")
        with whole(errors) as file:
            file.write(traceback.format_exc().encode())
    state.failed_before = [other for other in state.failed_before if other != name]
