"""Fetching published data sets.

A set is downloaded and unpacked in a hidden folder beside its place, checked, and then moved there
by one rename. Whatever happens on the way, the hidden folder goes: nothing half-written is left.

Written here because neither pooch 1.9 nor torchvision 0.29 goes on where a connection broke off.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.client
import lzma
import os
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from course_lib.data import real
from course_lib.data.cache import half_name, sweep
from course_lib.data.decode import progress
from course_lib.data.names import CARDS, check
from course_lib.data.real.base import Archive
from course_lib.data.scenes import SCENES
from course_lib.data.sets import DataError

TRIES = 4
_TIMEOUT = 30.0  # seconds without a byte
_WINDOW = 60.0  # seconds in which at least
_SLOWEST = 60_000  # bytes have to arrive, or the connection counts as broken
_NETWORK = (urllib.error.URLError, OSError, http.client.HTTPException)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DISK = (*_FULL, errno.EACCES, errno.EIO, errno.ENOENT, errno.EROFS)  # never from a network
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    ValueError, RuntimeError,
)  # fmt: skip


def archives(name: str) -> tuple[Archive, ...]:
    """Return what has to be downloaded for a set."""
    listing = real.SETS[name].archives
    return () if listing is None else listing()


def fetch(name: str, root: str | Path | None = None) -> Path:
    """Download a data set, unless it is there already.

    An archive that lies in the folder already (downloaded by hand) is used instead of the network.

    Args:
        name: Name of a real data set.
        root: Folder that is to hold the set's own folder; None: COURSE_DATA, else the download
            folder of the cache.

    Returns:
        The folder of the set.

    Raises:
        DataError: When it cannot be downloaded; the message says why, and nothing is left behind.
    """
    task = check(name, "train", None)
    if name in SCENES:
        raise DataError(f"{name} is drawn by the course's own code: there is nothing to fetch.")
    base = Path(os.path.expanduser(root)) if root is not None else real.roots(None)[0]
    target = base / real.SETS[name].folders[0]
    if os.path.isdir(base):
        sweep(base, "fetch")
        here = _readable(name, task, base)
        if here is not None:
            return here
    wanted = archives(name)
    found = {archive.file: _by_hand(archive.file, (base, target)) for archive in wanted}
    if not wanted or any(not archive.urls and not found[archive.file] for archive in wanted):
        raise DataError(
            f"{name} cannot be downloaded without registering. Get it {CARDS[name].download} "
            f"(DIR = {base}); see {CARDS[name].source}."
        )
    try:
        if target.is_dir() and set(target.iterdir()) - set(found.values()):
            raise DataError(
                f"{target} holds something that is not the whole data set {name}. Move or remove "
                f"that folder, or name another one with --root."
            )
        base.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=base, prefix=half_name("fetch")))
        try:
            _check_space(name, base)
            whole = _unpacked(name, wanted, found, work)
            if _readable(name, task, whole) is None:
                real.find(name, "train", task, whole)  # says what is wrong
            if target.is_dir():  # holds nothing but archives
                for path in sorted(whole.iterdir()):
                    os.replace(path, target / path.name)
            else:
                os.replace(whole, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        what = "is full" if error.errno in _FULL else "cannot be written"
        raise DataError(
            f"{base} {what} ({error.strerror or error}). Make room, or name another folder with "
            f"--root. Nothing was left behind."
        ) from None
    return target


def _unpacked(
    name: str, wanted: Sequence[Archive], found: dict[str, Path | None], work: Path
) -> Path:
    """Get and unpack all archives below the folder `work`; return the folder of the set."""
    for archive in wanted:
        path = found[archive.file]
        if path is None:
            path = work / archive.file
            download(archive.urls, path, archive.md5)
        elif archive.md5 is not None and md5_of(path) != archive.md5:
            raise DataError(f"{path} is damaged: its checksum is wrong. Remove it and fetch again.")
        unpack(path, work / "unpacked" / archive.into)
        if found[archive.file] is None:
            path.unlink()
    return work / "unpacked" / real.SETS[name].inner


def _readable(name: str, task: str, root: Path) -> Path | None:
    """Return the folder that holds the set, if one does."""
    try:
        return real.locate(name, "train", task, root)[0]
    except DataError:
        return None


def _by_hand(file: str, places: Sequence[Path]) -> Path | None:
    for place in places:
        if os.path.isfile(place / file):
            return place / file
    return None


def _check_space(name: str, base: Path) -> None:
    free, wanted = shutil.disk_usage(base).free, real.SETS[name].space
    if free < wanted:
        raise DataError(
            f"{base} has {free / 1e9:.1f} GB free; {name} needs about {wanted / 1e9:.1f} GB while "
            f"it is unpacked. Make room, or name another folder with --root."
        )


def md5_of(path: Path) -> str:
    """Return a file's MD5 checksum."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def download(
    urls: Sequence[str],
    path: Path,
    md5: str | None,
    *,
    tries: int = TRIES,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Download one file, with a progress bar; go on where a broken connection stopped.

    Args:
        urls: Addresses of the same file, tried in turn.
        path: Where to put it.
        md5: Checksum, or None.
        tries: How often to try in all.
        wait: Called with the seconds to wait before the next try: 1, 2, 4, …

    Raises:
        DataError: When every try failed; no file is left.
        OSError: When the file cannot be written, for example because the disk is full.
    """
    part = path.with_name(path.name + ".part")
    reason = ""
    try:
        for attempt in range(tries):
            url = urls[attempt % len(urls)]
            if attempt:
                wait(2.0 ** (attempt - 1))
            try:
                _receive(url, part)
            except _NETWORK as error:
                if isinstance(error, OSError) and error.errno in _DISK:
                    raise
                reason = f"{url}: {error or type(error).__name__}"
                if getattr(error, "code", None) == 416:  # the server has no more than we have
                    part.unlink(missing_ok=True)
                continue
            if md5 is None or md5_of(part) == md5:
                os.replace(part, path)
                return
            reason = f"{url}: wrong checksum"
            part.unlink()
    finally:
        part.unlink(missing_ok=True)
    raise DataError(
        f"{path.name} could not be downloaded in {tries} tries ({reason}). Check the network, or "
        "download it by hand into the folder named by --root and run the same command again. "
        "Nothing was left behind."
    )


def _receive(url: str, part: Path) -> None:
    """Append what is missing of a file; raise OSError when the connection ends early or crawls."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "course_lib"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        if have and answer.status != 206:  # the server starts again
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            part.open("ab" if have else "wb") as file,
            progress(part.stem, total, "B", initial=have) as bar,
        ):
            since, arrived = time.monotonic(), 0
            while block := answer.read1(1 << 18):
                file.write(block)
                have, arrived = have + len(block), arrived + len(block)
                bar.update(len(block))
                seconds = time.monotonic() - since
                if seconds >= _WINDOW:
                    if arrived < _SLOWEST:
                        raise OSError(f"too slow: {arrived} bytes in {seconds:.0f} s")
                    since, arrived = time.monotonic(), 0
    if total is not None and have < total:
        raise OSError(f"the connection ended after {have} of {total} bytes")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a tar, zip or gz archive.

    Raises:
        DataError: When it is truncated, damaged or encrypted, or would write outside the folder.
        OSError: When the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as pack:
                pack.extractall(folder)  # checks the checksum of every file
        elif ".tar" in path.suffixes or path.suffix in (".tgz", ".tar"):
            with tarfile.open(path) as tape:
                if hasattr(tarfile, "data_filter"):
                    tape.extractall(folder, filter="data")
                else:  # Python before 3.10.12: no filter yet
                    _refuse_outside(tape)
                    tape.extractall(folder)
        else:
            with gzip.open(path) as source, (folder / path.stem).open("wb") as file:
                shutil.copyfileobj(source, file)
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        raise DataError(
            f"{path.name} cannot be unpacked ({error}). It is truncated or damaged, or not the "
            "published archive: remove it and fetch again."
        ) from error


def _refuse_outside(tape: tarfile.TarFile) -> None:
    for member in tape.getmembers():
        inside = not os.path.isabs(member.name) and ".." not in Path(member.name).parts
        if not inside or not (member.isfile() or member.isdir()):
            raise ValueError(f"{member.name} does not belong into a data set")
