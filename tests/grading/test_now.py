"""Grades on request: given once, so many a day, to whom the folder belongs, never by a trick."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

import nbformat
import pytest

from course_lib.cli import main
from course_lib.grading import now as asked
from course_lib.grading.now import Limits, Watch, asked_by_tests, without_hidden
from course_lib.grading.record import Notebook, Question, Record
from course_lib.grading.task import Outcome, Rules, Task
from tests.grading import kit, room
from tests.grading.room import Person

DAY = 86_400.0
START = datetime(2026, 2, 27, tzinfo=timezone.utc).timestamp()  # days before the time due
OPEN = Rules(sandbox=False)
TEST = "overlap-check"


class Bench:
    """Judges in the place of a worker: points are the length of the answer."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.fails = False

    def __call__(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        for task in list(tasks):
            self.tasks.append(task)
            (name,) = task.assignment.sources
            asked = [Question("overlap-check", 3.0, 5.0, hint="Think again.")]
            judged = Record(
                task.learner,
                task.assignment.name,
                None,
                task.digest,
                task.assignment.digest,
                1.0,
                notebooks=[Notebook(name, asked)],
                failed="no kernel" if self.fails else "",
            )
            yield task, Outcome(judged, {name: nbformat.writes(room.released(), version=4)})


@pytest.fixture
def course(tmp_path):
    return room.furnish(tmp_path / "course", [Person("ada"), Person("bob")])


@pytest.fixture
def inbox(tmp_path):
    for name in ("ada", "bob", "eve"):
        (tmp_path / "inbox" / name).mkdir(parents=True)
    return tmp_path / "inbox"


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def watch(course, inbox, bench):
    return Watch(course, room.SET, inbox, rules=OPEN, run=bench, limits=Limits(per_day=2))


def put(folder, text="x = 1"):
    notebook = room.released()
    notebook.cells[2].source = text
    nbformat.write(notebook, folder / "overlap.ipynb")


def page(folder) -> str:
    return (folder / "overlap.feedback.html").read_text()


def look(watch, clock, times=2):
    """Look, and again when what is there has settled."""
    made = []
    for number in range(times):
        made.append(watch.look(clock + 3 * number))
    return [line for one in made for line in one.graded], [x for one in made for x in one.told]


def test_a_notebook_is_answered_once(watch, inbox, bench):
    put(inbox / "ada")
    assert look(watch, START, times=1) == ([], [])  # it may still be being copied
    graded, told = look(watch, START + 3, times=4)
    assert graded == ["ada overlap: 3 of 5 points"] and not told and len(bench.tasks) == 1
    words = page(inbox / "ada")
    assert "3 of 5 points" in words and "Think again." in words and "not handed in" in words
    assert sorted(p.name for p in (inbox / "ada").iterdir()) == [
        "overlap.feedback.html",
        "overlap.ipynb",
    ]


def test_it_is_judged_by_what_learners_have(watch, inbox, bench):
    put(inbox / "ada")
    look(watch, START)
    (task,) = bench.tasks
    assert room.SECRET not in str(task.assignment.sources) and task.assignment.sources
    assert room.SECRET in (watch.course.source(room.SET) / "overlap.ipynb").read_text()


def test_a_question_without_a_released_test_gets_no_points():
    """A test cell of which only a remark is left would give all of them to an empty answer."""
    book = room.released()
    (cell,) = [c for c in book.cells if c.metadata.get("nbgrader", {}).get("grade_id") == TEST]
    shown = asked_by_tests(nbformat.writes(book, version=4))
    cell.source = "# Points are given here when your work is graded."
    hidden = asked_by_tests(nbformat.writes(book, version=4))
    assert (TEST in shown, TEST in hidden) == (True, False)
    asked_for = [Question(TEST, 5.0, 5.0)]
    judged = Record("ada", room.SET, None, "", "", 1.0, notebooks=[Notebook("overlap", asked_for)])
    assert without_hidden(judged, shown) == judged
    made = without_hidden(judged, hidden)
    assert made.points == 0 and made.by_hand and made.total == 5


def test_a_set_whose_checks_are_all_hidden_is_not_watched(course, inbox):
    path = course.release(room.SET) / "overlap.ipynb"
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
            cell.source = "# later"
    nbformat.write(book, path)
    with pytest.raises(ValueError, match="its checks are all hidden"):
        Watch(course, room.SET, inbox, rules=OPEN)


def test_the_limit_holds_over_a_restart_and_ends_after_a_day(watch, course, inbox, bench):
    for number in range(2):
        put(inbox / "ada", f"x = {number}")
        assert len(look(watch, START + 100 * number)[0]) == 1
    put(inbox / "ada", "x = 2")
    put(inbox / "bob", "x = 2")
    graded, told = look(watch, START + 300)
    assert graded == ["bob overlap: 3 of 5 points"]
    assert len(told) == 1 and "2 grades in 24 hours" in told[0] and "limit" in page(inbox / "ada")
    assert look(watch, START + 400, times=5) == ([], [])  # said once
    again = Watch(course, room.SET, inbox, rules=OPEN, run=bench, limits=Limits(per_day=2))
    assert look(again, START + 500)[0] == []
    # The oldest of the two is a day ago: the notebook that waits is graded by itself.
    assert look(again, START + DAY + 60)[0] == ["ada overlap: 3 of 5 points"]
    put(inbox / "ada", "x = 0")  # a file that was graded before: the answer is known
    before = len(bench.tasks)
    assert look(again, START + DAY + 5_000) == ([], []) and len(bench.tasks) == before


def test_after_the_time_due_there_is_none(watch, inbox, bench):
    put(inbox / "ada")
    late = (room.DUE + timedelta(hours=1)).replace(tzinfo=timezone.utc).timestamp()
    assert "time due has passed" in look(watch, late)[1][0] and not bench.tasks


def test_who_is_in_no_list_is_passed_over_unless_anybody_may(course, inbox, bench):
    put(inbox / "eve")
    assert look(Watch(course, room.SET, inbox, rules=OPEN, run=bench), START) == ([], [])
    open_to_all = Watch(course, room.SET, inbox, rules=OPEN, run=bench, anybody=True)
    assert look(open_to_all, START)[0] == ["eve overlap: 3 of 5 points"]


@pytest.mark.adversarial
def test_who_somebody_is_says_the_folder_and_nothing_within(watch, inbox, bench):
    notebook = room.released()
    notebook.metadata["learner"] = notebook.metadata["name"] = "bob"
    nbformat.write(notebook, inbox / "ada" / "overlap.ipynb")
    look(watch, START)
    assert [task.learner for task in bench.tasks] == ["ada"]
    assert not (inbox / "bob" / "overlap.feedback.html").exists()


@pytest.mark.adversarial
def test_a_half_copied_file_is_waited_for(watch, inbox, bench):
    put(inbox / "ada")
    whole = (inbox / "ada" / "overlap.ipynb").read_bytes()
    for share in (0.2, 0.5, 0.9):
        (inbox / "ada" / "overlap.ipynb").write_bytes(whole[: int(len(whole) * share)])
        assert watch.look(START + share).graded == []
    (inbox / "ada" / "overlap.ipynb").write_bytes(whole)
    assert look(watch, START + 5)[0] and bench.tasks[0].files["overlap.ipynb"] == whole


@pytest.mark.adversarial
def test_a_file_that_changes_while_it_is_read_is_not_taken(watch, inbox, bench, monkeypatch):
    put(inbox / "ada")
    watch.look(START)
    real = os.read

    def changed(handle, size):
        (inbox / "ada" / "overlap.ipynb").write_text("{}")
        return real(handle, size)

    monkeypatch.setattr(asked.os, "read", changed)
    assert watch.look(START + 3).graded == [] and not bench.tasks


@pytest.mark.adversarial
@pytest.mark.parametrize(
    "trick", ["link", "hard", "pipe", "folder", "link-folder", "huge", "other"]
)
def test_only_plain_files_of_the_learners_own_are_read(watch, inbox, bench, trick, tmp_path):
    mine, secret = inbox / "ada" / "overlap.ipynb", tmp_path / "secret.ipynb"
    put(tmp_path / "inbox" / "bob")
    (inbox / "bob" / "overlap.ipynb").rename(secret)
    if trick == "link":
        mine.symlink_to(secret)
    elif trick == "hard":
        os.link(secret, mine)
    elif trick == "pipe":
        os.mkfifo(mine)
    elif trick == "folder":
        mine.mkdir()
    elif trick == "link-folder":
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        put(elsewhere)
        (inbox / "ada").rmdir()
        (inbox / "ada").symlink_to(elsewhere)
    elif trick == "huge":
        with mine.open("wb") as file:
            file.truncate(asked.LARGEST + 1)
    else:
        if os.geteuid() != 0:
            pytest.skip("only root can give files away")
        put(inbox / "ada")
        os.chown(mine, 12345, 12345)
    seen = [secret, inbox, *inbox.rglob("*")]
    before = {p: p.lstat().st_mtime_ns for p in seen}
    assert look(watch, START, times=4) == ([], []) and not bench.tasks
    assert {p: p.lstat().st_mtime_ns for p in [secret, inbox, *inbox.rglob("*")]} == before


@pytest.mark.adversarial
@pytest.mark.parametrize("trick", ["link", "folder", "hard"])
def test_an_answer_is_never_written_through_a_trick(watch, inbox, tmp_path, trick):
    put(inbox / "ada")
    target, name = tmp_path / "target", inbox / "ada" / "overlap.feedback.html"
    target.write_text("untouched")
    if trick == "link":
        name.symlink_to(target)
    elif trick == "hard":
        os.link(target, name)
    else:
        name.mkdir()
        (name / "full").write_text("x")
    graded, _ = look(watch, START)
    assert target.read_text() == "untouched"
    if trick == "folder":
        assert "could not be written" in graded[0]
    else:
        assert "3 of 5 points" in page(inbox / "ada") and not name.is_symlink()
    assert not [p for p in (inbox / "ada").iterdir() if p.name.endswith(".part")]


@pytest.mark.adversarial
def test_a_flood_costs_nobody_else_a_grade(course, inbox, bench):
    for number in range(3_000):
        (inbox / "ada" / f"x{number}.ipynb").write_text("{}")
    put(inbox / "bob")
    watch = Watch(course, room.SET, inbox, rules=OPEN, run=bench, limits=Limits(per_day=2))
    for number in range(20):  # another notebook at each look
        put(inbox / "ada", f"x = {number}")
        watch.look(START + 3 * number)
        watch.look(START + 3 * number + 2)
    names = [task.learner for task in bench.tasks]
    assert names.count("ada") == 2 and names.count("bob") == 1
    assert names.index("bob") <= 1


@pytest.mark.adversarial
def test_who_makes_the_grader_fail_gains_no_tries(watch, inbox, bench):
    bench.fails = True
    put(inbox / "ada")
    told = look(watch, START, times=12)[1]
    assert len(bench.tasks) == 2 and "could not be graded" in told[-1]
    bench.fails = False
    put(inbox / "ada", "x = 5")
    look(watch, START + 100)
    assert len(bench.tasks) == 2  # nor by another file
    assert look(watch, START + DAY + 100)[0] == ["ada overlap: 3 of 5 points"]


def test_two_watches_on_one_course_are_refused(watch, course):
    with course.alone("grading-now"), pytest.raises(ValueError, match="another process"):
        watch.watch(until=lambda: True)


@pytest.mark.parametrize(
    ("limits", "word"), [({"per_day": 0}, "0 grades"), ({"batch": 0}, "rounds of 0")]
)
def test_limits_make_sense(limits, word):
    with pytest.raises(ValueError, match=word):
        Limits(**limits)


def test_a_missing_inbox_is_said(course, capsys):
    words = ["grade-now", room.SET, "--course", str(course.root), "--inbox", "/nowhere"]
    assert main(words) == 2 and "there is no folder /nowhere: make it" in capsys.readouterr().err


@pytest.mark.sandbox
@pytest.mark.slow
def test_a_real_notebook_is_judged_in_the_sandbox(tmp_path, capsys):
    """The whole way: a released exercise, a right answer, a real kernel, the command."""
    assert (
        main(["release", "unet", "--init", "--course", str(tmp_path / "c"), "--only", "iou"]) == 0
    )
    made = asked.Course(tmp_path / "c")
    answered = kit.submission(
        nbformat.read(made.release("unet") / "iou.ipynb", as_version=4), kit.RIGHT
    )
    (tmp_path / "in" / "ada").mkdir(parents=True)
    nbformat.write(answered, tmp_path / "in" / "ada" / "iou.ipynb")
    words = ["grade-now", "unet", "--course", str(made.root), "--inbox", str(tmp_path / "in")]
    assert main([*words, "--anybody", "--once"]) == 0
    assert "ada iou: 5 of 5 points" in capsys.readouterr().out
    found = (tmp_path / "in" / "ada" / "iou.feedback.html").read_text()
    assert "5 of 5 points" in found and str(tmp_path) not in found
    assert threading.active_count() < 20
