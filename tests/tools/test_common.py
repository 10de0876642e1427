"""What the commands share: progress, one-line errors, exit codes, files that are damaged."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import pytest

from tools import common
from tools.common import ToolError
from tools.equations import commands as equations
from tools.notebooks import cost

CONFLICT = '{\n<<<<<<< HEAD\n "a": 1\n=======\n "a": 2\n>>>>>>> other\n}\n'


@pytest.mark.parametrize("tool", ["notebooks", "exercises", "equations", "book"])
def test_help(tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [tool, "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(f"tools.{tool}", run_name="__main__")
    assert stopped.value.code == 0
    assert f"usage: python -m tools.{tool}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ToolError("the lab is not there"), 1, "error: the lab is not there\n"),
        (OSError(28, "No space left", "x.json"), 1, "error: [Errno 28] No space left: 'x.json'\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_errors_are_one_message_without_traceback(capsys, error, status, said):
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as stopped:
        common.run_main(main)
    assert stopped.value.code == status
    assert capsys.readouterr().err == said


def test_a_reader_that_goes_away():
    """`python -m tools.notebooks status | head -1` says one line and no more."""
    script = "from tools.common import run_main; run_main(lambda: print('line\\n' * 100_000))"
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{script}" | head -1'],
        cwd=common.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("line\n", "")


def test_writing_only_what_changed(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    assert common.write_if_changed(path, "text")
    before = path.stat().st_mtime_ns
    assert not common.write_if_changed(path, "text")
    assert path.stat().st_mtime_ns == before
    assert common.write_if_changed(path, b"other")
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text("whole")

    def full(self, data):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        common.write_if_changed(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "whole"


@pytest.mark.parametrize("text", ["", '{"a": {"quick": {"sec', CONFLICT, "[]", "null", "7"])
def test_damaged_json_is_named_with_a_cure(tmp_path, text):
    assert common.read_json(tmp_path / "none.json") == {}
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ToolError, match=r"bad\.json is damaged: .*git checkout \S+bad\.json$"):
        common.read_json(path)


@pytest.mark.parametrize("value", [[], {"lab": []}, {"lab": {"quick": {"seconds": "3"}}}])
def test_damaged_measurements(checkout, value):
    checkout.write("results/notebooks.json", json.dumps({"notebooks": value}))
    with pytest.raises(ToolError, match=r"notebooks\.json is damaged: no measurements"):
        cost.stored(checkout.tree)


@pytest.mark.parametrize("entry", ["7f", {"equation": "7f"}])
def test_damaged_hashes_of_equations(checkout, entry):
    checkout.write("tests/equations.lock.json", json.dumps({"eq-a": entry}))
    with pytest.raises(ToolError, match=r"equations\.lock\.json is damaged: eq-a has no hashes"):
        equations.check(checkout.tree)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [1,\nb: 2", "\x00", "words"])
def test_damaged_yaml_is_named_with_a_cure(tmp_path, text):
    path = tmp_path / "_toc.yml"
    path.write_text(text)
    with pytest.raises(ToolError, match=r"_toc\.yml is damaged: [^\n]*git checkout"):
        common.read_yaml(path)


def test_a_cell_without_source(tmp_path):
    path = tmp_path / "lab.ipynb"
    cells = [{"cell_type": "markdown", "id": "a", "metadata": {}}]
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    path.write_text(json.dumps(book))
    with pytest.raises(ToolError, match="its cell number 1 has no source: delete the cell"):
        common.read(path)
    path.write_text(json.dumps({**book, "cells": [7]}))
    with pytest.raises(ToolError, match="not a readable notebook"):
        common.read(path)
