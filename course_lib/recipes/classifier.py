"""SimpleCNN on CIFAR-10, by a constant learning rate and by a schedule."""

from dataclasses import replace

from course_lib.data import Augment
from course_lib.models import SimpleCNN
from course_lib.recipes.recipe import DataSpec, Network, Recipe
from course_lib.train import TrainConfig

CIFAR10 = DataSpec(name="cifar10", task="classification")
SIMPLE_CNN = Network("SimpleCNN", SimpleCNN, {})

SCHEDULE = Recipe(
    name="classifier-cifar10-schedule",
    data=CIFAR10,
    network=SIMPLE_CNN,
    config=TrainConfig(
        epochs=10,
        batch_size=64,
        lr=3e-3,
        schedule="one-cycle",
        augment=Augment(flip=True, crop=2),
        precision="bf16",
        channels_last=True,
    ),
    smoke=replace(CIFAR10, num_train=640, num_val=640, num_test=640),
)
CONSTANT = replace(
    SCHEDULE,
    name="classifier-cifar10-constant",
    config=replace(SCHEDULE.config, schedule="constant", lr=1e-3),
)

NETWORKS = {"simple-cnn": SIMPLE_CNN}
RECIPES = {("simple-cnn", "cifar10"): SCHEDULE}
