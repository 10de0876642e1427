"""Execution through the cache: what changed is executed, the rest is not, nothing is skipped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import matplotlib
import nbformat
import pytest
from matplotlib.font_manager import FontManager

from tools.common import ROOT, ToolError, read
from tools.notebooks import commands as notebooks
from tools.notebooks import cost, dependencies, runner


def executed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The notebooks that were executed since the last call, by what was printed."""
    lines = capsys.readouterr().out.splitlines()
    return [line.split("] ")[1].split(" (")[0] for line in lines if "executing" in line]


def test_only_what_changed_is_executed(checkout, cells, capsys):
    checkout.write("course_lib/deep/__init__.py", "")
    checkout.write("course_lib/deep/inner.py", "VALUE = 1\n")
    checkout.write("course_lib/outer.py", "from course_lib.deep.inner import VALUE\n")
    checkout.write("notes.txt", "first")
    a = (
        cells.code("look", "from course_lib.outer import VALUE\nprint(scale, VALUE)"),
        cells.code("opened", "print(open('../notes.txt').read())"),
    )
    checkout.lab("a", *a)
    checkout.lab("b", cells.code("say", "print('b')"), cells.prose("end", "Old prose."))
    tree = checkout.tree

    paths = notebooks.execute("smoke", tree=tree)
    assert sorted(paths) == ["a", "b"]
    assert sorted(executed(capsys)) == ["a", "b"]
    outputs = {cell.id: cell.get("outputs") for cell in read(paths["a"]).cells}
    assert outputs["look"][0].text == "smoke 1\n"

    notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == []  # nothing changed

    checkout.lab("b", cells.code("say", "print('b')"), cells.prose("end", "New prose."))
    paths = notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == []  # prose costs nothing, and is shown
    assert read(paths["b"]).cells[-1].source == "New prose."

    checkout.lab("b", cells.code("say", "print('c')"), cells.prose("end", "New prose."))
    notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == ["b"]  # a cell was touched

    checkout.write("course_lib/deep/inner.py", "VALUE = 2\n")
    paths = notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == ["a"]  # a module that it imports through another
    assert "smoke 2" in paths["a"].read_text()

    checkout.write("notes.txt", "second")
    notebooks.execute("smoke", tree=tree)
    assert executed(capsys) == ["a"]  # a file that it opened

    checkout.write("notes.txt", "first")
    checkout.lab("b", cells.code("say", "print('b')"))
    notebooks.execute("smoke", tree=tree)
    assert "b" not in executed(capsys)  # going back is free


def test_what_is_shown(checkout, cells):
    """Pictures keep their description; progress bars and the machinery's cells are not there."""
    alt = {"image": {"alt": "A line that rises from one to two."}}
    checkout.lab(
        "a",
        cells.code("plot", PLOT, "hide-input", mystnb=alt),
        cells.code("bar", "import sys\nprint('  5%|#   | 1/20 [00:01<00:19]', file=sys.stderr)"),
        cells.code("empty", ""),
    )
    path = notebooks.execute("quick", tree=checkout.tree)["a"]
    shown = read(path)
    nbformat.validate(shown)
    assert path == checkout.root / "_build" / "executed" / "a.ipynb"
    by_id = {cell.id: cell for cell in shown.cells}
    assert [cell.id for cell in shown.cells if cell.id.startswith("probe")] == []
    assert by_id["plot"].metadata == {"tags": ["hide-input"], "mystnb": alt}
    assert "image/png" in by_id["plot"].outputs[0].data
    assert by_id["bar"].outputs == []
    assert "papermill" not in path.read_text()
    counts = [c.execution_count for c in shown.cells if c.cell_type == "code" and c.source]
    assert counts == [1, 2, 3, 4]
    cost = json.loads(path.with_suffix(".cost.json").read_text())
    assert 0.1 < cost["seconds"] < 300
    assert 20 < cost["peak_mb"] < 2000
    assert cost["versions"]["python"].startswith("3.")
    assert "`a`" in notebooks.status_markdown(checkout.tree)


PLOT = """\
import base64
from IPython.display import display
png = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
display({"image/png": png, "text/plain": "a picture"}, raw=True)
"""


def test_the_users_matplotlib_has_no_say(checkout, cells, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "matplotlibrc").write_text("lines.linewidth: 77\n")
    whole = Path(matplotlib.get_cachedir(), f"fontlist-v{FontManager.__version__}.json")
    fonts = json.loads(whole.read_text())
    fonts["ttflist"] = [font for font in fonts["ttflist"] if "STIX" not in font["name"]]
    (mine / whole.name).write_text(json.dumps(fonts))  # as an interrupted installation leaves it
    monkeypatch.setenv("MPLCONFIGDIR", str(mine))

    code = """
    import matplotlib
    from matplotlib.font_manager import findfont
    print(matplotlib.rcParams["lines.linewidth"], findfont("STIXGeneral").rsplit("/")[-1])
    """
    checkout.lab("a", cells.code("look", textwrap.dedent(code)))
    paths = notebooks.execute("smoke", tree=checkout.tree)
    assert [output.text for output in read(paths["a"]).cells[-1].outputs] == [
        "1.5 STIXGeneral.ttf\n"
    ]


