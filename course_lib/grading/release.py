"""Releases an assignment: from the instructor's notebooks to what learners get.

The conversion is nbgrader's, by its own preprocessors, which also enter the cells and their points
into the gradebook. Beyond that, explanations are left out, what a right answer prints is told in
words, and before anything is written `leaks` compares by content: no line of a solution, a hidden
test or a marking scheme may stand in what learners get.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import preprocessors
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.nbgraderformat import ValidationError

import course_lib
from course_lib.grading.folder import Course, check_name, digest, notebooks, replace_folder

CONFIG = '''"""A course folder: nbgrader's commands work in it, and Formgrader.

Learners' notebooks are collected and graded by `course collect` and `course grade`; plain
`nbgrader autograde` would run their code unprotected.
"""

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "{name}"
'''
SECRET = re.compile(
    r"^[^\n]*BEGIN (SOLUTION|HIDDEN TESTS|MARK SCHEME)[^\n]*\n(.*?)^[^\n]*END \1",
    flags=re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
ROLE = re.compile(r" ?\{([\w:]+)\}`([^`<]*)`")
TOLD = 12  # characters from which on a line tells something


@dataclass
class Released:
    """What was released.

    Attributes:
        points: Of each notebook.
        files: Others that learners get, by path.
    """

    points: dict[str, float] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def make_course(root: Path) -> Course:
    """Make a course folder.

    Raises:
        ValueError: There is one already, or something else stands there.
    """
    course = Course(root)
    config = root / "nbgrader_config.py"
    if config.exists():
        raise ValueError(f"{root} is a course folder already: nothing was changed")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"{root} is not empty: name a new folder")
    name = re.sub(r"[^\w-]", "-", root.resolve().name) or "course"
    for step in ("source", "release", "submitted", "autograded", "feedback", "collected"):
        (root / step).mkdir(parents=True, exist_ok=True)
    # nbgrader calls a program of its environment's here, which need not be on the path.
    path = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    try:
        with Gradebook(course.database, name):
            pass
    finally:
        os.environ["PATH"] = path
    config.write_text(CONFIG.format(name=name), encoding="utf-8")
    return course


def exercises() -> Path | None:
    """The course's own exercise sources, where the package lies in its repository."""
    folder = Path(course_lib.__file__).resolve().parents[1] / "notebooks" / "exercises"
    return folder if folder.is_dir() else None


def sources(
    course: Course,
    assignment: str,
    *,
    base: Path | None = None,
    overlay: Path | None = None,
    only: Iterable[str] = (),
) -> dict[str, NotebookNode]:
    """The instructor's notebooks of an assignment, by name.

    Args:
        course: Where they are released.
        assignment: Its name; the notebooks lie in a folder of this name.
        base: Folder of assignments to begin with; None: the course's own `source`.
        overlay: Folder of assignments whose notebooks replace those of the same name, or are added.
        only: Of the base, only these notebooks; empty: all. Those of the overlay always count.

    Raises:
        FileNotFoundError: There is none.
    """
    wanted = set(only)
    found: dict[str, NotebookNode] = {}
    place = course.source(assignment) if base is None else base / assignment
    if overlay is None or place.is_dir():
        found = notebooks(place)
    missing = wanted - set(found)
    if wanted:
        found = {name: notebook for name, notebook in found.items() if name in wanted}
    if overlay is not None:
        if not overlay.is_dir():
            raise FileNotFoundError(f"there is no overlay folder {overlay}: name another")
        if (overlay / assignment).is_dir():
            added = notebooks(overlay / assignment)
            missing -= set(added)
            found |= added
    if missing:
        raise FileNotFoundError(
            f"{assignment} has no notebook {sorted(missing)[0]!r}; there are "
            f"{', '.join(sorted(notebooks(place) if place.is_dir() else found))}"
        )
    if not found:
        raise FileNotFoundError(f"there is no notebook of {assignment} in {place} or {overlay}")
    return found


def beside(
    course: Course, assignment: str, *, base: Path | None = None, overlay: Path | None = None
) -> dict[str, bytes]:
    """The files beside the notebooks, which learners get too, by path."""
    found: dict[str, bytes] = {}
    for place in (course.source("x").parent if base is None else base, overlay):
        folder = None if place is None else place / assignment
        for path in sorted(folder.rglob("*")) if folder is not None and folder.is_dir() else []:
            name = path.relative_to(folder).as_posix() if folder is not None else ""
            hidden = any(part.startswith((".", "__")) for part in Path(name).parts)
            if path.is_file() and path.suffix != ".ipynb" and not hidden:
                found[name] = path.read_bytes()
    return found


