"""The record of a training run, epoch by epoch."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class History:
    """What was measured in each epoch.

    Attributes:
        epochs: one dictionary per epoch: "epoch" (from 0), "train_loss", "lr", "seconds"; and where
            the epoch was evaluated "val_loss", "val_accuracy", "val_mean_iou".
        score: which of them chooses the best epoch.
    """

    score: str = "val_accuracy"
    epochs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the highest score; the first one of equals; ``None`` if none has one."""
        scored = [e for e in self.epochs if not math.isnan(e.get(self.score, math.nan))]
        if not scored:
            return None
        return int(max(scored, key=lambda e: (e[self.score], -e["epoch"]))["epoch"])

    @property
    def best_score(self) -> float | None:
        """The highest score."""
        scores = [score for score in self.column(self.score) if not math.isnan(score)]
        return max(scores) if scores else None

    def column(self, name: str) -> list[float]:
        """Return one quantity over the epochs in which it was measured."""
        return [e[name] for e in self.epochs if name in e]
