"""Check of the exercise `diagnose_detectors`: five detectors that went wrong, and why."""

from __future__ import annotations

from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from course_lib.checks.kinds import Diagnose, Run, recorded

CAUSES = {
    "reported again": "then many boxes lie nearly on each other, and precision falls deeply when "
    "the second reports come, while the curve ends at the recall of the sound one.",
    "scores exchanged": "then the boxes are those of the sound detector, and the curve is lowest "
    "where it should be highest: the worst come first.",
    "moved aside": "then at an IoU of 0.5 much is found, at 0.75 next to nothing, and all boxes "
    "miss in the same direction.",
    "not separated": "then one box lies over several cells, and the curve ends at a small recall "
    "with a low precision, at both thresholds.",
    "only the sure ones": "then the curve follows that of the sound detector, and ends early: what "
    "is reported is right, and much is not reported.",
    "too few classes": "then a class has no curve at all; here there is one class only.",
    "nothing is wrong": "then the curves and the boxes are those of the sound detector.",
}
RUNS = {
    "A": Run("moved aside", "In run A, compare the two curves, and then the boxes' corners."),
    "B": Run("only the sure ones", "In run B, where does the curve end, and how high is it there?"),
    "C": Run("reported again", "In run C, look for frames that lie nearly on each other, and read "
             "how far to the right the curve goes."),
    "D": Run("scores exchanged", "In run D, compare the beginning of the curve with its end."),
    "E": Run("not separated", "In run E, count the cells inside of each box."),
}  # fmt: skip


def reference() -> dict[str, str]:
    """Return the cause of each run."""
    return {letter: run.cause for letter, run in RUNS.items()}


def show() -> None:
    """Draw for each detector precision against recall, and the boxes in one picture."""
    runs = recorded(__file__)
    figure, axes = plt.subplots(
        len(runs), 2, figsize=(6.4, 2.3 * len(runs)), width_ratios=(1.5, 1), layout="constrained"
    )
    for (left, right), (letter, run) in zip(axes, runs.items(), strict=True):
        for threshold, style in (("0.5", "-"), ("0.75", "--")):
            left.plot(*run[threshold], style, label=f"IoU {threshold}")
        left.set(xlim=(0, 1), ylim=(0, 1.05))
        left.set_ylabel("sound run" if letter == "sound" else f"run {letter}")
        for key, colour, width in (("truth", "#E69F00", 3.0), ("boxes", "#0072B2", 1.2)):
            for x1, y1, x2, y2 in run[key]:
                corner, size = (x1, y1), (x2 - x1, y2 - y1)
                right.add_patch(Rectangle(corner, *size, fill=False, ec=colour, lw=width))
        right.set(xlim=(-1, 67), ylim=(67, -1), aspect="equal", xticks=[], yticks=[])
    axes[0][0].set_title("precision against recall")
    axes[0][0].legend()
    axes[0][1].set_title("true (thick), found (thin)")
    axes[-1][0].set_xlabel("recall")
    plt.show()


diagnose_detectors = Diagnose(
    "diagnose_detectors",
    lab="judging_objects",
    level="build",
    minutes=15,
    reference=reference,
    runs=RUNS,
    causes=CAUSES,
    show=show,
)

diagnose_detectors.mistake(
    "everything is found twice",
    lambda: dict.fromkeys(RUNS, "reported again"),
    hint="Reports of what is found already are the cause of one of these runs. Ask of each curve "
    "three questions: where does it begin, where does it end, and how far apart are the two?",
)
diagnose_detectors.mistake(
    "the early end and the missing separation exchanged",
    lambda: {**reference(), "B": "not separated", "E": "only the sure ones"},
    hint="You have exchanged the two curves that end early. Which of the two detectors is right "
    "about what it reports?",
)
diagnose_detectors.mistake(
    "the scores and the reports exchanged",
    lambda: {**reference(), "C": "scores exchanged", "D": "reported again"},
    hint="You have exchanged two runs whose precision is low. With second reports the first ones "
    "are as good as ever, so the curve begins high.",
)
diagnose_detectors.mistake(
    "the border taken for a missing separation",
    lambda: {**reference(), "A": "not separated", "E": "moved aside"},
    hint="You have exchanged two runs that lose most at an IoU of 0.75. In one of them each box "
    "belongs to one cell, and misses it by the same way.",
)
