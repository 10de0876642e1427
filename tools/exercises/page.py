"""The book's page of an exercise: task, stub, expected result, and the solution behind a click."""

from __future__ import annotations

import base64
import re
from typing import Any

from nbformat import NotebookNode

from tools.common import ToolError, is_code, tagged, tags

STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")  # nbgrader's own


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


def page(name: str, notebook: NotebookNode, executed: NotebookNode) -> tuple[str, dict[str, bytes]]:
    """The book's page as MyST Markdown, and its pictures by file name."""
    pictures: dict[str, bytes] = {}
    parts, expected = [f"({'exercise-' + name.replace('_', '-')})="], []
    solution = graded(notebook, "solution")[0]
    for source, done in zip(notebook.cells, executed.cells, strict=True):
        if "explanation" in tags(source) or source.metadata.get("nbgrader", {}).get("grade"):
            continue
        if source.cell_type == "markdown":
            parts.append(source.source)
        elif source is solution:
            parts += ["## Your part", _fence(strip(source.source))]
        elif "expected" in tags(source):
            if "hide-input" not in tags(source):
                expected.append(_fence(source.source))
            expected += _outputs(name, done, pictures)
        elif is_code(source):
            parts.append(_fence(source.source))
    points = sum(c.metadata["nbgrader"]["points"] for c in graded(notebook, "grade"))
    parts += [
        f"Check it with `checks.{name}({name})`, in the lab or in the notebook "
        f"`notebooks/practice/{name}.ipynb`: {points:g} points, one property at a time.",
        "## What a right answer gives",
        *expected,
        "## Solution",
        "\n".join(
            ["`````{dropdown} Show the solution", _fence(solved(solution.source)), ""]
            + [cell.source + "\n" for cell in tagged(notebook, "explanation")]
            + ["`````"]
        ),
    ]
    return "\n\n".join(parts) + "\n", pictures


def _fence(source: str, language: str = "python") -> str:
    return f"```{language}\n{source}\n```"


def _outputs(name: str, cell: NotebookNode, pictures: dict[str, bytes]) -> list[str]:
    shown = []
    for output in cell.get("outputs", []):
        data: dict[str, Any] = output.get("data", {})
        if "image/png" in data:
            file = f"{name}-{len(pictures) + 1}.png"
            pictures[file] = base64.b64decode(data["image/png"])
            alt = " ".join(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").split())
            shown.append(f"```{{image}} {file}\n:alt: {alt}\n```")
        elif output.output_type == "stream":
            shown.append(_fence(output.text.rstrip("\n"), "text"))
        elif "text/plain" in data:
            shown.append(_fence(str(data["text/plain"]), "text"))
    return shown
