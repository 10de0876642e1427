"""Mask R-CNN on streets, cells and Penn-Fudan; torchvision's on Penn-Fudan by the same recipe.

The recipes stand in `course_lib.recipes.objects`. Each run chooses its epoch on the validation
split and is judged once on the test split. Time of one seed on one core: 6 to 9 minutes.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.metrics import FoundObjects, TrueObjects, count_error, detection_scores
from course_lib.metrics.average_precision import detection_curves, match_detections
from course_lib.models.mask_rcnn.twin import TorchvisionTwin
from course_lib.recipes import Recipe
from course_lib.recipes.objects import RECIPES, TWIN_PENN_FUDAN
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.results.files import load as load_result
from course_lib.train import pick_device
from course_lib.train.detection import NAMES, train_detection
from course_lib.train.judge_objects import SURE, detect, found_objects, true_objects

SCORES = ("box_ap", "box_ap50", "box_ap75", "mask_ap", "mask_ap50", "mask_ap75")
RESAMPLES = 1000
SHARES = (0.025, 0.975)  # of the resamples, below the ends of an interval
COMPARED = (RECIPES["mask-rcnn", "penn-fudan"].name, TWIN_PENN_FUDAN.name)


def _measure(context: Context, recipe: Recipe, intervals: bool = False) -> Measurement:
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    model = recipe.build(train, context.seed)
    kind: dict[str, Any] = {}
    if isinstance(model, TorchvisionTwin):  # it computes its losses itself
        kind["losses"] = dict
    history = train_detection(
        model,
        train,
        val,
        config=recipe.config_for(context.seed, smoke=context.smoke),
        out_dir=context.out_dir,
        device=context.device,
        **kind,
    )
    size = (test.images.shape[-2], test.images.shape[-1])
    detected, truth = detect(model, test), list(true_objects(test))
    pasted = {way: list(found_objects(detected, size, rounded=way)) for way in (False, True)}
    found = pasted[getattr(model, "rounded", False)]  # each as it does itself
    metrics = {
        **scores_on_test(found, truth, test.classes),
        "mask_ap_exact_paste": detection_scores(pasted[False], truth)["mask_ap"],
        "mask_ap_rounded_paste": detection_scores(pasted[True], truth)["mask_ap"],
        "val_score": history.best_score or 0.0,
        "best_epoch": (history.best_epoch or 0) + 1,
        "parameters": sum(p.numel() for p in model.parameters()),
        "objects": sum(len(objects) for objects in truth),
    }
    arrays: dict[str, Any] = {}
    if intervals:
        resamples = context.pick(smoke=20, full=RESAMPLES)
        for name in ("box", "mask"):
            matches = match_detections(found, truth, kind=name)
            scores = resampled(matches, resamples)
            low, high = scores.quantile(torch.tensor(SHARES, dtype=scores.dtype)).tolist()
            metrics |= {f"{name}_ap_low": low, f"{name}_ap_high": high}
            # The same images are drawn for every run, so that two can be compared image by image.
            arrays[f"{name}_ap_resampled"] = [round(x, 4) for x in scores.tolist()]
    names = ["val_mask_ap", "val_box_ap", "train_loss", *(f"train_{name}" for name in NAMES)]
    return Measurement(
        metrics=metrics,
        curves={name: history.column(name) for name in names},
        arrays=arrays,
        data=f"{train.name} at {size}: {len(train)} images to train, {len(val)} to choose the "
        f"epoch, {len(test)} to test",
        trained=(model, recipe.card(train)),
        fingerprint=test.fingerprint,
    )


def scores_on_test(
    found: list[FoundObjects], truth: list[TrueObjects], classes: tuple[str, ...]
) -> dict[str, float]:
    """COCO's scores, those of each class, and by how many objects a count is wrong."""
    every = detection_scores(found, truth)
    scores = {name: float(every[name]) for name in SCORES}
    curves = detection_curves(match_detections(found, truth, kind="mask"))
    for label, per_class in zip(curves.classes, curves.average_precision.T, strict=True):
        if per_class.isfinite().all():
            name = classes[label].replace(" ", "_")
            scores[f"mask_ap_{name}"] = float(per_class.mean())
    counts = count_error(
        torch.tensor([int((f.scores >= SURE).sum()) for f in found]),
        torch.tensor([len(t) for t in truth]),
    )
    scores |= {"count_error": counts.absolute, "count_bias": counts.bias}
    return scores


