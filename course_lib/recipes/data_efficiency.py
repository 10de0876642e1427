"""The small U-Net of the losses on more and more street scenes, with equally many updates."""

from dataclasses import replace

from course_lib.recipes.losses import SMALL_UNET
from course_lib.recipes.losses import STREETS as SMALL_STREETS
from course_lib.recipes.recipe import Recipe
from course_lib.recipes.segmentation import STREETS_CONFIG

NUMBERS = (24, 96, 384, 1536)  # training images: each four times the one before
UPDATES = 1152  # of 8 images: all of them see 9216 images, the few ones again and again
EVALUATIONS = 6


def _recipe(num: int) -> Recipe:
    epochs = UPDATES * STREETS_CONFIG.batch_size // num
    data = replace(SMALL_STREETS, num_train=num)
    return Recipe(
        name=f"unet-streets-{num}-images",
        data=data,
        network=SMALL_UNET,
        config=replace(STREETS_CONFIG, epochs=epochs, evaluate_every=epochs // EVALUATIONS),
        smoke=replace(data, num_train=min(num, 16), num_val=8, num_test=8),
    )


RECIPES = {num: _recipe(num) for num in NUMBERS}
