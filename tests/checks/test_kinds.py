"""What the kinds of exercises do beyond other checks: bugs one by one, attempts, one trial."""

from __future__ import annotations

import time
from functools import cache, partial

import pytest
import torch
from matplotlib import pyplot as plt

from course_lib.checks import ALL
from course_lib.checks.after_the_network import suppress as suppressing
from course_lib.checks.core import Check
from course_lib.checks.cvae import told_both as told
from course_lib.checks.flow_2d import paired_loss as pairing
from course_lib.checks.flow_editing import fill_in as filling
from course_lib.checks.flow_latent import draw_codes as to_pictures
from course_lib.checks.flow_pictures import flow_step as flowing
from course_lib.checks.four_steps_generation import vaegan_turn as turn
from course_lib.checks.kinds import Design, Diagnose, Outcome, Predict, WriteTest, recorded
from course_lib.checks.mask_rcnn import roi_cells as roi
from course_lib.checks.normalisation import judge_pass as judging
from course_lib.checks.simple_gan import play_rounds as game
from course_lib.checks.unet import train_pass as training
from course_lib.checks.vae import vae_loss as bound

BUGS = [
    *[pytest.param(training, training._pass, bug, id=f"train_pass-{bug}") for bug in training.BUGS],
    *[pytest.param(judging, judging._judge, bug, id=f"judge_pass-{bug}") for bug in judging.BUGS],
    *[pytest.param(game, game._play, bug, id=f"play_rounds-{bug}") for bug in game.BUGS],
    *[
        pytest.param(suppressing, suppressing._suppress, bug, id=f"suppress-{bug}")
        for bug in suppressing.BUGS
    ],
    *[pytest.param(roi, roi._cells, bug, id=f"roi_cells-{bug}") for bug in roi.BUGS],
    *[pytest.param(bound, bound._loss, bug, id=f"vae_loss-{bug}") for bug in bound.BUGS],
    *[pytest.param(told, told._pass, bug, id=f"told_both-{bug}") for bug in told.BUGS],
    *[pytest.param(flowing, flowing._step, bug, id=f"flow_step-{bug}") for bug in flowing.BUGS],
    *[
        pytest.param(to_pictures, to_pictures._draw, bug, id=f"draw_codes-{bug}")
        for bug in to_pictures.BUGS
    ],
    *[pytest.param(filling, filling._fill, bug, id=f"fill_in-{bug}") for bug in filling.BUGS],
    *[pytest.param(turn, turn._turn, bug, id=f"vaegan_turn-{bug}") for bug in turn.BUGS],
    *[pytest.param(pairing, pairing._loss, bug, id=f"paired_loss-{bug}") for bug in pairing.BUGS],
]


@pytest.mark.parametrize(("module", "function", "bug"), BUGS)
def test_each_bug_is_found_by_itself(module, function, bug):
    """Mending one of them earns its point, whatever else is wrong; planting one costs it."""
    check = ALL[module.__name__.rpartition(".")[2]]
    others = {name: value for name, value in module.BUGS.items() if name != bug}
    planted = {bug: module.BUGS[bug]}
    whole = check.properties[-1].name
    for seed in range(2):
        broken, mended, alone = (
            check(answer, seed=seed)
            for answer in (check.broken, partial(function, **others), partial(function, **planted))
        )
        assert (broken.points, broken.mistake) == (0, "unchanged")
        gained = {result.name for result in mended.results if result.passed}
        lost = {result.name for result in alone.results if not result.passed} - {whole}
        assert gained, str(mended)
        assert lost <= gained, str(alone)


def predict(run=lambda: Outcome("b", "It was b.")) -> Predict:
    made = Predict(
        "guess",
        lab="unet",
        level="warm-up",
        minutes=1,
        reference=lambda: "b",
        choices={"a": "one", "b": "two"},
        run=run,
        tempting="The tempting answer is a.",
    )
    made.wrong("a", "Count again.")
    return made


