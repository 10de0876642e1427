"""The trials change one thing each, and the long training follows from their scores alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from course_lib.recipes import generator_trials as trials
from course_lib.results import CLAIMS, load
from course_lib.results.claim import Context
from course_lib.results.claims.generator_trials import trials_of
from course_lib.results.files import add_run

FAMILIES = tuple(trials.TRIALS)


def differences(a: object, b: object) -> set[str]:
    return {name for name in vars(a) if getattr(a, name) != getattr(b, name)}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_trial_changes_one_thing(family: str) -> None:
    recipes = trials.trial_recipes(family, "digits")
    start = recipes.pop(trials.START)
    assert set(recipes) == {n for o in trials.TRIALS[family].choices.values() for n in o}
    assert {"width", "penalty", "rate", "balance", "average"} == set(trials.TRIALS[family].choices)
    for name, recipe in recipes.items():
        changed = differences(start.config, recipe.config)
        if name.startswith("width"):
            assert not changed and differences(start.family, recipe.family) == {
                "arguments",
                "opponent",
            }
        else:
            assert len(changed) == 1 and recipe.family == start.family, name
        assert recipe.config.steps == start.config.steps == trials.TRIALS[family].updates


@pytest.mark.parametrize("family", FAMILIES)
def test_no_pair_has_more_than_two_million_parameters(family: str) -> None:
    for name, recipe in trials.trial_recipes(family, "shapes").items():
        data = replace(recipe.data, num_train=2).load("train")
        players = recipe.build(data, 0)
        assert sum(p.numel() for model in players for p in model.parameters()) < 2e6, name


def test_the_long_training_takes_the_better_side_of_every_choice() -> None:
    scores = dict.fromkeys(trials.trial_recipes("dcgan", "digits"), 9.0)
    scores |= {
        trials.START: 5.0,
        "width-64": 4.0,
        "gamma-0": 3.0,
        "gamma-0.5": 2.0,
        "rate-1e-3": 5.5,
    }
    picked = trials.chosen("dcgan", scores)
    assert picked == {
        "width": "width-64", "penalty": "gamma-0.5", "rate": "start", "balance": "start",
        "average": "start",
    }  # fmt: skip
    recipe = trials.long_recipe("dcgan", "digits", picked)
    assert recipe.family.arguments["width"] == recipe.family.opponent["width"] == 64
    assert recipe.config.penalty_weight == 0.5 and recipe.config.lr == 5e-4
    assert recipe.config.steps == 67_100  # of 161 ms: three hours
    usual = trials.long_recipe("dcgan", "digits", dict.fromkeys(picked, trials.START))
    assert usual.config.steps == 174_200


def test_trials_come_before_what_follows_from_them() -> None:
    for family, task in trials.NAMES:
        short, long = CLAIMS[trials_of(family, task)], CLAIMS[f"{family}-{task}-tuned"]
        assert short.name in long.after and short.priority > long.priority
        assert not set(short.seeds) & set(long.seeds)
        assert long.checkpoint == long.name  # a name of its own: nothing that is shipped changes
    assert len({claim.digest for claim in CLAIMS.values() if claim.name.startswith("trials-")}) == 9


@pytest.mark.slow
def test_the_scores_decide_what_is_trained(tmp_path: Path) -> None:
    claim, long = CLAIMS[trials_of("dcgan", "digits")], CLAIMS["dcgan-digits-tuned"]
    context = Context(0, "cpu", None, tmp_path / "runs" / "claim" / "seed-0", True, tmp_path)
    tried = claim.measure(context).metrics
    assert tried["best_val_cfd"] == min(v for k, v in tried.items() if k.startswith("val_cfd_"))
    tried |= {"val_cfd_width-16": 0.001}
    add_run({"claim": claim.name, "size": "smoke"}, {"seed": 100, "metrics": tried}, tmp_path)
    assert load(claim.name, tmp_path).measured
    other = replace(context, out_dir=tmp_path / "runs" / "long" / "seed-0")
    measured = long.measure(other)
    assert measured.arrays["picked"]["width"] == "width-16"
    assert measured.trained is not None and measured.trained[1]["arguments"]["width"] == 16
