"""The grader of exercises: points, messages and hints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib.checks.compare import (
    assert_close,
    gradient_at,
    one_number,
    pair,
    whole,
    whole_numbers,
    wholes,
)
from course_lib.checks.core import Check


def mean(x: torch.Tensor, weight: float = 1.0) -> torch.Tensor:
    return x.mean() * weight


def example(generator: torch.Generator) -> tuple:
    return torch.rand(5, generator=generator), 1 + float(torch.rand(1, generator=generator))


check = Check("mean", lab="unet", level="warm-up", minutes=1, reference=mean, example=example)
check.equals_reference("weighted", points=3, what="the mean of {0.shape[0]} numbers")


@check.holds("constant", points=1)
def constant(student, generator) -> None:
    assert_close(student(torch.ones(3), 1.0), 1.0, "the mean of ones")


check.mistake("sum", lambda x, w: x.sum() * w, hint="That is the <sum>.")
check.mistake("unweighted", lambda x, w: x.mean(), hint="The weight is not used.")


def test_right():
    report = check(mean)
    assert (report.points, report.total, report.passed) == (4, 4, True)
    assert report.hint is None
    assert "4 of 4 points" in str(report)


@pytest.mark.parametrize("mistake", check.mistakes, ids=lambda m: m.name)
def test_known_mistakes(mistake):
    report = check(mistake.mutant)
    assert report.mistake == mistake.name
    assert report.hint == mistake.hint
    assert mistake.hint in str(report)
    assert mistake.hint.replace("<", "&lt;").replace(">", "&gt;") in report._repr_html_()


def test_partial_credit():
    report = check(lambda x, w: x.mean())
    assert report.points == 1
    assert "1 of 4 points" in str(report)
    assert report.results[0].message.startswith("the mean of 5 numbers is ")


def test_the_untouched_is_your_turn():
    report = check(todo)
    assert str(report) == "mean. Your turn: 4 points"
    assert "Your turn: 4 points" in report._repr_html_()
    assert "<table" not in report._repr_html_()


def stops(x, w):
    raise SystemExit("bye")


def endless(x, w):
    return endless(x, w)


def todo(x, w):
    raise NotImplementedError


def grumpy(x, w):
    raise AssertionError


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError


def unspeakable(x, w):
    raise Unspeakable


def torchs_own(x, w):
    raise NotImplementedError("could not run aten::mean")


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (todo, "Your turn"),
        (lambda x, w: 1 / 0, "ZeroDivisionError"),
        (lambda x: x, "TypeError"),
        (stops, "SystemExit: bye"),
        (endless, "RecursionError"),
        (lambda x, w: None, "is the `return` missing?"),
        (lambda x, w: "four", "is a str, wanted a torch.Tensor"),
        (lambda x, w: x, "has shape (5,), wanted one number"),
        (grumpy, "this does not hold: weighted"),
        (unspeakable, "an error that cannot be shown"),
        (torchs_own, "NotImplementedError: could not run"),
        (42, "write check(my_function), not check(my_function(x))"),
        (lambda x, w: torch.tensor(float("nan")), "nan, wanted"),
    ],
)
def test_nothing_a_learner_writes_raises(student, message):
    report = check(student)
    assert report.points == 0
    assert report.hint is None
    assert message in str(report)


def test_no_hint_for_what_is_not_written_even_if_a_mistake_says_nothing():
    assert "Hint" not in str(check(todo))
    assert "seed=" not in str(check(todo))


def test_fresh_inputs_unless_seeded():
    def inputs(**options) -> torch.Tensor:
        seen = []
        check(lambda x, w: seen.append(x.clone()), **options)
        return torch.cat(seen)

    assert torch.equal(inputs(seed=3), inputs(seed=3))
    assert not torch.equal(inputs(), inputs())
    report = check(lambda x, w: x.sum() * w * 2)
    assert str(check(lambda x, w: x.sum() * w * 2, seed=report.seed)) == str(report)


def test_long_messages_are_cut_and_html_is_escaped():
    def shouts(x, w):
        print("<script>")
        raise ValueError("<script>alert(1)</script>" * 100)

    report = check(shouts)
    assert "<script>" not in report._repr_html_()
    assert max(len(result.message) for result in report.results) <= 400


def test_cells_of_the_table_keep_apart():
    html = check(lambda x, w: x.mean())._repr_html_()
    assert html.count("<td style='") == html.count("<td") == 8
    assert html.count("padding:0.2em 0.8em") == 12
    assert html.count("scope='col'") == 4


def test_no_hint_for_who_gives_the_references_answers():
    """A property may look at something that the hints' inputs do not show."""
    strict = Check("mean", lab="unet", level="build", minutes=1, reference=mean, example=example)
    strict.mistake("same here", lambda x, w: x.mean() * w, hint="Wrong.")

    @strict.holds("never", points=1)
    def never(student, generator):
        raise AssertionError("no")

    assert strict(mean).hint is None
    assert strict(lambda x, w: x.mean() * w).hint is None
    strict.mistake("half", lambda x, w: x.mean() * w / 2, hint="Half.")
    assert strict(lambda x, w: x.mean() * w / 2).hint == "Half."


