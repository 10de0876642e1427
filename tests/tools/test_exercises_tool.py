"""From one exercise source: the learner's notebook, the lab's stub, the page. Nothing leaks."""

from __future__ import annotations

import copy
import dataclasses

import nbformat
import pytest

from tools.common import ROOT, ToolError, read
from tools.exercises import commands as exercises
from tools.exercises import facts
from tools.exercises.facts import Facts
from tools.exercises.learner import book_page, practice
from tools.exercises.page import index, page, solved, strip
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


FACTS = Facts("double", "lab", "A lab", "write a function", "warm-up", 5, 2)


@pytest.fixture
def course(checkout, cells, monkeypatch):
    monkeypatch.setattr(facts, "known", lambda tree: {"double": FACTS})
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
    assert by_id["task"].startswith(
        "# Exercise: twice\n\n*Lab: [A lab](../../lab.ipynb). Write a fun"
    )
    assert "warm-up, about 5 minutes, 2 points" in by_id["task"]
    assert "](../../../_build/html/exercises/double.html)" in by_id["stuck"]
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
    course.notebook("notebooks/exercises/lab/double.ipynb", changed)
    problems = exercises.sync(course.tree, check=True)
    assert len(problems) == 2
    assert all("python -m tools.exercises sync" in problem for problem in problems)


def test_a_source_and_its_check_belong_together(course, monkeypatch):
    monkeypatch.setattr(facts, "known", lambda tree: {"triple": FACTS})
    with pytest.raises(
        ToolError, match=r"double: a source and no check[\s\S]*triple: a check and no"
    ):
        exercises.sync(course.tree)
    moved = dataclasses.replace(FACTS, lab="other")
    monkeypatch.setattr(facts, "known", lambda tree: {"double": moved})
    with pytest.raises(ToolError, match="lies in lab/, its check belongs to the lab other"):
        exercises.sync(course.tree)


def test_a_learners_notebook_without_a_source_goes(course, monkeypatch):
    (course.root / "notebooks/exercises/lab/double.ipynb").unlink()
    course.lab("lab")
    monkeypatch.setattr(facts, "known", lambda tree: {})
    assert "no source any more" in exercises.sync(course.tree, check=True)[0]
    exercises.sync(course.tree)
    assert not course.tree.practices()


def test_what_is_given_stands_in_the_lab_too(course, cells):
    made = cells.exercise()
    made.insert(1, cells.code("given", "start = 3", "given"))
    course.notebook("notebooks/exercises/lab/double.ipynb", made)
    stub, given = cells.code("stub", "", "exercise:double"), cells.code("g", "", "given:double")
    path = course.lab("lab", given, stub)
    exercises.sync(course.tree)
    assert {c.id: c.source for c in read(path).cells}["g"] == "start = 3"


def test_what_a_right_answer_prints_is_stored_and_shown(course, cells):
    path = course.tree.exercises / "lab" / "double.ipynb"
    without = cells.exercise()
    without[2].outputs = []
    course.notebook("notebooks/exercises/lab/double.ipynb", without)
    exercises.expect(tree=course.tree)
    source = read(path)
    (cell,) = [c for c in source.cells if c.id == "what"]
    assert cell.outputs[0].text == "42\n"
    shown = (course.tree.practice / "lab" / "double.ipynb").read_text()
    assert 'It prints\\n",\n    "\\n",\n    "```text\\n",\n    "42' in shown
    notebooks.sync(course.tree)
    assert notebooks.problems_of_sources(course.tree) == []
    cell.outputs[0].text = "43\n"
    path.write_text(nbformat.writes(source))
    with pytest.raises(ToolError, match="a right answer prints '42'[\\s\\S]*the source says '43'"):
        exercises.verify(course.tree)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("x 0.4213", "x 0.4215", True),
        ("x 0.42", "x 0.52", False),
        ("x 3 of 4", "x 3 of 5", False),
        ("1.00e-03 y", "1.01e-03 y", True),
        ("0.5", "0.5 0.5", False),
    ],
)
def test_last_digits_may_differ(a, b, same):
    assert exercises.alike(a, b) is same


def test_roles_of_the_book_are_not_shown_to_learners(cells):
    made = cells.exercise()
    made[0].source += " It holds {eq}`eq-twice`."
    book = practice(nbformat.v4.new_notebook(cells=made), FACTS, "")
    assert "It holds." in book.cells[0].source
    made[0].source += " See {cite:t}`someone`."
    with pytest.raises(ToolError, match="would show"):
        practice(nbformat.v4.new_notebook(cells=made), FACTS, "")


def test_where_the_page_is():
    assert book_page("iou", "") == "../../../_build/html/exercises/iou.html"
    wanted = "https://someone.github.io/course/exercises/iou.html"
    for address in ("https://github.com/someone/course", "https://github.com/someone/course.git"):
        assert book_page("iou", address) == wanted


def test_the_index(course):
    other = dataclasses.replace(FACTS, kind="design", level="stretch", minutes=40)
    text = index({"double": FACTS, "again": other}, course.tree)
    assert text.startswith("## [A lab](../notebooks/lab.ipynb)\n\n| Exercise |")
    row = "| [Exercise: twice](../exercises/double.md) | write the function | warm-up | 5 | 2 |"
    assert row in text
    assert text.count("## ") == 1


def test_an_unknown_exercise_in_a_lab(course, cells):
    course.lab("lab", cells.code("stub", "", "exercise:triple"))
    with pytest.raises(ToolError, match="cell 'stub': no exercise 'triple'"):
        exercises.sync(course.tree)


def test_pages(course):
    out = course.root / "_build" / "pages"
    assert exercises.pages(out, course.tree) == ["double"]
    text = (out / "double.md").read_text()
    before, after = text.split("{dropdown}")
    assert text.startswith(
        "(exercise-double)=\n\n# Exercise: twice\n\n*Lab: [A lab](../notebooks/lab"
    )
    assert text.count("What a right answer gives") == 1
    assert "[the lab](../notebooks/lab.ipynb)" in before
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
    text, pictures = page(FACTS, done)
    assert list(pictures) == ["double-1.png"]
    assert "```{image} double-1.png\n:alt: A line that rises.\n```" in text


@pytest.mark.parametrize(
    ("place", "said"),
    [("unet/smallest_net", "one good answer"), ("unet/match_skip", "a right answer")],
)
def test_a_design_is_not_compared_with_the_only_right_one(place: str, said: str) -> None:
    text = (ROOT / "notebooks" / "practice" / f"{place}.ipynb").read_text("utf-8")
    assert text.count("answer gives") == 1 and f"What {said} gives" in text