def test_a_changed_answer_is_a_second_attempt():
    guess = predict()
    first = guess(lambda: "a")
    assert (first.points, first.hint) == (1, "Count again.")
    assert first.note == "It was b. The tempting answer is a."
    second = guess(lambda: "b")
    assert (second.points, guess.attempts) == (2, ["a", "b"])
    assert "attempt 2, after the outcome was shown" in str(second)
    assert guess(lambda: "b").points == 2  # the same answer again is no new attempt
    assert guess.attempts == ["a", "b"]
    assert predict()(lambda: "b").points == 3


def test_nothing_is_run_before_an_answer_is_committed():
    def run():
        raise RuntimeError("seen too early")

    def untouched():
        raise NotImplementedError

    guess = predict(run)
    assert str(guess(untouched)) == "guess. Your turn: 3 points"
    assert guess(lambda: "c").note == ""
    assert guess.attempts == []
    with pytest.raises(RuntimeError, match="seen too early"):
        guess(lambda: "a")


def test_the_run_is_not_in_the_time_of_the_answer():
    def run():
        time.sleep(0.6)
        return Outcome("b", "It was b.")

    guess = predict(cache(run))
    guess.seconds = 0.3
    assert guess(lambda: "b").points == 3


def test_no_hint_for_an_answer_that_is_not_committed():
    guess = predict(lambda: Outcome(4, "It was 4."))
    guess.choices = range(1, 9)
    guess.wrong(1, "One is too few.")
    assert guess(lambda: 1).hint == "One is too few."
    report = guess(lambda: True)  # it is equal to 1
    assert (report.hint, report.mistake) == (None, None)


def test_a_number_may_be_predicted():
    guess = predict(lambda: Outcome(4, "It was 4."))
    guess.choices = range(1, 9)
    report = guess(lambda: 9)
    assert "wanted a whole number from 1 to 8; nothing is committed yet" in str(report)
    assert guess(lambda: 4).points == 3


def test_the_same_inputs_again_is_said_only_where_inputs_are_drawn():
    assert "seed=" not in str(predict()(lambda: "a"))
    assert "seed=" in str(ALL["examine_iou"](lambda iou: None))


WRITTEN_TESTS = [check for check in ALL.values() if isinstance(check, WriteTest)]


@pytest.mark.parametrize("check", WRITTEN_TESTS, ids=lambda check: check.name)
def test_a_test_that_counts_its_calls_finds_nothing(check):
    """The order is drawn, and hardly any order helps whoever rejects every second function."""

    def points(seed):
        calls = 0

        def counting(function):
            nonlocal calls
            calls += 1
            assert calls % 2

        return check(counting, seed=seed).points

    assert [points(seed) for seed in range(8)] == [0] * 8


def test_a_test_that_rejects_whatever_comes_fifth_earns_nothing():
    """Mostly that is a wrong function; but at its other places the same one is accepted."""
    for seed in range(10):
        calls = iter(range(10_000))

        def fifth(iou, calls=calls):
            assert next(calls) != 4

        assert ALL["examine_iou"](fifth, seed=seed).points == 0


def test_a_test_that_throws_dice_earns_nothing():
    def guessing(iou):
        assert torch.rand(()) < 0.5

    for seed in range(20):
        assert ALL["examine_iou"](guessing, seed=seed).points == 0


def test_a_test_with_random_inputs_says_the_same_of_the_same_function():
    """Its inputs are so small that only some of them tell a wrong function from a right one."""
    check = ALL["examine_iou"]
    found = []

    def drawing(iou):
        predictions, targets = torch.randint(0, 3, (2, 2, 1, 2))
        wanted = check.of.reference(predictions, targets, 3)
        assert torch.allclose(iou(predictions, targets, 3).double(), wanted, equal_nan=True)

    for seed in range(20):
        report = check(drawing, seed=seed)
        found.append(report.points)
        assert report.results[0].passed or "every wrong one" in report.results[0].message
    assert 2 < sum(found) / 20 < check.points


def test_a_test_cannot_see_which_function_it_gets():
    names = set()
    ALL["examine_iou"](lambda iou: names.add(iou.__name__))
    assert names == {"candidate"}


DIAGNOSES = [check for check in ALL.values() if isinstance(check, Diagnose)]


