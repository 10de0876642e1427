"""Check of the exercise `diagnose_training`: six trainings that went wrong, each for one reason."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib import pyplot as plt

from course_lib import viz
from course_lib.checks.kinds import Diagnose, Run, recorded
from course_lib.data import load

CAUSES = {
    "rate too high": "the loss then jumps or stands still from the first passes on, in training "
    "and in validation alike, and the answer knows little more than what is frequent.",
    "rate too low": "both losses then fall slowly and together, and are still falling at the end.",
    "few images": "the training loss then goes towards 0, while the validation loss turns and "
    "rises.",
    "mask left behind": "the training loss then stops early, well above the validation loss, for "
    "half of what it is asked to learn contradicts the images.",
    "other scale": "the training then looks perfect, and the validation loss is enormous: the "
    "network sees numbers that it has never met.",
    "other numbers": "the training then looks perfect, and the answer is right in shape, but the "
    "validation's truth calls every region by another class.",
    "nothing is wrong": "then both losses fall together, as those of the sound run do.",
}
RUNS = {
    "A": Run("mask left behind", "In run A, which of the two curves is the lower one at the end?"),
    "B": Run("other scale", "In run B, look at the numbers along the validation curve's axis."),
    "C": Run("rate too high", "In run C, look at the training loss after the second pass."),
    "D": Run("few images", "In run D, compare where each curve ends with where it has been "
    "lowest."),
    "E": Run("other numbers", "In run E, compare the regions of truth and answer, and then their "
             "colours; and the truth with that of the other runs."),
    "F": Run("rate too low", "In run F, ask what the curves would do in the next passes."),
}  # fmt: skip


def reference() -> dict[str, str]:
    """Return the cause of each run."""
    return {letter: run.cause for letter, run in RUNS.items()}


def show() -> None:
    """Draw for each run both losses over the passes, and truth and answer of one scene."""
    runs = recorded(__file__)
    classes = load("streets", "val", size=(48, 64), num=1, seed=0).classes
    figure, axes = plt.subplots(
        len(runs),
        3,
        figsize=(7.2, 1.45 * len(runs)),
        width_ratios=(1.7, 1, 1),
        layout="constrained",
    )
    for (left, *pictures), (letter, run) in zip(axes, runs.items(), strict=True):
        passes = range(1, len(run["train"]) + 1)
        left.plot(passes, run["train"], label="training")
        left.plot(passes, run["val"], "--", label="validation")
        left.set_ylabel("sound run" if letter == "sound" else f"run {letter}")
        left.set_yscale("log" if max(run["val"]) > 20 else "linear")
        left.set_xticks(passes[3::4])
        if max(run["val"]) <= 20:
            left.set_ylim(bottom=0)
        for place, key in zip(pictures, ("truth", "answer"), strict=True):
            place.imshow(viz.paint(_labels(run[key]), classes), interpolation="nearest")
            place.set(xticks=[], yticks=[])
    axes[0][0].set_title("loss (nats per pixel)")
    axes[0][0].legend()
    axes[0][1].set_title("truth")
    axes[0][2].set_title("answer")
    axes[-1][0].set_xlabel("pass")
    plt.show()


def _labels(rows: Any) -> torch.Tensor:
    return torch.tensor([[int(digit) for digit in row] for row in rows])


diagnose_training = Diagnose(
    "diagnose_training",
    lab="four_steps",
    level="build",
    minutes=15,
    reference=reference,
    runs=RUNS,
    causes=CAUSES,
    show=show,
)

diagnose_training.mistake(
    "everything is the rate",
    lambda: dict.fromkeys(RUNS, "rate too high"),
    hint="The rate is the first thing to try, and the cause of one of these runs. Ask of each run "
    "two questions: does it learn the training images, and does it hold on others?",
)
diagnose_training.mistake(
    "scale and numbers exchanged",
    lambda: {**reference(), "B": "other numbers", "E": "other scale"},
    hint="Both look perfect in training and dreadful in validation; you have exchanged the two. "
    "Which of the two networks has found the regions of the street?",
)
diagnose_training.mistake(
    "few images and the mask exchanged",
    lambda: {**reference(), "A": "few images", "D": "mask left behind"},
    hint="You have exchanged two runs. With few images the training loss is the lower one; with "
    "masks that contradict the images the network cannot learn even the training set.",
)
diagnose_training.mistake(
    "the two rates exchanged",
    lambda: {**reference(), "C": "rate too low", "F": "rate too high"},
    hint="You have exchanged the two rates. One of the two curves is still on its way down.",
)
