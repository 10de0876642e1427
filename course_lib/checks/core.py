"""One object for each exercise: `check(my_function)` gives points per property, and a hint.

A `Check` holds what belongs together, all of it plain Python:

* the *reference*, a right answer, and *example*, which draws its arguments at random, so that two
  calls never see the same numbers;
* *properties*: what must hold, each with its points and a test that raises `AssertionError`;
* *mistakes*: wrong answers that people give, each a function (a "mutant") with the hint that helps.

The learner's function gets copies of its arguments, has a limited time, and what it prints is
caught (`guard`). If a property fails, learner, reference and mutants get the same arguments. The
first mutant that gives the learner's answers every time names the mistake.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch

from course_lib.checks.compare import Probe, agree, assert_close, call
from course_lib.checks.guard import Guarded, Printed, TookTooLong, limited, sealed
from course_lib.checks.report import NOT_WRITTEN, Report, Result

Student = Callable[..., Any]
Example = Callable[[torch.Generator], tuple]  # draws the positional arguments of one call
Test = Callable[[Any, torch.Generator], None]

EXAMPLES = 5  # how many random inputs student and mutant must agree on
MORE_EXAMPLES = 20  # how many more, while more than one mutant agrees
SECONDS = 10.0  # for one property
SECONDS_LATER = 1.0  # for each one after the first that was stopped
MESSAGE_LENGTH = 400  # longer messages are cut: a learner's function can print a whole tensor


@dataclass(frozen=True)
class Property:
    """Something that a right answer does; `test` raises AssertionError(message) if it does not."""

    name: str
    points: int
    test: Test


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer: a function that gives it, and the hint for whoever gave it."""

    name: str
    mutant: Student
    hint: str


@dataclass(eq=False, repr=False)
class Check:
    """The check of one exercise; call it with the learner's function.

    Attributes:
        name: The exercise's, and the learner's function's.
        lab: The lab it belongs to, as an identifier: "gan_2d" for `notebooks/gan-2d.ipynb`.
        level: How much is asked.
        minutes: How long it takes.
        reference: A right answer. Its argument names are those of the statement.
        example: Draws arguments at which the mistakes differ from the reference, and from one
            another. None: no hints.
        probe: What is compared between learner, reference and mutants: `probe(function,
            arguments)`. The returned value, unless the answer is elsewhere: a gradient, say.
            A function there has `given`, the copies that its last call got.
        may_change: Arguments that the learner's function may change in place.
        seconds: Time of one property.
        kind: What is asked for; other kinds are in `kinds`.
        seeded: Whether inputs are drawn; otherwise every call does the same.
    """

    kind: ClassVar[str] = "write a function"
    seeded: ClassVar[bool] = True
    name: str
    lab: str
    level: Literal["warm-up", "build", "stretch"]
    minutes: int
    reference: Student
    example: Example | None = None
    probe: Probe = call
    may_change: Sequence[str] = ()
    seconds: float = SECONDS
    properties: list[Property] = field(default_factory=list, init=False)
    mistakes: list[Mistake] = field(default_factory=list, init=False)

    @property
    def points(self) -> int:
        """Points that can be reached."""
        return sum(item.points for item in self.properties)

    def mistake(self, name: str, mutant: Student, *, hint: str) -> None:
        """Add a known wrong answer; the order is the order in which they are tried."""
        self.mistakes.append(Mistake(name, mutant, hint))

    def holds(self, name: str, *, points: int) -> Callable[[Test], Test]:
        """Decorate the test of a property: `test(student, generator)` raises AssertionError."""

        def add(test: Test) -> Test:
            self.properties.append(Property(name, points, test))
            return test

        return add

    def equals_reference(
        self,
        name: str,
        *,
        points: int,
        example: Example | Sequence[Example] | None = None,
        probe: Probe | None = None,
        what: str | Sequence[str] = "the result",
        tolerance: float = 1e-5,
    ) -> None:
        """Add a property: what the probe gives is what it gives for the reference.

        Args:
            name: Name of the property.
            points: Its points.
            example: Draws the arguments; or several of these, one call each. Default: the check's.
            probe: What is compared. Default: the check's.
            what: Names the thing in messages; "{0}" is the first argument, and so on. For a probe
                that gives a tuple: one name for each part.
            tolerance: Largest difference, absolute plus relative.
        """
        given = example or self.example or (lambda generator: ())
        examples = [given] if callable(given) else list(given)

        @self.holds(name, points=points)
        def test(student: Any, generator: torch.Generator) -> None:
            for draw in examples:
                seed = int(torch.randint(2**31, (), generator=generator))
                for_student, for_us = draw(_generator(seed, 0)), draw(_generator(seed, 0))
                look = probe or self.probe
                wanted = look(self.guarded(self.reference), for_us)
                names: str | list[str]
                if isinstance(what, str):
                    names = what.format(*for_us)
                else:
                    names = [text.format(*for_us) for text in what[: len(wanted)]]
                assert_close(look(student, for_student), wanted, names, tolerance=tolerance)

    def guarded(self, function: Student) -> Guarded:
        """The function, called on copies."""
        return Guarded(
            function, list(inspect.signature(self.reference).parameters), self.may_change
        )

    def forget(self) -> None:
        """Forget what earlier calls left behind: somebody else begins."""

    def __call__(self, student: Student, *, seed: int | None = None) -> Report:
        """Check a learner's function. Errors in the learner's code are reported, never raised.

        Args:
            student: The learner's function, or class.
            seed: Repeats the inputs of an earlier report. Default: fresh ones on each call.

        Returns:
            The report: `points` of `total`, and `hint` if the mistake is known.
        """
        seed = fresh_seed() if seed is None else seed
        if not callable(student):
            return _not_a_function(self.name, self.properties, student, seed)
        guarded = self.guarded(student)
        report = examine(self.name, self.properties, guarded, seed=seed, seconds=self.seconds)
        report.seeded = self.seeded
        if self.example and not report.passed:
            functions = [guarded, *(self.guarded(m.mutant) for m in self.mistakes)]
            found = recognise(
                functions, self.guarded(self.reference), self.example, self.probe, report
            )
            if found is not None:
                report.hint, report.mistake = self.mistakes[found].hint, self.mistakes[found].name
        return report


