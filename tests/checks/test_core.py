"""The grader of exercises: points, messages and hints; nothing that a learner writes breaks it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib.checks.core import Mistake, Property, assert_close, grade


def mean(x: torch.Tensor, weight: float = 1.0) -> torch.Tensor:
    return x.mean() * weight


def test_value(student, generator) -> None:
    x = torch.rand(7, generator=generator)
    assert_close(student(x, 2.0), mean(x, 2.0), "the mean of seven numbers")


def test_constant(student, generator) -> None:
    assert_close(student(torch.ones(3), 1.0), 1.0, "the mean of ones")


test_value.__test__ = test_constant.__test__ = False  # type: ignore[attr-defined]

PROPERTIES = [Property("weighted", 3, test_value), Property("constant", 1, test_constant)]
MISTAKES = [
    Mistake("sum", lambda x, w: x.sum() * w, "That is the sum."),
    Mistake("unweighted", lambda x, w: x.mean(), "The weight is not used."),
]


def example(generator: torch.Generator) -> tuple:
    return torch.rand(5, generator=generator), 1 + float(torch.rand(1, generator=generator))


def check(student, **options):
    return grade(
        "mean", student, properties=PROPERTIES, mistakes=MISTAKES, example=example, **options
    )


def test_right():
    report = check(mean)
    assert (report.points, report.total, report.passed) == (4, 4, True)
    assert report.hint is None
    assert "4 of 4 points" in str(report)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_known_mistakes(mistake):
    report = check(mistake.mutant)
    assert report.mistake == mistake.name
    assert report.hint == mistake.hint
    assert mistake.hint in str(report)
    assert mistake.hint in report._repr_html_()


def test_partial_credit():
    report = check(lambda x, w: x.mean())
    assert report.points == 1
    assert "1 of 4 points" in str(report)


def stops(x, w):
    raise SystemExit("bye")


def endless(x, w):
    return endless(x, w)


def todo(x, w):
    raise NotImplementedError


def grumpy(x, w):
    raise AssertionError


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (todo, "not written yet"),
        (lambda x, w: 1 / 0, "ZeroDivisionError"),
        (lambda x: x, "TypeError"),
        (stops, "SystemExit: bye"),
        (endless, "RecursionError"),
        (lambda x, w: None, "is the `return` missing?"),
        (lambda x, w: "four", "is a str, wanted a torch.Tensor"),
        (lambda x, w: x, "has shape (7,), wanted one number"),
        (grumpy, "this does not hold: weighted"),
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


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check(lambda x, w: torch.rand(1).sum())
    assert torch.equal(torch.rand(3), expected)


def test_a_learner_who_changes_the_input_is_still_recognised():
    def in_place(x, w):
        x *= w
        return x.sum()

    assert check(in_place).mistake == "sum"


class AlwaysEqual:
    """Says that it equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def test_an_object_that_equals_everything_gets_nothing():
    report = check(lambda x, w: AlwaysEqual())
    assert report.points == 0
    assert report.hint is None


def test_long_messages_are_cut_and_html_is_escaped():
    def shouts(x, w):
        raise ValueError("<script>alert(1)</script>" * 100)

    report = check(shouts)
    assert "<script>" not in report._repr_html_()
    assert max(len(result.message) for result in report.results) <= 400


def test_probe_compares_what_the_answer_is_not():
    """A gradient: the values are the same, one of the two is cut from the graph."""

    def gradient(function, arguments):
        x = arguments[0].clone().requires_grad_()
        function(x).sum().backward()
        return x.grad

    def square(x):
        return x**2

    def has_gradient(student, generator):
        x = torch.rand(3, generator=generator)
        assert_close(gradient(student, (x,)), 2 * x, "the gradient")

    half_cut = Mistake("cut", lambda x: x * x.detach(), "Half of it is cut from the graph.")
    options = {
        "properties": [Property("gradient", 1, has_gradient)],
        "mistakes": [half_cut],
        "example": lambda generator: (torch.rand(4, generator=generator),),
        "probe": gradient,
    }
    assert grade("square", square, **options).passed
    assert grade("square", lambda x: x.detach() * x, **options).mistake == "cut"
    assert grade("square", lambda x: x**3, **options).hint is None


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
    def fails(student, generator):
        raise AssertionError("no")

    report = grade(
        "pair",
        lambda: answer,
        properties=[Property("never", 1, fails)],
        mistakes=[Mistake("pair", lambda: (torch.ones(2), 3), "A pair.")],
        example=lambda generator: (),
    )
    assert (report.hint is not None) == same


@pytest.mark.parametrize(
    ("got", "wanted", "message"),
    [
        (torch.ones(2, 3), torch.ones(3, 2), r"shape \(2, 3\), wanted \(3, 2\)"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), r"1 of 2 places; the first is \[1\]"),
        (0.5, 0.25, r"is 0.5, wanted 0.25"),
        (float("nan"), 1.0, "nan"),
        ([1, 2], torch.ones(2), "is a list, wanted a torch.Tensor"),
        (object(), 1.0, "is a object, wanted a float"),
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
