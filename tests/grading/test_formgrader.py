"""Formgrader in a real browser: points given there arrive in the export, and nothing else acts."""

from __future__ import annotations

import csv
import urllib.error
import urllib.request

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook

from course_lib.cli import main
from course_lib.grading import clean
from course_lib.grading.feedback import FILE
from course_lib.grading.formgrader import serve
from course_lib.grading.release import CONFIG
from tests.grading import room
from tests.grading.room import Person
from tests.grading.test_feedback import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WORDS = "Say what an empty union gives, too."


@pytest.fixture
def course(tmp_path):
    bad = " ".join(HOSTILE)
    people = [Person("ada", essay=f"{bad} The union counts once."), Person("bob", points=2.0)]
    made = room.furnish(tmp_path / "course", people)
    (made.root / "nbgrader_config.py").write_text(CONFIG.format(name="course"))
    for person in people:  # as `course grade` leaves them
        path = made.autograded(person.name, room.SET) / "overlap.ipynb"
        book = nbformat.read(path, as_version=4)
        nbformat.write(clean.notebook(book, room.released()), path)
    return made


def exported(course) -> dict[str, dict[str, str]]:
    assert main(["export", room.SET, "--course", str(course.root)]) == 0
    with (course.root / f"{room.SET}.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["learner"]: row for row in csv.DictReader(file)}


def test_points_given_in_formgrader_arrive_in_export_and_feedback(course, chromium):
    from playwright.sync_api import sync_playwright

    before = exported(course)
    assert [before[name]["points"] for name in ("ada", "bob")] == ["", ""]
    with room.quiet(), Gradebook(course.database) as book:
        name = book.find_submission_notebook("overlap", room.SET, "ada").id
    with serve(course) as served, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(served.url)
        page.goto(f"{served.base}/formgrader/gradebook/{room.SET}/overlap")
        page.locator(f"tbody a[href*='submissions/{name}']").first.wait_for()
        page.goto(f"{served.base}/formgrader/submissions/{name}/")
        # Formulas come from elsewhere: without a network they stay as they are, the rest works.
        page.wait_for_function("formgrader.grades?.loaded && formgrader.comments?.loaded")
        assert "The union counts once." in page.locator("#notebook").first.inner_text()
        assert page.title() != "taken" and not page.locator("#notebook-container script").count()
        with page.expect_response(lambda r: "/api/grade/" in r.url and r.request.method == "PUT"):
            page.locator("#why.score").fill("2.5")
            page.locator("#why.score").blur()
        with page.expect_response(lambda r: "/api/comment/" in r.url and r.request.method == "PUT"):
            page.locator("#why-comment").fill(WORDS)
            page.locator("#why-comment").blur()
        browser.close()
    after = exported(course)
    assert after["ada"]["points"] == "6.5" and after["ada"]["why (of 3)"] == "2.5"
    assert after["ada"]["by hand"] == "why" and after["ada"]["flags"] == ""
    assert after["bob"] == before["bob"]
    assert main(["feedback", room.SET, "--course", str(course.root)]) == 0
    words = (course.feedback("ada", room.SET) / FILE).read_text()
    assert "6.5 of 8 points" in words and WORDS in words
    assert WORDS not in (course.feedback("bob", room.SET) / FILE).read_text()


@pytest.mark.adversarial
def test_it_runs_no_learners_code_and_publishes_no_hidden_test(course):
    """Nbgrader's own buttons would: autograde without a sandbox, feedback with the hidden tests."""
    before = {p: p.read_bytes() for p in course.root.rglob("*.ipynb")}
    with serve(course) as served:
        token = served.url.split("token=")[1]
        for path in (
            f"submission/{room.SET}/ada/autograde",
            f"assignment/{room.SET}/generate_feedback",
            f"assignment/{room.SET}/release_feedback",
            f"assignment/{room.SET}/ada/generate_feedback",
            f"assignment/{room.SET}/assign",
            f"assignment/{room.SET}/release",
            f"assignment/{room.SET}/collect",
        ):
            request = urllib.request.Request(
                f"{served.base}/formgrader/api/{path}",
                method="POST",
                headers={"Authorization": f"token {token}"},
            )
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=60)
            assert refused.value.code == 403 and b"course release" in refused.value.read(), path
    assert {p: p.read_bytes() for p in course.root.rglob("*.ipynb")} == before
    assert not list((course.root / "feedback").glob("**/*.html"))


def test_it_is_for_who_has_the_token_and_ends_with_its_block(course):
    with serve(course) as served:
        without = urllib.request.urlopen(f"{served.base}/formgrader/", timeout=30)
        assert "login" in without.url  # sent there
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{served.base}/api/terminals", timeout=30)
        command = psutil.Process(served.process.pid).cmdline()
        assert served.url.split("token=")[1] not in " ".join(command)
    assert served.process.poll() is not None
