"""Three generators on three data sets, each given about the same computing time.

Images are 32x32. A family has one recipe, that of its paper where the time allows it, for all data
sets. Its number of updates is what fits into about four minutes of one core. So a network that is
cheaper to train sees more images. The curve of each run says how its score on validation images
grew with the images seen. Test images are read once, at the end.

The generator that is judged and shipped is the average of its last weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet, load
from course_lib.metrics import frechet_distance
from course_lib.models import (
    DCGANDiscriminator,
    DCGANGenerator,
    SimpleGANDiscriminator,
    SimpleGANGenerator,
    StyleGANDiscriminator,
    StyleGANGenerator,
)
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.train import GANConfig, draw_samples, sample_features, sample_scores, train_gan

SIZE = 32
NUM = 5000  # samples, and test images, that the scores are computed from
NUM_VAL = 2000  # the same, for the curve
READINGS = 6  # points of the curve
SHAPES = {"train": 20_000, "val": NUM_VAL, "test": NUM}


@dataclass(frozen=True)
class Family:
    """A kind of generator with its opponent and the recipe of its paper."""

    title: str
    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]
    arguments: dict[str, Any]
    opponent: dict[str, Any]
    recipe: dict[str, Any]


FAMILIES: dict[str, Family] = {
    "simple-gan": Family(
        "SimpleGAN",
        SimpleGANGenerator,
        SimpleGANDiscriminator,
        {},
        {"widths": (32, 64, 128, 256)},
        {"lr": 2e-4, "betas": (0.5, 0.999)},
    ),
    "dcgan": Family(
        "DCGAN",
        DCGANGenerator,
        DCGANDiscriminator,
        {"width": 16, "size": SIZE},
        {"width": 16, "size": SIZE},
        {"lr": 1e-3, "betas": (0.5, 0.999)},
    ),
    "wgan-gp": Family(
        "WGAN-GP",
        DCGANGenerator,
        DCGANDiscriminator,
        {"width": 16, "size": SIZE},
        {"width": 16, "size": SIZE, "norm": "layer"},
        {
            "batch_size": 32,
            "lr": 1e-3,
            "betas": (0.0, 0.9),
            "loss": "wasserstein",
            "critic_steps": 5,
            "penalty": "gradient",
            "penalty_weight": 10.0,
        },
    ),
    "stylegan": Family(
        "StyleGAN2",
        StyleGANGenerator,
        StyleGANDiscriminator,
        {"size": SIZE, "mixing": 0.5},
        {"size": SIZE},
        {
            "batch_size": 32,
            "lr": 2e-3,
            "betas": (0.0, 0.99),
            "penalty": "r1",
            "penalty_weight": 5.0,
            "penalty_every": 16,
        },
    ),
}

TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "shapes": "drawn shapes"}
UPDATES = {"dcgan": 6000, "wgan-gp": 1800, "stylegan": 1440}  # of the generator, in equal time
STEPS: dict[str, dict[str, int]] = {
    "simple-gan": {"cifar10": 2400},
    **{family: dict.fromkeys(TITLES, updates) for family, updates in UPDATES.items()},
}
LONGER = 4  # on digits, each once more with so many times the updates
LONG = {family: f"{family}-mnist-long" for family in UPDATES}


def sets(task: str, context: Context) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Return the images to learn from, to watch, and to judge by, at 32x32."""
    if task == "shapes":
        numbers = {k: 128 for k in SHAPES} if context.smoke else SHAPES
        options: dict[str, Any] = {"task": "classification", "condition": "plain"}
        train, val, test = (
            load(task, split, size=SIZE, num=num, **options) for split, num in numbers.items()
        )
        return train, val, test
    limit = 128 if context.smoke else None
    train, val, test = (
        load(task, split, size=SIZE, root=context.root, num=limit)
        for split in ("train", "val", "test")
    )
    return train, val, test


