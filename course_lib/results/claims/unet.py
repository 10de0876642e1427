"""U-Net on pets, beside a library's network trained the same way; U-Net and colour on streets."""

from functools import partial
from typing import Any

import torch
from torch import nn

from course_lib.data import Augment, ImageSet, load
from course_lib.metrics import confusion_per_image, mean_iou, paired_bootstrap
from course_lib.models import PixelwiseClassifier, UNet
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.results.files import load as load_result
from course_lib.train import (
    TrainConfig,
    evaluate,
    per_image_confusions,
    predict_averaged,
    train_supervised,
)

PETS_WIDTHS = (16, 32, 64, 128, 256)
PETS_AUGMENT = Augment(flip=True, scale=(0.7, 1.4), rotate=15, translate=0.1, colour=0.3)
STREETS_WIDTHS = (16, 32, 64, 128)
STREETS_SIZE = (96, 128)


def _pets_sets(context: Context) -> tuple[ImageSet, ImageSet, ImageSet]:
    size, num = (64, 24) if context.smoke else (128, None)
    train, val, test = (
        load("pets", split, size=size, task="semantic", root=context.root, num=num)
        for split in ("train", "val", "test")
    )
    return train, val, test


def _pets_config(context: Context) -> TrainConfig:
    return TrainConfig(
        epochs=1 if context.smoke else 100,
        batch_size=8,
        lr=2e-3,
        optimizer="adamw",
        weight_decay=0.05,
        schedule="one-cycle",
        clip_norm=1.0,
        ema=0.995,
        precision="bf16",
        channels_last=True,
        augment=PETS_AUGMENT,
        evaluate_every=2,
        seed=context.seed,
    )


def _segment(
    context: Context,
    model: nn.Module,
    sets: tuple[ImageSet, ImageSet, ImageSet],
    config: TrainConfig,
    card: dict[str, Any] | None,
    *,
    keep_images: bool = True,
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
    trained = None
    if card is not None:
        trained = (
            model,
            {
                "classes": test.classes,
                "task": "semantic",
                "size": tuple(test.images.shape[-2:]),
                **card,
            },
        )
    return Measurement(
        metrics=metrics,
        curves={
            "val_mean_iou": history.column("val_mean_iou"),
            "train_loss": history.column("train_loss"),
        },
        arrays=arrays,
        data=f"{train.name} at {tuple(test.images.shape[-2:])}: {len(train)} images to train, "
        f"{len(val)} to choose the epoch, {len(test)} to test",
        trained=trained,
    )


def _unet_pets(context: Context) -> Measurement:
    torch.manual_seed(context.seed)
    arguments: dict[str, Any] = {"num_classes": 2, "widths": PETS_WIDTHS, "dropout": 0.2}
    return _segment(
        context,
        UNet(**arguments),
        _pets_sets(context),
        _pets_config(context),
        {"arguments": arguments, "dataset": "pets"},
    )


def _averaged_pets(context: Context) -> Measurement:
    """Ask the networks of unet-pets six times: three scales, each mirrored as well.

    The scales are those with the best mean on the validation images, of seven choices between
    (1,) and (0.75, 1, 1.25, 1.5).
    """
    torch.manual_seed(context.seed)
    model = UNet(num_classes=2, widths=PETS_WIDTHS, dropout=0.2)
    train, val, test = _pets_sets(context)
    trained = context.out_dir.parent.parent / "unet-pets" / context.out_dir.name
    train_supervised(  # done already, where unet-pets was measured
        model, train, val, config=_pets_config(context), out_dir=trained, device=context.device
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

    torch.manual_seed(context.seed)
    model = smp.Unet("resnet18", encoder_weights=None, classes=2)
    return _segment(context, model, _pets_sets(context), _pets_config(context), None)


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


def _streets_sets(context: Context) -> tuple[ImageSet, ImageSet, ImageSet]:
    numbers = (16, 8, 8) if context.smoke else (1200, 200, 400)
    train, val, test = (
        load("streets", split, size=STREETS_SIZE, num=num, seed=0)
        for split, num in zip(("train", "val", "test"), numbers, strict=True)
    )
    return train, val, test


def _streets_config(context: Context) -> TrainConfig:
    return TrainConfig(
        epochs=1 if context.smoke else 24,
        batch_size=8,
        lr=3e-3,
        optimizer="adamw",
        weight_decay=0.01,
        schedule="one-cycle",
        precision="bf16",
        channels_last=True,
        augment=Augment(flip=True),
        evaluate_every=2,
        seed=context.seed,
    )


def _unet_streets(context: Context, *, skips: bool = True) -> Measurement:
    torch.manual_seed(context.seed)
    sets = _streets_sets(context)
    num_classes = len(sets[0].classes)
    arguments: dict[str, Any] = {
        "num_classes": num_classes,
        "widths": STREETS_WIDTHS,
        "skips": skips,
    }
    return _segment(
        context,
        UNet(**arguments),
        sets,
        _streets_config(context),
        {"arguments": arguments, "dataset": "streets"},
        keep_images=False,
    )


def _no_skips(context: Context) -> Measurement:
    return _unet_streets(context, skips=False)


def _pixelwise(context: Context) -> Measurement:
    torch.manual_seed(context.seed)
    sets = _streets_sets(context)
    model = PixelwiseClassifier(num_classes=len(sets[0].classes))
    return _segment(context, model, sets, _streets_config(context), None, keep_images=False)


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
        name="unet-pets",
        title="U-Net of the course on 300 pets at 128x128, from scratch",
        measure=_unet_pets,
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
        main="test_mean_iou",
        needs=("pets",),
        published=PETS_PUBLISHED,
        minutes=50,
    ),
    Claim(
        name="unet-pets-averaged",
        title="The same U-Net asked six times: three scales, each mirrored as well",
        measure=_averaged_pets,
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
        name="unet-streets",
        title="U-Net on street scenes at 96x128",
        measure=_unet_streets,
        main="test_mean_iou",
        checkpoint="unet-streets",
        minutes=15,
    ),
    Claim(
        name="unet-streets-no-skips",
        title="The same U-Net without its skips",
        measure=_no_skips,
        main="test_mean_iou",
        minutes=13,
    ),
    Claim(
        name="pixelwise-streets",
        title="Labels from each pixel's colour alone (1x1 convolutions), street scenes at 96x128",
        measure=_pixelwise,
        main="test_mean_iou",
        minutes=5,
    ),
)