def hidden_modules(found: Iterable[NotebookNode]) -> list[str]:
    """The modules that would give an answer away, named in the sources' metadata.

    `{"course": {"hidden": ["course_lib.metrics.confusion"]}}`: they cannot be imported while the
    assignment is graded.
    """
    named: dict[str, None] = {}
    for notebook in found:
        said = notebook.metadata.get("course", {}).get("hidden", [])
        named |= {str(name): None for name in said}
    return list(named)


def release(
    course: Course,
    assignment: str,
    *,
    base: Path | None = None,
    overlay: Path | None = None,
    only: Iterable[str] = (),
) -> Released:
    """Write `source/ASSIGNMENT` and `release/ASSIGNMENT`, and enter the cells into the gradebook.

    Args: as of `sources`.

    Raises:
        ValueError: A notebook is not in order, or a secret would be told: nothing was written. Or
            questions changed that somebody has answered.
    """
    course.check()
    given = sources(course, assignment, base=base, overlay=overlay, only=only)
    extra = beside(course, assignment, base=base, overlay=overlay)
    made = {name: released(notebook, name) for name, notebook in given.items()}
    secrets_told = [
        f"{name}: {problem}" for name in given for problem in leaks(given.values(), made[name])
    ]
    secrets_told += [
        f"{name}: {problem}" for name, data in extra.items() for problem in _told(given, data)
    ]
    if secrets_told:
        raise ValueError(
            f"nothing was released, for it would tell a secret: {'; '.join(secrets_told[:5])}"
        )
    with course.alone("releasing"):
        _check_answered(course, assignment, given)
        texts = {name: _written(notebook) for name, notebook in given.items()}
        public = {name: _written(notebook) for name, notebook in made.items()}
        _replace(course, course.source(assignment), texts, extra)
        _replace(course, course.release(assignment), public, extra)
        _register(course, assignment, given)
    points = {
        name: sum(float(rules.get("points") or 0) for rules in _rules(notebook))
        for name, notebook in given.items()
    }
    return Released(points, sorted(extra))


def _written(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, version=4, indent=1).rstrip("\n") + "\n"


def _replace(course: Course, place: Path, texts: dict[str, str], extra: dict[str, bytes]) -> None:
    new = course.work / f"new-{secrets.token_hex(6)}"
    for name, data in extra.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_bytes(data)
    for name, text in texts.items():
        new.mkdir(parents=True, exist_ok=True)
        (new / f"{name}.ipynb").write_text(text, encoding="utf-8")
    try:
        replace_folder(new, place, course.work / f"old-{secrets.token_hex(6)}")
    finally:
        shutil.rmtree(new, ignore_errors=True)


def release_digest(course: Course, assignment: str) -> str:
    """SHA-256 of what an assignment is judged by: its sources, and what was released."""
    files = []
    for step, folder in (
        ("source", course.source(assignment)),
        ("release", course.release(assignment)),
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = f"{step}/{path.relative_to(folder).as_posix()}"
                files.append((name, path.read_bytes()))
    return digest(files)


def _rules(notebook: NotebookNode) -> Iterator[dict[str, Any]]:
    for cell in notebook.cells:
        rules = cell.metadata.get("nbgrader")
        if rules:
            yield rules


def released(source: NotebookNode, name: str) -> NotebookNode:
    """What learners get of a notebook.

    Raises:
        ValueError: nbgrader's metadata, or a mark of a solution or hidden test, are not in order.
    """
    made = copy.deepcopy(source)
    _tell_expected(made)
    made.cells = [cell for cell in made.cells if "explanation" not in _tags(cell)]
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = ROLE.sub("", cell.source)
    made.metadata.get("course", {}).pop("hidden", None)
    steps = (
        preprocessors.LockCells,
        preprocessors.ClearSolutions,
        preprocessors.ClearOutput,
        preprocessors.CheckCellMetadata,
        preprocessors.ClearHiddenTests,
        preprocessors.ClearMarkScheme,
        preprocessors.ComputeChecksums,
        preprocessors.CheckCellMetadata,
    )
    return _processed(made, steps, {"notebook": name})


def _processed(notebook: NotebookNode, steps: Iterable[type], said: dict[str, str]) -> NotebookNode:
    """A notebook after some of nbgrader's steps."""
    made = copy.deepcopy(notebook)
    resources: Any = {"nbgrader": said, "metadata": {}}
    for step in steps:
        try:
            made, resources = step(log=_silent()).preprocess(made, resources)
        except (RuntimeError, ValidationError, KeyError, ValueError) as error:
            raise ValueError(
                f"{said['notebook']}.ipynb is not in order ({error}): open it with nbgrader's "
                "Create Assignment, and mend the cells"
            ) from error
    return made


def _silent() -> logging.Logger:
    """A log for nbgrader, which tells each error twice: once is enough."""
    log = logging.getLogger("course_lib.grading.nbgrader")
    log.propagate, log.disabled = False, True
    return log


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags") or [])


def _tell_expected(made: NotebookNode) -> None:
    """Tell what a right answer prints, for outputs are not released."""
    expected = [cell for cell in made.cells if "expected" in _tags(cell)]
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in expected
        for output in cell.get("outputs", [])
    ]
    texts = [text.rstrip() for text in texts if text.strip()]
    if not texts:
        return
    parts = ["## What a right answer gives", *(f"It prints\n\n```text\n{t}\n```" for t in texts)]
    for cell in made.cells:
        if cell.cell_type == "markdown" and cell.get("id") == "expected-title":
            cell.source = "\n\n".join([*parts, "Run yours, and compare."])


