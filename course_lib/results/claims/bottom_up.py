"""Nuclei bottom-up and top-down: which way to objects wins where, with equal compute.

Bottom-up, a U-Net labels pixels, and post-processing makes objects of them: with a class for the
border between two nuclei (in two widths), or without one, by distance and watershed. Top-down is
Mask R-CNN. Each way has twelve settings of its post-processing; the one with the best panoptic
quality on the validation pictures is judged on the test pictures, as a whole and in thirds by how
much of the nuclei lies at a border to another one. Trainings with a quarter of the updates show
whether the order depends on the length, and the true classes of pixels in the place of a network's
what the post-processing costs by itself.

Time of one seed on one core: about 4 minutes a full training, its judging 1 more.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.data import ImageSet
from course_lib.data.scenes import cells
from course_lib.metrics import (
    FoundObjects,
    TrueObjects,
    average_precision,
    detection_curves,
    match_detections,
    panoptic_counts,
    panoptic_quality,
)
from course_lib.ops import boxes_of_masks, connected_components
from course_lib.post import (
    Segment,
    fill_holes,
    grow,
    panoptic_merge,
    panoptic_of,
    remove_small,
    split_touching,
)
from course_lib.recipes import Recipe
from course_lib.recipes.bottom_up import BOTTOM_UP, TOP_DOWN, TOP_DOWN_SHORT, BottomUpRecipe
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.files import load as load_result
from course_lib.train import predict, train_supervised
from course_lib.train.detection import train_detection
from course_lib.train.judge_objects import detect, found_objects, true_objects

THIRDS = ("few", "some", "many")  # of the test pictures, by how much of the nuclei is border
RESAMPLES = 1000
NUCLEUS = 1  # the class
SPECK = 4  # pixels below which no region is taken for a nucleus


@dataclass(frozen=True)
class Setting:
    """A setting of the post-processing; what a way does not use is 0.

    Args:
        threshold: on the probability of nucleus (bottom-up) or on the score (top-down).
        depth: in pixels, of the neck at which a region is split.
        area: in pixels, below which the inside of a nucleus is none.
    """

    threshold: float
    depth: float = 0.0
    area: int = 0


# Twelve for each way.
BY_DISTANCE = [Setting(t, depth=d) for t in (0.4, 0.5, 0.6) for d in (0.1, 0.25, 0.5, 0.75)]
BY_BORDER = [Setting(t, area=a) for t in (0.4, 0.6, 0.7, 0.8, 0.9, 0.95) for a in (1, 6)]
BY_SCORE = [Setting(t) for t in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)]


def by_distance(probabilities: Tensor, setting: Setting) -> Tensor:
    """Nuclei (H, W), numbered, from probabilities (2, H, W): split where the mask has a neck."""
    mask = fill_holes(remove_small(probabilities[1] >= setting.threshold, SPECK))
    return split_touching(mask, depth=setting.depth)


def by_border(probabilities: Tensor, setting: Setting) -> Tensor:
    """Nuclei (H, W), numbered, from probabilities (3, H, W): insides, grown over the border."""
    mask = fill_holes(remove_small(probabilities[1:].sum(0) >= 0.5, SPECK))
    inside = remove_small(probabilities[1] >= setting.threshold, setting.area, connectivity=4)
    markers, _ = connected_components(inside & mask, connectivity=4)
    return grow(markers, mask)


def by_score(found: FoundObjects, setting: Setting) -> Tensor:
    """Nuclei (H, W), numbered, from what was found: the surest take their pixels first."""
    assert found.masks is not None
    nothing = torch.zeros(found.masks.shape[1:], dtype=torch.int64)
    ids, segments = panoptic_merge(
        nothing,
        found.masks,
        found.labels,
        found.scores,
        things=(NUCLEUS,),
        min_score=setting.threshold,
    )
    return torch.where(ids <= sum(s.thing for s in segments), ids, 0)


def objects_of(ids: Tensor, probability: Tensor) -> FoundObjects:
    """Numbered nuclei (H, W) as the metrics take them; their score is their mean probability."""
    numbers = ids.unique()
    masks = ids == numbers[numbers > 0][:, None, None]
    scores = (probability * masks).sum((1, 2)) / masks.sum((1, 2)).clamp(min=1)
    labels = torch.full((len(masks),), NUCLEUS)
    return FoundObjects(boxes_of_masks(masks), labels, scores, masks)


def quality_counts(ids: Tensor, true_ids: Tensor) -> Tensor:
    """Panoptic counts (4,) of the nuclei in one picture; the background is stuff, not void."""
    return panoptic_counts(*_panoptic(ids), *_panoptic(true_ids), num_classes=2)[NUCLEUS]


def _panoptic(ids: Tensor) -> tuple[Tensor, list[Segment]]:
    _, places = ids.unique(return_inverse=True)
    places = places if (ids == 0).any() else places + 1  # numbers without gaps
    labels = torch.full((int(places.max()),), NUCLEUS)
    return panoptic_of((places > 0).long(), places, labels, things=(NUCLEUS,))


def crowding(data: ImageSet) -> Tensor:
    """Share of the nuclei's pixels in each picture (N,) that lie beside another nucleus."""
    classes = cells.border(data.targets)
    return (classes == 2).sum((1, 2)) / (classes > 0).sum((1, 2)).clamp(min=1)


