"""Check of the exercise `diagnose_codes`: five VAEs that went wrong, and why."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt

from course_lib.checks.kinds import Diagnose, Run, recorded

READ_EVERY = 20  # steps between two readings
CAUSES = {
    "collapsed": "then all numbers of the code are silent, the divergence falls towards 0, and "
    "every code draws nearly the same picture.",
    "beta too large": "then some numbers of the code are silent and the others say little: the "
    "divergence stays well below that of the sound run, and the error well above.",
    "no divergence": "then the error is as low as in the sound run or lower, every number says "
    "several times as many nats, and codes from the prior draw torn digits on grey.",
    "divergence rewarded": "then the divergence rises by powers of ten, and the error with it.",
    "variance without a bound": "then a single reading of the divergence leaps by powers of ten "
    "and comes back, while bars and pictures at the end look sound.",
    "code too short": "then there are few bars, and all of them are high.",
    "nothing is wrong": "then curves, bars and pictures look like those of the sound run.",
}
RUNS = {
    "A": Run("no divergence", "In run A, compare the bars with those of the sound run, and read "
             "where the divergence goes."),
    "B": Run("variance without a bound", "In run B, is it the whole curve that is high, or single "
             "readings?"),
    "C": Run("beta too large", "In run C, count the bars that can be seen."),
    "D": Run("divergence rewarded", "In run D, read how many nats the divergence has at the end."),
    "E": Run("collapsed", "In run E, count the bars, and compare the four pictures."),
}  # fmt: skip


def reference() -> dict[str, str]:
    """Return the cause of each run."""
    return {letter: run.cause for letter, run in RUNS.items()}


def show() -> None:
    """Draw for each run both terms over the steps, the nats of each number, and four samples."""
    runs = recorded(__file__)
    figure, axes = plt.subplots(
        len(runs), 3, figsize=(6.8, 1.9 * len(runs)), width_ratios=(1.7, 1, 1), layout="constrained"
    )
    for (left, middle, right), (letter, run) in zip(axes, runs.items(), strict=True):
        for name, style in (("error", "-"), ("divergence", "--")):
            steps = [READ_EVERY * (k + 1) for k in range(len(run[name]))]
            left.plot(steps, run[name], style, label=name)
        left.set(yscale="log", xlim=(0, 610))
        left.set_ylabel("sound run" if letter == "sound" else f"run {letter}")
        middle.bar(range(len(run["nats"])), run["nats"], color="#009E73")
        middle.set(xticks=[], ylim=(0, 1.1 * max(3.0, *run["nats"])))
        pictures = torch.tensor([[[int(c) for c in row] for row in p] for p in run["drawn"]])
        strip = torch.cat([torch.cat([*pictures[:2]], 1), torch.cat([*pictures[2:]], 1)])
        right.imshow(strip, cmap="gray", vmin=0, vmax=9)
        right.set(xticks=[], yticks=[])
    axes[0][0].set_title("error and divergence")
    axes[0][0].legend()
    axes[0][1].set_title("nats of a number")
    axes[0][2].set_title("from the prior")
    axes[-1][0].set_xlabel("training step")
    plt.show()


diagnose_codes = Diagnose(
    "diagnose_codes",
    lab="vae",
    level="build",
    minutes=15,
    reference=reference,
    runs=RUNS,
    causes=CAUSES,
    show=show,
)

diagnose_codes.mistake(
    "everything has collapsed",
    lambda: dict.fromkeys(RUNS, "collapsed"),
    hint="A collapse silences *all* numbers of the code. Look at the bars first, then at the scale "
    "of the divergence.",
)
diagnose_codes.mistake(
    "collapse and large weight exchanged",
    lambda: {**reference(), "C": "collapsed", "E": "beta too large"},
    hint="You have exchanged two runs with a small divergence. In one of them some numbers still "
    "speak, and the pictures differ.",
)
diagnose_codes.mistake(
    "no divergence and a rewarded one exchanged",
    lambda: {**reference(), "A": "divergence rewarded", "D": "no divergence"},
    hint="You have exchanged two runs with a large divergence. Who is *paid* for being far from "
    "the prior goes there as fast as possible, at the cost of the error; who is not charged has no "
    "reason to.",
)
diagnose_codes.mistake(
    "leaps taken for a reward",
    lambda: {**reference(), "B": "divergence rewarded", "D": "variance without a bound"},
    hint="You have exchanged two runs that reach thousands of nats. One of them climbs steadily, "
    "the other leaps and comes back.",
)
