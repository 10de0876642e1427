"""Submissions for the tests: an exercise's source, and what a learner made of it."""

from __future__ import annotations

import copy
import functools
import shutil
import tempfile
import textwrap
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.grading.folder import Course
from course_lib.grading.release import make_course

ROOT = Path(__file__).parents[2]
RIGHT = """
def iou(predictions, targets, num_classes, ignore_index=255):
    valid = targets != ignore_index
    predictions, targets = predictions[valid], targets[valid]
    scores = []
    for k in range(num_classes):
        common = ((predictions == k) & (targets == k)).sum()
        scores.append(common / ((predictions == k) | (targets == k)).sum())
    return torch.stack(scores)
"""


@functools.cache
def _empty_course() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """A course folder to copy: nbgrader takes seconds to make a gradebook."""
    folder = tempfile.TemporaryDirectory()
    return folder, make_course(Path(folder.name, "course")).root


def new_course(root: Path) -> Course:
    """An empty course folder."""
    shutil.copytree(_empty_course()[1], root)
    return Course(root)


def source(lab: str, name: str) -> NotebookNode:
    """The instructor's notebook of an exercise."""
    path = ROOT / "notebooks" / "exercises" / lab / f"{name}.ipynb"
    return nbformat.read(path, as_version=4)


def released(notebook: NotebookNode) -> NotebookNode:
    """What learners get: no solution."""
    made = copy.deepcopy(notebook)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs = []
        if (cell.metadata.get("nbgrader") or {}).get("solution"):
            head = cell.source.split("### BEGIN SOLUTION")[0]
            cell.source = f"{head}# YOUR CODE HERE\n    raise NotImplementedError()"
    return made


def submission(notebook: NotebookNode, code: str, *, before: str = "") -> NotebookNode:
    """The released notebook with this answer, and a cell before it."""
    made = released(notebook)
    place = next(
        i
        for i, cell in enumerate(made.cells)
        if (cell.metadata.get("nbgrader") or {}).get("solution")
    )
    made.cells[place].source = textwrap.dedent(code).strip()
    if before:
        extra = nbformat.v4.new_code_cell(textwrap.dedent(before).strip(), id="my-own")
        made.cells.insert(place, extra)
    return made
