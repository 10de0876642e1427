"""How many labelled images does a U-Net need? Equally many updates on more and more scenes.

The network and the size of the images are those of the losses' claims.
"""

from functools import partial

import torch

from course_lib.data import load
from course_lib.models import UNet
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.losses import SIZE, WIDTHS
from course_lib.results.claims.segmentation import streets_config, streets_sets, train_and_judge

NUMBERS = (24, 96, 384, 1536)  # training images: each four times the one before
UPDATES = 1152  # of 8 images: all of them see 9216 images, the few ones again and again
EVALUATIONS = 6


def claim_name(num: int) -> str:
    """Return the name of the claim for so many training images."""
    return f"unet-streets-{num}-images"


def _measure(context: Context, num: int) -> Measurement:
    torch.manual_seed(context.seed)
    _, val, test = streets_sets(context, SIZE)
    # Another seed, other scenes: what is measured includes the luck of which images were labelled.
    count = min(num, 16) if context.smoke else num
    train = load("streets", "train", size=SIZE, num=count, seed=context.seed)
    epochs = UPDATES * 8 // num
    config = streets_config(context, epochs=epochs, evaluate_every=epochs // EVALUATIONS)
    model = UNet(num_classes=train.num_classes, widths=WIDTHS)
    measurement = train_and_judge(context, model, (train, val, test), config)
    measurement.metrics["train_images"] = len(train)
    measurement.metrics["updates"] = train.num_batches(config.batch_size) * config.epochs
    return measurement


CLAIMS = tuple(
    Claim(
        name=claim_name(num),
        title=f"Small U-Net on {num} street scenes at 64x96, {UPDATES} updates",
        measure=partial(_measure, num=num),
        main="test_mean_iou",
        minutes=2,
    )
    for num in NUMBERS
)
