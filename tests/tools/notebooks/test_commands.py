"""nbval over the labs, and what a person types wrong."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from tools import common
from tools.common import ToolError
from tools.notebooks import commands as notebooks


def test_an_unknown_lab_exits_with_one():
    done = subprocess.run(
        [sys.executable, "-m", "tools.notebooks", "mark", "--only", "nowhere"],
        cwd=common.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no notebook nowhere; there are:")


def test_a_cut_cost_is_not_in_the_status(checkout):
    checkout.lab("a")
    checkout.write("_build/executed/a.cost.json", '{"seconds": 4')
    assert "`a`" not in notebooks.status_markdown(checkout.tree)


def test_nbval_runs_at_smoke_and_compares_marked_cells(checkout, cells):
    size = 'import os\nprint(os.environ["COURSE_SCALE"])'
    checkout.lab("lab", cells.code("size", size, "nbval-check-output"))
    notebooks.mark(tree=checkout.tree)
    path = checkout.root / "notebooks" / "lab.ipynb"
    stored = common.read(path).cells[-1]
    assert stored.outputs[0].text == "smoke\n"
    assert stored.execution_count == 3
    notebooks.nbval(["--maxfail=1"], checkout.tree)  # as it was

    path.write_text(path.read_text().replace('"smoke\\n"', '"quick\\n"'))
    with pytest.raises(ToolError, match="labs failed at smoke"):
        notebooks.nbval(tree=checkout.tree)


def on_real_digits(
    checkout, cells, monkeypatch, until: float, here=("mnist",), source="print(dataset)"
) -> None:
    monkeypatch.setattr("course_lib.data.available", lambda name: name in here)
    for name in "ab":
        path = checkout.lab(name, cells.code("say", source))
        notebook = common.read(path)
        notebook.metadata["course"] = {"datasets": ["mnist", "pets"]}
        path.write_text(common.text_of(notebook))
    notebooks.on_real_data(tree=checkout.tree, until=until)


def test_labs_run_on_the_real_data_that_is_here(checkout, cells, monkeypatch, capsys):
    on_real_digits(checkout, cells, monkeypatch, math.inf)
    told = capsys.readouterr().out
    assert "mnist: a, b" in told and "pets is not here: a, b not run on it" in told
    assert told.count("executing") == 2 and "time is over" not in told


def test_what_fails_on_one_set_does_not_hide_what_fails_on_another(checkout, cells, monkeypatch):
    with pytest.raises(ToolError) as error:
        on_real_digits(checkout, cells, monkeypatch, math.inf, ("mnist", "pets"), "1 / 0")
    for name in ("on mnist: ", "on pets: "):
        assert name in str(error.value)
    assert str(error.value).count("failed with ZeroDivisionError") == 4


def test_no_lab_is_begun_on_real_data_when_the_time_is_over(checkout, cells, monkeypatch, capsys):
    on_real_digits(checkout, cells, monkeypatch, 1000.0)
    told = capsys.readouterr().out
    assert "the time is over: a, b not run on mnist" in told and "executing" not in told