def resampled(matches: list[dict[int, Any]], number: int, seed: int = 0) -> Tensor:
    """Return the AP of as many sets of images drawn with replacement, the same for every run."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(matches), (number, len(matches)), generator=generator).tolist()
    sets = ([matches[image] for image in rows] for rows in drawn)
    scores = [detection_curves(one).mean for one in sets]
    return torch.tensor(scores, dtype=torch.float64).nan_to_num(0.0)


def _difference(context: Context) -> Measurement:
    """Ours minus torchvision's with 95 % intervals: the same photographs drawn for both."""
    runs = {name: load_result(name, context.results_dir).runs for name in COMPARED}
    metrics: dict[str, float] = {}
    for score in ("mask_ap", "box_ap"):
        value, drawn = (
            [
                torch.tensor([run[part][f"{score}{end}"] for run in runs[name]]).double().mean(0)
                for name in COMPARED
            ]
            for part, end in (("metrics", ""), ("arrays", "_resampled"))
        )
        low, high = (drawn[0] - drawn[1]).quantile(torch.tensor(SHARES).double()).tolist()
        metrics |= {score: float(value[0] - value[1]), f"{score}_low": low, f"{score}_high": high}
    return Measurement(
        metrics=metrics,
        data="the test photographs of both claims, drawn anew for both, their seeds' mean taken; "
        "95 % intervals",
    )


def _step_time(context: Context) -> Measurement:
    from course_lib.results.bench.detection import against_torchvision

    rounds = context.pick(smoke=1, full=30)
    torch.manual_seed(context.seed)
    metrics = against_torchvision(
        rounds=rounds, device=pick_device(context.device), smoke=context.smoke
    )
    for name in ("ratio", "quick_share"):
        metrics[f"worst_{name}"] = max(v for k, v in metrics.items() if k.endswith(f"_{name}"))
    return Measurement(
        metrics=metrics,
        data="batches of 8 scenes; the networks of the recipes; float32, and bfloat16 with "
        "channels_last (quick), ours and torchvision's in turns, the fastest of "
        f"{rounds} rounds each, {torch.get_num_threads()} thread(s)",
    )


TUTORIAL = Published(
    text="Mask R-CNN with a ResNet-50, the PyTorch tutorial",
    value=0.778,
    source="https://docs.pytorch.org/tutorials/intermediate/torchvision_tutorial.html",
    reason="mask AP on 50 images of the same set, drawn otherwise; it starts from weights trained "
    "on COCO, more than a hundred thousand images with people among the classes, is some twenty "
    "times as large and sees larger pictures; ours starts from nothing",
)
CLAIMS = (
    Claim(
        name="mask-rcnn-streets",
        title="Mask R-CNN on street scenes at 96x128",
        measure=partial(_measure, recipe=RECIPES["mask-rcnn", "streets"]),
        main="mask_ap",
        checkpoint="mask-rcnn-streets",
        minutes=27.0,
    ),
    Claim(
        name="mask-rcnn-cells",
        title="Mask R-CNN on cells at 96x128",
        measure=partial(_measure, recipe=RECIPES["mask-rcnn", "cells"]),
        main="mask_ap",
        checkpoint="mask-rcnn-cells",
        minutes=27.0,
    ),
    Claim(
        name="mask-rcnn-pennfudan",
        title="Mask R-CNN on Penn-Fudan at 160x192, from scratch",
        measure=partial(_measure, recipe=RECIPES["mask-rcnn", "penn-fudan"], intervals=True),
        main="mask_ap",
        needs=("penn-fudan",),
        checkpoint="mask-rcnn-pennfudan",
        published=(TUTORIAL,),
        minutes=27.0,
    ),
    Claim(
        name=TWIN_PENN_FUDAN.name,
        title="torchvision's Mask R-CNN on Penn-Fudan at 160x192, by the recipe of ours",
        measure=partial(_measure, recipe=TWIN_PENN_FUDAN, intervals=True),
        main="mask_ap",
        needs=("penn-fudan",),
        published=(TUTORIAL,),
        minutes=27.0,
    ),
    Claim(
        name="mask-rcnn-pennfudan-difference",
        title="Mask R-CNN on Penn-Fudan, ours minus torchvision's, by the same recipe",
        measure=_difference,
        main="mask_ap",
        seeds=(0,),
        after=COMPARED,
        minutes=0.1,
    ),
    Claim(
        name="mask-rcnn-step-time",
        title="Time of Mask R-CNN's training step, ours by torchvision's",
        measure=_step_time,
        main="worst_ratio",
        seeds=(0,),
        minutes=3.0,
    ),
)
