"""The record of a judged submission: written whole, read strictly."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest

from course_lib.checks.report import Result as Passed
from course_lib.grading import folder, record
from course_lib.grading.judge import Question as Judged
from course_lib.grading.record import Notebook, Question, Record, Result

ONE = Record(
    learner="ada",
    assignment="unet",
    submitted="2026-01-02T03:04:05+00:00",
    digest="d" * 64,
    release="e" * 64,
    seconds=1.5,
    notes=["read as Latin-1"],
    notebooks=[
        Notebook(
            "iou",
            [
                Question("iou-check", 3.0, 5.0, False, "", "a hint", [Result("p", True, 3.0, 3.0)]),
                Question("essay", 0.0, 4.0, by_hand=True),
            ],
        )
    ],
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "deep" / "judged.json"
    record.write(path, ONE)
    assert record.read(path) == ONE
    assert json.loads(path.read_text())["format"] == 1
    assert (ONE.points, ONE.total, ONE.by_hand) == (3.0, 9.0, True)


def test_a_judged_question_becomes_a_record():
    results = [Passed("a", 2, True), Passed("b", 3, False, "x" * 10_000 + "\ud800")]
    made = record.question_of(Judged("q", 2.0, 5.0, results, hint="h"))
    assert [(r.points, r.total) for r in made.results] == [(2.0, 2.0), (0.0, 3.0)]
    assert len(made.results[1].message) < 4_100
    by_hand = record.question_of(Judged("q", 2.0, 5.0, by_hand=True))
    assert by_hand.by_hand and by_hand.points == 0


def broken():
    told = {"format": 1, **dataclasses.asdict(ONE)}
    question = told["notebooks"][0]["questions"][0]
    yield "a list", []
    yield "another format", {**told, "format": 2}
    yield "a field too many", {**told, "extra": 1}
    yield "a field missing", {k: v for k, v in told.items() if k != "digest"}
    yield "empty digest", {**told, "digest": ""}
    yield "negative points", _with(told, {**question, "points": -1})
    yield "points NaN", _with(told, {**question, "points": float("nan")})
    yield "points a flag", _with(told, {**question, "points": True})
    yield "by_hand a word", _with(told, {**question, "by_hand": "no"})
    yield "results a text", _with(told, {**question, "results": "x"})
    yield "notes a text", {**told, "notes": "x"}


def _with(told, question):
    return {**told, "notebooks": [{"name": "iou", "questions": [question]}]}


@pytest.mark.adversarial
@pytest.mark.parametrize(("name", "told"), list(broken()), ids=[n for n, _ in broken()])
def test_what_is_not_ours_is_refused(name, told, tmp_path):
    path = tmp_path / "judged.json"
    path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match="is no record"):
        record.read(path)


@pytest.mark.adversarial
def test_not_json_and_too_deep(tmp_path):
    path = tmp_path / "judged.json"
    for text in ("", "{", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(ValueError, match="is no record"):
            record.read(path)
    with pytest.raises(FileNotFoundError):
        record.read(tmp_path / "none.json")


def test_a_write_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "judged.json"
    record.write(path, ONE)

    def full(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        record.write(path, dataclasses.replace(ONE, seconds=9.0))
    assert record.read(path) == ONE
    assert [p.name for p in tmp_path.iterdir()] == ["judged.json"]


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", "-x", ".x", "_x", "a..b", "x" * 101, "a."]
)
def test_odd_names_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match="rename it"):
        folder.Course(tmp_path).submitted(name, "unet")
    with pytest.raises(ValueError, match="rename it"):
        folder.Course(tmp_path).source(name)


def test_the_digest_sees_names_and_content():
    one = folder.digest([("a", b"1"), ("b", b"2")])
    assert one == folder.digest([("b", b"2"), ("a", b"1")])
    assert len({one, folder.digest([("a", b"2"), ("b", b"1")]), folder.digest([("a", b"1")])}) == 3


def test_only_one_at_a_time(tmp_path):
    course = folder.Course(tmp_path)
    with course.alone("grading"), pytest.raises(folder.CourseBusy), course.alone("grading"):
        pass
    with course.alone("grading"):
        pass
