"""Generators at 32x32: one recipe for each family, that of its paper where the time allows it.

A family's number of updates is what fits into about four minutes of one core, so a network that is
cheaper to train sees more images.
"""

from dataclasses import replace

from course_lib.models import (
    DCGANDiscriminator,
    DCGANGenerator,
    SimpleGANDiscriminator,
    SimpleGANGenerator,
    StyleGANDiscriminator,
    StyleGANGenerator,
)
from course_lib.recipes.recipe import DataSpec, Family, GANRecipe
from course_lib.train import GANConfig

NUM = 5000  # samples, and test images, that scores are computed from
NUM_VAL = 2000  # the same, for the curve
READINGS = 6  # points of the curve
LONGER = 4  # on MNIST, each once more with so many times the updates

# ---------------------------------------------------------------------------------- families

SIMPLE_GAN = Family(
    title="SimpleGAN",
    generator=SimpleGANGenerator,
    discriminator=SimpleGANDiscriminator,
    arguments={},
    opponent={"widths": (32, 64, 128, 256)},
    config=GANConfig(steps=2400, batch_size=64, lr=2e-4, betas=(0.5, 0.999)),
)
DCGAN = Family(
    title="DCGAN",
    generator=DCGANGenerator,
    discriminator=DCGANDiscriminator,
    arguments={"width": 16},
    opponent={"width": 16},
    config=GANConfig(steps=6000, batch_size=64, lr=1e-3, betas=(0.5, 0.999)),
)
WGAN_GP = Family(
    title="WGAN-GP",
    generator=DCGANGenerator,
    discriminator=DCGANDiscriminator,
    arguments={"width": 16},
    opponent={"width": 16, "norm": "layer"},
    config=GANConfig(
        steps=1800,
        batch_size=32,
        lr=1e-3,
        betas=(0.0, 0.9),
        loss="wasserstein",
        critic_steps=5,
        penalty="gradient",
        penalty_weight=10.0,
    ),
)
STYLEGAN = Family(
    title="StyleGAN2",
    generator=StyleGANGenerator,
    discriminator=StyleGANDiscriminator,
    arguments={"mixing": 0.5},
    opponent={},
    config=GANConfig(
        steps=1440,
        batch_size=32,
        lr=2e-3,
        betas=(0.0, 0.99),
        penalty="r1",
        penalty_weight=5.0,
        penalty_every=16,
    ),
)
FAMILIES = {
    "simple-gan": SIMPLE_GAN,
    "dcgan": DCGAN,
    "wgan-gp": WGAN_GP,
    "stylegan": STYLEGAN,
}
COMPARED = ("dcgan", "wgan-gp", "stylegan")

# -------------------------------------------------------------------------------------- data

DATA = {
    "mnist": DataSpec(name="mnist", size=32, task="classification"),
    "digits": DataSpec(
        name="digits",
        size=32,
        task="classification",
        num_train=20_000,
        num_val=NUM_VAL,
        num_test=NUM,
    ),
    "cifar10": DataSpec(name="cifar10", size=32, task="classification"),
    "shapes": DataSpec(
        name="shapes",
        size=32,
        task="classification",
        condition="plain",
        num_train=20_000,
        num_val=NUM_VAL,
        num_test=NUM,
    ),
}
SMOKE = {
    task: replace(data, num_train=128, num_val=128, num_test=128) for task, data in DATA.items()
}

# ----------------------------------------------------------------------------------- recipes


def at_length(config: GANConfig, steps: int) -> GANConfig:
    """Return a configuration with so many steps, read and drawn equally often over them."""
    readings, sheets = max(1, steps // (5 * READINGS)), max(1, steps // READINGS)
    return replace(config, steps=steps, log_every=readings, sample_every=sheets)


def _recipe(family: str, task: str, *, longer: int = 1, name: str | None = None) -> GANRecipe:
    own = FAMILIES[family]
    config = replace(own.config, ema_images=10_000, precision="bf16", channels_last=True)
    return GANRecipe(
        name=name or f"{family}-{task}",
        data=DATA[task],
        family=own,
        config=at_length(config, longer * own.config.steps),
        smoke=SMOKE[task],
    )


RECIPES = {
    ("simple-gan", "cifar10"): _recipe("simple-gan", "cifar10"),
    **{(family, task): _recipe(family, task) for family in COMPARED for task in DATA},
    ("stylegan", "digits"): _recipe("stylegan", "digits", longer=LONGER),
}
LONG = {
    family: _recipe(family, "mnist", longer=LONGER, name=f"{family}-mnist-long")
    for family in COMPARED
}
