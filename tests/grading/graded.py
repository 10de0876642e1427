"""Graded sets for the tests: learners, their variants, and what they hand in."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from nbformat import NotebookNode

from course_lib.grading import release, sets

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks" / "graded"
NAMES = sets.names(FOLDER)
SECRET = "a secret for the tests alone"
LEARNERS = ("ada", "alan", "grace", "emmy", "mary")


@cache
def graded(name: str) -> sets.GradedSet:
    return sets.load(name, [FOLDER])


@cache
def variant(name: str, learner: str) -> sets.Variant:
    return graded(name).render(learner, SECRET)


def rules(cell: NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader") or {}


@cache
def handed_out(name: str, learner: str) -> NotebookNode:
    """What a learner gets."""
    return release.released(variant(name, learner).source, name)


def solved(name: str, learner: str, by: str = "") -> NotebookNode:
    """A learner's notebook, with the answers that are right for them, or for somebody else."""
    made = copy.deepcopy(handed_out(name, learner))
    right = {rules(c).get("grade_id"): c.source for c in variant(name, by or learner).source.cells}
    for cell in made.cells:
        if rules(cell).get("solution"):
            cell.source = right[rules(cell)["grade_id"]]
    return made


def functions(notebook: NotebookNode, *, whole: bool = True) -> dict[str, Any]:
    """What the cells of a notebook define, run in this process, test cells left out.

    Args:
        notebook: Whose cells are run.
        whole: Whether all of them have to run; of an untouched one, the examples do not.
    """
    space: dict[str, Any] = {"torch": torch, "F": F, "print": lambda *parts: None}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not rules(cell).get("grade"):
            try:
                exec(compile(cell.source, f"<{cell.get('id')}>", "exec"), space)
            except NotImplementedError:
                if whole:
                    raise
    return space
