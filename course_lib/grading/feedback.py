"""What a learner gets back: one HTML page with points, reasons, hints and comments.

Made of the learner's own cells and of what was judged, never of the instructor's notebook: a test
cell is not shown, nor what it printed, nor what stands between nbgrader's marks for hidden tests
and marking schemes. (nbgrader's own template publishes the hidden tests to everybody.)
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_lib.grading import page
from course_lib.grading.page import Page, text
from course_lib.grading.standing import GRADED, UNGRADED, Mark, Standing, Standings

FILE = "feedback.html"
CELLS = 500  # that are shown of one notebook
# What instructors mark as not for learners; an end that is missing ends with the cell.
_KEPT_BACK = re.compile(
    r"^[^\n]*BEGIN (HIDDEN TESTS|MARK SCHEME|SOLUTION)\b.*?(?:^[^\n]*END \1\b[^\n]*\n?|\Z)",
    flags=re.MULTILINE | re.DOTALL,
)


def write_feedback(found: Standings, learners: Sequence[str] = ()) -> Iterator[tuple[str, Path]]:
    """Write a page for each learner whose submission was judged.

    Args:
        found: The class.
        learners: These only; empty: all.

    Yields:
        The learner's name and the page's path, once it is written.

    Raises:
        ValueError: Somebody is named who is not in the class.
    """
    known = {standing.learner for standing in found.learners}
    unknown = sorted(set(learners) - known)
    if unknown:
        raise ValueError(
            f"there is no learner {unknown[0]!r} in the gradebook; add or mend the name"
        )
    for standing in found.learners:
        if standing.marks and (not learners or standing.learner in learners):
            path = found.course.feedback(standing.learner, found.assignment) / FILE
            feedback_page(found, standing).write(path)
            yield standing.learner, path


def feedback_page(found: Standings, standing: Standing) -> Page:
    """The page of one learner.

    Args:
        found: The class, for the assignment's name and folder.
        standing: The learner; graded.
    """
    notebooks = {}
    for name in dict.fromkeys(mark.notebook for mark in standing.marks):
        folder = found.course.autograded(standing.learner, found.assignment)
        if (folder / f"{name}.ipynb").is_file():
            notebooks[name] = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    return compose(found.assignment, standing, notebooks, [found.course.root])


def compose(
    assignment: str,
    standing: Standing,
    notebooks: dict[str, NotebookNode],
    roots: Sequence[Path],
) -> Page:
    """Lay a page out.

    Args:
        assignment: Its name.
        standing: Points, reasons and comments.
        notebooks: Name to notebook, as it was run.
        roots: Folders whose names are not for learners.
    """
    made = Page(f"{assignment}: feedback")
    made.add(f"<p class='note'>For {text(standing.name, limit=200)}.</p>", *_summary(standing))
    for name in dict.fromkeys(mark.notebook for mark in standing.marks):
        made.add(f"<h2>{text(name, limit=200)}</h2>")
        marks = [mark for mark in standing.marks if mark.notebook == name]
        made.add(*_notebook(marks, standing.comments, name, notebooks.get(name), roots))
    return made


def _summary(standing: Standing) -> Iterator[str]:
    total = sum(mark.total for mark in standing.marks)
    points = standing.points if standing.state == GRADED else standing.reached
    yield f"<p class='total'>{page.points(points or 0.0)} of {page.points(total)} points</p>"
    waiting = sum(mark.total for mark in standing.marks if mark.points is None)
    if waiting:
        yield (
            f"<p><strong>Not final:</strong> {page.points(waiting)} of these points are still to "
            "be given by your instructor.</p>"
        )
    if standing.penalty:
        yield (
            f"<p>{page.points(standing.penalty)} points were taken off for handing in "
            f"{standing.days_late} {'day' if standing.days_late == 1 else 'days'} late.</p>"
        )
    if standing.submitted is not None:
        yield f"<p class='note'>Handed in on {standing.submitted:%Y-%m-%d at %H:%M} UTC.</p>"
    if standing.notes:
        rows = "".join(f"<li>{text(note, limit=500)}</li>" for note in standing.notes[:50])
        yield f"<p>What had to be put right in your file:</p><ul>{rows}</ul>"
    if len(standing.marks) > 1:
        rows_of = [
            (text(mark.name, limit=100), _state(mark), _ratio(mark)) for mark in standing.marks
        ]
        yield page.table(("Question", "Result", "Points"), rows_of)


def _state(mark: Mark) -> str:
    if mark.points is None:
        return "waits for your instructor"
    if mark.points >= mark.total:
        return "<span class='good'>&#10003; complete</span>"
    return f"<span class='bad'>{'&#10007; none' if not mark.points else '&#9680; in part'}</span>"


def _ratio(mark: Mark) -> str:
    reached = "?" if mark.points is None else page.points(mark.points)
    return f"{reached} / {page.points(mark.total)}"


def _notebook(
    marks: Sequence[Mark],
    comments: dict[tuple[str, str], str],
    name: str,
    notebook: NotebookNode | None,
    roots: Sequence[Path],
) -> Iterator[str]:
    """Cells in their order, each question's points where its test stands."""
    left = {mark.name: mark for mark in marks}
    said = {cell: words for (place, cell), words in comments.items() if place == name}
    cells = notebook.cells if notebook is not None else []
    for number, cell in enumerate(cells):
        if number >= CELLS:
            yield "<p class='note'>[more cells are not shown]</p>"
            break
        rules: dict[str, Any] = cell.metadata.get("nbgrader") or {}
        grade_id = str(rules.get("grade_id", ""))
        test = bool(rules.get("grade")) and not rules.get("solution")
        if not test and not (rules.get("locked") and cell.cell_type == "markdown"):
            yield from _cell(cell, roots)
        if grade_id in left:
            yield from _question(left.pop(grade_id), roots)
        if grade_id in said:
            yield _comment(said.pop(grade_id), roots)
    for mark in left.values():
        yield from _question(mark, roots)
    for words in said.values():
        yield _comment(words, roots)


