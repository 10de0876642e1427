"""A learner's function gets copies and a limited time; what it returns and prints is only data."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch

from course_lib.checks.core import Check, examine
from course_lib.checks.guard import Guarded, TookTooLong, copied, limited, plain, untimed

CONSTANT = torch.arange(4.0)


def doubled(values):
    return values * 2


def check_of(make, reference=doubled, **options) -> Check:
    check = Check(
        "double",
        lab="unet",
        level="warm-up",
        minutes=1,
        reference=reference,
        example=lambda generator: (make(),),
        **options,
    )
    check.equals_reference("value", points=1)
    return check


def zeroed(values):
    values.zero_()
    return values


def doubled_in_place(values):
    values *= 2
    return values


def test_zeros_for_all_is_not_an_answer():
    """What is wanted comes from the inputs as they were, also where they are a constant."""
    check = check_of(lambda: CONSTANT)
    report = check(zeroed)
    assert report.points == 0
    assert "[1]: 0, wanted 2" in str(report)
    assert "you changed your input `values`: work on a copy, values.clone()" in str(report)
    assert CONSTANT.tolist() == [0, 1, 2, 3]
    assert check(doubled).passed


def test_right_but_in_place_is_told_and_costs_the_property():
    report = check_of(lambda: torch.ones(3))(doubled_in_place)
    assert report.points == 0
    assert report.results[0].message == (
        "you changed your input `values`: work on a copy, values.clone(); the caller needs the "
        "original"
    )
    assert check_of(lambda: torch.ones(3), may_change=["values"])(doubled_in_place).passed


def changes(make, change):
    def call(value):
        change(value)

    guarded = Guarded(call, ["value"])
    guarded(make())
    return guarded.notes


@pytest.mark.parametrize(
    ("make", "change", "cure"),
    [
        (lambda: torch.ones(2), lambda x: x.add_(1), "value.clone()"),
        (lambda: torch.tensor([torch.nan]), lambda x: x.zero_(), "value.clone()"),
        (lambda: torch.ones(2), lambda x: x.unsqueeze_(0), "value.clone()"),
        (lambda: np.ones(2), lambda x: x.fill(0), "value.copy()"),
        (lambda: [1, 2], lambda x: x.append(3), "list(value)"),
        (lambda: [torch.ones(2)], lambda x: x[0].zero_(), "list(value)"),
        (lambda: {"a": 1}, lambda x: x.update(a=2), "a new object"),
        (lambda: torch.nn.Linear(1, 1), lambda x: x.weight.data.zero_(), "leave its weights"),
        (lambda: torch.nn.Linear(1, 1), lambda x: x.eval(), "its mode"),
        (lambda: torch.ones(2).requires_grad_() * 1, lambda x: x.detach_(), "value.detach()"),
    ],
)
def test_each_kind_of_change_is_noticed(make, change, cure):
    (note,) = changes(make, change)
    assert note.startswith(("you changed your input `value`", "you cut your input `value`"))
    assert cure in note


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor([torch.nan, 1.0]),
        lambda: np.array([np.nan]),
        lambda: torch.nn.BatchNorm1d(2),
        lambda: [1, {"a": (2.0, "text")}],
        lambda: torch.Generator().manual_seed(3),
        lambda: float("nan"),
        lambda: len,
    ],
)
def test_what_is_not_changed_is_not_told(make):
    def use(value):
        if isinstance(value, torch.nn.Module):
            value(torch.rand(4, 2))  # its statistics move, as they should
        if isinstance(value, torch.Generator):
            torch.rand(1, generator=value)

    assert changes(make, use) == []


def test_gradients_pass_the_copies():
    x = torch.ones(3, requires_grad=True)
    (Guarded(doubled)(x).sum() + Guarded(lambda y: y.detach().zero_())(x).sum()).backward()
    assert x.tolist() == [1, 1, 1]
    assert x.grad.tolist() == [2, 2, 2]


def test_a_module_is_copied_and_its_copy_can_be_looked_at():
    net = torch.nn.Linear(2, 1)
    guarded = Guarded(lambda n, x: n(x).sum())
    guarded(net, torch.ones(3, 2)).backward()
    assert net.weight.grad is None
    assert guarded.given[0].weight.grad.tolist() == [[3, 3]]


def test_what_cannot_be_copied_is_handed_over():
    lock = threading.Lock()
    assert copied(lock) is lock


class AlwaysEqual:
    """Says that it equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class Liar(torch.Tensor):
    """A tensor that is close to everything."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        if function in (torch.isclose, torch.allclose, torch.Tensor.__eq__):
            return torch.tensor(True)
        return super().__torch_function__(function, types, arguments, options or {})


class Ghost(torch.Tensor):
    """A tensor without data of its own."""

    @staticmethod
    def __new__(cls):
        return torch.Tensor._make_wrapper_subclass(cls, (3,))

    @classmethod
    def __torch_dispatch__(cls, function, types, arguments=(), options=None):
        return torch.ones(3)


class LiarList(list):
    def __iter__(self):
        return iter([torch.full((3,), 2.0)])


class LiarFloat(float):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


@pytest.mark.parametrize(
    "answer",
    [
        AlwaysEqual(),
        torch.zeros(3).as_subclass(Liar),
        LiarFloat(0),
        Ghost(),
    ],
    ids=lambda x: type(x).__name__,
)
def test_objects_that_lie_get_nothing(answer):
    report = check_of(lambda: torch.ones(3))(lambda values: answer)
    assert report.points == 0
    assert report.hint is None


def test_a_list_that_lies_gets_nothing():
    check = check_of(lambda: torch.ones(3), reference=lambda values: [values * 2])
    assert check(lambda values: [values * 2]).passed
    assert check(lambda values: LiarList([torch.zeros(3)])).points == 0


def test_plain_keeps_what_is_right():
    right = torch.full((3,), 2.0, requires_grad=True).as_subclass(Liar)
    assert check_of(lambda: torch.ones(3))(lambda values: right).passed
    assert plain((1, [np.float64(2)], {"a": True})) == (1, [2.0], {"a": True})
    assert type(plain(np.float64(2))) is np.float64
    assert type(plain(True)) is bool
    assert type(plain(torch.nn.Parameter(torch.ones(1)))) is torch.nn.Parameter


def test_huge_results_are_not_looked_at():
    started = time.monotonic()
    report = check_of(lambda: torch.ones(3))(lambda values: torch.zeros(1).expand(30000, 30000))
    assert "you return 900 million numbers, of the shape (30000, 30000)" in str(report)
    assert time.monotonic() - started < 5


def spin(values):
    while True:
        pass


def swallow(values):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


def swallow_everything(values):
    count = 0
    while True:
        try:
            count += len(str(count))
        except BaseException:
            count = 0


# A tracer (coverage) changes where an exception from another thread arrives: only the plain loop.
LOOPS = [spin] if sys.gettrace() else [spin, swallow, swallow_everything]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("where", ["main thread", "thread", "Windows"])
def test_loops_are_stopped(loop, where, monkeypatch):
    check = check_of(lambda: torch.ones(3), seconds=0.2)
    if where == "Windows":
        monkeypatch.delattr(signal, "setitimer")
    reports = []
    started = time.monotonic()
    if where == "thread":
        thread = threading.Thread(target=lambda: reports.append(check(loop)))
        thread.start()
        thread.join()
    else:
        reports.append(check(loop))
    assert time.monotonic() - started < 8
    assert "your code was stopped after 0.2 s: does a loop never end?" in str(reports[0])
    assert reports[0].points == 0


def test_after_one_that_was_stopped_the_others_get_less_time(monkeypatch):
    monkeypatch.setattr("course_lib.checks.core.SECONDS_LATER", 0.1)
    check = check_of(lambda: torch.ones(3), seconds=0.4)
    check.equals_reference("again", points=1)
    messages = [result.message for result in check(spin).results]
    assert ["0.4 s" in messages[0], "0.1 s" in messages[1]] == [True, True]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals here")
def test_the_callers_timer_and_handler_are_put_back():
    def ours(number, frame):
        pass

    before = signal.signal(signal.SIGALRM, ours)
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        assert limited(lambda: 3, 5) == 3
        with pytest.raises(TookTooLong):
            limited(lambda: spin(None), 0.1)
        assert signal.getsignal(signal.SIGALRM) is ours
        assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] < 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_printing_is_caught_and_cut(capfd):
    def prints(values):
        print("x" * 9_000_000)
        for number in range(1000):
            print("line", number, file=sys.stderr)
        return values * 2

    report = check_of(lambda: torch.ones(3))(prints)
    assert capfd.readouterr() == ("", "")
    assert report.passed
    assert len(report.printed) < 700
    assert report.printed.splitlines()[-1] == "… and 1,000 more lines"
    assert "Your code printed:\n    xxx" in str(report)
    assert "Your code printed:" in report._repr_html_()


def test_the_callers_state_is_left_alone():
    def careless(values):
        torch.manual_seed(0)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        return torch.rand(3)

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_of(lambda: torch.ones(3))(careless)
    assert torch.equal(torch.rand(3), expected)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


def test_the_user_may_stop_it():
    def interrupted(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_of(lambda: torch.ones(3))(interrupted)


def test_an_answer_need_not_be_a_function():
    """Other kinds of exercises hand in a number, or a network."""
    check = Check("guess", lab="unet", level="warm-up", minutes=1, reference=lambda: 4)

    @check.holds("near", points=2)
    def near(answer, generator):
        assert abs(answer - 4) < 1, f"you say {answer}"

    assert examine("guess", check.properties, 4.5, seed=0).passed
    assert "you say 7" in str(examine("guess", check.properties, 7, seed=0))


def test_what_is_untimed_does_not_count():
    def work():
        with untimed():
            time.sleep(0.6)
        return "done"

    assert limited(work, 0.4) == "done"

    def too_long():
        with untimed():
            time.sleep(0.1)
        while True:
            pass

    with pytest.raises(TookTooLong):
        limited(too_long, 0.3)
