"""A process that judges one submission after the other: `python -m course_lib.grading.worker`.

It can be killed at any moment: what it was at is judged again by another one. It ends when whoever
started it does, and everything that it started ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from course_lib.grading.task import Bench, Outcome, Task

PDEATHSIG = 1
LARGEST = 128 << 20  # bytes of an outcome


class Worker:
    """Such a process, seen by whoever started it; it does one task at a time."""

    def __init__(self) -> None:
        """Start it; it is ready at once, and slow for the first task."""
        self.connection, theirs = Pipe()
        number = theirs.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(number), str(os.getpid())],
            pass_fds=(number,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # a Ctrl-C is for the grader, which then ends its workers
        )
        theirs.close()
        self.task: Task | None = None
        self.until = 0.0

    def give(self, task: Task, seconds: float) -> None:
        """Give it a task, and so many seconds for it."""
        self.task, self.until = task, time.monotonic() + seconds
        # A worker that is dead already is noticed when its answer is awaited.
        with contextlib.suppress(OSError):
            self.connection.send_bytes(pickle.dumps(task))

    def answer(self) -> Outcome:
        """The outcome of its task.

        Raises:
            EOFError: It died.
            RuntimeError: It could not do it, and says why.
        """
        self.task = None
        try:
            said = self.connection.recv_bytes(LARGEST)
        except OSError as error:
            raise EOFError(str(error)) from error
        if said.startswith(b"failed "):
            raise RuntimeError(said[7:].decode("utf-8", "replace"))
        return Outcome.unpacked(said)

    def close(self) -> None:
        """End it, with all that it started."""
        with contextlib.suppress(OSError):
            self.connection.close()
        self.process.kill()
        self.process.wait()


def main(number: int, parent: int) -> None:
    """Judge what comes, until nothing comes any more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    connection, bench = Connection(number), Bench()
    with contextlib.suppress(EOFError, OSError):
        while True:
            task = pickle.loads(connection.recv_bytes())
            try:
                said = bench.judge(task).packed()
            except Exception as error:
                said = f"failed {type(error).__name__}: {error}"[:2_000].encode()
            connection.send_bytes(said)
    bench.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
