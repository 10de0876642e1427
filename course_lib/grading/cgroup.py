"""A control group for one sandbox: the kernel's own limit on memory and tasks, where it can be had.

It can be had where this process may make groups below its own: as root, or in a unit that systemd
delegates (`systemd-run --user --scope -p Delegate=yes ...`). Version 2 limits both; of version 1
only `pids` is used. Where neither is there, `limits.Watcher` watches the processes instead.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Group:
    """One control group; `enter` is the file that takes a process number."""

    folder: Path
    memory: bool

    @property
    def enter(self) -> Path:
        """Whoever's number is written here is in the group, with all that it starts."""
        return self.folder / "cgroup.procs"

    def ran_out(self) -> bool:
        """Whether the kernel ended a process of the group for its memory."""
        with contextlib.suppress(OSError, ValueError):
            text = (self.folder / "memory.events").read_text(encoding="ascii")
            return int(dict(line.split() for line in text.splitlines())["oom_kill"]) > 0
        return False

    def remove(self) -> None:
        """Remove the group; its processes are gone, or will be in a moment."""
        until = time.monotonic() + 2
        while self.folder.exists():
            try:
                self.folder.rmdir()
            except OSError:
                if time.monotonic() > until:
                    return
                time.sleep(0.02)


def make_group(memory: int, tasks: int, *, root: Path = ROOT) -> Group | None:
    """Make a group with these limits below the group of this process.

    Args:
        memory: Bytes of all its processes, with their files in memory.
        tasks: Processes and threads.
        root: Where the control groups are mounted.

    Returns:
        The group; None where this process may not make one.
    """
    for line in _own_groups():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            parent, names = root / path.lstrip("/"), ["memory.max", "pids.max"]
        elif controllers == "pids":
            parent, names = root / "pids" / path.lstrip("/"), ["pids.max"]
        else:
            continue
        if not os.access(parent, os.W_OK):
            continue
        group = Group(
            parent / f"course-{os.getpid()}-{secrets.token_hex(6)}", memory="memory.max" in names
        )
        values = {"memory.max": memory, "pids.max": tasks}
        try:
            group.folder.mkdir()
            for name in names:
                _write(group.folder / name, str(values[name]))
        except OSError:  # no controllers are handed down here
            group.remove()
            continue
        with contextlib.suppress(OSError):
            _write(group.folder / "memory.oom.group", "1")
        return group
    return None


def sweep(*, root: Path = ROOT) -> int:
    """Remove the groups of processes that are gone, as after a `kill -9`; returns how many."""
    removed = 0
    for line in _own_groups():
        number, controllers, path = line.split(":", 2)
        if number != "0" and controllers != "pids":
            continue
        parent = root / ("" if number == "0" else "pids") / path.lstrip("/")
        for folder in parent.glob("course-*-*") if parent.is_dir() else []:
            if orphaned(folder.name):
                with contextlib.suppress(OSError):  # somebody is still in it
                    folder.rmdir()
                    removed += 1
    return removed


def orphaned(name: str) -> bool:
    """Whether `course-PID-...` was made by a process that is gone."""
    parts = name.split("-")
    if len(parts) < 3 or not parts[1].isdigit():
        return False
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _write(path: Path, text: str) -> None:
    """Write into a file that is there: the kernel makes them, nobody else may."""
    with open(os.open(path, os.O_WRONLY), "w", encoding="ascii") as stream:
        stream.write(text)


def _own_groups() -> list[str]:
    try:
        return Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
