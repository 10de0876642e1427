"""Decoded data on disk: the second call of `load` reads one file instead of thousands."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_VERSION = 2  # raise it when decoding changes, so that nothing old is read back
_DAY = 86400.0


def cache_dir() -> Path:
    """Return the folder for decoded and downloaded data: COURSE_CACHE, or the user's cache."""
    named = os.environ.get("COURSE_CACHE")
    if named:
        return Path(os.path.expanduser(named))
    return Path(platformdirs.user_cache_dir("course_lib", appauthor=False))


def content_key(*parts: object) -> str:
    """Return a short hash of the parts' text."""
    return hashlib.sha256(repr((_VERSION, *parts)).encode()).hexdigest()[:24]


def files_key(paths: list[Path]) -> str:
    """Return a hash of the files' names, sizes and times of change, without reading them.

    A file that is not there counts as such; whoever reads it has the better message.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            state = os.stat(path)
            digest.update(os.fsencode(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n"))
        except OSError:
            digest.update(os.fsencode(f"{path}\0missing\n"))
    return digest.hexdigest()


def remember(
    name: str, key: str, make: Callable[[], tuple[dict[str, Tensor], dict[str, Any]]]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `make` returns, from disk if it was made before.

    A file is written under another name and then renamed, so a half-written file is never read. It
    holds a checksum: a file whose bytes have changed is made again, and a warning says so. A folder
    that cannot be written costs time, not the result: a warning says so too.

    Args:
        name: Readable start of the file's name.
        key: Hash of everything that the result depends on.
        make: Called when there is no file; returns tensors, and JSON-able notes.
    """
    path = cache_dir() / "decoded" / f"{name}-{key}.safetensors"
    try:
        return read(path)
    except OSError:
        pass  # not there
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        warnings.warn(f"{path} is damaged ({error}): it is made again.", stacklevel=3)
    tensors, notes = make()
    tensors = {label: tensor.contiguous() for label, tensor in tensors.items()}
    try:
        write(path, tensors, notes)
    except (OSError, SafetensorError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        warnings.warn(
            f"Could not keep decoded data in {path.parent} ({reason}); it will be decoded again "
            f"next time. Make room there, or set COURSE_CACHE to a folder that can be written.",
            stacklevel=3,
        )
    return tensors, notes


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read one file back.

    Raises:
        OSError: When it is not there.
        ValueError: When it is not what was written; SafetensorError or KeyError in its head.
    """
    if not path.is_file():  # a pipe would never end
        raise FileNotFoundError(path)
    with safe_open(path, framework="pt") as file:
        tensors = {label: file.get_tensor(label) for label in file.keys()}  # noqa: SIM118
        facts = file.metadata()
    if facts["checksum"] != checksum(tensors, facts["notes"]):
        raise ValueError("its checksum is wrong")
    return tensors, json.loads(facts["notes"])


def checksum(tensors: dict[str, Tensor], notes: str) -> str:
    """Return the CRC-32 of all that a file holds; of what Python has, it is the fastest by far.

    The 184 MB of CIFAR-10 take 0.06 s (Adler-32 0.09 s, SHA-256 0.22 s, BLAKE2b 0.32 s).
    """
    value = zlib.crc32(notes.encode())
    for label, tensor in sorted(tensors.items()):
        value = zlib.crc32(f"{label} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.numpy().reshape(-1).data, value)
    return f"{value:08x}"


def write(path: Path, tensors: dict[str, Tensor], notes: dict[str, object]) -> None:
    """Write one file so that it is there whole or not at all.

    It is written in a hidden folder, because safetensors writes under a name of its own first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, "half")
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=half_name("half")))
    half, text = work / path.name, json.dumps(notes)
    try:
        half.touch()
        mode = half.stat().st_mode  # as for all files here; safetensors would keep it to its owner
        save_file(tensors, half, {"notes": text, "checksum": checksum(tensors, text)})
        half.chmod(mode)
        os.replace(half, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def half_name(kind: str) -> str:
    """Return how the name of something half-written starts: hidden, and it says whose it is."""
    return f".{kind}-{socket.gethostname()}-{os.getpid()}-"


def sweep(folder: Path, kind: str) -> None:
    """Remove what killed processes left half-written in a folder.

    That is what belongs to a process of this machine that is gone, and what nobody has touched for
    a day (machines that share a folder do not know each other's processes).
    """
    import psutil  # type: ignore[import-untyped]

    for path in folder.glob(f".{kind}-*"):
        try:
            touched = path.stat().st_mtime
            host, _, number = path.name.removeprefix(f".{kind}-").rpartition("-")[0].rpartition("-")
            try:  # a process that began later only has the number of the one that is gone
                at_work = psutil.Process(int(number)).create_time() <= touched
            except (psutil.Error, ValueError):
                at_work = False
            if at_work if host == socket.gethostname() else touched > time.time() - _DAY:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            continue


def pack(ragged: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return tensors of different lengths as one tensor and the lengths."""
    lengths = torch.tensor([len(item) for item in ragged], dtype=torch.int64)
    return (torch.cat(ragged) if ragged else torch.zeros(0)), lengths


def unpack(flat: Tensor, lengths: Tensor) -> list[Tensor]:
    """Undo `pack`."""
    return list(flat.split(lengths.tolist()))
