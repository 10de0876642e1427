"""Execution through the cache: what changed is executed, the rest is not, nothing is skipped."""

from __future__ import annotations

import json

import nbformat
import pytest

from tools.common import ToolError, read
from tools.notebooks import commands as notebooks
from tools.notebooks import runner


def executed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The notebooks that were executed since the last call, by what was printed."""
    lines = capsys.readouterr().out.splitlines()
    return [line.split("] ")[1].split(" (")[0] for line in lines if "executing" in line]


def test_only_what_changed_is_executed(checkout, cells, capsys):
    checkout.write("course_lib/deep/__init__.py", "")
    checkout.write("course_lib/deep/inner.py", "VALUE = 1\n")
    checkout.write("course_lib/outer.py", "from course_lib.deep.inner import VALUE\n")
    checkout.write("notes.txt", "first")
    a = (
        cells.code("look", "from course_lib.outer import VALUE\nprint(scale, VALUE)"),
        cells.code("opened", "print(open('../notes.txt').read())"),
    )
    checkout.lab("a", *a)
    checkout.lab("b", cells.code("say", "print('b')"), cells.prose("end", "Old prose."))
    tree = checkout.tree

    paths = notebooks.execute("smoke", tree=tree)
    assert sorted(paths) == ["a", "b"]
    assert executed(capsys) == ["a", "b"]
    outputs = {cell.id: cell.get("outputs") for cell in read(paths["a"]).cells}
    assert outputs["look"][0].text == "smoke 1\n"

    notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == []  # nothing changed

    checkout.lab("b", cells.code("say", "print('b')"), cells.prose("end", "New prose."))
    paths = notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == []  # prose costs nothing, and is shown
    assert read(paths["b"]).cells[-1].source == "New prose."

    checkout.lab("b", cells.code("say", "print('c')"), cells.prose("end", "New prose."))
    notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == ["b"]  # a cell was touched

    checkout.write("course_lib/deep/inner.py", "VALUE = 2\n")
    paths = notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == ["a"]  # a module that it imports through another
    assert "smoke 2" in paths["a"].read_text()

    checkout.write("notes.txt", "second")
    notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == ["a"]  # a file that it opened

    checkout.write("notes.txt", "first")
    checkout.lab("b", cells.code("say", "print('b')"))
    notebooks.execute("smoke", tree=tree)
    assert "b" not in executed(capsys)  # going back is free


def test_what_is_shown(checkout, cells):
    """Pictures keep their description; progress bars and the machinery's cells are not there."""
    alt = {"image": {"alt": "A line that rises from one to two."}}
    checkout.lab(
        "a",
        cells.code("plot", PLOT, "hide-input", mystnb=alt),
        cells.code("bar", "import sys\nprint('  5%|#   | 1/20 [00:01<00:19]', file=sys.stderr)"),
        cells.code("empty", ""),
    )
    path = notebooks.execute("quick", tree=checkout.tree)["a"]
    shown = read(path)
    nbformat.validate(shown)
    assert path == checkout.root / "_build" / "executed" / "a.ipynb"
    by_id = {cell.id: cell for cell in shown.cells}
    assert [cell.id for cell in shown.cells if cell.id.startswith("probe")] == []
    assert by_id["plot"].metadata == {"tags": ["hide-input"], "mystnb": alt}
    assert "image/png" in by_id["plot"].outputs[0].data
    assert by_id["bar"].outputs == []
    assert "papermill" not in path.read_text()
    counts = [c.execution_count for c in shown.cells if c.cell_type == "code" and c.source]
    assert counts == [1, 2, 3, 4]
    cost = json.loads(path.with_suffix(".cost.json").read_text())
    assert 0.1 < cost["seconds"] < 300
    assert 20 < cost["peak_mb"] < 2000
    assert cost["versions"]["python"].startswith("3.")
    assert "`a`" in notebooks.status_markdown(checkout.tree)


PLOT = """\
import base64
from IPython.display import display
png = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
display({"image/png": png, "text/plain": "a picture"}, raw=True)
"""


def test_a_failing_cell_is_named_and_kept(checkout, cells):
    checkout.lab("a", cells.code("breaks", "value = 1\n1 / 0"))
    with pytest.raises(
        ToolError, match=r"a \(smoke\): cell 'breaks' failed with ZeroDivisionError"
    ):
        notebooks.execute("smoke", tree=checkout.tree)
    kept = read(checkout.root / "_build" / "failed" / "a.ipynb")
    assert any(
        cell.get("outputs") and cell.outputs[0].output_type == "error" for cell in kept.cells
    )


def test_a_kernel_that_dies_is_reported(checkout, cells):
    checkout.lab("a", cells.code("dies", "import os\nos._exit(3)"))
    with pytest.raises(ToolError, match="kernel"):
        notebooks.execute("smoke", tree=checkout.tree)


def test_wrong_names(checkout, cells):
    path = checkout.lab("a")
    with pytest.raises(ToolError, match="no notebook c; there are: a"):
        notebooks.execute("smoke", only=["c"], tree=checkout.tree)
    with pytest.raises(ToolError, match="unknown scale 'huge'; known: smoke, quick, full"):
        runner.run(path, "huge", checkout.tree)
    checkout.write("notebooks/broken.ipynb", "{")
    with pytest.raises(ToolError, match="not a readable notebook"):
        notebooks.execute("smoke", only=["broken"], tree=checkout.tree)


def test_a_damaged_cache_is_not_used(checkout, cells, capsys):
    checkout.lab("a", cells.code("say", "print('a')"))
    notebooks.execute("smoke", tree=checkout.tree)
    (entry,) = (checkout.root / "_build" / "cache").glob("*.json")
    entry.write_text(entry.read_text()[:100])
    capsys.readouterr()
    notebooks.execute("smoke", tree=checkout.tree)
    assert executed(capsys) == ["a"]
