"""Points, reasons and outputs are those of the instant checks, from a kernel nobody trusts."""

from __future__ import annotations

import time

import nbformat
import pytest
import torch

from course_lib.checks import ALL
from course_lib.grading import judge as judging
from course_lib.grading import learner
from course_lib.grading.bubblewrap import SandboxError
from course_lib.grading.judge import judge
from course_lib.grading.limits import Limits
from course_lib.grading.settings import Settings
from tests.grading import kit

pytestmark = pytest.mark.sandbox
IOU = kit.source("unet", "iou")


def judged(code: str, notebook=IOU, *, before: str = "", **settings):
    made = kit.submission(notebook, code, before=before)
    return judge(made, notebook, Settings(**settings))


def only(result):
    (question,) = result.questions
    return question


@pytest.mark.slow
def test_a_right_answer_gets_everything():
    result = judged(kit.RIGHT, before="print('hello'); 1 + 1")
    question = only(result)
    assert (question.points, question.total, question.message) == (5, 5, "")
    assert [r.passed for r in question.results] == [True] * 4
    outputs = {cell.id: cell.get("outputs") for cell in result.notebook.cells}
    assert outputs["my-own"][0].text == "hello\n"
    assert outputs["my-own"][1].data["text/plain"] == "2"
    assert "[0.778, 0.667, 0.0, nan]" in outputs["expected"][0].text
    assert "5 of 5 points" in outputs["iou-check"][0].text
    nbformat.validate(result.notebook)


@pytest.mark.slow
def test_a_half_right_answer_gets_half_and_its_hint():
    question = only(judged(kit.RIGHT.replace("!= ignore_index", "!= -1")))
    assert 0 < question.points < 5 and "ignore_index still count" in question.hint


@pytest.mark.slow
def test_the_stub_gets_nothing():
    notebook = kit.released(IOU)
    question = only(judge(notebook, IOU))
    assert question.points == 0 and question.results[0].message == "not written yet"


@pytest.mark.slow
def test_a_kernel_that_ends_costs_a_property_only():
    code = kit.RIGHT.replace(
        "    valid", "    if len(predictions) == 4: import os; os._exit(1)\n    valid"
    )
    question = only(judged(code))
    assert [r.passed for r in question.results] == [True, False, True, True]
    assert "ended its own Python process" in question.results[1].message


@pytest.mark.slow
def test_a_function_that_never_ends_is_stopped_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setattr(ALL["iou"], "seconds", 2.0)
    code = kit.RIGHT.replace("    valid", "    while len(predictions) == 4: pass\n    valid")
    question = only(judged(code))
    assert [r.passed for r in question.results] == [True, False, True, True]
    assert "stopped after 2 s" in question.results[1].message


@pytest.mark.slow
def test_a_cell_that_ends_its_kernel_is_left_out():
    result = judged(kit.RIGHT, before="import os; os._exit(0)")
    assert only(result).points == 5
    (output,) = next(c for c in result.notebook.cells if c.id == "my-own").outputs
    assert output.ename == "Ended"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lab", "name"),
    [("unet", "train_pass"), ("judging", "examine_iou"), ("unet", "shift_map")],
)
def test_the_solution_of_other_kinds_gets_everything(lab, name):
    notebook = kit.source(lab, name)
    question = only(judge(notebook, notebook))
    assert question.points == question.total, question


@pytest.mark.slow
def test_a_design_is_left_to_the_instructor():
    notebook = kit.source("unet", "smallest_net")
    notebook.cells = [c for c in notebook.cells if "expected" not in c.metadata.get("tags", [])]
    question = only(judge(notebook, notebook))
    assert question.by_hand and question.points == 0


@pytest.mark.slow
def test_plain_asserts_and_data():
    notebook = nbformat.v4.new_notebook()
    solution = nbformat.v4.new_code_cell("answer, f = 42, lambda x: x + 1\nclass A: pass", id="s")
    solution.metadata["nbgrader"] = {"solution": True, "grade": False, "grade_id": "s"}

    def graded(name, text):
        cell = nbformat.v4.new_code_cell(text, id=name)
        cell.metadata["nbgrader"] = {
            "grade": True,
            "solution": False,
            "grade_id": name,
            "points": 2,
        }
        return cell

    notebook.cells = [
        solution,
        graded("data", "assert answer == 42"),
        graded("partial", "1.5"),
        graded("wrong", "assert f(1) == 3, 'not three'"),
        graded("missing", "assert g(1)"),
        graded("too-much", "100"),
        graded("nan", "float('nan')"),
    ]
    result = judge(notebook, notebook)
    assert [q.points for q in result.questions] == [2, 1.5, 0, 0, 2, 0]
    assert result.questions[2].message == "not three"
    assert "there is no 'g'" in result.questions[3].message


def test_without_a_sandbox_it_refuses_unless_told(monkeypatch):
    monkeypatch.setattr(
        judging, "require_sandbox", lambda: (_ for _ in ()).throw(SandboxError("x"))
    )
    with pytest.raises(SandboxError):
        judge(kit.released(IOU), IOU)


@pytest.mark.slow
def test_told_so_it_works_without_a_sandbox():
    assert only(judged(kit.RIGHT, sandbox=False)).points == 5


def test_the_next_learner_of_a_prediction_begins_anew():
    check = ALL["shift_map"]
    check.attempts[:] = ["of somebody else"]
    check.forget()
    assert check.attempts == [] and torch is not None and Limits().tasks > 0


@pytest.mark.slow
def test_all_of_a_submission_has_a_time(monkeypatch):
    """Each cell within its own time, and each kernel: together they are stopped as well."""
    monkeypatch.setattr(ALL["iou"], "seconds", 3.0)
    slow = "def iou(*a):\n    import os, time; time.sleep(2); os._exit(1)"
    started = time.monotonic()
    found = judged(slow, before="import time; time.sleep(3)", restarts=50, seconds=12.0)
    question = only(found)
    assert question.points == 0 and time.monotonic() - started < 60
    assert "all of it took longer than 12 s" in str(question)


@pytest.mark.slow
def test_outputs_of_all_cells_together_are_bounded(monkeypatch):
    monkeypatch.setattr(learner, "KEPT_BYTES", 300_000)
    notebook = kit.submission(IOU, kit.RIGHT)
    more = [nbformat.v4.new_code_cell("print('x' * 100_000)", id=f"my-own-{i}") for i in range(8)]
    notebook.cells[1:1] = more
    result = judge(notebook, IOU, Settings(sandbox=False))
    sizes = [len(str(cell.outputs)) for cell in result.notebook.cells if "my-own" in cell.id]
    assert result.points == 5 and sum(sizes) < 320_000 and min(sizes) > 20
    assert sum(size > 90_000 for size in sizes) == 2
