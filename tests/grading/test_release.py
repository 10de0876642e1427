"""What is released tells no secret, and the gradebook knows what it is worth."""

from __future__ import annotations

import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from course_lib.grading import release
from course_lib.grading.folder import Course
from tests.grading import kit
from tests.grading.kit import ROOT

BASE = ROOT / "notebooks" / "exercises"
LABS = sorted(path.name for path in BASE.iterdir() if path.is_dir())


def cell(name, text, *, kind=new_code_cell, **rules):
    made = kind(text, id=name)
    if rules:
        given = {"grade": False, "solution": False, "locked": False, "task": False}
        made.metadata["nbgrader"] = {**given, "grade_id": name, "schema_version": 3, **rules}
    return made


def source(*more, solution="    return 41 + 1  # secret thing", hidden="assert f() == 42, 'hush'"):
    answer = f"def f():\n    ### BEGIN SOLUTION\n{solution}\n    ### END SOLUTION"
    test = f"assert f()\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    written = "=== BEGIN MARK SCHEME ===\ntwo points for courage\n=== END MARK SCHEME ==="
    return new_notebook(
        cells=[
            cell("f", answer, solution=True),
            cell("f-check", test, grade=True, locked=True, points=3),
            cell("essay", "My answer", kind=new_markdown_cell, grade=True, solution=True, points=2),
            cell("why", f"Say why.\n{written}", kind=new_markdown_cell, task=True, points=2),
            *more,
        ]
    )


def put(folder, name, notebook):
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def course(tmp_path):
    return kit.new_course(tmp_path / "course")


