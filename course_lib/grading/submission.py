"""What is known of an attempt: `submission.json`, beside the files that came in."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.grading.folder import OURS, digest, files_of, write_file

FORMAT = 1
FILE = OURS[0]
LARGEST = 1 << 20  # bytes of a file


@dataclass(frozen=True)
class Submission:
    """An attempt.

    Attributes:
        learner: Who.
        assignment: What.
        outer: The name under which it came in; the learner may have made it, so it is a text.
        submitted: When, as an ISO time; None where nothing says so.
        attempt: Number, from 1 on.
        digest: SHA-256 of its files.
        choose: Which attempt counts: "latest" or "best".
        notes: What intake said.
    """

    learner: str
    assignment: str
    outer: str
    submitted: str | None
    attempt: int
    digest: str
    choose: str = "latest"
    notes: list[str] = field(default_factory=list)


def write(folder: Path, submission: Submission) -> None:
    """Write it beside the files, and the time as nbgrader wants it."""
    told = {"format": FORMAT, **dataclasses.asdict(submission)}
    if submission.submitted is not None:
        write_file(folder / OURS[1], f"{submission.submitted}\n")
    write_file(folder / FILE, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def read(folder: Path) -> Submission | None:
    """Read it; None where there is none, as after nbgrader's own collecting.

    Raises:
        ValueError: The file is not one of ours: collect again.
    """
    path = folder / FILE
    if not path.is_file() or path.is_symlink():
        return None
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too long")
        told = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(told, dict) or told.pop("format", None) != FORMAT:
            raise ValueError(f"wanted an object with format {FORMAT}")
        made = Submission(**told)
        kinds = {"attempt": int, "notes": list}
        for name, value in dataclasses.asdict(made).items():
            wanted = kinds.get(name, str)
            if not (isinstance(value, wanted) or (name == "submitted" and value is None)):
                raise ValueError(f"{name} is {str(value)[:50]!r}")
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not ours ({error}): run `course collect` again") from None
    return made


def came_in(folder: Path) -> dict[str, bytes]:
    """The files that came in, by path, without ours."""
    return {name: data for name, data in files_of(folder).items() if name not in OURS}


def digest_of(files: dict[str, bytes]) -> str:
    """SHA-256 of what came in."""
    return digest(files.items())
