"""When does each loss help? One small U-Net on street scenes, the same recipe, eight losses.

Ten classes, the rarest with less than a fiftieth of the pixels of the most frequent one. The recipe
stands in `course_lib.recipes.losses`. The epoch is chosen by mean IoU on the validation scenes, and
each run is judged once on the test scenes, with every score of the chapter on metrics.

Time of one seed on one core: 1 to 3 minutes.
"""

from functools import partial

import torch
from torch import Tensor

from course_lib.data import ImageSet
from course_lib.metrics import (
    averages,
    best_temperature,
    boundary_counts,
    boundary_iou,
    confusion_per_image,
    expected_calibration_error,
    iou,
    paired_bootstrap,
    pixel_accuracy,
    recall,
)
from course_lib.recipes.losses import RECIPES, config_for
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.compact import pack_counts, unpack_counts
from course_lib.results.files import load as load_result
from course_lib.train import predict, train_supervised

TITLES = {
    "cross-entropy": "cross-entropy",
    "weighted": "cross-entropy, median-frequency weights",
    "focal": "focal loss, gamma 2",
    "dice": "Dice",
    "lovasz": "Lovász-softmax",
    "cross-entropy-dice": "cross-entropy + Dice",
    "cross-entropy-lovasz": "cross-entropy + Lovász-softmax",
    "cross-entropy-boundary": "cross-entropy + boundary",
}
RARE = ("pedestrian", "sign", "pole")  # each well below 1 % of the pixels


def claim_name(name: str) -> str:
    """Return the name of the claim of a candidate."""
    return RECIPES[name].name


def scores(logits: Tensor, test: ImageSet, temperature: float) -> tuple[dict[str, float], Tensor]:
    """Judge logits by every score of the chapter.

    Args:
        logits: (N, C, H, W) for the images of a set.
        test: the set.
        temperature: chosen on other images.

    Returns:
        Name -> number, and the confusion matrix of each image (N, C, C).
    """
    truth, guess = test.targets.cpu().long(), logits.argmax(1)
    per_image = confusion_per_image(guess, truth, test.num_classes, test.ignore_index)
    whole, means = per_image.sum(0), averages(per_image)
    of_classes = dict(zip(test.classes, iou(whole).tolist(), strict=True))
    found = dict(zip(test.classes, recall(whole).tolist(), strict=True))
    edges = boundary_counts(guess, truth, test.num_classes, ignore_index=test.ignore_index)
    metrics = {
        "test_mean_iou": means.macro,
        "test_rare_iou": sum(of_classes[name] for name in RARE) / len(RARE),
        "test_rare_recall": sum(found[name] for name in RARE) / len(RARE),
        "test_boundary_iou": float(boundary_iou(edges.sum(0)).nanmean()),
        "test_accuracy": float(pixel_accuracy(whole)),
        "test_frequency_weighted_iou": means.frequency_weighted,
        "test_image_iou": means.per_image,
        "temperature": temperature,
    }
    for key, t in (("test_calibration_error", 1.0), ("test_calibration_error_after", temperature)):
        metrics[key] = expected_calibration_error(
            (logits / t).softmax(1), truth, ignore_index=test.ignore_index
        )
    metrics |= {f"iou_{k.replace(' ', '_')}": v for k, v in of_classes.items() if v == v}
    return metrics, per_image


def _measure(context: Context, name: str) -> Measurement:
    recipe = RECIPES[name]
    train, val, test = recipe.sets(smoke=context.smoke)
    config = config_for(name, train, context.seed, smoke=context.smoke)
    model = recipe.build(train, context.seed)
    history = train_supervised(
        model, train, val, config=config, out_dir=context.out_dir, device=context.device
    )
    temperature = best_temperature(predict(model, val.images), val.targets.cpu())
    metrics, per_image = scores(predict(model, test.images), test, temperature)
    return Measurement(
        metrics=metrics
        | {
            "val_score": history.best_score or 0.0,
            "best_epoch": (history.best_epoch or 0) + 1,
        },
        curves={
            "val_mean_iou": history.column("val_mean_iou"),
            "train_loss": history.column("train_loss"),
        },
        arrays={"per_image": pack_counts(per_image)},
        data=f"streets at {recipe.data.size}: {len(train)} images to train, {len(val)} to choose "
        f"the epoch and the temperature, {len(test)} to test",
        fingerprint=test.fingerprint,
    )


def _differences(context: Context) -> Measurement:
    """Each loss minus cross-entropy in mean IoU: the same images drawn for both, seeds pooled."""
    counts = {
        name: torch.stack(
            [
                unpack_counts(run["arrays"]["per_image"])
                for run in load_result(claim_name(name), context.results_dir).runs
            ]
        )
        for name in TITLES
    }
    metrics: dict[str, float] = {}
    base = counts.pop("cross-entropy")
    for name, matrices in counts.items():
        result = paired_bootstrap(matrices, base, resamples=2000, seed=context.seed)
        key = name.replace("-", "_")
        metrics |= {key: result.difference, f"{key}_low": result.low, f"{key}_high": result.high}
    best = max(counts, key=lambda name: metrics[name.replace("-", "_")]).replace("-", "_")
    of_best = {
        "best_difference": metrics[best],
        "best_low": metrics[f"{best}_low"],
        "best_high": metrics[f"{best}_high"],
    }
    return Measurement(
        metrics=of_best | metrics,
        data="the test images of the compared losses, resampled together; 95 % intervals",
    )


CLAIMS = (
    *(
        Claim(
            name=claim_name(name),
            title=f"Small U-Net on streets at 64x96, trained with {title}",
            measure=partial(_measure, name=name),
            recipe=RECIPES[name],
            main="test_mean_iou",
            minutes=6,
        )
        for name, title in TITLES.items()
    ),
    Claim(
        name="loss-differences",
        title="Mean IoU of each loss minus that of cross-entropy, with paired bootstrap intervals",
        measure=_differences,
        main="best_difference",
        seeds=(0,),
        after=tuple(claim_name(name) for name in TITLES),
        minutes=0.5,
    ),
)
