"""Segmentation on streets, pets and membranes: four networks by one recipe for each data set.

The recipe of a data set was fixed before any network was judged, and no setting was tuned for one
of the four. U-Net on streets is the same training in the comparison and in its own lab; on pets it
has a longer and wider one of its own.
"""

from dataclasses import replace
from typing import Any

from course_lib.data import Augment
from course_lib.models import (
    FCN,
    DeepLabV3,
    DeepLabV3Plus,
    DilatedFCN,
    PixelwiseClassifier,
    ResNetUNet,
    UNet,
)
from course_lib.recipes.recipe import DataSpec, Network, Recipe
from course_lib.train import TrainConfig

# ------------------------------------------------------------------------------------------ data

STREETS = DataSpec(
    name="streets",
    size=(96, 128),
    task="semantic",
    num_train=1200,
    num_val=200,
    num_test=400,
)
PETS = DataSpec(name="pets", size=128, task="semantic")
MEMBRANE = DataSpec(name="membrane", size=256, task="semantic")

SMOKE = {
    "streets": replace(STREETS, num_train=16, num_val=8, num_test=8),
    "pets": replace(PETS, size=64, num_train=24, num_val=24, num_test=24),
    "membrane": replace(MEMBRANE, size=64, num_train=4, num_val=4, num_test=4),
}

# -------------------------------------------------------------------------------------- training

STREETS_CONFIG = TrainConfig(
    epochs=24,
    batch_size=8,
    lr=3e-3,
    optimizer="adamw",
    weight_decay=0.01,
    schedule="one-cycle",
    precision="bf16",
    channels_last=True,
    augment=Augment(flip=True),
    evaluate_every=2,
)
PETS_CONFIG = TrainConfig(
    epochs=50,
    batch_size=8,
    lr=2e-3,
    optimizer="adamw",
    weight_decay=0.05,
    schedule="one-cycle",
    clip_norm=1.0,
    ema=0.995,
    precision="bf16",
    channels_last=True,
    augment=Augment(flip=True, scale=(0.7, 1.4), rotate=15, translate=0.1, colour=0.3),
    evaluate_every=2,
)
MEMBRANE_CONFIG = TrainConfig(
    epochs=60,
    batch_size=4,
    lr=2e-3,
    optimizer="adamw",
    weight_decay=0.05,
    schedule="one-cycle",
    clip_norm=1.0,
    precision="bf16",
    channels_last=True,
    augment=Augment(flip=True, scale=(0.8, 1.25), rotate=180, colour=0.2),
    evaluate_every=3,
)

# -------------------------------------------------------------------------------------- networks

UNET = Network("U-Net", UNet, {"widths": (16, 32, 64, 128)})
PIXELWISE = Network("Each pixel's colour alone", PixelwiseClassifier, {})
# The compared ones, each of about a million parameters.
ARCHITECTURES = {
    "fcn": Network("FCN-8s", FCN, {"backbone": "small", "stride": 8}),
    "unet": UNET,
    "deeplabv3": Network(
        "DeepLabV3, output stride 8", DeepLabV3, {"backbone": "small", "output_stride": 8}
    ),
    "deeplabv3plus": Network(
        "DeepLabV3+, output stride 16",
        DeepLabV3Plus,
        {"backbone": "small", "output_stride": 16, "separable": True},
    ),
}
NETWORKS = ARCHITECTURES | {
    "resnet-unet": Network("U-Net on a ResNet", ResNetUNet, {}),
    "dilated-fcn": Network("FCN with dilated convolutions", DilatedFCN, {}),
    "pixelwise": PIXELWISE,
}

# --------------------------------------------------------------------------------------- recipes

CONFIGS = {
    "streets": (STREETS, STREETS_CONFIG),
    "pets": (PETS, PETS_CONFIG),
    "membrane": (MEMBRANE, MEMBRANE_CONFIG),
}
COMPARED = {
    (name, task): Recipe(
        name=f"compare-{task}-{name}", data=data, network=network, config=config, smoke=SMOKE[task]
    )
    for task, (data, config) in CONFIGS.items()
    for name, network in ARCHITECTURES.items()
}

# U-Net on streets is one training, whichever claim asks for it.
UNET_STREETS = replace(COMPARED["unet", "streets"], name="unet-streets")
UNET_STREETS_NO_SKIPS = replace(
    UNET_STREETS,
    name="unet-streets-no-skips",
    network=Network("U-Net without skips", UNET.model, {**UNET.arguments, "skips": False}),
)
PIXELWISE_STREETS = replace(UNET_STREETS, name="pixelwise-streets", network=PIXELWISE)
UNET_PETS = Recipe(
    name="unet-pets",
    data=PETS,
    network=Network("U-Net", UNet, {"widths": (16, 32, 64, 128, 256), "dropout": 0.2}),
    config=replace(PETS_CONFIG, epochs=100),
    smoke=SMOKE["pets"],
)

RECIPES = COMPARED | {
    ("unet", "streets"): UNET_STREETS,
    ("unet", "pets"): UNET_PETS,
    ("pixelwise", "streets"): PIXELWISE_STREETS,
}

# -------------------------------------------------------------------------------------- controls

# The comparison's schedule on streets, with equal dropout, and equally many trials of the rate.
CONTROL_RATES = (1e-3, 3e-3, 1e-2)
TRIAL_SEED = 100  # of no run that is reported
CONTROL_DROPOUT = 0.1


def _control(title: str, like: Network, changes: dict[str, Any] | None = None) -> Network:
    own = like.arguments | {"dropout": CONTROL_DROPOUT} | (changes or {})
    return Network(title, like.model, own)


CONTROLS = {
    "fcn": _control("FCN-8s", ARCHITECTURES["fcn"]),
    "unet": _control("U-Net", UNET),
    "unet-no-skips": _control("U-Net without skips", UNET, {"skips": False}),
    "deeplabv3-8": _control("DeepLabV3, output stride 8", ARCHITECTURES["deeplabv3"]),
    "deeplabv3-16": _control(
        "DeepLabV3, output stride 16", ARCHITECTURES["deeplabv3"], {"output_stride": 16}
    ),
    # Half the rates of output stride 16, rounded up.
    "deeplabv3-32": _control(
        "DeepLabV3, output stride 32",
        ARCHITECTURES["deeplabv3"],
        {"output_stride": 32, "rates": (1, 1, 2)},
    ),
    "deeplabv3plus": _control("DeepLabV3+, output stride 16", ARCHITECTURES["deeplabv3plus"]),
}
CONTROL_RECIPES = {
    name: replace(UNET_STREETS, name=f"control-{name}", network=network)
    for name, network in CONTROLS.items()
}
