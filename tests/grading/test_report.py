"""The report counts what the standings hold, says figures in words, and runs nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

from course_lib.cli import main
from course_lib.grading.record import Result
from course_lib.grading.report import report_page
from course_lib.grading.standing import standings
from tests.grading import room
from tests.grading.room import Person
from tests.grading.test_feedback import HOSTILE

DICE = "That is Dice, not IoU."
CLASS = [
    Person("ada", points=5.0, written=3.0),
    Person("bob", points=2.0, written=1.0, hint=DICE),
    Person("cy", points=2.0, written=2.0, hint=DICE, submitted=room.DUE + timedelta(hours=2)),
    Person("dee", points=0.0, written=0.0, hint="Drop ignored pixels."),
    Person("eve", points=3.0),
    Person("fay", points=None),
    Person("gus", submitted=None),
    Person("hal", points=4.0, written=1.0, notes=["the cell 'why' was missing: put back"]),
]


@pytest.fixture
def soup(tmp_path):
    course = room.furnish(tmp_path, CLASS)
    assert main(["report", room.SET, "--course", str(course.root)]) == 0
    return BeautifulSoup((tmp_path / "reports" / f"{room.SET}.html").read_text(), "html.parser")


def rows(soup, heading: str) -> list[list[str]]:
    """The table under a heading."""
    head = next(h for h in soup.find_all(["h1", "h2"]) if heading in h.get_text())
    table = head.find_next("table")
    return [
        [c.get_text() for c in row.find_all("td")] for row in table.find("tbody").find_all("tr")
    ]


def test_it_counts_learners_points_and_properties(soup):
    assert rows(soup, "report") == [
        ["graded", "5"],
        ["waiting for points by hand", "1"],
        ["not graded", "1"],
        ["not submitted", "1"],
    ]
    words = soup.get_text()
    # 8, 3, 4, 0, 5: sorted 0 3 4 5 8
    assert "Median 4 of 8 points; the middle half lies between 3 and 5" in words
    assert "lowest 0, highest 8" in words and "the 5 final grades" in words
    assert rows(soup, "Questions") == [
        ["overlap-check", "", "1 of 6", "2.67 of 5 points on average"],
        ["", "shape", "5 of 6", "83%"],
        ["", "values", "1 of 6", "17%"],
        ["why", "", "1 of 5", "1.4 of 3 points on average"],
    ]


def test_it_lists_the_commonest_wrong_answers(soup):
    assert rows(soup, "commonest") == [
        ["2", "overlap-check", DICE],
        ["1", "overlap-check", "Drop ignored pixels."],
    ]
    assert "Wrong without a hint, for no known mistake fits: 2 in overlap-check." in soup.get_text()


def test_it_says_when_and_who_waits(soup):
    words = " ".join(soup.get_text().split())
    assert "Late: 1 of 6." in words and "Judging took 2.5 s a submission (median)" in words
    found = {row[0]: row[1:] for row in rows(soup, "Who waits")}
    assert set(found) == {"eve", "fay", "hal"} and found["eve"][1] == "why"
    assert "Not submitted: gus." in words


def test_figures_are_within_the_page_and_said_in_words(soup):
    drawn = soup.find_all("svg")
    assert len(drawn) == 3
    for svg in drawn:
        ElementTree.fromstring(str(svg))
        assert svg["role"] == "img" and len(svg["aria-label"]) > 40
        assert "currentColor" in str(svg) and "#010203" not in str(svg)
        assert not re.search(r"https?://(?!www\.w3\.org)", str(svg)), "nothing is fetched"
        assert not svg.find("script") and not svg.find("image")
    assert "Histogram of the points of 5 learners. Median 4" in drawn[0]["aria-label"]
    assert "values: 17%; shape: 83%" in drawn[1]["aria-label"]


def test_the_same_class_gives_the_same_page(tmp_path):
    course = room.furnish(tmp_path, CLASS)
    first, second = (str(report_page(standings(course, room.SET))) for _ in range(2))
    assert first == second


def test_a_class_without_anything_has_a_report(tmp_path):
    course = room.furnish(tmp_path, [Person("ada", submitted=None)], due=None)
    words = str(report_page(standings(course, room.SET)))
    assert "Nobody has a final grade yet" in words and "not graded yet" in words


@pytest.mark.adversarial
@pytest.mark.parametrize("bad", [*HOSTILE, "$\\frac{$", "$x^{$", "a" * 10_000])
def test_nothing_in_it_acts(tmp_path, bad):
    course = room.furnish(tmp_path, [Person("ada", 2.0, 1.0), Person("bob", 5.0, 3.0)])
    found = standings(course, room.SET)
    for one in found.learners:
        one.learner = one.first = bad
        one.notes = [bad]
        for mark in one.marks:
            mark.hint = mark.message = mark.name = bad
            mark.results = [Result(bad, False, 0.0, 1.0, bad, bad)]
    found.questions = [("overlap", bad, 5.0)]
    found.assignment = bad
    html = str(report_page(found))
    soup = BeautifulSoup(html, "html.parser")
    drawn = {"figure", "figcaption", "svg", "g", "defs", "path", "text", "use", "clippath", "rect"}
    assert {tag.name for tag in soup.find_all(True)} <= drawn | {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "strong"),
    }
    for tag in soup.find_all(True):
        links = [v for k, v in tag.attrs.items() if k in ("href", "xlink:href", "src")]
        assert all(str(link).startswith("#") for link in links)
        assert not [name for name in tag.attrs if name.startswith("on")]
