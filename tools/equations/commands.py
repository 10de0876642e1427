"""Every displayed equation has a label, and every label a test that checks the equation.

`tests/equations.lock.json` holds a hash of each equation's normalised LaTeX. A changed equation
fails until `python -m tools.equations update LABEL`, which shows the test, so that somebody looks
at it again.
"""

from __future__ import annotations

import argparse
import ast
import re
from dataclasses import dataclass
from pathlib import Path

from tools.common import (
    ToolError,
    Tree,
    damaged,
    fail_with,
    json_text,
    read,
    read_json,
    say,
    write_if_changed,
)
from tools.equations.displayed import Equation, displayed, short_hash

LABEL = re.compile(r"eq-[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class EquationTest:
    """A test that names the labels that it checks."""

    name: str
    labels: tuple[str, ...]
    source: str
    asserts: bool


def collect(tree: Tree | None = None) -> list[Equation]:
    """All displayed equations of the chapters, labs and exercises."""
    tree = tree or Tree()
    found: list[Equation] = []
    for path in sorted((tree.root / "book").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        found += displayed(text, path.relative_to(tree.root).as_posix())
    for path in [*tree.labs(), *tree.sources()]:
        place = path.relative_to(tree.root).as_posix()
        for cell in read(path).cells:
            if cell.cell_type == "markdown":
                found += displayed(cell.source, f"{place} [{cell.id}]")
    return found


def tests(tree: Tree | None = None) -> list[EquationTest]:
    """All tests that are marked with `@pytest.mark.equation("label", …)`."""
    tree = tree or Tree()
    found = []
    for path in sorted((tree.root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.equation" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            labels = [
                argument.value
                for mark in node.decorator_list
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("mark.equation")
                for argument in mark.args
                if isinstance(argument, ast.Constant)
            ]
            if labels:
                name = f"{path.relative_to(tree.root).as_posix()}::{node.name}"
                found.append(EquationTest(name, tuple(labels), ast.unparse(node), _asserts(node)))
    return found


def _asserts(node: ast.AST) -> bool:
    for part in ast.walk(node):
        if isinstance(part, ast.Assert):
            return True
        if isinstance(part, ast.Call) and "assert" in ast.unparse(part.func).rpartition(".")[2]:
            return True
        if isinstance(part, ast.Call) and ast.unparse(part.func) == "pytest.raises":
            return True
    return False


def _lock(tree: Tree) -> Path:
    return tree.root / "tests" / "equations.lock.json"


def _locked(tree: Tree) -> dict[str, dict[str, str]]:
    """The hashes of each locked equation and of its test."""
    found = read_json(_lock(tree))
    for label, entry in found.items():
        if not isinstance(entry, dict) or not {"equation", "test"} <= entry.keys():
            raise damaged(_lock(tree), f"{label} has no hashes")
    return found


def problems_of(tree: Tree | None = None) -> list[str]:
    """Everything that is wrong with equations, their tests and the lock file."""
    tree = tree or Tree()
    equations, marked = collect(tree), tests(tree)
    locked = _locked(tree)
    problems, places = [], {}
    checked = {label: test for test in marked for label in test.labels}
    for equation in equations:
        label = equation.label
        if not label:
            problems.append(f"{equation.place}: a displayed equation without a label (eq-…)")
            continue
        if not LABEL.fullmatch(label):
            problems.append(
                f"{equation.place}: the label {label!r} is not of the form eq-some-words"
            )
        if label in places:
            problems.append(
                f"{equation.place}: the label {label} stands at {places[label]} already"
            )
        places[label] = equation.place
        if label not in checked:
            problems.append(
                f"{equation.place}: {label} has no test; write one in tests/equations/, marked "
                f'@pytest.mark.equation("{label}")'
            )
        elif label not in locked:
            problems.append(
                f"{equation.place}: {label} is new: run `python -m tools.equations update {label}`"
            )
        elif locked[label]["equation"] != equation.hash:
            problems.append(
                f"{equation.place}: {label} has changed. Look at {checked[label].name}, then run "
                f"`python -m tools.equations update {label}`"
            )
    for test in marked:
        problems += [f"{test.name}: no equation {x}" for x in test.labels if x not in places]
        if not test.asserts:
            problems.append(f"{test.name}: checks nothing: it has no assertion")
    problems += [
        f"tests/equations.lock.json: no equation {label} any more: run `python -m tools.equations "
        f"update {label}`"
        for label in locked
        if label not in places
    ]
    return problems


def check(tree: Tree | None = None) -> None:
    """Raise ToolError with all problems, if there are any."""
    fail_with(problems_of(tree), "Problems with equations:")


def update(labels: list[str], *, looked: bool = False, tree: Tree | None = None) -> None:
    """Lock equations as they are now, after somebody has looked at their tests.

    Args:
        labels: Which; a label that is in no page any more is forgotten.
        looked: Needed where the equation has changed and its test has not: the test still holds.
        tree: The checkout.
    """
    tree = tree or Tree()
    equations = {e.label: e for e in collect(tree) if e.label}
    marked = tests(tree)
    locked = _locked(tree)
    for label in labels:
        own = [test for test in marked if label in test.labels]
        if label not in equations:
            if locked.pop(label, None) is None:
                raise ToolError(f"no equation {label}, neither in a page nor in the lock file")
            say(f"{label}: forgotten")
            continue
        if not own:
            raise ToolError(f'{label} has no test marked @pytest.mark.equation("{label}")')
        entry = {
            "equation": equations[label].hash,
            "test": short_hash("\n".join(test.source for test in own)),
        }
        old = locked.get(label, entry)
        if old == entry and label in locked:
            continue
        say(f"{label} at {equations[label].place}:\n{equations[label].latex.strip()}\n")
        for test in own:
            say(f"# {test.name}\n{test.source}\n")
        if old["equation"] != entry["equation"] and old["test"] == entry["test"] and not looked:
            raise ToolError(
                f"{label} has changed, its test has not. If the test above checks the equation as "
                f"it stands now: `python -m tools.equations update {label} --looked`"
            )
        locked[label] = entry
        say(f"{label}: locked\n")
    write_if_changed(_lock(tree), json_text(locked))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.equations", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="labels, tests and lock file are in step")
    commands.add_parser("list", help="all displayed equations")
    locks = commands.add_parser("update", help="lock equations, after looking at their tests")
    locks.add_argument("labels", nargs="*", metavar="LABEL")
    locks.add_argument("--new", action="store_true", help="all that are not locked yet")
    locks.add_argument("--looked", action="store_true", help="the unchanged test still holds")
    given = parser.parse_args()
    if given.command == "check":
        check()
        say(f"{len(collect())} equations, each with its test")
    elif given.command == "list":
        for equation in collect():
            print(f"{equation.label or 'WITHOUT LABEL'}  {equation.place}")
    else:
        labels = list(given.labels)
        if given.new:
            locked = _locked(Tree())
            labels += [e.label for e in collect() if e.label and e.label not in locked]
        if not labels:
            raise ToolError("name the labels, or give --new")
        update(labels, looked=given.looked)
