"""What the queue is doing, what it did, and what is left in hours: `course results queue`."""

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from course_lib.results.claim import Claim
from course_lib.results.files import load
from course_lib.results.queue import State, clock
from course_lib.results.runner import Place
from course_lib.results.session import unfinished


def report(place: Place) -> str:
    """Return what is to be said about a folder of trainings and its results, line by line."""
    states = [State.read(path) for path in sorted(place.runs_dir.glob("queue-*.json"))]
    lines = [line for state in states if state is not None for line in _about(place, state)]
    return "\n".join([*(lines or [f"No queue has worked in {place.runs_dir}."]), *_left(place)])


def _about(place: Place, state: State) -> Iterator[str]:
    """Say what one machine's queue does and did."""
    working = _is_held(FileLock(state.path.with_suffix(".lock")))
    stand = "at work" if working else f"not at work ({state.ended or 'it was killed'})"
    until = f", until {clock(state.until)}" if state.until is not None else ""
    threads = f"{state.threads} thread{'s' if state.threads > 1 else ''}"
    yield f"queue on {state.host}, process {state.pid}: {stand}"
    yield f"  since {clock(state.since)}{until}, on {state.device} with {threads}"
    if state.now is not None:
        name, seed, since = state.now
        where = _progress(place, place.claims[name], seed) if name in place.claims else ""
        yield f"  {'now' if working else 'last'}: {name}, seed {seed}, since {clock(since)}{where}"
    if state.done:
        yield f"  done: {', '.join(state.done)}"
    for name, error in state.failed.items():
        yield f"  failed: {name}: {error}"


def _left(place: Place) -> Iterator[str]:
    """Say how many hours are left, and of what."""
    pace, hours, lines = _pace(place), 0.0, []
    for claim in place.claims.values():
        try:
            missing, obstacle = place.missing(claim), place.obstacle(claim)
            minutes = sum(_minutes(place, claim, seed, pace) for seed in missing)
        except ValueError as error:
            lines.append(f"  {claim.name}: {error}")
            continue
        if missing:
            hours += minutes / 60
            seeds = ", ".join(f"{s}{_progress(place, claim, s)}" for s in missing)
            note = f"  ({obstacle})" if obstacle else ""
            lines.append(f"  {minutes / 60:6.2f} h  {claim.name}, seeds {seeds}{note}")
    yield f"left: about {hours:.1f} hours on a machine like the one that measured the rest"
    yield from lines


def _progress(place: Place, claim: Claim, seed: int) -> str:
    """Say how far a seed's training is, as far as it was saved."""
    folder = place.folder(claim, seed)
    found = _saved(folder)
    if found is None:
        return " (begun)" if unfinished(folder) else ""
    step, steps = found
    ago = (time.time() - (folder / "checkpoint.pt").stat().st_mtime) / 60
    return f" (step {step} of {steps}, {step / steps:.0%}, saved {ago:.0f} minutes ago)"


def _saved(folder: Path) -> tuple[int, int] | None:
    """Return how many steps a training has saved, and how many there will be; None for nothing."""
    try:
        path = folder / "checkpoint.pt"
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return state["done"], state["total"]
    except Exception:  # no file yet, or one that an unpickler can make nothing of
        return None


def _pace(place: Place) -> float:
    """Return the minutes that the measured seeds took for each minute that the list states."""
    took = stated = 0.0
    for claim in place.claims.values():
        seconds = _seconds(place, claim)
        took += sum(seconds) / 60
        stated += len(seconds) * claim.minutes / len(claim.seeds)
    return took / stated if took and stated else 1.0


def _minutes(place: Place, claim: Claim, seed: int, pace: float) -> float:
    """Estimate what a seed still takes: by the others of its claim, or else by the list."""
    seconds = _seconds(place, claim)
    stated = pace * claim.minutes / len(claim.seeds)
    whole = sum(seconds) / len(seconds) / 60 if seconds else stated
    step, steps = _saved(place.folder(claim, seed)) or (0, 1)
    return whole * (1 - step / steps)


def _seconds(place: Place, claim: Claim) -> list[float]:
    """Return what the measured seeds of a claim took, at this size."""
    try:
        result = load(claim.name, place.results)
    except ValueError:
        return []
    return [run.get("seconds", 0.0) for run in result.runs if result.size == place.size]


def _is_held(lock: FileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
