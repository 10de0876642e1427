"""Three generators on three data sets, each given about the same computing time.

The recipes stand in `course_lib.recipes.generation`. The curve of each run says how its score on
validation images grew with the images seen. Test images are read once, at the end.

The generator that is judged and shipped is the average of its last weights.
"""

from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.metrics import frechet_distance
from course_lib.recipes import GANRecipe
from course_lib.recipes.generation import DATA, LONG, LONGER, NUM, NUM_VAL, RECIPES, SMOKE
from course_lib.recipes.recipe import Sets
from course_lib.results.claim import Claim, Context, Measurement, Published
from course_lib.train import draw_samples, sample_features, sample_scores, train_gan

TITLES = {
    "mnist": "MNIST",
    "digits": "drawn digits",
    "cifar10": "CIFAR-10",
    "shapes": "drawn shapes",
}
COMPARED_ON = ("mnist", "cifar10", "shapes")  # on digits, one training each, for the labs


def sets(task: str, root: Path | None, *, smoke: bool) -> Sets:
    """Return the images to learn from, to watch, and to judge by, at 32x32."""
    return (SMOKE if smoke else DATA)[task].sets(root)


@cache
def _training_features(task: str, smoke: bool, root: Path | None, device: str) -> Tensor:
    """Compute the features of the training images once for all seeds of a claim."""
    return sample_features(sets(task, root, smoke=smoke)[0].images, device=device)


def measure(context: Context, recipe: GANRecipe) -> Measurement:
    """Train a generator, judge it, and keep it."""
    task, smoke = recipe.data.name, context.smoke
    train, val, test = recipe.sets(context.root, smoke=smoke)
    config = recipe.config_for(context.seed, smoke=smoke)
    generator, discriminator = recipe.build(train, context.seed)
    num_val, num = context.pick(smoke=(32, 64), full=(NUM_VAL, NUM))

    real = sample_features(val.images[:num_val], device=context.device)

    def watch(candidate: nn.Module) -> dict[str, float]:
        samples = draw_samples(candidate, num_val)
        features = sample_features(samples, device=context.device)
        return {"val_cfd": frechet_distance(real, features)}

    history = train_gan(
        generator,
        discriminator,
        train,
        config=config,
        evaluate=watch,
        evaluate_every=context.pick(smoke=1, full=5 * config.log_every),
        out_dir=context.out_dir,
        device=context.device,
    )
    scores = sample_scores(
        generator,
        test,
        training=train,
        training_features=_training_features(task, smoke, context.root, context.device),
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
        "updates": config.steps,
        "train_seconds": last["seconds"],
        "generator_parameters": sum(p.numel() for p in generator.parameters()),
        "discriminator_parameters": sum(p.numel() for p in discriminator.parameters()),
        "warnings": len(history.warnings),
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
        data=f"{TITLES[task]} at 32x32: {len(train)} images to learn from, scores from "
        f"{num} samples and the first {min(num, len(test))} test images. {test.note}".strip(),
        fingerprint=test.fingerprint,
        trained=(generator, recipe.card(train)),
    )


def _real(context: Context, *, task: str) -> Measurement:
    """Score training images as if they were samples: the best that a generator can hope for."""
    train, _, test = sets(task, context.root, smoke=context.smoke)
    num = context.pick(smoke=64, full=NUM)
    drawn = torch.randperm(len(train), generator=torch.Generator().manual_seed(context.seed))
    scores = sample_scores(train.images[drawn[:num]], test, num=num, device=context.device)
    return Measurement(
        metrics=scores,
        data=f"{num} training images of {TITLES[task]} against {num} test images. "
        f"{test.note}".strip(),
    )


PUBLISHED = {
    ("dcgan", "cifar10"): (28.95, "DCGAN"),
    ("wgan-gp", "cifar10"): (26.08, "WGAN-GP"),
}


def _published(family: str, task: str) -> tuple[Published, ...]:
    reason = (
        "FID in 2,048 features of Inception, with networks many times as large that saw many "
        "times as many images; ours is CFD, in other features, after minutes of one core. Only "
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


def _claim_title(recipe: GANRecipe) -> str:
    return f"{recipe.family.title} on {TITLES[recipe.data.name]} at 32x32"


CLAIMS = (
    *(
        Claim(
            name=recipe.name,
            title=f"{_claim_title(recipe)}, {LONGER} times as long",
            measure=partial(measure, recipe=recipe),
            main="cfd",
            seeds=(0,),
            needs=("mnist",),
            after=("sample-features",),
            checkpoint="stylegan-mnist" if family == "stylegan" else None,
            minutes=30,
        )
        for family, recipe in LONG.items()
    ),
    *(
        Claim(
            name=recipe.name,
            title=_claim_title(recipe),
            measure=partial(measure, recipe=recipe),
            main="cfd",
            seeds=(0, 1, 2) if task in COMPARED_ON else (0,),
            needs=() if recipe.data.drawn else (task,),
            after=("sample-features",),
            checkpoint=checkpoint_name(family, task),
            published=_published(family, task),
            minutes=20,
            priority=0 if task in COMPARED_ON else {"dcgan": 40, "stylegan": 30}.get(family, 20),
        )
        for (family, task), recipe in RECIPES.items()
    ),
    *(
        Claim(
            name=f"real-{task}",
            title=f"Training images of {TITLES[task]}, scored as if they were samples",
            measure=partial(_real, task=task),
            main="cfd",
            needs=() if data.drawn else (task,),
            after=("sample-features",),
            minutes=1,
        )
        for task, data in DATA.items()
    ),
)