def test_more_inputs_are_drawn_while_two_mistakes_give_the_same():
    """One in eight inputs tells them apart."""
    rare = Check(
        "sign",
        lab="unet",
        level="build",
        minutes=1,
        reference=lambda n: n + 1,
        example=lambda generator: (int(torch.randint(8, (), generator=generator)),),
    )
    rare.equals_reference("value", points=1)
    rare.mistake("never", lambda n: n, hint="Never.")
    rare.mistake("only at 3", lambda n: n + (n == 3), hint="Only at 3.")
    found = [rare(lambda n: n + (n == 3), seed=seed) for seed in range(20)]
    named = [report.mistake for report in found if not report.passed]
    assert len(named) > 10
    assert named.count("only at 3") >= len(named) - 2


def test_probe_compares_what_the_answer_is_not():
    """A gradient: the values are the same, one of the two is cut from the graph."""
    square = Check(
        "square",
        lab="unet",
        level="build",
        minutes=1,
        reference=lambda x: x**2,
        example=lambda generator: (torch.rand(4, generator=generator),),
        probe=gradient_at(0),
    )
    square.equals_reference("gradient", points=1, what="the gradient")
    square.mistake("cut", lambda x: x * x.detach(), hint="Half of it is cut from the graph.")
    assert square(lambda x: x * x).passed
    assert square(lambda x: x.detach() * x).mistake == "cut"
    assert square(lambda x: x**3).hint is None
    assert "has no gradient" in str(square(lambda x: x.detach() ** 2))
    assert "does not depend" in str(square(lambda x: torch.ones(4, requires_grad=True) * 1))


def test_gradients_at_a_module_are_those_of_the_copy():
    layer = torch.nn.Linear(2, 1)
    linear = Check(
        "linear",
        lab="unet",
        level="build",
        minutes=1,
        reference=lambda net, x: net(x).sum(),
        example=lambda generator: (layer, torch.rand(3, 2, generator=generator)),
        probe=gradient_at(0),
    )
    linear.equals_reference("gradient", points=1, what=("at the weight", "at the bias"))
    assert linear(lambda net, x: net(x).sum()).passed
    assert "at the weight is wrong" in str(linear(lambda net, x: 2 * net(x).sum()))
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        ((torch.ones(2), 3), True),
        ([torch.ones(2), 3.0], True),
        ((torch.ones(2), 4), False),
        ((torch.ones(2),), False),
        ((torch.ones(2, 1), 3), False),
        ((torch.ones(2, requires_grad=True), 3), False),
        ({"a": 1}, False),
        ("text", False),
        (np.ones(2), False),
    ],
)
def test_what_counts_as_the_same_answer(answer, same):
    check = Check("pair", "unet", "build", 1, reference=lambda: None, example=lambda generator: ())
    check.mistake("pair", lambda: (torch.ones(2), 3), hint="A pair.")

    @check.holds("never", points=1)
    def fails(student, generator):
        raise AssertionError("no")

    report = check(lambda: answer)
    assert (report.hint is not None) == same


