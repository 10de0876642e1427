"""Execute one notebook, or take the execution from the cache if nothing it depends on has changed.

What is kept is not the executed notebook but the outputs of its cells, by cell id. They are put
into the notebook as it stands now: changing prose executes nothing, and nothing of the machinery
(parameter cell, measuring cells, papermill's notes) is ever seen.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import json
import logging
import os
import platform
import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tools.common import (
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
from tools.notebooks import dependencies, probe
from tools.notebooks.clean import clean_outputs, prune_widgets

SCALES = ("smoke", "quick", "full")
KEPT = 4  # executions kept per notebook and scale, so that going back is free


@dataclass(frozen=True)
class Execution:
    """An executed notebook and what it cost."""

    name: str
    notebook: NotebookNode
    measured: dict[str, Any]
    cached: bool


def run(path: Path, scale: str, tree: Tree, *, force: bool = False, number: str = "") -> Execution:
    """Execute a notebook at a scale, or read its execution from the cache.

    Raises:
        ToolError: A cell failed; the message names it, and a copy with the error is kept.
    """
    if scale not in SCALES:
        raise ToolError(f"unknown scale {scale!r}; known: {', '.join(SCALES)}")
    source = without_outputs(read(path))
    name = path.relative_to(tree.notebooks).with_suffix("").as_posix()
    key = dependencies.key(source, scale, tree)
    stored = tree.build / "cache" / f"{name.replace('/', '.')}-{scale}-{key[:16]}.json"
    if not force:
        entry = _usable(stored, key, tree)
        if entry is not None:
            say(f"{number}{name} ({scale}): unchanged, executed {entry['measured']['date']}")
            stored.touch()
            return Execution(name, assemble(source, entry), entry["measured"], True)
    cells = sum(map(is_code, source.cells))
    say(f"{number}{name} ({scale}): executing {cells} code cells …")
    entry = _execute(source, name, scale, tree)
    entry["key"] = key
    write_if_changed(stored, json_text(entry))
    _prune(stored, name, scale)
    measured = entry["measured"]
    say(f"  {measured['seconds']:.1f} s, peak {measured['peak_mb']:.0f} MB")
    return Execution(name, assemble(source, entry), measured, False)


def assemble(source: NotebookNode, entry: dict[str, Any]) -> NotebookNode:
    """The notebook as it stands now, with the outputs of the stored execution."""
    notebook = copy.deepcopy(source)
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.id not in entry["outputs"]:
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


def _usable(stored: Path, key: str, tree: Tree) -> dict[str, Any] | None:
    try:
        entry = read_json(stored, None)
    except ToolError:  # cut short, or not ours
        return None
    if not isinstance(entry, dict) or entry.get("key") != key:
        return None
    if entry["data"] != dependencies.data_state():
        return None
    return None if dependencies.changed(entry["files"], tree) else entry


def _prune(stored: Path, name: str, scale: str) -> None:
    others = sorted(
        stored.parent.glob(f"{name.replace('/', '.')}-{scale}-*.json"),
        key=lambda file: file.stat().st_mtime,
        reverse=True,
    )
    for old in others[KEPT:]:
        old.unlink()


def _execute(source: NotebookNode, name: str, scale: str, tree: Tree) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)
    work = tree.build / "work"
    given, made = (
        work / f"{name.replace('/', '.')}.ipynb",
        work / f"{name.replace('/', '.')}.out.ipynb",
    )
    probed = copy.deepcopy(source)
    probed.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
    probed.metadata.setdefault("language_info", {"name": "python"})
    roots = [str(tree.root) + os.sep]
    probed.cells.insert(0, nbformat.v4.new_code_cell(probe.before(roots), id="probe-before"))
    probed.cells.append(nbformat.v4.new_code_cell(probe.after(), id="probe-after"))
    write_if_changed(given, text_of(probed))
    parameters = {"scale": scale} if tagged(source, "parameters") else {}
    start = time.perf_counter()
    with _environment(scale, tree), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            done = papermill.execute_notebook(
                str(given),
                str(made),
                parameters=parameters,
                kernel_name="python3",
                cwd=str((tree.notebooks / name).parent),
                progress_bar=False,
                log_output=False,
                start_timeout=180,
                extra_arguments=["--log-level=ERROR"],  # a warning at each start is noise
            )
        except papermill.PapermillExecutionError as error:
            raise ToolError(_failure(name, scale, error, made, tree)) from None
        except (RuntimeError, OSError) as error:
            raise ToolError(
                f"{name} ({scale}): the kernel stopped or did not start: {error}"
            ) from None
    seconds = time.perf_counter() - start
    seen = json.loads("".join(output.get("text", "") for output in done.cells[-1].outputs))
    ours = {cell.id for cell in source.cells if is_code(cell)}
    ran = [cell for cell in done.cells if cell.cell_type == "code" and cell.id in ours]
    counts = [cell.execution_count for cell in ran]
    if None in counts or counts != sorted(counts) or len(ran) != len(ours):
        raise ToolError(f"{name} ({scale}): not every cell was executed in order: {counts}")
    widgets = done.metadata.get("widgets", {})
    outputs = {cell.id: clean_outputs(cell.outputs) for cell in ran}
    given.unlink(missing_ok=True)
    made.unlink(missing_ok=True)
    return {
        "outputs": outputs,
        "widgets": prune_widgets(widgets, outputs),
        "files": dependencies.record([*seen["opened"], *seen["modules"]], tree),
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


@contextlib.contextmanager
def _environment(scale: str, tree: Tree) -> Iterator[None]:
    """What the kernel inherits; everything is as before afterwards."""
    before = dict(os.environ)
    path = os.pathsep.join(filter(None, [str(tree.root), before.get("PYTHONPATH", "")]))
    os.environ.update(COURSE_SCALE=scale, PYTHONPATH=path, PYTHONHASHSEED="0")
    os.environ.update(COURSE_PROGRESS="0", TQDM_DISABLE="1")
    os.environ.pop("MPLBACKEND", None)  # inline figures, whatever the caller prefers
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _failure(name: str, scale: str, error: Any, made: Path, tree: Tree) -> str:
    kept = tree.build / "failed" / f"{name.replace('/', '.')}.ipynb"
    cell = f"cell number {error.cell_index}"
    with contextlib.suppress(Exception):
        notebook = read(made)
        failed = [
            c for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", []))
        ]
        cell = f"cell {failed[-1].id!r}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.replace(kept)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)).strip()
    tail = "\n".join("    " + line for line in plain.splitlines()[-12:])
    return f"{name} ({scale}): {cell} failed with {error.ename}\n{tail}\n  look at {kept}"


def keep(done: Execution, scale: str, tree: Tree) -> Path:
    """Write an executed notebook, and its cost, where the book's assembly and status page look."""
    folder = tree.build / ("executed" if scale == "quick" else f"executed-{scale}")
    path = folder / f"{done.name}.ipynb"
    write_if_changed(path, text_of(done.notebook))
    write_if_changed(path.with_suffix(".cost.json"), json_text(done.measured))
    return path
