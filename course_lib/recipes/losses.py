"""One small U-Net on small street scenes, the same training for eight losses.

It was fixed before any loss was tried, and nothing was tuned for one of them.
"""

from dataclasses import replace

from course_lib.data import Augment, ImageSet
from course_lib.losses import median_frequency_weights
from course_lib.models import UNet
from course_lib.recipes.recipe import DataSpec, Network, Recipe
from course_lib.train import TrainConfig

STREETS = DataSpec(
    name="streets", size=(64, 96), task="semantic", num_train=600, num_val=200, num_test=400
)
SMALL_UNET = Network("Small U-Net", UNet, {"widths": (8, 16, 32, 64)})
CONFIG = TrainConfig(
    epochs=20,
    batch_size=8,
    lr=5e-3,
    optimizer="adamw",
    weight_decay=0.01,
    schedule="one-cycle",
    clip_norm=1.0,
    precision="bf16",
    channels_last=True,
    augment=Augment(flip=True),
    evaluate_every=2,
)
LOSSES = {  # name of the candidate: loss of `TrainConfig`
    "cross-entropy": "cross-entropy",
    "weighted": "cross-entropy",
    "focal": "focal",
    "dice": "dice",
    "lovasz": "lovasz",
    "cross-entropy-dice": "cross-entropy+dice",
    "cross-entropy-lovasz": "cross-entropy+lovasz",
    "cross-entropy-boundary": "cross-entropy+boundary",
}
RECIPES = {
    name: Recipe(
        name=f"loss-{name}",
        data=STREETS,
        network=SMALL_UNET,
        config=replace(CONFIG, loss=loss),
        smoke=replace(STREETS, num_train=16, num_val=8, num_test=8),
    )
    for name, loss in LOSSES.items()
}


def config_for(name: str, train_set: ImageSet, seed: int, *, smoke: bool = False) -> TrainConfig:
    """Return the configuration of one run.

    Args:
        name: one of `LOSSES`; "weighted" lifts rare classes by median-frequency weights.
        train_set: whose pixels are counted for the weights.
        seed: of the run.
        smoke: for a run of seconds.
    """
    config = RECIPES[name].config_for(seed, smoke=smoke)
    if name != "weighted":
        return config
    weights = median_frequency_weights(train_set.targets, train_set.num_classes)
    return replace(config, class_weights=weights)
