"""Reads what somebody handed in, a folder, an archive or a file, as bytes by path; nothing else.

Nothing is unpacked onto a disk: `read` returns what lies in it or refuses all of it, with a reason.
Sizes are counted while bytes come, so no header is believed. Refused are absolute and odd names,
`..`, links, devices, names that stand twice, encrypted members, too many, too large, too well
compressed. A folder is read without following a link, and changed in nothing.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import os
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

CHUNK = 1 << 16
LARGEST = 4 << 30  # bytes of a platform's archive; it is held in memory
SKIPPED = {".git", "__pycache__", ".ipynb_checkpoints", "__MACOSX", ".DS_Store", "Thumbs.db"}
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2")
OTHERS = (".7z", ".rar", ".xz", ".gz", ".bz2", ".zst", ".lz4")
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


class Refused(ValueError):
    """It is not taken, for this reason; the text may hold what a learner wrote."""


@dataclass(frozen=True)
class Bounds:
    """What one submission may be."""

    members: int = 300  # files and folders
    whole: int = 64 << 20  # bytes, of the archive and of all that is in it
    one: int = 24 << 20  # bytes of one file
    ratio: int = 100  # of unpacked to packed, from `packed` on
    packed: int = 1 << 20  # unpacked bytes from which on the ratio counts
    depth: int = 8  # folders in folders
    name: int = 200  # characters of a path
    directory: int = 1 << 20  # bytes of a zip's table of contents

    def times(self, number: int) -> Bounds:
        """For an archive of a platform's that holds so many submissions."""
        return Bounds(
            self.members * number,
            min(self.whole * number, LARGEST),
            self.whole,
            self.ratio,
            self.packed,
            self.depth + 2,
            2 * self.name,
            self.directory * number,
        )


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive that `read` reads."""
    return name.lower().endswith(ENDINGS)


def stem(name: str) -> str:
    """A file's name without the ending of an archive or a notebook."""
    for end in (".tar.gz", ".tar.bz2", *ENDINGS, ".ipynb"):
        if name.lower().endswith(end):
            return name[: -len(end)]
    return name


@dataclass(frozen=True)
class Found:
    """What was read: files by path, and when each was made, as far as something says so."""

    files: dict[str, bytes]
    times: dict[str, float]


def read(path: Path, bounds: Bounds | None = None) -> Found:
    """Read a folder, an archive, or a single file.

    Raises:
        Refused: It is not taken.
    """
    bounds = bounds or Bounds()
    taking = _Taking(bounds)
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            raise Refused("it is a link")
        if stat.S_ISDIR(found.st_mode):
            _folder(path, taking)
        else:
            data, made = _plain_file(path, bounds.whole if is_archive(path.name) else bounds.one)
            if is_archive(path.name):
                archive(data, path.name, taking)
            else:
                taking.file(path.name, io.BytesIO(data), made)
    except OSError as error:
        raise Refused(f"it cannot be read ({error.strerror or error})") from error
    return Found(taking.files, taking.times)


def unpacked(data: bytes, name: str, bounds: Bounds | None = None) -> Found:
    """Read an archive that lay in another one.

    Raises:
        Refused: It is not taken.
    """
    taking = _Taking(bounds or Bounds())
    archive(data, name, taking)
    return Found(taking.files, taking.times)


def archive(data: bytes, name: str, taking: _Taking) -> None:
    """Take the members of an archive.

    Raises:
        Refused: It is not taken.
    """
    if len(data) > taking.bounds.whole:
        raise Refused(f"it has more than {taking.bounds.whole >> 20} MB")
    taking.packed = len(data)
    try:
        if name.lower().endswith(".zip"):
            _zip(data, taking)
        else:
            _tar(data, name.lower(), taking)
    except Refused:
        raise
    except RecursionError as error:
        raise Refused("the archive is too deep") from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        ValueError,
        KeyError,
        IndexError,
        OverflowError,
        struct.error,
        RuntimeError,
    ) as error:
        raise Refused(f"the archive is damaged ({str(error)[:100]})") from error


