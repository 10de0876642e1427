"""A page of feedback says what a learner needs, and neither acts nor tells what it must not."""

from __future__ import annotations

import base64
import time
from datetime import timedelta
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook

import course_lib
from course_lib.cli import main
from course_lib.grading import page
from course_lib.grading.feedback import FILE, feedback_page, write_feedback
from course_lib.grading.standing import standings
from tests.grading import room
from tests.grading.room import Person

PIXEL = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
        "gg=="
    )
).decode()
HOSTILE = [
    "<script>document.title='taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "<svg onload=document.title='taken'>",
    "</pre></style></title><script>document.title='taken'</script>",
    "<a href=\"javascript:document.title='taken'\">x</a>",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>",
    "<base href='https://example.org/'><link rel=stylesheet href=x.css>",
    "<iframe srcdoc=\"<script>parent.document.title='taken'</script>\"></iframe>",
    "' onmouseover='document.title=1' x='\" onfocus=\"document.title=1\" autofocus y=\"",
    "&lt;script&gt;document.title='taken'&lt;/script&gt;",
    "[x](javascript:alert(1)) ![](https://example.org/beacon.png) $\\href{javascript:alert(1)}{x}$",
    "\x1b]8;;https://example.org\x07x\x1b]8;;\x07 \x00 \u202ebackwards",
    "<style>@import url(https://example.org/x.css); body{display:none}</style>",
]


def page_of(folder: Path, person: Person) -> str:
    course = room.furnish(folder, [person])
    found = standings(course, room.SET)
    return str(feedback_page(found, found.learners[0]))


def seen(html: str) -> str:
    return BeautifulSoup(html, "html.parser").get_text(" ")


def acts(html: str) -> list[str]:
    """Whatever in a page could act, load or lead anywhere."""
    found = []
    for tag in BeautifulSoup(html, "html.parser").find_all(True):
        if tag.name in (
            "script",
            "iframe",
            "object",
            "embed",
            "form",
            "link",
            "base",
            "a",
            "input",
        ):
            found.append(tag.name)
        for name, value in tag.attrs.items():
            local = tag.name == "img" and str(value).startswith("data:image/")
            if name.startswith("on") or (name in ("src", "href", "srcdoc") and not local):
                found.append(f"{tag.name} {name}={value}")
        if tag.name == "meta" and tag.get("http-equiv", "").lower() == "refresh":
            found.append("refresh")
    return found


def test_it_shows_cells_outputs_points_reasons_and_what_the_instructor_says(tmp_path):
    person = Person(
        "ada",
        points=3.5,
        written=2.0,
        hand="Think of an empty union.\nThen write again.",
        message="got 0.5, wanted 0.25",
        hint="That is Dice, not IoU.",
        outputs=[
            new_output("stream", text="iou 0.5\n"),
            new_output("display_data", data={"image/png": PIXEL, "text/plain": "<Figure>"}),
        ],
        notes=["the cell 'overlap-check' was changed: the released one counts"],
        first="Ada",
        last="Byron",
    )
    html = page_of(tmp_path, person)
    words = " ".join(seen(html).split())
    for said in (
        "5.5 of 8 points",
        "Ada Byron",
        "return ( a & b ) . sum ()",
        "iou 0.5",
        "overlap-check: 3.5 / 5 points",
        "shape 1 / 1",
        "values 2.5 / 4 got 0.5, wanted 0.25",
        "Hint: That is Dice, not IoU.",
        "Your instructor: Think of an empty union.",
        "why: 2 / 3 points",
        "The union counts each pixel once.",
        "the released one counts",
    ):
        assert said.replace(" ", "") in words.replace(" ", ""), said
    assert f"data:image/png;base64,{PIXEL}" in html and not acts(html)
    assert words.count("That is Dice") == 1


def test_points_that_are_to_come_are_said_to_be_so(tmp_path):
    words = " ".join(seen(page_of(tmp_path, Person("ada"))).split())
    assert "Not final: 3 of these points are still to be given" in words
    assert "why: ? / 3 points" in words and "waits for your instructor" in words


