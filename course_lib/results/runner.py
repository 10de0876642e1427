"""Measure what is not measured yet, seed by seed; an interrupted run goes on where it stopped.

For each seed the order is: train and judge, save the model, write the result, ship the best model.
Whoever is killed between two of these leaves what the next run needs to go on.
"""

import contextlib
import hashlib
import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from course_lib.data import available
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims import CLAIMS
from course_lib.results.environment import environment
from course_lib.results.files import add_run, default_dir, load
from course_lib.results.session import Session, unfinished
from course_lib.train.checkpoint import save_checkpoint, ship, shipped
from course_lib.train.files import check_room

# Bytes that must be free before anything is trained; a training then asks for what it needs.
RUNS, RESULTS = 200_000_000, 10_000_000


class Busy(Exception):
    """Another process measures this seed."""


@dataclass(frozen=True)
class Place:
    """Where claims are measured, and with what.

    Args:
        device: where to compute.
        root: folder of the data sets, or ``None`` for the usual places.
        runs_dir: where trainings are saved while they run.
        results_dir: of the result files; ``None``: the usual one.
        smoke: measure at a size of seconds.
        claims: the list.
    """

    device: str = "auto"
    root: Path | None = None
    runs_dir: Path = Path("runs")
    results_dir: Path | None = None
    smoke: bool = False
    claims: Mapping[str, Claim] = field(default_factory=lambda: CLAIMS)

    @property
    def results(self) -> Path:
        """Folder of the result files."""
        return self.results_dir if self.results_dir is not None else default_dir()

    @property
    def size(self) -> str:
        """What the results are labelled with."""
        return "smoke" if self.smoke else "full"

    def folder(self, claim: Claim, seed: int) -> Path:
        """Return the folder of a seed's run; a smoke run never meets a real one there."""
        base = self.runs_dir / "smoke" if self.smoke else self.runs_dir
        return base / claim.name / f"seed-{seed}"

    def check(self) -> None:
        """Raise OSError if the outcome of hours could not be kept here."""
        check_room(self.runs_dir, RUNS)
        check_room(self.results, RESULTS)

    def chosen(self, only: Iterable[str] | None, seeds: Iterable[int] | None) -> list[Claim]:
        """Return the named claims, or all, in the order of the list.

        Raises:
            ValueError: for a claim that is not on the list, a seed that none of them has, or smoke
                results aimed at the real ones.
        """
        if self.smoke and self.results.resolve() == default_dir().resolve():
            raise ValueError("Smoke results are no results; give them a results_dir of their own.")
        names = list(only) if only else list(self.claims)
        unknown = [name for name in names if name not in self.claims]
        if unknown:
            raise ValueError(
                f"Unknown claim {', '.join(unknown)}; there are {', '.join(self.claims)}."
            )
        claims = [claim for claim in self.claims.values() if claim.name in names]
        known = sorted({seed for claim in claims for seed in claim.seeds})
        strange = sorted(set(seeds or ()) - set(known))
        if strange:
            of = claims[0].name if len(claims) == 1 else "these claims"
            raise ValueError(
                f"There is no seed {', '.join(map(str, strange))}; the seeds of {of} are "
                f"{', '.join(map(str, known))}."
            )
        return claims

    def missing(self, claim: Claim, seeds: Iterable[int] | None = None) -> list[int]:
        """Return the seeds, of all or of these, that are not measured or are being measured again.

        Raises:
            ValueError: for a result file that cannot be read, or full results where smoke ones go.
        """
        result = load(claim.name, self.results)
        if self.smoke and result.measured and result.size != "smoke":
            raise ValueError(
                f"{self.results} has the real result of {claim.name}; give smoke results a "
                "folder of their own."
            )
        done = {run["seed"] for run in result.runs} if result.size == self.size else set()
        sessions = {seed: unfinished(self.folder(claim, seed)) for seed in done}
        done -= {seed for seed, session in sessions.items() if session and session["again"]}
        wanted = set(claim.seeds if seeds is None else seeds)
        return [seed for seed in claim.seeds if seed in wanted - done]

    def obstacle(self, claim: Claim, seeds: Iterable[int] | None = None) -> str:
        """Say why a claim cannot be measured yet; "" if it can.

        What it is computed from must be there with all seeds, in a smoke run with those `seeds`.
        """
        for name in claim.needs:
            if not available(name, self.root):
                return f"{name} is not there: course data fetch {name}, or set COURSE_DATA"
        for name in claim.after:
            if self.missing(self.claims[name], seeds if self.smoke else None):
                return f"measure {name} first"
        return ""

    def measure(self, claim: Claim, seed: int, *, again: bool = False) -> None:
        """Measure one seed of a claim, and write it into the claim's result.

        Raises:
            Busy: if another process is at it.
            OSError: for folders that cannot be written.
            FloatingPointError: for a metric or a curve that is NaN or infinite.
        """
        self.check()
        folder = self.folder(claim, seed)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
                if again:
                    shutil.rmtree(folder, ignore_errors=True)
                self._measure(claim, seed, folder, Session(folder, again=again))
        except Timeout as error:
            raise Busy(f"{claim.name}: seed {seed} is being measured by another process") from error
        self.ship_best(claim)

    def _measure(self, claim: Claim, seed: int, folder: Path, session: Session) -> None:
        say(f"{claim.name}: seed {seed} …")
        context = Context(seed, self.device, self.root, folder, self.smoke, self.results)
        measurement = claim.measure(context)
        _check_finite(claim, seed, measurement, folder)
        seconds = session.seconds()
        run: dict[str, Any] = {
            "seed": seed,
            "metrics": {k: round(v, 6) for k, v in measurement.metrics.items()},
            "seconds": round(seconds, 1),
            "curves": {k: [round(x, 5) for x in v] for k, v in measurement.curves.items()},
            "arrays": measurement.arrays,
        }
        if claim.digest:
            run["recipe"] = claim.digest
        if measurement.fingerprint:
            run["fingerprint"] = measurement.fingerprint
        if claim.checkpoint and measurement.trained:
            run["model"] = _save_model(claim, seed, measurement, folder)
        head = {
            "claim": claim.name,
            "title": claim.title,
            "command": f"course results run --only {claim.name}",
            "size": self.size,
            **environment(),
            "data": measurement.data,
            "published": [vars(peer) for peer in claim.published],
        }
        add_run(head, run, self.results)
        session.end()
        older = load(claim.name, self.results).older(claim.digest, measurement.fingerprint)
        if older:
            seeds = ", ".join(map(str, older))
            say(f"{claim.name}: another recipe or other images gave seed {seeds}; use --again")
        value = measurement.metrics[claim.main]
        say(f"{claim.name}: seed {seed}: {claim.main} {value:.4f} ({seconds:.0f} s)")

    def ship_best(self, claim: Claim) -> None:
        """Ship the model that is best on validation data, once all seeds are measured."""
        if not claim.checkpoint or self.smoke or self.missing(claim):
            return
        runs = load(claim.name, self.results).runs
        best = max(runs, key=lambda run: run["metrics"]["val_score"])
        path = self.folder(claim, best["seed"]) / "model.safetensors"
        known = shipped().get(claim.checkpoint, {}).get("sha256")
        if "model" not in best or best["model"] == known:
            return
        if not path.exists() or _sha256(path) != best["model"]:
            say(f"{claim.name}: seed {best['seed']} is the best, and {path} is not its model")
            return
        ship(path, claim.checkpoint)
        say(f"{claim.name}: shipped seed {best['seed']} as {claim.checkpoint}")


