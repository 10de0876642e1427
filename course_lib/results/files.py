"""Result files: one JSON for each claim, checked when it is read, whole or not at all when written.

Nothing here knows the list of claims. Several processes may add runs to one folder at once.
"""

import json
import math
import os
import statistics
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from course_lib.train.files import whole

REPOSITORY = Path(__file__).resolve().parents[2]
PEER = {"text", "value", "source", "reason"}  # of a published number
INSTALLED = Path(sysconfig.get_path("data")) / "share" / "course_lib" / "results"


def default_dir() -> Path:
    """Return the folder of the results.

    ``COURSE_RESULTS`` if it is set; else ``results/`` beside the package; else, where the package
    was installed without its repository (in Colab, say), the copy that was installed with it.
    """
    if "COURSE_RESULTS" in os.environ:
        return Path(os.environ["COURSE_RESULTS"])
    beside = REPOSITORY / "results"
    return INSTALLED if INSTALLED.is_dir() and not beside.is_dir() else beside


@dataclass(frozen=True)
class Result:
    """A measured claim, or one that is still to be measured (then without runs)."""

    name: str
    content: dict[str, Any]

    @property
    def runs(self) -> list[dict[str, Any]]:
        """One entry for each seed: "seed", "metrics", "seconds", "curves", "arrays".

        Later ones also have "recipe" (see `Claim.digest`), and those with a trained model "model",
        the SHA-256 of its file.
        """
        return self.content["runs"]

    @property
    def measured(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.runs)

    @property
    def size(self) -> str:
        """Whether it was measured in full ("full"), or only to see that it works ("smoke")."""
        return self.content.get("size", "full")

    @property
    def metrics(self) -> list[str]:
        """Names of what every run measured."""
        names = [run["metrics"] for run in self.runs]
        return [name for name in names[0] if all(name in run for run in names)] if names else []

    def older(self, digest: str, fingerprint: str = "") -> list[int]:
        """Return the seeds that another recipe or other images gave; unknown ones do not count.

        Args:
            digest: of a claim's recipe as it is now, see `Claim.digest`.
            fingerprint: of the images that it is measured on now, if that is known.
        """
        now = {"recipe": digest, "fingerprint": fingerprint}
        return [
            run["seed"]
            for run in self.runs
            if any(value and run.get(key, value) != value for key, value in now.items())
        ]

    def values(self, metric: str) -> list[float]:
        """Return a metric, one number for each seed.

        Raises:
            KeyError: if it was not measured, naming what was.
        """
        if self.runs and metric not in self.metrics:
            raise KeyError(f"{self.name} has no {metric!r}; it has {', '.join(self.metrics)}.")
        return [run["metrics"][metric] for run in self.runs]

    def mean(self, metric: str) -> float:
        """Return the mean over the seeds; NaN before it is measured."""
        return statistics.fmean(self.values(metric)) if self.runs else float("nan")

    def std(self, metric: str) -> float:
        """Return the standard deviation over the seeds (n - 1); NaN for fewer than two."""
        return statistics.stdev(self.values(metric)) if len(self.runs) > 1 else float("nan")

    def curves(self, name: str) -> np.ndarray:
        """Return a curve as an array (seeds that have it, points), cut to the shortest one.

        Raises:
            KeyError: for a name that no run has.
        """
        if not self.runs:
            return np.zeros((0, 0))
        rows = [run["curves"][name] for run in self.runs if name in run["curves"]]
        if not rows:
            known = ", ".join(sorted({key for run in self.runs for key in run["curves"]}))
            raise KeyError(f"{self.name} has no curve {name!r}; it has {known or 'none'}.")
        return np.array([row[: min(map(len, rows))] for row in rows])


def load(name: str, directory: Path | None = None) -> Result:
    """Return the result in ``NAME.json``; one without runs if there is no such file.

    Raises:
        ValueError: for a file that is no result, saying what is wrong with it.
    """
    path = (directory or default_dir()) / f"{name}.json"
    if not path.exists():
        return Result(name, {"claim": name, "runs": []})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fault = _fault(name, content)
    except (ValueError, OSError, RecursionError) as error:
        fault = str(error)
    if fault:
        raise ValueError(
            f"{path} is no result: {fault}. Take it back from version control, or delete it and "
            f"measure again: course results run --only {name}"
        )
    return Result(name, content)


