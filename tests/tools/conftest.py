"""A small checkout of its own for each test: no test of a tool touches the real one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from tools.common import Tree, text_of
from tools.notebooks import warm
from tools.notebooks.setup_cell import setup_source

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass(frozen=True)
class Checkout:
    """A folder with labs, exercises, a package, results, pages and tests."""

    root: Path

    @property
    def tree(self) -> Tree:
        return Tree(self.root)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def notebook(self, path: str, cells: list[NotebookNode], **metadata: Any) -> Path:
        book = nbformat.v4.new_notebook(cells=cells, metadata={**KERNEL, **metadata})
        return self.write(path, text_of(book))

    def lab(self, name: str, *cells: NotebookNode, **metadata: Any) -> Path:
        """A lab with the cells that every lab has, and these."""
        return self.notebook(f"notebooks/{name}.ipynb", [*frame(), *cells], **metadata)


def code(name: str, source: str, *tags: str, **metadata: Any) -> NotebookNode:
    metadata = {**metadata, **({"tags": list(tags)} if tags else {})}
    return nbformat.v4.new_code_cell(source, id=name, metadata=metadata)


def prose(name: str, source: str, *tags: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(
        source, id=name, metadata={"tags": list(tags)} if tags else {}
    )


def frame() -> list[NotebookNode]:
    from tools.notebooks.validate import PARAMETERS

    return [
        prose("title", "# A lab"),
        prose("cost", "", "cost"),
        code("setup", setup_source(""), "setup"),
        code("parameters", PARAMETERS, "parameters"),
    ]


def exercise_cells(name: str = "double", *, points: int = 2) -> list[NotebookNode]:
    """A small exercise: twice a number."""
    rules = {"schema_version": 3, "cell_type": "code", "task": False}
    solution = {**rules, "grade": False, "solution": True, "locked": False, "grade_id": name}
    test = {**rules, "grade": True, "solution": False, "locked": True, "points": points}
    test["grade_id"] = f"{name}-check"
    shown = code("what", f"print({name}(21))", "expected")
    shown.outputs = [nbformat.v4.new_output("stream", name="stdout", text="42\n")]
    return [
        prose("task", "# Exercise: twice\n\nWrite a function that doubles a number."),
        code(
            name,
            f"def {name}(x):\n    ### BEGIN SOLUTION\n    secret = 2 * x\n    return secret\n"
            "    ### END SOLUTION",
            nbgrader=solution,
        ),
        shown,
        code(
            f"{name}-check",
            "from course_lib import checks\n\n"
            f"report = checks.{name}({name})\nprint(report)\n"
            "### BEGIN HIDDEN TESTS\nhidden = 1\n### END HIDDEN TESTS\nreport.points",
            nbgrader=test,
        ),
        prose("why", "Because *twice* is two times.", "explanation"),
    ]


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebooks of these tests import none, so none are imported ahead."""
    monkeypatch.setattr(warm, "LIBRARIES", ())


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "a checkout")
    made.write("pyproject.toml", '[tool.course]\nrepository = ""\n')
    made.write("course_lib/__init__.py", "")
    (made.root / "notebooks").mkdir()
    return made


@pytest.fixture
def cells() -> Any:
    """The makers of cells, for tests that cannot import from here."""
    from types import SimpleNamespace

    return SimpleNamespace(code=code, prose=prose, frame=frame, exercise=exercise_cells)
