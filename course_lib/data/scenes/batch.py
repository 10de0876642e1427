"""What every scene module does around its drawing: requests, chunks, ground truth, speed.

Every scene (`streets`, `cells`, `shapes`, `digits`, `rooms`) is computed for a whole batch of
images at once from four things: a seed, the index of the image, the size and the condition. Three
rules make the result the same on every machine, bit for bit:

- random numbers are counter-based (`counter_rng`), so an image does not depend on which other
  images are drawn with it;
- pixels are touched only by operations that IEEE 754 rounds in one way (`exact`, `brushes`), and
  nothing is summed in an order that depends on the processor;
- integers do the hashing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import psutil  # type: ignore[import-untyped]
import torch
from torch import Tensor

from course_lib.data.scenes.exact import Array, Size


@dataclass
class Scenes:
    """A batch of drawn images with their exact ground truth.

    Attributes:
        images: (N, C, H, W) uint8; C is 3, for digits 1.
        semantic: (N, H, W) uint8, an index into `classes`.
        instances: (N, H, W) int16; 0 is background, the objects of an image are 1..n.
        boxes: for each image (n, 4) float32, ``x1 y1 x2 y2`` in pixels: the tight bounds of what is
            visible, the end exclusive, so that ``x2 - x1`` is the width.
        labels: for each image (n,) int64, the class of each object (an index into `classes`).
        classes: the names of the semantic labels.
        depth: (N, H, W) float32, distance along the optical axis in metres; None where a scene has
            no depth. Sky is infinitely far.
        factors: what the scene was drawn from, one tensor (N, ...) per name: class, colour, pose …
    """

    images: Tensor
    semantic: Tensor
    instances: Tensor
    boxes: list[Tensor]
    labels: list[Tensor]
    classes: tuple[str, ...]
    depth: Tensor | None = None
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)


@dataclass
class Chunk:
    """What a scene module returns for a few images, in numpy; see `Scenes` for the meaning."""

    images: Array
    semantic: Array
    instances: Array
    boxes: list[Array]
    labels: list[Array]
    depth: Array | None = None
    factors: dict[str, Array] = field(default_factory=dict)


def check_request(
    num: int,
    size: int | Size,
    seed: int,
    condition: str,
    start: int,
    *,
    conditions: Sequence[str],
    smallest: int,
    scene: str,
) -> Size:
    """Validate the arguments of a scene's ``draw`` and return the size as (H, W).

    Raises:
        ValueError: with what was got, what was wanted and what to do.
    """
    for name, value in (("num", num), ("start", start), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"{scene}.draw: {name} must be an integer, got {value!r}.")
    if num < 0 or start < 0:
        raise ValueError(
            f"{scene}.draw: num and start must not be negative, got num={num}, start={start}."
        )
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(
        isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in pair
    ):
        raise ValueError(f"{scene}.draw: size must be an integer or (height, width), got {size!r}.")
    if min(pair) < smallest:
        raise ValueError(
            f"{scene}.draw: size {pair[0]}x{pair[1]} is too small to show the scene; "
            f"both sides need at least {smallest} pixels. Draw larger and resize."
        )
    # Measured: up to 22 bytes for each pixel of the result, up to 304 for each that is being drawn.
    needed, free = pair[0] * pair[1] * (24 * num + 320), psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"{scene}.draw: {num} images of {pair[0]}x{pair[1]} need {needed / 1e9:.3g} GB of "
            f"memory, {free / 1e9:.3g} GB are free. Draw fewer or smaller ones."
        )
    if condition not in conditions:
        raise ValueError(
            f"{scene}.draw: unknown condition {condition!r}; choose one of {', '.join(conditions)}."
        )
    return int(pair[0]), int(pair[1])


def draw_in_chunks(
    draw_chunk: Callable[[Array], Chunk],
    num: int,
    start: int,
    size: Size,
    classes: tuple[str, ...],
    *,
    workers: int | None = None,
    chunk_pixels: int = 1 << 17,
) -> Scenes:
    """Draw `num` images in chunks that fit the cache, on several threads, and join them.

    Args:
        draw_chunk: takes (B,) int64 indices and draws those images.
        num: number of images.
        start: index of the first.
        size: (H, W).
        classes: names of the semantic labels.
        workers: threads; None takes as many as torch uses (``OMP_NUM_THREADS`` sets that).
        chunk_pixels: pixels per chunk.
    """
    _keep_memory()
    h, w = size
    workers = min(workers or torch.get_num_threads(), os.cpu_count() or 1)
    step = max(1, chunk_pixels // (h * w))
    # A share for each thread, unless chunks become so small that calls cost more than pixels.
    step = min(step, max(1, step // 4, -(-num // workers)))
    parts = [np.arange(i, min(i + step, start + num)) for i in range(start, start + num, step)]
    if not parts:  # draw one image for the shapes and types, then keep none of it
        empty = draw_chunk(np.array([start]))
        chunks = [
            Chunk(
                empty.images[:0],
                empty.semantic[:0],
                empty.instances[:0],
                [],
                [],
                None if empty.depth is None else empty.depth[:0],
                {k: v[:0] for k, v in empty.factors.items()},
            )
        ]
    else:
        workers = min(workers, len(parts))
        if workers == 1:
            chunks = [draw_chunk(p) for p in parts]
        else:
            with ThreadPoolExecutor(workers) as pool:
                chunks = list(pool.map(draw_chunk, parts))
    depths = [c.depth for c in chunks if c.depth is not None]

    def join(arrays: list[Array]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.concatenate(arrays)))

    return Scenes(
        images=join([c.images for c in chunks]),
        semantic=join([c.semantic for c in chunks]),
        instances=join([c.instances for c in chunks]),
        boxes=[torch.from_numpy(b) for c in chunks for b in c.boxes],
        labels=[torch.from_numpy(b) for c in chunks for b in c.labels],
        classes=classes,
        depth=join(depths) if depths else None,
        factors={k: join([c.factors[k] for c in chunks]) for k in chunks[0].factors},
    )


@cache
def _keep_memory() -> None:
    """Let the C library keep what is freed, not return it to the kernel and zero it anew.

    Chunks make thousands of arrays below 32 MiB. Freeing one of that size, never touched, is how
    glibc learns (its dynamic mmap threshold) to serve them from memory that it has; page faults
    were a fifth of the time. Elsewhere it does nothing.
    """
    np.empty((32 << 20) - (64 << 10), np.uint8)


def tidy_instances(ids: Array, labels: Array) -> tuple[Array, list[Array], list[Array]]:
    """Renumber the visible objects of each image 1..n and find their boxes.

    Args:
        ids: (B, H, W) integer; 0 is background, k > 0 is object k of that image.
        labels: (B, K) the class of object k in column k - 1.

    Returns:
        instances (B, H, W) int16; per image boxes (n, 4) float32 and labels (n,) int64. Objects of
        which no pixel is visible are dropped.
    """
    b, h, w = ids.shape
    k = labels.shape[1]
    rows = np.zeros((b, k + 1, h), bool)
    columns = np.zeros((b, k + 1, w), bool)
    image, y, x = np.nonzero(ids)
    which = ids[image, y, x]
    rows[image, which, y] = True
    columns[image, which, x] = True
    visible: Array = np.asarray(rows.any(axis=2))
    renumbered = np.where(visible, np.cumsum(visible, axis=1), 0).astype(np.int16)
    instances = np.zeros(ids.shape, np.int16)
    instances[image, y, x] = renumbered[image, which]
    bounds = np.stack(
        [
            columns.argmax(axis=2),
            rows.argmax(axis=2),
            w - columns[:, :, ::-1].argmax(axis=2),
            h - rows[:, :, ::-1].argmax(axis=2),
        ],
        axis=2,
    ).astype(np.float32)
    seen = [np.nonzero(visible[i])[0] for i in range(b)]
    boxes = [bounds[i, s] for i, s in enumerate(seen)]
    classes = [labels[i, s - 1].astype(np.int64) for i, s in enumerate(seen)]
    return instances, boxes, classes


def throughput(
    draw: Callable[..., Scenes],
    *,
    size: int | Size = (64, 64),
    num: int = 2000,
    repeats: int = 3,
    workers: int | None = None,
) -> dict[str, float]:
    """Measure how many images a second a scene's ``draw`` function makes.

    Args:
        draw: for example ``streets.draw``.
        size: as for ``draw``.
        num: images per measurement; new ones each time.
        repeats: measurements; the median and the best are reported.
        workers: threads, as in `draw_in_chunks`.

    Returns:
        images_per_second (median), images_per_second_best, workers, num.
    """
    draw(1, size=size)  # textures are computed once
    rates = []
    for repeat in range(repeats):
        begin = time.perf_counter()
        draw(num, size=size, seed=1000 + repeat, workers=workers)
        rates.append(num / (time.perf_counter() - begin))
    rates.sort()
    return {
        "images_per_second": rates[len(rates) // 2],
        "images_per_second_best": rates[-1],
        "workers": float(min(workers or torch.get_num_threads(), os.cpu_count() or 1)),
        "num": float(num),
    }
