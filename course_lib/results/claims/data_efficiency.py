"""How many labelled images does a U-Net need? Equally many updates on more and more scenes."""

from functools import partial

import torch

from course_lib.models import UNet
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.segmentation import streets_config, streets_sets, train_and_judge
from course_lib.results.claims.unet import STREETS_SIZE, STREETS_WIDTHS

NUMBERS = (24, 96, 384, 1536)  # training images: each four times the one before
UPDATES = 1152  # of 8 images: all of them see 9216 images, the few ones again and again
EVALUATIONS = 6


def claim_name(num: int) -> str:
    """Return the name of the claim for so many training images."""
    return f"unet-streets-{num}-images"


def _measure(context: Context, num: int) -> Measurement:
    from course_lib.data import load

    torch.manual_seed(context.seed)
    _, val, test = streets_sets(context)
    # Another seed, other scenes: what is measured includes the luck of which images were labelled.
    count = min(num, 16) if context.smoke else num
    train = load("streets", "train", size=STREETS_SIZE, num=count, seed=context.seed)
    epochs = UPDATES * 8 // num
    config = streets_config(context, epochs=epochs, evaluate_every=epochs // EVALUATIONS)
    model = UNet(num_classes=train.num_classes, widths=STREETS_WIDTHS)
    measurement = train_and_judge(context, model, (train, val, test), config)
    measurement.metrics["train_images"] = len(train)
    measurement.metrics["updates"] = train.num_batches(config.batch_size) * config.epochs
    return measurement


CLAIMS = tuple(
    Claim(
        name=claim_name(num),
        title=f"U-Net on {num} street scenes at 96x128, {UPDATES} updates",
        measure=partial(_measure, num=num),
        main="test_mean_iou",
        percent=True,
        minutes=13,
    )
    for num in NUMBERS
)
