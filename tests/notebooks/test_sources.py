"""The committed notebooks are as the validator wants them; so are their generated cells."""

from __future__ import annotations

from tools.common import Tree, tagged
from tools.notebooks import commands as notebooks


def test_labs_exercises_and_learners_notebooks_are_valid():
    problems = notebooks.problems_of_sources()
    assert not problems, "\n" + "\n".join(problems)


def test_there_are_labs():
    """An empty search would pass everything."""
    assert len(Tree().labs()) >= 2


def test_every_lab_is_compared_somewhere():
    """Each has at least one cell whose output is exact on every machine."""
    from tools.common import read

    for path in Tree().labs():
        assert tagged(read(path), "nbval-check-output"), f"{path.name}: no cell is compared"


def test_every_lab_states_its_cost():
    """Its minutes and memory at `quick` are measured, not left open."""
    from tools.notebooks.cost import stored

    missing = [p.stem for p in Tree().labs() if "quick" not in stored(Tree()).get(p.stem, {})]
    assert not missing, f"run `python -m tools.notebooks cost --only {' '.join(missing)}`"
