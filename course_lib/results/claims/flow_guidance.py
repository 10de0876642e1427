"""One trained flow drawn with more and more guidance: what pictures gain, and what they lose.

Validation images choose; test images are read once, for the guidance with the least CFD.
"""

from functools import partial

import torch
from torch import Tensor

from course_lib.data import ImageSet
from course_lib.models import Flow
from course_lib.recipes.classifier import SCHEDULE
from course_lib.recipes.flow import RECIPES, FlowRecipe
from course_lib.recipes.generation import NUM
from course_lib.results.claim import Claim, Context, Measurement
from course_lib.results.claims.generation import TITLES
from course_lib.results.claims.named import CLASSIFIERS, SURE, named
from course_lib.results.claims.variational import DRAWN
from course_lib.train import draw_samples, load_checkpoint, pick_device, sample_scores

GUIDANCES = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
NUM_EACH = 1000  # samples of each, held against as many validation images
NUM_SURE = 2000  # samples of which only the named share is asked
SCORES = ("cfd", "precision", "recall", "coverage")


def _read(samples: Tensor, real: ImageSet) -> dict[str, float]:
    """Return which share of samples (N, C, 32, 32), their classes in turn, a classifier reads."""
    share, names = named(samples, real.name)
    wanted = torch.arange(len(samples)) % real.num_classes
    return {"named": share, "asked_class": (names == wanted).double().mean().item()}


def _judged(samples: Tensor, real: ImageSet, context: Context) -> dict[str, float]:
    """Return what samples (N, C, 32, 32), their classes in turn, are worth beside real images."""
    found = sample_scores(samples, real, num=len(samples), device=context.device)
    return {**{name: found[name] for name in SCORES}, **_read(samples, real)}


def _guided(context: Context, recipe: FlowRecipe) -> Measurement:
    """Draw with each guidance; choose one by CFD and one by the share that is named.

    The flow is that of this seed; where its training is not at hand, the shipped one.
    """
    own = context.run_of(recipe.name) / "model.safetensors"
    model, _ = load_checkpoint(own if own.is_file() else recipe.name)
    whose = "the flow of this seed" if own.is_file() else "the shipped flow"
    assert isinstance(model, Flow)
    # Channels last: a fifth faster on a processor, the same pictures.
    model.to(pick_device(context.device)).to(memory_format=torch.channels_last)
    _, val, test = recipe.sets(context.root, smoke=context.smoke)
    num, num_test, num_sure = context.pick(smoke=(32, 32, 32), full=(NUM_EACH, NUM, NUM_SURE))
    asked = context.pick(smoke=GUIDANCES[1:3], full=GUIDANCES)
    found: list[dict[str, float]] = []
    for model.guidance in asked:
        samples = draw_samples(model, num, seed=context.seed)
        found.append(_judged(samples, val, context))
    nearest = min(range(len(asked)), key=lambda k: found[k]["cfd"])
    surest = max(range(len(asked)), key=lambda k: found[k]["named"])

    def fresh(guidance: float, count: int) -> Tensor:
        model.guidance = guidance
        return draw_samples(model, count, seed=context.seed + 1)  # not the noise that chose

    surest_read = _read(fresh(asked[surest], num_sure), test)
    return Measurement(
        metrics={
            "guidance": asked[nearest],
            **_judged(fresh(asked[nearest], num_test), test, context),
            "surest_guidance": asked[surest],
            **{f"surest_{name}": share for name, share in surest_read.items()},
            "named_val": named(val.images[:num], val.name)[0],
            "named_test": named(test.images[:num_test], test.name)[0],
        },
        curves={
            "guidance": list(asked),
            **{name: [scores[name] for scores in found] for name in found[0]},
        },
        data=f"{TITLES[recipe.data.name]} at 32x32, {whose}; curves: {num} samples with each "
        f"guidance beside {num} validation images; scores of the guidance with the least CFD "
        f"there: {num_test} new samples beside test images; surest: the "
        f"guidance under which a classifier is sure, above {SURE}, of most, and its share of "
        f"{num_sure} new samples. {test.note}".removesuffix(". "),
        fingerprint=test.fingerprint,
    )


CLAIMS = tuple(
    Claim(
        name=f"flow-guidance-{task}",
        title=f"Quality, diversity and named share against guidance, {TITLES[task]}",
        measure=partial(_guided, recipe=RECIPES["flow", task]),
        main="cfd",
        needs=() if task in DRAWN else (task,),
        after=("sample-features", f"classifier-{task}" if task in DRAWN else SCHEDULE.name),
        minutes=60,
        priority=15,
    )
    for task in CLASSIFIERS
)
