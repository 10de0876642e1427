"""What the engine, the data and the drawing cost: ratios of things timed in turns."""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.data import Augment, ImageSet, streets
from course_lib.data.draw import throughput
from course_lib.models import SimpleCNN, UNet
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import TrainConfig, train_supervised


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


def _bare_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list) -> None:
    model.train()
    for images, targets in batches:
        loss = F.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def _overhead(
    make: Callable[[], nn.Module], data: ImageSet, batch_size: int, repeats: int, device: str
) -> dict[str, float]:
    """Time an epoch of the engine and of a bare loop over ready batches, in turns."""
    augment = Augment(flip=True, crop=4) if data.task == "classification" else Augment(flip=True)
    config = TrainConfig(epochs=1, batch_size=batch_size, augment=augment, optimizer="adam")
    where = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    data = data.to(where)
    steps = data.num_batches(batch_size)
    engine, bare, loader = [], [], []
    for repeat in range(repeats + 1):
        started = time.perf_counter()
        batches = list(data.batches(batch_size, seed=0, epoch=repeat, augment=augment))
        _wait(where)
        loader.append((time.perf_counter() - started) / steps)

        model = make().to(where)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        started = time.perf_counter()
        _bare_epoch(model, optimizer, batches)
        _wait(where)
        bare.append((time.perf_counter() - started) / steps)

        history = train_supervised(make(), data, config=config, device=where, progress=False)
        engine.append(history.epochs[0]["seconds"] / steps)
    added = [e - b - d for e, b, d in zip(engine[1:], bare[1:], loader[1:], strict=True)]
    bare_ms, added_ms = (1000 * statistics.median(x) for x in (bare[1:], added))
    loader_ms = 1000 * statistics.median(loader[1:])
    return {
        "bare_ms": bare_ms,
        "added_ms": added_ms,
        "added_share": added_ms / bare_ms,
        "loader_ms": loader_ms,
        "loader_share": loader_ms / (bare_ms + loader_ms + max(added_ms, 0.0)),
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _engine(context: Context) -> Measurement:
    repeats, num = (1, 128) if context.smoke else (7, 3200)
    cnn = _overhead(
        SimpleCNN,
        _random_set(num, (32, 32), 10, semantic=False),
        64,
        repeats,
        context.device,
    )
    unet = _overhead(
        lambda: UNet(widths=(16, 32, 64, 128)),
        _random_set(num // 16, (96, 128), 2, semantic=True),
        8,
        repeats,
        context.device,
    )
    metrics = {f"cnn_{k}": v for k, v in cnn.items()} | {f"unet_{k}": v for k, v in unet.items()}
    return Measurement(
        metrics=metrics,
        data=f"random images; SimpleCNN 64 x 32x32 and U-Net 8 x 96x128, {repeats} rounds in turns",
    )


def _scenes(context: Context) -> Measurement:
    num = 64 if context.smoke else 2000
    return Measurement(
        metrics=throughput(streets.draw, num=num), data="street scenes at 64x64, drawn anew"
    )


CLAIMS = (
    Claim(
        name="engine-overhead",
        title="What the engine adds to a bare training step, and the loader's share of it",
        measure=_engine,
        main="cnn_added_ms",
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