class _Taking:
    """What has been taken so far, within the bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.files: dict[str, bytes] = {}
        self.times: dict[str, float] = {}
        self.packed: int | None = None
        self._seen: set[str] = set()
        self._members = 0
        self._bytes = 0

    def member(self, name: str) -> str | None:
        """Count a member; returns its path, or None where it is to be passed over.

        Raises:
            Refused: The name, or the number of members, is not taken.
        """
        self._members += 1
        if self._members > self.bounds.members:
            raise Refused(f"it has more than {self.bounds.members} files and folders")
        path = checked(name, self.bounds)
        if any(part in SKIPPED or part.startswith("._") for part in PurePosixPath(path).parts):
            return None
        key = unicodedata.normalize("NFKC", path).casefold()
        if key in self._seen:
            raise Refused(f"{_shown(name)} stands in it twice")
        self._seen.add(key)
        return path

    def file(self, name: str, stream: IO[bytes], made: float | None) -> None:
        """Take a file.

        Raises:
            Refused: It is too large, or the name is not taken.
        """
        path = self.member(name)
        if path is None:
            return
        parts, size = [], 0
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            self._bytes += len(chunk)
            if size > self.bounds.one:
                raise Refused(f"{_shown(name)} has more than {self.bounds.one >> 20} MB")
            if self._bytes > self.bounds.whole:
                raise Refused(f"it holds more than {self.bounds.whole >> 20} MB")
            large = self.packed is not None and self._bytes > self.bounds.packed
            if large and self._bytes > self.bounds.ratio * max(self.packed or 0, 1):
                raise Refused("it unpacks to more than a hundred times its size")
            parts.append(chunk)
        self.files[path] = b"".join(parts)
        if made is not None:
            self.times[path] = made


def checked(name: str, bounds: Bounds) -> str:
    """A member's path, if it is a plain one.

    Raises:
        Refused: It is not.
    """
    shown = _shown(name)
    if not name or len(name) > bounds.name:
        raise Refused(f"the name {shown} is empty or too long")
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn") for letter in name):
        raise Refused(f"the name {shown} holds characters that cannot be seen")
    if name.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", name):
        raise Refused(f"the name {shown} is an absolute path")
    if any(letter in name for letter in '\\:*?"<>|'):
        raise Refused(f'the name {shown} holds one of \\ : * ? " < > |')
    parts = name.rstrip("/").split("/")
    if any(part in ("", ".", "..") for part in (parts[1:] if parts[0] == "." else parts)):
        raise Refused(f"the name {shown} leads out of the submission")
    parts = [unicodedata.normalize("NFC", part) for part in parts if part != "."]
    if len(parts) > bounds.depth:
        raise Refused(f"the name {shown} is too deep")
    for part in parts:
        if part != part.strip() or part.endswith(".") or DEVICES.fullmatch(part):
            raise Refused(f"the name {shown} is none that every system can write")
        if len(part.encode()) > 200:
            raise Refused(f"the name {shown} is too long")
    return "/".join(parts) or "."


def _shown(name: str) -> str:
    return ascii(name[:80])


def _plain_file(path: Path, limit: int, folder: int | None = None) -> tuple[bytes, float]:
    """The bytes of a plain file, and its time; a link is not followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags, dir_fd=folder)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{_shown(str(path))} is no plain file")
        if found.st_nlink > 1:
            raise Refused(f"{_shown(str(path))} is a hard link: hand in a copy")
        parts, size = [], 0
        with os.fdopen(os.dup(handle), "rb") as stream:
            while chunk := stream.read(1 << 20):
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise Refused(f"{_shown(str(path))} has more than {limit >> 20} MB")
    finally:
        os.close(handle)
    return b"".join(parts), found.st_mtime


def _folder(path: Path, taking: _Taking) -> None:
    """Take the files below a folder, opened from folder to folder, so that no link can slip in."""

    def walk(handle: int, prefix: str, depth: int) -> None:
        if depth > taking.bounds.depth:
            raise Refused(f"{_shown(prefix)} is too deep")
        with os.scandir(handle) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            if name in SKIPPED or name.startswith("._"):
                continue
            kind = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
            whole = f"{prefix}{name}"
            if stat.S_ISLNK(kind):
                raise Refused(f"{_shown(whole)} is a link")
            if stat.S_ISDIR(kind):
                if taking.member(whole) is not None:
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                    inner = os.open(name, flags, dir_fd=handle)
                    try:
                        walk(inner, f"{whole}/", depth + 1)
                    finally:
                        os.close(inner)
            elif stat.S_ISREG(kind):
                limit = taking.bounds.whole if is_archive(name) else taking.bounds.one
                data, made = _plain_file(Path(name), limit, handle)
                taking.file(whole, io.BytesIO(data), made)
            else:
                raise Refused(f"{_shown(whole)} is no plain file")

    handle = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        walk(handle, "", 1)
    finally:
        os.close(handle)