def run(
    only: Iterable[str] | None = None,
    *,
    missing: bool = True,
    seeds: Iterable[int] | None = None,
    device: str = "auto",
    root: str | Path | None = None,
    runs_dir: str | Path = "runs",
    results_dir: str | Path | None = None,
    smoke: bool = False,
) -> list[str]:
    """Measure claims and write their result files.

    Args:
        only: names of claims; default: all.
        missing: skip seeds that have a result; otherwise measure them again from the start. Where
            that is interrupted, a run of what is missing goes on with it.
        seeds: only these, so that several machines can share a claim's seeds.
        device: where to compute.
        root: folder of the data sets.
        runs_dir: where trainings are saved while they run.
        results_dir: where results are written.
        smoke: run at a size of seconds; needs a ``results_dir`` of its own.

    Returns:
        Names of the claims that could not be measured, because their data is not there.

    Raises:
        ValueError: for an unknown claim or seed, smoke results aimed at the real ones, or a result
            file that cannot be read.
        OSError: for folders that cannot be written, or have too little room.
        FloatingPointError: for a metric that is NaN or infinite.
    """
    place = Place(
        device,
        Path(root) if root else None,
        Path(runs_dir),
        Path(results_dir) if results_dir is not None else None,
        smoke,
    )
    wanted = sorted(set(seeds)) if seeds is not None else None
    claims = place.chosen(only, wanted)
    left_out = []
    for claim in claims:
        obstacle = place.obstacle(claim, wanted)
        if obstacle:
            say(f"{claim.name}: left out, {obstacle}")
            left_out.append(claim.name)
            continue
        asked = [seed for seed in claim.seeds if wanted is None or seed in wanted]
        todo = place.missing(claim, asked) if missing else asked
        if not todo:
            say(f"{claim.name}: {'measured' if asked else 'has none of these seeds'}")
            place.ship_best(claim)
        for seed in todo:
            try:
                place.measure(claim, seed, again=not missing)
            except Busy as busy:
                say(str(busy))
    return left_out


def say(text: str) -> None:
    """Print a line; a reader that has gone away (``| head -1``) does not end the measurement."""
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


def _check_finite(claim: Claim, seed: int, measurement: Measurement, folder: Path) -> None:
    numbers = {name: [value] for name, value in measurement.metrics.items()} | measurement.curves
    bad = [name for name, values in numbers.items() if not all(map(math.isfinite, values))]
    if bad:
        raise FloatingPointError(
            f"{claim.name}: seed {seed} gave {', '.join(bad)} that is NaN or infinite, so nothing "
            f"was recorded; its training is in {folder}. Mend the cause, then measure with --again."
        )


def _save_model(claim: Claim, seed: int, measurement: Measurement, folder: Path) -> str:
    """Save a seed's model with its card; return the file's SHA-256."""
    assert claim.checkpoint and measurement.trained
    model, card = measurement.trained
    card = {
        "name": claim.checkpoint,
        "claim": claim.name,
        "seed": seed,
        "trained_by": f"course results run --only {claim.name}",
        "licence": "MIT",
        **environment(),
        "data": measurement.data,
        "score": {k: round(v, 5) for k, v in measurement.metrics.items()},
        **card,
    }
    return _sha256(save_checkpoint(folder / "model.safetensors", model, card))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
