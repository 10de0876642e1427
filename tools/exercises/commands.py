"""Make from each exercise source the learner's notebook, the lab's cells and the book's page.

`python -m tools.exercises sync` writes the first two, which are committed; the page is made when
the book is built. The source is `notebooks/exercises/LAB/NAME.ipynb`, in nbgrader's format and
folders: each lab is one assignment.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import re
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
    write_if_changed,
)
from tools.exercises import facts
from tools.exercises.learner import practice
from tools.exercises.page import graded, index, page, strip, text_of_output
from tools.notebooks import runner, validate
from tools.notebooks.setup_cell import repository


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


def _strangers(tree: Tree, known: dict[str, facts.Facts]) -> list[str]:
    """Sources without a check, checks without a source, and sources in another lab's folder."""
    lies = {path.stem: path.parent.name for path in tree.sources()}
    problems = [f"{name}: a source and no check" for name in lies if name not in known]
    problems += [f"{name}: a check and no source" for name in known if name not in lies]
    return problems + [
        f"{name}: its source lies in {lies[name]}/, its check belongs to the lab {known[name].lab}"
        for name in known
        if lies.get(name, known[name].lab) != known[name].lab
    ]


def sync(tree: Tree | None = None, *, check: bool = False) -> list[str]:
    """Write the learners' notebooks and the labs' cells; `check`: only say what would change."""
    tree = tree or Tree()
    sources = {path.stem: read(path) for path in tree.sources()}
    problems = [p for path in tree.sources() for p in problems_of(path, sources[path.stem])]
    fail_with(problems, "Problems in exercise sources:")
    address, known = repository(tree), facts.known(tree)
    fail_with(_strangers(tree, known), "Exercises and checks that do not fit together:")
    wanted = {
        tree.practice / path.parent.name / path.name: text_of(
            practice(sources[path.stem], known[path.stem], address)
        )
        for path in tree.sources()
    }
    for path in tree.labs():
        lab = read(path)
        for cell in lab.cells:
            for tag in tags(cell):
                kind, _, name = tag.partition(":")
                if kind not in validate.KNOWN_PREFIXES:
                    continue
                if name not in sources:
                    raise ToolError(f"{validate.where(path, cell)}: no exercise {name!r}")
                if kind == "exercise":
                    cell.source = strip(graded(sources[name], "solution")[0].source)
                else:
                    cell.source = tagged(sources[name], "given")[0].source
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
    for path in sorted(set(tree.practices()) - set(wanted)):
        shown = path.relative_to(tree.root).as_posix()
        changed.append(f"{shown} has no source any more: run sync")
        if not check:
            path.unlink()
    return changed


def pages(out_dir: Path, tree: Tree | None = None) -> list[str]:
    """Write the pages of all exercises into a folder; return their names, in the book's order.

    The solutions are executed, through the cache: one that does not reach all points fails.
    """
    tree = tree or Tree()
    known = facts.known(tree)
    for path, done in solutions_executed(tree).items():
        name = path.stem
        text, pictures = page(known[name], done)
        write_if_changed(out_dir / f"{name}.md", text)
        for old in set(out_dir.glob(f"{name}-*.png")) - {out_dir / file for file in pictures}:
            old.unlink()
        for file, content in pictures.items():
            write_if_changed(out_dir / file, content)
    return list(known)


def index_page(tree: Tree | None = None) -> str:
    """The book's list of all exercises, as Markdown."""
    tree = tree or Tree()
    return index(facts.known(tree), tree)


def expect(only: list[str] | None = None, tree: Tree | None = None) -> None:
    """Store what a right answer prints in the sources; look at the difference before committing."""
    tree = tree or Tree()
    wanted = [path for path in tree.sources() if not only or path.stem in only]
    for path, done in solutions_executed(tree, wanted, compare=False).items():
        source = read(path)
        for cell, ran in zip(source.cells, done.cells, strict=True):
            if "expected" in tags(cell):
                text = _printed(ran)
                stream = nbformat.v4.new_output("stream", name="stdout", text=f"{text}\n")
                cell.outputs = [stream] if text else []
        if write_if_changed(path, text_of(source)):
            say(f"wrote {path.relative_to(tree.root)}")
    sync(tree)