@pytest.mark.parametrize(
    ("got", "wanted", "message"),
    [
        (torch.ones(2, 3), torch.ones(3, 2), r"shape \(2, 3\), wanted \(3, 2\)"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), r"1 of 2 places; the first is \[1\]"),
        (0.5, 0.25, r"is 0.5, wanted 0.25"),
        (float("nan"), 1.0, "nan"),
        ([1, 2], torch.ones(2), r"is a list, wanted a torch.Tensor: torch.tensor\(...\) makes one"),
        (np.ones(2), torch.ones(2), r"is a ndarray, wanted a torch.Tensor: torch.from_numpy"),
        (object(), 1.0, "is a object, wanted a float"),
        (torch.ones(2), None, "is a Tensor, wanted None"),
        (torch.ones(2, dtype=torch.complex64), torch.ones(2), "complex64"),
        (torch.ones(2).to_sparse(), torch.ones(2), "sparse"),
        ((1,), (1, 2), "is a tuple of 1, wanted a tuple of 2"),
        (3, (1, 2), "is a int, wanted a tuple of 2"),
        ((1, 3), (1, 2), "part 2 of it is 3, wanted 2"),
    ],
)
def test_assert_close_says_what_is_wrong(got, wanted, message):
    with pytest.raises(AssertionError, match=message):
        assert_close(got, wanted, "it")


def test_assert_close_accepts():
    assert_close(torch.ones(3, dtype=torch.int64), torch.ones(3))
    assert_close(torch.tensor(float("nan")), float("nan"))
    assert_close(np.float32(0.5), 0.5)
    assert_close(torch.tensor(1.0 + 1e-7, requires_grad=True), 1.0)
    assert_close(None, None)
    assert_close([torch.ones(2), None], (torch.ones(2), None), ("one", "two"))


def test_whole_numbers():
    for value in (3, np.int64(3), np.uint8(3), torch.tensor(3)):
        assert (whole(value), type(whole(value))) == (3, int)
    for value in (3.0, True, np.float32(3), np.bool_(True), torch.tensor(3.0), "3", None):
        with pytest.raises(AssertionError, match="wanted an int"):
            whole(value)
    assert wholes(np.array([1, 2]), 2) == wholes((1, 2), 2) == wholes(torch.tensor([1, 2]), 2)
    for value in (3, np.int64(3), torch.tensor(3), (1,), {1, 2}, "12", None):
        with pytest.raises(AssertionError, match="wanted 2"):
            wholes(value, 2)


def test_a_tensor_of_floats_is_no_answer_in_whole_numbers():
    with pytest.raises(AssertionError, match="torch.float32, wanted integers"):
        wholes(torch.tensor([1.0, 2.0]), 2)
    for value in (torch.ones(2, 3), torch.ones(2, 3) > 0):
        with pytest.raises(AssertionError, match="wanted integers"):
            whole_numbers(lambda value=value: value, ())
    assert whole_numbers(lambda: torch.ones(2, dtype=torch.uint8), ()).shape == (2,)
    assert whole_numbers(lambda: [1.0], ()) == [1.0]  # no tensor: that is said elsewhere


def test_a_pair():
    for value in ((3, 4), [3, 4], torch.tensor([3, 4])):
        assert pair(value, "two numbers") == (3, 4)
    for value in (3, (1, 2, 3), torch.ones(2, 3), torch.ones(3), None):
        with pytest.raises(AssertionError):
            pair(value, "two numbers")


def test_one_number():
    assert one_number(lambda: torch.ones(1), ()).shape == ()
    assert one_number(lambda: torch.ones(2), ()).shape == (2,)
    assert one_number(lambda: 3.0, ()) == 3.0
