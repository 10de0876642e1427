"""The runs that are to be diagnosed are what the script measures today."""

from __future__ import annotations

import pytest

from course_lib.checks.four_steps import diagnose_training as training
from course_lib.checks.gan_2d import diagnose_games as games
from course_lib.checks.kinds import recorded
from tools.exercises import record


@pytest.mark.parametrize("cause", ["sound", "rate too high", "other scale"])
def test_the_first_pass_of_a_training(monkeypatch, cause):
    monkeypatch.setattr(record, "PASSES", 1)
    runner, recipes = record.RECIPES["diagnose_training"]
    letters = {run.cause: letter for letter, run in training.RUNS.items()}
    stored = recorded(training.__file__)[letters.get(cause, cause)]
    made = runner(**recipes[cause])
    assert made["train"][0] == pytest.approx(stored["train"][0], abs=0.02)
    assert made["truth"] == stored["truth"]


@pytest.mark.parametrize("cause", ["sound", "judge too fast", "fakes labelled real"])
def test_the_beginning_of_a_game(monkeypatch, cause):
    monkeypatch.setattr(record, "UPDATES", 91)
    runner, recipes = record.RECIPES["diagnose_games"]
    letters = {run.cause: letter for letter, run in games.RUNS.items()}
    stored = recorded(games.__file__)[letters.get(cause, cause)]
    made = runner(**recipes[cause])
    for player in ("real", "generated"):
        assert made[player] == pytest.approx(stored[player][:4], abs=0.1, rel=0.05)


def test_every_run_has_a_recipe():
    for check in (training.diagnose_training, games.diagnose_games):
        recipes = record.RECIPES[check.name][1]
        assert set(recipes) == {"sound", *(run.cause for run in check.runs.values())}
