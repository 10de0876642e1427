"""A forked kernel gives what the ordinary one gives, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from tools.common import ROOT
from tools.notebooks import warm

pytestmark = pytest.mark.skipif(not warm.POSSIBLE, reason="kernels are forked on Linux only")
CELLS = {
    "figure": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "value": "{'points': 2}",
    "bar": "from tqdm.auto import tqdm\ntqdm.__mro__",
    "widget": "import ipywidgets\nslider = ipywidgets.IntSlider(value=3)\nslider.comm is None",
    "place": "import os, sys\nos.getcwd(), sys.path, os.environ['OMP_NUM_THREADS']",
    "process": "import os, signal\nsignal.getsignal(signal.SIGCHLD), os.getpgid(0) == os.getpid()",
    "child": "import subprocess\nsubprocess.run(['sh', '-c', 'exit 3']).returncode",
    "raw": "!echo from a shell",
    "error": "1 / 0",
}


def outputs(kernel: str, cells: dict[str, str], folder) -> dict[str, list]:
    """What the cells show, run in a kernel of this name."""
    made = [nbformat.v4.new_code_cell(text, id=name) for name, text in cells.items()]
    notebook = nbformat.v4.new_notebook(cells=made)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook,
        kernel_name=kernel,
        resources=place,
        allow_errors=True,
        record_timing=False,
        shutdown_kernel="immediate",
        extra_arguments=["--log-level=ERROR"],
    ).execute()
    return {cell.id: cell.outputs for cell in notebook.cells}


def test_it_shows_what_the_ordinary_kernel_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "LIBRARIES", ("matplotlib.figure", "jupyter_client"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MPLBACKEND")
    plain = outputs(warm.PLAIN, CELLS, tmp_path)
    with warm.kernels() as kernel:
        first, second = (outputs(kernel, CELLS, tmp_path) for _ in range(2))
    assert "image/png" in plain["figure"][0].data
    assert first == plain
    assert second == plain


def test_libraries_are_there_and_the_package_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "LIBRARIES", ("colorsys", "no_such_library"))
    with warm.kernels() as kernel:
        look = "import sys\n'colorsys' in sys.modules, 'course_lib' in sys.modules"
        assert outputs(kernel, {"look": look}, tmp_path)["look"][0].data == {
            "text/plain": "(True, False)"
        }
    assert warm.ADDRESS not in os.environ
    assert not any(name.startswith("course_lib") for name in warm.LIBRARIES)


def test_a_kernel_that_dies_is_noticed(tmp_path):
    with warm.kernels() as kernel, pytest.raises(DeadKernelError):
        outputs(kernel, {"dies": "import os\nos._exit(3)"}, tmp_path)


def test_an_interrupt_reaches_the_cell(tmp_path):
    with warm.kernels() as kernel:
        cell = nbformat.v4.new_code_cell("import time\ntime.sleep(60)")
        client = NotebookClient(
            nbformat.v4.new_notebook(cells=[cell]),
            kernel_name=kernel,
            timeout=2,
            interrupt_on_timeout=True,
            allow_errors=True,
            shutdown_kernel="immediate",
        )
        client.execute()
    assert cell.outputs[0].ename == "KeyboardInterrupt"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("end", ["leave", "kill"])
def test_nothing_outlives_the_process_that_asked(tmp_path, end):
    """Neither when it goes in order, with a kernel that runs, nor when it is killed."""
    script = f"""
import os, sys, time
from jupyter_client.manager import start_new_kernel
from tools.notebooks import warm
warm.LIBRARIES = ()
with warm.kernels() as kernel:
    manager, client = start_new_kernel(kernel_name=kernel)
    reply = client.execute("import os; print(os.getpid(), os.getppid())")
    while (message := client.get_iopub_msg(timeout=60))["msg_type"] != "stream":
        pass
    print(manager.provisioner.pid, message["content"]["text"], flush=True)
    time.sleep(60 if {end!r} == "kill" else 0)
os._exit(0)
"""
    done = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    pids = [int(pid) for pid in done.stdout.readline().split()]
    if end == "kill":
        done.kill()
    done.wait()
    assert len(pids) == 3
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in pids if alive(pid)]
