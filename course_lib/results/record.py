"""Result files: one JSON per claim, written by the runner only."""

import datetime
import json
import os
import platform
import statistics
import sysconfig
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[2]
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
        """One entry per seed: "seed", "metrics", "curves", "arrays", "seconds"."""
        return self.content.get("runs", [])

    @property
    def measured(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.runs)

    def values(self, metric: str) -> list[float]:
        """Return a metric, one number per seed.

        Raises:
            KeyError: if it was not measured, naming what was.
        """
        if self.runs and metric not in self.runs[0]["metrics"]:
            known = ", ".join(self.runs[0]["metrics"])
            raise KeyError(f"{self.name} has no {metric!r}; it has {known}.")
        return [run["metrics"][metric] for run in self.runs]

    def mean(self, metric: str) -> float:
        """Return the mean over the seeds; NaN before it is measured."""
        return statistics.fmean(self.values(metric)) if self.runs else float("nan")

    def std(self, metric: str) -> float:
        """Return the standard deviation over the seeds (n - 1); NaN for fewer than two."""
        return statistics.stdev(self.values(metric)) if len(self.runs) > 1 else float("nan")

    def curves(self, name: str) -> np.ndarray:
        """Return a curve as an array (seeds, points), cut to the shortest one."""
        if not self.runs:
            return np.zeros((0, 0))
        rows = [run["curves"][name] for run in self.runs]
        return np.array([row[: min(map(len, rows))] for row in rows])

    def _repr_markdown_(self) -> str:
        from course_lib.results.tables import table

        return table([self.name])._repr_markdown_()


def load(name: str, directory: Path | None = None) -> Result:
    """Return the result of a claim; one without runs if it has not been measured yet.

    Raises:
        KeyError: for a claim that is not in the list.
    """
    path = (directory or default_dir()) / f"{name}.json"
    if path.exists():
        return Result(name, json.loads(path.read_text()))
    from course_lib.results.claims import CLAIMS

    if name not in CLAIMS:
        raise KeyError(f"There is no claim {name!r}; there are {', '.join(CLAIMS)}.")
    return Result(name, {"claim": name, "title": CLAIMS[name].title, "runs": []})


def store(result: dict[str, Any], directory: Path) -> None:
    """Write a result with the summary of its runs: whole, or not at all."""
    runs = sorted(result["runs"], key=lambda run: run["seed"])
    record = Result(result["claim"], {"runs": runs})
    summary = {
        metric: {
            "mean": record.mean(metric),
            "std": record.std(metric) if len(runs) > 1 else None,
            "n": len(runs),
        }
        for metric in runs[0]["metrics"]
    }
    result = {**result, "runs": runs, "summary": summary}
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{result['claim']}.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(_compact(result) + "\n")
    os.replace(temporary, path)


def environment() -> dict[str, Any]:
    """Return date, hardware and versions, as every result states them."""
    names = ("torch", "torchvision", "accelerate", "numpy")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "hardware": hardware(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in names}},
    }


def hardware() -> str:
    """Describe the processor, and the GPU if there is one."""
    text = f"{_processor()}, {len(os.sched_getaffinity(0))} cores" if _linux() else _processor()
    if torch.cuda.is_available():
        text += f"; {torch.cuda.get_device_name()}"
    return text


def _linux() -> bool:
    return hasattr(os, "sched_getaffinity")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _compact(result: dict[str, Any]) -> str:
    """Return JSON with an indented outline and one line per run."""
    runs = result["runs"]
    outline = json.dumps({**result, "runs": ["@"]}, indent=1, ensure_ascii=False)
    lines = ",\n  ".join(json.dumps(run, ensure_ascii=False) for run in runs)
    return outline.replace('"@"', lines, 1)
