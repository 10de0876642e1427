"""``course results``: the list of claims, and their measurement."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from course_lib.results import CLAIMS, format_value, load, run


@dataclass(frozen=True, kw_only=True)
class List:
    """List the claims and what was measured."""

    def run(self) -> int:
        """Print a line for each."""
        for claim in CLAIMS.values():
            result = load(claim.name)
            value = format_value(result, claim.main, "percent" if claim.percent else "")
            state = f"{len(result.runs)}/{len(claim.seeds)} seeds"
            print(f"{claim.name:30s} {state:10s} {value:20s} {claim.title}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """Measure; an interrupted run goes on where it stopped.

    Args:
        only: these claims; none named: all.
        missing: only seeds without a result, which is what is done anyway.
        again: measure again from the start.
        seeds: only these seeds; none named: all.
        device: auto, cpu or cuda.
        root: folder of the data; ``None``: COURSE_DATA, then the download folder.
        runs: folder of the trainings.
        results: folder of the result files; ``None``: that of the course.
        smoke: seconds instead of minutes; these are no results and need a folder of their own.

    Raises:
        ValueError: for --missing with --again, an unknown claim, or a seed that none of them has.
    """

    only: tuple[str, ...] = ()
    missing: bool = False
    again: bool = False
    seeds: tuple[int, ...] = ()
    device: str = "auto"
    root: Path | None = None
    runs: Path = Path("runs")
    results: Path | None = None
    smoke: bool = False

    def __post_init__(self) -> None:
        if self.missing and self.again:
            raise ValueError("--missing and --again exclude each other; give one of them.")
        claims = [CLAIMS[name] for name in self.only or CLAIMS if name in CLAIMS]
        known = {seed for claim in claims for seed in claim.seeds}
        strange = [str(seed) for seed in self.seeds if seed not in known]
        if strange and claims:
            raise ValueError(
                f"no claim asked for has the seed {', '.join(strange)}; there are "
                f"{', '.join(map(str, sorted(known)))}."
            )

    def run(self) -> int:
        """Measure; a claim that was asked for and whose data is missing is status 1."""
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


Actions = (
    Annotated[List, tyro.conf.subcommand("list")] | Annotated[Run, tyro.conf.subcommand("run")]
)


def parse(words: list[str]) -> List | Run:
    """Return what these words ask for; without any, the list."""
    return tyro.cli(Actions, args=words or ["list"], prog="course results")
