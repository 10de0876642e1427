"""Generation by a flow: pictures drawn by following a velocity from noise.

The recipes stand in `course_lib.recipes.flow`. Test images are read once, at the end.
"""

import time
from functools import partial

import torch
from torch import nn

from course_lib.metrics import frechet_distance
from course_lib.recipes.flow import RECIPES, FlowRecipe
from course_lib.recipes.generation import NUM, NUM_VAL, READINGS
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.generation import TITLES
from course_lib.results.claims.variational import CLASSIFIERS, DRAWN, named
from course_lib.train import (
    draw_samples,
    pick_device,
    sample_features,
    sample_scores,
    shipped,
)

SHEET = 64  # samples, of which the time is taken


def measure(context: Context, recipe: FlowRecipe) -> Measurement:
    """Train a flow, judge its samples, and keep it."""
    task, smoke, device = recipe.data.name, context.smoke, pick_device(context.device)
    train, val, test = recipe.sets(context.root, smoke=smoke)
    num_val, num = context.pick(smoke=(32, 64), full=(NUM_VAL, NUM))
    real = sample_features(val.images[:num_val], device=context.device)

    def watch(candidate: nn.Module) -> dict[str, float]:
        samples = draw_samples(candidate, num_val)
        return {"val_cfd": frechet_distance(real, sample_features(samples, device=context.device))}

    model, history = recipe.train(
        train,
        seed=context.seed,
        smoke=smoke,
        evaluate=watch,
        evaluate_every=context.pick(smoke=2, full=max(1, recipe.config.steps // READINGS)),
        out_dir=context.out_dir,
        device=context.device,
        progress=False,
    )
    model.to(device).eval()
    started = time.perf_counter()
    draw_samples(model, min(num, SHEET))
    seconds = time.perf_counter() - started
    samples = draw_samples(model, num)
    scores = sample_scores(samples, test, training=train, num=num, device=context.device)
    last = history.steps[-1]
    metrics: dict[str, float] = {
        **scores,
        "val_cfd": last["val_cfd"],
        "val_score": -last["val_cfd"],
        "images_seen": last["images"],
        "train_seconds": last["seconds"],
        "sample_seconds": seconds,
        "steps": model.steps,
        "guidance": model.guidance,
        "parameters": sum(p.numel() for p in model.parameters()),
        **{name: value for name, value in last.items() if name.startswith("loss")},
    }
    # A run of seconds may come before the classifier.
    if task in CLASSIFIERS and (not smoke or CLASSIFIERS[task] in shipped()):
        metrics["named"], names = named(samples, task)
        metrics["named_test"], _ = named(test.images[:num], task)
        if model.num_classes:
            wanted = torch.arange(num) % model.num_classes
            metrics["asked_class"] = (names == wanted).double().mean().item()
    judged = [reading for reading in history.steps if "val_cfd" in reading]
    return Measurement(
        metrics=metrics,
        curves={
            "images": history.column("images"),
            "loss": history.column("loss"),
            "val_images": [reading["images"] for reading in judged],
            "val_cfd": [reading["val_cfd"] for reading in judged],
        },
        data=f"{TITLES[task]} at 32x32: {len(train)} images to learn from, scores from {num} "
        f"samples and the first {min(num, len(test))} test images. {test.note}".strip(),
        fingerprint=test.fingerprint,
        trained=(model, recipe.card(train)),
    )


def _claim(recipe: FlowRecipe) -> Claim:
    task = recipe.data.name
    drawn = task in DRAWN
    return Claim(
        name=recipe.name,
        title=f"{recipe.title} on {TITLES[task]} at 32x32",
        measure=partial(measure, recipe=recipe),
        main="cfd",
        needs=() if drawn else (task,),
        after=("sample-features", *((f"classifier-{task}",) if drawn else ())),
        checkpoint=recipe.name,
        minutes=3 * recipe.config.steps / 150,
        priority=25 if drawn else 10,
    )


CLAIMS = tuple(_claim(recipe) for recipe in RECIPES.values())
