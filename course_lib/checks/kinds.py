"""Exercises that ask for something else than one function: five more kinds of `Check`.

* `Repair`: a training with planted bugs; each is found by a property of its own.
* `Predict`: an answer is given before the run; a changed answer is a second attempt.
* `WriteTest`: the learner's test must accept right functions and reject the known wrong ones.
* `Diagnose`: which recorded run went wrong for which reason?
* `Design`: a network or a schedule that reaches a bar within a budget, judged by trying it.

All of them are called like any other check, with a function of the learner's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch

from course_lib.checks.core import Check, Student, Test, examine
from course_lib.checks.report import Report


def nothing(generator: torch.Generator) -> tuple:
    """The arguments of a function that has none."""
    return ()


@dataclass(eq=False, repr=False, kw_only=True)
class Repair(Check):
    """The check of a function with planted bugs.

    The learner gets `broken` and writes the repaired function. Each bug has a property that fails
    as long as this bug is there, whatever else is wrong; its message tells a symptom. The hint,
    which names the line, is for a function that has only this one bug left.

    Attributes:
        broken: The function that the learner is given, with all bugs.
    """

    kind: ClassVar[str] = "repair"
    broken: Student

    def bug(
        self, name: str, left: Student, *, points: int = 1, hint: str
    ) -> Callable[[Test], Test]:
        """Decorate the test that finds one bug.

        Args:
            name: What holds once the bug is mended.
            left: The function in which only this bug is left.
            points: For mending it.
            hint: For that function.
        """
        self.mistake(f"left: {name}", left, hint=hint)
        return self.holds(name, points=points)


class Outcome(NamedTuple):
    """What a run showed: the right answer, and the numbers, in words."""

    answer: Any
    seen: str


@dataclass(eq=False, repr=False, kw_only=True)
class Predict(Check):
    """The check of a prediction. Calling it commits the answer, and then does the run.

    Attributes:
        choices: The possible answers, with what each says; for a number a range.
        run: Does the run; call it through `functools.cache`.
        tempting: Which wrong answer suggests itself, and why; shown after the run.
        attempts: The answers so far in this process, in order. An answer that was changed after the
            outcome had been seen can earn a point less.
    """

    kind: ClassVar[str] = "predict"
    seeded: ClassVar[bool] = False
    choices: Mapping[str, str] | range
    run: Callable[[], Outcome]
    tempting: str
    attempts: list[Any] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Add the three properties that every prediction has."""
        self.example = nothing
        self.holds("an answer is committed before the run", points=1)(self._commit)
        self.holds("the answer is what the run shows", points=1)(self._right)
        self.holds("the first answer was right", points=1)(self._first)

    def wrong(self, answer: Any, hint: str) -> None:
        """Add what is to be said to whoever gives this wrong answer."""
        self.mistake(f"answer {answer}", lambda: answer, hint=hint)

    def __call__(self, student: Student, *, seed: int | None = None) -> Report:
        """Commit the answer and compare it with the run; `Check.__call__` says more."""
        if callable(student):
            first = self.properties[:1]
            if examine(
                self.name, first, self.guarded(student), seed=0, seconds=self.seconds
            ).passed:
                self.run()  # in its own time, not in that of the learner's function
        report = super().__call__(student, seed=seed)
        if report.results[0].passed:
            report.note = f"{self.run().seen} {self.tempting}"
        else:  # nothing is committed, so nothing is said about it: True is 1
            report.hint = report.mistake = None
        return report

    def forget(self) -> None:
        """Forget the answers so far."""
        self.attempts.clear()

    def _commit(self, student: Any, generator: torch.Generator) -> None:
        answer = student()
        wanted = (
            f"a whole number from {self.choices.start} to {self.choices.stop - 1}"
            if isinstance(self.choices, range)
            else "one of " + ", ".join(map(repr, self.choices))
        )
        kind = int if isinstance(self.choices, range) else str
        assert type(answer) is kind and answer in self.choices, (
            f"you return {answer!r}, wanted {wanted}; nothing is committed yet"
        )
        if not self.attempts or self.attempts[-1] != answer:
            self.attempts.append(answer)

    def _right(self, student: Any, generator: torch.Generator) -> None:
        self._commit(student, generator)
        answer = self.attempts[-1]
        assert answer == self.run().answer, f"you committed {answer!r}, and the run shows otherwise"

    def _first(self, student: Any, generator: torch.Generator) -> None:
        self._commit(student, generator)
        first, right = self.attempts[0], self.run().answer
        assert first == right, (
            f"it was {first!r}; this is attempt {len(self.attempts)}, after the outcome was shown"
            if len(self.attempts) > 1
            else f"it was {first!r}"
        )