def fresh_seed() -> int:
    """A seed that nobody can foresee."""
    return int.from_bytes(os.urandom(4), "little")


def examine(
    exercise: str,
    properties: Sequence[Property],
    answer: Any,
    *,
    seed: int,
    seconds: float = SECONDS,
) -> Report:
    """Test every property of an answer; nothing that it does escapes.

    Args:
        exercise: Name shown at the top of the report.
        properties: What must hold. Each is tested by itself, with its own random generator.
        answer: What the tests get. If it is `Guarded`, a changed argument costs the property.
        seed: Draws the inputs.
        seconds: Time of one property; shorter for those after one that was stopped.

    Returns:
        The report, without a hint.
    """
    report, printed = Report(exercise, seed=seed), Printed()
    for index, item in enumerate(properties):
        message, stopped = _test(item, answer, _generator(seed, index), printed, seconds)
        seconds = min(seconds, SECONDS_LATER) if stopped else seconds
        report.results.append(Result(item.name, item.points, not message, message))
    report.printed = printed.shown()
    return report


def recognise(
    functions: Sequence[Any],
    reference: Any,
    example: Example,
    probe: Probe,
    report: Report,
) -> int | None:
    """Find the first mutant that gives the learner's answers, and not the reference's.

    Args:
        functions: The learner's, then the mutants.
        reference: A right answer.
        example: Draws arguments.
        probe: What is compared.
        report: Of the learner's function: nothing is looked for if it did not end, or is not
            written; its seed draws the inputs.

    Returns:
        The mutant's place in `functions`, counted without the learner's; None: none is like it.
    """
    if any(r.message == NOT_WRITTEN or r.message.startswith(STOPPED) for r in report.results):
        return None
    learner, *mutants = functions
    candidates, differs = list(range(len(mutants))), False

    def search() -> int | None:
        nonlocal candidates, differs
        for index in range(EXAMPLES + MORE_EXAMPLES):
            if not candidates or (index >= EXAMPLES and len(candidates) == 1 and differs):
                break

            def answer(function: Any, stream: int = 1000 + index) -> Any:
                return _answer(probe, function, example(_generator(report.seed, stream)))

            mine = answer(learner)
            if _unwritten(mine) or _huge(mine):
                return None
            differs = differs or not agree(mine, answer(reference))
            candidates = [c for c in candidates if agree(mine, answer(mutants[c]))]
        return candidates[0] if candidates and differs else None

    with sealed(Printed(), 0):
        try:
            return limited(search, SECONDS)
        except TookTooLong:
            return None


STOPPED = "your code was stopped after"


def _test(
    item: Property, answer: Any, generator: torch.Generator, printed: Printed, seconds: float
) -> tuple[str, bool]:
    """The message for the learner, empty if the property holds; and whether it was stopped."""
    notes = answer.notes if isinstance(answer, Guarded) else []
    notes.clear()

    def outcome() -> str:
        try:
            item.test(answer, generator)
        except AssertionError as error:
            return _said(error) or f"this does not hold: {item.name}"
        except KeyboardInterrupt:
            raise
        except (Exception, SystemExit, GeneratorExit) as error:
            if _unwritten(error):
                return NOT_WRITTEN
            return f"your code stopped with {type(error).__name__}: {_said(error)}"
        return ""

    with sealed(printed, _dice(generator.initial_seed())):
        try:
            message, stopped = limited(outcome, seconds), False
        except TookTooLong:
            message = f"{STOPPED} {seconds:g} s: does a loop never end?"
            stopped = True
    if message == NOT_WRITTEN:
        return message, False
    return "\n".join(_cut(text) for text in [message, *notes] if text), stopped


def _unwritten(answer: Any) -> bool:
    """The stub's own error; torch raises others of this kind, with a text."""
    return isinstance(answer, NotImplementedError) and not _said(answer)


def _huge(answer: Any) -> bool:
    return isinstance(answer, AssertionError) and "million numbers" in _said(answer)


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "an error that cannot be shown"


def _cut(message: str) -> str:
    message = message.strip()
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"


def _generator(seed: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 100_003 + stream) % 2**63)


def _dice(seed: int) -> int:
    """The seed of torch's dice, which the answer can see; it tells nothing of the generator's."""
    return int.from_bytes(hashlib.blake2b(f"dice {seed}".encode(), digest_size=4).digest(), "big")


def _answer(probe: Probe, function: Any, arguments: tuple) -> Any:
    """The value, or the exception: both can be compared. Dice are reset."""
    torch.default_generator.manual_seed(0)
    try:
        return probe(function, arguments)
    except (Exception, SystemExit, GeneratorExit) as error:
        return error


def _not_a_function(
    exercise: str, properties: Sequence[Property], student: Any, seed: int
) -> Report:
    message = (
        f"got {type(student).__name__}, wanted the function itself: write check(my_function), "
        "not check(my_function(x))"
    )
    results = [Result(p.name, p.points, False, message) for p in properties]
    return Report(exercise, results, seed=seed)
