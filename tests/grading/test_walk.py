"""The walk through a term: the chapter's commands run as they stand there, release to export."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from course_lib import cli

ROOT = Path(__file__).parents[2]
TEACH = ROOT / "book" / "teach"


def commands(page: Path) -> list[str]:
    """The lines of a page's blocks that are commands."""
    blocks = re.findall(r"^```shell\n(.*?)^```", page.read_text("utf-8"), flags=re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.strip()]


def run(line: str, folder: Path) -> subprocess.CompletedProcess:
    words = shlex.split(line)
    assert words[0] == "course", f"only the course's own commands stand here: {line}"
    return subprocess.run(
        [sys.executable, "-m", "course_lib.cli", *words[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COURSE_PROGRESS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.sandbox
@pytest.mark.slow
def test_the_commands_of_the_walk_from_release_to_export(tmp_path):
    lines = commands(TEACH / "term.md")
    verbs = [verb for verb, _ in groupby(line.split()[1] for line in lines)]
    wanted = ["overlay", "release", "practice-class", "release", "practice-class", "collect"]
    assert verbs == [*wanted, "grade", "feedback", "report", "similarity", "export"]
    for line in lines:
        done = run(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    roster = {row["id"] for row in table(tmp_path / "class.csv")}
    assert len(roster) == 30
    handed_out = {path.name for path in (tmp_path / "term" / "handout" / "foundations").iterdir()}
    assert handed_out == roster
    _check_points(tmp_path)
    pages = list((tmp_path / "term" / "feedback").glob("*/foundations/*.html"))
    assert len(pages) == 30
    assert (tmp_path / "term" / "reports" / "foundations.html").is_file()
    assert len(table(tmp_path / "term" / "foundations.csv")) == 30
    complete = table(tmp_path / "term" / "foundations-moodle.csv")
    assert 0 < len(complete) < 15  # "nearly everyone" waits for points by hand


def _check_points(folder: Path) -> None:
    """Each learner's points are those that the made-up class must earn."""
    from course_lib.grading import record
    from course_lib.grading.folder import Course

    found = record.read_all(Course(folder / "term"), "foundations")
    rows = table(folder / "inbox" / "expected.csv")
    assert {row["learner"] for row in rows} == set(found) and len(found) == 30
    for row in rows:
        (question,) = [q for q in found[row["learner"]].questions if q.name == row["question"]]
        if row["points"] == "":
            assert question.by_hand, row
        else:
            assert question.points == float(row["points"]) and not question.by_hand, (row, question)


@pytest.mark.parametrize("page", sorted(TEACH.glob("*.md")), ids=lambda path: path.stem)
def test_every_command_of_these_pages_is_one(page, capsys):
    """In blocks and in the text: the command is known, and so are its options."""
    text = page.read_text(encoding="utf-8")
    lines = commands(page) + re.findall(r"`(course [^`]+)`", text)
    for line in lines:
        words = shlex.split(line)[1:]
        options = [word for word in words if word.startswith("--")]
        names = [word for word in words if not word.startswith("-")]
        depth = 2 if names[0] in ("overlay", "practice-class", "results", "data") else 1
        with pytest.raises(SystemExit) as ended:
            cli.parse([*names[:depth], "--help"])
        told = capsys.readouterr().out
        assert ended.value.code == 0, line
        for option in options:
            assert option in told, f"{page.name}: {line}: there is no {option}"


def test_pictures_of_these_pages_are_there():
    for page in TEACH.glob("*.md"):
        for name in re.findall(r"\{figure\} (\S+)", page.read_text(encoding="utf-8")):
            assert (page.parent / name).is_file(), f"{page.name}: {name} is missing"
