"""What the engine, the data and the drawing cost: ratios of things timed in turns."""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.data import Augment, ImageSet
from course_lib.data.scenes.batch import throughput
from course_lib.data.scenes.streets import scene as streets
from course_lib.models import SimpleCNN, UNet
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import TrainConfig, pick_device, train_supervised


def _random_set(num: int, size: tuple[int, int], classes: int, *, semantic: bool) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    shape = (num, *size) if semantic else (num,)
    targets = torch.randint(classes, shape, generator=generator)
    return ImageSet(
        images=torch.randint(256, (num, 3, *size), generator=generator, dtype=torch.uint8),
        targets=targets.to(torch.uint8) if semantic else targets,
        classes=tuple(f"class {i}" for i in range(classes)),
        task="semantic" if semantic else "classification",
    )


def _bare_epoch(model: nn.Module, data: ImageSet, config: TrainConfig, epoch: int) -> None:
    """Train for one epoch with nothing but PyTorch, on the same batches."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
    batches = data.batches(config.batch_size, seed=0, epoch=epoch, augment=config.augment)
    for images, targets in batches:
        loss = F.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _overhead(
    make: Callable[[], nn.Module], data: ImageSet, batch_size: int, rounds: int, device: str
) -> dict[str, float]:
    """Time an epoch of the loader alone, a bare loop and the engine, in turns.

    Whatever else the machine does only adds time, so the fastest round of each is compared.
    """
    augment = Augment(flip=True, crop=2) if data.task == "classification" else Augment(flip=True)
    config = TrainConfig(epochs=1, batch_size=batch_size, augment=augment, log_every=1000)
    where = pick_device(device)
    data = data.to(where)
    steps = data.num_batches(batch_size)
    times: dict[str, list[float]] = {"loader": [], "bare": [], "engine": []}
    for epoch in range(rounds + 1):  # the first round warms up

        def loader(epoch: int = epoch) -> None:
            for _ in data.batches(batch_size, seed=0, epoch=epoch, augment=augment):
                pass

        def engine() -> None:
            train_supervised(make(), data, config=config, device=where, progress=False)

        times["loader"].append(_seconds(loader, where))
        bare = make().to(where)
        times["bare"].append(
            _seconds(lambda m=bare, e=epoch: _bare_epoch(m, data, config, e), where)  # type: ignore[misc]
        )
        times["engine"].append(_seconds(engine, where))
    loader_ms, bare_ms, engine_ms = (1000 * min(t[1:]) / steps for t in times.values())
    return {
        "bare_ms": bare_ms,
        "added_ms": engine_ms - bare_ms,
        "added_share": engine_ms / bare_ms - 1,
        "loader_ms": loader_ms,
        "loader_share": loader_ms / engine_ms,
    }


def _engine(context: Context) -> Measurement:
    rounds, num = context.pick(smoke=(1, 64), full=(6, 1280))
    small = _random_set(4 * num, (32, 32), 10, semantic=False)
    cases = {
        # So small a network that the step is nearly all overhead: it shows the milliseconds best.
        "tiny": (lambda: SimpleCNN(widths=(2, 4), hidden=8), small, 8),
        "cnn": (SimpleCNN, small, 64),
        "unet": (
            lambda: UNet(widths=(16, 32, 64, 128)),
            _random_set(num // 8, (96, 128), 2, semantic=True),
            8,
        ),
    }
    metrics: dict[str, float] = {}
    for name, (make, data, batch_size) in cases.items():
        measured = _overhead(make, data, batch_size, rounds, context.device)
        metrics |= {f"{name}_{key}": value for key, value in measured.items()}
    return Measurement(
        metrics=metrics,
        data="random images: a tiny SimpleCNN on batches of 8 and SimpleCNN on batches of 64 at "
        f"32x32, U-Net on batches of 8 at 96x128; the fastest of {rounds} rounds in turns",
    )


def _scenes(context: Context) -> Measurement:
    num = context.pick(smoke=64, full=2000)
    return Measurement(
        metrics=throughput(streets.draw, num=num), data="street scenes at 64x64, drawn anew"
    )


CLAIMS = (
    Claim(
        name="engine-overhead",
        title="What the engine adds to a bare training step, and the loader's share of it",
        measure=_engine,
        main="tiny_added_ms",
        minutes=4,
    ),
    Claim(
        name="scene-speed",
        title="Street scenes drawn per second at 64x64",
        measure=_scenes,
        main="images_per_second",
        minutes=0.5,
    ),
)
