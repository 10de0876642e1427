"""The made-up class: the same for a seed, of every kind, in the shapes that platforms give."""

from __future__ import annotations

import csv
import json
import zipfile
from collections import Counter

import pytest

from course_lib.grading import practice_class, roster
from tests.grading import kit

SOURCE = kit.source("unet", "iou")
RELEASE = kit.released(SOURCE)


@pytest.fixture(scope="module")
def handed():
    learners = practice_class.people(30, seed=3)
    return practice_class.hand_in(learners, lambda who: {"iou": (SOURCE, RELEASE)}, seed=3)


def test_names_are_the_same_for_a_seed_and_a_roster_reads_them(tmp_path):
    made = practice_class.people(40, seed=1)
    assert made == practice_class.people(40, seed=1) != practice_class.people(40, seed=2)
    for column in ("id", "email", "moodle", "canvas", "github", "name"):
        assert len({getattr(who, column) for who in made}) == 40
    practice_class.write_roster(tmp_path / "class.csv", made)
    assert roster.read(tmp_path / "class.csv").learners == made
    for number in (0, 100_000):
        with pytest.raises(ValueError, match="wanted 1 to"):
            practice_class.people(number)


def test_every_kind_is_there_in_its_share():
    assert Counter(practice_class.kinds(200)) == {
        "honest": 100,
        "half": 50,
        "broken": 20,
        "hostile": 26,
        "hanging": 4,
    }
    assert set(practice_class.kinds(5)) >= {"half", "broken", "hostile", "hanging"}


def test_honest_work_earns_all_and_what_is_no_work_nothing(handed):
    earned = {}
    for one in handed:
        earned.setdefault(one.kind, []).append(one.total)
    assert set(earned["honest"]) == {5.0} and set(earned["broken"]) == {0.0}
    assert any(0 < points < 5 for points in earned["half"])
    cheats = [one for one in handed if "equals everything" in one.what]
    assert cheats and {one.total for one in cheats} == {0.0}
    assert all(one.points.keys() == {("iou", "iou-check")} for one in handed)
    for one in handed:
        if one.kind != "broken":
            assert json.loads(one.files["iou.ipynb"])["cells"]


def test_each_platforms_shape_holds_everybody(handed, tmp_path):
    for platform in ("moodle", "canvas", "github", "names"):
        path = practice_class.write(tmp_path / platform, handed, platform, "hw")
        if path.is_dir():
            assert len(list(path.iterdir())) == 30
        else:
            assert len(zipfile.ZipFile(path).namelist()) == 30
    practice_class.write_expected(tmp_path / "expected.csv", handed)
    with (tmp_path / "expected.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["learner"], float(r["points"])) for r in rows] == [
        (one.learner.id, one.total) for one in handed
    ]
