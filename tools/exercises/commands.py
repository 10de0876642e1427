"""Make from each exercise source the learner's notebook, the lab's stub and the book's page.

`python -m tools.exercises sync` writes the first two, which are committed; the page is made when
the book is built. The source is `notebooks/exercises/NAME.ipynb`, in nbgrader's format.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tools.common import (
    ROOT,
    ToolError,
    Tree,
    fail_with,
    is_code,
    read,
    say,
    tagged,
    tags,
    text_of,
    without_outputs,
    write_if_changed,
)
from tools.exercises.page import graded, page, strip
from tools.notebooks import runner, validate
from tools.notebooks.setup_cell import repository, setup_source

CLOSING = (
    "Stuck? This exercise's page in the book shows what a right answer gives, and the solution "
    "behind a click."
)


def problems_of(path: Path, notebook: NotebookNode) -> list[str]:
    """What is wrong with a source, beyond what holds for every notebook."""
    name, problems = path.stem, []
    solutions, tests = graded(notebook, "solution"), graded(notebook, "grade")
    if not name.isidentifier():
        problems.append(f"the name {name!r} is not one of a Python function: use snake_case")
    if [c.id for c in solutions] != [name]:
        problems.append(f"wanted one solution cell with the id {name!r}")
    if [c.id for c in tests] != [f"{name}-check"]:
        problems.append(f"wanted one test cell with the id '{name}-check'")
    if not tagged(notebook, "expected"):
        problems.append("no cell is tagged 'expected': show what a right answer gives")
    for cell in [*solutions, *tests]:
        rules = cell.metadata["nbgrader"]
        if rules.get("schema_version") != 3 or rules.get("grade_id") != cell.id:
            problems.append(f"cell {cell.id!r}: wanted schema_version 3, grade_id = the cell's id")
    for cell in solutions:
        if "BEGIN SOLUTION" not in cell.source:
            problems.append(
                f"cell {cell.id!r}: mark the solution: ### BEGIN SOLUTION … ### END SOLUTION"
            )
        try:
            strip(cell.source)
        except ToolError as error:
            problems.append(f"cell {cell.id!r}: {error}")
    for cell in tests:
        rules = cell.metadata["nbgrader"]
        if not rules.get("locked") or not rules.get("points"):
            problems.append(f"cell {cell.id!r}: wanted locked and points")
        if cell.source.rstrip().splitlines()[-1].strip() != "report.points":
            problems.append(
                f"cell {cell.id!r}: its last line must be `report.points` (partial credit)"
            )
    first = notebook.cells[0].source if notebook.cells else ""
    if not first.startswith("# "):
        problems.append("must begin with a Markdown cell with its title")
    return [f"{validate.where(path)}: {problem}" for problem in problems]


def stub_of(notebook: NotebookNode) -> str:
    return strip(graded(notebook, "solution")[0].source)


def practice(notebook: NotebookNode, address: str) -> NotebookNode:
    """The learner's notebook: no solution, no hidden test, no explanation, no outputs."""
    made = without_outputs(notebook)
    made.cells = [cell for cell in made.cells if "explanation" not in tags(cell)]
    for cell in made.cells:
        cell.metadata.pop("nbgrader", None)
        if cell.cell_type == "code":
            cell.source = strip(cell.source)
    setup = nbformat.v4.new_code_cell(
        setup_source(address), id="setup", metadata={"tags": ["setup"]}
    )
    made.cells.insert(1, setup)
    made.cells.append(nbformat.v4.new_markdown_cell(CLOSING, id="stuck"))
    return made


def sync(tree: Tree | None = None, *, check: bool = False) -> list[str]:
    """Write the learners' notebooks and the labs' stubs; `check`: only say what would change."""
    tree = tree or Tree()
    sources = {path.stem: read(path) for path in tree.sources()}
    problems = [p for path in tree.sources() for p in problems_of(path, sources[path.stem])]
    fail_with(problems, "Problems in exercise sources:")
    address = repository(tree)
    wanted = {
        tree.practice / f"{n}.ipynb": text_of(practice(b, address)) for n, b in sources.items()
    }
    for path in tree.labs():
        lab = read(path)
        for cell in lab.cells:
            for tag in tags(cell):
                if not tag.startswith("exercise:"):
                    continue
                name = tag.partition(":")[2]
                if name not in sources:
                    raise ToolError(f"{validate.where(path, cell)}: no exercise {name!r}")
                cell.source = stub_of(sources[name])
        wanted[path] = text_of(lab)
    changed = []
    for path, text in wanted.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        shown = path.relative_to(tree.root).as_posix()
        changed.append(f"{shown} is out of step: run `python -m tools.exercises sync`")
        if not check:
            write_if_changed(path, text)
            say(f"wrote {shown}")
    for path in sorted(set(tree.practice.glob("*.ipynb")) - set(wanted)):
        changed.append(f"notebooks/practice/{path.name} has no source any more: run sync")
        if not check:
            path.unlink()
    return changed


