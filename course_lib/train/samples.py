"""Draw samples from a generator: the first ones of a fixed seed, never picked."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import to_uint8
from course_lib.data.augment import stream_seed
from course_lib.models import generator_of
from course_lib.models.modes import eval_mode
from course_lib.train.engine import pick_device, seed_noise


@torch.no_grad()
def draw_samples(
    generator: nn.Module,
    num: int,
    *,
    seed: int = 0,
    labels: Tensor | int | None = None,
    batch_size: int = 250,
    device: str | torch.device | None = None,
) -> Tensor:
    """Return the first samples of a seed, made in eval mode.

    Code number i depends on the seed alone, so two generators with codes of equal length are asked
    for the same things, and a longer sheet begins with the shorter one. (Not where a flow draws
    noise on the way, by the solver "ancestral": that depends on how many are drawn at once.)

    Args:
        generator: maps codes (B, latent_dim) and labels to images (B, C, H, W) in [-1, 1].
        num: how many.
        seed: of the codes, and of any noise inside the generator.
        labels: (num,) for a generator with classes, or one label for all; ``None``: the classes in
            turn.
        batch_size: images made at once.
        device: where to compute, "auto" for a GPU if there is one; ``None``: where the generator
            is.

    Returns:
        (num, C, H, W) uint8, on the CPU. Values outside [-1, 1] are clipped.

    Raises:
        ValueError: for a model that draws nothing, a number below 1, labels of another length or
            of no class, or images that hold NaN or infinite values.
    """
    if num < 1 or batch_size < 1:
        raise ValueError(f"num is {num} and batch_size {batch_size}; both must be at least 1.")
    generator = generator_of(generator)
    where = pick_device(device) if device is not None else _device(generator)
    classes = int(getattr(generator, "num_classes", 0))
    wanted = _labels(labels, num, classes)
    codes = draw_codes(num, int(generator.latent_dim), seed=seed)  # type: ignore[arg-type]
    parts = []
    with _sampling(generator, where, seed):
        for start in range(0, num, batch_size):
            z = codes[start : start + batch_size].to(where)
            told = {} if wanted is None else {"labels": wanted[start : start + len(z)].to(where)}
            images = generator(z, **told).float()
            if not images.isfinite().all():
                raise ValueError(
                    f"The {type(generator).__name__} draws images that hold NaN or infinite "
                    "values; its training has diverged."
                )
            parts.append(to_uint8(images.clamp(-1, 1)).cpu())
    return torch.cat(parts)


def draw_codes(num: int, latent_dim: int, *, seed: int = 0) -> Tensor:
    """Return codes (num, latent_dim), standard normal; row i does not depend on how many follow."""
    generator = torch.Generator().manual_seed(stream_seed(seed, latent_dim))
    # Row by row: randn fills long tensors in another order than short ones.
    return torch.stack([torch.randn(latent_dim, generator=generator) for _ in range(num)])


def _labels(labels: Tensor | int | None, num: int, classes: int) -> Tensor | None:
    if labels is None:
        return torch.arange(num) % classes if classes else None
    if isinstance(labels, int):
        labels = torch.full((num,), labels)
    if labels.shape != (num,):
        raise ValueError(f"labels have shape {tuple(labels.shape)}, wanted ({num},).")
    if classes and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels go from {int(labels.min())} to {int(labels.max())}; the generator knows "
            f"{classes} classes, 0 to {classes - 1}."
        )
    return labels.long()


@contextlib.contextmanager
def _sampling(generator: nn.Module, device: torch.device, seed: int) -> Iterator[None]:
    """Eval mode, on a device, with noise that depends on the seed; all put back afterwards."""
    home = _device(generator)
    devices: list[Any] = [device] if device.type == "cuda" else []
    mps = torch.mps.get_rng_state() if device.type == "mps" else None  # fork_rng leaves it out
    with torch.random.fork_rng(devices=devices), eval_mode(generator):
        seed_noise(stream_seed(seed, 1), device)
        generator.to(device)
        try:
            yield
        finally:
            generator.to(home)
            if mps is not None:
                torch.mps.set_rng_state(mps)


def _device(generator: nn.Module) -> torch.device:
    parameter = next(generator.parameters(), None)
    return parameter.device if parameter is not None else torch.device("cpu")
