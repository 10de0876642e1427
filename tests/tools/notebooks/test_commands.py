"""The commands as a person meets them: progress, one-line errors, exit codes; nbval over labs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools import common
from tools.common import ToolError
from tools.notebooks import commands as notebooks


@pytest.mark.parametrize("tool", ["notebooks", "exercises", "equations"])
def test_help(tool):
    done = subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", "--help"],
        cwd=common.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "usage:" in done.stdout


def test_errors_are_one_message_without_traceback(capsys):
    def main() -> None:
        raise ToolError("the lab is not there")

    with pytest.raises(SystemExit) as stopped:
        common.run_main(main)
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: the lab is not there\n"


def test_ctrl_c(capsys):
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        common.run_main(main)
    assert stopped.value.code == 130


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


def test_writing_only_what_changed(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    assert common.write_if_changed(path, "text")
    before = path.stat().st_mtime_ns
    assert not common.write_if_changed(path, "text")
    assert path.stat().st_mtime_ns == before
    assert common.write_if_changed(path, b"other")
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_broken_json(tmp_path):
    assert common.read_json(tmp_path / "none.json", 3) == 3
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ToolError, match="not readable JSON"):
        common.read_json(tmp_path / "bad.json", None)


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
