"""Makes of whatever was handed in a notebook in the shape of the released one.

What counts of a submission is what the learner wrote: the answers, and further cells of their own.
The rest (test cells, statement, points, kernel, metadata) is the release's. So it does not matter
what became of it: deleted, edited, doubled, retyped, renamed, moved, wiped. The file itself may be
badly encoded, of an older format, or no notebook at all; it is read with limits and never run here.

Which cell is which is found in three steps: by `grade_id` or cell id; then by a name that both
define (`def iou`) or by equal text; then, between two cells that are known, by the likeness of the
texts, in order. Whatever is not found is a cell of the learner's own, and is kept where it stands.
"""

from __future__ import annotations

import ast
import codecs
import copy
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

LARGEST = 20 << 20  # bytes of a file
CELLS = 2_000
SOURCE = 1 << 20  # characters of one cell
ALIKE = 0.5  # likeness from which on two texts are the same cell, changed
COMPARED = 5_000  # characters that are compared
WHOLE = 4 << 20  # characters of all cells
STEPS = 60_000_000  # of work on one notebook; then what is not known yet stays unknown
PARSED = 100  # steps for a character of Python


@dataclass
class Rebuilt:
    """A submission in the shape of the release.

    Attributes:
        notebook: The release, with the learner's answers and own cells; to be judged.
        problem: Why nothing could be read; then the notebook is the release as it was.
        notes: What was put right, one line each.
    """

    notebook: NotebookNode
    problem: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class _Cell:
    """A cell as it was handed in: nothing but texts."""

    kind: str
    text: str
    id: str = ""
    grade_id: str = ""


def rebuild(data: bytes, release: NotebookNode) -> Rebuilt:
    """Rebuild a submission.

    Args:
        data: The file, as it was handed in.
        release: The notebook that learners were given; not changed.

    Returns:
        The notebook, and what was wrong. This never raises because of the data.
    """
    notes: list[str] = []
    try:
        cells = list(_cells(_parsed(data, notes)))
    except _Unreadable as error:
        return Rebuilt(_clean(release), problem=str(error))
    made = _clean(release)
    places = _matched(cells, made.cells)
    made.cells = _joined(cells, made.cells, places, notes)
    return Rebuilt(made, notes=notes)


class _Effort:
    """How much work is left: a text can be made so that to compare it takes for ever."""

    def __init__(self) -> None:
        self.left = STEPS

    def spend(self, steps: int) -> bool:
        """Whether there is enough left for this; then it is spent."""
        if steps > self.left:
            return False
        self.left -= steps
        return True


class _Unreadable(ValueError):
    """No notebook could be made of the file."""


def _parsed(data: bytes, notes: list[str]) -> dict[str, Any]:
    if not data.strip():
        raise _Unreadable("the file is empty")
    if len(data) > LARGEST:
        raise _Unreadable(f"the file has {len(data) >> 20} MB, more than {LARGEST >> 20}")
    try:
        found = json.loads(_text(data, notes), parse_int=lambda digits: 0)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"the file is no notebook: it is not JSON ({str(error)[:80]})") from None
    if not isinstance(found, dict):
        raise _Unreadable("the file is no notebook: it is JSON of another kind")
    return found


def _text(data: bytes, notes: list[str]) -> str:
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            notes.append(f"the file is written in {name}")
            return data.decode(name, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        notes.append("the file is not written in UTF-8; it was read as Latin-1")
        return data.decode("latin-1")


def _cells(found: dict[str, Any]) -> Iterator[_Cell]:
    cells = found.get("cells")
    if not isinstance(cells, list):
        sheets = found.get("worksheets")  # format 3
        if not isinstance(sheets, list):
            raise _Unreadable("the file is no notebook: it has no cells")
        parts = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for part in parts if isinstance(part, list) for cell in part]
    if len(cells) > CELLS:
        raise _Unreadable(f"the notebook has {len(cells)} cells, more than {CELLS}")
    whole = 0
    for cell in cells:
        if not isinstance(cell, dict):
            continue
        text = cell.get("source", cell.get("input", ""))
        if isinstance(text, list):
            text = "".join(part for part in text if isinstance(part, str))
        if not isinstance(text, str) or len(text) > SOURCE:
            continue
        whole += len(text)
        if whole > WHOLE:
            raise _Unreadable(f"its cells hold more than {WHOLE >> 20} million characters")
        metadata = cell.get("metadata")
        rules = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        grade_id = rules.get("grade_id") if isinstance(rules, dict) else ""
        kind, name = cell.get("cell_type"), cell.get("id")
        yield _Cell(
            kind if isinstance(kind, str) else "code",
            # Half of a pair of code units cannot be written into any file.
            text.encode("utf-8", "replace").decode(),
            name if isinstance(name, str) else "",
            grade_id if isinstance(grade_id, str) else "",
        )


def _clean(release: NotebookNode) -> NotebookNode:
    made = copy.deepcopy(release)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return made


def _rules(cell: NotebookNode) -> dict[str, Any]:
    found: dict[str, Any] = cell.metadata.get("nbgrader") or {}
    return found


def _is_answer(cell: NotebookNode) -> bool:
    return bool(_rules(cell).get("solution"))


def _is_fixed(cell: NotebookNode) -> bool:
    """Whether the learner may not change a cell: tests, statements, what is locked."""
    rules = _rules(cell)
    return bool(rules.get("locked") or rules.get("grade")) and not rules.get("solution")