def test_a_failing_cell_is_named_and_kept(checkout, cells):
    checkout.lab("a", cells.code("breaks", "value = 1\n1 / 0"))
    with pytest.raises(
        ToolError, match=r"a \(smoke\): cell 'breaks' failed with ZeroDivisionError"
    ):
        notebooks.execute("smoke", tree=checkout.tree)
    kept = read(checkout.root / "_build" / "failed" / "a.ipynb")
    assert any(
        cell.get("outputs") and cell.outputs[0].output_type == "error" for cell in kept.cells
    )


def test_a_kernel_that_dies_is_reported(checkout, cells):
    checkout.lab("a", cells.code("dies", "import os\nos._exit(3)"))
    with pytest.raises(ToolError, match="kernel"):
        notebooks.execute("smoke", tree=checkout.tree)


def test_wrong_names(checkout, cells):
    path = checkout.lab("a")
    with pytest.raises(ToolError, match="no notebook c; there are: a"):
        notebooks.execute("smoke", only=["c"], tree=checkout.tree)
    with pytest.raises(ToolError, match="unknown scale 'huge'; known: smoke, quick, full"):
        runner.run(path, "huge", checkout.tree)
    checkout.write("notebooks/broken.ipynb", "{")
    with pytest.raises(ToolError, match="not a readable notebook"):
        notebooks.execute("smoke", only=["broken"], tree=checkout.tree)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:100],
        lambda text: "[]",
        lambda text: text.replace("all is well", "all is hell"),
        lambda text: text.replace('"measured"', '"mesured"'),
    ],
)
def test_a_damaged_cache_is_made_anew(checkout, cells, damage):
    path = checkout.lab("a", cells.code("say", "print('a')"))
    job = runner.Job(path, "smoke", checkout.tree, "")
    shown = {"output_type": "stream", "name": "stdout", "text": "all is well"}
    outputs = {"setup": [], "parameters": [], "say": [shown]}
    entry = {"key": job.key, "data": dependencies.data_state(), "files": {}, "widgets": {}}
    job.store({**entry, "outputs": outputs, "measured": {}})
    assert job.cached().notebook.cells[-1].outputs[0].text == "all is well"
    job.stored.write_text(damage(job.stored.read_text()))
    assert job.cached() is None


def test_the_longest_first_and_in_order_given_back(checkout, cells, capsys, monkeypatch):
    monkeypatch.setattr(runner, "room", lambda wanted: 1)
    values = {"seconds": 5, "cpu_seconds": 5, "peak_mb": 5}
    cost.store({"b": values}, "smoke", checkout.tree)
    paths = [checkout.lab(name, cells.code("say", "print(scale)")) for name in "ab"]
    cost.store({"b": values}, "smoke", checkout.tree)
    done = runner.run_all(paths, "smoke", checkout.tree)
    assert executed(capsys) == ["b", "a"]
    assert list(done) == paths
    assert done[paths[0]].notebook.cells[-1].outputs[0].text == "smoke\n"


def test_one_run_names_every_fault_and_keeps_the_rest(checkout, cells, monkeypatch):
    monkeypatch.setattr(runner, "room", lambda wanted: 1)
    paths = [
        checkout.lab("a", cells.code("divides", "1 / 0")),
        checkout.lab("b", cells.code("says", "print('fine')")),
        checkout.lab("c", cells.code("misses", "{}['x']")),
    ]
    with pytest.raises(ToolError) as error:
        runner.run_all(paths, "smoke", checkout.tree)
    for fault in ("'divides' failed with ZeroDivisionError", "'misses' failed with KeyError"):
        assert fault in str(error.value)
    assert runner.Job(paths[1], "smoke", checkout.tree, "").cached()


def test_another_error_stops_what_runs_beside_it(checkout, cells, monkeypatch):
    monkeypatch.setattr(runner, "room", lambda wanted: 2)
    slow = checkout.lab("slow", cells.code("sleep", "import time\ntime.sleep(300)"))
    wrong = checkout.lab("wrong", cells.code("say", "print('never kept')"))
    never = checkout.lab("never", cells.code("say", "open('ran', 'w')"))

    def store(self, entry):
        raise OSError("no space left on device")

    monkeypatch.setattr(runner.Job, "store", store)
    start = time.monotonic()
    with pytest.raises(OSError, match="no space left"):
        runner.run_all([slow, wrong, never], "smoke", checkout.tree)
    assert time.monotonic() - start < 120
    assert not (checkout.root / "notebooks" / "ran").exists()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_everything(checkout, cells, tmp_path):
    """The command ends at once, and so do the kernels that it started."""
    note = "import os, time\nopen(f'pid{os.getpid()}', 'w')\ntime.sleep(300)"
    for name in ("a", "b"):
        checkout.lab(name, cells.code("sleep", note))
    script = (
        "import pathlib\nfrom tools import common\n"
        "from tools.notebooks import commands, runner, warm\n"
        "warm.LIBRARIES, runner.room = (), lambda wanted: 2\n"
        f"tree = common.Tree(pathlib.Path({str(checkout.root)!r}))\n"
        "common.run_main(lambda: commands.execute('smoke', tree=tree))"
    )
    # A shell's background job ignores Ctrl-C, and so would its children.
    script = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n" + script
    command = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while len(pids := list((checkout.root / "notebooks").glob("pid*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=60)[1].splitlines()[-1] == "stopped"
    assert command.returncode == 130
    left = [int(path.name.removeprefix("pid")) for path in pids]
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = [pid for pid in left if alive(pid)]
    assert not left
