"""How long a step of the quantiser takes beside vector-quantize-pytorch, one thread each.

``python -m course_lib.results.bench.quantiser`` prints the seconds.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from course_lib.ops import VectorQuantizer

NUM_CODES, DIM, SIDE, BATCH = 1024, 64, 32, 16  # 16,384 vectors


def bench(*, seed: int = 0, repeats: int = 10) -> dict[str, float]:
    """Time forward and backward of both on the same vectors; the fastest turn counts.

    Both move their codebook by averages, restart dead codes and pass gradients straight through.

    Args:
        seed: of vectors and codebooks.
        repeats: turns; the two take turns, so that a noisy machine hits both.

    Returns:
        Seconds of "course_lib" and "vector_quantize_pytorch", and "same_codes": the share of
        vectors to which both give the same code, with the same codebook.
    """
    from vector_quantize_pytorch import VectorQuantize

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            ours = VectorQuantizer(num_codes=NUM_CODES, dim=DIM)
            theirs = VectorQuantize(
                dim=DIM,
                codebook_size=NUM_CODES,
                decay=0.99,
                commitment_weight=0.25,
                threshold_ema_dead_code=1,
                accept_image_fmap=True,
                rotation_trick=False,
            )
            x = torch.randn(BATCH, DIM, SIDE, SIDE)
            theirs._codebook.embed.data.copy_(ours.codebook[None])
            ours.eval()
            theirs.eval()
            same = (ours(x)[1] == theirs(x)[1]).double().mean().item()
            ours.train()
            theirs.train()
            candidates: dict[str, Callable[[torch.Tensor], Any]] = {
                "course_lib": ours,
                "vector_quantize_pytorch": theirs,
            }
            seconds: dict[str, list[float]] = {name: [] for name in candidates}
            for _ in range(repeats + 1):  # the first turn warms up
                for name, step in candidates.items():
                    z = x.clone().requires_grad_()
                    start = time.perf_counter()
                    quantised, _, loss = step(z)
                    (quantised.sum() + loss.sum()).backward()
                    seconds[name].append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return {name: min(s[1:]) for name, s in seconds.items()} | {"same_codes": same}


if __name__ == "__main__":
    for name, value in bench().items():
        print(f"{name:26} {value:10.4g}")
