"""SimpleCNN on CIFAR-10, by a constant rate and by a schedule; on digits and on shapes."""

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
# Digits, drawn and written by people: equally many, equally long.
DIGITS = Recipe(
    name="classifier-digits",
    data=DataSpec(
        name="digits",
        size=32,
        task="classification",
        num_train=20_000,
        num_val=2_000,
        num_test=10_000,
    ),
    network=SIMPLE_CNN,
    config=TrainConfig(
        epochs=6,
        batch_size=128,
        lr=3e-3,
        optimizer="adamw",
        weight_decay=0.02,
        schedule="one-cycle",
        precision="bf16",
        channels_last=True,
    ),
    smoke=DataSpec(
        name="digits", size=32, task="classification", num_train=256, num_val=128, num_test=128
    ),
)
MNIST = replace(
    DIGITS,
    name="classifier-mnist",
    data=replace(DIGITS.data, name="mnist"),
    smoke=replace(DIGITS.smoke, name="mnist"),
)
# Shapes alone on an even ground: it names what generators of shapes draw. Longer, for after as long
# as digits get it is right about nearly all of them and sure of few.
SHAPES = replace(
    DIGITS,
    name="classifier-shapes",
    data=replace(DIGITS.data, name="shapes", condition="plain", num_train=60_000),
    config=replace(DIGITS.config, epochs=10),
    smoke=replace(DIGITS.smoke, name="shapes", condition="plain"),
)

NETWORKS = {"simple-cnn": SIMPLE_CNN}
RECIPES = {
    ("simple-cnn", "cifar10"): SCHEDULE,
    ("simple-cnn", "digits"): DIGITS,
    ("simple-cnn", "mnist"): MNIST,
    ("simple-cnn", "shapes"): SHAPES,
}
