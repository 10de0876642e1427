"""What an execution depends on, found without executing anything."""

from __future__ import annotations

import os

import nbformat
import pytest

from tools.notebooks import dependencies as d


def book(*sources: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(s, id=f"cell-{n}") for n, s in enumerate(sources)]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture
def package(checkout):
    checkout.write("course_lib/a/__init__.py", "from .one import f\n")
    checkout.write("course_lib/a/one.py", "def f():\n    from course_lib import late\n")
    checkout.write("course_lib/a/two.py", "")
    checkout.write("course_lib/a/house.mplstyle", "")
    checkout.write("course_lib/late.py", "from ..course_lib.b import x\nimport numpy\n")
    checkout.write("course_lib/c.py", "")
    return checkout


def names(checkout, *modules: str) -> set[str]:
    found = d.module_files(modules, checkout.root)
    return {path.relative_to(checkout.root / "course_lib").as_posix() for path in found}


def test_imports_are_followed(package):
    """Relative ones, those inside of functions, the packages on the way and their data files."""
    wanted = {"__init__.py", "a/__init__.py", "a/one.py", "a/house.mplstyle", "late.py"}
    assert names(package, "course_lib.a.f") == wanted
    assert names(package, "course_lib.a.two") == {*wanted, "a/two.py"}
    assert names(package, "course_lib.c") == {"__init__.py", "c.py"}
    assert names(package, "numpy", "course_lib.nowhere") == {"__init__.py"}


@pytest.mark.parametrize(
    ("file", "matters"),
    [("a/one.py", True), ("late.py", True), ("a/house.mplstyle", True), ("c.py", False)],
)
def test_key_changes_with_what_is_imported(package, file, matters):
    notebook = book("%matplotlib inline\nfrom course_lib import a\n!ls")
    before = d.key(notebook, "smoke", package.tree)
    package.write(f"course_lib/{file}", "x = 1\n")
    assert (d.key(notebook, "smoke", package.tree) != before) == matters


def test_key_changes_with_scale_source_and_versions(package, monkeypatch):
    notebook = book("x = 1")
    before = d.key(notebook, "smoke", package.tree)
    assert d.key(book("x = 1"), "smoke", package.tree) == before
    assert d.key(notebook, "quick", package.tree) != before
    assert d.key(book("x = 2"), "smoke", package.tree) != before
    monkeypatch.setattr(d, "versions", lambda: {"torch": "99"})
    assert d.key(notebook, "smoke", package.tree) != before


@pytest.mark.parametrize(
    "file",
    ["results/some-claim.json", "course_lib/checkpoints/some-claim.safetensors"],
)
def test_a_result_or_checkpoint_that_arrives_counts(package, file):
    notebook, other = book('load("some-claim")'), book('load("another")')
    before = d.key(notebook, "smoke", package.tree), d.key(other, "smoke", package.tree)
    package.write(file, "{}")
    after = d.key(notebook, "smoke", package.tree), d.key(other, "smoke", package.tree)
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_data_that_arrives_counts(tmp_path, monkeypatch):
    """Names, sizes and times count; the folder's own place does not."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA", raising=False)

    def state(folder: str = "data") -> str:
        monkeypatch.setenv("COURSE_DATA", str(tmp_path / folder))
        d._data_state.cache_clear()
        return d.data_state()

    assert d.data_state() == "none" == state()
    file = tmp_path / "data" / "mnist" / "raw" / "images"
    file.parent.mkdir(parents=True)
    assert state() == "none"
    file.write_text("1")
    states = [state()]
    file.write_text("12")
    states.append(state())
    os.utime(file, (1, 1))
    states.append(state())
    (tmp_path / "data" / ".mnist.done").touch()
    assert state() == states[-1]
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert state("elsewhere") == states[-1]
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "mnist").symlink_to(tmp_path / "elsewhere" / "mnist")
    assert state("linked") == states[-1]
    (tmp_path / "cache" / "decoded").mkdir(parents=True)
    (tmp_path / "cache" / "decoded" / "x.safetensors").write_text("")
    assert state("elsewhere") == states[-1]  # follows from code and data
    (tmp_path / "cache" / "downloads").mkdir()
    (tmp_path / "cache" / "downloads" / "x.tar").write_text("")
    assert len({*states, state("elsewhere")}) == 4


def test_record_and_changed(checkout):
    kept = checkout.write("results/a.json", "1")
    checkout.write("results/a.safetensors", "weights")
    built = checkout.write("_build/x", "1")
    absent = str(checkout.root / "later.txt")
    files = d.record([str(kept), str(built), absent, "/etc/hostname"], checkout.tree)
    assert set(files) == {"results/a.json", "results/a.safetensors", "later.txt"}
    assert d.changed(files, checkout.tree) is None
    checkout.write("later.txt", "now there")
    assert d.changed(files, checkout.tree) == "later.txt"
