"""Execute one notebook, or take the execution from the cache if nothing it depends on has changed.

What is kept is not the executed notebook but the outputs of its cells, by cell id. They are put
into the notebook as it stands now: changing prose executes nothing, and nothing of the machinery
(parameter cell, measuring cells, papermill's notes) is ever seen.
"""

from __future__ import annotations

import copy
import datetime
import json
import logging
import math
import os
import platform
import re
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
from nbformat import NotebookNode

from tools.common import (
    ROOT,
    ToolError,
    Tree,
    is_code,
    json_text,
    read,
    read_json,
    say,
    tagged,
    text_of,
    without_outputs,
    write_if_changed,
)
from tools.notebooks import cost, dependencies, probe, warm
from tools.notebooks.clean import clean_outputs, prune_widgets

SCALES = ("smoke", "quick", "full")
KEPT = 4  # executions kept per notebook and scale, so that going back is free
THREADS = {"OMP_NUM_THREADS": "1"}  # where several run: the same results on any machine
ROOM = 3e9  # bytes of free memory for each notebook that runs; the largest takes 2


@dataclass(frozen=True)
class Execution:
    """An executed notebook and what it cost."""

    name: str
    notebook: NotebookNode
    measured: dict[str, Any]


def run(path: Path, scale: str, tree: Tree, *, force: bool = False, number: str = "") -> Execution:
    """Execute a notebook as a learner does, alone and with all threads, unless it is in the cache.

    Args:
        path: The notebook.
        scale: smoke, quick or full.
        tree: The checkout.
        force: Execute even if nothing has changed.
        number: Stands before what is printed.

    Raises:
        ToolError: A cell failed; the message names it, and a copy with the error is kept.
    """
    job = Job(path, scale, tree, number)
    with environment(scale, tree):
        return (None if force else job.cached()) or job.executed(warm.PLAIN)


def run_all(
    paths: Sequence[Path],
    scale: str,
    tree: Tree,
    *,
    force: bool = False,
    dataset: str = "",
    until: float = math.inf,
) -> dict[Path, Execution]:
    """Execute notebooks side by side, each with a warm start and one thread, the longest first.

    So the cores are better used than by the threads of one notebook, and what is printed does not
    depend on their number. Where kernels have no warm start, it is one notebook after the other.
    After `until`, in seconds since 1970, none is begun any more; those left out are not returned.

    Raises:
        ToolError: A cell failed. The others are executed all the same (and kept), so that one run
            names every fault; any other error, or Ctrl-C, stops what runs beside it.
    """
    jobs = [
        Job(path, scale, tree, f"[{n}/{len(paths)}] ", dataset) for n, path in enumerate(paths, 1)
    ]
    done = {} if force else {job.path: found for job in jobs if (found := job.cached())}
    if done:
        say(f"{len(done)} of {len(paths)} notebooks ({scale}): unchanged")
    stated = cost.stored(tree)
    faults: list[str] = []
    waiting = sorted(
        (job for job in jobs if job.path not in done),
        key=lambda job: -stated.get(job.name, {}).get(scale, {}).get("seconds", 0),
    )
    if len(waiting) == 1 or not warm.POSSIBLE:
        with environment(scale, tree, **THREADS):
            done.update({j.path: j.executed(warm.PLAIN) for j in waiting if time.time() < until})
    elif waiting:
        with (
            environment(scale, tree, **THREADS),
            ThreadPoolExecutor(room(len(waiting))) as pool,
            warm.kernels() as kernel,  # inside of the pool: a fault or Ctrl-C ends what runs
        ):
            futures = {pool.submit(_in_time, job, kernel, until): job.path for job in waiting}
            try:
                for future in as_completed(futures):
                    try:
                        if result := future.result():
                            done[futures[future]] = result
                    except ToolError as error:
                        say(f"error: {error}")
                        faults.append(str(error))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    if faults:
        raise ToolError("\n".join(faults))
    return {path: done[path] for path in paths if path in done}


def _in_time(job: Job, kernel: str, until: float) -> Execution | None:
    """Execute it, unless the time is over."""
    return job.executed(kernel) if time.time() < until else None


