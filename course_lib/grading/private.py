"""Private folders: where the sockets of a kernel are, for as long as it lives.

Their names say whose process made them, so that what a killed grader left can be swept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from course_lib.grading.cgroup import orphaned
from course_lib.grading.cgroup import sweep as sweep_groups


def private_folder(base: str | None = None) -> str:
    """Make a folder for sockets, whose path leaves them short enough (107 bytes)."""
    if base is not None:
        return tempfile.mkdtemp(prefix="k", dir=base)
    prefix = f"course-{os.getpid()}-"
    for base in _bases():
        if os.access(base, os.W_OK) and len(base) < 55:
            return tempfile.mkdtemp(prefix=prefix, dir=base)
    return tempfile.mkdtemp(prefix=prefix)


def _bases() -> list[str]:
    """Where private folders are made."""
    run = os.environ.get("XDG_RUNTIME_DIR", "")
    return [base for base in (run, "/dev/shm", tempfile.gettempdir()) if os.path.isdir(base)]


def remove(folder: str) -> None:
    """Remove a folder in which a learner's code may have made others, however deep."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.isdir(folder):
        # Deeper than one process can open folders: a program that changes into them can.
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["rm", "-rf", "--", folder], timeout=60, check=False)


def sweep() -> int:
    """Remove what graders left that were killed: folders of sockets, and control groups.

    Returns:
        How many; those of processes that run stay.
    """
    removed = sweep_groups()
    for base in _bases():
        for folder in Path(base).glob("course-*-*"):
            if orphaned(folder.name) and folder.is_dir() and not folder.is_symlink():
                remove(str(folder))
                removed += not folder.exists()
    return removed
