"""Check of the exercise `diagnose_games`: five games that went wrong, and why."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt

from course_lib.checks.kinds import Diagnose, Run, recorded
from course_lib.data import ring_centres

CAUSES = {
    "judge too fast": "with the minimax loss and a discriminator that learns a hundred times as "
    "fast as the generator, both logits run far apart at once, and the generator, who hears "
    "nothing any more, stays where it was.",
    "no penalty": "the generator then settles on a part of the ring: what it draws is good, and "
    "the logits drift apart slowly, for the discriminator knows where nothing is drawn.",
    "critic without a bound": "a Wasserstein critic's level means nothing, so both readings can "
    "lie at -40 together; without a bound they also jump by tens at first, and the points are a "
    "heap far from most clouds.",
    "fakes labelled real": "both logits then go up, those of generated points no less than the "
    "others: real is the right answer to everything, and nobody tells the generator where the data "
    "are.",
    "leak": "with both backward calls before both steps, the generator's gradient pulls the logits "
    "of what is generated up to 0, so they never fall below; points are drawn almost as well as "
    "ever.",
    "rate too high": "the logits then part at the first readings, real above 0 and generated "
    "below, and every code is drawn at exactly the same point.",
    "nothing is wrong": "then the logits of real and generated points come together around 0, as "
    "in the sound run, and all eight clouds are drawn.",
}
RUNS = {
    "A": Run("critic without a bound", "In run A, read the numbers at the axis, and their sign."),
    "B": Run("leak", "In run B, is the logit of generated points ever below 0 for long?"),
    "C": Run("judge too fast", "In run C, how many updates does it take until nothing changes?"),
    "D": Run("no penalty", "In run D, count the clouds that are drawn."),
    "E": Run("fakes labelled real", "In run E, on which side of 0 do the two curves lie?"),
}


def reference() -> dict[str, str]:
    """Return the cause of each run."""
    return {letter: run.cause for letter, run in RUNS.items()}


def show() -> None:
    """Draw for each run the mean logits over the updates, and what is drawn at the end."""
    runs, centres = recorded(__file__), ring_centres(8)
    figure, axes = plt.subplots(
        len(runs), 2, figsize=(6.4, 1.9 * len(runs)), width_ratios=(1.9, 1), layout="constrained"
    )
    for (left, right), (letter, run) in zip(axes, runs.items(), strict=True):
        updates = [30 * k for k in range(len(run["real"]))]
        left.plot(updates, run["real"], label="real")
        left.plot(updates, run["generated"], "--", label="generated")
        left.axhline(0, color="grey", linewidth=0.8)
        left.set_ylabel("sound run" if letter == "sound" else f"run {letter}")
        right.plot(*centres.T, "o", color="#0072B2", alpha=0.5)
        right.plot(*torch.tensor(run["points"]).T, "x", color="#D55E00", markersize=4)
        right.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal", xticks=[], yticks=[])
    axes[0][0].set_title("mean logit, or the critic's mean reading")
    axes[0][0].legend()
    axes[0][1].set_title("modes, generated points")
    axes[-1][0].set_xlabel("update of the generator")
    plt.show()


diagnose_games = Diagnose(
    "diagnose_games",
    lab="gan_2d",
    level="build",
    minutes=15,
    reference=reference,
    runs=RUNS,
    causes=CAUSES,
    show=show,
)

diagnose_games.mistake(
    "everything has collapsed",
    lambda: dict.fromkeys(RUNS, "no penalty"),
    hint="Points in one place are a symptom of several causes. Look at the logits first: do they "
    "run apart, go up together, or wander?",
)
diagnose_games.mistake(
    "the judge and the labels exchanged",
    lambda: {**reference(), "C": "fakes labelled real", "E": "judge too fast"},
    hint="You have exchanged two runs in which the points stay together. A judge who has won keeps "
    "real and generated apart; one who is told that everything is real does not.",
)
diagnose_games.mistake(
    "the leak taken for a sound game",
    lambda: {**reference(), "B": "nothing is wrong"},
    hint="The points of run B look sound, and that is what makes this fault hard to find. Compare "
    "its logits with those of the sound run: on which side of 0 do they lie?",
)
diagnose_games.mistake(
    "the judge and the missing penalty exchanged",
    lambda: {**reference(), "C": "no penalty", "D": "judge too fast"},
    hint="You have exchanged two runs in which the logits run apart. Which of the two generators "
    "has found anything?",
)
