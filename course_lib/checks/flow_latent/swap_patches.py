"""Check of the exercise `swap_patches`: a transformer that is not told where its squares are."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from course_lib.checks.kinds import Outcome, Predict
from course_lib.models import PatchTransformer

CHOICES = {
    "a": "the same answer as before",
    "b": "the answer as before, with the same two squares exchanged",
    "c": "an answer that differs at these two squares only, in another way",
    "d": "an answer that differs everywhere",
}


def swapped(x: Tensor) -> Tensor:
    """Exchange the upper left square of 4x4 pixels with the lower right one."""
    y = x.clone()
    y[..., :4, :4], y[..., -4:, -4:] = x[..., -4:, -4:], x[..., :4, :4]
    return y


@cache
def run() -> Outcome:
    """Ask a transformer with random weights, without positions and with them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PatchTransformer(size=(12, 16), width=32, layers=3, heads=4, patch=4).eval()
        for weight in network.parameters():
            nn.init.normal_(weight, 0.0, 0.2)
        x, t = torch.randn(4, 1, 12, 16), torch.rand(4)
    differs = {}
    with torch.no_grad():
        for kind in ("with positions", "without"):
            if kind == "without":
                network.positions.zero_()
            before, after = network(x, t), network(swapped(x), t)
            differs[kind] = float((after - swapped(before)).abs().mean() / before.abs().mean())
            moved = not torch.allclose(after, before, atol=1e-3)
    answer = "b" if differs["without"] < 1e-4 and moved else "a" if not moved else "d"
    return Outcome(
        answer,
        "Mean difference from the exchanged answer, as a share of the answer's size: "
        f"{differs['without']:.0e} without positions, {differs['with positions']:.2f} with them.",
    )


def reference() -> str:
    """Return what the run shows."""
    return str(run().answer)


swap_patches = Predict(
    "swap_patches",
    lab="flow_latent",
    level="warm-up",
    minutes=5,
    reference=reference,
    choices=CHOICES,
    run=run,
    tempting="The tempting answer is d: every square looks at every other, so a change of two "
    "should reach all. But nothing changed for the others: they see the same set of squares, and "
    "attention sums over a set. So without positions the network draws a heap of squares whose "
    "order nobody knows.",
)

swap_patches.wrong(
    "a",
    "The two squares themselves stand elsewhere now, and each place answers for the square that it "
    "holds. Does what a place says depend on where it stands, or on what it holds?",
)
swap_patches.wrong(
    "c",
    "Look at one of the two squares: it holds the same numbers and sees the same other squares as "
    "before, at another place. What can be different for it?",
)
swap_patches.wrong(
    "d",
    "Look at a third square. It sees the same squares as before, in another order; attention is a "
    "weighted sum over all of them. Does a sum depend on the order?",
)
