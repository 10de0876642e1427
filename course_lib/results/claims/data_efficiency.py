"""How many labelled images does a U-Net need? Equally many updates on more and more scenes."""

from dataclasses import replace
from functools import partial

from course_lib.recipes.data_efficiency import NUMBERS, RECIPES, UPDATES
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.segmentation import train_and_judge


def claim_name(num: int) -> str:
    """Return the name of the claim for so many training images."""
    return RECIPES[num].name


def _measure(context: Context, num: int) -> Measurement:
    recipe = RECIPES[num]
    data = context.pick(smoke=recipe.smoke, full=recipe.data)
    # Another seed, other scenes: what is measured includes the luck of which images were labelled.
    train = replace(data, scene_seed=context.seed).load("train")
    model = recipe.build(train, context.seed)
    config = recipe.config_for(context.seed, smoke=context.smoke)
    sets = (train, data.load("val"), data.load("test"))
    measurement = train_and_judge(context, model, sets, config)
    measurement.metrics["train_images"] = len(train)
    measurement.metrics["updates"] = train.num_batches(config.batch_size) * config.epochs
    return measurement


CLAIMS = tuple(
    Claim(
        name=claim_name(num),
        title=f"Small U-Net on {num} street scenes at 64x96, {UPDATES} updates",
        measure=partial(_measure, num=num),
        recipe=RECIPES[num],
        main="test_mean_iou",
        minutes=2,
    )
    for num in NUMBERS
)