def test_no_hidden_test_and_no_scheme_is_on_it(tmp_path):
    scheme = new_markdown_cell(f"=== BEGIN MARK SCHEME ===\n{room.SECRET}\n=== END MARK SCHEME ===")
    half = new_code_cell(f"x = 1\n### BEGIN HIDDEN TESTS\n{room.SECRET!r}")
    html = page_of(tmp_path, Person("ada", extra=[scheme, half]))
    assert "x" in seen(html) and room.SECRET not in html and "MARK SCHEME" not in html
    # The folder does hold it: the notebook that the page was made of, and the source.
    found = [p for p in tmp_path.rglob("*.ipynb") if room.SECRET in p.read_text()]
    assert {p.relative_to(tmp_path).parts[0] for p in found} >= {"source", "autograded"}


def test_it_names_no_folder_of_the_graders(tmp_path):
    inside = f"{tmp_path}/source/{room.SET}/overlap.ipynb"
    package = course_lib.__file__
    outputs = [
        new_output("stream", text=f"{inside}\n"),
        new_output("error", ename="E", evalue=inside, traceback=[f'File "{package}", line 3']),
    ]
    html = page_of(
        tmp_path, Person("ada", points=2, message=f"no file '{inside}'", outputs=outputs)
    )
    for path in (tmp_path, Path(package).parents[1], Path.home()):
        assert str(path) not in html
    assert "…/source/" in html and "…/course_lib/" in html


@pytest.mark.adversarial
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_nothing_that_a_learner_wrote_acts(tmp_path, number):
    bad = HOSTILE[number]
    outputs = [
        new_output("stream", text=bad),
        new_output("display_data", data={"text/html": bad, "text/plain": bad}),
        new_output("display_data", data={"image/svg+xml": f"<svg>{bad}</svg>"}),
        new_output("display_data", data={"application/javascript": bad}),
        new_output("display_data", data={"image/png": f"x' onerror='{bad}"}),
        new_output("display_data", data={"image/png": base64.b64encode(bad.encode()).decode()}),
        new_output("error", ename=bad, evalue=bad, traceback=[bad]),
    ]
    person = Person(
        "ada", 2.0, 1.0, hand=bad, answer=bad, essay=bad, outputs=outputs, message=bad, hint=bad,
        notes=[bad], first=bad, last=bad, extra=[new_markdown_cell(bad), new_code_cell(bad)],
    )  # fmt: skip
    html = page_of(tmp_path, person)
    assert not acts(html)
    soup = BeautifulSoup(html, "html.parser")
    assert {tag.name for tag in soup.find_all(True)} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div"),
        *("table", "thead", "tbody", "tr", "th", "td", "pre", "span", "strong", "ul", "li", "img"),
    }
    assert len(soup.find_all("style")) == 1
    assert not set(html) & {"\x00", "\x07", "\x1b", "\u202e"}
    # It is shown all the same, as what it is.
    assert page.plain(bad).split()[0] in seen(html)


@pytest.mark.slow
@pytest.mark.adversarial
@pytest.mark.browser
def test_a_browser_runs_nothing_of_it(tmp_path, chromium):
    from playwright.sync_api import sync_playwright

    bad = " ".join(HOSTILE)
    outputs = [new_output("display_data", data={"text/html": bad, "text/plain": bad})]
    person = Person("ada", 2.0, 1.0, hand=bad, answer=bad, essay=bad, outputs=outputs, message=bad)
    html = page_of(tmp_path / "course", person)
    # Even what is put in afterwards does nothing: the policy holds without the escaping.
    broken = html.replace("</main>", f"{HOSTILE[0]}{HOSTILE[1]}<img src='https://x.test/y'></main>")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, text in (("whole", html), ("broken", broken)):
            path = tmp_path / f"{name}.html"
            path.write_text(text)
            asked: list[str] = []
            opened = browser.new_page(viewport={"width": 390, "height": 800})
            opened.on("requestfinished", lambda request, asked=asked: asked.append(request.url))
            opened.goto(path.as_uri())
            opened.wait_for_timeout(300)
            assert opened.title() == f"{room.SET}: feedback"
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            width = opened.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1]  # a phone shows it without scrolling sideways
        browser.close()


