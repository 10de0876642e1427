"""Grade a learner's function: points per property, and a hint that recognises known wrong answers.

An exercise is described by three things, all plain Python:

* *properties*: what must hold, each with its points and a test that raises `AssertionError`;
* *mistakes*: wrong answers that people give, each a function (a "mutant") with the hint that helps;
* *example*: draws arguments at random, so that two calls never see the same numbers.

If a property fails, the learner's function and each mutant get the same arguments. The first mutant
that gives the same answers every time names the mistake.
"""

from __future__ import annotations

import copy
import html
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

Student = Callable[..., Any]
EXAMPLES = 5  # how many random inputs student and mutant must agree on
NOT_WRITTEN = "not written yet"
MESSAGE_LENGTH = 400  # longer messages are cut: a learner's function can print a whole tensor


@dataclass(frozen=True)
class Property:
    """Something that a right answer does; `test` raises AssertionError(message) if it does not."""

    name: str
    points: int
    test: Callable[[Student, torch.Generator], None]


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer: a function that gives it, and the hint for whoever gave it."""

    name: str
    mutant: Student
    hint: str


@dataclass(frozen=True)
class Result:
    """How one property came out."""

    name: str
    points: int
    passed: bool
    message: str = ""


@dataclass
class Report:
    """What a learner sees: points per property, and a hint if the mistake is a known one.

    The last line of a test cell is `report.points`: nbgrader reads a number there as partial
    credit.
    """

    exercise: str
    results: list[Result] = field(default_factory=list)
    hint: str | None = None
    mistake: str | None = None
    seed: int = 0

    @property
    def points(self) -> int:
        """Points reached."""
        return sum(result.points for result in self.results if result.passed)

    @property
    def total(self) -> int:
        """Points that can be reached."""
        return sum(result.points for result in self.results)

    @property
    def passed(self) -> bool:
        """True if every property holds."""
        return all(result.passed for result in self.results)

    @property
    def _inputs_matter(self) -> bool:
        return any(r.message != NOT_WRITTEN for r in self.results if not r.passed)

    def __str__(self) -> str:
        lines = [f"{self.exercise}: {self.points} of {self.total} points"]
        for result in self.results:
            mark = "ok  " if result.passed else "FAIL"
            lines.append(f"  {mark} {result.name} ({_points(result.points)})")
            if result.message:
                lines += [f"         {line}" for line in result.message.splitlines()]
        if self.hint:
            lines.append(f"  Hint: {self.hint}")
        if self._inputs_matter:
            lines.append(f"  The same inputs again: seed={self.seed}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same as a table; every text is escaped, for part of it comes from learner code."""
        rows = "".join(
            f"<tr><td>{'&#10003; holds' if result.passed else '&#10007; fails'}</td>"
            f"<td style='text-align:left'>{html.escape(result.name)}</td>"
            f"<td>{result.points if result.passed else 0} / {result.points}</td>"
            f"<td style='text-align:left'>{html.escape(result.message)}</td></tr>"
            for result in self.results
        )
        hint = f"<p><strong>Hint:</strong> {html.escape(self.hint)}</p>" if self.hint else ""
        again = f"<p>The same inputs again: <code>seed={self.seed}</code></p>"
        again = again if self._inputs_matter else ""
        return (
            f"<p><strong>{html.escape(self.exercise)}: {self.points} of {self.total} points"
            "</strong></p><table><thead><tr><th>Result</th><th>Property</th><th>Points</th>"
            f"<th>Message</th></tr></thead><tbody>{rows}</tbody></table>{hint}{again}"
        )


def grade(
    exercise: str,
    student: Student,
    *,
    properties: Sequence[Property],
    mistakes: Sequence[Mistake],
    example: Callable[[torch.Generator], tuple],
    probe: Callable[[Student, tuple], Any] | None = None,
    seed: int | None = None,
) -> Report:
    """Check a learner's function. Errors in the learner's code are reported, never raised.

    Args:
        exercise: Name shown at the top of the report.
        student: The learner's function, or class.
        properties: What must hold. Each is tested by itself, with its own random generator.
        mistakes: Known wrong answers; the order is the order in which they are tried.
        example: Draws the positional arguments for one call, given a generator.
        probe: What is compared between learner and mutant, `probe(function, arguments)`. Default:
            `function(*arguments)`. Give one where the answer is not in the returned value, for
            instance to return a gradient, or to build a layer and run it.
        seed: Repeats the inputs of an earlier report. Default: fresh ones on each call.

    Returns:
        The report. `report.points` of `report.total`; `report.hint` if the mistake is known.
    """
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    report = Report(exercise, seed=seed)
    if not callable(student):
        message = (
            f"got {type(student).__name__}, wanted the function itself: write "
            "check(my_function), not check(my_function(x))"
        )
        report.results = [Result(p.name, p.points, False, message) for p in properties]
        return report
    for index, item in enumerate(properties):
        message = _test(item, student, _generator(seed, index))
        report.results.append(Result(item.name, item.points, not message, message))
    if not report.passed:
        inputs = [example(_generator(seed, 1000 + index)) for index in range(EXAMPLES)]
        call = probe or _call
        answers = [_answer(call, student, arguments) for arguments in inputs]
        if any(isinstance(answer, NotImplementedError) for answer in answers):
            return report
        for mistake in mistakes:
            if all(
                _agree(answer, _answer(call, mistake.mutant, arguments))
                for answer, arguments in zip(answers, inputs, strict=True)
            ):
                report.hint, report.mistake = mistake.hint, mistake.name
                break
    return report


