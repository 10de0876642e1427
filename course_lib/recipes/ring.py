"""A ring of eight Gaussians: one game for all losses, from two perceptrons.

The ring is that of Metz et al., arXiv:1611.02163, with wider Gaussians: radius 2, deviation 0.05.
The game was chosen with the non-saturating loss in view, so that a plain loss does collapse;
nothing was tuned for the others. Before it, another one (deviation 0.02, learning rate 1e-3, more
updates) was measured with the same seeds and dropped: no loss had settled within the updates, so
the count of modes did not tell collapse from haste.
"""

from dataclasses import replace

import torch

from course_lib.models import PointDiscriminator, PointGenerator
from course_lib.train import PointsConfig

MODES = 8
STD = 0.05
NUM_POINTS = 50_000  # of the training set
LATENT_DIM = 256
WIDTH = 64

GAME = PointsConfig(steps=2000, batch_size=128, lr=2e-3, betas=(0.5, 0.999))
CONFIGS = {
    "minimax": replace(GAME, loss="minimax"),
    "non-saturating": replace(GAME, loss="non-saturating"),
    "least-squares": replace(GAME, loss="least-squares"),
    "hinge": replace(GAME, loss="hinge"),
    "non-saturating-r1": replace(GAME, loss="non-saturating", penalty="r1", penalty_weight=0.1),
    "wgan-gp": replace(
        GAME, loss="wasserstein", penalty="gradient", penalty_weight=0.1, critic_steps=2
    ),
    "relativistic": replace(GAME, loss="relativistic"),
    "relativistic-r1-r2": replace(GAME, loss="relativistic", penalty="r1-r2", penalty_weight=0.1),
    "non-saturating-r1-r2": replace(
        GAME, loss="non-saturating", penalty="r1-r2", penalty_weight=0.1
    ),
}


def networks(seed: int) -> tuple[PointGenerator, PointDiscriminator]:
    """Return fresh networks; the same seed gives all losses the same weights."""
    torch.manual_seed(seed)
    return PointGenerator(latent_dim=LATENT_DIM, width=WIDTH), PointDiscriminator(width=WIDTH)
