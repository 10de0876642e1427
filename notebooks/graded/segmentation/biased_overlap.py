"""Check of the question `biased_overlap`: an overlap that weighs both kinds of errors."""
# ruff: noqa: F821  (common.py, which stands before this file, defines torch, Tensor, score, labels)

from functools import partial
from typing import Any

from course_lib.checks.compare import assert_close, one_number
from course_lib.checks.core import Check


def solution(p: dict) -> str:
    each = {
        "left out": "if below == 0:\n    continue\nvalue = both / below",
        "one": "value = both / below if below else 1.0",
    }[p["absent"]].replace("\n", "\n        ")
    weight = {"even": "1.0", "root": "(int(true.sum()) + 1) ** 0.5"}[p["weight"]]
    groups = {"set": "[(predictions, targets)]", "image": "zip(predictions, targets)"}[p["over"]]
    return f"""\
means = []
for said, label in {groups}:
    keep = label != {p["void"]}
    said, label = said[keep], label[keep]
    total = weights = 0.0
    for k in range(num_classes):
        true, guess = label == k, said == k
        both = int((true & guess).sum())
        below = both + {p["missed"]} * int((true & ~guess).sum())
        below += {p["invented"]} * int((guess & ~true).sum())
        {each}
        weight = {weight}
        total += weight * value
        weights += weight
    means.append(total / weights)
return torch.tensor(sum(means) / len(means))"""


def facts(p: dict, data: object) -> dict:
    targets = torch.tensor([[[0, 0, 0, 1], [1, 1, 2, p["void"]]], [[0, 0, 1, 1], [2, 2, 2, 2]]])
    predictions = torch.tensor([[[0, 0, 1, 1], [1, 2, 2, 2]], [[0, 1, 1, 1], [2, 2, 0, 2]]])
    return {
        "TRUTH": targets.tolist(),
        "SAID": predictions.tolist(),
        "WANTED_SCORE": round(score(predictions, targets, 3, p=p).item(), 5),
    }


def check(p: dict) -> Check:
    right = partial(score, p=p)

    def reference(predictions: Tensor, targets: Tensor, num_classes: int) -> Tensor:
        return right(predictions, targets, num_classes).float()

    def draw(generator: torch.Generator, **kind: bool) -> tuple:
        return labels(generator, p, **kind)

    def two_classes(generator: torch.Generator, *, swap: bool = False) -> tuple:
        """Errors of one kind only, in class 1; what class 0 makes of them is the other kind."""
        number = int(torch.randint(5, 9, (), generator=generator))
        targets = torch.zeros(1, 4, 5, dtype=torch.long)
        targets.view(-1)[:number] = 1
        predictions = targets.clone()
        predictions.view(-1)[: number - 3] = 0
        return (targets, predictions, 2) if swap else (predictions, targets, 2)

    made = Check(
        "biased_overlap",
        lab="segmentation",
        level="build",
        minutes=30,
        reference=reference,
        example=partial(draw, void=True, absent=True),
        probe=one_number,
    )

    @made.holds("1 where everything is right, 0 where nothing is shared", points=1)
    def _ends(student: Any, generator: torch.Generator) -> None:
        _, targets, number = labels(generator, p)
        for predictions, wanted in ((targets, 1.0), ((targets + 1) % number, 0.0)):
            got = one_number(student, (predictions, targets, number))
            said = "is the truth" if wanted else "shares nothing with the truth"
            assert_close(got, torch.tensor(wanted), f"the score where the prediction {said}")

    made.equals_reference(
        "one image, only one kind of errors",
        points=2,
        example=[two_classes, partial(two_classes, swap=True)],
        what="the score of one image",
    )
    made.equals_reference(
        "several images with all classes",
        points=2,
        example=draw,
        what="the score where all pixels are labelled and all classes occur",
    )
    made.equals_reference(
        "pixels that nobody labelled do not count",
        points=1,
        example=partial(draw, void=True),
        what="the score with pixels that nobody labelled",
    )
    made.equals_reference(
        "classes that are nowhere",
        points=1,
        example=partial(draw, absent=True),
        what="the score where two classes are nowhere",
    )

    def wrong(name: str, hint: str, **changed: object) -> None:
        def mutant(predictions: Tensor, targets: Tensor, num_classes: int) -> Tensor:
            return score(predictions, targets, num_classes, p=p, **changed).float()

        made.mistake(name, mutant, hint=hint)

    wrong(
        "missed and invented exchanged",
        "You weigh missed pixels as invented ones and the other way round. Missed: they are in the "
        "truth, and not in the prediction.",
        missed=p["invented"],
        invented=p["missed"],
    )
    wrong("IoU", "This is IoU: both kinds of errors have the weight 1.", missed=1, invented=1)
    wrong("Dice", "This is Dice: both errors have the weight 1/2.", missed=0.5, invented=0.5)
    wrong(
        "missed ones alone",
        "You leave the invented pixels out: painting everything would cost nothing.",
        invented=0,
    )
    wrong(
        "unlabelled pixels counted",
        "You count the pixels that nobody labelled: whatever is predicted there is invented.",
        void="counted",
    )
    wrong(
        "unlabelled pixels become class 0",
        "You give the pixels that nobody labelled the label 0. They belong to no class: leave them "
        "out of prediction and truth.",
        void="class 0",
    )
    for other, hint in {
        "left out": "You leave out the classes that are neither in the truth nor predicted.",
        "one": "You count classes that are neither in the truth nor predicted as 1, a gift.",
        "zero": "You count classes that are neither in the truth nor predicted as 0, a penalty.",
    }.items():
        if other != p["absent"]:
            wrong(f"nowhere: {other}", f"{hint} The statement wants something else.", absent=other)
    for other, hint in {
        "set": "You count over all images together; the statement wants a mean in each image.",
        "image": "You take a mean in each image; the statement counts over all images together.",
    }.items():
        if other != p["over"]:
            wrong(f"over: {other}", hint, over=other)
    for other, hint in {
        "even": "Your classes all weigh the same; the statement weighs them.",
        "root": "You weigh the classes by their pixels; the statement weighs them all the same.",
    }.items():
        if other != p["weight"]:
            wrong(f"weight: {other}", hint, weight=other)
    return made
