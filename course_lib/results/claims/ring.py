"""Which losses cover a ring of eight Gaussians? One recipe for all, ten seeds each.

The ring is that of Metz et al., arXiv:1611.02163, with wider Gaussians: radius 2, deviation 0.05.
Two perceptrons with two hidden layers of 64 ReLU units each, 256 numbers of noise, nothing else;
Adam with learning rate 2e-3 and betas (0.5, 0.999) for both, batches of 128, alternating steps, the
same number of generator updates for all. The recipe was chosen with the non-saturating loss in
view, so that a plain loss does collapse; nothing was tuned for the others. Before it, another one
(deviation 0.02, learning rate 1e-3, more updates) was measured with the same seeds and dropped:
no loss had settled within the updates, so the count of modes did not tell collapse from haste.

The ten games of a loss are played side by side, as one batched computation: ten pairs of networks,
each with its own weights (those of its seed), its own part of every batch and its own noise.
Nothing passes from one game to another; Adam treats each weight by itself. So the time of all ten
stands at the first seed that is measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import ring, ring_centres
from course_lib.metrics import mode_coverage
from course_lib.models import PointDiscriminator, PointGenerator
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.train import PointsConfig, train_points

SEEDS = tuple(range(10))
MODES = 8
LATENT_DIM = 256
WIDTH = 64
STD = 0.05
STEPS = 2000
NUM_POINTS = 50_000  # of the training set
NUM_SAMPLES = 10_000  # judged at the end
FOUND = 0.01  # share of the samples that makes a mode count as found
KEPT = 200  # samples of each run that the result keeps, to be looked at


@dataclass(frozen=True)
class Candidate:
    """One of the compared ways to train.

    Attributes:
        title: as the table shows it.
        loss: of `PointsConfig`.
        penalty: of `PointsConfig`.
        penalty_weight: of `PointsConfig`.
        critic_steps: of `PointsConfig`.
        minutes: of all seeds on one core.
    """

    title: str
    loss: str
    penalty: str = "none"
    penalty_weight: float = 1.0
    critic_steps: int = 1
    minutes: float = 2.0


CANDIDATES = {
    "minimax": Candidate("minimax", "minimax"),
    "non-saturating": Candidate("non-saturating", "non-saturating"),
    "least-squares": Candidate("least squares", "least-squares"),
    "hinge": Candidate("hinge", "hinge"),
    "non-saturating-r1": Candidate(
        "non-saturating + R1, gamma 0.1", "non-saturating", "r1", 0.1, minutes=2.5
    ),
    "wgan-gp": Candidate(
        "Wasserstein + gradient penalty, 0.1, 2 critic steps", "wasserstein", "gradient", 0.1, 2,
        minutes=4.5,
    ),
}  # fmt: skip


def claim_name(name: str) -> str:
    """Return the name of the claim of a candidate."""
    return f"ring-{name}"


def recipe(name: str, seed: int, *, num: int = 1, steps: int = STEPS) -> PointsConfig:
    """Return how a candidate is trained.

    Args:
        name: one of `CANDIDATES`.
        seed: of batches and noise.
        num: games side by side.
        steps: updates of the generator.
    """
    candidate = CANDIDATES[name]
    return PointsConfig(
        steps=steps,
        batch_size=128 * num,
        loss=candidate.loss,
        critic_steps=candidate.critic_steps,
        lr=2e-3,
        betas=(0.5, 0.999),
        penalty=candidate.penalty,
        penalty_weight=candidate.penalty_weight,
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


def networks(seed: int) -> tuple[PointGenerator, PointDiscriminator]:
    """Return fresh networks; the same seed gives all candidates the same weights."""
    torch.manual_seed(seed)
    return PointGenerator(latent_dim=LATENT_DIM, width=WIDTH), PointDiscriminator(width=WIDTH)


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
    config = recipe(name, seeds[0], num=len(seeds), steps=steps)
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
    every, shots, steps = play(name, 12 if context.smoke else STEPS)
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
        title=f"Ring of eight Gaussians, {candidate.title}",
        measure=partial(_measure, name=name),
        main="modes",
        seeds=SEEDS,
        minutes=candidate.minutes,
    )
    for name, candidate in CANDIDATES.items()
]