@pytest.mark.adversarial
@pytest.mark.parametrize(
    "bad",
    [
        "<" * 10**6,
        "\x1b[" * 500_000,
        "BEGIN HIDDEN TESTS\n" * 50_000,
        "'''" * 300_000,
        "(" * 10**6,
        "f'{" * 300_000,
        "\\" * 10**6,
        "a" * 10**6,
        "/tmp/" * 200_000,
        "\ud800" * 1000,
    ],
    ids=range(10),
)
def test_no_text_is_slow_or_makes_a_page_too_large(tmp_path, bad):
    bad_json = bad.encode("utf-8", "replace").decode()  # as `rebuild` and `record` hand it on
    outputs = [new_output("stream", text=bad_json) for _ in range(5)]
    course = room.furnish(tmp_path, [Person("ada", 2.0, 1.0, outputs=outputs, essay=bad_json)])
    found = standings(course, room.SET)
    found.learners[0].notes = [bad]
    found.learners[0].marks[0].message = bad
    start = time.process_time()
    html = str(feedback_page(found, found.learners[0]))
    assert time.process_time() - start < 5 and len(html) < 10**6
    assert page.plain(bad, limit=10) and html.encode("utf-8", "replace")


def test_a_page_that_would_be_too_large_is_refused():
    made = page.Page("x", ["a" * (page.PAGE_BYTES + 1)])
    with pytest.raises(ValueError, match="show less"):
        str(made)


@pytest.mark.adversarial
def test_a_name_that_is_no_folders_gets_no_page(tmp_path):
    course = room.furnish(tmp_path / "course", [Person("ada")])
    with room.quiet(), Gradebook(course.database) as book:
        for name in ("../../evil", "<script>alert(1)</script>", ".", "a/b"):
            book.add_student(name)
            book.add_submission(room.SET, name)
    before = {p for p in tmp_path.rglob("*") if p.is_file()}
    written = list(write_feedback(standings(course, room.SET)))
    assert [name for name, _ in written] == ["ada"]
    after = {p for p in tmp_path.rglob("*") if p.is_file()} - before
    assert after == {course.root / "feedback" / "ada" / room.SET / FILE}


def test_the_command_writes_pages_and_names_who_has_none(tmp_path, capsys):
    people = [Person("ada", written=1.0), Person("bob"), Person("cy", points=None)]
    people += [Person("dee", submitted=None), Person("eve", failed="the kernel did not start")]
    course = room.furnish(tmp_path, people)
    assert main(["feedback", room.SET, "--course", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert (
        "2 pages written" in said.out and "not graded yet; course grade first: cy, eve" in said.err
    )
    first = (course.feedback("ada", room.SET) / FILE).read_text()
    with room.quiet(), Gradebook(course.database) as book:
        room.give(book, "ada", 3.0)
    assert main(["feedback", room.SET, "--course", str(tmp_path), "--learner", "ada"]) == 0
    assert "5 of 8" in first and "7 of 8" in (course.feedback("ada", room.SET) / FILE).read_text()
    assert main(["feedback", room.SET, "--course", str(tmp_path), "--learner", "zoe"]) == 2
    assert "no learner 'zoe'" in capsys.readouterr().err


def test_a_written_answer_looks_as_it_was_written(tmp_path):
    """What `clean` put in to make Markdown harmless is taken out again where all is escaped."""
    clean = "a &lt; b &amp;amp; [x]\u200b(y)"
    html = page_of(tmp_path, Person("ada", essay=clean))
    assert "a < b &amp; [x](y)" in seen(html) and "\u200b" not in html


def test_a_late_submission_says_what_it_cost(tmp_path):
    course = room.furnish(
        tmp_path, [Person("ada", written=1.0, submitted=room.DUE + timedelta(hours=30))]
    )
    found = standings(course, room.SET)
    found.learners[0].penalty = 1.5
    words = " ".join(seen(str(feedback_page(found, found.learners[0]))).split())
    assert "3.5 of 8 points" in words and "1.5 points were taken off" in words and "2 days" in words


def test_a_missing_notebook_still_gives_the_points(tmp_path):
    course = room.furnish(tmp_path, [Person("ada", written=1.0)])
    (course.autograded("ada", room.SET) / "overlap.ipynb").unlink()
    found = standings(course, room.SET)
    assert "overlap-check: 4 / 5 points" in seen(str(feedback_page(found, found.learners[0])))
