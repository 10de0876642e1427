"""Which submissions resemble each other more than the task explains.

A notebook becomes a sequence of tokens (Pygments): comments, docstrings, layout and the learners'
own names do not count, what is called and computed does. Runs of five tokens are its features;
those of the released notebook are taken out. They are weighted by how few learners have them, and
compared by the cosine (scikit-learn's TF-IDF), so that renamed variables, changed comments and
reordered cells change little, and what everybody writes counts for little.

Source: Schleimer, Wilkerson & Aiken (2003), "Winnowing: local algorithms for document
fingerprinting", for runs of tokens and for taking out what was given. There only some of the runs
are kept, for the sake of size; here all of them are, for a class is small.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from pygments import token as kinds
from pygments.lexers import PythonLexer
from sklearn.feature_extraction.text import TfidfVectorizer

from course_lib.grading import personal
from course_lib.grading.folder import Course, notebooks
from course_lib.grading.page import Page, table, text
from course_lib.grading.rebuild import LARGEST, rebuild

RUN = 5  # tokens
FEWEST = 20  # runs of a learner's own, below which two answers are alike by chance
TOKENS = 20_000  # of one notebook
LONGEST = 100_000  # characters of one cell
SHOWN = 12  # passages of a pair
CAUTION = (
    "Likeness is evidence, not proof. Short tasks have few good answers, and who has learnt "
    "together writes alike: read the passages, and talk to both learners before you conclude "
    "anything."
)


class Token(NamedTuple):
    """A word of a program, and where it stands."""

    word: str
    cell: int
    line: int


@dataclass
class Work:
    """One learner's answer to one notebook.

    Attributes:
        learner: Name.
        cells: Sources, as they were handed in.
        tokens: Of all cells.
        runs: Each run of tokens that is the learner's own, with the places where it begins.
    """

    learner: str
    cells: list[str]
    tokens: list[Token]
    runs: dict[tuple[str, ...], list[int]] = field(default_factory=dict)


class Passage(NamedTuple):
    """A run of tokens that two works share: its first token in each, and its length."""

    left: int
    right: int
    length: int


@dataclass
class Pair:
    """Two works that resemble each other.

    Attributes:
        notebook: Its name.
        left: One of them.
        right: The other one.
        likeness: Between 0 and 1.
        shares: How much of each one's own runs the other has, too.
    """

    notebook: str
    left: Work
    right: Work
    likeness: float
    shares: tuple[float, float]


def tokens_of(source: str, cell: int = 0) -> list[Token]:
    """The words of a cell that count.

    Names that a learner can choose all become one; what stands behind a dot keeps its name, for it
    says what is computed. So do keywords, operators and numbers.
    """
    found: list[Token] = []
    line = 0
    for kind, words in PythonLexer(stripnl=False).get_tokens(source[:LONGEST]):
        here, line = line, line + words.count("\n")
        if kind in kinds.Comment or kind in kinds.Literal.String.Doc or not words.strip():
            continue
        dotted = bool(found) and found[-1].word == "."
        if kind in kinds.Literal.String:
            if found and found[-1].word == "'text'":
                continue  # the next part of the same one
            word = "'text'"
        elif kind in kinds.Name and kind not in kinds.Name.Builtin and not dotted:
            word = words if kind in kinds.Name.Namespace else "name"
        else:
            word = words.strip()
        found.append(Token(word, cell, here))
    return found


def _runs(tokens: Sequence[Token]) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in range(len(tokens) - RUN + 1):
        found[tuple(token.word for token in tokens[place : place + RUN])].append(place)
    return found


def work_of(learner: str, notebook: NotebookNode, given: Sequence[NotebookNode] = ()) -> Work:
    """Read a notebook.

    Args:
        learner: Whose it is.
        notebook: In the shape of the release.
        given: What learners were given; its runs are taken out.
    """
    cells = [
        str(cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code" and not _is_test(cell)
    ]
    tokens = [token for number, source in enumerate(cells) for token in tokens_of(source, number)]
    known = {run for book in given for run in work_of("", book).runs}
    runs = {run: at for run, at in _runs(tokens[:TOKENS]).items() if run not in known}
    return Work(learner, cells, tokens[:TOKENS], runs)


def _is_test(cell: NotebookNode) -> bool:
    rules = cell.metadata.get("nbgrader") or {}
    return bool(rules.get("grade")) and not rules.get("solution")


def compare(works: Sequence[Work], notebook: str = "") -> list[Pair]:
    """Compare each with each.

    Args:
        works: Of one notebook.
        notebook: Its name.

    Returns:
        The pairs that share anything, the most alike first.
    """
    large = [work for work in works if sum(map(len, work.runs.values())) >= FEWEST]
    if len(large) < 2:
        return []
    weighed = TfidfVectorizer(analyzer=_words, sublinear_tf=True).fit_transform(large)
    likeness = (weighed @ weighed.T).toarray()
    found = []
    for i, j in combinations(range(len(large)), 2):
        if likeness[i, j] > 0:
            a, b = large[i], large[j]
            shares = (_share(a, b), _share(b, a))
            found.append(Pair(notebook, a, b, float(likeness[i, j]), shares))
    return sorted(found, key=lambda pair: -pair.likeness)


def _words(work: Work) -> list[str]:
    return [" ".join(run) for run, places in work.runs.items() for _ in places]


def _share(work: Work, other: Work) -> float:
    shared = sum(len(places) for run, places in work.runs.items() if run in other.runs)
    return shared / sum(map(len, work.runs.values()))


def passages(pair: Pair) -> list[Passage]:
    """The passages that two works share, the longest first; none is counted twice.

    Longest runs of equal tokens are taken greedily (Wise, 1993, "greedy string tiling"), wherever
    they stand: cells may have been reordered.
    """
    a, b = pair.left.tokens, pair.right.tokens
    shared = pair.left.runs.keys() & pair.right.runs.keys()
    starts = [
        (i, j) for r in shared for i in pair.left.runs[r][:50] for j in pair.right.runs[r][:50]
    ]
    found = []
    reached: set[tuple[int, int]] = set()
    for i, j in sorted(starts):
        if (i, j) in reached:
            continue
        length = 0
        while i + length < len(a) and j + length < len(b):
            if a[i + length].word != b[j + length].word:
                break
            reached.add((i + length, j + length))
            length += 1
        found.append(Passage(i, j, length))
    used_a: set[int] = set()
    used_b: set[int] = set()
    kept = []
    for passage in sorted(found, key=lambda p: (-p.length, p.left, p.right)):
        ours = range(passage.left, passage.left + passage.length)
        theirs = range(passage.right, passage.right + passage.length)
        if used_a.isdisjoint(ours) and used_b.isdisjoint(theirs):
            kept.append(passage)
            used_a.update(ours)
            used_b.update(theirs)
    return kept


def read_works(course: Course, assignment: str) -> dict[str, list[Work]]:
    """Read every submission of an assignment.

    What was graded is read as it was rebuilt; anything else is rebuilt now, and never run.

    Args:
        course: Its folder.
        assignment: Name.

    Returns:
        Notebook to works.

    Raises:
        FileNotFoundError: The assignment was not released.
    """
    found: dict[str, list[Work]] = {}
    for name, release in notebooks(course.check().release(assignment)).items():
        works = []
        for learner in course.learners(assignment):
            own = personal.handout(course, learner, assignment) / f"{name}.ipynb"
            given = [release, *([nbformat.read(own, as_version=4)] if own.is_file() else [])]
            ours = course.autograded(learner, assignment) / f"{name}.ipynb"
            theirs = course.submitted(learner, assignment) / f"{name}.ipynb"
            if ours.is_file():
                works.append(work_of(learner, nbformat.read(ours, as_version=4), given))
            elif theirs.is_file() and not theirs.is_symlink() and theirs.stat().st_size <= LARGEST:
                rebuilt = rebuild(theirs.read_bytes(), given[-1])
                if not rebuilt.problem:
                    works.append(work_of(learner, rebuilt.notebook, given))
        found[name] = works
    return found


def similarity_page(assignment: str, works: dict[str, list[Work]], pairs: int = 20) -> Page:
    """The page for the instructor.

    Args:
        assignment: Name.
        works: As `read_works` gives them.
        pairs: How many are shown side by side.
    """
    if pairs < 1:
        raise ValueError(f"got {pairs} pairs to show; ask for 1 or more")
    made = Page(f"{assignment}: similarity")
    made.add(f"<p><strong>{text(CAUTION)}</strong></p>")
    found = [pair for name, all_of in works.items() for pair in compare(all_of, name)]
    found.sort(key=lambda pair: -pair.likeness)
    learners = {work.learner for all_of in works.values() for work in all_of}
    made.add(
        f"<p>{len(learners)} learners. What was given is taken out; comments, layout and the "
        f"learners' own names do not count. The likeness is 1 for equal answers. What few learners "
        f"have weighs more. Answers of fewer than {FEWEST} own runs of {RUN} tokens are not "
        "compared: they are alike by chance.</p>"
    )
    if not found:
        made.add("<p>No two answers share anything of their own.</p>")
        return made
    several = len(works) > 1
    rows = [
        (
            str(number),
            f"{text(pair.left.learner)} and {text(pair.right.learner)}",
            text(pair.notebook),
            f"{pair.likeness:.2f}",
            f"{pair.shares[0]:.0%}, {pair.shares[1]:.0%}",
        )
        for number, pair in enumerate(found[: max(pairs, 100)], 1)
    ]
    head = ("", "Learners", "Notebook", "Likeness", "Of each, found in the other")
    made.add(table(head, rows, f"The {len(rows)} most similar pairs of {len(found)}"))
    for number, pair in enumerate(found[:pairs], 1):
        where = f" in {text(pair.notebook)}" if several else ""
        title = f"{number}. {text(pair.left.learner)} and {text(pair.right.learner)}{where}"
        made.add(f"<h2>{title}</h2><p>Likeness {pair.likeness:.2f}.</p>")
        all_of = passages(pair)
        for passage in all_of[:SHOWN]:
            made.add(_side_by_side(pair, passage))
        if len(all_of) > SHOWN:
            made.add(f"<p class='note'>{len(all_of) - SHOWN} shorter passages are not shown.</p>")
    return made


def _side_by_side(pair: Pair, passage: Passage) -> str:
    sides = []
    for work, first in ((pair.left, passage.left), (pair.right, passage.right)):
        lines: dict[tuple[int, int], None] = {}
        for token in work.tokens[first : first + passage.length]:
            lines[token.cell, token.line] = None
        shown, last = [], None
        for cell, line in sorted(lines):
            if last is not None and (cell, line) != (last[0], last[1] + 1):
                shown.append("<span class='note'>…</span>")
            words = work.cells[cell].split("\n")
            shown.append(
                f"<mark>{text(words[line] if line < len(words) else '', limit=300)}</mark>"
            )
            last = cell, line
        body = "\n".join(shown)
        sides.append(
            f"<div><p class='note'>{text(work.learner)}, code cell "
            f"{work.tokens[first].cell + 1}</p><pre class='out'>{body}</pre></div>"
        )
    return f"<div class='pair'>{''.join(sides)}</div>"
