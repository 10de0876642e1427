"""Every exercise: untouched 0 %, solution 100 %, each known mistake fails with its own hint."""

from __future__ import annotations

import inspect
import sys

import pytest

from course_lib import checks
from tools.common import Tree, is_code, read
from tools.exercises import commands as exercises
from tools.exercises.page import graded, solved, strip

TREE = Tree()
PATHS = {path.stem: path for path in TREE.sources()}
NAMES = list(PATHS)
SEEDS = range(5)


def mistakes(name: str) -> list:
    """The known mistakes of a check; those of `checks.ALL` are tried in tests/checks."""
    if name in checks.ALL:
        return []
    getattr(checks, name)
    return sys.modules[f"course_lib.checks.{name}"].MISTAKES


def learner(name: str, change):
    """What the solution cell defines, after `change` of its text; the cells above it have run."""
    space: dict = {"__name__": "__learner__"}
    for cell in read(PATHS[name]).cells:
        if not is_code(cell):
            continue
        if cell.id == name:
            exec(compile(change(cell.source), f"<{name}>", "exec"), space)
            return space[name]
        exec(compile(cell.source, f"<{cell.id}>", "exec"), space)
    raise AssertionError(f"no solution cell in {name}")


def test_there_are_exercises():
    """Two for each lab, and no check without its exercise."""
    assert len(NAMES) >= 2 * len(TREE.labs())
    functions = {n for n in checks.__all__ if inspect.isfunction(getattr(checks, n))}
    assert (functions - {"assert_close", "grade"}) | set(checks.ALL) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_untouched_gets_nothing(name):
    report = getattr(checks, name)(learner(name, strip))
    assert (report.points, report.hint) == (0, None), str(report)
    assert all(result.message == "not written yet" for result in report.results), str(report)


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_gets_everything(name):
    for seed in SEEDS:
        report = getattr(checks, name)(learner(name, solved), seed=seed)
        assert report.points == report.total > 0, str(report)


@pytest.mark.parametrize("name", NAMES)
def test_the_points_of_the_notebook(name):
    (cell,) = graded(read(PATHS[name]), "grade")
    report = getattr(checks, name)(learner(name, solved))
    assert cell.metadata["nbgrader"]["points"] == report.total


MISTAKES = [
    pytest.param(name, mistake, id=f"{name}-{mistake.name}")
    for name in NAMES
    if hasattr(checks, name)
    for mistake in mistakes(name)
]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES)
def test_each_known_mistake_fails_with_its_own_hint(name, mistake):
    for seed in SEEDS:
        report = getattr(checks, name)(mistake.mutant, seed=seed)
        assert report.points < report.total, f"not caught: {report}"
        assert report.mistake == mistake.name, str(report)
        assert report.hint == mistake.hint


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(checks.ALL)))
def test_hints_differ_and_there_are_some(name):
    hints = [mistake.hint for mistake in mistakes(name)]
    assert len(hints) >= 2
    assert len(set(hints)) == len(hints)


def test_everything_made_from_the_sources_is_in_step():
    assert exercises.sync(TREE, check=True) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_learners_notebook_gives_nothing_away(name):
    source = read(PATHS[name])
    learners = TREE.practice / PATHS[name].parent.name / f"{name}.ipynb"
    text = learners.read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in text
    assert "HIDDEN" not in text
    (cell,) = graded(source, "solution")
    kept = set(strip(cell.source).splitlines())
    secret = [line for line in solved(cell.source).splitlines() if line not in kept]
    assert secret
    shown = {line for cell in read(learners).cells for line in cell.source.splitlines()}
    assert not [line for line in secret if len(line.strip()) > 12 and line in shown]