def add_run(head: dict[str, Any], run: dict[str, Any], directory: Path) -> None:
    """Put one seed's run into its claim's file, whatever other processes add at the same time.

    Args:
        head: everything in the file but the runs.
        run: replaces the run of the same seed; those of another size ("smoke") are left out.
        directory: of the result files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / ".lock"):
        old = load(head["claim"], directory)
        kept = [r for r in old.runs if r["seed"] != run["seed"] and old.size == head["size"]]
        store(_on_their_hardware(old, head, kept, run), directory)


def _on_their_hardware(
    old: Result, head: dict[str, Any], kept: list[dict[str, Any]], run: dict[str, Any]
) -> dict[str, Any]:
    """Name each hardware that measured a part; a run says which where there are several."""
    own, before = head.get("hardware"), old.content.get("hardware")
    runs = [{"hardware": before, **r} for r in kept] + [{**run, "hardware": own}]
    places = list(dict.fromkeys(r["hardware"] for r in sorted(runs, key=lambda r: r["seed"])))
    if len(places) == 1 or None in places:
        runs = [{k: v for k, v in r.items() if k != "hardware"} for r in runs]
        return {**head, "runs": runs}
    return {**head, "hardware": "; ".join(places), "runs": runs}


def store(content: dict[str, Any], directory: Path) -> None:
    """Write a result with the summary of its runs: whole, or not at all."""
    runs = sorted(content["runs"], key=lambda run: run["seed"])
    result = Result(content["claim"], {"runs": runs})
    summary = {
        metric: {
            "mean": result.mean(metric),
            "std": result.std(metric) if len(runs) > 1 else None,
            "n": len(runs),
        }
        for metric in result.metrics
    }
    text = _compact({**content, "runs": runs, "summary": summary})
    with whole(directory / f"{content['claim']}.json") as file:
        file.write(text.encode() + b"\n")


def _compact(result: dict[str, Any]) -> str:
    """Return JSON with an indented outline and one line for each run."""
    outline = json.dumps({**result, "runs": ["@"]}, indent=1, ensure_ascii=False, allow_nan=False)
    lines = (json.dumps(run, ensure_ascii=False, allow_nan=False) for run in result["runs"])
    return outline.replace('"@"', ",\n  ".join(lines), 1)


def _fault(name: str, content: Any) -> str:
    """Say what keeps a file's content from being the result of a claim; "" for nothing."""
    if not isinstance(content, dict):
        return f"it holds {_kind(content)}, not an object"
    for key in ("title", "command", "size", "date", "hardware", "data"):
        if not isinstance(content.get(key, ""), str):
            return f"its {key} is {_kind(content[key])}, not text"
    if content.get("claim", name) != name:
        return f"it is the result of {content['claim']!r}"
    peers = content.get("published", [])
    if not isinstance(peers, list) or any(
        not isinstance(p, dict) or PEER - p.keys() for p in peers
    ):
        return f"its published numbers are no list of {', '.join(sorted(PEER))}"
    runs = content.get("runs")
    if not isinstance(runs, list):
        return f"its runs are {_kind(runs)}, not a list"
    for run in runs:
        if not isinstance(run, dict) or type(run.get("seed")) is not int:
            return "one of its runs has no seed"
        if sum(run["seed"] == other.get("seed") for other in runs if isinstance(other, dict)) > 1:
            return f"it has seed {run['seed']} twice"
        where = f"of seed {run['seed']}"
        metrics, curves = run.get("metrics"), run.get("curves", {})
        if not isinstance(metrics, dict) or not isinstance(curves, dict):
            return f"the metrics or curves {where} are no object"
        for metric, value in {"seconds": run.get("seconds", 0), **metrics}.items():
            if not _is_number(value):
                return f"{metric} {where} is {value!r}, not a number"
        for curve, values in curves.items():
            if not isinstance(values, list) or not all(map(_is_number, values)):
                return f"the curve {curve} {where} is no list of numbers"
    return ""


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _kind(value: Any) -> str:
    kinds = {list: "a list", dict: "an object", str: "text", bool: "true or false"}
    return "nothing" if value is None else kinds.get(type(value), "a number")