def pages(out_dir: Path, tree: Tree | None = None) -> list[str]:
    """Write the pages of all exercises into a folder; return their names.

    The solutions are executed, through the cache: one that does not reach all points fails.
    """
    tree = tree or Tree()
    names = []
    for path, done in solutions_executed(tree).items():
        notebook = without_outputs(read(path))
        text, pictures = page(path.stem, notebook, done)
        write_if_changed(out_dir / f"{path.stem}.md", text)
        for old in set(out_dir.glob(f"{path.stem}-*.png")) - {out_dir / file for file in pictures}:
            old.unlink()
        for file, content in pictures.items():
            write_if_changed(out_dir / file, content)
        names.append(path.stem)
    return names


def solutions_executed(tree: Tree) -> dict[Path, NotebookNode]:
    """Execute the sources, with their solutions, in kernels; all points, or an error."""
    problems = [found for path in tree.sources() for found in problems_of(path, read(path))]
    fail_with(problems, "Problems in exercise sources:")
    executed = runner.run_all(tree.sources(), "quick", tree)
    return {path: _all_points(path, done, tree) for path, done in executed.items()}


def _all_points(path: Path, done: runner.Execution, tree: Tree) -> NotebookNode:
    runner.keep(done, "quick", tree)
    fail_with(validate.check_executed(path, done.notebook), "Problems in an executed exercise:")
    test = graded(done.notebook, "grade")[0]
    wanted = float(test.metadata["nbgrader"]["points"])
    results = [o.data.get("text/plain") for o in test.outputs if o.output_type == "execute_result"]
    if not results or float(results[-1]) != wanted:
        raise ToolError(f"{path.name}: the solution reaches {results} points, wanted {wanted:g}")
    return done.notebook


def play(notebook: NotebookNode) -> dict[str, Any]:
    """Run the code cells in this process, going on after errors.

    Returns:
        `points` and `total` of the report, if there is one, and `errors` by cell id.
    """
    space: dict[str, Any] = {"__name__": "__learner__"}
    errors: dict[str, str] = {}
    for cell in notebook.cells:
        if is_code(cell):
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(cell.source, f"<{cell.id}>", "exec"), space)
            except Exception as error:
                errors[cell.id] = f"{type(error).__name__}: {error}"
    report = space.get("report")
    return {
        "points": getattr(report, "points", None),
        "total": getattr(report, "total", None),
        "errors": errors,
    }


def untouched(tree: Tree) -> dict[str, dict[str, Any]]:
    """What the learners' notebooks give as they are, by name; run in one process of their own."""
    paths = sorted(str(path) for path in tree.practice.glob("*.ipynb"))
    script = (
        "import json, pathlib, sys\n"
        "from tools import common\nfrom tools.exercises import commands\n"
        "played = {p: commands.play(common.read(pathlib.Path(p))) for p in sys.argv[1:]}\n"
        "print(json.dumps(played))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree.root), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", script, *paths],
        cwd=tree.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"the learners' notebooks could not be run:\n{done.stderr[-2000:]}")
    played = json.loads(done.stdout.splitlines()[-1])
    return {Path(path).stem: values for path, values in played.items()}


def verify(tree: Tree | None = None) -> None:
    """Run every solution (all points) and every untouched notebook (none)."""
    tree = tree or Tree()
    played = untouched(tree)
    for path, notebook in solutions_executed(tree).items():
        seen = played.get(path.stem, {"points": "missing", "total": None, "errors": {}})
        if seen["points"] != 0 or not seen["total"]:
            raise ToolError(f"practice/{path.name}, untouched: {seen}; wanted 0 points")
        expected = {cell.id for cell in tagged(notebook, "expected")}
        if set(seen["errors"]) - expected:
            raise ToolError(f"practice/{path.name}, untouched: cells failed: {seen['errors']}")
        say(f"{path.stem}: solution {seen['total']} of {seen['total']} points, untouched 0")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("sync", help="write the learners' notebooks and the labs' stubs")
    commands.add_parser("check", help="fail if one of them is out of step with its source")
    commands.add_parser("verify", help="run the solutions and the untouched notebooks")
    made = commands.add_parser("pages", help="write the book's pages")
    made.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "sync":
        sync()
    elif given.command == "check":
        fail_with(sync(check=True), "Out of step:")
    elif given.command == "verify":
        verify()
    else:
        pages(given.folder)
