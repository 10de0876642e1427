"""The record of an adversarial run, reading by reading, and the signs that it goes wrong."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# A sign must hold in so many readings in a row before anything is said.
PATIENCE = 3
# A discriminator that is right about every image by a wide margin: a loss below this, and no pair
# of a real and a generated image in the wrong order. (Telling all pairs apart is usual early on,
# and for networks with BatchNorm nearly always; it is the margin that leaves nothing to learn.)
WON_LOSS, WON_APART = 0.05, 0.999
# Variety of a generated batch, as a share of a real one's. A generator starts with none, so it is
# judged once it had some, or after so many steps.
REPEATS, HAD_SOME, WARM_UP = 0.35, 0.5, 1000

ADVICE_WON = (
    "The discriminator has won: its loss is {value:.4f}, and no generated image fools it, so it "
    'has little left to teach. Give it a penalty (penalty="r1"), a lower learning rate '
    "(lr_discriminator) or fewer channels; with few training images{only}, ada_target=0.6."
)
ADVICE_REPEATS = (
    "The generator repeats itself: its images differ from each other only {value:.0%} as much as "
    "real ones do. Look at the samples. If they are all alike, go back to a checkpoint or start "
    'anew, with a lower learning rate, a penalty (penalty="r1", or the Wasserstein loss with '
    'penalty="gradient") or larger batches.'
)


@dataclass
class GANHistory:
    """What was read while two players trained.

    Attributes:
        steps: one dictionary per reading, each a mean over the steps since the last one: "step"
            and "images" (real ones shown, all processes together), "discriminator_loss",
            "generator_loss", "real_score" and "fake_score" (mean logits), "told_apart" (share of
            pairs in which the real image has the higher score: 0.5 is guessing, 1 a discriminator
            that has won), "diversity" (1 where generated images differ as real ones do, 0 where
            all are the same), "augmentation" (its probability), "seconds" (of the whole run so far,
            with the evaluations and checkpoints before this reading); and where the run was
            evaluated, the scores.
        warnings: what went wrong, with advice.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        """Return one quantity over the readings in which it was measured."""
        return [reading[name] for reading in self.steps if name in reading]

    def warn(self, message: str) -> None:
        """Say once what goes wrong, and keep it."""
        if message not in self.warnings:
            self.warnings.append(message)
            warnings.warn(message, stacklevel=3)

    def look_for_trouble(self, loss: str) -> None:
        """Warn when the last readings show that one of the players has failed.

        A critic that tells everything apart is what the Wasserstein loss wants, so for it only the
        generator is watched.
        """
        if len(self.steps) < PATIENCE:
            return
        last = self.steps[-PATIENCE:]
        losses, apart, variety = (
            [reading[name] for reading in last]
            for name in ("discriminator_loss", "told_apart", "diversity")
        )
        said = " ".join(self.warnings)
        won = max(losses) < WON_LOSS and min(apart) > WON_APART
        if loss != "wasserstein" and won and "has won" not in said:
            only = ' and loss="non-saturating"' if loss == "least-squares" else ""
            self.warn(ADVICE_WON.format(value=sum(losses) / PATIENCE, only=only))
        grown = max(self.column("diversity")) > HAD_SOME or last[-1]["step"] >= WARM_UP
        if grown and max(variety) < REPEATS and "repeats itself" not in said:
            self.warn(ADVICE_REPEATS.format(value=sum(variety) / PATIENCE))


@torch.no_grad()
def told_apart(real: Tensor, fake: Tensor) -> Tensor:
    """Return the share of pairs in which the real image's score (B,) is the higher one.

    It is the area under the receiver operating characteristic, and needs no threshold: it means the
    same for logits and for a critic's scores. Equal scores count one half.
    """
    difference = real[:, None] - fake[None, :]
    return (difference.sign().float().mean() + 1) / 2


@torch.no_grad()
def diversity(real: Tensor, fake: Tensor) -> Tensor:
    """Return how far generated images are from their nearest neighbour in the batch, by real ones.

    Images (B, C, H, W) are compared at 8x8 pixels, so that noise does not pass for variety. The
    result is near 1 where generated images differ as real ones do, and 0 where each has a twin.
    """
    if len(fake) < 2:
        return torch.ones((), device=fake.device)
    return _nearest(fake) / _nearest(real).clamp(min=1e-6)


def _nearest(images: Tensor) -> Tensor:
    small = F.adaptive_avg_pool2d(images.float(), 8).flatten(1)  # (B, 64 C)
    distances = torch.cdist(small, small)
    distances.fill_diagonal_(torch.inf)
    return distances.amin(dim=1).mean()
