"""What a learner sees of a check: points per property, a message for each, and a hint."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field

NOT_WRITTEN = "not written yet"
_CELL = "text-align:left;padding:0.2em 0.8em;white-space:pre-line"


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
    seeded: bool = True
    note: str = ""
    printed: str = ""

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
    def untouched(self) -> bool:
        """True if nothing is written yet."""
        return bool(self.results) and all(r.message == NOT_WRITTEN for r in self.results)

    @property
    def _inputs_matter(self) -> bool:
        failed = [r for r in self.results if not r.passed]
        return self.seeded and any(r.message != NOT_WRITTEN for r in failed)

    @property
    def _title(self) -> str:
        if self.untouched:
            return f"{self.exercise}. Your turn: {_points(self.total)}"
        return f"{self.exercise}: {self.points} of {self.total} points"

    def __str__(self) -> str:
        lines = [self._title]
        for result in self.results if not self.untouched else []:
            mark = "ok  " if result.passed else "FAIL"
            lines.append(f"  {mark} {result.name} ({_points(result.points)})")
            lines += [f"         {line}" for line in result.message.splitlines()]
        if self.hint:
            lines.append(f"  Hint: {self.hint}")
        if self.note:
            lines += [f"  {line}" for line in textwrap.wrap(self.note, 96)]
        if self.printed:
            lines.append("  Your code printed:")
            lines += [f"    {line}" for line in self.printed.splitlines()]
        if self._inputs_matter:
            lines.append(f"  To repeat this, call the check with seed={self.seed} as well.")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same as a table; every text is escaped, for part of it comes from learner code."""
        parts = [f"<p><strong>{html.escape(self._title)}</strong></p>"]
        if not self.untouched:
            head = "".join(
                f"<th scope='col' style='{_CELL}'>{name}</th>"
                for name in ("Result", "Property", "Points", "Message")
            )
            rows = "".join(_row(result) for result in self.results)
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        if self.hint:
            parts.append(f"<p><strong>Hint:</strong> {html.escape(self.hint)}</p>")
        if self.note:
            parts.append(f"<p>{html.escape(self.note)}</p>")
        if self.printed:
            parts.append(f"<p>Your code printed:</p><pre>{html.escape(self.printed)}</pre>")
        if self._inputs_matter:
            repeat = f"<code>seed={self.seed}</code>"
            parts.append(f"<p>To repeat this, call the check with {repeat} as well.</p>")
        return "".join(parts)


def _row(result: Result) -> str:
    cells = (
        "&#10003; holds" if result.passed else "&#10007; fails",
        html.escape(result.name),
        f"{result.points if result.passed else 0} / {result.points}",
        html.escape(result.message),
    )
    return "<tr>" + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in cells) + "</tr>"


def _points(number: int) -> str:
    return f"{number} point" + ("" if number == 1 else "s")
