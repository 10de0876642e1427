"""What a notebook costs: the header's table, the status page, and the limit of three times that.

`results/notebooks.json` holds one measurement per notebook and scale, written by
`python -m tools.notebooks cost`, never by hand: of a notebook that runs alone, from a cold start,
with all threads, as a learner runs it. The limit looks at seconds of the processor, not of the
clock: what else the machine does is no fault of a notebook.
"""

from __future__ import annotations

import math
import os
import statistics
from typing import Any

from nbformat import NotebookNode

from tools.common import ToolError, Tree, damaged, json_text, read_json, write_if_changed

FACTOR = 3.0  # an execution may cost this much of what the header states
ENOUGH = 5  # labs, whose median tells how much slower a machine is than the one that measured
SLOWEST = 6.0  # and no more is believed: all labs may have become dearer
SLOWER = "COURSE_SLOWER"  # how many times slower than ours a machine is: loosens the time limit
COLUMNS = (("quick", "CPU, 2 cores, `quick`"), ("full", "GPU, `full`"))
NEEDED = ("seconds", "cpu_seconds", "peak_mb")
NOT_MEASURED = "not measured yet"


def stored(tree: Tree) -> dict[str, dict[str, Any]]:
    """The measurements: notebook, then scale."""
    known = read_json(tree.measured).get("notebooks", {})
    try:
        values = [value for scales in known.values() for value in scales.values()]
        if not all(value[field] >= 0 for value in values for field in NEEDED):
            raise ValueError("a negative number")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged(tree.measured, f"no measurements: {error}") from None
    return known


def store(measured: dict[str, dict[str, Any]], scale: str, tree: Tree) -> None:
    """Add measurements at one scale; forget notebooks that are gone."""
    known = stored(tree)
    for name, values in measured.items():
        known.setdefault(name, {})[scale] = values
    known = {n: v for n, v in known.items() if (tree.notebooks / f"{n}.ipynb").is_file()}
    command = "python -m tools.notebooks cost"
    write_if_changed(tree.measured, json_text({"command": command, "notebooks": known}))


def minutes(seconds: float) -> int:
    """What the header states: whole minutes, rounded up."""
    return max(1, math.ceil(seconds / 60))


def gigabytes(megabytes: float) -> float:
    """What the header states: tenths of a gigabyte, rounded up."""
    return max(0.1, math.ceil(megabytes / 100) / 10)


def excess(measured: dict[str, dict[str, Any]], scale: str, tree: Tree) -> list[str]:
    """Problems, if an execution cost more than three times what the header states.

    A slow machine is slow for all labs: what their median is above the stated, each may be above.
    """
    known = {name: scales[scale] for name, scales in stored(tree).items() if scale in scales}
    found = {name: values for name, values in measured.items() if name in known}
    ratios = [found[n]["cpu_seconds"] / max(1.0, known[n]["cpu_seconds"]) for n in found]
    slower = _slower()
    if len(ratios) >= ENOUGH:
        slower = max(slower, min(statistics.median(ratios), SLOWEST))
    return [
        problem
        for name in found
        for problem in _excess(f"{name} ({scale})", found[name], known[name], slower)
    ]


def _excess(
    name: str, measured: dict[str, Any], stated: dict[str, Any], slower: float
) -> list[str]:
    problems = []
    limit = FACTOR * max(60.0, stated["cpu_seconds"]) * slower
    if measured["cpu_seconds"] > limit:
        problems.append(
            f"{name} took {measured['cpu_seconds'] / 60:.1f} minutes of a processor; it "
            f"was measured with {stated['cpu_seconds'] / 60:.1f}. Make it cheaper, or measure again"
            f" (`python -m tools.notebooks cost`). On a slower machine set {SLOWER}=2, or more."
        )
    for field, what in (("peak_mb", "memory"), ("gpu_peak_mb", "GPU memory")):
        if stated.get(field) and measured[field] > FACTOR * 1000 * gigabytes(stated[field]):
            problems.append(
                f"{name} needed {measured[field] / 1000:.1f} GB of {what}; the header "
                f"states {gigabytes(stated[field]):.1f} GB"
            )
    return problems


def _slower() -> float:
    text = os.environ.get(SLOWER, "1")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ToolError(f"{SLOWER} is {text!r}, wanted a positive number, for instance 2")
    return value


def header(name: str, notebook: NotebookNode, tree: Tree) -> str:
    """The Markdown of a lab's cost cell."""
    known = stored(tree).get(name, {})
    download = notebook.metadata.get("course", {}).get("download", "nothing")
    rows: dict[str, list[str]] = {"Time": [], "Memory": [], "Download": []}
    for scale, _ in COLUMNS:
        values = known.get(scale)
        rows["Download"].append(download)
        if values is None:
            rows["Time"].append(NOT_MEASURED)
            rows["Memory"].append(NOT_MEASURED)
            continue
        number = minutes(values["seconds"])
        rows["Time"].append(f"about {number} minute{'' if number == 1 else 's'}")
        memory = f"{gigabytes(values['peak_mb']):.1f} GB"
        if values.get("gpu_peak_mb"):
            memory += f", and {gigabytes(values['gpu_peak_mb']):.1f} GB on the GPU"
        rows["Memory"].append(memory)
    lines = ["| What it costs | " + " | ".join(title for _, title in COLUMNS) + " |"]
    lines.append("| --- | --- | --- |")
    lines += [f"| {title} | " + " | ".join(cells) + " |" for title, cells in rows.items()]
    return "\n".join(lines)


def status(built: dict[str, dict[str, Any]], tree: Tree) -> str:
    """The body of the status page, below its title.

    Args:
        built: The measurements of this build's executions, by notebook.
        tree: The checkout.
    """
    known = stored(tree)
    lines = [
        "*Stated* is what the notebook's header promises, measured alone with all threads. In this",
        "build several ran side by side, one thread each. A notebook that takes more than three",
        "times what was measured stops the build.",
        "",
        "| Notebook | Executed | Time | Stated | Peak memory | Stated | Machine |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    versions: dict[str, set[str]] = {}
    for name in sorted({*built, *known}, key=lambda text: (text.count("/"), text)):
        values = built.get(name)
        stated = known.get(name, {}).get("quick")
        promised = f"{minutes(stated['seconds'])} min" if stated else NOT_MEASURED
        memory = f"{gigabytes(stated['peak_mb']):.1f} GB" if stated else NOT_MEASURED
        if values is None:
            lines.append(f"| `{name}` | not in this build | | {promised} | | {memory} | |")
            continue
        lines.append(
            f"| `{name}` | {values['date']} | {values['seconds']:.0f} s | {promised} "
            f"| {values['peak_mb'] / 1000:.1f} GB | {memory} "
            f"| {values['system']}, {values['device']}, {values['cores']} cores |"
        )
        for library, version in values["versions"].items():
            versions.setdefault(library, set()).add(version)
    lines += ["", "## Versions", "", "| Library | Version |", "| --- | --- |"]
    lines += [f"| {library} | {', '.join(sorted(v))} |" for library, v in versions.items()]
    return "\n".join(lines) + "\n"