def config(family: str, task: str, context: Context, *, steps: int | None = None) -> GANConfig:
    """Return the recipe of a family, with as many updates as the data set gets, or as told."""
    steps = 2 if context.smoke else steps or STEPS[family][task]
    recipe = {"batch_size": 64, **FAMILIES[family].recipe}
    if context.smoke:
        recipe["batch_size"] = 16
    return GANConfig(
        steps=steps,
        ema_images=10_000,
        precision="bf16",
        channels_last=True,
        seed=context.seed,
        log_every=max(1, steps // (5 * READINGS)),
        sample_every=max(1, steps // READINGS),
        **recipe,
    )


@cache
def _training_features(task: str, smoke: bool, root: Path | None, device: str) -> Tensor:
    """Compute the features of the training images once for all seeds of a claim."""
    context = Context(0, device, root, Path(), smoke, Path())
    return sample_features(sets(task, context)[0].images, device=device)


def _measure(context: Context, *, family: str, task: str, steps: int | None = None) -> Measurement:
    train, val, test = sets(task, context)
    recipe, kind = config(family, task, context, steps=steps), FAMILIES[family]
    channels = train.images.shape[1]
    torch.manual_seed(context.seed)
    arguments = {"out_channels": channels, **kind.arguments}
    generator = kind.generator(**arguments)
    discriminator = kind.discriminator(in_channels=channels, **kind.opponent)
    num_val, num = (32, 64) if context.smoke else (NUM_VAL, NUM)

    real = sample_features(val.images[:num_val], device=context.device)

    def watch(candidate: nn.Module) -> dict[str, float]:
        samples = draw_samples(candidate, num_val)
        features = sample_features(samples, device=context.device)
        return {"val_cfd": frechet_distance(real, features)}

    history = train_gan(
        generator,
        discriminator,
        train,
        config=recipe,
        evaluate=watch,
        evaluate_every=1 if context.smoke else 5 * recipe.log_every,
        out_dir=context.out_dir,
        device=context.device,
    )
    scores = sample_scores(
        generator,
        test,
        training=train,
        training_features=_training_features(task, context.smoke, context.root, context.device),
        num=num,
        device=context.device,
    )
    judged = [r for r in history.steps if "val_cfd" in r]
    last = history.steps[-1]
    metrics = {
        **scores,
        "val_cfd": judged[-1]["val_cfd"],
        "val_score": -judged[-1]["val_cfd"],
        "images_seen": last["images"],
        "updates": recipe.steps,
        "train_seconds": last["seconds"],
        "generator_parameters": sum(p.numel() for p in generator.parameters()),
        "discriminator_parameters": sum(p.numel() for p in discriminator.parameters()),
        "warnings": len(history.warnings),
    }
    card = {
        "arguments": arguments,
        "classes": train.classes,
        "task": "generation",
        "size": train.images.shape[-2:],
        "dataset": task,
        **({"condition": "plain"} if task == "shapes" else {}),
    }
    names = ("discriminator_loss", "generator_loss", "told_apart", "diversity")
    return Measurement(
        metrics=metrics,
        curves={
            "val_cfd": [r["val_cfd"] for r in judged],
            "val_cfd_images": [r["images"] for r in judged],
            "images": history.column("images"),
            **{name: history.column(name) for name in names},
        },
        data=f"{TITLES[task]} at {SIZE}x{SIZE}: {len(train)} images to learn from, scores from "
        f"{num} samples and the first {min(num, len(test))} test images. {test.note}".strip(),
        trained=(generator, card),
    )


def _real(context: Context, *, task: str) -> Measurement:
    """Score training images as if they were samples: the best that a generator can hope for."""
    train, _, test = sets(task, context)
    num = 64 if context.smoke else NUM
    drawn = torch.randperm(len(train), generator=torch.Generator().manual_seed(context.seed))
    scores = sample_scores(train.images[drawn[:num]], test, num=num, device=context.device)
    return Measurement(
        metrics=scores, data=f"{num} training images of {TITLES[task]} against {num} test images"
    )


PUBLISHED = {
    ("dcgan", "cifar10"): (28.95, "DCGAN"),
    ("wgan-gp", "cifar10"): (26.08, "WGAN-GP"),
}


def _published(family: str, task: str) -> tuple[Published, ...]:
    reason = (
        "FID in 2,048 features of Inception, with networks many times as large that were trained "
        "for days of a GPU's time; ours is CFD, in other features, after minutes of one core. Only "
        "the order can be compared"
    )
    if (family, task) in PUBLISHED:
        value, name = PUBLISHED[family, task]
        source = "reproductions of github.com/kwotsin/mimicry"
        return (Published(f"FID {value} of a {name}", value, source, reason),)
    if (family, task) == ("stylegan", "cifar10"):
        text = "FID 2.42 of a class-conditional StyleGAN2 with adaptive augmentation"
        return (Published(text, 2.42, "arXiv:2006.06676", reason),)
    return ()


def checkpoint_name(family: str, task: str) -> str:
    """Return the name under which a compared generator is shipped."""
    # The StyleGAN that the labs use is the one of the long training.
    return "stylegan-mnist-short" if (family, task) == ("stylegan", "mnist") else f"{family}-{task}"


CLAIMS = (
    *(
        Claim(
            name=LONG[family],
            title=f"{FAMILIES[family].title} on MNIST at {SIZE}x{SIZE}, {LONGER} times as long",
            measure=partial(_measure, family=family, task="mnist", steps=LONGER * updates),
            main="cfd",
            seeds=(0,),
            needs=("mnist",),
            after=("sample-features",),
            checkpoint="stylegan-mnist" if family == "stylegan" else None,
            minutes=30,
        )
        for family, updates in UPDATES.items()
    ),
    *(
        Claim(
            name=f"{family}-{task}",
            title=f"{FAMILIES[family].title} on {TITLES[task]} at {SIZE}x{SIZE}",
            measure=partial(_measure, family=family, task=task),
            main="cfd",
            needs=() if task == "shapes" else (task,),
            after=("sample-features",),
            checkpoint=checkpoint_name(family, task),
            published=_published(family, task),
            minutes=20,
        )
        for family, steps in STEPS.items()
        for task in steps
    ),
    *(
        Claim(
            name=f"real-{task}",
            title=f"Training images of {TITLES[task]}, scored as if they were samples",
            measure=partial(_real, task=task),
            main="cfd",
            needs=() if task == "shapes" else (task,),
            after=("sample-features",),
            minutes=1,
        )
        for task in TITLES
    ),
)