def _zip(data: bytes, taking: _Taking) -> None:
    size = _directory_size(data)
    if size > taking.bounds.directory:
        raise Refused("its table of contents is too long")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > taking.bounds.members:
            raise Refused(f"it has more than {taking.bounds.members} files and folders")
        for info in infos:
            name = info.orig_filename if "\0" in info.orig_filename else info.filename
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind == stat.S_IFLNK:
                raise Refused(f"{_shown(name)} is a link")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused(f"{_shown(name)} is no plain file")
            if info.flag_bits & 0x1:
                raise Refused(f"{_shown(name)} is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused(f"{_shown(name)} is packed in an unusual way: make a plain zip")
            if info.is_dir():
                taking.member(name)
                continue
            with archive.open(info) as stream:
                taking.file(name, stream, _zip_time(info))


def _zip_time(info: zipfile.ZipInfo) -> float | None:
    import datetime

    try:
        return datetime.datetime(*info.date_time).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _directory_size(data: bytes) -> int:
    """Bytes of a zip's table of contents, found as `zipfile` finds it, before that reads it."""
    at = len(data) - 22
    if at < 0:
        raise Refused("the archive is damaged (it is no zip)")
    if data[at : at + 4] != b"PK\5\6" or data[-2:] != b"\0\0":
        at = data.rfind(b"PK\5\6", max(0, len(data) - (1 << 16) - 22))
        if at < 0 or at + 22 > len(data):
            raise Refused("the archive is damaged (it is no zip)")
    size = int(struct.unpack_from("<L", data, at + 12)[0])
    if at >= 20 and data[at - 20 : at - 16] == b"PK\6\7":  # the larger format's end comes before
        size = max(size, at)
    return size


class _Counted(io.RawIOBase):
    """A stream that refuses to give more than so many bytes, headers included."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self.stream, self.left = stream, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(min(len(buffer), CHUNK))
        self.left -= len(data)
        if self.left < 0:
            raise Refused("it unpacks to too much")
        buffer[: len(data)] = data
        return len(data)


def _tar(data: bytes, name: str, taking: _Taking) -> None:
    bounds = taking.bounds
    limit = min(bounds.whole, max(bounds.packed, bounds.ratio * len(data)))
    with contextlib.ExitStack() as stack:
        plain: IO[bytes] = io.BytesIO(data)
        if name.endswith((".gz", ".tgz")):
            plain = stack.enter_context(gzip.open(plain, "rb"))  # type: ignore[arg-type]
        elif name.endswith(".bz2"):
            plain = stack.enter_context(bz2.open(plain, "rb"))
        else:
            limit = bounds.whole + (1 << 20)
        counted = io.BufferedReader(_Counted(plain, limit + (1 << 20)))
        archive = stack.enter_context(tarfile.open(fileobj=counted, mode="r|"))
        for info in _headers(archive, bounds):
            if info.isdir():
                taking.member(info.name)
            elif info.issym() or info.islnk():
                raise Refused(f"{_shown(info.name)} is a link")
            elif not info.isreg() or info.issparse():
                raise Refused(f"{_shown(info.name)} is no plain file")
            else:
                stream = archive.extractfile(info)
                if stream is None:
                    raise Refused(f"{_shown(info.name)} is no plain file")
                made = float(info.mtime) if 0 < info.mtime < 1e11 else None
                taking.file(info.name, stream, made)


def _headers(archive: tarfile.TarFile, bounds: Bounds) -> Iterator[tarfile.TarInfo]:
    while (info := archive.next()) is not None:
        if info.size > bounds.one and not info.isdir():
            raise Refused(f"{_shown(info.name)} has more than {bounds.one >> 20} MB")
        yield info