def _cell(cell: NotebookNode, roots: Sequence[Path]) -> Iterator[str]:
    source = _KEPT_BACK.sub("", str(cell.source))
    if cell.cell_type == "code":
        if source.strip():
            yield page.code(source, roots)
        yield page.outputs(cell.get("outputs") or [], roots)
    elif source.strip():
        # As it was written: `clean` had made it harmless for those who turn it into HTML.
        source = html.unescape(source).replace("\u200b", "")
        yield f"<div class='words'>{text(source, roots)}</div>"


def _comment(words: str, roots: Sequence[Path]) -> str:
    return f"<div class='comment'><strong>Your instructor:</strong> {text(words, roots)}</div>"


def _question(mark: Mark, roots: Sequence[Path]) -> Iterator[str]:
    name = text(mark.name, limit=100)
    yield f"<h3>{name}: {_ratio(mark)} points</h3>"
    if mark.points is None:
        yield "<p>Your instructor gives these points.</p>"
    if mark.results:
        rows = []
        for result in mark.results:
            mood, sign = ("good", "&#10003; holds") if result.passed else ("bad", "&#10007; fails")
            why = "" if result.passed else text(result.message, roots, 2_000)
            reached = f"{page.points(result.points)} / {page.points(result.total)}"
            cell = f"<span class='{mood}'>{sign}</span>"
            rows.append((cell, text(result.property, roots, 300), reached, why))
        yield page.table(("Result", "Property", "Points", "Message"), rows)
    elif mark.message and mark.points is not None:
        yield f"<p>{text(mark.message, roots, 2_000)}</p>"
    missed = [result.hint for result in mark.results if not result.passed]
    for hint in dict.fromkeys(filter(None, [mark.hint, *missed])):
        yield f"<div class='hint'><strong>Hint:</strong> {text(hint, roots, 2_000)}</div>"


def ungraded(found: Standings) -> list[str]:
    """Learners who handed in and have no page, because nothing was judged."""
    return [standing.learner for standing in found.learners if standing.state == UNGRADED]