def _matched(cells: list[_Cell], released: list[NotebookNode]) -> dict[int, int]:
    """Place in the submission to place in the release, for each cell that was found again."""
    places: dict[int, int] = {}
    left = set(range(len(released)))
    effort = _Effort()
    asked = [
        _defined(known.source, effort) if _is_answer(known) else set[str]() for known in released
    ]

    def claim(here: int, there: int) -> None:
        places[here] = there
        left.discard(there)

    names: dict[str, int] = {}
    for there, known in enumerate(released):
        names |= {name: there for name in (known.get("id"), _rules(known).get("grade_id")) if name}
    # Of two cells with one id, the last one counts, as it does when the notebook is run.
    for here in reversed(range(len(cells))):
        cell = cells[here]
        by_rule, by_id = names.get(cell.grade_id), names.get(cell.id)
        if by_rule is not None and by_id is not None and by_rule != by_id:
            continue  # it says two things
        said = by_id if by_rule is None else by_rule
        if said is None or said not in left:
            continue
        if _is_answer(released[said]) or _similar(cell, released[said], effort):
            claim(here, said)
    for here in reversed(range(len(cells))):
        if here in places:
            continue
        defines = _defined(cells[here].text, effort)
        for there in sorted(left):
            same = cells[here].text.strip() == released[there].source.strip()
            if same or defines & asked[there]:
                claim(here, there)
                break
    for here in range(len(cells)):
        if here in places:
            continue
        low = max((t for h, t in places.items() if h < here), default=-1)
        high = min((t for h, t in places.items() if h > here), default=len(released))
        nearest = [t for t in sorted(left) if low < t < high]
        scores = {t: _likeness(cells[here].text, released[t].source, effort) for t in nearest}
        best = max(scores, key=lambda t: scores[t], default=None)
        if best is not None and scores[best] >= ALIKE:
            claim(here, best)
    # An answer that looks like nothing: the one cell of its kind between two that are known.
    # (One that defines a function would have been known by it.)
    unknown = [t for t in left if _is_answer(released[t]) and not asked[t]]
    for there in sorted(unknown):
        after = max((h for h, t in places.items() if t < there), default=-1)
        before = min((h for h, t in places.items() if t > there), default=len(cells))
        free = [h for h in range(after + 1, before) if h not in places]
        if len(free) == 1:
            claim(free[0], there)
    return places


def _similar(cell: _Cell, released: NotebookNode, effort: _Effort) -> bool:
    """Whether a cell with the right id is what it says: not an answer under another's id."""
    return (
        _is_fixed(released)
        or not (_defined(cell.text, effort) - _defined(released.source, effort))
        or (_likeness(cell.text, released.source, effort) >= ALIKE)
    )


def _defined(text: str, effort: _Effort) -> set[str]:
    """The functions and classes that a cell defines, even if it does not compile."""
    try:
        if not effort.spend(PARSED * len(text)):
            raise MemoryError
        nodes = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^(?:def|class) +(\w+)", text[:SOURCE], flags=re.MULTILINE))
    return {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def _likeness(a: str, b: str, effort: _Effort) -> float:
    """How alike two texts are, as `SequenceMatcher.ratio` has it; less where that is much work."""
    a, b = a[:COMPARED], b[:COMPARED]
    if not effort.spend(len(a) + len(b)):
        return 0.0
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    often, same = Counter(b), 0
    places = [(0, len(a), 0, len(b))]
    while places:
        here, end, there, finish = places.pop()
        if not effort.spend(sum(often[letter] for letter in a[here:end])):
            break
        i, j, size = matcher.find_longest_match(here, end, there, finish)
        same += size
        if size:
            places += [(here, i, there, j)] if here < i and there < j else []
            after = (i + size, end, j + size, finish)
            places += [after] if after[0] < end and after[2] < finish else []
    return 2 * same / (len(a) + len(b))


def _joined(
    cells: list[_Cell], released: list[NotebookNode], places: dict[int, int], notes: list[str]
) -> list[NotebookNode]:
    """The cells of the rebuilt notebook: the learner's order, with the release's fixed cells."""
    made: list[NotebookNode] = []
    done: set[int] = set()
    found = set(places.values())

    def missing(until: int) -> None:
        """Put the release's cells in that nobody handed in."""
        for there in range(until):
            if there not in found and there not in done:
                done.add(there)
                made.append(released[there])
                if _is_answer(released[there]) or _is_fixed(released[there]):
                    notes.append(f"the cell {_name(released[there])} was missing: put back")

    ids = {str(cell.get("id")) for cell in released}
    for here, cell in enumerate(cells):
        if here not in places:
            if cell.text.strip():
                made.append(_own(cell, here, ids))
            continue
        there = places[here]
        missing(there)
        done.add(there)
        kept = released[there]
        if _is_fixed(kept):
            if cell.text.strip() != kept.source.strip():
                notes.append(f"the cell {_name(kept)} was changed: the released one counts")
        elif kept.cell_type == "code" or cell.kind == kept.cell_type:
            if cell.kind != kept.cell_type:
                notes.append(f"the cell {_name(kept)} was of the type {cell.kind[:20]}: it is code")
            kept.source = cell.text
        else:
            kept.source = cell.text
        made.append(kept)
    missing(len(released))
    return made


def _own(cell: _Cell, here: int, ids: set[str]) -> NotebookNode:
    """A cell of the learner's own."""
    name = f"own-{here}"
    while name in ids:
        name += "x"
    if cell.kind == "code":
        return new_code_cell(cell.text, id=name)
    return new_markdown_cell(cell.text, id=name)


def _name(cell: NotebookNode) -> str:
    return repr(_rules(cell).get("grade_id") or cell.get("id") or "?")