@dataclass(eq=False, repr=False, kw_only=True)
class WriteTest(Check):
    """The check of a learner's test: a function that raises AssertionError for a wrong function.

    Attributes:
        of: The check of the exercise whose functions are tested.
        right: Right answers to it, in several styles; all of them must be accepted.
        wrong: Names of its mistakes, each of which must be rejected.
    """

    kind: ClassVar[str] = "write a test"
    of: Check
    right: Sequence[Student]
    wrong: Sequence[str]

    def __post_init__(self) -> None:
        """Add the properties: right ones accepted, and each wrong one rejected."""
        mutants = {item.name: item.mutant for item in self.of.mistakes}
        self.mutants = {name: mutants[name] for name in self.wrong}
        self.example, self.probe = nothing, self.verdicts
        self.holds("accepts right functions, however they are written", points=2)(self._accepts)
        for name, mutant in self.mutants.items():
            self.holds(f"rejects: {name}", points=1)(self._rejects(mutant))

    def verdicts(self, test: Any, arguments: tuple) -> list[bool]:
        """Return whether a test rejects each function; this is what tells two tests apart."""
        return [bool(verdict(test, f)) for f in [*self.right, *self.mutants.values()]]

    def _accepts(self, test: Any, generator: torch.Generator) -> None:
        functions = [*self.right, *self.mutants.values()]
        said = shown(test, functions, generator, times=3)
        rejected = next((text for each in said[: len(self.right)] for text in each if text), "")
        assert not rejected, f"your test rejects a right function: {rejected}"
        # Whoever rejects every second function, whatever it is, may by chance meet no right one.
        assert all(all(each) or not any(each) for each in said), (
            "your test accepts a function the first time and rejects it another time; what it says "
            "must depend on the function alone"
        )
        assert any(map(any, said[len(self.right) :])), (
            "it does, but there are no points for that while it accepts every wrong one as well"
        )

    def _rejects(self, mutant: Student) -> Test:
        def property_test(test: Any, generator: torch.Generator) -> None:
            ours, *others = shown(test, [mutant, *self.right], generator, times=3)
            assert all(ours), "your test accepts it"
            assert not any(map(any, others)), "your test rejects it, and a right function as well"

        return property_test


def shown(
    test: Any, functions: Sequence[Student], generator: torch.Generator, *, times: int
) -> list[list[str]]:
    """Show a test each function so many times; return what it says against each, every time.

    The order is random, so that a test that counts learns next to nothing, and torch's dice are the
    same each time, so that one with random inputs says the same of the same function.
    """
    said: list[list[str]] = [[] for _ in functions]
    dice = torch.default_generator.get_state()
    for i in torch.randperm(times * len(functions), generator=generator) % len(functions):
        torch.default_generator.set_state(dice)
        said[i].append(verdict(test, functions[i]))
    return said


def verdict(test: Any, function: Student) -> str:
    """What a learner's test says against a function; empty if it accepts it.

    Raises:
        AssertionError: The test returns something; it should raise.
    """

    def candidate(*arguments: Any, **options: Any) -> Any:  # without the function's name
        return function(*arguments, **options)

    try:
        answer = test(candidate)
    except NotImplementedError:
        raise
    except AssertionError as error:
        return f"AssertionError {error}"
    except Exception as error:
        return f"it stops with {type(error).__name__}: {error}"
    assert answer is None, (
        f"your test returns {answer!r}; a test says that something is wrong by raising: assert ..."
    )
    return ""


class Run(NamedTuple):
    """One recorded run: why it went wrong, and where in its record that is to be seen."""

    cause: str
    look: str


def recorded(module_file: str) -> dict[str, Any]:
    """Return the runs that `python -m tools.exercises record` wrote beside a module."""
    text = Path(module_file).with_suffix(".json").read_text(encoding="utf-8")
    runs: dict[str, Any] = json.loads(text)
    return runs


@dataclass(eq=False, repr=False, kw_only=True)
class Diagnose(Check):
    """The check of a diagnosis: which run went wrong for which reason.

    The learner's function returns a dictionary from runs to causes.

    Attributes:
        runs: By the letter that the figure gives them.
        causes: Each with the signs that it leaves. There may be more causes than runs.
        show: Draws the record of the runs.
    """

    kind: ClassVar[str] = "diagnose"
    seeded: ClassVar[bool] = False
    runs: Mapping[str, Run]
    causes: Mapping[str, str]
    show: Callable[[], None]

    def __post_init__(self) -> None:
        """Add a property for each run."""
        self.example = nothing
        for letter, run in self.runs.items():
            self.holds(f"run {letter}", points=1)(self._matches(letter, run))

    def _matches(self, letter: str, run: Run) -> Test:
        def test(student: Any, generator: torch.Generator) -> None:
            answer = student()
            assert isinstance(answer, dict), (
                f"you return a {type(answer).__name__}, wanted a dictionary from runs to causes"
            )
            assert letter in answer, f"your dictionary says nothing about run {letter!r}"
            cause = answer[letter]
            known = ", ".join(map(repr, self.causes))
            assert isinstance(cause, str) and cause in self.causes, (
                f"your cause is {cause!r}, wanted one of {known}"
            )
            assert cause == run.cause, f"not {cause!r}: {self.causes[cause]} {run.look}"

        return test


@dataclass(eq=False, repr=False, kw_only=True)
class Design(Check):
    """The check of a design: it is tried once for each report, with seeds that are fixed.

    The learner's function takes no arguments and returns the design: a network, say.

    Attributes:
        trial: Tries a design; raises AssertionError with a message if that is not possible. What it
            returns is what the properties look at.
    """

    kind: ClassVar[str] = "design"
    seeded: ClassVar[bool] = False
    trial: Callable[[Any], Any]

    def __post_init__(self) -> None:
        """Nothing is drawn, and nothing tried yet."""
        self.example = nothing
        self._tried: list[Any] = []

    def __call__(self, student: Student, *, seed: int | None = None) -> Report:
        """Try the design and grade what came of it; `Check.__call__` says more."""
        self._tried.clear()
        return super().__call__(student, seed=seed)

    def meets(self, name: str, *, points: int) -> Callable[[Callable[[Any], None]], Any]:
        """Decorate the test of a property: `test(what the trial returned)`."""

        def add(test: Callable[[Any], None]) -> Callable[[Any], None]:
            self.holds(name, points=points)(lambda student, generator: test(self._result(student)))
            return test

        return add

    def _result(self, student: Any) -> Any:
        if not self._tried:
            torch.manual_seed(0)  # a network's first weights belong to the trial
            try:
                self._tried.append(self.trial(student()))
            except AssertionError as error:
                self._tried.append(error)
        if isinstance(self._tried[0], AssertionError):
            raise AssertionError(*self._tried[0].args)
        return self._tried[0]
