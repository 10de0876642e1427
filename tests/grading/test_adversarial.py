"""Attacks: whoever tries gains nothing, learns nothing and harms nobody.

Each attack is a notebook. It is judged, and then an honest learner's is, with the same settings. An
attack has the points that its answer is worth, an honest one all of them; every file in reach, a
gradebook, another submission, the exercise's source, is what it was; no secret is in the outputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from course_lib.checks import ALL
from course_lib.grading.judge import judge
from course_lib.grading.limits import GB, MB, Limits
from course_lib.grading.settings import Settings
from course_lib.grading.template import Template
from tests.grading import kit
from tests.grading.attacks import ATTACKS, EQUAL, Attack

pytestmark = [pytest.mark.adversarial, pytest.mark.sandbox, pytest.mark.slow]

SECRET = "sesame-93716"
SETTINGS = Settings(
    cell_seconds=4.0,
    restarts=1,
    limits=Limits(memory=2 * GB, tasks=64, disk_bytes=64 * MB, file_bytes=32 * MB),
)


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """A course with a gradebook and another submission, whose places the attacker knows."""
    course = tmp_path / "course"
    for name in ("gradebook.db", "submitted/bob/iou.ipynb", "source/iou.ipynb", ".ipython/x.py"):
        path = course / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    monkeypatch.setenv("COURSE_SECRET", SECRET)
    monkeypatch.setenv("ATTACKED", str(course))
    return course


def fingerprint(*folders: Path) -> dict[str, str]:
    """Every file, with a hash of what is in it."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def everybody() -> set[int]:
    """Processes below this one."""
    return {p.pid for p in psutil.Process().children(recursive=True)}


@pytest.fixture(scope="module")
def template():
    """Kernels are forked, as they are for a class."""
    made = Template()
    yield made
    made.close()


def judged(attack: Attack, template: Template | None, folder: Path | None = None):
    source = kit.source(attack.lab, attack.name)
    made = kit.submission(source, attack.answer, before=attack.before)
    settings = replace(SETTINGS, template=template, cell_seconds=attack.seconds)
    return judge(made, source, settings, folder=str(folder) if folder else None)


def check_attack(attack: Attack, surroundings: Path, tmp_path: Path, template: Template | None):
    """Judge the attack and then an honest learner; see that nothing else has changed."""
    folder = tmp_path / "handed-in"
    folder.mkdir()
    for name, text in attack.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    before = textwrap.dedent(attack.before).replace("COURSE", repr(str(surroundings)))
    attack = replace(attack, before=(EQUAL if attack.equal else "") + before)
    watched = (surroundings, folder, kit.ROOT / "notebooks" / "exercises" / "unet")
    package = (kit.ROOT / "course_lib" / "checks", kit.ROOT / "course_lib" / "grading")
    was, running = fingerprint(*watched, *package), everybody()
    environment, directory = dict(os.environ), os.getcwd()
    result = judged(attack, template, folder)
    assert fingerprint(*watched, *package) == was
    assert (dict(os.environ), os.getcwd()) == (environment, directory)
    until = time.monotonic() + 5
    while everybody() - running and time.monotonic() < until:
        time.sleep(0.1)
    assert everybody() <= running, "a process is left"
    (question,) = result.questions
    text = json.dumps(result.notebook) + str(question)
    assert SECRET not in text
    assert len(text) < 4 * MB, "the outputs are cut"
    assert question.points == attack.points, question
    says = (attack.says,) if isinstance(attack.says, str) else attack.says
    assert any(word in text for word in says), text[-3000:]
    (honest,) = judged(Attack(), template).questions
    assert (honest.points, honest.message, honest.hint) == (5, "", "")
    assert fingerprint(*watched, *package) == was
    return result


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    for name in ("iou", "examine_iou"):
        monkeypatch.setattr(ALL[name], "seconds", 3.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing_and_harms_nobody(name, surroundings, tmp_path, template):
    check_attack(ATTACKS[name], surroundings, tmp_path, template)


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 50
