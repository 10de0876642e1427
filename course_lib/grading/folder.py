"""An instructor's course folder: nbgrader's own layout, and this room's few additions.

source/ASSIGNMENT/NAME.ipynb        with solutions and hidden tests
release/ASSIGNMENT/NAME.ipynb       what learners get
collected/ASSIGNMENT/LEARNER/001/   every attempt that came in, never changed
submitted/LEARNER/ASSIGNMENT/       the attempt that counts, with `submission.json`
autograded/LEARNER/ASSIGNMENT/      rebuilt, run and cleaned notebooks, with `judged.json`
feedback/LEARNER/ASSIGNMENT/        what learners get back
gradebook.db                        nbgrader's gradebook, a SQLite file
.work/                              locks, and what is being written
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout
from nbformat import NotebookNode

NAME = re.compile(r"[^\W_][\w.@-]{0,99}")  # of an assignment, a notebook, a learner
OURS = ("submission.json", "timestamp.txt")  # written beside what came in


class CourseBusy(ValueError):
    """Another process works on this course."""


def check_name(name: str, what: str) -> str:
    """Return the name, if files and folders can be called so.

    Raises:
        ValueError: They cannot.
    """
    if not NAME.fullmatch(name) or ".." in name or name.endswith("."):
        raise ValueError(
            f"got {name[:100]!r} as the name of {what}; wanted letters, digits and _ . @ -, "
            "beginning with a letter or digit, at most 100: rename it"
        )
    return name


@dataclass(frozen=True)
class Course:
    """A course folder; it need not exist yet."""

    root: Path

    @property
    def database(self) -> str:
        """The gradebook's address, as nbgrader wants it."""
        return f"sqlite:///{self.root.resolve() / 'gradebook.db'}"

    def source(self, assignment: str) -> Path:
        """Folder of the instructor's notebooks."""
        return self.root / "source" / check_name(assignment, "an assignment")

    def release(self, assignment: str) -> Path:
        """Folder of what learners get."""
        return self.root / "release" / check_name(assignment, "an assignment")

    def collected(self, assignment: str) -> Path:
        """Folder of all attempts, by learner."""
        return self.root / "collected" / check_name(assignment, "an assignment")

    def submitted(self, learner: str, assignment: str) -> Path:
        """Folder of the attempt that counts."""
        return self._of("submitted", learner, assignment)

    def autograded(self, learner: str, assignment: str) -> Path:
        """Folder of the judged notebooks, and `judged.json`."""
        return self._of("autograded", learner, assignment)

    def feedback(self, learner: str, assignment: str) -> Path:
        """Folder of what the learner gets back."""
        return self._of("feedback", learner, assignment)

    def _of(self, step: str, learner: str, assignment: str) -> Path:
        check_name(assignment, "an assignment")
        return self.root / step / check_name(learner, "a learner") / assignment

    def learners(self, assignment: str, step: str = "submitted") -> list[str]:
        """Those who have something at this step of an assignment, by name."""
        folder = self.root / step
        if not folder.is_dir():
            return []
        found = (path.name for path in folder.iterdir() if (path / assignment).is_dir())
        return sorted(name for name in found if NAME.fullmatch(name))

    @property
    def work(self) -> Path:
        """Folder for locks and for what is being written; made where it is missing."""
        folder = self.root / ".work"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def check(self) -> Course:
        """Return this course, if it is one.

        Raises:
            FileNotFoundError: There is no course folder here.
        """
        if not (self.root / "nbgrader_config.py").is_file():
            raise FileNotFoundError(
                f"{self.root} is no course folder: there is no nbgrader_config.py in it; make one "
                "with `course release --init --course FOLDER`, or name another with --course"
            )
        return self

    @contextlib.contextmanager
    def alone(self, doing: str) -> Iterator[None]:
        """Keep other processes from doing the same; a lock ends with its process.

        Raises:
            CourseBusy: One does.
        """
        lock = FileLock(self.work / f"{doing}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise CourseBusy(
                f"another process is {doing} in {self.root}: wait for it, or end it"
            ) from None
        try:
            yield
        finally:
            lock.release()


def notebooks(folder: Path) -> dict[str, NotebookNode]:
    """The notebooks of a folder that an instructor wrote, by name.

    Raises:
        FileNotFoundError: There is none.
        ValueError: One cannot be read, or has an odd name.
    """
    paths = sorted(folder.glob("*.ipynb")) if folder.is_dir() else []
    if not paths:
        raise FileNotFoundError(f"there is no notebook in {folder}: put one there, or release it")
    found = {}
    for path in paths:
        try:
            found[check_name(path.stem, "a notebook")] = nbformat.read(path, as_version=4)
        except (nbformat.reader.NotJSONError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no notebook: {str(error)[:100]}") from None
    return found


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of files, by name and content, whatever their order."""
    whole = hashlib.sha256()
    for name, data in sorted(files):
        part = hashlib.sha256(data).hexdigest()
        whole.update(f"{part} {len(name.encode())} {name}\n".encode())
    return whole.hexdigest()


def files_of(folder: Path) -> dict[str, bytes]:
    """The plain files of a folder of the course's, by path below it; no links."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file that is whole or not there, whenever the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data if isinstance(data, bytes) else data.encode("utf-8"))
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Have a folder's names on the disk."""
    with contextlib.suppress(OSError):  # not every file system can
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_folder(new: Path, place: Path, aside: Path) -> None:
    """Put a finished folder into its place; what was there is removed afterwards.

    A crash in between leaves nothing in the place, and never half of it.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        os.rename(place, aside)
    os.rename(new, place)
    _settle(place.parent)
    shutil.rmtree(aside, ignore_errors=True)
