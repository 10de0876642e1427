"""How a class did in an assignment, on one page for the instructor.

Points, what each property of each question asked too much of, the commonest wrong answers, when the
submissions came, how long judging took, and who still waits. Figures are drawn within the page and
say in words what they show.
"""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.grading.page import Page, points, table, text
from course_lib.grading.standing import GRADED, MISSING, UNGRADED, WAITING, Standing, Standings

INK, BAR = "#010203", "#0072b2"  # INK stands for the page's own colour of text
COMMONEST = 12  # wrong answers that are listed
# The same everywhere: no date, no version, no random names.
_DRAWING: Any = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "course",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def report_page(found: Standings) -> Page:
    """The page.

    Args:
        found: The class.
    """
    made = Page(f"{found.assignment}: report")
    states = Counter(standing.state for standing in found.learners)
    rows = [(text(state), str(states[state])) for state in (GRADED, WAITING, UNGRADED, MISSING)]
    made.add(table(("State", "Learners"), rows, f"{len(found.learners)} learners"))
    made.add(*_distribution(found), *_questions(found), *_mistakes(found))
    made.add(*_times(found), *_waiting(found))
    return made


def _distribution(found: Standings) -> Iterator[str]:
    yield "<h2>Points</h2>"
    final = [standing.points for standing in found.learners if standing.points is not None]
    if not final:
        yield "<p>Nobody has a final grade yet.</p>"
        return
    low, middle, high = np.percentile(final, [25, 50, 75])
    said = (
        f"Median {points(middle)} of {points(found.total)} points; the middle half lies between "
        f"{points(low)} and {points(high)}; lowest {points(min(final))}, "
        f"highest {points(max(final))}."
    )
    yield f"<p>{said} Counted: the {len(final)} final grades.</p>"
    top = max(found.total, max(final), 1.0)
    counts, edges = np.histogram(final, bins=10, range=(0, top))
    with rc_context(_DRAWING):
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.92, align="edge", color=BAR)
        axes.set(xlabel=f"points (of {points(found.total)})", ylabel="learners", xlim=(0, top))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        alt = f"Histogram of the points of {len(final)} learners. {said}"
        yield _inline(figure, alt)


def _questions(found: Standings) -> Iterator[str]:
    """Success for each question and each property of it."""
    yield "<h2>Questions and their properties</h2>"
    marks = defaultdict(list)
    for standing in found.learners:
        for mark in standing.marks:
            if mark.points is not None:
                marks[mark.notebook, mark.name].append(mark)
    rows, bars = [], []
    for notebook, name, total in found.questions:
        given = marks[notebook, name]
        if not given:
            rows.append((f"<strong>{text(name)}</strong>", "", "-", "not graded yet"))
            continue
        mean = float(np.mean([mark.points for mark in given]))
        full = sum((mark.points or 0) >= total for mark in given)
        rows.append(
            (
                f"<strong>{text(name)}</strong>",
                "",
                f"{full} of {len(given)}",
                f"{points(mean)} of {points(total)} points on average",
            )
        )
        outcomes: dict[str, list[bool]] = defaultdict(list)
        for mark in given:
            for result in mark.results:
                outcomes[result.property].append(result.passed)
        for prop, passed in outcomes.items():
            share = sum(passed) / len(passed)
            bars.append((name, prop, share))
            rows.append(
                ("", text(prop, limit=200), f"{sum(passed)} of {len(passed)}", f"{share:.0%}")
            )
    if bars:
        yield _success(bars)
    yield table(("Question", "Property", "Succeeded", ""), rows)


def _success(bars: Sequence[tuple[str, str, float]]) -> str:
    hardest = sorted(bars, key=lambda bar: bar[2])[:15]
    with rc_context(_DRAWING):
        figure = Figure(figsize=(7, 0.8 + 0.32 * len(hardest)), layout="constrained")
        axes = figure.subplots()
        names = [_short(prop) for _, prop, _ in hardest]
        places = np.arange(len(hardest))[::-1]
        axes.barh(places, [100 * share for *_, share in hardest], color=BAR, height=0.7)
        axes.set_yticks(places, names)
        axes.set(xlabel="learners who have it (%)", xlim=(0, 100))
        worst = "; ".join(f"{_short(prop)}: {share:.0%}" for _, prop, share in hardest[:3])
        alt = (
            f"Share of learners for each of the {len(hardest)} hardest properties. Lowest: {worst}."
        )
        return _inline(figure, alt)


