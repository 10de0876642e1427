"""Check of the exercise `diagnose_flows`: five flows that went wrong, and why."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt

from course_lib.checks.kinds import Diagnose, Run, recorded
from course_lib.data import ring_centres

CAUSES = {
    "time not told": "then one arrow has to serve for all times: both losses lie above the sound "
    "run's, and the points lie inside of the ring as well, up to its middle.",
    "few lines": "then the network learns them by heart: its own loss falls far below the sound "
    "run's, and the loss on fresh lines is far above it.",
    "data as target": "then the loss is nearly 0 late in time, where the data can all but be seen, "
    "and the points are scattered widely, most of them beyond the ring, for their noise is never "
    "taken away.",
    "clock backwards": "then both losses are those of the sound run, and the ring of points is too "
    "small.",
    "noise on the way": "then both losses are those of the sound run, and the points are a haze on "
    "both sides of the ring.",
    "one step": "then both losses are those of the sound run, and the points are one heap in the "
    "middle.",
    "nothing is wrong": "then the curves and the points are those of the sound run.",
}
RUNS = {
    "A": Run("few lines", "In run A, compare the network's own loss with the one on fresh "
             "lines."),
    "B": Run("noise on the way", "In run B both losses are the sound run's, so only the points can "
             "tell: on which side of the ring do they lie?"),
    "C": Run("time not told", "In run C, compare both losses with the sound run's before you look "
             "at the points."),
    "D": Run("clock backwards", "In run D, measure the ring of points."),
    "E": Run("data as target", "In run E, look at the right end of the loss on fresh lines: what "
             "is easy to say so near to the data?"),
}  # fmt: skip


def reference() -> dict[str, str]:
    """Return the cause of each run."""
    return {letter: run.cause for letter, run in RUNS.items()}


def show() -> None:
    """Draw for each run its loss, its loss on fresh lines by time, and where points end."""
    runs, centres = recorded(__file__), ring_centres(8)
    sound = runs["sound"]["by time"]
    updates = [100 * (k + 1) for k in range(len(runs["sound"]["loss"]))]
    figure, axes = plt.subplots(
        len(runs),
        3,
        figsize=(7.0, 1.75 * len(runs)),
        width_ratios=(1.5, 1.2, 1),
        layout="constrained",
    )
    for (left, middle, right), (letter, run) in zip(axes, runs.items(), strict=True):
        left.plot(updates, run["loss"])
        left.axhline(runs["sound"]["loss"][-1], color="black", lw=0.8, ls=":")
        left.set(ylim=(0, 3.2), ylabel="sound run" if letter == "sound" else f"run {letter}")
        places = range(len(sound))
        middle.bar(places, run["by time"], color="#E69F00")
        middle.step([k - 0.5 for k in range(len(sound) + 1)], [*sound, sound[-1]], "k:",
                    where="post", lw=0.8)  # fmt: skip
        middle.set(ylim=(0, 6), xticks=list(places), xticklabels=[])
        right.plot(*centres.T, "o", color="#0072B2", alpha=0.5)
        right.plot(*torch.tensor(run["points"]).T, "x", color="#D55E00", markersize=4)
        right.set(xlim=(-3.8, 3.8), ylim=(-3.8, 3.8), aspect="equal", xticks=[], yticks=[])
    titles = ("loss", "loss on fresh lines", "clouds, points drawn")
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title)
    axes[-1][0].set_xlabel("update")
    axes[-1][1].set_xticklabels(["noise", "", "", "", "data"])
    axes[-1][1].set_xlabel("time")
    plt.show()


diagnose_flows = Diagnose(
    "diagnose_flows",
    lab="flow_2d",
    level="build",
    minutes=15,
    reference=reference,
    runs=RUNS,
    causes=CAUSES,
    show=show,
)

diagnose_flows.mistake(
    "every fault sought in the training",
    lambda: {**reference(), "B": "time not told", "D": "few lines"},
    hint="In two of your runs you blame the training, and their losses are those of the sound run "
    "to the last digit. What has gone wrong after the training leaves no trace in a loss.",
)
diagnose_flows.mistake(
    "the two scattered rings exchanged",
    lambda: {**reference(), "B": "time not told", "C": "noise on the way"},
    hint="You have exchanged two runs whose points are scattered. In one of them the losses are "
    "those of the sound run.",
)
diagnose_flows.mistake(
    "the two sound trainings exchanged",
    lambda: {**reference(), "B": "clock backwards", "D": "noise on the way"},
    hint="Two of your runs have the sound run's losses, and you have exchanged them. In one the "
    "points are spread, in the other moved inwards. Which of the faults spreads, which moves?",
)
diagnose_flows.mistake(
    "the lowest loss taken for health",
    lambda: {**reference(), "A": "nothing is wrong"},
    hint="In run A the loss falls below the sound run's, and no network that learns end minus "
    "start from ever new lines can get so low, for the lines disagree with each other. How does it "
    "do on lines that it has not seen?",
)
diagnose_flows.mistake(
    "the two small losses exchanged",
    lambda: {**reference(), "A": "data as target", "E": "few lines"},
    hint="You have exchanged two runs whose loss lies below the sound run's. One of them is as "
    "small on fresh lines, the other is not.",
)
