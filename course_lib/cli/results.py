"""``course results``: the list of claims, their measurement, and what the queue does."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from course_lib.results import CLAIMS, format_value, load, run
from course_lib.results.queue import settle, work
from course_lib.results.runner import Place
from course_lib.results.status import report


@dataclass(frozen=True, kw_only=True)
class List:
    """List the claims and what was measured."""

    def run(self) -> int:
        """Print a line for each; status 1 if a result file is damaged."""
        status = 0
        for claim in CLAIMS.values():
            try:
                result = load(claim.name)
                value = format_value(result, claim.main, "percent" if claim.percent else "")
            except (ValueError, KeyError) as error:  # KeyError: it lacks the main metric
                print(f"course: {error.args[0]}", file=sys.stderr)
                status = 1
                continue
            state = f"{len(result.runs)}/{len(claim.seeds)} seeds"
            older = ", ".join(map(str, result.older(claim.digest)))
            note = f" [measured by an older recipe: seed {older}]" if older else ""
            print(f"{claim.name:30s} {state:10s} {value:20s} {claim.title}{note}")
        return status


@dataclass(frozen=True, kw_only=True)
class Run:
    """Measure; an interrupted run goes on where it stopped.

    With --queue one training is made after the other until --minutes are over: what was begun
    first; then what has a higher priority; on a GPU the claims with the most minutes for each seed,
    for there it gains most; then the order of the list. Each training saves every few minutes, so
    the queue may be killed at any moment; started again, it goes on exactly. A training that fails
    is noted and left; then the exit status is 1. `course results queue` shows what it does.

    Args:
        only: these claims; none named: all.
        missing: only seeds without a result, which is what is done anyway.
        again: measure again from the start; if that is interrupted, a run without it goes on.
        queue: work as a queue, quietly, at a low priority.
        minutes: of the queue; ``None``: until all is measured.
        threads: to compute with; ``None``: PyTorch's choice.
        seeds: only these seeds; none named: all.
        device: auto, cpu or cuda.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        runs: folder of the trainings.
        results: folder of the result files; ``None``: that of the course.
        smoke: seconds instead of minutes; these are no results and need a folder of their own.

    Raises:
        ValueError: for options that exclude each other, or a number that is not above 0.
    """

    only: tuple[str, ...] = ()
    missing: bool = False
    again: bool = False
    queue: bool = False
    minutes: float | None = None
    threads: int | None = None
    seeds: tuple[int, ...] = ()
    device: str = "auto"
    root: Path | None = None
    runs: Path = Path("runs")
    results: Path | None = None
    smoke: bool = False

    def __post_init__(self) -> None:
        if self.again and (self.missing or self.queue):
            other = "--missing" if self.missing else "--queue"
            raise ValueError(f"{other} and --again exclude each other; give one of them.")
        if self.minutes is not None and not self.queue:
            raise ValueError("--minutes limits a queue; add --queue.")
        for name, value in (("minutes", self.minutes), ("threads", self.threads)):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"--{name} is {value}; it must be a number above 0.")

    def run(self) -> int:
        """Measure; status 1 if something failed, or cannot be measured and was asked for."""
        if self.queue:
            settle(self.threads)
            place = Place(self.device, self.root, self.runs, self.results, self.smoke)
            seeds = self.seeds or None
            trouble = work(place, only=self.only, seeds=seeds, minutes=self.minutes)
            for line in trouble:
                print(f"course: {line}", file=sys.stderr)
            return 1 if trouble else 0
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        left_out = run(
            self.only,
            missing=not self.again,
            seeds=self.seeds or None,
            device=self.device,
            root=self.root,
            runs_dir=self.runs,
            results_dir=self.results,
            smoke=self.smoke,
        )
        return 1 if left_out and self.only else 0


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Show what the queue is doing, what it did and what failed, and what is left in hours.

    Args:
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        runs: folder of the trainings.
        results: folder of the result files; ``None``: that of the course.
    """

    root: Path | None = None
    runs: Path = Path("runs")
    results: Path | None = None

    def run(self) -> int:
        """Print it."""
        print(report(Place("cpu", self.root, self.runs, self.results)))
        return 0


Actions = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Queue, tyro.conf.subcommand("queue")]
)


def parse(words: list[str]) -> List | Run | Queue:
    """Return what these words ask for; without any, the list."""
    return tyro.cli(Actions, args=words or ["list"], prog="course results")
