"""What a detector's training step costs, ours beside torchvision's, measured in turns.

    python -m course_lib.results.bench.detection

prints the ratios; ``course results run --only mask-rcnn-step-time`` stores them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import load, to_float
from course_lib.losses.detection import detection_losses
from course_lib.models import MaskRCNN
from course_lib.models.mask_rcnn import make_truth
from course_lib.models.mask_rcnn.twin import TorchvisionTwin
from course_lib.recipes.objects import NUCLEI, PEOPLE, TINY

SMALL: dict[str, Any] = {"width": 8, "box_width": 16, "mask_width": 8}
# Scenes, their size, and the recipe's network for them; people stand for the network of Penn-Fudan.
CASES = {
    "streets": ("streets", (96, 128), TINY),
    "cells": ("cells", (96, 128), NUCLEI),
    "people": ("streets", (160, 192), PEOPLE),
}


@dataclass(frozen=True)
class Variant:
    """One thing to time.

    Args:
        make: returns the detector.
        losses: turns what it returns into losses by name.
        quick: bfloat16 autocast, and channels innermost.
    """

    make: Callable[[], nn.Module]
    losses: Callable[[Any], dict[str, Tensor]]
    quick: bool = False


class Step:
    """A training step on one batch of scenes, ready to be repeated.

    Args:
        variant: what is trained.
        name: of the scenes.
        size: of the pictures.
        batch: how many.
        device: where to compute.
    """

    def __init__(
        self,
        variant: Variant,
        name: str,
        size: tuple[int, int],
        batch: int,
        device: torch.device,
    ) -> None:
        scenes = load(name, "train", size=size, task="instance", num=batch)
        assert scenes.labels is not None
        layout = torch.channels_last if variant.quick else torch.contiguous_format
        self.variant, self.device = variant, device
        self.model = variant.make().to(device).to(memory_format=layout).train()
        self.images = to_float(scenes.images.to(device)).contiguous(memory_format=layout)
        truth = make_truth(scenes.targets.long(), scenes.labels)
        self.truth = type(truth)(*(part.to(device) for part in truth))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9)

    def __call__(self) -> None:
        """Forward, backward, update."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.variant.quick):
            seen = self.model(self.images, self.truth)
        torch.stack(list(self.variant.losses(seen).values())).sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def seconds(self) -> float:
        """Wall time of one step, the device's work included."""
        started = time.perf_counter()
        self()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - started


def variants(arguments: dict[str, Any]) -> dict[str, Variant]:
    """Return ours, torchvision's on the same backbone, anchors and numbers, and both quick."""

    def ours() -> nn.Module:
        return MaskRCNN(10, **arguments)

    def theirs() -> nn.Module:
        return TorchvisionTwin(10, **arguments)

    return {
        "ours": Variant(ours, detection_losses),
        "theirs": Variant(theirs, dict),
        "quick": Variant(ours, detection_losses, quick=True),
        "theirs_quick": Variant(theirs, dict, quick=True),
    }


def against_torchvision(
    *, rounds: int = 10, device: torch.device | str = "cpu", smoke: bool = False
) -> dict[str, float]:
    """Time a training step of each recipe's network beside torchvision's, in turns.

    The order turns by one from round to round. Whatever else the machine does only adds time, so
    the fastest round of each counts.

    Args:
        rounds: how many; one more warms up.
        device: where to compute.
        smoke: with small networks and pictures, to see that all of it runs.

    Returns:
        For each case "_ms", "_peer_ms", "_ratio" (ours by theirs, float32), "_quick_ratio" (the
        same in bfloat16 with channels_last) and "_quick_share" (what these two leave of our time).
    """
    found: dict[str, float] = {}
    for case, (name, size, arguments) in CASES.items():
        if smoke:
            size, arguments = (64, 96), arguments | SMALL
        steps = {
            kind: Step(variant, name, size, 2 if smoke else 8, torch.device(device))
            for kind, variant in variants(arguments).items()
        }
        kinds, fastest = list(steps), dict.fromkeys(steps, float("inf"))
        for step in steps.values():
            step()
        for turn in range(rounds):
            first = turn % len(kinds)
            for kind in kinds[first:] + kinds[:first]:
                fastest[kind] = min(fastest[kind], 1000 * steps[kind].seconds())
        found[f"{case}_ms"], found[f"{case}_peer_ms"] = fastest["ours"], fastest["theirs"]
        found[f"{case}_ratio"] = fastest["ours"] / fastest["theirs"]
        found[f"{case}_quick_ratio"] = fastest["quick"] / fastest["theirs_quick"]
        found[f"{case}_quick_share"] = fastest["quick"] / fastest["ours"]
    return found


def main() -> None:
    """Print each case's times and their ratios."""
    found = against_torchvision()
    for case in CASES:
        ms, peer, ratio, quick_ratio, share = (
            found[f"{case}_{key}"]
            for key in ("ms", "peer_ms", "ratio", "quick_ratio", "quick_share")
        )
        print(
            f"{case:9} {ms:7.1f} ms  torchvision {peer:7.1f} ms  ratio {ratio:.3f} "
            f"(quick {quick_ratio:.3f})  bf16 and channels_last {share:.3f}"
        )


if __name__ == "__main__":
    main()