def room(wanted: int) -> int:
    """How many notebooks run side by side: one for each core, if memory allows."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if warm.POSSIBLE else 1
    return max(1, min(wanted, cores, int(psutil.virtual_memory().available / ROOM)))


def environment(scale: str, tree: Tree, **more: str) -> AbstractContextManager[Any]:
    """What kernels inherit, in `os.environ`; everything is as before afterwards."""
    path = os.pathsep.join(filter(None, [str(tree.root), os.environ.get("PYTHONPATH")]))
    fixed = {"COURSE_SCALE": scale, "COURSE_PROGRESS": "0", "TQDM_DISABLE": "1"}
    fixed |= {"PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    fixed |= {"COURSE_SAID": "strict"}  # a sentence that is not true of the run stops it
    # Inline figures, whatever the caller prefers; settings and list of fonts are nobody else's.
    fixed |= {"MPLBACKEND": warm.BACKEND, "MPLCONFIGDIR": str(ROOT / "_build" / "matplotlib")}
    return mock.patch.dict(os.environ, fixed | more)


class Job:
    """A notebook that is to be executed at a scale."""

    def __init__(self, path: Path, scale: str, tree: Tree, number: str, dataset: str = "") -> None:
        if scale not in SCALES:
            raise ToolError(f"unknown scale {scale!r}; known: {', '.join(SCALES)}")
        self.path, self.scale, self.tree, self.number = path, scale, tree, number
        self.name = path.relative_to(tree.notebooks).with_suffix("").as_posix()
        self.file = self.name.replace("/", ".") + (f"-{dataset}" if dataset else "")
        self.source = without_outputs(read(path))
        self.parameters = {"scale": scale} | ({"dataset": dataset} if dataset else {})
        self.key = dependencies.key(self.source, "-".join(self.parameters.values()), tree)
        self.stored = tree.build / "cache" / f"{self.file}-{scale}-{self.key[:16]}.json"

    def cached(self) -> Execution | None:
        """The execution that is in the cache, if nothing it depends on has changed."""
        try:
            entry = read_json(self.stored)
        except ToolError:
            return None  # cut short
        written = entry.pop("sum", None)
        if written != dependencies.digest(json_text(entry)) or entry["key"] != self.key:
            return None  # there is none, or it is damaged: executing makes it anew
        if entry["data"] != dependencies.data_state():
            return None
        if dependencies.changed(entry["files"], self.tree):
            return None
        self.stored.touch()
        return Execution(self.name, assemble(self.source, entry), entry["measured"])

    def store(self, entry: dict[str, Any]) -> None:
        """Put an execution into the cache, and forget the oldest ones."""
        text = json_text({**entry, "sum": dependencies.digest(json_text(entry))})
        write_if_changed(self.stored, text)
        others = self.stored.parent.glob(f"{self.file}-{self.scale}-*.json")
        for old in sorted(others, key=lambda file: -file.stat().st_mtime)[KEPT:]:
            old.unlink()

    def executed(self, kernel: str) -> Execution:
        """Execute it in a kernel of this name; keep its outputs in the cache."""
        cells = sum(map(is_code, self.source.cells))
        say(f"{self.number}{self.name} ({self.scale}): executing {cells} code cells …")
        entry = {**self._entry(kernel), "key": self.key}
        self.store(entry)
        measured = entry["measured"]
        say(f"  {self.name}: {measured['seconds']:.1f} s, peak {measured['peak_mb']:.0f} MB")
        return Execution(self.name, assemble(self.source, entry), measured)

    def _entry(self, kernel: str) -> dict[str, Any]:
        start = time.perf_counter()
        notebook = self._execute(self._probed(), kernel)
        seconds = time.perf_counter() - start
        seen = json.loads("".join(output.get("text", "") for output in notebook.cells[-1].outputs))
        ours = {cell.id for cell in self.source.cells if is_code(cell)}
        ran = [cell for cell in notebook.cells if cell.id in ours]
        counts = [cell.execution_count for cell in ran]
        if None in counts or counts != sorted(counts):
            raise ToolError(
                f"{self.name} ({self.scale}): not every cell was executed in order: {counts}"
            )
        outputs = {cell.id: clean_outputs(cell.outputs) for cell in ran}
        return {
            "outputs": outputs,
            "widgets": prune_widgets(notebook.metadata.get("widgets", {}), outputs),
            "files": dependencies.record([*seen["opened"], *seen["modules"]], self.tree),
            "data": dependencies.data_state(),
            "measured": {
                "seconds": round(seconds, 1),
                "cpu_seconds": round(seen["cpu_seconds"], 1),
                "peak_mb": round(seen["peak_bytes"] / 1e6),
                "gpu_peak_mb": round(seen["gpu_peak_bytes"] / 1e6),
                "device": seen["device"],
                "cores": os.cpu_count(),
                "system": platform.system(),
                "date": datetime.date.today().isoformat(),
                "versions": seen["versions"],
            },
        }

    def _probed(self) -> NotebookNode:
        """A copy with the cells that measure, before and after all others."""
        notebook = copy.deepcopy(self.source)
        notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
        notebook.metadata.setdefault("language_info", {"name": "python"})
        roots = [str(self.tree.root) + os.sep]
        before, after = map(nbformat.v4.new_code_cell, (probe.before(roots), probe.after()))
        notebook.cells = [before, *notebook.cells, after]
        return notebook

    def _execute(self, notebook: NotebookNode, kernel: str) -> NotebookNode:
        """Let papermill set the scale and run the cells; return the executed notebook.

        The kernel's folder goes by `resources`: papermill's own `cwd` moves the whole process,
        and other notebooks run in it at the same time.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import papermill

        logging.getLogger("papermill").setLevel(logging.ERROR)
        work = self.tree.build.resolve() / "work"
        given, made = work / f"{self.file}.ipynb", work / f"{self.file}.out.ipynb"
        write_if_changed(given, text_of(notebook))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return papermill.execute_notebook(
                    str(given),
                    str(made),
                    parameters=self.parameters if tagged(self.source, "parameters") else {},
                    kernel_name=kernel,
                    progress_bar=False,
                    log_output=False,
                    request_save_on_cell_execute=False,
                    start_timeout=180,
                    resources={"metadata": {"path": str(self.path.parent.resolve())}},
                    shutdown_kernel="immediate",  # the polite way waits 2.5 s
                    extra_arguments=["--log-level=ERROR"],  # a warning at each start is noise
                )
        except papermill.PapermillExecutionError as error:
            raise ToolError(self._failure(made, error)) from None
        except (RuntimeError, OSError) as error:
            raise ToolError(
                f"{self.name} ({self.scale}): the kernel stopped or did not start: {error}"
            ) from None
        finally:
            given.unlink(missing_ok=True)
            made.unlink(missing_ok=True)

    def _failure(self, made: Path, error: Any) -> str:
        """Keep the failed notebook; say where it failed and how."""
        kept = self.tree.build / "failed" / f"{self.file}.ipynb"
        notebook = read(made)
        failed = [
            cell.id
            for cell in notebook.cells
            if any(output.output_type == "error" for output in cell.get("outputs", []))
        ]
        write_if_changed(kept, text_of(notebook))
        plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)).strip()
        tail = "\n".join("    " + line for line in plain.splitlines()[-12:])
        place = f"{self.name} ({self.scale}): cell {failed[-1] if failed else '?'!r}"
        return f"{place} failed with {error.ename}\n{tail}\n  look at {kept}"


def assemble(source: NotebookNode, entry: dict[str, Any]) -> NotebookNode:
    """The notebook as it stands now, with the outputs of the stored execution."""
    notebook = copy.deepcopy(source)
    count = 0
    for cell in notebook.cells:
        if not is_code(cell):
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = [nbformat.from_dict(output) for output in entry["outputs"][cell.id]]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    if entry["widgets"]:
        notebook.metadata["widgets"] = nbformat.from_dict(entry["widgets"])
    return notebook


def keep(done: Execution, scale: str, tree: Tree) -> Path:
    """Write an executed notebook, and its cost, where the book's assembly and status page look."""
    folder = tree.build / ("executed" if scale == "quick" else f"executed-{scale}")
    path = folder / f"{done.name}.ipynb"
    write_if_changed(path, text_of(done.notebook))
    write_if_changed(path.with_suffix(".cost.json"), json_text(done.measured))
    return path