def neighbours(ids: Tensor) -> Tensor:
    """Of each nucleus of a picture (H, W): how many others it touches, (n,)."""
    number = int(ids.max())
    padded = torch.nn.functional.pad(ids.long(), (1, 1, 1, 1))
    (height, width), meets = ids.shape, torch.zeros(number + 1, number + 1, dtype=torch.bool)
    for dy in range(3):
        for dx in range(3):
            meets[ids.long(), padded[dy : dy + height, dx : dx + width]] = True
    meets.fill_diagonal_(False)
    return meets[1:, 1:].sum(1)


Judge = Callable[[Any, Setting], Tensor]


def choose(outputs: list[Any], data: ImageSet, way: Judge, settings: list[Setting]) -> Setting:
    """Return the setting with the best panoptic quality; of equal ones the first."""
    quality = [
        panoptic_quality(
            torch.stack(
                [
                    quality_counts(way(output, setting), true)
                    for output, true in zip(outputs, data.targets.long(), strict=True)
                ]
            ).sum(0, keepdim=True)
        ).mean
        for setting in settings
    ]
    return settings[max(range(len(settings)), key=lambda k: (_number(quality[k]), -k))]


def judge(
    maps: list[Tensor], found: list[FoundObjects], data: ImageSet, resamples: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Score numbered nuclei and what was found, on all pictures and on thirds by crowding.

    Args:
        maps: of each picture, (H, W) numbered nuclei.
        found: of each picture, what average precision ranks.
        data: pictures with objects.
        resamples: how often the pictures are drawn anew.

    Returns:
        Scores by name, and what differences need: of each third, scores of the resamples.
    """
    truths = list(true_objects(data))
    counts = torch.stack(
        [quality_counts(ids, true) for ids, true in zip(maps, data.targets.long(), strict=True)]
    )  # (N, 4)
    numbers = torch.tensor([len(ids.unique()) - int((ids == 0).any()) for ids in maps])
    surplus = (numbers - torch.tensor([len(truth) for truth in truths])).double()
    matches = match_detections(found, truths, kind="mask")
    order = crowding(data).argsort(stable=True)
    groups = dict(zip(THIRDS, order.tensor_split(3), strict=True))
    groups = {"all": torch.arange(len(data)), **groups}
    metrics: dict[str, float] = {}
    arrays: dict[str, Any] = {}
    for name, pictures in groups.items():
        end = "" if name == "all" else f"_{name}"
        here = [matches[k] for k in pictures.tolist()]
        quality = panoptic_quality(counts[pictures].sum(0, keepdim=True))
        metrics |= {
            f"mask_ap{end}": detection_curves(here).mean,
            f"pq{end}": quality.mean,
            f"sq{end}": quality.mean_sq,
            f"rq{end}": quality.mean_rq,
            f"count_error{end}": float(surplus[pictures].abs().mean()),
            f"count_bias{end}": float(surplus[pictures].mean()),
            f"crowding{end}": float(crowding(data)[pictures].mean()),
        }
        arrays[f"resampled{end}"] = _resampled(here, counts[pictures], surplus[pictures], resamples)
    metrics["mask_ap50"] = average_precision(found, truths, kind="mask", iou_thresholds=(0.5,))
    metrics |= _found_by_neighbours(maps, truths, data)
    return {name: _number(value) for name, value in metrics.items()}, arrays


def _found_by_neighbours(
    maps: list[Tensor], truths: list[TrueObjects], data: ImageSet
) -> dict[str, float]:
    """Share of the true nuclei with no, one, more neighbours that have a partner (IoU > 1/2)."""
    hits: dict[str, list[bool]] = {"none": [], "one": [], "more": []}
    for ids, truth, true_ids in zip(maps, truths, data.targets.long(), strict=True):
        numbers = ids.unique()
        masks = (ids == numbers[numbers > 0][:, None, None]).flatten(1).double()
        assert truth.masks is not None
        true = truth.masks.flatten(1).double()
        shared = true @ masks.T
        union = true.sum(1)[:, None] + masks.sum(1)[None] - shared
        partner = (shared > 0.5 * union).any(1).tolist()
        for hit, others in zip(partner, neighbours(true_ids).tolist(), strict=True):
            hits[("none", "one", "more")[min(others, 2)]].append(hit)
    return {f"found_{key}": sum(row) / len(row) for key, row in hits.items() if row}


def _resampled(
    matches: list[Any], counts: Tensor, surplus: Tensor, resamples: int
) -> dict[str, list[float]]:
    """Scores of as many sets of pictures, drawn with replacement: the same sets for every run."""
    number = len(matches)
    generator = torch.Generator().manual_seed(number)
    drawn = torch.randint(number, (resamples, number), generator=generator)
    scores = {
        "mask_ap": [detection_curves([matches[k] for k in row]).mean for row in drawn.tolist()],
        "pq": panoptic_quality(counts[drawn].sum(1)).pq.tolist(),
        "count_error": surplus.abs()[drawn].mean(1).tolist(),
    }
    return {name: [round(_number(x), 4) for x in row] for name, row in scores.items()}


def _number(value: float) -> float:
    """0 for NaN: nothing was found."""
    return 0.0 if math.isnan(value) else value


def _bottom_up(context: Context, recipe: BottomUpRecipe) -> Measurement:
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    pixels = [recipe.pixels_of(part) for part in (train, val)]
    model = recipe.build(pixels[0], context.seed)
    history = train_supervised(
        model,
        *pixels,
        config=recipe.config_for(context.seed, smoke=context.smoke),
        out_dir=context.out_dir,
        device=context.device,
    )
    way, settings = _way(recipe)
    chances = [list(predict(model, part.images).softmax(1)) for part in (val, test)]
    setting = choose(chances[0], val, way, settings)
    maps = [way(one, setting) for one in chances[1]]
    found = [objects_of(ids, one[1:].sum(0)) for ids, one in zip(maps, chances[1], strict=True)]
    return _measurement(context, model, history, (train, val, test), setting, maps, found)


def perfect(recipe: BottomUpRecipe, data: ImageSet) -> list[Tensor]:
    """Return the probabilities (C, H, W) that a network without fault would give."""
    pixels = recipe.pixels_of(data)
    classes = torch.arange(pixels.num_classes)[:, None, None]
    return [(target == classes).float() for target in pixels.targets]


def _perfect(context: Context, recipes: dict[str, BottomUpRecipe]) -> Measurement:
    """What post-processing alone costs: each way, given the true classes of all pixels."""
    first = next(iter(recipes.values()))
    _, val, test = first.sets(context.root, smoke=context.smoke)
    metrics: dict[str, float] = {}
    for name, recipe in recipes.items():
        way, settings = _way(recipe)
        setting = choose(perfect(recipe, val), val, way, settings)
        chances = perfect(recipe, test)
        maps = [way(one, setting) for one in chances]
        found = [objects_of(ids, one[1:].sum(0)) for ids, one in zip(maps, chances, strict=True)]
        scores, _ = judge(maps, found, test, resamples=1)
        end = name.replace("-", "_")
        metrics |= {f"{key}_{end}": value for key, value in scores.items()}
    return Measurement(
        metrics=metrics,
        data=f"cells at {tuple(test.images.shape[-2:])}: the true classes of {len(val)} images to "
        f"choose the post-processing, of {len(test)} to test",
        fingerprint=test.fingerprint,
    )


def _way(recipe: BottomUpRecipe) -> tuple[Judge, list[Setting]]:
    return (by_border, BY_BORDER) if recipe.width else (by_distance, BY_DISTANCE)


def _top_down(context: Context, recipe: Recipe) -> Measurement:
    train, val, test = recipe.sets(context.root, smoke=context.smoke)
    model = recipe.build(train, context.seed)
    # The full one is the training of the claim on Mask R-CNN.
    same = recipe == TOP_DOWN and not context.smoke
    history = train_detection(
        model,
        train,
        val,
        config=recipe.config_for(context.seed, smoke=context.smoke),
        out_dir=context.run_of(TOP_DOWN.name) if same else context.out_dir,
        device=context.device,
    )
    size = (test.images.shape[-2], test.images.shape[-1])
    found = [list(found_objects(detect(model, part), size)) for part in (val, test)]
    setting = choose(found[0], val, by_score, BY_SCORE)
    maps = [by_score(one, setting) for one in found[1]]
    return _measurement(context, model, history, (train, val, test), setting, maps, found[1])


def _measurement(
    context: Context,
    model: torch.nn.Module,
    history: Any,
    sets: tuple[ImageSet, ImageSet, ImageSet],
    setting: Setting,
    maps: list[Tensor],
    found: list[FoundObjects],
) -> Measurement:
    train, val, test = sets
    metrics, arrays = judge(maps, found, test, context.pick(smoke=20, full=RESAMPLES))
    metrics |= {
        "threshold": setting.threshold,
        "depth": setting.depth,
        "area": float(setting.area),
        "best_epoch": (history.best_epoch or 0) + 1,
        "parameters": sum(p.numel() for p in model.parameters()),
        "train_seconds": sum(history.column("seconds")),
    }
    return Measurement(
        metrics=metrics,
        curves={"train_loss": history.column("train_loss")},
        arrays=arrays,
        data=f"cells at {tuple(test.images.shape[-2:])}: {len(train)} images to train, {len(val)} "
        f"to choose epoch and post-processing, {len(test)} to test",
        fingerprint=test.fingerprint,
    )


# What is compared with what: the first minus the second.
PAIRS = {
    "border": ("cells-border", "cells-mask-rcnn"),
    "foreground": ("cells-foreground", "cells-mask-rcnn"),
    "border_class": ("cells-border", "cells-foreground"),
    "wide_border": ("cells-wide-border", "cells-border"),
    "short": ("cells-border-short", "cells-mask-rcnn-short"),
}


def _differences(context: Context) -> Measurement:
    """Differences with 95 % intervals: the same pictures drawn for both, the seeds' mean taken."""
    runs = {
        name: load_result(name, context.results_dir).runs
        for name in sorted({name for pair in PAIRS.values() for name in pair})
    }
    metrics: dict[str, float] = {}
    for key, (first, second) in PAIRS.items():
        for end in ("", *(f"_{name}" for name in THIRDS)):
            for score in ("mask_ap", "pq", "count_error"):
                ours, theirs = (_of_seeds(runs[name], score, end) for name in (first, second))
                difference = ours[1] - theirs[1]
                low, high = difference.quantile(torch.tensor([0.025, 0.975]).double()).tolist()
                metrics |= {
                    f"{key}_{score}{end}": ours[0] - theirs[0],
                    f"{key}_{score}{end}_low": low,
                    f"{key}_{score}{end}_high": high,
                }
    return Measurement(
        metrics=metrics,
        data="the test pictures of the compared claims, drawn anew for both; 95 % intervals",
    )


def _of_seeds(runs: list[dict[str, Any]], score: str, end: str) -> tuple[float, Tensor]:
    """A score's mean over seeds, and that of each resample."""
    value = sum(run["metrics"][f"{score}{end}"] for run in runs) / len(runs)
    drawn = torch.tensor(
        [run["arrays"][f"resampled{end}"][score] for run in runs], dtype=torch.float64
    )
    return value, drawn.mean(0)


def _step_time(context: Context) -> Measurement:
    from course_lib.results.bench.bottom_up import update_times

    rounds = context.pick(smoke=1, full=40)
    return Measurement(
        metrics=update_times(rounds=rounds, smoke=context.smoke),
        data="batches of 8 pictures of cells; the U-Net with a border class and Mask R-CNN, in "
        f"turns; processor time of an update, the fastest of {rounds} rounds each, "
        f"{torch.get_num_threads()} thread(s)",
    )


TITLES = {
    "foreground": "Nuclei bottom-up: a U-Net's foreground, split by distance and watershed",
    "border": "Nuclei bottom-up: a U-Net with a border class, insides grown back",
    "wide-border": "Nuclei bottom-up: the same with a border twice as wide",
    "border-short": "Nuclei bottom-up: with a border class, a quarter of the updates",
}
CLAIMS = (
    *(
        Claim(
            name=recipe.name,
            title=TITLES[name],
            measure=partial(_bottom_up, recipe=recipe),
            main="pq",
            minutes=4.0 if recipe.config.epochs < TOP_DOWN.config.epochs else 12.0,
        )
        for name, recipe in BOTTOM_UP.items()
    ),
    Claim(
        name="cells-mask-rcnn",
        title="Nuclei top-down: Mask R-CNN",
        measure=partial(_top_down, recipe=TOP_DOWN),
        main="pq",
        after=(TOP_DOWN.name,),
        minutes=3.0,
    ),
    Claim(
        name=TOP_DOWN_SHORT.name,
        title="Nuclei top-down: Mask R-CNN, a quarter of the updates",
        measure=partial(_top_down, recipe=TOP_DOWN_SHORT),
        main="pq",
        minutes=4.0,
    ),
    Claim(
        name="cells-perfect-classes",
        title="Nuclei bottom-up from the true classes of pixels: what post-processing costs",
        measure=partial(
            _perfect, recipes={k: v for k, v in BOTTOM_UP.items() if not k.endswith("short")}
        ),
        main="pq_border",
        seeds=(0,),
        minutes=2.0,
    ),
    Claim(
        name="cells-differences",
        title="Nuclei bottom-up minus top-down, by crowding, with paired bootstrap intervals",
        measure=_differences,
        main="border_pq",
        seeds=(0,),
        after=tuple(sorted({name for pair in PAIRS.values() for name in pair})),
        minutes=0.5,
    ),
    Claim(
        name="cells-step-time",
        title="Time of an update on cells, a U-Net's by Mask R-CNN's",
        measure=_step_time,
        main="ratio",
        seeds=(0,),
        minutes=1.0,
    ),
)
