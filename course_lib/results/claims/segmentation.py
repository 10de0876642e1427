"""Four segmentation networks on three data sets, each trained by the same recipe.

The recipes stand in `course_lib.recipes.segmentation`. Each run is judged once on the test split; a
network trained on streets by day is judged on the same streets at dusk, in fog and at night as
well.

Time of one seed on one core: streets 4 to 12 minutes, pets 3 to 8, membrane 1 to 3.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from course_lib.data import load
from course_lib.metrics import iou, mean_iou, pixel_accuracy
from course_lib.recipes import Recipe
from course_lib.recipes.recipe import Sets
from course_lib.recipes.segmentation import ARCHITECTURES, COMPARED, UNET_STREETS
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.compact import pack_counts
from course_lib.train import TrainConfig, per_image_confusions, train_supervised

SHIFTS = ("dusk", "fog", "night")  # conditions of streets that no network has seen


def train_and_judge(
    context: Context,
    model: nn.Module,
    sets: Sets,
    config: TrainConfig,
    *,
    shifts: tuple[str, ...] = (),
    out_dir: Path | None = None,
) -> Measurement:
    """Train, choose the epoch on the validation split, judge on the test split.

    Args:
        context: of the measurement.
        model: with random weights.
        sets: to train, to choose, to test.
        config: the recipe.
        shifts: further conditions in which the test scenes are drawn and judged.
        out_dir: folder of the training, if it is not the claim's own.
    """
    train, val, test = sets
    history = train_supervised(
        model,
        train,
        val,
        config=config,
        out_dir=out_dir or context.out_dir,
        device=context.device,
    )
    counts = {"": per_image_confusions(model, test)}  # (N, C, C) for each condition
    for shift in shifts:
        size = (test.images.shape[-2], test.images.shape[-1])
        scenes = load(test.name, "test", size=size, num=len(test), seed=0, condition=shift)
        counts[f"_{shift}"] = per_image_confusions(model, scenes)
    metrics = {
        "test_mean_iou": float(mean_iou(counts[""].sum(0))),
        "test_accuracy": float(pixel_accuracy(counts[""].sum(0))),
        "val_score": history.best_score or 0.0,
        "best_epoch": (history.best_epoch or 0) + 1,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    for condition in list(counts)[1:]:
        metrics[f"test{condition}_mean_iou"] = float(mean_iou(counts[condition].sum(0)))
    for condition, per_image in counts.items():
        metrics |= _per_class(f"iou{condition}", per_image, test.classes)
    return Measurement(
        metrics=metrics,
        curves={
            "val_mean_iou": history.column("val_mean_iou"),
            "train_loss": history.column("train_loss"),
        },
        arrays={f"per_image{name}": pack_counts(per_image) for name, per_image in counts.items()},
        data=f"{train.name} at {tuple(test.images.shape[-2:])}: {len(train)} images to train, "
        f"{len(val)} to choose the epoch, {len(test)} to test",
        fingerprint=test.fingerprint,
    )


def _per_class(prefix: str, per_image: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """IoU of each class that occurs, over the whole test set."""
    values = iou(per_image.sum(0)).tolist()
    named = zip(classes, values, strict=True)
    return {f"{prefix}_{name.replace(' ', '_')}": v for name, v in named if v == v}


def _measure(context: Context, recipe: Recipe, shifts: tuple[str, ...] = ()) -> Measurement:
    sets = recipe.sets(context.root, smoke=context.smoke)
    model = recipe.build(sets[0], context.seed)
    config = recipe.config_for(context.seed, smoke=context.smoke)
    # The training of U-Net on streets is that of the claim unet-streets, and is not done twice.
    same = replace(recipe, name=UNET_STREETS.name) == UNET_STREETS
    out_dir = context.run_of(UNET_STREETS.name) if same else context.out_dir
    measurement = train_and_judge(context, model, sets, config, shifts=shifts, out_dir=out_dir)
    measurement.trained = (model, recipe.card(sets[0]))
    return measurement


TITLES = {
    "streets": "street scenes at 96x128",
    "pets": "300 pets at 128x128",
    "membrane": "membranes at 256x256",
}
CHECKPOINTS = {
    ("fcn", "streets"): "fcn-streets",
    ("deeplabv3plus", "streets"): "deeplab-streets",
}
MINUTES = {"streets": 18.0, "pets": 18.0, "membrane": 6.0}


def claim_name(task: str, architecture: str) -> str:
    """Return the name of the claim of one network on one data set."""
    return f"compare-{task}-{architecture}"


CLAIMS = tuple(
    Claim(
        name=claim_name(task, name),
        title=f"{ARCHITECTURES[name].title} on {TITLES[task]}",
        measure=partial(_measure, recipe=recipe, shifts=SHIFTS if task == "streets" else ()),
        main="test_mean_iou",
        needs=() if recipe.data.drawn else (task,),
        checkpoint=CHECKPOINTS.get((name, task)),
        minutes=MINUTES[task],
    )
    for (name, task), recipe in COMPARED.items()
)
