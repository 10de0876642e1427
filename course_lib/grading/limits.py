"""What the processes of a sandbox may use, and the thread that sees to it.

The system limits each process by itself; all of them together are held by a control group where one
can be had (`cgroup`), and watched in any case: time, files and the folder of the sockets are in no
group.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

GB, MB = 1 << 30, 1 << 20
LOOK = 0.1  # seconds between two looks of the watcher
MAPPED = GB  # what a process with torch maps for writing and hardly touches
PRIVATE_BYTES = 16 * MB  # what may lie in the private folder: sockets and a small file
FILES = 4_096  # open in all processes together; each socket can hold memory that nobody counts


@dataclass(frozen=True)
class Limits:
    """What the processes of one sandbox may use, all together unless it says otherwise."""

    memory: int = 4 * GB  # bytes
    tasks: int = 128  # processes and threads; a kernel with torch has about 15
    cpu_seconds: int = 300  # of each process
    seconds: float = 900.0  # by the clock, for the sandbox
    file_bytes: int = 256 * MB  # of one file
    disk_bytes: int = 512 * MB  # of each of home, /tmp and /dev/shm

    def __post_init__(self) -> None:
        """Refuse limits with which no kernel starts."""
        if self.memory < GB or self.tasks < 32:
            raise ValueError(
                f"got memory={self.memory}, tasks={self.tasks}; a kernel with torch needs at least "
                f"{GB} bytes and 32 tasks: raise them"
            )


class Watcher(threading.Thread):
    """Ends a sandbox that uses more than it may, and knows why it ended.

    Attributes:
        reason: What was used up, in words for the learner; empty while nothing is.
    """

    def __init__(
        self, init: psutil.Process, private: str, limits: Limits, kill: Callable[[], None]
    ) -> None:
        """Watch the sandbox whose first process is `init`; `kill` ends it."""
        super().__init__(daemon=True, name="sandbox watcher")
        self.init, self.private, self.limits, self._kill = init, private, limits, kill
        self.reason, self.peak = "", 0
        self._over = threading.Event()
        self._until = time.monotonic() + limits.seconds

    def run(self) -> None:
        """Look until it is over."""
        while not self.reason and not self._over.wait(LOOK):
            with contextlib.suppress(psutil.Error, OSError):
                self.reason = self._look()
        if self.reason:
            self._kill()

    def stop(self) -> None:
        """No longer look."""
        self._over.set()

    def _look(self) -> str:
        limits = self.limits
        if time.monotonic() > self._until:
            return f"it ran longer than {limits.seconds:g} s"
        memory = tasks = opened = 0
        everyone = [self.init, *self.init.children(recursive=True)]
        for process in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                used = process.memory_info()
                memory += used.rss - used.shared
                tasks += process.num_threads()
                opened += process.num_fds()
        if memory > limits.memory / 2:  # what forked processes share was counted for each of them
            memory = 0
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    memory += process.memory_full_info().pss
        self.peak = max(self.peak, memory)
        if memory > limits.memory:
            return f"it used more than {limits.memory / GB:.1f} GB of memory"
        if tasks > limits.tasks:
            return f"it started more than {limits.tasks} processes and threads"
        if opened > FILES:
            return f"it opened more than {FILES} files and sockets"
        with os.scandir(self.private) as entries:
            lies = [
                (e.is_dir(follow_symlinks=False), e.stat(follow_symlinks=False)) for e in entries
            ]
        size = sum(found.st_blocks * 512 for _, found in lies)
        if size > PRIVATE_BYTES or len(lies) > 100 or any(folder for folder, _ in lies):
            return "it filled the folder of its sockets"
        return ""
