"""A list of claims of seconds, and processes that measure them and are killed.

The trainings are the course's own, on a few small pictures. Where a kill is to hit a training, each
step sleeps a little. A process is forked from one that has imported torch, so it starts at once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data import ImageSet
from course_lib.models import DCGANDiscriminator, DCGANGenerator, UNet
from course_lib.results import files, queue, runner
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.runner import Place
from course_lib.results.session import Session
from course_lib.train import GANConfig, TrainConfig, checkpoint, run, train_gan, train_supervised

PAUSE = 0.0  # seconds that each step sleeps, which changes no number


def masks(num: int = 24) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (num, 3, 8, 8), generator=generator, dtype=torch.uint8)
    classes = ("dark", "bright")
    return ImageSet(images, (images[:, 0] > 127).to(torch.uint8), classes, task="semantic")


def slow_loss(logits: Tensor, targets: Tensor) -> Tensor:
    time.sleep(PAUSE)
    return F.cross_entropy(logits, targets.long())


def often() -> int | None:
    """Every step is saved where a kill is to hit a training."""
    return 1 if PAUSE else None


def segment(context: Context) -> Measurement:
    torch.manual_seed(context.seed)
    arguments: dict[str, Any] = {"num_classes": 2, "widths": (4, 6), "dropout": 0.3}
    model = UNet(**arguments)
    config = TrainConfig(
        epochs=context.pick(smoke=1, full=4),
        batch_size=4,
        lr=1e-2,
        checkpoint_every=often(),
        seed=context.seed,
    )
    history = train_supervised(
        model,
        masks(),
        masks(8),
        config=config,
        loss=slow_loss,
        out_dir=context.out_dir,
        device=context.device,
    )
    card = {"arguments": arguments, "classes": ("dark", "bright"), "task": "semantic"}
    return Measurement(
        metrics={"val_score": history.best_score or 0.0, "weights": total(model)},
        curves={"train_loss": history.column("train_loss")},
        data="random pictures",
        trained=(model, card | {"size": (8, 8)}),
    )


def play(context: Context) -> Measurement:
    torch.manual_seed(context.seed)
    generator = DCGANGenerator(latent_dim=6, out_channels=3, width=4, size=8)
    discriminator = DCGANDiscriminator(in_channels=3, width=4, size=8)

    def watch(_: nn.Module) -> dict[str, float]:
        time.sleep(PAUSE)
        return {"nothing": 0.0}

    history = train_gan(
        generator,
        discriminator,
        masks(),
        config=GANConfig(steps=30, batch_size=8, checkpoint_every=often(), seed=context.seed),
        evaluate=watch,
        evaluate_every=1,
        out_dir=context.out_dir,
        device=context.device,
    )
    return Measurement(
        metrics={"weights": total(generator), "steps": len(history.steps)}, data="random pictures"
    )


def total(model: nn.Module) -> float:
    return float(sum(p.detach().double().abs().sum() for p in model.parameters()))


def fail(context: Context) -> Measurement:
    raise FloatingPointError("The loss is nan at step 3.\nLower the learning rate.")


def score(context: Context, value: float = 0.5) -> Measurement:
    return Measurement(metrics={"score": value, "val_score": value}, data="nothing")


SEGMENT = Claim("tiny-segment", "Tiny", segment, "val_score", checkpoint="tiny", minutes=1)
PLAY = Claim("tiny-game", "A game", play, "weights", seeds=(0,), minutes=6)
FAIL = Claim("tiny-failure", "A failure", fail, "score", seeds=(0,))
SCORE = Claim("tiny-score", "A number", score, "score")
LATER = Claim("tiny-later", "Later", score, "score", seeds=(0,), after=("tiny-score",))


def listed(*claims: Claim) -> dict[str, Claim]:
    return {claim.name: claim for claim in claims}


def place(folder: Path, *claims: Claim, smoke: bool = False) -> Place:
    return Place("cpu", None, folder / "runs", folder / "results", smoke, listed(*claims))


def outcome(folder: Path) -> dict[str, Any]:
    """What was measured and what was kept, without times."""
    results = {}
    for path in sorted((folder / "results").glob("*.json")):
        results[path.name] = json.loads(path.read_text())["runs"]
        for measured in results[path.name]:
            del measured["seconds"]
    shipped = folder / "shipped" / "tiny.safetensors"
    return {"results": results, "shipped": shipped.read_bytes() if shipped.exists() else None}


# ---------------------------------------------------------------------------------- other processes

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["course_lib.results.queue"])


def start(target: Callable[..., Any], *arguments: Any) -> Any:
    """Start a process that calls a function of this file, which it finds by its path."""
    named = {"CALL": (target.__name__, arguments)}
    process = _forks.Process(target=runpy.run_path, args=(__file__, named, "child"))
    process.start()
    return process


def at_home(folder: Path) -> None:
    """Ship to a folder of the test's own; be the same machine on every day."""
    checkpoint.SHIPPED = folder / "shipped"
    checkpoint.SHIPPED.mkdir(exist_ok=True)
    runner.environment = lambda: {"date": "2026-01-02", "hardware": "a processor"}


def run_queue_without_checkpoints(folder: Path, minutes: float) -> None:
    """Each step sleeps, and what is saved in mid-epoch is only what a run saves by the clock."""
    global often, PAUSE
    often, PAUSE = lambda: None, 0.3
    run.MINUTES = minutes
    at_home(folder)
    queue.work(place(folder, SEGMENT))


def run_queue(folder: Path, minutes: float | None = None, pause: float = 0.0) -> None:
    global PAUSE
    PAUSE = pause
    at_home(folder)
    queue.work(place(folder, SEGMENT, PLAY), minutes=minutes)


def sleep_in_background(folder: Path, minutes: float) -> None:
    """Be a queue that a shell started with &, at something that is no training."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def sleep(context: Context) -> Measurement:
        time.sleep(5)
        return score(context)

    queue.work(place(folder, Claim("tiny-score", "A number", sleep, "score")), minutes=minutes)


def killed(folder: Path, point: str, moment: str) -> None:
    """Measure all seeds, and be killed before or after the first call of a function."""
    owner = Session if point == "end" else runner
    original = getattr(owner, point)

    def patched(*arguments: Any) -> Any:
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        original(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, point, patched)
    run_queue(folder)


def together(folder: Path, seed: int, barrier: Any) -> None:
    """Measure a seed so that it ends when another process's does; writing takes a while."""
    store = files.store

    def slowly(*arguments: Any) -> None:
        time.sleep(0.2)
        store(*arguments)

    files.store = slowly

    def meet(context: Context) -> Measurement:
        barrier.wait(60)
        return score(context)

    claim = Claim("tiny-score", "A number", meet, "score")
    place(folder, claim).measure(claim, seed)


def barrier() -> Any:
    return _forks.Barrier(2)


def hold(folder: Path, ready: Any) -> None:
    """Be a queue that works until it is killed."""

    def wait(context: Context) -> Measurement:
        ready.set()
        time.sleep(600)
        raise AssertionError

    queue.work(place(folder, Claim("tiny-score", "A number", wait, "score")))


def event() -> Any:
    return _forks.Event()


if __name__ == "child":
    name, arguments = globals()["CALL"]
    globals()[name](*arguments)
