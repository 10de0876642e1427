"""Check of the question `examine_overlap`: a test that finds wrong forms of the score."""
# ruff: noqa: F821  (common.py, which stands before this file, defines torch, Tensor, score, labels)

from collections.abc import Callable
from functools import partial

from course_lib.checks.core import Check
from course_lib.checks.kinds import WriteTest


def solution(p: dict) -> str:
    predictions, targets, wanted = _case(p)
    return f"""\
predictions = torch.tensor({predictions.tolist()})
targets = torch.tensor({targets.tolist()})
got = float(overlap(predictions, targets, 4))
assert abs(got - {wanted:.6f}) < 1e-4, got"""


def _case(p: dict) -> tuple[Tensor, Tensor, float]:
    """Two images in which every wrong form gives another number; class 3 is nowhere."""
    targets = torch.tensor(
        [[[0, 0, 0, 0], [1, 1, 2, p["void"]]], [[0, 0, 1, 1], [2, 2, 2, 2]]], dtype=torch.long
    )
    predictions = torch.tensor([[[0, 0, 1, 1], [1, 2, 2, 1]], [[0, 1, 1, 1], [2, 0, 0, 2]]])
    return predictions, targets, score(predictions, targets, 4, p=p).item()


def _by_confusion(predictions: Tensor, targets: Tensor, num_classes: int, *, p: dict) -> Tensor:
    """A right answer from the counts, in float32."""
    if p["over"] == "image":
        one = {**p, "over": "set"}
        pairs = zip(predictions, targets, strict=True)
        each = [_by_confusion(a[None], b[None], num_classes, p=one) for a, b in pairs]
        return torch.stack(each).mean()
    keep = targets != p["void"]
    index = targets[keep] * num_classes + predictions[keep]
    counts = index.bincount(minlength=num_classes**2).view(num_classes, num_classes).float()
    hit, true, said = counts.diagonal(), counts.sum(1), counts.sum(0)
    below = hit + p["missed"] * (true - hit) + p["invented"] * (said - hit)
    values = torch.where(below > 0, hit / below, 1.0)
    weight = (true + 1).sqrt() if p["weight"] == "root" else torch.ones_like(true)
    if p["absent"] == "left out":
        weight = weight * (below > 0)
    return (values * weight).sum() / weight.sum()


def check(p: dict) -> WriteTest:
    predictions, targets, wanted = _case(p)

    def reference(overlap: Callable) -> None:
        got = float(overlap(predictions, targets, 4))
        assert abs(got - wanted) < 1e-4

    def right(predictions: Tensor, targets: Tensor, num_classes: int) -> Tensor:
        return score(predictions, targets, num_classes, p=p)

    of = Check("overlap", lab="segmentation", level="build", minutes=0, reference=right)

    def wrong(name: str, **changed: object) -> None:
        def mutant(predictions: Tensor, targets: Tensor, num_classes: int) -> Tensor:
            return score(predictions, targets, num_classes, p=p, **changed)

        of.mistake(name, mutant, hint="")

    wrong("errors exchanged", missed=p["invented"], invented=p["missed"])
    wrong("IoU in its place", missed=1, invented=1)
    wrong("unlabelled pixels counted", void="counted")
    wrong("unlabelled pixels become class 0", void="class 0")
    wrong("classes that are nowhere", absent="one" if p["absent"] == "left out" else "left out")
    wrong("the other mean over images", over="image" if p["over"] == "set" else "set")
    wrong("the other weights", weight="root" if p["weight"] == "even" else "even")
    made = WriteTest(
        "examine_overlap",
        lab="segmentation",
        level="build",
        minutes=25,
        reference=reference,
        of=of,
        right=(right, partial(_by_confusion, p=p)),
        wrong=[mistake.name for mistake in of.mistakes],
    )

    def one_image(overlap: Callable) -> None:
        got = float(overlap(predictions[1:], targets[1:], 4))
        value = score(predictions[1:], targets[1:], 4, p=p).item()
        assert abs(got - value) < 1e-4

    def all_there(overlap: Callable) -> None:
        got = float(overlap(predictions, targets, 3))
        assert abs(got - score(predictions, targets, 3, p=p).item()) < 1e-4

    def exact(overlap: Callable) -> None:
        got = overlap(predictions, targets, 4)
        assert got.dtype == torch.float64
        assert abs(got.item() - wanted) < 1e-9

    made.mistake(
        "accepts everything",
        lambda overlap: None,
        hint="Your test accepts every function. Let the prediction miss some pixels and invent "
        "others, work the score out by hand, and assert.",
    )
    made.mistake(
        "rejects a right function for its type",
        exact,
        hint="A right function may return float32 or float64, and round: compare with a "
        "tolerance, and do not ask for a type.",
    )
    made.mistake(
        "one image, all labelled",
        one_image,
        hint="You test one image in which every pixel is labelled. Each sentence of the statement "
        "is a promise, and each needs something in your example that would show it broken.",
    )
    made.mistake(
        "no class is missing",
        all_there,
        hint="Every class of your example is there. What is promised for one that is in neither "
        "the truth nor the prediction?",
    )
    return made
