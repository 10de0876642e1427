"""What the checks of the set `segmentation` share: the score, and its wrong forms."""

import torch
from torch import Tensor

CHOICES = {
    "missed": [0.3, 0.6, 1.4, 1.8],
    "invented": [0.4, 0.7, 1.2, 1.5],
    "void": [255, -1, 99],
    "absent": {
        "left out": "is left out of the mean",
        "one": "counts with the score 1",
    },
    "weight": {
        "even": "The mean over the classes is the ordinary one",
        "root": "The mean over the classes is weighted with the square root of the number of "
        "labelled pixels that the class has in the truth, plus 1",
    },
    "over": {
        "set": "Pixels are counted over all images together, and divided once",
        "image": "Each image gets its own mean, and the mean of these is returned",
    },
}


def score(
    predictions: Tensor,
    targets: Tensor,
    num_classes: int,
    *,
    p: dict,
    void: str = "left out",
    **changed: object,
) -> Tensor:
    """The score, in the form that p says; `changed` replaces some of p."""
    q = {**p, **changed}
    if q["over"] == "image":
        one = {**q, "over": "set"}
        pairs = zip(predictions, targets, strict=True)
        return torch.stack(
            [score(a[None], b[None], num_classes, p=one, void=void) for a, b in pairs]
        ).mean()
    if void == "left out":
        keep = targets != q["void"]
        predictions, targets = predictions[keep], targets[keep]
    elif void == "class 0":
        targets = targets.where(targets != q["void"], 0)
    predictions, targets = predictions.flatten(), targets.flatten()
    scores, weights = [], []
    for k in range(num_classes):
        said, true = predictions == k, targets == k
        both = (said & true).sum().double()
        missed, invented = (true & ~said).sum(), (said & ~true).sum()
        below = both + q["missed"] * missed + q["invented"] * invented
        if below == 0:
            if q["absent"] == "left out":
                continue
            scores.append(both + (q["absent"] == "one"))
        else:
            scores.append(both / below)
        number = true.sum().double()
        weights.append({"even": number * 0 + 1, "root": (number + 1).sqrt()}[q["weight"]])
    if not scores:
        return torch.tensor(torch.nan, dtype=torch.double)
    weight = torch.stack(weights)
    return (torch.stack(scores) * weight).sum() / weight.sum()


def labels(
    generator: torch.Generator,
    p: dict,
    *,
    void: bool = False,
    absent: bool = False,
    images: int = 3,
) -> tuple[Tensor, Tensor, int]:
    """Label maps of four classes, of unequal frequency; every class is in every image's truth."""
    shape = (images, 7, 9)
    draw = torch.rand(shape, generator=generator)
    targets = (draw > 0.55).long() + (draw > 0.8).long() + (draw > 0.92).long()
    targets[:, 0, :4] = torch.arange(4)
    other = torch.randint(0, 4, shape, generator=generator)
    wrong = torch.rand(shape, generator=generator) < torch.linspace(0.2, 0.5, images)[:, None, None]
    predictions = torch.where(wrong, other, targets)
    predictions[:, 0, :4] = torch.arange(4)
    if void:
        hide = torch.rand(shape, generator=generator) < 0.25
        hide[:, 0, :4] = False
        targets = targets.masked_fill(hide, p["void"])
    return predictions, targets, 6 if absent else 4
