"""Files that are there whole or not at all, and folders that one run at a time writes into."""

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import psutil  # type: ignore[import-untyped]
from filelock import FileLock, Timeout

# .NAME.MACHINE.PROCESS, while it is written
HALF = re.compile(r"\..+\.(?:pt|json|safetensors|png)\.([\w-]+)\.(\d+)")
HERE = re.sub(r"[^\w-]", "-", socket.gethostname())
DAY = 24 * 3600  # a half-written file as old as this belongs to nobody
CURES = {
    errno.ENOSPC: "The disk is full: free some space, or choose another folder",
    errno.EDQUOT: "Your share of the disk is used up: delete something, or choose another folder",
    errno.EFBIG: "Files may not be as large here: raise the limit, or choose another folder",
    errno.EACCES: "Choose a folder that you may write to",
    errno.EROFS: "The disk is read-only: choose another folder",
}


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write into, which takes the place of `path` once all of it is on the disk.

    Raises:
        OSError: in one line, with the cure; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{HERE}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise explained(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people to read, whole or not at all."""
    with whole(path) as file:
        file.write(json.dumps(content, indent=1).encode())


def sweep(folder: Path) -> None:
    """Delete what processes that were killed while they wrote have left in a folder."""
    for path in folder.glob(".*"):
        process = HALF.fullmatch(path.name)
        with contextlib.suppress(OSError):  # another process sweeps, too
            gone = process and process[1] == HERE and not psutil.pid_exists(int(process[2]))
            if gone or (process and time.time() - path.stat().st_mtime > DAY):
                path.unlink()


def check_room(folder: Path, size: int) -> None:
    """Make a folder, and find out before the work, not after it, whether its outcome can be kept.

    Args:
        folder: made if it is not there.
        size: bytes that will be written into it.

    Raises:
        OSError: if it cannot be written to, or has too little room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise explained(folder, error) from error
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            f"{folder} has {free / 1e6:,.0f} MB free, and about {size / 1e6:,.0f} MB are needed. "
            f"{CURES[errno.ENOSPC]}."
        )


@contextlib.contextmanager
def claimed(folder: Path, size: int) -> Iterator[None]:
    """Keep a run's folder for this process, after a look whether the run can be saved there.

    The system lets go of the lock however the process ends.

    Args:
        folder: made if it is not there.
        size: bytes that will be written into it.

    Raises:
        ValueError: if another process writes there.
        OSError: if it cannot be written to, or has too little room.
    """
    check_room(folder, size)
    path, holder = folder / ".lock", ""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
        path.write_text(f" ({os.getpid()} on {socket.gethostname()})")
    except Timeout as error:
        with contextlib.suppress(OSError):  # Windows lets nobody read it
            holder = path.read_text()
        raise ValueError(
            f"Another process{holder} is training in {folder} at this moment. Wait for it, stop "
            "it, or choose another folder."
        ) from error
    except (OSError, NotImplementedError):
        pass  # a file system without locks
    try:
        sweep(folder)
        yield
    finally:
        lock.release()


def one_line(error: Exception) -> str:
    """Return the beginning of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def explained(path: Path, error: OSError | RuntimeError) -> OSError | RuntimeError:
    """Return the error with the file's name, the cause and the cure, if the disk is at fault.

    PyTorch's writer hides the system's error behind one of its own.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if cause is None or cause.errno is None:
        return error
    cure = CURES.get(cause.errno, "Choose another folder")
    return type(cause)(f"{path} cannot be written ({cause.strerror}). {cure}.")