def _printed(cell: NotebookNode) -> str:
    """The text of a cell's outputs, without its pictures."""
    outputs = [o for o in cell.get("outputs", []) if "image/png" not in o.get("data", {})]
    return "\n".join(filter(None, map(text_of_output, outputs)))


def alike(a: str, b: str) -> bool:
    """Whether two texts differ in the last digits of their numbers at most."""
    number = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?")
    if number.sub("#", a) != number.sub("#", b):
        return False
    pairs = zip(number.findall(a), number.findall(b), strict=True)
    return all(math.isclose(float(x), float(y), rel_tol=0.01, abs_tol=0.01) for x, y in pairs)


def solutions_executed(
    tree: Tree, paths: list[Path] | None = None, *, compare: bool = True
) -> dict[Path, NotebookNode]:
    """Execute sources, with their solutions, in kernels; all points, or an error.

    Args:
        tree: The checkout.
        paths: The sources; default all.
        compare: Fail if a right answer prints something else than the source says.
    """
    paths = tree.sources() if paths is None else paths
    problems = [found for path in paths for found in problems_of(path, read(path))]
    fail_with(problems, "Problems in exercise sources:")
    executed = runner.run_all(paths, "quick", tree)
    return {path: _all_points(path, done, tree, compare) for path, done in executed.items()}


def _all_points(path: Path, done: runner.Execution, tree: Tree, compare: bool) -> NotebookNode:
    runner.keep(done, "quick", tree)
    fail_with(validate.check_executed(path, done.notebook), "Problems in an executed exercise:")
    test = graded(done.notebook, "grade")[0]
    wanted = float(test.metadata["nbgrader"]["points"])
    results = [o.data.get("text/plain") for o in test.outputs if o.output_type == "execute_result"]
    if not results or float(results[-1]) != wanted:
        raise ToolError(f"{path.name}: the solution reaches {results} points, wanted {wanted:g}")
    for said, ran in zip(read(path).cells, done.notebook.cells, strict=True):
        if compare and "expected" in tags(said) and not alike(_printed(said), _printed(ran)):
            raise ToolError(
                f"{validate.where(path, said)}: a right answer prints {_printed(ran)!r}, and the "
                f"source says {_printed(said)!r}: run `python -m tools.exercises expect`"
            )
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
    paths = [str(path) for path in tree.practices()]  # figures are drawn and thrown away
    script = (
        "import json, pathlib, sys\n"
        "from tools import common\nfrom tools.exercises import commands\n"
        "played = {p: commands.play(common.read(pathlib.Path(p))) for p in sys.argv[1:]}\n"
        "print(json.dumps(played))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree.root), str(ROOT)])}
    environment["MPLBACKEND"] = "Agg"
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
    commands.add_parser("sync", help="write the learners' notebooks and the labs' cells")
    commands.add_parser("check", help="fail if one of them is out of step with its source")
    commands.add_parser("verify", help="run the solutions and the untouched notebooks")
    stored = commands.add_parser("expect", help="store in the sources what right answers print")
    stored.add_argument("--only", nargs="+", metavar="NAME", help="only these exercises")
    commands.add_parser("record", help="train the runs to diagnose again, and store them")
    made = commands.add_parser("pages", help="write the book's pages")
    made.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "sync":
        sync()
    elif given.command == "check":
        fail_with(sync(check=True), "Out of step:")
    elif given.command == "verify":
        verify()
    elif given.command == "expect":
        expect(given.only)
    elif given.command == "record":
        from tools.exercises import record  # it imports torch

        record.main()
    else:
        pages(given.folder)
