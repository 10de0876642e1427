"""Fetching published data sets, and checking what is there.

A set is downloaded and unpacked in a hidden folder beside its place, checked, and then moved there
by one rename. Whatever happens on the way, the hidden folder goes: nothing half-written is left.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import socket
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.data import real
from course_lib.data.cards import CARDS
from course_lib.data.decode import progress, read_item, run_pool
from course_lib.data.folders import EmptySplit, image_files
from course_lib.data.sets import SPLITS, DataError

TRIES = 4
_TIMEOUT = 30.0  # seconds without a byte
_NETWORK = (urllib.error.URLError, OSError, http.client.HTTPException)
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Archive:
    """One file to download.

    Args:
        urls: Addresses that hold the same file, best first; empty: it cannot be downloaded.
        file: Its name.
        md5: Checksum, as torchvision knows it; None: the archive's own checksums are relied upon.
        into: Folder, below the set's own, into which it is unpacked.
    """

    urls: tuple[str, ...]
    file: str
    md5: str | None
    into: str = "."


def archives(name: str) -> tuple[Archive, ...]:
    """Return what has to be downloaded for a set; addresses and checksums are torchvision's."""
    if name not in _SPACE:
        return ()
    from torchvision import datasets
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    if name == "cifar10":
        cifar = datasets.CIFAR10
        return (Archive((cifar.url,), cifar.filename, cifar.tgz_md5),)
    if name in ("mnist", "fashion-mnist"):
        kind = datasets.MNIST if name == "mnist" else datasets.FashionMNIST
        return tuple(
            Archive(
                tuple(mirror + file for mirror in kind.mirrors), file, md5, f"{kind.__name__}/raw"
            )
            for file, md5 in kind.resources
        )
    if name == "pets":
        pets = datasets.OxfordIIITPet._RESOURCES
        return tuple(Archive((url,), url.rsplit("/", 1)[1], md5) for url, md5 in pets)
    if name == "penn-fudan":
        url = "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip"
        return (Archive((url,), "PennFudanPed.zip", None),)
    if name == "voc":
        voc = DATASET_YEAR_DICT["2012"]
        return (Archive((voc["url"],), voc["filename"], voc["md5"]),)
    if name == "cityscapes":
        names = ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip")
        return tuple(Archive((), file, None) for file in names)
    return ()


