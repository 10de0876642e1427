"""Check of the exercise `diagnose_codebooks`: five VQ-VAEs that went wrong, and why."""

from __future__ import annotations

from matplotlib import pyplot as plt

from course_lib.checks.kinds import Diagnose, Run, recorded

CAUSES = {
    "loss after the line": "then the codes stay exactly where they began, while the error falls.",
    "nothing restarted": "then the codes that are used do move, the error falls, and the "
    "perplexity stays small for so long a list.",
    "gradient cut": "then nobody tells the encoder what the image lacks: after the first "
    "steps its codes stand still, and the error stays near that of the mean image.",
    "list too short": "then the perplexity comes up to the length of a list of 4, and no further.",
    "decoder frozen": "then the codes move farther and farther, for the encoder alone "
    "tries to please a decoder that does not learn, and the error does not get below that of the "
    "mean image.",
    "rate too high": "then the curves jump, and the error may rise without end.",
    "nothing is wrong": "then the curves are those of the sound run.",
}
RUNS = {
    "A": Run("nothing restarted", "In run A, compare perplexity and error with the sound run."),
    "B": Run("decoder frozen", "In run B, compare the error with the dotted line, and ask who "
             "still learns while the codes move."),
    "C": Run("loss after the line", "In run C, look at the third curve."),
    "D": Run("list too short", "In run D, read the height at which the perplexity ends."),
    "E": Run("gradient cut", "In run E, when do the codes stop moving, and what does an encoder "
             "do that is told to stay near its codes and nothing else?"),
}  # fmt: skip


def reference() -> dict[str, str]:
    """Return the cause of each run."""
    return {letter: run.cause for letter, run in RUNS.items()}


def show() -> None:
    """Draw for each run its error, its perplexity and how far its codes have moved."""
    runs = recorded(__file__)
    figure, axes = plt.subplots(
        len(runs), 3, figsize=(7.0, 1.55 * len(runs)), sharex=True, layout="constrained"
    )
    tops = {"error": 0.45, "perplexity": 30.0, "codes moved": 1.4}
    for row, (letter, run) in zip(axes, runs.items(), strict=True):
        for panel, (name, top) in zip(row, tops.items(), strict=True):
            panel.plot(run["step"], run[name])
            panel.set(ylim=(-0.03 * top, top))
        row[0].axhline(run["mean image"], color="black", lw=0.8, ls=":")
        row[0].set_ylabel("sound run" if letter == "sound" else f"run {letter}")
    titles = ("squared error", "perplexity", "codes moved by")
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title)
    for panel in axes[-1]:
        panel.set_xlabel("step")
    plt.show()


diagnose_codebooks = Diagnose(
    "diagnose_codebooks",
    lab="vqvae",
    level="build",
    minutes=15,
    reference=reference,
    runs=RUNS,
    causes=CAUSES,
    show=show,
)

diagnose_codebooks.mistake(
    "every codebook never learns",
    lambda: dict.fromkeys(RUNS, "loss after the line"),
    hint="A loss after the straight-through line is the cause of one of these runs. It has a sign "
    "of its own: which curve is exactly flat?",
)
diagnose_codebooks.mistake(
    "the two small perplexities exchanged",
    lambda: {**reference(), "A": "list too short", "D": "nothing restarted"},
    hint="You have exchanged two runs with a small perplexity whose codes do move. A list of 4 "
    "cannot show more than 4, and comes near it.",
)
diagnose_codebooks.mistake(
    "the two large errors exchanged",
    lambda: {**reference(), "B": "gradient cut", "E": "decoder frozen"},
    hint="You have exchanged the two runs whose error stays large. In one of them the codes move "
    "until the end, so somebody tells the encoder what the image lacks.",
)
diagnose_codebooks.mistake(
    "the falling errors taken for health",
    lambda: {**reference(), "A": "nothing is wrong", "C": "nothing is wrong"},
    hint="In two of your runs you looked at the error, which falls. A falling error is what makes "
    "these faults hard to find: look at the two other curves.",
)