def leaks(given: Iterable[NotebookNode], made: NotebookNode) -> list[str]:
    """What a released notebook tells that it must not: secrets of any of the sources.

    A line that the sources show in the open as well, in a cell that is released, is no secret.
    """
    shown = "\n".join(cell.source for cell in made.cells)
    problems = [f"the mark {found[0]!r}" for found in MARK.finditer(json.dumps(made))]
    problems += _told_in(given, [line.strip() for line in shown.splitlines()])
    problems += [
        f"the outputs of cell {cell.get('id')!r}" for cell in made.cells if cell.get("outputs")
    ]
    return problems


def _told(given: dict[str, NotebookNode], data: bytes) -> list[str]:
    lines = data.decode("utf-8", "replace").splitlines()
    return _told_in(given.values(), [line.strip() for line in lines])


def _told_in(given: Iterable[NotebookNode], lines: list[str]) -> list[str]:
    open_lines: set[str] = set()
    secret: dict[str, None] = {}
    for notebook in given:
        for cell in notebook.cells:
            kept = [found[2] for found in SECRET.finditer(cell.source)]
            if "explanation" in _tags(cell):
                continue
            solution = (cell.metadata.get("nbgrader") or {}).get("solution")
            if solution and not kept:
                kept = [cell.source]  # all of it is the solution
            elif cell.cell_type == "code" or not solution:
                rest = SECRET.sub("", cell.source)
                open_lines |= {line.strip() for line in rest.splitlines()}
            for text in kept:
                secret |= {line.strip(): None for line in text.splitlines()}
    told = [line for line in secret if len(line) >= TOLD and line in lines]
    return [f"the line {line[:80]!r}" for line in told if line not in open_lines]


def _check_answered(course: Course, assignment: str, given: dict[str, NotebookNode]) -> None:
    """Refuse to change the questions of what somebody has answered.

    Raises:
        ValueError: They would change.
    """
    wanted = {name: {r["grade_id"] for r in _rules(book)} for name, book in given.items()}
    with Gradebook(course.database) as gradebook:
        try:
            known = gradebook.find_assignment(assignment)
        except MissingEntry:
            return
        if not known.submissions:
            return
        here = {book.name: {cell.name for cell in [*book.source_cells]} for book in known.notebooks}
    if here != wanted:
        raise ValueError(
            f"{assignment} has been graded for somebody, and its notebooks or cells would change: "
            "release it under another name, or mend only texts, tests and points"
        )


def _register(course: Course, assignment: str, given: dict[str, NotebookNode]) -> None:
    """Enter the assignment, its notebooks and their cells."""
    check_name(assignment, "an assignment")
    steps = (
        preprocessors.LockCells,
        preprocessors.ClearSolutions,
        preprocessors.ClearOutput,
        preprocessors.CheckCellMetadata,
        preprocessors.ComputeChecksums,
        preprocessors.SaveCells,
    )
    with Gradebook(course.database) as gradebook:
        gradebook.update_or_create_assignment(assignment)
        old = [book.name for book in gradebook.find_assignment(assignment).notebooks]
        for name in set(old) - set(given):
            gradebook.remove_notebook(name, assignment)
    for name, notebook in given.items():
        said = {"notebook": name, "assignment": assignment, "db_url": course.database}
        _processed(notebook, steps, said)