def assert_close(
    got: Any, wanted: Any, what: str = "the result", *, tolerance: float = 1e-5
) -> None:
    """Raise AssertionError with a message for learners if `got` is not `wanted`.

    Compares type (tensor or number), shape and values, in this order; the tolerance is absolute
    plus relative. NaN equals NaN. An integer or boolean tensor may stand for a float one.

    Args:
        got: What the learner's function returned.
        wanted: A tensor, or a number.
        what: Names the thing in the message, for instance "the output for stride 2".
        tolerance: Largest |got - wanted| / (1 + |wanted|).
    """
    if got is None:
        raise AssertionError(f"{what} is None: is the `return` missing?")
    if isinstance(wanted, torch.Tensor) and not isinstance(got, torch.Tensor):
        raise AssertionError(f"{what} is a {type(got).__name__}, wanted a torch.Tensor")
    try:
        left, right = torch.as_tensor(got).detach(), torch.as_tensor(wanted).detach()
    except (TypeError, ValueError, RuntimeError):
        raise AssertionError(
            f"{what} is a {type(got).__name__}, wanted a {type(wanted).__name__}"
        ) from None
    if left.shape != right.shape:
        raise AssertionError(
            f"{what} has shape {tuple(left.shape)}, wanted {tuple(right.shape)}"
            if right.ndim
            else f"{what} has shape {tuple(left.shape)}, wanted one number"
        )
    a, b = left.cpu().to(torch.float64), right.cpu().to(torch.float64)
    wrong = ~torch.isclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    if wrong.any():
        if not a.ndim:
            raise AssertionError(f"{what} is {a.item():.6g}, wanted {b.item():.6g}")
        place = tuple(int(i) for i in wrong.nonzero()[0])
        raise AssertionError(
            f"{what} is wrong in {int(wrong.sum())} of {wrong.numel()} places; the first is "
            f"[{', '.join(map(str, place))}]: {a[place].item():.6g}, wanted {b[place].item():.6g}"
        )


def _points(number: int) -> str:
    return f"{number} point" + ("" if number == 1 else "s")


def _generator(seed: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 100_003 + stream) % 2**63)


def _test(item: Property, student: Student, generator: torch.Generator) -> str:
    """The message for the learner; empty if the property holds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed() % 2**31)
        try:
            item.test(student, generator)
        except NotImplementedError:
            return NOT_WRITTEN
        except AssertionError as error:
            return _cut(str(error) or f"this does not hold: {item.name}")
        except (Exception, SystemExit) as error:
            return _cut(f"your code stopped with {type(error).__name__}: {error}")
    return ""


def _cut(message: str) -> str:
    message = message.strip()
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"


def _call(function: Student, arguments: tuple) -> Any:
    return function(*arguments)


def _answer(call: Callable[[Student, tuple], Any], function: Student, arguments: tuple) -> Any:
    """The value, or the exception: both can be compared. Arguments are copied, dice are reset."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return call(function, copy.deepcopy(arguments))
        except (Exception, SystemExit) as error:
            return error


def _agree(a: Any, b: Any) -> bool:
    """Whether two answers are the same; a learner's class that cannot be compared is different."""
    try:
        return _same(a, b)
    except Exception:
        return False


def _same(a: Any, b: Any) -> bool:
    """Compare by value, never by `==` of a class that is not known here."""
    if isinstance(a, BaseException) or isinstance(b, BaseException):
        return type(a) is type(b) and str(a) == str(b)
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.shape != b.shape or a.requires_grad != b.requires_grad:
            return False
        left, right = a.detach().cpu().double(), b.detach().cpu().double()
        return torch.allclose(left, right, rtol=1e-4, atol=1e-6, equal_nan=True)
    if isinstance(a, np.ndarray | np.generic) and isinstance(
        b, np.ndarray | np.generic | float | int
    ):
        first, second = np.asarray(a), np.asarray(b)
        same_shape = first.shape == second.shape
        return same_shape and bool(np.allclose(first, second, 1e-4, 1e-6, equal_nan=True))
    if isinstance(a, bool | int | float) and isinstance(b, bool | int | float):
        same_nan = math.isnan(a) and math.isnan(b)
        return same_nan or math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return (a is None and b is None) or (type(a) is type(b) is str and a == b)
