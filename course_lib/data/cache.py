"""Decoded data on disk: the second call of `load` reads one file instead of thousands."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_VERSION = 1  # raise it when decoding changes, so that nothing old is read back


def cache_dir() -> Path:
    """Return the folder for decoded and downloaded data: COURSE_CACHE, or the user's cache."""
    named = os.environ.get("COURSE_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_cache_dir("course_lib", appauthor=False))


def content_key(*parts: object) -> str:
    """Return a short hash of the parts' text."""
    return hashlib.sha256(repr((_VERSION, *parts)).encode()).hexdigest()[:24]


def files_key(paths: list[Path]) -> str:
    """Return a hash of the files' names, sizes and times of change, without reading them."""
    digest = hashlib.sha256()
    for path in paths:
        state = os.stat(path)
        digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def remember(
    name: str, key: str, make: Callable[[], tuple[dict[str, Tensor], dict[str, Any]]]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `make` returns, from disk if it was made before.

    A file is written under another name and then renamed, so a half-written file is never read. A
    folder that cannot be written costs time, not the result: a warning says so.

    Args:
        name: Readable start of the file's name.
        key: Hash of everything that the result depends on.
        make: Called when there is no file; returns tensors, and JSON-able notes.
    """
    path = cache_dir() / "decoded" / f"{name}-{key}.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {label: file.get_tensor(label) for label in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()["notes"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        pass  # not there, or not ours: make it
    tensors, notes = make()
    tensors = {label: tensor.contiguous() for label, tensor in tensors.items()}
    try:
        write(path, tensors, notes)
    except (OSError, SafetensorError) as error:
        warnings.warn(
            f"Could not keep decoded data in {path.parent} ({error}); it will be decoded again "
            f"next time. Set COURSE_CACHE to a folder that can be written.",
            stacklevel=3,
        )
    return tensors, notes


def write(path: Path, tensors: dict[str, Tensor], notes: dict[str, object]) -> None:
    """Write one file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".half-", suffix=path.suffix)
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata={"notes": json.dumps(notes)})
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def clear() -> int:
    """Delete all decoded data; return the number of bytes that were freed."""
    freed = 0
    for path in (cache_dir() / "decoded").glob("*.safetensors"):
        freed += path.stat().st_size
        path.unlink()
    return freed


def pack(ragged: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return tensors of different lengths as one tensor and the lengths."""
    lengths = torch.tensor([len(item) for item in ragged], dtype=torch.int64)
    return (torch.cat(ragged) if ragged else torch.zeros(0)), lengths


def unpack(flat: Tensor, lengths: Tensor) -> list[Tensor]:
    """Undo `pack`."""
    return list(flat.split(lengths.tolist()))
