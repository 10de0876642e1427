"""Two games on the ring, watched while they are played: the chapter's picture that one can move.

The plain non-saturating loss and the same with R1, from the same weights (those of seed 0) and the
same batches; nobody chose the seed. Each is the game of `course_lib.recipes.ring`, played alone.
"""

from dataclasses import replace

import torch
from torch import Tensor

from course_lib.data import ring, ring_centres
from course_lib.metrics import mode_coverage
from course_lib.recipes.ring import CONFIGS, GAME, MODES, NUM_POINTS, STD, networks
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.ring import FOUND
from course_lib.train import PointsConfig, PointsHistory, train_points

GAMES = ("non-saturating", "non-saturating-r1")  # of `CONFIGS`
NUM_FRAMES = 10  # after the first, which shows fresh networks
COUNTED, KEPT = 2000, 160  # samples of a frame: to count modes with, and to show
EXTENT, PLACES = 3.0, 33  # of the map of the discriminator's answers


def watched(name: str, steps: int) -> PointsConfig:
    """Return the configuration of a game with so many updates, looked at now and then."""
    return replace(
        CONFIGS[name],
        steps=steps,
        snapshot_every=max(steps // NUM_FRAMES, 1),
        num_samples=COUNTED,
        extent=EXTENT,
        lattice_size=PLACES,
    )


def _played(name: str, steps: int, seed: int) -> PointsHistory:
    generator, discriminator = networks(seed)
    points = ring(NUM_POINTS, modes=MODES, std=STD, seed=seed)
    config = replace(watched(name, steps), seed=seed)
    return train_points(generator, discriminator, points, config=config)


def _modes(samples: Tensor) -> float:
    least = round(FOUND * len(samples))
    return float(mode_coverage(samples, ring_centres(MODES), STD, min_count=least).covered)


def _measure(context: Context) -> Measurement:
    metrics, curves, arrays = {}, {}, {}
    for name in GAMES:
        history = _played(name, context.pick(smoke=NUM_FRAMES, full=GAME.steps), context.seed)
        modes = [_modes(samples) for samples in history.samples]
        metrics[f"{name}_modes"] = modes[-1]
        curves[f"{name}_modes"] = modes
        curves["steps"] = [float(step) for step in history.steps]
        arrays[f"{name}_samples"] = [
            [[round(x, 2) for x in row] for row in samples[:KEPT].tolist()]
            for samples in history.samples
        ]
        arrays[f"{name}_answers"] = [  # how probably real, in percent, rows from below upwards
            torch.sigmoid(logits).mul(100).round().int().tolist() for logits in history.fields
        ]
    return Measurement(
        metrics=metrics,
        curves=curves,
        arrays=arrays,
        data=f"ring of {MODES} Gaussians, radius 2, deviation {STD}, {NUM_POINTS:,} points",
    )


CLAIMS = [
    Claim(
        name="ring-film",
        title="Ring of eight Gaussians, watched: non-saturating, without and with R1",
        measure=_measure,
        recipe={name: watched(name, GAME.steps) for name in GAMES},
        main=f"{GAMES[1]}_modes",
        seeds=(0,),
        minutes=0.5,
    ),
]
