"""The runs that are to be diagnosed are what the script measures today."""

from __future__ import annotations

import numpy as np
import pytest

from course_lib.checks.flow_2d import diagnose_flows as flows
from course_lib.checks.four_steps import diagnose_training as training
from course_lib.checks.gan_2d import diagnose_games as games
from course_lib.checks.judging_objects import diagnose_detectors as detectors
from course_lib.checks.kinds import recorded
from course_lib.checks.vae import diagnose_codes as codes
from course_lib.checks.vqvae import diagnose_codebooks as codebooks
from tools.exercises import points, record


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


def area(curve):
    """Under the falling curve of precision against recall."""
    best, total, before = 0.0, 0.0, 0.0
    points = list(zip(*curve, strict=True))
    for k, (recall, _) in enumerate(points):
        best = max(p for _, p in points[k:])
        total, before = total + (recall - before) * best, recall
    return total


@pytest.mark.slow
def test_the_detectors(monkeypatch):
    """What is stored is what is measured, and what is said of the runs is so of both."""
    stored, letters = (
        recorded(detectors.__file__),
        {run.cause: k for k, run in detectors.RUNS.items()},
    )
    made = record.record(detectors.diagnose_detectors)
    for runs in (stored, made):
        said_of_detectors({c: runs[letters.get(c, c)] for c in ("sound", *letters)})
    # Another processor adds up in another order, and learns a somewhat different detector.
    for letter, run in made.items():
        assert run["truth"] == stored[letter]["truth"]
        for threshold in ("0.5", "0.75"):
            (recall, _), (wanted, _) = run[threshold], stored[letter][threshold]
            assert recall[-1] == pytest.approx(wanted[-1], abs=0.05)
            if letter != letters["scores exchanged"]:  # there the area follows the weakest spots
                assert area(run[threshold]) == pytest.approx(
                    area(stored[letter][threshold]), abs=0.05
                )


def said_of_detectors(runs):
    ends = {cause: run["0.5"][0][-1] for cause, run in runs.items()}
    assert ends["reported again"] == pytest.approx(ends["sound"], abs=0.02)
    assert ends["scores exchanged"] == ends["sound"] > 2 * ends["only the sure ones"]
    assert ends["not separated"] < ends["sound"] / 2
    assert (
        max(runs["not separated"]["0.5"][1][5:]) < 0.7 < min(runs["only the sure ones"]["0.5"][1])
    )
    assert runs["scores exchanged"]["0.5"][1][0] < 0.1
    assert area(runs["moved aside"]["0.75"]) < 0.02 < 0.2 < area(runs["moved aside"]["0.5"])


@pytest.mark.parametrize("cause", ["sound", "collapsed", "divergence rewarded"])
def test_the_beginning_of_a_code(monkeypatch, cause):
    monkeypatch.setattr(record, "CODE_STEPS", 40)
    runner, recipes = record.RECIPES["diagnose_codes"]
    letters = {run.cause: letter for letter, run in codes.RUNS.items()}
    stored = recorded(codes.__file__)[letters.get(cause, cause)]
    made = runner(**recipes[cause])
    for term in ("error", "divergence"):
        assert made[term] == pytest.approx(stored[term][:2], rel=0.1)


def test_what_is_said_of_the_codes(monkeypatch):
    stored = recorded(codes.__file__)
    runs = {run.cause: stored[letter] for letter, run in codes.RUNS.items()}
    last = {cause: run["divergence"][-1] for cause, run in runs.items()}
    sound = stored["sound"]
    assert last["collapsed"] < 1e-3 and max(runs["collapsed"]["nats"]) < 0.01
    drawn = {
        cause: np.array([[list(row) for row in picture] for picture in run["drawn"]], int)
        for cause, run in runs.items()
    }  # (4, H, W), ten greys
    assert np.ptp(drawn["collapsed"], axis=0).max() <= 1 < np.ptp(drawn["beta too large"], 0).max()
    assert min(runs["beta too large"]["nats"]) < 0.05 < runs["beta too large"]["nats"][0]
    assert last["beta too large"] < sound["divergence"][-1] / 2
    assert runs["beta too large"]["error"][-1] > 1.5 * sound["error"][-1]
    assert min(runs["no divergence"]["nats"]) > 2 * max(sound["nats"])
    assert runs["no divergence"]["error"][-1] < sound["error"][-1]
    rewarded = runs["divergence rewarded"]["divergence"]
    assert rewarded == sorted(rewarded) and rewarded[-1] > 1e10
    leaps = sorted(runs["variance without a bound"]["divergence"])
    assert leaps[-1] > 1e10 and leaps[-2] < 100  # one reading
    assert sum(runs["variance without a bound"]["nats"]) == pytest.approx(
        sum(sound["nats"]), rel=0.1
    )
    monkeypatch.setattr(record, "CODE_STEPS", 120)  # the control: the same images, and a bound
    step = leaps[-1]
    assert step in runs["variance without a bound"]["divergence"][:6]
    assert max(record.encode(unscaled=2)["divergence"]) < 300


def test_every_run_has_a_recipe():
    for check in (
        training.diagnose_training,
        games.diagnose_games,
        detectors.diagnose_detectors,
        codes.diagnose_codes,
        codebooks.diagnose_codebooks,
        flows.diagnose_flows,
    ):
        recipes = record.RECIPES[check.name][1]
        assert set(recipes) == {"sound", *(run.cause for run in check.runs.values())}


