"""Short trials of what a generator's training is made of, and what is trained long with the best.

For each family one way of training is the start, and each trial changes one thing of it: the width
of both networks, the penalty's weight, the rate, the balance between the players, or how long the
average of the weights looks back. All have equally many updates and one seed, and are judged on
validation images. The long training takes the better side of every choice, the start included, and
as many updates as fit into three hours of a quiet core at that width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from course_lib.recipes.generation import COMPARED, DATA, FAMILIES, SMOKE, at_length
from course_lib.recipes.recipe import GANRecipe
from course_lib.train import GANConfig

TASKS = ("digits", "shapes", "cifar10")
HOURS = 3.0
START = "start"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one trial changes of the start.

    Args:
        networks: arguments of both constructors.
        config: fields of the configuration.
        step_ms: of one update at this width, where it differs from the start's.
    """

    networks: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    step_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The start of a family, and the trials of each choice.

    Args:
        networks: arguments of both constructors at the start.
        opponent: further ones of the discriminator.
        config: fields of the family's configuration that the start changes.
        step_ms: milliseconds of one update of the start, on one core.
        updates: of every trial.
        choices: choice -> name of a trial -> what it changes.
    """

    networks: dict[str, Any]
    config: dict[str, Any]
    step_ms: float
    updates: int
    choices: dict[str, dict[str, Change]]
    opponent: dict[str, Any] = field(default_factory=dict)


def _average(images: int) -> Change:
    return Change(config={"ema_images": images})


TRIALS = {
    "dcgan": Trials(
        networks={"width": 32},
        opponent={"norm": "layer"},  # the penalty is of one image, whatever the others are
        config={"lr": 5e-4, "penalty": "r1", "penalty_weight": 0.05, "penalty_every": 4},
        step_ms=62,
        updates=3000,
        choices={
            "width": {
                "width-16": Change(networks={"width": 16}, step_ms=31),
                "width-64": Change(networks={"width": 64}, step_ms=161),
            },
            "penalty": {
                "gamma-0": Change(config={"penalty": "none"}),
                "gamma-0.5": Change(config={"penalty_weight": 0.5}),
            },
            "rate": {
                "rate-2e-4": Change(config={"lr": 2e-4}),
                "rate-1e-3": Change(config={"lr": 1e-3}),
            },
            "balance": {"discriminator-half": Change(config={"lr_discriminator": 2.5e-4})},
            "average": {"average-50000": _average(50_000)},
        },
    ),
    "wgan-gp": Trials(
        networks={"width": 32},
        config={"lr": 5e-4},
        step_ms=184,
        updates=1000,
        choices={
            "width": {
                "width-16": Change(networks={"width": 16}, step_ms=109),
                "width-64": Change(networks={"width": 64}, step_ms=577),
            },
            "penalty": {
                "lambda-1": Change(config={"penalty_weight": 1.0}),
                "lambda-3": Change(config={"penalty_weight": 3.0}),
            },
            "rate": {
                "rate-2e-4": Change(config={"lr": 2e-4}),
                "rate-1e-3": Change(config={"lr": 1e-3}),
            },
            "balance": {"critic-2": Change(config={"critic_steps": 2})},
            "average": {"average-50000": _average(50_000)},
        },
    ),
    "stylegan": Trials(
        networks={},
        config={"penalty_weight": 1.0},
        step_ms=117,
        updates=1500,
        choices={
            "width": {"width-32": Change(networks={"channels": 32}, step_ms=212)},
            "penalty": {
                "gamma-0.2": Change(config={"penalty_weight": 0.2}),
                "gamma-5": Change(config={"penalty_weight": 5.0}),
            },
            "rate": {
                "rate-1e-3": Change(config={"lr": 1e-3}),
                "rate-4e-3": Change(config={"lr": 4e-3}),
            },
            "balance": {"discriminator-half": Change(config={"lr_discriminator": 1e-3})},
            "average": {"average-50000": _average(50_000)},
        },
    ),
}


def recipe_for(family: str, task: str, changes: tuple[Change, ...], name: str) -> GANRecipe:
    """Return the start with some changes, at the length of a trial."""
    own, trials = FAMILIES[family], TRIALS[family]
    networks = dict(trials.networks)
    config: dict[str, Any] = {"ema_images": 10_000, "precision": "bf16", "channels_last": True}
    config |= trials.config
    for change in changes:
        networks |= change.networks
        config |= change.config
    return GANRecipe(
        name=name,
        data=DATA[task],
        family=replace(
            own,
            arguments={**own.arguments, **networks},
            opponent={**own.opponent, **networks, **trials.opponent},
        ),
        config=at_length(_changed(own.config, config), trials.updates),
        smoke=SMOKE[task],
    )


def trial_recipes(family: str, task: str) -> dict[str, GANRecipe]:
    """Return one recipe for the start and for each trial, by name."""
    trials = {START: Change()}
    for options in TRIALS[family].choices.values():
        trials |= options
    return {
        name: recipe_for(family, task, (change,), f"trials-{family}-{task}")
        for name, change in trials.items()
    }


def chosen(family: str, scores: Mapping[str, float]) -> dict[str, str]:
    """Return the trial that each choice falls on, by validation scores (lower is better).

    Args:
        family: whose choices.
        scores: of the start and of all trials, by name.
    """
    return {
        choice: min([START, *options], key=lambda name: scores[name])
        for choice, options in TRIALS[family].choices.items()
    }


def long_recipe(family: str, task: str, picked: Mapping[str, str]) -> GANRecipe:
    """Return what is trained long: all that was picked at once, for `HOURS` of a core."""
    trials = TRIALS[family]
    changes = tuple(
        trials.choices[choice][name] for choice, name in picked.items() if name != START
    )
    recipe = recipe_for(family, task, changes, f"{family}-{task}-tuned")
    slow = [change.step_ms for change in changes if change.step_ms is not None]
    steps = round(HOURS * 3.6e6 / (slow[0] if slow else trials.step_ms), -2)
    return replace(recipe, config=at_length(recipe.config, int(steps)))


def _changed(config: GANConfig, changes: dict[str, Any]) -> GANConfig:
    return replace(config, **changes)


NAMES = tuple((family, task) for task in TASKS for family in COMPARED)
