"""A run may die at any moment: nothing is lost, nobody is judged twice, nothing ungraded is 0."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook

from course_lib.cli import main
from course_lib.grading import cgroup, grade, gradebook, intake, pool, private, record, release
from course_lib.grading import submission as submissions
from course_lib.grading.record import Notebook, Question, Record
from course_lib.grading.submission import Submission
from course_lib.grading.task import Bench, Outcome, Rules, Task, failed
from course_lib.grading.worker import Worker
from tests.grading import kit
from tests.grading.test_release import put, source

QUICK = Rules(cell_seconds=3.0)


def submit(course, learner, notebooks, assignment="hw", **more):
    folder = course.submitted(learner, assignment)
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    digest = submissions.digest_of(submissions.came_in(folder))
    when = "2026-01-02T03:04:05+01:00"
    submissions.write(folder, Submission(learner, assignment, "x.zip", when, 1, digest, **more))


@pytest.fixture
def course(tmp_path):
    made = kit.new_course(tmp_path / "course")
    put(tmp_path / "base" / "hw", "one", source())
    release.release(made, "hw", base=tmp_path / "base")
    for name in ("ada", "bob", "eve"):
        notebook = release.released(source(), "one")
        notebook.cells[2].source = f"{name} thinks so"
        submit(made, name, {"one": notebook})
    return made


def given(points=2.0, by_hand=("essay", "why")):
    """A runner that judges nothing, and what it was asked."""
    asked = []

    def run(tasks):
        for task in tasks:
            asked.append(task)
            questions = [Question("f-check", points, 3.0)]
            questions += [Question(n, 0.0, 2.0, by_hand=n in by_hand) for n in ("essay", "why")]
            made = Record(
                task.learner,
                task.assignment.name,
                task.submitted,
                task.digest,
                task.assignment.digest,
                0.1,
                notebooks=[Notebook("one", questions)],
            )
            yield task, Outcome(made, {"one": task.assignment.releases["one"]})

    return run, asked


def grades(course, assignment="hw"):
    with Gradebook(course.database) as book:
        return {
            (s.student.id, g.name): (g.auto_score, g.manual_score, g.needs_manual_grade)
            for s in book.assignment_submissions(assignment)
            for n in s.notebooks
            for g in n.grades
        }


@pytest.mark.slow
def test_points_reach_the_gradebook_and_the_ungraded_is_not_0(course):
    run, _ = given()
    done = grade.grade(course, "hw", run=run)
    assert (done.judged, done.kept, done.failed) == (["ada", "bob", "eve"], [], [])
    table = grades(course)
    assert table["ada", "f-check"] == (2.0, None, False)
    assert table["ada", "essay"] == table["ada", "why"] == (None, None, True)
    with Gradebook(course.database) as book:
        when = book.find_submission("hw", "ada").timestamp
    assert str(when) == "2026-01-02 02:04:05"


def test_a_second_run_judges_only_what_is_new(course, tmp_path):
    run, asked = given()
    grade.grade(course, "hw", run=run)
    assert grade.grade(course, "hw", run=run).kept == ["ada", "bob", "eve"]
    assert len(asked) == 3
    changed = release.released(source(), "one")
    changed.cells[0].source = "def f(): return 42"
    submit(course, "bob", {"one": changed})
    assert grade.grade(course, "hw", run=run).judged == ["bob"]
    assert grade.grade(course, "hw", run=run, again=True, only=["eve"]).judged == ["eve"]
    put(tmp_path / "base" / "hw", "one", source(hidden="assert f() == 42, 'another'"))
    release.release(course, "hw", base=tmp_path / "base")
    assert len(grade.grade(course, "hw", run=run).judged) == 3
    with pytest.raises(ValueError, match="kim has handed in nothing"):
        grade.grade(course, "hw", run=run, only=["kim"])


def test_points_given_by_hand_stay(course):
    run, _ = given()
    grade.grade(course, "hw", run=run)

    def by_hand():
        with Gradebook(course.database) as book:
            found = book.find_grade("essay", "one", "hw", "ada")
            found.manual_score, found.needs_manual_grade = 1.5, False
            book.db.commit()

    by_hand()
    grade.grade(course, "hw", run=run)
    assert grades(course)["ada", "essay"] == (None, 1.5, False)
    grade.grade(course, "hw", run=run, again=True)  # another record: to be looked at again
    assert grades(course)["ada", "essay"] == (None, 1.5, True)


@pytest.mark.parametrize("where", ["write_file", "record", "enter"])
def test_a_crash_between_any_two_steps_is_made_good(course, monkeypatch, where):
    run, asked = given()

    def crash(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if where == "write_file":
            patch.setattr(grade, "write_file", crash)
        elif where == "record":
            patch.setattr(record, "write", crash)
        else:
            patch.setattr(gradebook, "_enter", crash)
        with pytest.raises(KeyboardInterrupt):
            grade.grade(course, "hw", run=run)
    done = grade.grade(course, "hw", run=run)
    assert len(done.judged) + len(done.kept) == 3
    assert len(asked) == 3 + (where != "enter")  # a record that is whole is not made again
    assert {v for (_, n), v in grades(course).items() if n == "f-check"} == {(2.0, None, False)}
    assert gradebook.pending(course, "hw") == []


def test_a_record_that_is_damaged_is_made_again(course):
    run, asked = given()
    grade.grade(course, "hw", run=run)
    path = course.autograded("bob", "hw") / record.FILE
    path.write_text(path.read_text()[:100])
    with contextlib.suppress(ValueError):
        gradebook.enter(course, "hw")
    assert grade.grade(course, "hw", run=run).judged == ["bob"] and len(asked) == 4


def test_where_the_grader_failed_nothing_is_0(course):
    def run(tasks):
        for task in tasks:
            yield task, failed(task, "the grader failed: its process died twice")

    done = grade.grade(course, "hw", run=run, only=["ada"])
    assert done.failed == ["ada"]
    assert {v for (who, _), v in grades(course).items() if who == "ada"} == {(None, None, True)}
    working, _ = given()
    assert grade.grade(course, "hw", run=working).judged == ["ada", "bob", "eve"]


def test_a_submission_that_cannot_be_read_costs_nobody_else(course):
    (course.submitted("bob", "hw") / "submission.json").write_text("{")
    run, _ = given()
    done = grade.grade(course, "hw", run=run)
    assert (sorted(done.judged), done.failed) == (["ada", "bob", "eve"], ["bob"])
    assert grades(course)["eve", "f-check"] == (2.0, None, False)


def test_the_best_attempt_counts_where_that_is_chosen(course, tmp_path):
    for number, text in enumerate(("one", "better", "worse")):
        notebook = release.released(source(), "one")
        notebook.cells[2].source = text
        path = tmp_path / "in" / "kim"
        path.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path / "one.ipynb")
        os.utime(path / "one.ipynb", (1e9 + number, 1e9 + number))
        intake.collect(course, "hw", [tmp_path / "in"], choose="best")
    asked = []

    def run(tasks):
        for task in tasks:
            asked.append(task.attempt)
            text = json.loads(task.files["one.ipynb"])["cells"][2]["source"]
            points = 3.0 if "better" in text else 1.0
            yield from given(points)[0]([task])

    done = grade.grade(course, "hw", run=run, only=["kim"])
    assert (done.judged, sorted(asked)) == (["kim"], [1, 2, 3])
    assert grades(course)["kim", "f-check"][0] == 3.0
    assert submissions.read(course.submitted("kim", "hw")).attempt == 2
    assert grade.grade(course, "hw", run=run, only=["kim"]).kept == ["kim"]
    (course.autograded("kim", "hw") / record.FILE).unlink()  # as after a crash in between
    assert grade.grade(course, "hw", run=run, only=["kim"]).judged == ["kim"]
    assert len(asked) == 3


@pytest.mark.slow
def test_a_worker_that_dies_costs_one_more_try_and_then_no_points(course, monkeypatch):
    """`kill -9` of a worker at its task: the submission is taken up once more."""
    assignment = grade.assignment_of(course, "hw")
    tasks = [Task(who, assignment, {}, "d", rules=QUICK) for who in ("ada", "bob", "eve")]
    seen: dict[str, int] = {}

    class Dying(Worker):
        def give(self, task, seconds):
            super().give(task, seconds)
            seen[task.learner] = seen.get(task.learner, 0) + 1
            if (task.learner == "bob" and seen["bob"] == 1) or task.learner == "eve":
                self.process.kill()

    monkeypatch.setattr(pool, "Worker", Dying)
    outcomes = {task.learner: outcome.record for task, outcome in pool.run(tasks, 1)}
    assert seen == {"ada": 1, "bob": 2, "eve": 2}
    assert not outcomes["ada"].failed and not outcomes["bob"].failed
    assert "died twice" in outcomes["eve"].failed or "grader failed" in outcomes["eve"].failed
    assert all(q.by_hand for q in outcomes["eve"].questions)
    assert not any(q.by_hand for q in outcomes["bob"].questions)


@pytest.mark.slow
def test_a_worker_that_hangs_costs_only_its_learner(course, monkeypatch):
    assignment = grade.assignment_of(course, "hw")
    tasks = [Task(who, assignment, {}, "d", rules=QUICK) for who in ("ada", "bob")]

    class Hanging(Worker):
        def give(self, task, seconds):
            super().give(task, seconds)
            if task.learner == "ada":
                os.kill(self.process.pid, signal.SIGSTOP)
                self.until = time.monotonic() + 0.5

    monkeypatch.setattr(pool, "Worker", Hanging)
    outcomes = {task.learner: outcome.record for task, outcome in pool.run(tasks, 1)}
    assert "took longer" in outcomes["ada"].failed and not outcomes["bob"].failed


def test_what_killed_graders_left_is_swept(tmp_path, monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setattr(private, "_bases", lambda: [str(tmp_path)])
    (tmp_path / f"course-{gone.pid}-abc" / "k1").mkdir(parents=True)
    (tmp_path / f"course-{os.getpid()}-abc").mkdir()
    (tmp_path / "course-work").mkdir()
    (tmp_path / f"course-{gone.pid}-link").symlink_to(tmp_path / "course-work")
    private.sweep()
    assert {p.name for p in tmp_path.iterdir()} == {
        f"course-{os.getpid()}-abc",
        "course-work",
        f"course-{gone.pid}-link",
    }
    root = tmp_path / "groups"
    monkeypatch.setattr(cgroup, "_own_groups", lambda: ["0::/me", "5:pids:/me"])
    for base in (root / "me", root / "pids" / "me"):
        (base / f"course-{gone.pid}-1").mkdir(parents=True)
        (base / f"course-{os.getpid()}-1").mkdir()
    assert cgroup.sweep(root=root) == 2
    assert len(list(root.rglob("course-*"))) == 2


# With kernels, in sandboxes.


@pytest.fixture
def real(tmp_path):
    made = kit.new_course(tmp_path / "course")
    release.release(made, "unet", base=kit.ROOT / "notebooks" / "exercises", only=["iou"])
    return made


def learner(course, name, code, before=""):
    notebook = kit.submission(kit.source("unet", "iou"), code, before=before)
    submit(course, name, {"iou": notebook}, "unet")


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.adversarial
def test_a_killed_run_goes_on_where_it_was(real):
    names = [f"l{i}" for i in range(6)]
    for name in names:
        learner(real, name, kit.RIGHT)
    hostile = "import os, signal; os.kill(os.getppid(), signal.SIGKILL); os._exit(1)"
    learner(real, "mallory", "def iou(*a): return 1", before=hostile)
    words = [sys.executable, "-m", "course_lib.cli", "grade", "unet", "--course", str(real.root)]
    path = os.pathsep.join([str(kit.ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen([*words, "--jobs", "1"], env=environment, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while len(record.read_all(real, "unet")) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = record.read_all(real, "unet")
    assert 2 <= len(before) < 7
    _, alive = psutil.wait_procs(children, timeout=5)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    assert main([*words[3:], "--jobs", "1"]) == 0
    after = record.read_all(real, "unet")
    assert {who: after[who] for who in before} == before, "somebody was judged twice"
    assert {who: judged.points for who, judged in after.items()} == {
        **dict.fromkeys(names, 5.0),
        "mallory": 0.0,
    }
    assert {who: v[0] for (who, _), v in grades(real, "unet").items()} == {
        who: judged.points for who, judged in after.items()
    }
    mine = f"course-{process.pid}-"
    assert not [p for p in Path("/dev/shm").glob("course-*") if p.name.startswith(mine)]


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.adversarial
def test_what_formgrader_opens_is_clean_and_the_original_unchanged(real):
    attack = "<script>alert(1)</script>"
    show = f"from IPython.display import HTML, display\ndisplay(HTML({attack!r}))\nprint('hi')"
    learner(real, "ada", kit.RIGHT, before=show)
    folder = real.submitted("ada", "unet")
    was = {p: p.read_bytes() for p in folder.iterdir()}
    grade.grade(real, "unet", jobs=1, rules=QUICK)
    assert {p: p.read_bytes() for p in folder.iterdir()} == was
    made = nbformat.read(real.autograded("ada", "unet") / "iou.ipynb", as_version=4)
    nbformat.validate(made)
    cell = next(c for c in made.cells if "IPython" in c.source)
    assert "text/html" not in json.dumps(cell.outputs) and "hi" in json.dumps(cell.outputs)
    check = next(c for c in made.cells if c.id == "iou-check")
    assert "5 of 5 points" in check.outputs[0].text
    assert check.metadata["nbgrader"]["grade_id"] == "iou-check"


@pytest.mark.sandbox
@pytest.mark.slow
def test_a_warm_process_that_is_gone_is_replaced(real):
    learner(real, "ada", kit.RIGHT)
    assignment = grade.assignment_of(real, "unet")
    task = grade._task(real, "ada", assignment, QUICK, 0)
    bench = Bench()
    try:
        assert bench.judge(task).record.points == 5
        bench._template.process.kill()
        bench._template.process.wait()
        assert bench.judge(task).record.points == 5
    finally:
        bench.close()
