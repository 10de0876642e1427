"""From one exercise source: the learner's notebook, the lab's stub, the page. Nothing leaks."""

from __future__ import annotations

import copy

import nbformat
import pytest

from tools.common import ToolError, read
from tools.exercises import commands as exercises
from tools.exercises.page import page, solved, strip
from tools.notebooks import commands as notebooks

CHECK = """\
from types import SimpleNamespace

def double(student):
    try:
        points = 2 if student(3) == 6 else 0
    except NotImplementedError:
        points = 0
    return SimpleNamespace(points=points, total=2)
"""


@pytest.fixture
def course(checkout, cells):
    checkout.write("course_lib/checks.py", CHECK)
    checkout.notebook("notebooks/exercises/lab/double.ipynb", cells.exercise())
    checkout.lab("lab", cells.code("stub", "", "exercise:double"))
    exercises.sync(checkout.tree)
    return checkout


def test_the_learners_notebook(course, cells):
    text = (course.root / "notebooks/practice/lab/double.ipynb").read_text()
    for secret in ("secret", "hidden", "SOLUTION", "HIDDEN", "two times", "nbgrader"):
        assert secret not in text
    made = read(course.root / "notebooks/practice/lab/double.ipynb")
    by_id = {cell.id: cell.source for cell in made.cells}
    assert (
        by_id["double"] == "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    )
    assert by_id["double-check"].endswith("report.points")
    assert "course_lib" in by_id["setup"]
    notebooks.sync(course.tree)
    assert notebooks.problems_of_sources(course.tree) == []


def test_the_labs_stub(course):
    lab = read(course.root / "notebooks/lab.ipynb")
    assert lab.cells[-1].source.endswith("raise NotImplementedError()")


def test_out_of_step(course, cells):
    assert exercises.sync(course.tree, check=True) == []
    changed = cells.exercise()
    changed[0].source += " Quickly."
    changed[1].source = changed[1].source.replace("(x)", "(number)")
    path = course.notebook("notebooks/exercises/lab/double.ipynb", changed)
    problems = exercises.sync(course.tree, check=True)
    assert len(problems) == 2
    assert all("python -m tools.exercises sync" in problem for problem in problems)
    path.unlink()
    course.lab("lab")
    assert "no source any more" in exercises.sync(course.tree, check=True)[0]
    exercises.sync(course.tree)
    assert not course.tree.practices()


def test_an_unknown_exercise_in_a_lab(course, cells):
    course.lab("lab", cells.code("stub", "", "exercise:triple"))
    with pytest.raises(ToolError, match="cell 'stub': no exercise 'triple'"):
        exercises.sync(course.tree)


def test_pages(course):
    out = course.root / "_build" / "pages"
    assert exercises.pages(out, course.tree) == ["double"]
    text = (out / "double.md").read_text()
    before, after = text.split("{dropdown}")
    assert "(exercise-double)=" in text
    assert "raise NotImplementedError()" in before
    assert "secret" not in before
    assert "42" in before  # the expected result
    assert "2 points" in before
    assert "secret = 2 * x" in after
    assert "two times" in after
    assert "SOLUTION" not in text
    assert "hidden" not in text.lower()  # neither tests nor the marking scheme


def test_verify(course, capsys):
    exercises.verify(course.tree)
    assert "double: solution 2 of 2 points, untouched 0" in capsys.readouterr().out


def test_verify_sees_a_wrong_solution(course, cells):
    wrong = cells.exercise()
    wrong[1].source = wrong[1].source.replace("2 * x", "3 * x")
    course.notebook("notebooks/exercises/lab/double.ipynb", wrong)
    exercises.sync(course.tree)
    with pytest.raises(ToolError, match="the solution reaches"):
        exercises.verify(course.tree)


def test_verify_sees_an_untouched_notebook_that_gets_points(course, cells):
    path = course.tree.practice / "lab" / "double.ipynb"
    made = read(path)
    next(c for c in made.cells if c.id == "double").source = "double = lambda x: 2 * x"
    path.write_text(nbformat.writes(made))
    with pytest.raises(ToolError, match="wanted 0 points"):
        exercises.verify(course.tree)


def set_rule(index, **values):
    return lambda made: made[index].metadata["nbgrader"].update(values)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.pop(1), "one solution cell"),
        (lambda c: c.pop(3), "one test cell"),
        (lambda c: c.pop(2), "tagged 'expected'"),
        (lambda c: c[1].update(source="def double(x): return 2 * x"), "mark the solution"),
        (lambda c: c[1].update(source="### BEGIN SOLUTION\nx = 1"), "without its END"),
        (lambda c: c[3].update(source="assert double(1) == 2"), "`report.points`"),
        (set_rule(3, points=0), "locked and points"),
        (set_rule(1, schema_version=2), "schema_version 3"),
        (set_rule(1, grade_id="other"), "grade_id = the cell's id"),
    ],
)
def test_faults_of_sources(course, cells, spoil, message):
    made = cells.exercise()
    spoil(made)
    course.notebook("notebooks/exercises/lab/double.ipynb", made)
    with pytest.raises(ToolError, match=message):
        exercises.sync(course.tree)


def test_strip():
    text = "a\n  ### BEGIN SOLUTION\n  b\n  ### END SOLUTION\nc"
    assert strip(text) == "a\n  # YOUR CODE HERE\n  raise NotImplementedError()\nc"
    assert solved(text) == "a\n  b\nc"
    with pytest.raises(ToolError, match="inside of"):
        strip("# BEGIN SOLUTION\n# BEGIN HIDDEN TESTS")
    with pytest.raises(ToolError, match="without its BEGIN"):
        strip("# END SOLUTION")


def test_pictures_of_the_expected_result(cells):
    source = nbformat.v4.new_notebook(cells=cells.exercise())
    source.cells[2].metadata["mystnb"] = {"image": {"alt": "A line\nthat rises."}}
    done = copy.deepcopy(source)
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}
    done.cells[2].outputs = [nbformat.v4.new_output("display_data", data=data)]
    text, pictures = page("double", source, done)
    assert list(pictures) == ["double-1.png"]
    assert "```{image} double-1.png\n:alt: A line that rises.\n```" in text
