"""What must hold for a committed notebook, and for an executed one.

Each function gives a list of problems, as sentences that say what to do.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.common import is_code, tagged, tags
from tools.notebooks import said
from tools.notebooks.setup_cell import setup_source

PARAMETERS = 'scale = "quick"\ndataset = "auto"\nseed = 0\ndevice = "auto"'
MARKED = "nbval-check-output"
MARKED_LENGTH = 2000  # characters: what is compared is small
KNOWN_TAGS = {
    "parameters",
    "setup",
    "cost",
    "expected",
    "explanation",
    "given",
    "plot",
    "hide-input",
    "hide-output",
    "hide-cell",
    "remove-input",
    "remove-output",
    "remove-cell",
    "said",
    "predict",
    "raises-exception",
    "full-width",
    "nbval-ignore-output",
    "nbval-skip",
    MARKED,
}
KNOWN_PREFIXES = ("exercise", "given")  # of tags with a name: exercise:NAME


def where(path: Path, cell: NotebookNode | None = None) -> str:
    return f"{path.parent.name}/{path.name}" + (f", cell {cell.id!r}" if cell is not None else "")


def check_source(path: Path, notebook: NotebookNode, *, address: str, lab: bool) -> list[str]:
    """What must hold for a notebook as it is committed.

    Args:
        path: Where it lies; named in the messages.
        notebook: Its content.
        address: The repository's address, for the set-up cell.
        lab: Whether it is a lab, which needs a set-up, a parameter and a cost cell.
    """
    problems = [f"{where(path)}: {p}" for p in _format(notebook)]
    for cell in notebook.cells:
        problems += [f"{where(path, cell)}: {p}" for p in _cell(cell)]
    if lab:
        problems += [f"{where(path)}: {p}" for p in _lab(notebook, address)]
        problems += [f"{where(path)}, {p}" for p in said.problems(notebook)]
    return problems


def _format(notebook: NotebookNode) -> list[str]:
    problems = []
    try:
        nbformat.validate(copy.deepcopy(notebook))  # it repairs what it is given
    except nbformat.ValidationError as error:
        problems.append(f"is not a valid notebook: {str(error).splitlines()[0]}")
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        problems.append("is not of format 4.5, which keeps cell ids: save it with a newer Jupyter")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        problems.append("its kernel is not python3: set metadata.kernelspec.name")
    for name in ("widgets", "papermill", "signature", "vscode"):
        if name in notebook.metadata:
            problems.append(f"remove metadata.{name}: an editor or an execution left it behind")
    counts = [c.execution_count for c in notebook.cells if c.get("execution_count") is not None]
    if counts != sorted(set(counts)):
        problems.append(f"its cells were executed out of order: counts {counts}")
    ids = [cell.get("id", "") for cell in notebook.cells]
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        problems.append(f"two cells have the id {name!r}: give each its own")
    return problems


def _cell(cell: NotebookNode) -> list[str]:
    problems = []
    name = cell.get("id", "")
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f-]{27})?", name) and re.search(r"\d", name):
        problems.append("give the cell a readable id, for instance `train-the-model`")
    for tag in tags(cell):
        if tag not in KNOWN_TAGS and tag.partition(":")[0] not in KNOWN_PREFIXES:
            problems.append(f"unknown tag {tag!r}; known: {', '.join(sorted(KNOWN_TAGS))}")
    if "papermill" in cell.metadata or "execution" in cell.metadata:
        problems.append("remove metadata.papermill and metadata.execution")
    if cell.cell_type != "code":
        return problems
    if not cell.source.strip():
        problems.append("is empty: remove it")
    if MARKED not in tags(cell) and "expected" not in tags(cell):
        if cell.outputs:
            problems.append(
                f"has outputs: clear them, or tag the cell {MARKED!r} if they are exact everywhere"
            )
        if cell.execution_count is not None:
            problems.append(f"has the count {cell.execution_count}: clear the outputs")
        return problems
    if MARKED in tags(cell) and (not cell.outputs or cell.execution_count is None):
        problems.append(
            f"is tagged {MARKED!r} and has nothing to compare: `python -m tools.notebooks mark`"
        )
    for output in cell.outputs:
        if output.output_type == "stream":
            text, plain = output.text, output.name == "stdout"
        else:
            data = output.get("data", {})
            text, plain = str(data.get("text/plain", "")), list(data) == ["text/plain"]
        if not plain:
            problems.append("its stored output is not plain text")
        if len(text) > MARKED_LENGTH:
            problems.append(
                f"its stored output has {len(text)} characters: at most {MARKED_LENGTH}"
            )
        if re.search(r"0x[0-9a-f]{6,}|(/home/|/Users/|/tmp/|[A-Z]:\\)", text):
            problems.append(
                "its stored output holds an address or path that is not the same everywhere"
            )
    return problems


def _lab(notebook: NotebookNode, address: str) -> list[str]:
    problems = []
    code = [cell for cell in notebook.cells if is_code(cell)]
    if not code or "setup" not in tags(code[0]):
        problems.append("its first code cell must be tagged 'setup'; `sync` then writes it")
    elif code[0].source != setup_source(address):
        problems.append("its set-up cell is out of step: run `python -m tools.notebooks sync`")
    parameters = tagged(notebook, "parameters")
    if len(parameters) != 1:
        problems.append(f"{len(parameters)} cells are tagged 'parameters', wanted one")
    else:
        lines = [line.split("#")[0].rstrip() for line in parameters[0].source.splitlines()]
        names = [line.split("=")[0].strip() for line in lines if line]
        choice = any("dataset" in cell.source for cell in code if cell is not parameters[0])
        wanted = [line.split(" =")[0] for line in PARAMETERS.splitlines()]
        wanted = [name for name in wanted if name != "dataset" or choice or name in names]
        if names[: len(wanted)] != wanted:
            problems.append(f"its parameter cell must set {', '.join(wanted)}, in this order")
        if (
            lines
            and re.sub(r"\s|'", lambda m: '"' if m[0] == "'" else "", lines[0]) != 'scale="quick"'
        ):
            problems.append('its parameter cell must begin with scale = "quick"')
    cost = tagged(notebook, "cost")
    if len(cost) != 1 or cost[0].cell_type != "markdown":
        problems.append("needs one Markdown cell tagged 'cost'; `sync` then writes it")
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        problems.append("must begin with a Markdown cell with its title")
    return problems


def check_executed(path: Path, notebook: NotebookNode) -> list[str]:
    """What must hold for a notebook that is shown in the book."""
    problems = []
    code = [cell for cell in notebook.cells if is_code(cell)]
    counts = [cell.execution_count for cell in code]
    for cell, count in zip(code, counts, strict=True):
        if count is None:
            problems.append(f"{where(path, cell)}: was not executed")
    known = [count for count in counts if count is not None]
    if known != sorted(set(known)):
        problems.append(f"{where(path)}: was executed out of order: counts {known}")
    elif known and known != list(range(known[0], known[0] + len(known))):
        problems.append(f"{where(path)}: other cells were executed in between: counts {known}")
    for cell in code:
        problems += [f"{where(path, cell)}: {p}" for p in _shown(cell)]
    if "papermill" in notebook.metadata or tagged(notebook, "injected-parameters"):
        problems.append(f"{where(path)}: holds what papermill added")
    return problems


def _shown(cell: NotebookNode) -> list[str]:
    problems = []
    alt = str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")).strip()
    images = 0
    for output in cell.outputs:
        if output.output_type == "error" and "raises-exception" not in tags(cell):
            problems.append(f"failed with {output.ename}: {output.evalue}")
        if output.output_type == "stream" and output.name == "stderr":
            first = output.text.strip().splitlines()[0][:160]
            problems.append(f"wrote to the error stream, which the page would show: {first!r}")
        data = output.get("data", {})
        images += any(kind.startswith("image/") for kind in data)
        html = str(data.get("text/html", ""))
        for image in re.findall(r"<img\b[^>]*>", html, flags=re.IGNORECASE):
            if not re.search(r"\balt\s*=\s*([\"'])\s*[^\s\"'][^\"']*\1", image):
                problems.append("shows an HTML image without alt text")
    if images and len(alt) < 15:
        problems.append(
            "shows a picture without a description: set metadata.mystnb.image.alt "
            + ("(it has fewer than 15 characters)" if alt else "")
        )
    return problems
