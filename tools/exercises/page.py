"""The book's page of an exercise, and the book's index of all of them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode

from tools.common import ToolError, Tree, is_code, read, tagged, tags
from tools.exercises.facts import Facts, title_of, with_line

STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")  # nbgrader's own
# Cells for learners that the page has in words of its own.
LEARNERS_ONLY = ("check-it", "expected-title")
KINDS = {
    "write a function": "write the function",
    "repair": "repair a training with planted bugs",
    "predict": "commit an answer, then see the run",
    "write a test": "write a test that finds the wrong ones",
    "diagnose": "say why each run went wrong",
    "design": "meet a bar within a budget",
}


def strip(source: str) -> str:
    """A solution cell's text with the solution replaced by the stub, and no hidden tests."""
    lines: list[str] = []
    inside = ""
    for line in source.splitlines():
        begin = re.match(r"(\s*)#+ *BEGIN (SOLUTION|HIDDEN TESTS)", line)
        end = re.match(r"\s*#+ *END (SOLUTION|HIDDEN TESTS)", line)
        if begin:
            if inside:
                raise ToolError(f"BEGIN {begin[2]} inside of {inside}")
            inside = begin[2]
            if inside == "SOLUTION":
                lines += [begin[1] + text for text in STUB]
        elif end:
            if end[1] != inside:
                raise ToolError(f"END {end[1]} without its BEGIN")
            inside = ""
        elif not inside:
            lines.append(line)
    if inside:
        raise ToolError(f"BEGIN {inside} without its END")
    return "\n".join(lines)


def solved(source: str) -> str:
    """A solution cell's text without the two markers."""
    return "\n".join(x for x in source.splitlines() if not re.match(r"\s*#+ *(BEGIN|END) SOL", x))


def graded(notebook: NotebookNode, field: str) -> list[NotebookNode]:
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get(field)]


def page(facts: Facts, executed: NotebookNode) -> tuple[str, dict[str, bytes]]:
    """The book's page as MyST Markdown, and its pictures by file name.

    Args:
        facts: Of the exercise.
        executed: Its source, with the outputs of its solution.
    """
    name = facts.name
    pictures: dict[str, bytes] = {}
    parts, expected = [f"({'exercise-' + name.replace('_', '-')})="], []
    solution, test = graded(executed, "solution")[0], graded(executed, "grade")[0]
    for cell in executed.cells:
        if "explanation" in tags(cell) or cell is test or cell.id in LEARNERS_ONLY:
            continue
        if cell is solution:
            parts += ["## Your part", _fence(strip(cell.source))]
        elif cell.cell_type == "markdown":
            line = facts.line(f"../notebooks/{facts.lab}.ipynb")
            parts.append(with_line(cell.source, line) if len(parts) == 1 else cell.source)
        elif is_code(cell):
            shown = [] if "hide-input" in tags(cell) else [_fence(cell.source)]
            shown += _outputs(name, cell, pictures)
            (expected if "expected" in tags(cell) else parts).extend(shown)
    parts.append(
        f"{'Commit' if facts.kind == 'predict' else 'Check'} it with `checks.{name}({name})`, in "
        f"[the lab](../notebooks/{facts.lab}.ipynb) or in the notebook "
        f"`notebooks/practice/{facts.lab}/{name}.ipynb`: {facts.points:g} points, one property at "
        "a time."
    )
    if expected:
        parts += [f"## {expected_title(facts.kind)}", *expected]
    hidden = [_fence(solved(solution.source))]
    if facts.kind == "predict":
        hidden.append(_note(text_of_output(test.outputs[0])))
    word = "answer" if facts.kind in ("predict", "diagnose") else "solution"
    parts += [
        f"## {word.capitalize()}",
        "\n\n".join(
            [f"`````{{dropdown}} Show the {word}", *hidden]
            + [cell.source for cell in tagged(executed, "explanation")]
            + ["`````"]
        ),
    ]
    return "\n\n".join(parts) + "\n", pictures


def _note(report: str) -> str:
    """What a printed report says after its properties: what the run has shown."""
    _, _, note = report.rpartition("point)\n")
    return " ".join(note.split())


def _fence(source: str, language: str = "python") -> str:
    return f"```{language}\n{source}\n```"


def expected_title(kind: str) -> str:
    """The title above what an answer prints and draws; designs differ, and may all be right."""
    return "What one good answer gives" if kind == "design" else "What a right answer gives"


def _outputs(name: str, cell: NotebookNode, pictures: dict[str, bytes]) -> list[str]:
    shown = []
    for output in cell.get("outputs", []):
        data: dict[str, Any] = output.get("data", {})
        if "image/png" in data:
            file = f"{name}-{len(pictures) + 1}.png"
            pictures[file] = base64.b64decode(data["image/png"])
            shown.append(f"```{{image}} {file}\n:alt: {alt_text(cell)}\n```")
        elif text := text_of_output(output):
            shown.append(_fence(text, "text"))
    return shown


def text_of_output(output: NotebookNode) -> str:
    """What an output says as plain text."""
    if output.output_type == "stream":
        return str(output.text).rstrip("\n")
    return str(output.get("data", {}).get("text/plain", ""))


def alt_text(cell: NotebookNode) -> str:
    """The description of a cell's picture, on one line."""
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    return " ".join(str(alt).split())


def index(known: Mapping[str, Facts], tree: Tree) -> str:
    """All exercises as Markdown: a table for each lab, in the order of the book."""
    lines: list[str] = []
    lab = ""
    for facts in known.values():
        if facts.lab != lab:
            lab = facts.lab
            lines += ["", f"## [{facts.lab_title}](../notebooks/{lab}.ipynb)", ""]
            lines += ["| Exercise | What you do | Level | Minutes | Points |"]
            lines += ["| --- | --- | --- | --- | --- |"]
        title = title_of(read(tree.exercises / lab / f"{facts.name}.ipynb"))
        lines.append(
            f"| [{title}](../exercises/{facts.name}.md) | {KINDS[facts.kind]} | {facts.level} | "
            f"{facts.minutes} | {facts.points} |"
        )
    return "\n".join(lines).lstrip("\n") + "\n"
