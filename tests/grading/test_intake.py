"""Submissions as platforms give them: whose each is, which attempt counts, nothing lost."""

from __future__ import annotations

import json
import os
import zipfile

import pytest

from course_lib.grading import intake, release, roster, submission
from course_lib.grading.folder import Course
from course_lib.grading.roster import Learner, Roster
from tests.grading import kit
from tests.grading.kit import ROOT

ADA = Learner("ada", "Ada", "Byron", "ada@example.org", "101", "501", "adabyron")
BOB = Learner("bob", "Bob", "de la Cruz", "b.cruz@example.org", "102", "502", "bobc")
CLASS = Roster([ADA, BOB])
NAMES = ("iou", "match_skip")


def book(text):
    return json.dumps({"cells": [{"cell_type": "code", "source": text}], "nbformat": 4}).encode()


@pytest.fixture
def course(tmp_path):
    made = kit.new_course(tmp_path / "course")
    base = ROOT / "notebooks" / "exercises"
    release.release(made, "unet", base=base, only=NAMES)
    return made


def packed(path, **files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path


def pack(path, files):
    return packed(path, **files)


def taken(course, who="ada"):
    return submission.came_in(course.submitted(who, "unet"))


def test_names_of_archives_folders_and_files(course, tmp_path):
    place = tmp_path / "in"
    pack(place / "ada.zip", {"hw/iou.ipynb": book("1"), "hw/x.csv": b"1"})
    (place / "bob").mkdir()
    (place / "bob" / "IOU (2).ipynb").write_bytes(book("2"))
    lines = intake.collect(course, "unet", [place], roster=CLASS)
    assert [(line.learner, line.taken) for line in lines] == [("ada", True), ("bob", True)]
    assert taken(course) == {"iou.ipynb": book("1"), "x.csv": b"1"}
    assert taken(course, "bob") == {"iou.ipynb": book("2")}
    known = submission.read(course.submitted("ada", "unet"))
    assert (known.outer, known.attempt, known.choose) == ("ada.zip", 1, "latest")
    assert "missing: match_skip" in known.notes
    assert (course.submitted("ada", "unet") / "timestamp.txt").read_text().strip()


def test_moodle(course, tmp_path):
    path = pack(
        tmp_path / "all.zip",
        {
            "Ada Byron_101_assignsubmission_file_/iou.ipynb": book("1"),
            "Ada Byron_101_assignsubmission_file_/match_skip.ipynb": book("2"),
            "Bob de la Cruz_102_assignsubmission_file_iou.ipynb": book("3"),
        },
    )
    lines = intake.collect(course, "unet", [path], platform="moodle", roster=CLASS)
    assert all(line.taken for line in lines) and len(lines) == 2
    assert set(taken(course)) == {"iou.ipynb", "match_skip.ipynb"}
    assert taken(course, "bob") == {"iou.ipynb": book("3")}
    # Without a roster the name and the number make an id.
    inner = pack(tmp_path / "inner.zip", {"work/iou.ipynb": book("4")}).read_bytes()
    path = pack(tmp_path / "a.zip", {"Eve Ng_103_assignsubmission_file_/my.zip": inner})
    (line,) = intake.collect(course, "unet", [path], platform="moodle")
    assert line.learner == "Eve-Ng-103" and taken(course, "Eve-Ng-103") == {"iou.ipynb": book("4")}


def test_canvas(course, tmp_path):
    path = pack(
        tmp_path / "all.zip",
        {
            "byronada_LATE_501_9001_iou-1.ipynb": book("1"),
            "byronada_LATE_501_9002_match_skip.ipynb": book("2"),
            "delacruzbob_502_9003_my_work.zip": pack(
                tmp_path / "i.zip", {"iou.ipynb": book("3")}
            ).read_bytes(),
        },
    )
    lines = intake.collect(course, "unet", [path], platform="canvas", roster=CLASS)
    assert [line.learner for line in lines] == ["ada", "bob"]
    assert "late" in lines[0].said
    assert taken(course) == {"iou.ipynb": book("1"), "match_skip.ipynb": book("2")}
    assert taken(course, "bob") == {"iou.ipynb": book("3")}


def test_github_classroom(course, tmp_path):
    for name in ("unet-adabyron", "unet-bobc", "unet-stranger"):
        (tmp_path / "repos" / name / ".git").mkdir(parents=True)
        (tmp_path / "repos" / name / ".git" / "HEAD").symlink_to("/nowhere")
        (tmp_path / "repos" / name / "iou.ipynb").write_bytes(book(name))
    lines = intake.collect(course, "unet", [tmp_path / "repos"], platform="github", roster=CLASS)
    said = {line.outer: (line.learner, line.taken) for line in lines}
    assert said["unet-adabyron"] == ("ada", True) and said["unet-bobc"] == ("bob", True)
    assert said["unet-stranger"] == ("", False)


def test_a_pattern_of_ones_own(course, tmp_path):
    place = tmp_path / "in"
    place.mkdir()
    (place / "ada_2026-01-30-15-00-00_iou.ipynb").write_bytes(book("1"))
    (place / "nobody.ipynb").write_bytes(book("1"))
    pattern = r"(?P<id>\w+?)_(?P<time>[\d-]+)_(?P<rest>\w+)"
    lines = intake.collect(course, "unet", [place], pattern=pattern)
    assert [(line.learner, line.taken) for line in lines] == [("", False), ("ada", True)]
    known = submission.read(course.submitted("ada", "unet"))
    assert known.submitted == "2026-01-30T15:00:00+00:00"
    with pytest.raises(ValueError, match="regular expression"):
        intake.collect(course, "unet", [place], pattern="(")


def test_every_attempt_is_kept_and_the_latest_counts(course, tmp_path):
    path = tmp_path / "in" / "ada.zip"
    for number, when in ((1, 1_000_000_000), (2, 1_100_000_000), (3, 1_050_000_000)):
        pack(path, {"iou.ipynb": book(str(number))})
        os.utime(path, (when, when))
        was = path.read_bytes()
        intake.collect(course, "unet", [path])
        assert path.read_bytes() == was
    assert [s.attempt for _, s in intake.kept(course, "unet", "ada")] == [1, 3, 2]
    assert taken(course) == {"iou.ipynb": book("2")}
    (line,) = intake.collect(course, "unet", [path])
    assert "known already" in line.said and len(intake.kept(course, "unet", "ada")) == 3
    intake.settle(course, "unet", "ada", "best", best=1)
    assert taken(course) == {"iou.ipynb": book("1")}


@pytest.mark.adversarial
def test_a_member_named_like_anothers_submission_replaces_nothing(course, tmp_path):
    place = tmp_path / "in"
    pack(place / "bob.zip", {"iou.ipynb": book("bob's")})
    intake.collect(course, "unet", [place / "bob.zip"], roster=CLASS)
    was = {p: p.read_bytes() for p in (course.root / "submitted").rglob("*") if p.is_file()}
    attacks = {
        "submitted/bob/unet/iou.ipynb": book("eve's"),
        "bob.zip": pack(tmp_path / "x.zip", {"iou.ipynb": book("eve's")}).read_bytes(),
        "bob/iou.ipynb": book("eve's"),
        "submission.json": b'{"learner": "bob", "choose": "best"}',
        "timestamp.txt": b"1970-01-01",
    }
    for number, (name, data) in enumerate(attacks.items()):
        path = pack(place / "ada.zip", {name: data, "match_skip.ipynb": book(str(number))})
        intake.collect(course, "unet", [path], roster=CLASS)
        assert {p: p.read_bytes() for p in was} == was, name
        known = submission.read(course.submitted("ada", "unet"))
        assert (known.learner, known.choose) == ("ada", "latest")
        assert (course.submitted("ada", "unet") / "timestamp.txt").read_text() != "1970-01-01"
    # An archive whose own name says nothing is nobody's, whatever lies in it.
    path = pack(tmp_path / "hw.zip", {"bob/iou.ipynb": book("eve's")})
    (line,) = intake.collect(course, "unet", [path], roster=CLASS)
    assert not line.taken and {p: p.read_bytes() for p in was} == was


@pytest.mark.adversarial
def test_what_is_refused_leaves_nothing(course, tmp_path):
    pack(tmp_path / "eve.zip", {"../bob/iou.ipynb": book("1")})
    pack(tmp_path / "ann.zip", {"other.ipynb": book("1"), "x.ipynb": book("2")})
    (tmp_path / "kim.zip").symlink_to(tmp_path / "ann.zip")
    (tmp_path / "leo.7z").write_bytes(b"7z")
    paths = [tmp_path / name for name in ("eve.zip", "ann.zip", "kim.zip", "leo.7z")]
    lines = intake.collect(course, "unet", paths)
    assert not any(line.taken for line in lines) and len(lines) == 4
    assert all(line.said for line in lines)
    assert list((course.root / "submitted").iterdir()) == []
    assert list((course.root / "collected").rglob("*.ipynb")) == []
    assert [p.name for p in course.work.iterdir() if p.is_dir()] == []


@pytest.mark.adversarial
def test_a_crash_while_collecting_leaves_nothing_half_written(course, tmp_path, monkeypatch):
    path = pack(tmp_path / "ada.zip", {"iou.ipynb": book("1")})
    intake.collect(course, "unet", [path])
    pack(path, {"iou.ipynb": book("2")})

    def crash(*arguments):
        raise KeyboardInterrupt

    for where in ("replace_folder", "settle"):
        with monkeypatch.context() as patch:
            patch.setattr(intake, where, crash)
            with pytest.raises(KeyboardInterrupt):
                intake.collect(course, "unet", [path])
        assert taken(course) == {"iou.ipynb": book("1")}
    intake.collect(course, "unet", [path])
    assert taken(course) == {"iou.ipynb": book("2")}


def test_two_of_one_name_and_letters_case(course, tmp_path):
    twins = Roster([Learner("a1", "Kim", "Lee"), Learner("a2", "Kim", "Lee")])
    path = pack(tmp_path / "m.zip", {"Kim Lee_9_assignsubmission_file_/iou.ipynb": book("1")})
    (line,) = intake.collect(course, "unet", [path], platform="moodle", roster=twins)
    assert not line.taken and "2 of the roster" in line.said
    for name in ("Ada", "ada"):
        pack(tmp_path / "in" / f"{name}.zip", {"iou.ipynb": book("1")})
    lines = intake.collect(course, "unet", [tmp_path / "in"])
    assert sorted(line.taken for line in lines) == [False, True]


@pytest.mark.adversarial
def test_whoever_takes_anothers_name_gets_nowhere(course, tmp_path):
    both = {
        "Ada Byron_101_assignsubmission_file_/iou.ipynb": book("ada's"),
        "Ada Byron_666_assignsubmission_file_/iou.ipynb": book("eve's"),
    }
    path = pack(tmp_path / "all.zip", both)
    people = Roster([Learner("ada", "Ada", "Byron"), Learner("eve", "Eve", "Ng")])
    lines = intake.collect(course, "unet", [path], platform="moodle", roster=people)
    assert [line.taken for line in lines] == [False, False]
    assert "2 people are called so" in lines[0].said
    people = Roster([Learner("ada", "Ada", "Byron", moodle="Participant 101")])
    lines = intake.collect(course, "unet", [path], platform="moodle", roster=people)
    assert sorted(line.taken for line in lines) == [False, True]
    assert taken(course) == {"iou.ipynb": book("ada's")}
    # The name of a person, or of a file, that holds what the platform writes behind names.
    for outer in (
        "Ada Byron_101_assignsubmission_file__666_assignsubmission_file_/iou.ipynb",
        "Eve Ng_666_assignsubmission_file_Ada Byron_101_assignsubmission_file_iou.ipynb",
    ):
        path = pack(tmp_path / "more.zip", {outer: book("eve's")})
        (line,) = intake.collect(course, "unet", [path], platform="moodle", roster=people)
        assert not line.taken and "two people" in line.said
    assert taken(course) == {"iou.ipynb": book("ada's")}


@pytest.mark.adversarial
def test_a_file_where_a_folder_would_be_stops_nobody(course, tmp_path):
    names = ["a/iou.ipynb", "iou.ipynb/x.py", "submission.json/x", "timestamp.txt/y"]
    pack(tmp_path / "in" / "eve.zip", {name: book("1") for name in names})
    pack(tmp_path / "in" / "ann.zip", {"iou.ipynb": book("2"), "x": b"1", "x/y": b"2"})
    pack(tmp_path / "in" / "zoe.zip", {"iou.ipynb": book("3")})
    with open(os.fsencode(tmp_path / "in") + b"/b\xff.zip", "wb") as stream:
        stream.write((tmp_path / "in" / "zoe.zip").read_bytes())
    lines = intake.collect(course, "unet", [tmp_path / "in"])
    assert {line.learner for line in lines if line.taken} == {"ann", "eve", "zoe"}
    assert taken(course, "eve") == {"iou.ipynb": book("1")}
    assert taken(course, "ann") == {"iou.ipynb": book("2"), "x": b"1"}
    assert taken(course, "zoe") == {"iou.ipynb": book("3")}


def test_rosters(tmp_path):
    path = tmp_path / "class.csv"
    path.write_text("﻿Username;Full name;E-Mail\nada;Byron, Ada;a@x\nbob;Bob de la Cruz;\n\n")
    found = roster.read(path).learners
    assert [(w.id, w.first_name, w.last_name) for w in found] == [
        ("ada", "Ada", "Byron"),
        ("bob", "Bob de la", "Cruz"),
    ]
    for text, said in (
        ("name\nx\n", "no column 'id'"),
        ("", "no column 'id'"),
        ("id\nada\nADA\n", "twice"),
        ("id\n../x\n", "line 2"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            roster.read(path)
    with pytest.raises(FileNotFoundError):
        roster.read(tmp_path / "none.csv")


def test_mistakes_of_the_instructor(course, tmp_path):
    with pytest.raises(FileNotFoundError, match="not released"):
        intake.collect(course, "other", [tmp_path])
    with pytest.raises(FileNotFoundError, match="there is no"):
        intake.collect(course, "unet", [tmp_path / "none.zip"])
    with pytest.raises(ValueError, match="latest or best"):
        intake.collect(course, "unet", [tmp_path], choose="first")
    with pytest.raises(FileNotFoundError, match="no course folder"):
        intake.collect(Course(tmp_path), "unet", [tmp_path])
