"""Short trials of each generator on each data set, and the long training that follows from them.

See `course_lib.recipes.generator_trials` for what is tried, and how the choice is made.
"""

from functools import partial

from torch import nn

from course_lib.metrics import frechet_distance
from course_lib.recipes.generation import NUM_VAL
from course_lib.recipes.generator_trials import (
    NAMES,
    TRIALS,
    chosen,
    long_recipe,
    trial_recipes,
)
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.generation import TITLES, measure
from course_lib.results.files import load as load_result
from course_lib.train import draw_samples, sample_features, train_gan

PRIORITY = {"digits": 3, "shapes": 2, "cifar10": 1}  # of the long trainings; trials come before


def trials_of(family: str, task: str) -> str:
    """Return the name of the claim with the trials."""
    return f"trials-{family}-{task}"


def _try(context: Context, family: str, task: str) -> Measurement:
    """Train each variant once, and judge it on validation images."""
    recipes = trial_recipes(family, task)
    first = next(iter(recipes.values()))
    train, val, _ = first.sets(context.root, smoke=context.smoke)
    num = context.pick(smoke=32, full=NUM_VAL)
    real = sample_features(val.images[:num], device=context.device)

    def watch(candidate: nn.Module) -> dict[str, float]:
        features = sample_features(draw_samples(candidate, num), device=context.device)
        return {"val_cfd": frechet_distance(real, features)}

    metrics: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for name, recipe in recipes.items():
        config = recipe.config_for(context.seed, smoke=context.smoke)
        history = train_gan(
            *recipe.build(train, context.seed),
            train,
            config=config,
            evaluate=watch,
            evaluate_every=context.pick(smoke=1, full=5 * config.log_every),
            out_dir=context.out_dir / name,
            device=context.device,
        )
        curves[f"val_cfd_{name}"] = history.column("val_cfd")
        metrics[f"val_cfd_{name}"] = curves[f"val_cfd_{name}"][-1]
        metrics[f"warnings_{name}"] = len(history.warnings)
    metrics["best_val_cfd"] = min(metrics[f"val_cfd_{name}"] for name in recipes)
    return Measurement(
        metrics=metrics,
        curves=curves,
        data=f"{TITLES[task]} at 32x32: {len(train)} images to learn from, {num} to judge by",
    )


def _long(context: Context, family: str, task: str) -> Measurement:
    """Train long what the trials chose."""
    (run,) = load_result(trials_of(family, task), context.results_dir).runs
    scores = {name: run["metrics"][f"val_cfd_{name}"] for name in trial_recipes(family, task)}
    picked = chosen(family, scores)
    measurement = measure(context, long_recipe(family, task, picked))
    measurement.arrays["picked"] = picked
    return measurement


CLAIMS = (
    *(
        Claim(
            name=trials_of(family, task),
            title=f"Short trials of {family} on {TITLES[task]}, judged on validation images",
            measure=partial(_try, family=family, task=task),
            main="best_val_cfd",
            seeds=(100,),
            needs=("cifar10",) if task == "cifar10" else (),
            after=("sample-features",),
            minutes=45,
            priority=3 + PRIORITY[task],
            recipe=trial_recipes(family, task),
        )
        for family, task in NAMES
    ),
    *(
        Claim(
            name=f"{family}-{task}-tuned",
            title=f"{family} on {TITLES[task]}, three hours of a core, as the trials advise",
            measure=partial(_long, family=family, task=task),
            main="cfd",
            seeds=(0,),
            needs=("cifar10",) if task == "cifar10" else (),
            after=("sample-features", trials_of(family, task)),
            checkpoint=f"{family}-{task}-tuned",
            minutes=190,
            priority=PRIORITY[task],
            recipe=TRIALS[family],
        )
        for family, task in NAMES
    ),
)
