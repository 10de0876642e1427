"""Grades as a table, for a spreadsheet and for the platforms that import them.

The plain table has every learner, and an empty cell where there is no grade yet: never 0. In the
platforms' files those learners are left out, because an empty cell erases there what a grade that
was entered before says: Moodle's importer takes it as "no grade", Canvas's as a change.

A text that a spreadsheet would run as a formula gets an apostrophe in front.

Sources: Moodle, grade/import/csv/classes/load_data.php and grade/export/lib.php; Canvas,
lib/gradebook_importer.rb (header, "Points Possible" row); Brightspace, "Importing grades".
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from course_lib.grading import page
from course_lib.grading.folder import write_file
from course_lib.grading.standing import GRADED, Standing, Standings

Format = Literal["csv", "moodle", "canvas", "brightspace"]
FORMATS: tuple[Format, ...] = get_args(Format)
# Also in full width, and behind what spreadsheets take away at the front.
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
# Behind a comma or a semicolon too, which is a border where the other one is not.
_INSIDE = re.compile(rf"([;,|]\s*['\"]?\s*)(?=[{re.escape(_FORMULA)}])")
_AWAY = " '\""


def harmless(words: str) -> str:
    """A text that no spreadsheet takes for a formula.

    Lines become one, for an import that reads line by line; what is not seen goes.
    """
    visible = (c for c in page.plain(words, limit=5_000) if unicodedata.category(c) != "Cf")
    shown = " ".join("".join(visible).split())
    shown = _INSIDE.sub(r"\1'", shown)
    return f"'{shown}" if shown.lstrip(_AWAY)[:1] in tuple(_FORMULA) else shown


def number(value: float | None) -> str:
    """A number of points; empty for None."""
    return "" if value is None else page.points(value)


def table(found: Standings, form: Format = "csv") -> list[list[str]]:
    """The rows of a file, the first of them its head.

    Args:
        found: The class.
        form: Which file.
    """
    if form == "moodle":
        return _moodle(found)
    if form == "canvas":
        return _canvas(found)
    return _brightspace(found) if form == "brightspace" else _plain(found)


def export(found: Standings, form: Format, path: Path) -> list[Standing]:
    """Write a file.

    Args:
        found: The class.
        form: Which file.
        path: Where to.

    Returns:
        The learners who have no grade in it.
    """
    stream = io.StringIO()
    # Numbers and empty cells stand bare; Canvas wants the same marks as everybody.
    csv.writer(stream, lineterminator="\r\n").writerows(table(found, form))
    # Excel takes a file without this mark for one of its own encoding; the platforms do not.
    mark = "\ufeff" if form == "csv" else ""
    write_file(path, f"{mark}{stream.getvalue()}")
    return [standing for standing in found.learners if standing.state != GRADED]


def _plain(found: Standings) -> list[list[str]]:
    several = len({notebook for notebook, _, _ in found.questions}) > 1
    names = [
        f"{f'{notebook}/' if several else ''}{name} (of {page.points(total)})"
        for notebook, name, total in found.questions
    ]
    head = ["learner", "last name", "first name", "email", "state", "points", "of"]
    head += ["points so far", "submitted (UTC)", "days late", "penalty", *names, "by hand", "flags"]
    rows = [[*map(harmless, head)]]
    for one in found.learners:
        marks = {(mark.notebook, mark.name): mark for mark in one.marks}
        given = [marks.get((notebook, name)) for notebook, name, _ in found.questions]
        texts = (one.learner, one.last, one.first, one.email, one.state)
        rows.append(
            [
                *map(harmless, texts),
                number(one.points),
                number(found.total),
                number(one.reached) if one.marks else "",
                f"{one.submitted:%Y-%m-%d %H:%M}" if one.submitted else "",
                str(one.days_late) if one.marks else "",
                number(one.penalty) if one.marks else "",
                *(number(mark.points if mark else None) for mark in given),
                harmless(", ".join(m.name for m in one.marks if m.by_hand)),
                harmless("; ".join(one.flags)),
            ]
        )
    return rows


def _final(found: Standings) -> list[Standing]:
    return [standing for standing in found.learners if standing.state == GRADED]


def _moodle(found: Standings) -> list[list[str]]:
    """What Moodle's "CSV file" import maps: who, the grade, and a line of feedback."""
    name = harmless(found.assignment)
    head = ["First name", "Last name", "ID number", "Email address", "Username"]
    rows = [[*head, f"{name} (Real)", f"{name} (Feedback)"]]
    for one in _final(found):
        who = (one.first, one.last, one.platform, one.email, one.learner)
        rows.append([*map(harmless, who), number(one.points), harmless(_line(one))])
    return rows


def _canvas(found: Standings) -> list[list[str]]:
    """What Canvas's gradebook import wants: five columns, the points possible, the learners."""
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", harmless(found.assignment)]
    rows = [head, ["    Points Possible", "", "", "", "", number(found.total)]]
    for one in _final(found):
        name = ", ".join(filter(None, (one.last, one.first))) or one.learner
        inner = one.platform if one.platform.isdigit() else ""
        rows.append([*map(harmless, (name, inner, "", one.learner)), "", number(one.points)])
    return rows


def _brightspace(found: Standings) -> list[list[str]]:
    rows = [
        [
            "OrgDefinedId",
            "Username",
            f"{harmless(found.assignment)} Points Grade",
            "End-of-Line Indicator",
        ]
    ]
    for one in _final(found):
        who = map(harmless, (one.platform, one.learner))
        rows.append([*who, number(one.points), "#"])
    return rows


def _line(one: Standing) -> str:
    """What can be said in one line: points of each question, comments, lateness."""
    parts = [
        f"{mark.name} {page.points(mark.points or 0)}/{page.points(mark.total)}"
        for mark in one.marks
    ]
    if one.penalty:
        parts.append(f"{page.points(one.penalty)} off, {one.days_late} days late")
    comments: Sequence[str] = [words for words in one.comments.values() if words]
    return "; ".join([*parts, *comments])