@pytest.mark.parametrize("lab", LABS)
def test_every_lab_can_be_released_and_tells_no_solution(lab):
    for path in sorted((BASE / lab).glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        made = release.released(notebook, path.stem)
        assert release.leaks([notebook], made) == []
        nbformat.validate(made)
        text = json.dumps(made)
        assert "SOLUTION" not in text and "explanation" not in text
        assert not any(c.get("outputs") for c in made.cells)


def test_release_writes_both_and_registers_points(course, tmp_path):
    put(tmp_path / "base" / "hw", "one", source())
    (tmp_path / "base" / "hw" / "data.csv").write_text("1,2")
    done = release.release(course, "hw", base=tmp_path / "base")
    assert done.points == {"one": 7.0} and done.files == ["data.csv"]
    text = (course.release("hw") / "one.ipynb").read_text()
    for secret in ("secret thing", "hush", "courage", "My answer", "BEGIN"):
        assert secret not in text
    assert "hush" in (course.source("hw") / "one.ipynb").read_text()
    assert (course.release("hw") / "data.csv").read_text() == "1,2"
    with Gradebook(course.database) as gradebook:
        book = gradebook.find_notebook("one", "hw")
        assert sorted(c.name for c in book.grade_cells) == ["essay", "f-check"]
        assert (book.max_score, [c.name for c in book.task_cells]) == (7.0, ["why"])
        kept = next(c for c in book.source_cells if c.name == "f-check").source
    assert "hush" in kept  # as nbgrader keeps it, in the instructor's gradebook
    digest = release.release_digest(course, "hw")
    put(course.source("hw"), "one", source(hidden="assert f() == 42, 'hush now'"))
    assert release.release_digest(course, "hw") != digest


LEAKS = {
    "the solution in another cell": cell("x", "z = 1\nreturn 41 + 1  # secret thing"),
    "the solution in a text": cell(
        "x", "Hint:\n\n    return 41 + 1  # secret thing", kind=new_markdown_cell
    ),
}


@pytest.mark.adversarial
@pytest.mark.parametrize("more", LEAKS.values(), ids=LEAKS)
def test_a_secret_that_would_be_told_stops_the_release(more, course, tmp_path, monkeypatch):
    made = release.released(source(), "one")
    made.cells.append(more)
    assert release.leaks([source()], made)
    real = release.released

    def careless(notebook, name):
        found = real(notebook, name)
        found.cells.append(more)
        return found

    monkeypatch.setattr(release, "released", careless)
    put(tmp_path / "base" / "hw", "one", source())
    with pytest.raises(ValueError, match="would tell a secret"):
        release.release(course, "hw", base=tmp_path / "base")
    assert not course.release("hw").exists() and not course.source("hw").exists()


@pytest.mark.adversarial
def test_marks_and_outputs_and_files_beside_are_looked_at(course, tmp_path):
    made = release.released(source(), "one")
    made.cells[1].source += "\n# BEGIN HIDDEN TESTS"
    assert any("mark" in problem for problem in release.leaks([source()], made))
    made = release.released(source(), "one")
    made.cells[0].outputs = [nbformat.v4.new_output("stream", text="42")]
    assert any("outputs" in problem for problem in release.leaks([source()], made))
    put(tmp_path / "base" / "hw", "one", source())
    (tmp_path / "base" / "hw" / "help.py").write_text("x = 1\nreturn 41 + 1  # secret thing\n")
    with pytest.raises(ValueError, match="help.py"):
        release.release(course, "hw", base=tmp_path / "base")


@pytest.mark.parametrize(
    "broken",
    [
        new_notebook(cells=[cell("f", "### BEGIN SOLUTION\nx = 1", solution=True)]),
        new_notebook(cells=[cell("f", "x = 1\n### BEGIN HIDDEN TESTS\n1\n### END HIDDEN TESTS")]),
        new_notebook(
            cells=[cell("f", "1", grade=True, points=1), cell("f", "2", grade=True, points=1)]
        ),
    ],
)
def test_a_notebook_that_is_not_in_order_is_refused(broken, course, tmp_path):
    put(tmp_path / "base" / "hw", "one", broken)
    with pytest.raises(ValueError, match="not in order"):
        release.release(course, "hw", base=tmp_path / "base")
    assert not course.release("hw").exists()


def test_an_overlay_replaces_and_adds(course, tmp_path):
    put(tmp_path / "base" / "hw", "one", source())
    put(tmp_path / "base" / "hw", "two", source())
    put(tmp_path / "over" / "hw", "two", source(solution="    return 6 * 7  # of the overlay"))
    put(tmp_path / "over" / "hw", "three", source())
    folders = {"base": tmp_path / "base", "overlay": tmp_path / "over"}
    found = release.sources(course, "hw", **folders)
    assert sorted(found) == ["one", "three", "two"]
    assert "of the overlay" in found["two"].cells[0].source
    assert sorted(release.sources(course, "hw", only=["one"], **folders)) == [
        "one",
        "three",
        "two",
    ]
    with pytest.raises(FileNotFoundError, match="no notebook 'four'"):
        release.sources(course, "hw", only=["four"], **folders)
    with pytest.raises(FileNotFoundError, match="no overlay"):
        release.sources(course, "hw", base=tmp_path / "base", overlay=tmp_path / "none")


def test_what_is_graded_keeps_its_questions(course, tmp_path):
    put(tmp_path / "base" / "hw", "one", source())
    release.release(course, "hw", base=tmp_path / "base")
    with Gradebook(course.database) as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("hw", "ada")
    release.release(course, "hw", base=tmp_path / "base")  # the same: it may be
    more = cell("g-check", "assert g", grade=True, locked=True, points=1)
    put(tmp_path / "base" / "hw", "one", source(more))
    was = (course.source("hw") / "one.ipynb").read_bytes()
    with pytest.raises(ValueError, match="has been graded"):
        release.release(course, "hw", base=tmp_path / "base")
    assert (course.source("hw") / "one.ipynb").read_bytes() == was


@pytest.mark.slow
def test_course_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="release --init"):
        Course(tmp_path).check()
    (tmp_path / "x").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        release.make_course(tmp_path)
    made = release.make_course(tmp_path / "new")
    with pytest.raises(ValueError, match="already"):
        release.make_course(made.root)
    assert made.check() is made


def test_modules_that_would_tell_are_named_in_the_metadata():
    notebook = source()
    notebook.metadata["course"] = {"hidden": ["course_lib.metrics.confusion"]}
    assert release.hidden_modules([notebook, notebook]) == ["course_lib.metrics.confusion"]
    assert "hidden" not in release.released(notebook, "one").metadata["course"]


@pytest.mark.slow
def test_a_course_is_made_where_no_program_is_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    course = release.make_course(tmp_path / "course")
    assert (course.root / "gradebook.db").is_file()
    assert os.environ["PATH"] == str(tmp_path / "nothing")
