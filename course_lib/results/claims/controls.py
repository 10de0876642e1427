"""The segmentation networks once more on streets, with the comparison's controls.

All have the same dropout, the same schedule and equally many trials of the learning rate. A trial
is a whole training with a seed of its own, judged on validation images; the rate that is best there
is the one with which the three reported seeds are trained. What differs between two lines is named
by their titles: skips, output stride, or the architecture.
"""

from dataclasses import replace
from functools import partial

from course_lib.recipes import Recipe
from course_lib.recipes.segmentation import CONTROL_RATES, CONTROL_RECIPES, TRIAL_SEED
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.segmentation import SHIFTS, train_and_judge
from course_lib.results.files import load as load_result
from course_lib.train import train_supervised


def trials_of(name: str) -> str:
    """Return the name of the claim that tried the rates for `control-NAME`."""
    return f"control-rates-{name}"


def _try_rates(context: Context, recipe: Recipe, rates: tuple[float, ...]) -> Measurement:
    """Train once with each rate, and judge on validation images."""
    train, val, _ = recipe.sets(context.root, smoke=context.smoke)
    scores = {}
    for rate in rates:
        config = replace(recipe.config_for(context.seed, smoke=context.smoke), lr=rate)
        history = train_supervised(
            recipe.build(train, context.seed),
            train,
            val,
            config=config,
            out_dir=context.out_dir / f"rate-{rate:g}",
            device=context.device,
        )
        scores[rate] = history.best_score or 0.0
    best = max(scores, key=lambda rate: scores[rate])
    return Measurement(
        metrics={
            "best_rate": best,
            "val_mean_iou": scores[best],
            **{f"val_mean_iou_{rate:g}": score for rate, score in scores.items()},
        },
        data=f"{train.name} at {tuple(train.images.shape[-2:])}: {len(train)} images to train, "
        f"{len(val)} to judge by",
    )


def _measure(context: Context, recipe: Recipe, trials: str) -> Measurement:
    """Train with the rate that the trials chose, and judge once on test images."""
    (chosen,) = load_result(trials, context.results_dir).values("best_rate")
    sets = recipe.sets(context.root, smoke=context.smoke)
    config = replace(recipe.config_for(context.seed, smoke=context.smoke), lr=chosen)
    model = recipe.build(sets[0], context.seed)
    measurement = train_and_judge(context, model, sets, config, shifts=SHIFTS)
    measurement.metrics["rate"] = chosen
    return measurement


CLAIMS = (
    *(
        Claim(
            name=trials_of(name),
            title=f"{recipe.network.title} on street scenes: three learning rates, on validation",
            measure=partial(_try_rates, recipe=recipe, rates=CONTROL_RATES),
            main="best_rate",
            seeds=(TRIAL_SEED,),
            minutes=20,
            priority=8,
        )
        for name, recipe in CONTROL_RECIPES.items()
    ),
    *(
        Claim(
            name=recipe.name,
            title=f"{recipe.network.title} on street scenes, equal dropout, its best rate of three",
            measure=partial(_measure, recipe=recipe, trials=trials_of(name)),
            main="test_mean_iou",
            after=(trials_of(name),),
            minutes=20,
            priority=7,
        )
        for name, recipe in CONTROL_RECIPES.items()
    ),
)