@pytest.mark.parametrize("check", DIAGNOSES, ids=lambda check: check.name)
def test_every_wrong_match_is_explained(check):
    for letter, run in check.runs.items():
        for cause in set(check.causes) - {run.cause}:
            report = check(lambda letter=letter, cause=cause: {**check.reference(), letter: cause})
            (failed,) = [r for r in report.results if not r.passed]
            assert failed.name == f"run {letter}"
            assert f"not {cause!r}" in failed.message
            assert run.look in failed.message
            assert not failed.message.endswith("…"), "too long to be shown whole"


@pytest.mark.parametrize("check", DIAGNOSES, ids=lambda check: check.name)
def test_the_record_has_every_run_and_is_drawn(check, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    module = __import__(f"course_lib.checks.{check.lab}.{check.name}", fromlist=["RUNS"])
    assert list(recorded(module.__file__)) == ["sound", *check.runs]
    assert {run.cause for run in check.runs.values()} < set(check.causes)
    check.show()
    labels = [axes.get_ylabel() for axes in plt.gcf().axes]
    assert [text for text in labels if text] == ["sound run", *(f"run {k}" for k in check.runs)]
    plt.close("all")


def test_a_design_is_tried_once_from_the_same_first_weights():
    seen = []

    def trial(net):
        seen.append(net.weight.detach().clone())
        return 3

    check = Design(
        "d",
        lab="unet",
        level="stretch",
        minutes=1,
        reference=lambda: torch.nn.Linear(2, 2),
        trial=trial,
        probe=lambda student, arguments: 0,
    )
    check.meets("at most 5", points=1)(lambda tried: None)

    @check.meets("at most 2", points=2)
    def _few(tried):
        assert tried <= 2, f"{tried}, wanted 2"

    reports = [check(lambda: torch.nn.Linear(2, 2), seed=seed) for seed in (1, 2)]
    assert [report.points for report in reports] == [1, 1]
    assert "3, wanted 2" in str(reports[0])
    assert len(seen) == 2
    assert torch.equal(*seen)


def test_a_design_that_cannot_be_tried_fails_every_property():
    def trial(net):
        raise AssertionError("over the budget")

    check = Design(
        "d",
        lab="unet",
        level="stretch",
        minutes=1,
        reference=lambda: 1,
        trial=trial,
        probe=lambda s, a: 0,
    )
    for limit in (3, 2):
        check.meets(f"at most {limit}", points=1)(lambda tried: None)
    report = check(lambda: 1)
    assert [r.message for r in report.results] == ["over the budget"] * 2


def test_the_dice_that_an_answer_sees_do_not_tell_the_order_of_the_functions():
    """Whoever knows the generator's seed knows which function is the wrong one without testing."""
    made = Check("nothing", lab="x", level="build", minutes=1, reference=lambda: None)
    seen = []

    @made.holds("it is seen", points=1)
    def look(student, generator):
        student()
        seen.append((generator.initial_seed(), torch.initial_seed()))

    for seed in range(50):
        made(lambda: None, seed=seed)
    assert all((mine - dice) % 2**31 for mine, dice in seen)
    assert len({(mine - dice) % 2**31 for mine, dice in seen}) == 50
    again = len(seen)
    made(lambda: None, seed=7)
    assert seen[again] == seen[7]


@pytest.mark.slow
def test_a_test_that_takes_the_first_function_for_right_gains_little():
    """It knows nothing of what the function should do, and compares all others with the first."""
    check = ALL["examine_iou"]
    predictions = torch.tensor([[[0, 0, 1, 1], [1, 2, 2, 1]], [[0, 1, 1, 1], [2, 0, 0, 2]]])
    targets = torch.tensor([[[0, 0, 0, 0], [1, 1, 2, 255]], [[0, 0, 1, 1], [2, 2, 2, 2]]])

    def points(seed):
        first = []

        def trusting(candidate):
            try:
                got = candidate(predictions.clone(), targets.clone(), 4)
                got = torch.as_tensor(got).double().nan_to_num(-1)
            except Exception as error:
                got = torch.full((9,), float(len(str(error))))
            first.append(got)
            same = got.shape == first[0].shape and torch.allclose(got, first[0], atol=1e-5)
            assert same

        return check(trusting, seed=seed).points

    found = [points(seed) for seed in range(40)]
    assert sum(p == check.points for p in found) < 24