@pytest.mark.parametrize("cause", ["sound", "loss after the line", "gradient cut"])
def test_the_first_steps_of_a_codebook(monkeypatch, cause):
    monkeypatch.setattr(record, "LIST_STEPS", 20)
    monkeypatch.setattr(record, "LIST_READINGS", 1)
    runner, recipes = record.RECIPES["diagnose_codebooks"]
    letters = {run.cause: letter for letter, run in codebooks.RUNS.items()}
    stored = recorded(codebooks.__file__)[letters.get(cause, cause)]
    made = runner(**recipes[cause])
    assert made["step"] == stored["step"][:2] == [0, 20]
    assert made["mean image"] == stored["mean image"]
    for name in ("error", "codes moved"):
        assert made[name] == pytest.approx(stored[name][:2], abs=0.02, rel=0.1)


def test_what_is_said_of_the_codebooks():
    stored = recorded(codebooks.__file__)
    runs = {"sound": stored["sound"]}
    runs |= {run.cause: stored[letter] for letter, run in codebooks.RUNS.items()}
    blank = stored["sound"]["mean image"]
    ends = {cause: {k: run[k][-1] for k in ("error", "perplexity")} for cause, run in runs.items()}
    for cause in ("sound", "nothing restarted", "list too short"):
        assert ends[cause]["error"] < 0.2 * blank
    late = ends["loss after the line"]
    assert late["error"] < 0.5 * blank
    assert 3.5 < late["perplexity"] < 4.5
    assert set(runs["loss after the line"]["codes moved"]) == {0.0}
    slow = runs["nothing restarted"]["perplexity"]
    assert max(slow[:6]) < 7
    assert 10 < slow[-1] < 0.6 * ends["sound"]["perplexity"]
    assert 3.7 < ends["list too short"]["perplexity"] <= 4
    assert min(runs["decoder frozen"]["error"]) > blank
    cut = runs["gradient cut"]
    assert blank > ends["gradient cut"]["error"] > 0.7 * blank
    assert max(cut["codes moved"][1:]) - min(cut["codes moved"][1:]) < 0.02
    assert ends["gradient cut"]["perplexity"] > ends["sound"]["perplexity"]


@pytest.mark.parametrize("cause", ["sound", "few lines", "data as target"])
def test_the_beginning_of_a_flow(monkeypatch, cause):
    stored = recorded(flows.__file__)
    letters = {run.cause: letter for letter, run in flows.RUNS.items()}
    monkeypatch.setattr(points, "READ_EVERY", 50)  # the rate is that of the first 100 of 2,000
    monkeypatch.setattr(points, "UPDATES", 100)
    made = points.lead(**record.RECIPES["diagnose_flows"][1][cause])
    wanted = stored[letters.get(cause, cause)]["loss"][0]
    assert sum(made["loss"]) / 2 == pytest.approx(wanted, rel=0.06)


def test_what_is_said_of_the_flows():
    stored = recorded(flows.__file__)
    runs = {"sound": stored["sound"]}
    runs |= {run.cause: stored[letter] for letter, run in flows.RUNS.items()}
    ends = {cause: run["loss"][-1] for cause, run in runs.items()}
    fresh = {cause: np.array(run["by time"]) for cause, run in runs.items()}
    away = {cause: np.linalg.norm(np.array(run["points"]), axis=1) for cause, run in runs.items()}
    sound, radius = fresh["sound"], away["sound"]
    for after in ("noise on the way", "clock backwards"):  # the network is the sound one
        assert runs[after]["loss"] == runs["sound"]["loss"]
        assert (fresh[after] == sound).all()
    assert abs(np.median(radius) - 2) < 0.1 and radius.std() < 0.2
    once = fresh["few lines"]
    assert ends["few lines"] < 0.05 * ends["sound"]
    assert (once > 1.8 * sound).all() and (once / sound).max() < 5.5
    assert ends["time not told"] > 1.3 * ends["sound"]
    assert (fresh["time not told"] > 1.1 * sound).all()
    assert radius.min() > 1 and (away["time not told"] < 1).mean() > 0.1
    assert np.quantile(away["clock backwards"], 0.9) < 1.9
    haze = away["noise on the way"]
    assert haze.std() > 2 * radius.std() and (haze > 2.5).mean() > 0.2
    assert (haze < 1.5).mean() > 0.05
    # One cloud and its best arrows, in closed form: the variance that each step adds
    t = np.arange(points.STEPS) / points.STEPS
    slope = (t * points.STD**2 - (1 - t)) / ((t * points.STD) ** 2 + (1 - t) ** 2)
    factors = 1 + slope / points.STEPS  # of a deviation, in each step
    added = [np.prod(factors[step + 1 :]) ** 2 for step in range(points.STEPS)]
    assert sum(added[-5:]) / sum(added) == pytest.approx(2 / 3, abs=0.02)
    assert runs["data as target"]["loss"][-1] < 0.5 * ends["sound"]
    assert fresh["data as target"][-1] < 0.02 and (away["data as target"] > 2.2).mean() > 0.6
