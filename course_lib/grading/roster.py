"""Who is in the class, and which of them a platform's outer name means."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook

from course_lib.grading.folder import Course, check_name

# A column's name, as we and as the platforms' exports call it.
COLUMNS = {
    "id": ("id", "learner", "student_id", "student id", "username", "sis login id", "identifier"),
    "first_name": ("first_name", "first name", "firstname", "given name"),
    "last_name": ("last_name", "last name", "lastname", "surname", "family name"),
    "name": ("name", "full name", "student"),
    "email": ("email", "email address", "e-mail"),
    "moodle": ("moodle", "participant", "moodle_id"),
    "canvas": ("canvas", "canvas_id", "canvas id"),
    "github": ("github", "github_username"),
}


@dataclass(frozen=True)
class Learner:
    """One of the class; what is not known is empty."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    moodle: str = ""
    canvas: str = ""
    github: str = ""

    @property
    def name(self) -> str:
        """The full name, or the id."""
        return f"{self.first_name} {self.last_name}".strip() or self.id


@dataclass(frozen=True)
class Roster:
    """The class; empty where there is no list: then outer names are taken as they are."""

    learners: list[Learner] = field(default_factory=list)

    def find(self, known: Mapping[str, str]) -> Learner | str:
        """The one learner to whom something of this fits, or why there is none.

        Args:
            known: Texts by column: `moodle`, `name` and so on; the first that fits anybody counts.
        """
        for column, text in known.items():
            if not text:
                continue
            fits = [
                who for who in self.learners if _key(_of(who, column), column) == _key(text, column)
            ]
            if len(fits) == 1:
                return fits[0]
            if fits:
                return f"{len(fits)} of the roster are called {text[:60]!r}"
        said = next((text for text in known.values() if text), "")
        return f"nobody in the roster is called {said[:60]!r}"


def _of(who: Learner, column: str) -> str:
    if column == "name":
        return who.name if who.name != who.id else ""
    if column == "joined":  # Canvas: lastnamefirstname
        return f"{who.last_name}{who.first_name}"
    if column == "mailbox":
        return who.email.partition("@")[0]
    found: str = getattr(who, column)
    return found


def _key(text: str, column: str) -> str:
    """How two texts are compared."""
    key = unicodedata.normalize("NFKC", text).strip().casefold()
    if column == "joined":
        key = unicodedata.normalize("NFKD", key)
        return "".join(letter for letter in key if letter.isalnum())
    if column in ("moodle", "canvas"):
        return re.sub(r"\D", "", key)
    return " ".join(key.split()) or "\0"


def read(path: Path) -> Roster:
    """Read a roster: a CSV file with a head line; `id` is needed, every other column helps.

    Raises:
        FileNotFoundError: There is no file.
        ValueError: A column or a name is missing, or stands twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no roster {path}: name a CSV file with --roster")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    dialect = (
        ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    )
    rows = list(csv.reader(io.StringIO(text), delimiter=dialect))
    head = [cell.strip().casefold() for cell in rows[0]] if rows else []
    places = {
        column: next((head.index(n) for n in names if n in head), None)
        for column, names in COLUMNS.items()
    }
    if places["id"] is None:
        raise ValueError(
            f"{path} has no column 'id', it has {', '.join(head[:10]) or 'nothing'}: name one so"
        )
    found: dict[str, Learner] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        values = {
            column: row[place].strip() if place is not None and place < len(row) else ""
            for column, place in places.items()
        }
        whole = values.pop("name")
        if whole and not values["first_name"] and not values["last_name"]:
            last, comma, first = whole.partition(",")
            first, last = (first, last) if comma else (whole.rpartition(" ")[0::2])
            values["first_name"], values["last_name"] = first.strip(), last.strip()
        who = Learner(**values)
        check_name(who.id, f"a learner ({path.name}, line {number})")
        key = who.id.casefold()
        if key in found:
            raise ValueError(f"{path}, line {number}: {who.id!r} stands in it twice")
        found[key] = who
    return Roster(list(found.values()))


def enter(course: Course, roster: Roster) -> None:
    """Enter the class, with its names, into the gradebook."""
    with Gradebook(course.database) as gradebook:
        for who in roster.learners:
            gradebook.update_or_create_student(
                who.id, first_name=who.first_name, last_name=who.last_name, email=who.email
            )


def known(course: Course) -> Roster:
    """The class as the gradebook has it; platforms' numbers are not in there."""
    with Gradebook(course.database) as gradebook:
        return Roster(
            [
                Learner(s.id, s.first_name or "", s.last_name or "", s.email or "")
                for s in gradebook.students
            ]
        )
