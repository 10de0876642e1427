"""Photographs Formgrader for the book.

    python -m tools.figures.formgrader

A course folder is made with a released exercise and two made-up learners, one of whom waits for
points by hand; Chromium opens Formgrader on it. Writes book/images/formgrader-NAME.png.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import warnings
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.api import Gradebook
from PIL import Image
from sqlalchemy.exc import SAWarning

from course_lib.grading import gradebook, record, release
from course_lib.grading.folder import Course
from course_lib.grading.formgrader import serve
from course_lib.grading.record import Notebook, Question, Record
from tools.common import ROOT, fail_with, run_main, say

NAME = "overlap"
FOLDER = ROOT / "book" / "images"
QUESTION = "### In your own words\n\nWhy does an empty union need a rule of its own?"
ANSWERS = {
    "ada": "If both masks are empty, nothing was there to find and nothing was found. Zero divided "
    "by zero says neither right nor wrong, so somebody has to decide what it counts as.",
    "bob": "Because the denominator is zero.",
}
CODE = """def iou(predictions, targets, num_classes, ignore_index=255):
    valid = targets != ignore_index
    predictions, targets = predictions[valid], targets[valid]
    scores = []
    for k in range(num_classes):
        common = ((predictions == k) & (targets == k)).sum()
        scores.append(common / ((predictions == k) | (targets == k)).sum())
    return torch.stack(scores)"""


def make_course(root: Path) -> Course:
    """A course with one question for the checks and one for the instructor, both judged."""
    course = release.make_course(root / "term")
    given = nbformat.read(ROOT / "notebooks/exercises/unet/iou.ipynb", as_version=4)
    rules = {"grade_id": "why", "grade": True, "solution": True, "locked": False, "task": False}
    asked = new_markdown_cell(QUESTION, id="why")
    asked.metadata["nbgrader"] = {**rules, "points": 3, "schema_version": 3}
    given.cells.append(asked)
    place = course.source(NAME) / "iou.ipynb"
    place.parent.mkdir(parents=True)
    nbformat.write(given, place)
    release.release(course, NAME)
    handed_out = nbformat.read(course.release(NAME) / "iou.ipynb", as_version=4)
    for learner, answer in ANSWERS.items():
        book = nbformat.from_dict(handed_out)
        for cell in book.cells:
            name = (cell.metadata.get("nbgrader") or {}).get("grade_id", "")
            if name == "why":
                cell.source = answer
            elif cell.cell_type == "code" and "def iou(" in cell.source:
                cell.source = CODE
            elif name == "iou-check":
                text = "iou: 5 of 5 points\n"
                cell.outputs = [new_output("stream", text=text)]
        folder = course.autograded(learner, NAME)
        folder.mkdir(parents=True)
        nbformat.write(book, folder / "iou.ipynb")
        came = course.submitted(learner, NAME)
        came.mkdir(parents=True)
        nbformat.write(book, came / "iou.ipynb")
        questions = [Question("iou-check", 5.0, 5.0), Question("why", 0.0, 3.0, by_hand=True)]
        when = datetime(2026, 3, 2, 9, 30).isoformat()
        made = Record(learner, NAME, when, "0", "1", 2.0, notebooks=[Notebook("iou", questions)])
        record.write(folder / record.FILE, made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        gradebook.enter(course, NAME)
    return course


def photograph(course: Course, chromium: str) -> dict[str, bytes]:
    """Name to picture, in the order of the steps."""
    from playwright.sync_api import sync_playwright

    with Gradebook(course.database) as book:
        name = book.find_submission_notebook("iou", NAME, "ada").id
    found: dict[str, bytes] = {}
    with serve(course) as served, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 420}, color_scheme="light")
        page.set_default_timeout(90_000)
        page.goto(served.url)
        page.locator(f"tbody a:has-text('{NAME}')").first.wait_for()
        page.set_viewport_size({"width": 1000, "height": 330})
        found["assignments"] = page.screenshot()
        page.goto(f"{served.base}/formgrader/gradebook/{NAME}/iou")
        page.locator(f"tbody a[href*='{name}']").first.wait_for()
        found["submissions"] = page.screenshot()
        page.set_viewport_size({"width": 1000, "height": 560})
        page.goto(f"{served.base}/formgrader/submissions/{name}/")
        page.wait_for_function("formgrader.grades?.loaded && formgrader.comments?.loaded")
        with page.expect_response(lambda r: "/api/grade/" in r.url and r.request.method == "PUT"):
            page.locator("#why.score").fill("2.5")
            page.locator("#why.score").blur()
        with page.expect_response(lambda r: "/api/comment/" in r.url and r.request.method == "PUT"):
            page.locator("#why-comment").fill("Good. Which rule would you choose for a mean?")
            page.locator("#why-comment").blur()
        page.locator("#why.score").scroll_into_view_if_needed()
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(1_000)
        found["points"] = page.screenshot()
        browser.close()
    return found


def small(picture: bytes) -> bytes:
    """The same in few colours."""
    stream = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(64, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def main() -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
    fail_with([] if chromium else ["install it, or name it with CHROMIUM=..."], "no Chromium:")
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in photograph(make_course(Path(folder)), chromium).items():
            path = FOLDER / f"formgrader-{name}.png"
            path.write_bytes(small(picture))
            say(f"wrote {path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    run_main(main)
