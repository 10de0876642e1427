"""Which losses cover a ring of eight Gaussians? One game for all, ten seeds each.

The game stands in `course_lib.recipes.ring`: two perceptrons with two hidden layers of 64 ReLU
units each, 256 numbers of noise, nothing else.

The ten games of a loss are played side by side, as one batched computation: ten pairs of networks,
each with its own weights (those of its seed), its own part of every batch and its own noise.
Nothing passes from one game to another; Adam treats each weight by itself. So the time of all ten
stands at the first seed that is measured.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import ring, ring_centres
from course_lib.metrics import mode_coverage
from course_lib.models import PointDiscriminator, PointGenerator
from course_lib.recipes.ring import CONFIGS, GAME, LATENT_DIM, MODES, NUM_POINTS, STD, networks
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import PointsConfig, train_points

SEEDS = tuple(range(10))
NUM_SAMPLES = 10_000  # judged at the end
FOUND = 0.01  # share of the samples that makes a mode count as found
KEPT = 200  # samples of each run that the result keeps, to be looked at
CANDIDATES = {  # of `CONFIGS`: title, and minutes of all seeds on one core
    "minimax": ("minimax", 2.0),
    "non-saturating": ("non-saturating", 2.0),
    "least-squares": ("least squares", 2.0),
    "hinge": ("hinge", 2.0),
    "non-saturating-r1": ("non-saturating + R1, gamma 0.1", 2.5),
    "wgan-gp": ("Wasserstein + gradient penalty, 0.1, 2 critic steps", 4.5),
    "relativistic": ("relativistic", 2.0),
    "relativistic-r1-r2": ("relativistic + R1 + R2, gamma 0.1", 3.5),
    "non-saturating-r1-r2": ("non-saturating + R1 + R2, gamma 0.1", 3.5),
}


def claim_name(name: str) -> str:
    """Return the name of the claim of a candidate."""
    return f"ring-{name}"


def side_by_side(config: PointsConfig, num: int, *, seed: int, steps: int) -> PointsConfig:
    """Return the configuration of so many games played as one."""
    return replace(
        config,
        steps=steps,
        batch_size=num * config.batch_size,
        seed=seed,
        snapshot_every=max(steps // 8, 1),
        num_samples=1000 * num,
        lattice_size=num,  # not looked at here; it must fall into equal parts
    )


class SideBySide(nn.Module):
    """Perceptrons of one shape, each applied to its own part of a batch.

    Args:
        networks: generators or discriminators without classes.
    """

    def __init__(self, networks: Sequence[PointGenerator] | Sequence[PointDiscriminator]) -> None:
        super().__init__()
        first = networks[0]
        self.num = len(networks)
        self.latent_dim = getattr(first, "latent_dim", 0)
        layers = [[m for m in n.modules() if isinstance(m, nn.Linear)] for n in networks]
        columns = list(zip(*layers, strict=True))  # one entry for each depth
        self.weights = nn.ParameterList(
            [torch.stack([m.weight.detach().T for m in column]) for column in columns]
        )
        self.biases = nn.ParameterList(
            [torch.stack([m.bias.detach()[None] for m in column]) for column in columns]
        )

    def forward(self, x: Tensor, labels: None = None) -> Tensor:
        """Return points (B, 2) or logits (B,); the first of `num` equal parts is the first one's.

        Args:
            x: (B, D), B a multiple of `num`.
            labels: none, as these have no classes.
        """
        parts = x.unflatten(0, (self.num, -1))  # (S, B / S, D)
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            parts = torch.baddbmm(bias, parts.relu() if depth else parts, weight)
        flat = parts.flatten(0, 1)
        return flat if self.latent_dim else flat[:, 0]


@cache
def play(name: str, steps: int, seeds: tuple[int, ...] = SEEDS) -> tuple[Tensor, Tensor, list[int]]:
    """Play the games of all seeds, once in a process.

    Args:
        name: one of `CANDIDATES`.
        steps: updates of the generators.
        seeds: of the networks' weights; batches and noise follow from the first.

    Returns:
        Samples of the trained generators (S, NUM_SAMPLES, 2), samples of all snapshots
        (T, S, N, 2), and the snapshots' steps.
    """
    pairs = [networks(seed) for seed in seeds]
    generators: Any = SideBySide([g for g, _ in pairs])
    discriminators: Any = SideBySide([d for _, d in pairs])
    points = ring(NUM_POINTS, modes=MODES, std=STD, seed=seeds[0])
    config = side_by_side(CONFIGS[name], len(seeds), seed=seeds[0], steps=steps)
    history = train_points(generators, discriminators, points, config=config)
    rng = torch.Generator().manual_seed(10_000 + seeds[0])
    parts = []
    with torch.no_grad():
        for _ in range(10):  # in pieces, for the memory's sake
            z = torch.randn(len(seeds) * NUM_SAMPLES // 10, LATENT_DIM, generator=rng)
            parts.append(generators(z).unflatten(0, (len(seeds), -1)))
    shots = torch.stack(history.samples).unflatten(1, (len(seeds), -1))
    return torch.cat(parts, dim=1), shots, history.steps


def _measure(context: Context, name: str) -> Measurement:
    every, shots, steps = play(name, context.pick(smoke=12, full=GAME.steps))
    index = SEEDS.index(context.seed)
    samples, centres = every[index], ring_centres(MODES)
    found = mode_coverage(samples, centres, STD, min_count=round(FOUND * NUM_SAMPLES))
    touched = mode_coverage(samples, centres, STD)
    shares = mode_coverage(samples, centres, STD, within=math.inf)
    return Measurement(
        metrics={
            "modes": found.covered,
            "all_modes": float(found.covered == MODES),
            "modes_touched": touched.covered,
            "high_quality": found.high_quality,
            "divergence": shares.divergence,  # every sample counts for its nearest centre
        },
        curves={
            "modes": [_modes(shot[index], centres) for shot in shots],
            "steps": [float(n) for n in steps],
        },
        arrays={"samples": [[round(x, 2) for x in row] for row in samples[:KEPT].tolist()]},
        data=f"ring of {MODES} Gaussians, radius 2, deviation {STD}, {NUM_POINTS:,} points",
    )


def _modes(samples: torch.Tensor, centres: torch.Tensor) -> float:
    enough = round(FOUND * len(samples))
    return float(mode_coverage(samples, centres, STD, min_count=enough).covered)


CLAIMS = [
    Claim(
        name=claim_name(name),
        title=f"Ring of eight Gaussians, {title}",
        measure=partial(_measure, name=name),
        recipe=CONFIGS[name],
        main="modes",
        seeds=SEEDS,
        minutes=minutes,
    )
    for name, (title, minutes) in CANDIDATES.items()
]
