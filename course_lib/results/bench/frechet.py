"""How long a Fréchet distance takes beside torchmetrics, on the same moments and one thread each.

``python -m course_lib.results.bench.frechet`` prints the seconds.
"""

import time
from collections.abc import Callable

import torch

from course_lib.metrics.frechet import Moments, frechet_from_moments, moments


def bench(dimensions: int = 2048, *, seed: int = 0, repeats: int = 1) -> dict[str, float]:
    """Time both on Gaussians with a decaying spectrum, as features have; the fastest turn counts.

    Args:
        dimensions: of the features; each covariance is measured on twice as many.
        seed: of the features.
        repeats: turns; the two take turns, so that a noisy machine hits both.

    Returns:
        Seconds of "course_lib" and "torchmetrics", and the "relative_difference" of the results.
    """
    from threadpoolctl import threadpool_limits
    from torchmetrics.image.fid import _compute_fid

    a, b = _gaussians(dimensions, seed)
    candidates: dict[str, Callable[[], float]] = {
        "course_lib": lambda: frechet_from_moments(a, b),
        "torchmetrics": lambda: float(_compute_fid(*a, *b)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    values: dict[str, float] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            for _ in range(repeats):
                for name, compute in candidates.items():
                    start = time.perf_counter()
                    values[name] = compute()
                    seconds[name].append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    difference = abs(values["course_lib"] / values["torchmetrics"] - 1)
    return {name: min(s) for name, s in seconds.items()} | {"relative_difference": difference}


def _gaussians(dimensions: int, seed: int) -> tuple[Moments, Moments]:
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.arange(1, dimensions + 1, dtype=torch.float64) ** -0.5
    pair = []
    for shift in (0.0, 0.05):
        mix = torch.randn(dimensions, dimensions, generator=generator, dtype=torch.float64)
        noise = torch.randn(2 * dimensions, dimensions, generator=generator, dtype=torch.float64)
        pair.append(moments((noise * spectrum) @ mix / dimensions**0.5 + shift))
    return pair[0], pair[1]


if __name__ == "__main__":
    measured = bench()
    for name, value in measured.items():
        print(f"{name:24} {value:10.3g}")
