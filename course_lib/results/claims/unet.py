"""U-Net on pets, beside a library's network trained the same way; U-Net and colour on streets."""

from functools import partial

import torch
from torch import nn

from course_lib.metrics import confusion_per_image, mean_iou, paired_bootstrap
from course_lib.recipes import Recipe
from course_lib.recipes.recipe import Sets
from course_lib.recipes.segmentation import (
    PIXELWISE_STREETS,
    UNET_PETS,
    UNET_STREETS,
    UNET_STREETS_NO_SKIPS,
)
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.results.files import load as load_result
from course_lib.train import (
    TrainConfig,
    evaluate,
    per_image_confusions,
    predict_averaged,
    train_supervised,
)


def _segment(
    context: Context, model: nn.Module, sets: Sets, config: TrainConfig, *, keep_images: bool = True
) -> Measurement:
    """Train, choose on the validation split, judge on the test split."""
    train, val, test = sets
    history = train_supervised(
        model, train, val, config=config, out_dir=context.out_dir, device=context.device
    )
    result = evaluate(model, test, device=context.device)
    metrics = {
        "test_mean_iou": result.mean_iou,
        "test_accuracy": result.accuracy,
        "val_score": history.best_score or 0.0,
        "best_epoch": (history.best_epoch or 0) + 1,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    for name, value in zip(test.classes, result.iou.tolist(), strict=True):
        metrics[f"iou_{name.replace(' ', '_')}"] = value
    arrays = {"confusion": result.confusion.tolist()}
    if keep_images:
        arrays["per_image"] = per_image_confusions(model, test).tolist()
    return Measurement(
        metrics=metrics,
        curves={
            "val_mean_iou": history.column("val_mean_iou"),
            "train_loss": history.column("train_loss"),
        },
        arrays=arrays,
        data=f"{train.name} at {tuple(test.images.shape[-2:])}: {len(train)} images to train, "
        f"{len(val)} to choose the epoch, {len(test)} to test",
        fingerprint=test.fingerprint,
    )


def _measure(context: Context, recipe: Recipe, *, keep_images: bool = False) -> Measurement:
    sets = recipe.sets(context.root, smoke=context.smoke)
    model = recipe.build(sets[0], context.seed)
    config = recipe.config_for(context.seed, smoke=context.smoke)
    measurement = _segment(context, model, sets, config, keep_images=keep_images)
    measurement.trained = (model, recipe.card(sets[0]))
    return measurement


def _averaged_pets(context: Context) -> Measurement:
    """Ask the networks of unet-pets six times: three scales, each mirrored as well.

    The scales are those with the best mean on the validation images, of seven choices between
    (1,) and (0.75, 1, 1.25, 1.5).
    """
    train, val, test = UNET_PETS.sets(context.root, smoke=context.smoke)
    model = UNET_PETS.build(train, context.seed)
    train_supervised(  # done already, where unet-pets was measured
        model,
        train,
        val,
        config=UNET_PETS.config_for(context.seed, smoke=context.smoke),
        out_dir=context.run_of(UNET_PETS.name),
        device=context.device,
    )
    guess = predict_averaged(model, test.images, batch_size=50).argmax(dim=1)
    counts = confusion_per_image(guess, test.targets.cpu(), 2, ignore_index=test.ignore_index)
    plain = per_image_confusions(model, test)
    return Measurement(
        metrics={
            "test_mean_iou": float(mean_iou(counts.sum(0))),
            "plain_mean_iou": float(mean_iou(plain.sum(0))),
        },
        arrays={"per_image": counts.tolist()},
        data=f"the networks and the {len(test)} test images of unet-pets",
    )


def _smp_pets(context: Context) -> Measurement:
    import segmentation_models_pytorch as smp

    sets = UNET_PETS.sets(context.root, smoke=context.smoke)
    torch.manual_seed(context.seed)
    model = smp.Unet("resnet18", encoder_weights=None, classes=2)
    config = UNET_PETS.config_for(context.seed, smoke=context.smoke)
    return _segment(context, model, sets, config)


def _difference(context: Context, names: tuple[str, str]) -> Measurement:
    """Compare two claims' networks image by image, all seeds pooled."""
    ours, peer = (
        torch.tensor(
            [run["arrays"]["per_image"] for run in load_result(n, context.results_dir).runs]
        )
        for n in names
    )
    result = paired_bootstrap(ours, peer, seed=context.seed)
    return Measurement(
        metrics={
            "difference": result.difference,
            "low": result.low,
            "high": result.high,
            "p_value": result.p_value,
            "ours": result.a,
            "peer": result.b,
        },
        data="the 200 test images of both claims, resampled together",
    )


PETS_PUBLISHED = (
    Published(
        "IoU 0.914 of pet against background",
        0.914,
        "the example notebook of segmentation_models.pytorch",
        "an FPN on a ResNet-34 with ImageNet weights, on all 37 breeds; ours starts from nothing "
        "and sees 250 images of three breeds",
    ),
)

CLAIMS = (
    Claim(
        name=UNET_PETS.name,
        title="U-Net of the course on 300 pets at 128x128, from scratch",
        measure=partial(_measure, recipe=UNET_PETS, keep_images=True),
        main="test_mean_iou",
        needs=("pets",),
        checkpoint="unet-pets",
        published=PETS_PUBLISHED,
        minutes=30,
    ),
    Claim(
        name="smp-unet-pets",
        title="segmentation_models_pytorch's ResNet-18 U-Net, trained the same way",
        measure=_smp_pets,
        recipe=UNET_PETS,
        main="test_mean_iou",
        needs=("pets",),
        published=PETS_PUBLISHED,
        minutes=50,
    ),
    Claim(
        name="unet-pets-averaged",
        title="The same U-Net asked six times: three scales, each mirrored as well",
        measure=_averaged_pets,
        recipe=UNET_PETS,
        main="test_mean_iou",
        needs=("pets",),
        published=PETS_PUBLISHED,
        after=("unet-pets",),
        minutes=1,
    ),
    Claim(
        name="unet-pets-difference",
        title="Difference in mIoU, course minus peer, with a paired bootstrap over the images",
        measure=partial(_difference, names=("unet-pets", "smp-unet-pets")),
        main="difference",
        seeds=(0,),
        after=("unet-pets", "smp-unet-pets"),
        minutes=0.1,
    ),
    Claim(
        name="unet-pets-averaged-difference",
        title="What being asked six times gives: difference in mIoU, with a paired bootstrap",
        measure=partial(_difference, names=("unet-pets-averaged", "unet-pets")),
        main="difference",
        seeds=(0,),
        after=("unet-pets-averaged", "unet-pets"),
        minutes=0.1,
    ),
    Claim(
        name=UNET_STREETS.name,
        title="U-Net on street scenes at 96x128",
        measure=partial(_measure, recipe=UNET_STREETS),
        main="test_mean_iou",
        checkpoint="unet-streets",
        minutes=15,
    ),
    Claim(
        name=UNET_STREETS_NO_SKIPS.name,
        title="The same U-Net without its skips",
        measure=partial(_measure, recipe=UNET_STREETS_NO_SKIPS),
        main="test_mean_iou",
        minutes=13,
    ),
    Claim(
        name=PIXELWISE_STREETS.name,
        title="Labels from each pixel's colour alone (1x1 convolutions), street scenes at 96x128",
        measure=partial(_measure, recipe=PIXELWISE_STREETS),
        main="test_mean_iou",
        minutes=5,
    ),
)