_INNER = {"penn-fudan": "PennFudanPed"}  # the archive has this folder around everything
_SPACE = {  # bytes for archive and unpacked files together
    "cifar10": 0.4e9, "mnist": 0.1e9, "fashion-mnist": 0.1e9, "pets": 1.8e9, "penn-fudan": 0.2e9,
    "voc": 4.2e9, "cityscapes": 13e9,
}  # fmt: skip


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
    from course_lib.data.loading import SCENES, check

    check(name, "train", None)
    if name in SCENES:
        raise DataError(f"{name} is drawn by the course's own code: there is nothing to fetch.")
    base = Path(root).expanduser() if root is not None else real.roots(None)[0]
    target = base / real.SETS[name].folders[0]
    if base.is_dir():
        here = _readable(name, base)
        if here is not None:
            return here
    wanted = archives(name)
    found = {archive.file: _by_hand(archive.file, (base, target)) for archive in wanted}
    if not wanted or any(not archive.urls and not found[archive.file] for archive in wanted):
        raise DataError(
            f"{name} cannot be downloaded without registering. Get it {CARDS[name].download} "
            f"(DIR = {base}); see {CARDS[name].source}."
        )
    leftovers = (
        [path for path in target.iterdir() if path not in found.values()]
        if (target.is_dir())
        else []
    )
    if leftovers:
        raise DataError(
            f"{target} holds something that is not the whole data set {name}. Move or remove that "
            "folder, or name another one with --root."
        )
    try:
        base.mkdir(parents=True, exist_ok=True)
        _sweep(base)
        work = Path(
            tempfile.mkdtemp(dir=base, prefix=f".fetch-{socket.gethostname()}-{os.getpid()}-")
        )
    except OSError as error:
        raise DataError(
            f"{base} cannot be written ({error}). Name another folder with --root."
        ) from None
    try:
        _check_space(name, base)
        unpacked = work / "unpacked"
        for archive in wanted:
            path = found[archive.file] or work / archive.file
            if found[archive.file] is None:
                download(archive.urls, path, archive.md5)
            elif archive.md5 is not None and md5_of(path) != archive.md5:
                raise DataError(
                    f"{path} is damaged: its checksum is wrong. Remove it and fetch again."
                )
            unpack(path, unpacked / archive.into)
            if found[archive.file] is None:
                path.unlink()
        whole = unpacked / _INNER.get(name, ".")
        if _readable(name, whole) is None:
            real.find(name, "train", real.SETS[name].tasks[0], whole)  # says what is wrong
        if target.is_dir():  # holds nothing but archives
            for path in sorted(whole.iterdir()):
                os.replace(path, target / path.name)
        else:
            os.replace(whole, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _readable(name: str, root: Path) -> Path | None:
    """Return the folder that holds the set, if one does."""
    try:
        items = real.find(name, "train", real.SETS[name].tasks[0], root)
    except DataError:
        return None
    for part in real.SETS[name].folders:
        if any((root / part) in path.parents for path in items.files()[:1]) or (
            not items.files() and (root / part).is_dir()
        ):
            return root / part
    return root


def _by_hand(file: str, places: Sequence[Path]) -> Path | None:
    for place in places:
        if (place / file).is_file():
            return place / file
    return None


def _sweep(base: Path) -> None:
    """Remove what fetches on this machine left that were killed outright."""
    import psutil  # type: ignore[import-untyped]

    for path in base.glob(f".fetch-{socket.gethostname()}-*"):
        number = path.name.split("-")[-2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(path, ignore_errors=True)


def _check_space(name: str, base: Path) -> None:
    free, wanted = shutil.disk_usage(base).free, _SPACE.get(name, 0)
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
    """Append what is missing of a file; raise OSError when the connection ends too early."""
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
            while block := answer.read(1 << 18):
                file.write(block)
                have += len(block)
                bar.update(len(block))
    if total is not None and have < total:
        raise OSError(f"the connection ended after {have} of {total} bytes")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a tar, zip or gz archive.

    Raises:
        DataError: When it is truncated or damaged, or would write outside the folder.
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
        raise DataError(
            f"{path.name} cannot be unpacked ({error}). It is truncated or damaged: remove it and "
            "fetch again."
        ) from error


def _refuse_outside(tape: tarfile.TarFile) -> None:
    for member in tape.getmembers():
        inside = not os.path.isabs(member.name) and ".." not in Path(member.name).parts
        if not inside or not (member.isfile() or member.isdir()):
            raise ValueError(f"{member.name} does not belong into a data set")


def verify(name: str, root: str | Path | None = None) -> list[str]:
    """Read every image and mask of a data set.

    Args:
        name: Name of a data set.
        root: As in `load`.

    Returns:
        What is wrong, one sentence each; empty when all is well.
    """
    from course_lib.data.loading import SCENES, check

    task = check(name, "train", None)
    if name in SCENES:
        return []
    problems: list[str] = []
    seen = 0
    for split in SPLITS:
        try:
            items = real.find(name, split, task, root)
        except EmptySplit as error:
            problems.append(str(error))
            continue
        except DataError as error:
            problems.append(str(error))
            break
        seen += len(items)
        lock = threading.Lock()

        def work(row: int, items: real.Items = items, lock: threading.Lock = lock) -> None:
            try:
                read_item(items, row, None)
            except DataError as error:
                with lock:
                    problems.append(str(error))

        run_pool(work, len(items), f"{name} {split}")
    if name == "pets" and seen:
        problems += _missing_pets(root)
    return sorted(set(problems))


def _missing_pets(root: str | Path | None) -> list[str]:
    for place in real.roots(root):
        for folder in (*(place / part for part in real.SETS["pets"].folders), place):
            lists = folder / "annotations"
            if not lists.is_dir():
                continue
            have = {path.stem for path in image_files(folder / "images")}
            gone = [
                key
                for part in ("trainval.txt", "test.txt")
                if (lists / part).is_file()
                for key in real.listed(lists / part)
                if key not in have
            ]
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            return (
                [f"{folder / 'images' / gone[0]}.jpg is listed but missing{more}."] if gone else []
            )
    return []
