"""Every exercise's check: right answers get all points, wrong ones lose some and are told why.

The answers stand in one file for each lab, `tests/checks/LAB.py`, and where that grows too long,
those to one exercise in a file beside it, `tests/checks/LAB_EXERCISE.py`:

* `RIGHT_ANSWERS[exercise]`: answers;
* `WRONG_ANSWERS[exercise]`: pairs of an answer and a text that its report must contain;
* `POINTS[exercise]`: points of some known mistakes, by name, to see that credit is partial.

What the answers of several labs share stands in `tests/checks/shared.py`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.checks import ALL
from course_lib.checks.kinds import Predict, Repair, WriteTest
from course_lib.checks.report import NOT_WRITTEN

ROOT = Path(__file__).parents[2]
LABS = sorted({check.lab for check in ALL.values()})
BESIDE = ["unet_train_pass"]
TABLES = [importlib.import_module(f"tests.checks.{name}") for name in [*LABS, *BESIDE]]
NONSENSE = [None, 3, "text", (1,), torch.zeros(2), object()]


def answers(table: str) -> list:
    """The rows of a table, as pytest's parameters: (check, answer)."""
    return [
        pytest.param(ALL[name], row, id=f"{name}-{index}-{getattr(row, '__name__', '')}")
        for module in TABLES
        for name, rows in getattr(module, table).items()
        for index, row in enumerate(rows)
    ]


def table_of(check):
    """The one module with the answers to an exercise."""
    (found,) = [module for module in TABLES if check.name in module.RIGHT_ANSWERS]
    return found


def seeds(check, number: int, *, least: int = 1, seconds: float = 0.4) -> Iterator[int]:
    """So many seeds; fewer, but `least`, of a check that takes long; one where nothing is drawn."""
    until = time.monotonic() + seconds
    for seed in range(number if check.seeded else 1):
        if seed < least or time.monotonic() < until:
            yield seed


@pytest.fixture(autouse=True)
def no_attempts_yet():
    """A prediction remembers the answers that it got; each test begins without."""
    for check in ALL.values():
        if isinstance(check, Predict):
            check.attempts.clear()


@pytest.fixture(params=ALL.values(), ids=ALL)
def check(request):
    return request.param


MISTAKES = [
    pytest.param(check, mistake, id=f"{check.name}-{mistake.name}")
    for check in ALL.values()
    for mistake in check.mistakes
]


def test_the_labs_come_in_the_order_of_the_book():
    notebooks = re.findall(r"notebooks/([\w-]+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    order = [name.replace("-", "_") for name in notebooks]
    places = [order.index(check.lab) for check in ALL.values()]
    assert places == sorted(places)


def test_every_lab_names_its_exercises_by_tag():
    for check in ALL.values():
        lab = ROOT / "notebooks" / f"{check.lab.replace('_', '-')}.ipynb"
        assert f'"exercise:{check.name}"' in lab.read_text(encoding="utf-8")


def test_every_exercise_has_right_and_wrong_answers(check):
    table = table_of(check)
    assert table.RIGHT_ANSWERS[check.name]
    assert len(table.WRONG_ANSWERS[check.name]) >= 10


def test_the_reference_gets_everything_on_60_seeds(check):
    """On five at least of a check that trains something."""
    for seed in seeds(check, 60, least=5, seconds=2.5):
        report = check(check.reference, seed=seed)
        assert report.points == report.total == check.points > 0, str(report)


def test_the_untouched_gets_nothing(check):
    def untouched(*arguments, **options):
        raise NotImplementedError

    report = check(untouched)
    assert (report.points, report.hint) == (0, None)
    assert str(report) == f"{check.name}. Your turn: {check.points} points"
    assert all(result.message == NOT_WRITTEN for result in report.results)


@pytest.mark.parametrize(("check", "mistake"), MISTAKES)
def test_each_known_mistake_loses_points_and_gets_its_own_hint(check, mistake):
    for seed in seeds(check, 4):
        report = check(mistake.mutant, seed=seed)
        assert report.points < report.total, f"not caught: {report}"
        assert (report.mistake, report.hint) == (mistake.name, mistake.hint), str(report)


def test_hints_differ_and_there_are_some(check):
    hints = [mistake.hint for mistake in check.mistakes]
    assert len(set(hints)) == len(hints) >= 2


@pytest.mark.parametrize(("check", "right"), answers("RIGHT_ANSWERS"))
def test_right_answers_get_everything(check, right):
    for seed in seeds(check, 4):
        report = check(right, seed=seed)
        assert (report.points, report.hint) == (report.total, None), str(report)


@pytest.mark.parametrize(("check", "wrong"), answers("WRONG_ANSWERS"))
def test_wrong_answers_lose_points_and_are_told_why(check, wrong):
    answer, text = wrong
    for seed in seeds(check, 4):
        report = check(answer, seed=seed)
        assert report.points < report.total, str(report)
        assert text in str(report)


def test_credit_is_partial(check):
    wanted = table_of(check).POINTS.get(check.name, {})
    mutants = {mistake.name: mistake.mutant for mistake in check.mistakes}
    found = {name: check(mutants[name], seed=1).points for name in wanted}
    assert found == wanted


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: type(answer).__name__)
def test_nonsense_is_reported_and_never_raised(check, answer):
    report = check(lambda *arguments, **options: answer)
    assert report.points < report.total
    may_be_meant = answer is not None or isinstance(check, WriteTest)  # which returns nothing
    assert report.hint is None or may_be_meant


def spoil(value) -> bool:
    """Overwrite an argument; whether there was something to overwrite."""
    if isinstance(value, torch.Tensor):
        data = value.data
        data.logical_not_() if data.dtype == torch.bool else data.sub_(1)
    elif isinstance(value, np.ndarray):
        value[...] = 0
    elif isinstance(value, torch.nn.Module):
        for parameter in value.parameters():
            parameter.data.sub_(1)
    elif isinstance(value, list):
        value.append(value[0] if value else 0)
    else:
        return False
    return True


GIVEN_SOMETHING = [
    check
    for check in ALL.values()
    if inspect.signature(check.reference).parameters and not isinstance(check, Repair)
]


@pytest.mark.parametrize("check", GIVEN_SOMETHING, ids=lambda check: check.name)
def test_who_changes_an_input_is_told_so(check):
    spoiled = []

    def changes_its_inputs(*arguments, **options):
        result = check.reference(*arguments, **options)
        spoiled.extend(argument for argument in arguments if spoil(argument))
        return result

    report = check(changes_its_inputs, seed=2)
    if spoiled and not check.may_change:
        assert report.points == 0
        assert all("you changed your input `" in r.message for r in report.results), str(report)
        assert report.hint is None, str(report)
    else:
        assert report.passed or "another after the call" in str(report), str(report)