def _short(words: str) -> str:
    shown = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return shown if len(shown) <= 46 else f"{shown[:45]}…"


def _mistakes(found: Standings) -> Iterator[str]:
    """The hints that came up most often: each stands for one wrong answer."""
    yield "<h2>The commonest wrong answers</h2>"
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    unexplained: Counter[str] = Counter()
    for standing in found.learners:
        for mark in standing.marks:
            hints = {mark.hint, *(r.hint for r in mark.results if not r.passed)} - {""}
            for hint in hints:
                seen[mark.name, hint].add(standing.learner)
            if not hints and mark.points is not None and mark.points < mark.total and mark.results:
                unexplained[mark.name] += 1
    rows = [
        (str(len(learners)), text(name), text(hint, limit=600))
        for (name, hint), learners in sorted(seen.items(), key=lambda item: -len(item[1]))
    ]
    if rows:
        yield table(("Learners", "Question", "Hint that they were given"), rows[:COMMONEST])
    else:
        yield "<p>No known mistake was made.</p>"
    if unexplained:
        named = ", ".join(f"{count} in {text(name)}" for name, count in unexplained.most_common())
        yield f"<p class='note'>Wrong without a hint, for no known mistake fits: {named}.</p>"


def _times(found: Standings) -> Iterator[str]:
    yield "<h2>Time</h2>"
    handed = [s for s in found.learners if s.submitted is not None]
    if handed:
        late = [standing for standing in handed if standing.late]
        first, last = (pick(s.submitted for s in handed if s.submitted) for pick in (min, max))
        due = f" Due {found.due:%Y-%m-%d %H:%M}." if found.due else ""
        yield (
            f"<p>Handed in between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC.{due} "
            f"Late: {len(late)} of {len(handed)}.</p>"
        )
    if found.due and len(handed) > 1:
        hours = [(s.submitted - found.due).total_seconds() / 3600 for s in handed if s.submitted]
        with rc_context(_DRAWING):
            figure = Figure(figsize=(7, 2.2), layout="constrained")
            axes = figure.subplots()
            axes.hist(np.clip(hours, -168, 168), bins=24, color=BAR)
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
            axes.axvline(0, color=INK, linestyle="--")
            axes.set(xlabel="hours after the time due (dashed)", ylabel="learners")
            before = sum(-24 <= hour <= 0 for hour in hours)
            alt = (
                f"Histogram of when {len(hours)} submissions came, in hours after the time due: "
                f"{before} in the last 24 hours before it, {sum(h > 0 for h in hours)} after it."
            )
            yield _inline(figure, alt)
    seconds = [s.seconds for s in found.learners if s.seconds is not None]
    if seconds:
        yield (
            f"<p>Judging took {np.median(seconds):.1f} s a submission (median), "
            f"{max(seconds):.1f} s at most.</p>"
        )


def _waiting(found: Standings) -> Iterator[str]:
    yield "<h2>Who waits</h2>"
    rows = [
        (
            text(one.learner, limit=100),
            text(one.state),
            _asked(one),
            text("; ".join(one.notes), limit=500),
        )
        for one in found.learners
        if one.state in (WAITING, UNGRADED) or one.notes or any(m.again for m in one.marks)
    ]
    if rows:
        yield table(("Learner", "State", "Points by hand for", "Notes"), rows)
    else:
        yield "<p>Nobody.</p>"
    missing = [text(one.learner, limit=100) for one in found.learners if one.state == MISSING]
    if missing:
        yield f"<p>Not submitted: {', '.join(missing)}.</p>"


def _asked(one: Standing) -> str:
    names = [mark.name for mark in one.marks if mark.points is None]
    names += [
        f"{mark.name} (graded again since: look once more)" for mark in one.marks if mark.again
    ]
    return text(", ".join(names))


def _inline(figure: Figure, alt: str) -> str:
    """A figure as part of the page, in the page's colour of text."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(INK, "currentColor")
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    named = f'<svg role="img" aria-label="{text(alt, limit=1_000)}"'
    return f"<figure>{drawn.replace('<svg', named, 1)}</figure>"
