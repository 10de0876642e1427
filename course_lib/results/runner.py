"""Measure what is not measured yet, seed by seed; an interrupted run goes on where it stopped."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims import CLAIMS
from course_lib.results.record import default_dir, environment, load, store
from course_lib.train.checkpoint import save_checkpoint, ship


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
        missing: skip seeds that have a result; otherwise measure them again.
        seeds: only these, so that several machines can share a claim's seeds.
        device: where to compute.
        root: folder of the data sets.
        runs_dir: where trainings are saved while they run.
        results_dir: where results are written.
        smoke: run at a size of seconds; needs a ``results_dir`` of its own.

    Returns:
        Names of the claims that could not be measured, because their data is not there.

    Raises:
        ValueError: for an unknown claim, or smoke results aimed at the real ones.
    """
    results = Path(results_dir) if results_dir is not None else default_dir()
    if smoke and results.resolve() == default_dir().resolve():
        raise ValueError("Smoke results are no results; give them a results_dir of their own.")
    wanted = set(seeds) if seeds is not None else None
    left_out = []
    for claim in _in_order(list(only) if only else list(CLAIMS)):
        absent = _absent(claim, root, results)
        if absent:
            print(f"{claim.name}: left out, {absent}", flush=True)
            left_out.append(claim.name)
            continue
        done = {r["seed"] for r in load(claim.name, results).runs} if missing else set()
        todo = [seed for seed in claim.seeds if seed not in done]
        if wanted is not None:
            todo = [seed for seed in todo if seed in wanted]
        if not todo:
            print(f"{claim.name}: measured", flush=True)
        for seed in todo:
            out_dir = Path(runs_dir) / claim.name / f"seed-{seed}"
            if not missing:
                shutil.rmtree(out_dir, ignore_errors=True)
            context = Context(seed, device, Path(root) if root else None, out_dir, smoke, results)
            _measure(claim, context)
    return left_out


def _measure(claim: Claim, context: Context) -> None:
    print(f"{claim.name}: seed {context.seed} …", flush=True)
    context.out_dir.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    measurement = claim.measure(context)
    seconds = time.perf_counter() - started
    old = load(claim.name, context.results_dir)
    runs = [r for r in old.runs if r["seed"] != context.seed]
    runs.append(
        {
            "seed": context.seed,
            "metrics": {k: round(v, 6) for k, v in measurement.metrics.items()},
            "seconds": round(seconds, 1),
            "curves": {k: [round(x, 5) for x in v] for k, v in measurement.curves.items()},
            "arrays": measurement.arrays,
        }
    )
    content = {
        "claim": claim.name,
        "title": claim.title,
        "command": f"course results run --only {claim.name}",
        "size": "smoke" if context.smoke else "full",
        **environment(),
        "data": measurement.data,
        "published": [vars(p) for p in claim.published],
        "runs": runs,
    }
    store(content, context.results_dir)
    value = measurement.metrics[claim.main]
    print(f"{claim.name}: seed {context.seed}: {claim.main} {value:.4f} ({seconds:.0f} s)")
    if claim.checkpoint and measurement.trained:
        _keep(claim, context, measurement)


def _keep(claim: Claim, context: Context, measurement: Measurement) -> None:
    """Save this seed's model; once all seeds are there, ship the one best on validation data."""
    assert claim.checkpoint and measurement.trained
    model, card = measurement.trained
    card = {
        "name": claim.checkpoint,
        "claim": claim.name,
        "seed": context.seed,
        "trained_by": f"course results run --only {claim.name}",
        "licence": "MIT",
        **environment(),
        "data": measurement.data,
        "score": {k: round(v, 5) for k, v in measurement.metrics.items()},
        **card,
    }
    save_checkpoint(context.out_dir / "model.safetensors", model, card)
    result = load(claim.name, context.results_dir)
    if context.smoke or {r["seed"] for r in result.runs} != set(claim.seeds):
        return
    best = max(result.runs, key=lambda r: r["metrics"][measurement.choose_by])["seed"]
    path = context.out_dir.parent / f"seed-{best}" / "model.safetensors"
    if path.exists():
        ship(path, claim.checkpoint)
        print(f"{claim.name}: shipped seed {best} as {claim.checkpoint}", flush=True)


def _in_order(names: list[str]) -> list[Claim]:
    unknown = [n for n in names if n not in CLAIMS]
    if unknown:
        raise ValueError(f"Unknown claim {', '.join(unknown)}; there are {', '.join(CLAIMS)}.")
    return [claim for claim in CLAIMS.values() if claim.name in names]


def _absent(claim: Claim, root: str | Path | None, results: Path) -> str:
    from course_lib.data import available

    for name in claim.needs:
        if not available(name, root):
            return f"{name} is not there: course data fetch {name}, or set COURSE_DATA"
    for name in claim.after:
        if not load(name, results).measured:
            return f"measure {name} first"
    return ""
