"""Check of the question `diagnose_counts`: what went wrong, from confusion matrices alone."""

from itertools import permutations

from course_lib.checks.kinds import Diagnose, Run

CAUSES = {
    "range": "then nearly everything drifts to a few large classes, sky among them, and rare "
    "classes are hardly found.",
    "colours": "then classes that are known by their shape stay sound, and those that are known by "
    "their colour are taken for one another.",
    "mirrored": "then what lies on one side of the street is looked up on the other: even the "
    "largest classes lose a third, to their neighbours in every direction.",
    "moved": "then each class loses to what lies above or below it, the flat ones most; at the "
    "upper border, the sky meets what stood at the lower one.",
    "quarter": "then whatever is a few pixels wide is lost, and large areas keep their place.",
    "numbers": "then each row is that of the sound use, and stands in the column next to it.",
    "nothing is wrong": "then the matrix is that of the sound use, but for a few percent.",
}
LOOK = {
    "range": "compare the rows of building and vegetation: how much goes to the sky?",
    "colours": "compare the rows of road and sky.",
    "mirrored": "look at the row of the road, and at what sidewalk is taken for.",
    "moved": "look at the row of the sky.",
    "quarter": "compare the rows of building and vehicle.",
    "numbers": "look along the diagonal, and beside it.",
}
CHOICES = {
    "lot": [0, 1, 2],
    "runs": [list(order) for order in permutations(LOOK, 4)],
}


def _runs(p: dict) -> dict[str, str]:
    return dict(zip("ABCD", p["runs"], strict=True))


def solution(p: dict) -> str:
    return f"return {_runs(p)!r}"


def facts(p: dict, data: dict) -> dict:
    lot = data["lots"][p["lot"]]
    uses = {"sound": lot["sound"], **{letter: lot[cause] for letter, cause in _runs(p).items()}}
    return {"CLASSES": data["classes"], "COUNTS": uses}


def check(p: dict) -> Diagnose:
    causes = _runs(p)

    def reference() -> dict[str, str]:
        return dict(causes)

    made = Diagnose(
        "diagnose_counts",
        lab="segmentation",
        level="build",
        minutes=25,
        reference=reference,
        runs={
            letter: Run(cause, f"In use {letter}, {LOOK[cause]}")
            for letter, cause in causes.items()
        },
        causes=CAUSES,
        show=lambda: None,
    )
    made.mistake(
        "nothing is wrong",
        lambda: dict.fromkeys(causes, "nothing is wrong"),
        hint="None of the four is sound: compare the diagonals with that of the sound use.",
    )
    letters = {cause: letter for letter, cause in causes.items()}
    for one, other, hint in (
        ("range", "quarter", "Which of the two still finds the road?"),
        (
            "mirrored",
            "moved",
            "Which of the two keeps what lies beside, and loses what lies below?",
        ),
        ("range", "colours", "Which of the two still finds lane markings, by their shape?"),
        ("quarter", "moved", "Which of the two still finds half of the poles' pixels or more?"),
        ("mirrored", "quarter", "In which of the two are large areas still in their place?"),
        ("colours", "quarter", "Which of the two still finds pedestrians?"),
    ):
        if one in letters and other in letters:
            swapped = causes | {letters[one]: other, letters[other]: one}
            made.mistake(
                f"{one} and {other} exchanged",
                lambda swapped=swapped: dict(swapped),
                hint=f"You have exchanged two of them. {hint}",
            )
    return made
