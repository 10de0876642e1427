"""Every exercise: untouched 0 points, solution all, links both ways, and nothing given away."""

from __future__ import annotations

import re

import pytest

from course_lib.checks import ALL
from course_lib.checks.kinds import Repair
from tools.common import Tree, is_code, read, tagged, tags
from tools.exercises import commands as exercises
from tools.exercises.page import graded, solved, strip

TREE = Tree()
PATHS = {path.stem: path for path in TREE.sources()}
NAMES = list(ALL)
KINDS = {"repair", "predict", "write a test", "diagnose", "design"}


def learner(name: str, change):
    """What the solution cell defines, after `change` of its text; the cells above it have run."""
    space: dict = {"__name__": "__learner__"}
    for cell in read(PATHS[name]).cells:
        if is_code(cell) and cell.id == name:
            exec(compile(change(cell.source), f"<{name}>", "exec"), space)
            return space[name]
        if is_code(cell) and ".show()" not in cell.source:
            exec(compile(cell.source, f"<{cell.id}>", "exec"), space)
    raise AssertionError(f"no solution cell in {name}")


def practice(name: str):
    return read(TREE.practice / PATHS[name].parent.name / f"{name}.ipynb")


def test_there_are_exercises():
    """Two for each lab, of every kind two, one for segmentation and one for generation."""
    assert set(PATHS) == set(NAMES)
    assert len(NAMES) >= 2 * len(TREE.labs())
    generation = {"gan_2d", "simple_gan", "dcgan", "wgan_gp", "stylegan", "judging_samples"}
    generation |= {"vae", "cvae", "vqvae", "four_steps_generation"}
    generation |= {"flow_2d", "flow_pictures", "flow_latent", "flow_editing"}
    for kind in KINDS:
        halves = [check.lab in generation for check in ALL.values() if check.kind == kind]
        assert set(halves) == {True, False}, kind


def test_in_each_lab_they_come_in_the_lab_s_order():
    for path in TREE.labs():
        there = [t.partition(":")[2] for c in read(path).cells for t in tags(c) if "exercise:" in t]
        ours = [n for n, check in ALL.items() if check.lab.replace("_", "-") == path.stem]
        assert there == ours, path.name


@pytest.mark.parametrize("name", NAMES)
def test_untouched_gets_nothing(name):
    report = ALL[name](learner(name, strip))
    assert (report.points, report.hint) == (0, None), str(report)
    assert report.untouched


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_gets_everything(name):
    check = ALL[name]
    for seed in range(5 if check.seeded else 1):
        report = check(learner(name, solved), seed=seed)
        assert report.points == report.total > 0, str(report)
    (cell,) = graded(read(PATHS[name]), "grade")
    assert cell.metadata["nbgrader"]["points"] == check.points


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(ALL[n], Repair)])
def test_what_is_to_be_repaired_is_what_the_check_knows(name):
    space: dict = {}
    (given,) = tagged(read(PATHS[name]), "given")
    exec(compile(given.source, f"<{name}>", "exec"), space)
    for seed in range(8):  # a bug may not go unnoticed for some inputs
        report = ALL[name](space["with_bugs"], seed=seed)
        assert (report.points, report.mistake) == (0, "unchanged"), str(report)


def test_everything_made_from_the_sources_is_in_step():
    assert exercises.sync(TREE, check=True) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_learners_notebook_gives_nothing_away(name):
    source, made = read(PATHS[name]), practice(name)
    (cell,) = graded(source, "solution")
    allowed = {line for c in tagged(source, "given") for line in c.source.splitlines()}
    allowed |= set(strip(cell.source).splitlines())
    secret = [line for line in solved(cell.source).splitlines() if line not in allowed]
    assert secret
    shown = {line for c in made.cells for line in c.source.splitlines()}
    assert not [line for line in secret if len(line.strip()) > 12 and line in shown]
    text = "\n".join(c.source for c in made.cells)
    assert "BEGIN SOLUTION" not in text
    assert "HIDDEN" not in text
    assert not re.search(r"\{[\w:]+\}`", text), "a role that a notebook does not know"


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_both_ways(name):
    """From the lab to the notebook, and from there back; the lab's heading says level, minutes."""
    check, lab = ALL[name], PATHS[name].parent.name
    assert f"](../../{lab}.ipynb)" in practice(name).cells[0].source
    cells = read(TREE.notebooks / f"{lab}.ipynb").cells
    (stub,) = [i for i, cell in enumerate(cells) if f"exercise:{name}" in tags(cell)]
    above = next(c.source for c in reversed(cells[:stub]) if c.cell_type == "markdown")
    assert f"](practice/{lab}/{name}.ipynb)" in above
    heading = re.search(r"### Exercise: (.*)", above)
    assert heading, above
    assert check.level in heading[1]
    assert f"{check.minutes} minutes)" in heading[1]
