"""Check of the exercise `paper_weight`: the weight of a paper, in a program that counts from 0."""

from __future__ import annotations

from functools import cache

import torch

from course_lib.checks.kinds import Outcome, Predict
from course_lib.ops import guided

PAPER = 3.0  # its w
ANSWERS = {"a": 2.0, "b": 3.0, "c": 4.0, "d": -3.0}


@cache
def run() -> Outcome:
    """Compute the paper's formula, and look for the weight that gives the same."""
    generator = torch.Generator().manual_seed(0)
    none, told = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    paper = (1 + PAPER) * told - PAPER * none
    far = {
        letter: float((guided(none, told, weight) - paper).norm() / paper.norm())
        for letter, weight in ANSWERS.items()
    }
    said = ", ".join(f"{far[letter]:.0%} with {ANSWERS[letter]:g}" for letter in ANSWERS)
    return Outcome(min(far, key=lambda letter: far[letter]), f"Off from the paper's: {said}.")


def reference() -> str:
    """Return what the run shows."""
    return str(run().answer)


paper_weight = Predict(
    "paper_weight",
    lab="flow_pictures",
    level="warm-up",
    minutes=5,
    reference=reference,
    choices={"a": "2", "b": "3", "c": "4", "d": "-3"},
    run=run,
    tempting="The tempting answer is b, for both are called w. The paper counts from the network "
    "that is told, the course from the one that is not.",
)
paper_weight.wrong(
    "a",
    "You counted the difference of the two conventions the other way. What is left of the paper's "
    "formula at its w = 0, and which weight is that in the course's?",
)
paper_weight.wrong(
    "b",
    "The letter is the same, the zero is not. Put w = 0 into both formulas: one gives the network "
    "that is told, the other the one that is not.",
)
paper_weight.wrong(
    "d",
    "-w stands before the untold answer in the paper. Sort the course's formula by told and "
    "untold: what stands before untold there?",
)
