"""Which sentences of a lab are held to its run, by `this.said("sentence", holds)`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from tools.common import Tree, is_code, read, tagged, tags

ROLE = re.compile(r"\{(?:eq|numref|ref|doc|term|result|cite(?::[a-z]+)?)\}`")
# What a page says in the present of its runs and cannot know before: numbers, ranks, changes.
OUTCOME = re.compile(
    r"\b(best|worst|better|worse|first|last|most|least|more|less|fewer|higher|lower|larger|smaller|"
    r"falls?|fell|rises?|rose|grows?|grew|shrinks?|hardly|nearly|almost|wins?|loses?|behind|ahead|"
    r"in the run|here|the table|the figure|above|below|you (?:see|saw))\b|\d",
    re.IGNORECASE,
)


def words(text: str) -> str:
    """Text with single spaces."""
    return " ".join(text.split())


def prose(notebook: NotebookNode) -> str:
    """All that a lab says in Markdown cells."""
    return "\n\n".join(cell.source for cell in notebook.cells if not is_code(cell))


def bound(cell: NotebookNode) -> list[str]:
    """The sentences that a cell holds to the run.

    Raises:
        ValueError: A call whose first argument is no plain text.
    """
    found = []
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "this.said":
            first = node.args[0] if node.args else None
            if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
                raise ValueError("this.said wants its sentence as plain text, then the condition")
            found.append(words(first.value))
    return found


def problems(notebook: NotebookNode) -> list[str]:
    """What is wrong with the cells tagged 'said', and with what a notebook's reader would see."""
    faults = []
    text = words(prose(notebook))
    for cell in notebook.cells:
        if is_code(cell) and ("said" in tags(cell)) != ("this.said(" in cell.source):
            faults.append(f"cell {cell.id!r}: the tag 'said' and calls of this.said go together")
        if not is_code(cell) and (role := ROLE.search(cell.source)):
            faults.append(
                f"cell {cell.id!r}: JupyterLab would show {role[0]}…` as it stands; write a link, "
                "for an equation ([words](../book/math/PAGE.md#eq-NAME))"
            )
    for cell in tagged(notebook, "said"):
        if not cell.metadata.get("jupyter", {}).get("source_hidden"):
            faults.append(f"cell {cell.id!r}: set metadata.jupyter.source_hidden, to fold it")
        try:
            missing = [sentence for sentence in bound(cell) if sentence not in text]
        except ValueError as error:
            faults.append(f"cell {cell.id!r}: {error}")
            continue
        faults += [f"cell {cell.id!r}: the page does not say {one!r}" for one in missing]
    return faults


@dataclass(frozen=True)
class Report:
    """What a lab says and what of it is held to the run.

    Attributes:
        name: of the lab.
        bound: sentences that a cell asserts.
        open: other sentences after the first run that may speak of an outcome, to be read.
    """

    name: str
    bound: list[str]
    open: list[str]


def report(path: Path) -> Report:
    """Read a lab and tell its bound sentences from those that somebody has to read."""
    notebook = read(path)
    held = [one for cell in tagged(notebook, "said") for one in bound(cell)]
    start = next((n for n, cell in enumerate(notebook.cells) if is_code(cell)), 0)
    unbound = []
    for cell in notebook.cells[start:]:
        if is_code(cell) or cell.source.startswith("#"):
            continue
        for sentence in re.split(r"(?<=[.!?:])\s+(?=[A-Z*(])", words(cell.source)):
            known = any(one in sentence or sentence in one for one in held)
            if not known and OUTCOME.search(sentence) and not sentence.endswith("?"):
                unbound.append(sentence)
    return Report(path.stem, held, unbound)


def table(tree: Tree | None = None, *, unbound: bool = False) -> str:
    """A line for each lab; with `unbound` the sentences that may need binding as well."""
    tree = tree or Tree()
    lines, total = [], 0
    for path in tree.labs():
        one = report(path)
        total += len(one.bound)
        lines.append(
            f"{one.name}: {len(one.bound)} sentences held to the run, {len(one.open)} to be read"
        )
        lines += [f"    {sentence}" for sentence in one.open] if unbound else []
    return "\n".join([*lines, f"together: {total} sentences held to the run"])
