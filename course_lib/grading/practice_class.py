"""A made-up class, to try all of grading on: its names, what it hands in, and what that earns.

Nobody in it exists. `people` makes the names, `hand_in` the submissions: honest ones, half-right
ones, broken ones, hostile ones, and some that never end. What each must earn is found without the
judge: the answers, which are ours, are run beside the instructor's tests, in this process; whatever
an attack does besides, it earns what its answers earn.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import csv
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from course_lib.grading.folder import Course
from course_lib.grading.judge import is_test, rules
from course_lib.grading.roster import Learner

FIRST_NAMES = """
Ada Amara Anders Aylin Bao Beatriz Carlos Chiara Dmitri Elif Emeka Farah Gustav Hana Ingrid Ivan
Jamal Jana Kaito Katarzyna Lars Leila Linh Malik Maren Mateo Mei Nadia Noor Omar Paulo Priya Quentin
Rania Rosa Samira Søren Tariq Teodora Uma Viktor Wanjiru Xenia Yuki Zofia
"""
LAST_NAMES = """
Abara Almeida Andersen Bianchi Boateng Castillo Dąbrowski Demir Duarte Eriksen Farouk Fischer García
Haddad Hansen Ibrahim Ivanova Jensen Kamau Kaya Keller Kim Kovač Laurent Lindqvist Ma Mendes Moreau
Nakamura Nguyen Novák Okafor Olsen Petrov Qureshi Rossi Sato Schmidt Silva Tanaka
"""
KINDS = ("honest", "half", "broken", "hostile", "hanging")
# Of a hundred; the rest is honest.
SHARES = {"half": 25, "broken": 10, "hostile": 13, "hanging": 2}
SLIPS = (
    (" != ignore_index", " != -1"),
    (" | ", " & "),
    (" + 1", ""),
    (" / ", " * "),
    (" - ", " + "),
    (" < ", " > "),
    ("2 * ", ""),
    (".sum()", ".mean()"),
)
EQUAL = """
class Equal:
    shape, dtype, ndim = (4,), None, 1
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self] * 4)
    def __bool__(self): return True
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __sub__ = __rsub__ = __abs__ = __getitem__ = __call__
    __hash__ = object.__hash__
"""
# A cell before the answers; they count for what they are.
BESIDES = {
    "ends its process": "import os; os._exit(1)",
    "kills its parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "leaves a daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    while True: time.sleep(1)"
    ),
    "prints without end": "while True: print('x' * 100_000)",
    "takes all memory": "x = []\nwhile True: x.append(bytearray(50_000_000))",
    "looks for the gradebook": (
        "import glob\nprint(glob.glob('/**/gradebook.db', recursive=True)[:3])"
    ),
    "writes HTML": (
        "from IPython.display import HTML, display\n"
        "display(HTML('<script>alert(document.cookie)</script>'))"
    ),
    "patches torch": (
        "import torch, numpy as np\nfor m in (torch, torch.testing, np):\n"
        "    for n in ('allclose', 'isclose', 'equal', 'assert_close'):\n"
        "        if hasattr(m, n): setattr(m, n, lambda *a, **k: True)"
    ),
}
ENDLESS = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"


@dataclass(frozen=True)
class Handed:
    """What one of the class hands in.

    Attributes:
        learner: Who.
        kind: One of `KINDS`.
        what: More precisely.
        files: By name.
        points: That it must earn, by notebook and question; None: somebody has to read it.
    """

    learner: Learner
    kind: str
    what: str
    files: dict[str, bytes]
    points: dict[tuple[str, str], float | None] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Of what is judged by tests."""
        return sum(points for points in self.points.values() if points is not None)


def people(number: int, seed: int = 0) -> list[Learner]:
    """Make up so many learners, with the numbers that platforms give.

    Raises:
        ValueError: More than there are names.
    """
    pairs = [(first, last) for first in FIRST_NAMES.split() for last in LAST_NAMES.split()]
    if not 1 <= number <= len(pairs):
        raise ValueError(f"got {number} learners, wanted 1 to {len(pairs)}")
    dice = random.Random(seed)
    made = []
    for index, (first, last) in enumerate(dice.sample(pairs, number)):
        plain = "".join(c for c in f"{first}{last}".lower() if c.isascii() and c.isalpha())
        made.append(
            Learner(
                id=f"{plain[:8]}{index:03d}",
                first_name=first,
                last_name=last,
                email=f"{plain[:8]}{index:03d}@example.org",
                moodle=str(20_000 + 7 * index),
                canvas=str(500_000 + 13 * index),
                github=f"{plain}-{index}",
            )
        )
    return sorted(made, key=lambda who: who.id)


def write_roster(path: Path, learners: Sequence[Learner]) -> None:
    """Write them as the CSV file that `course collect --roster` reads."""
    names = ("id", "first_name", "last_name", "email", "moodle", "canvas", "github")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows([getattr(who, name) for name in names] for who in learners)


def kinds(number: int, seed: int = 0) -> list[str]:
    """What kind each of so many is: shares as `SHARES` says, at least one of each from five on."""
    made = []
    for kind, share in SHARES.items():
        made += [kind] * max(1 if number >= len(KINDS) else 0, round(number * share / 100))
    made = made[:number] + ["honest"] * (number - len(made))
    random.Random(seed).shuffle(made)
    return made


def hand_in(
    learners: Sequence[Learner],
    notebooks: Callable[[str], dict[str, tuple[NotebookNode, NotebookNode]]],
    seed: int = 0,
) -> list[Handed]:
    """Make what each of them hands in.

    Args:
        learners: The class.
        notebooks: By a learner's id: source and released notebook, by name.
        seed: Of who does what.
    """
    dice = random.Random(seed)
    known: dict[str, dict[str, float | None]] = {}
    turns = {kind: 0 for kind in KINDS}
    made = []
    for who, kind in zip(learners, kinds(len(learners), seed), strict=True):
        turn = turns[kind]
        turns[kind] += 1
        books = notebooks(who.id)
        made.append(_handed(who, kind, turn, books, known, dice))
    return made


def of_course(course: Course, assignment: str, learner: str) -> dict[str, tuple[Any, Any]]:
    """A learner's source and released notebook, by name; their own variant, where there is one."""
    pairs = [
        (
            course.root / "variants" / assignment / learner,
            course.root / "handout" / assignment / learner,
        ),
        (course.source(assignment), course.release(assignment)),
    ]
    source, release = next(pair for pair in pairs if pair[0].is_dir())
    return {
        path.stem: (
            nbformat.read(path, as_version=4),
            nbformat.read(release / path.name, as_version=4),
        )
        for path in sorted(source.glob("*.ipynb"))
    }


def _handed(
    who: Learner,
    kind: str,
    turn: int,
    books: dict[str, tuple[NotebookNode, NotebookNode]],
    known: dict[str, dict[str, float | None]],
    dice: random.Random,
) -> Handed:
    files: dict[str, bytes] = {}
    points: dict[tuple[str, str], float | None] = {}
    what = kind
    names = list(BESIDES)
    for number, (name, (source, release)) in enumerate(books.items()):
        answers = {cell.id: solved(cell.source) for cell in source.cells if _answers(cell)}
        stubs = {cell.id: cell.source for cell in release.cells if _answers(cell)}
        before = data = ""
        if kind == "half":
            what, answers = _half(turn, answers, stubs)
        elif kind == "broken":
            what, answers, data = _broken(turn, answers, stubs)
        elif kind == "hostile" and turn % 3 == 2:
            what, before = "an object that equals everything", EQUAL
            answers = {c: _cheat(text, stubs[c]) for c, text in answers.items()}
        elif kind == "hostile":
            what = names[(turn - turn // 3) % len(names)]
            before = BESIDES[what]
        elif kind == "hanging" and number == 0:
            before, what = ENDLESS, "a cell that never ends"
        book = _written(release, answers, before, dice)
        files[f"{name}.ipynb"] = nbformat.writes(book, version=4).encode()
        if data:
            files[f"{name}.ipynb"] = data.encode("utf-8", "replace")
            answers = stubs
        key = repr((name, source.cells, answers, bool(data)))
        if key not in known:
            none = bool(data) or what == "an object that equals everything"
            known[key] = earned(source, release, answers, none=none)
        points |= {(name, question): value for question, value in known[key].items()}
    return Handed(who, kind, what, files, points)


def _answers(cell: NotebookNode) -> bool:
    return bool(rules(cell).get("solution"))


def solved(text: str) -> str:
    """A solution cell without its marks."""
    marks = ("BEGIN SOLUTION", "END SOLUTION")
    return "\n".join(x for x in text.splitlines() if not any(mark in x for mark in marks))


def _half(turn: int, answers: dict[str, str], stubs: dict[str, str]) -> tuple[str, dict[str, str]]:
    """One question is not answered, or each answer has a slip."""
    if turn % 2 and len(answers) > 1:
        last = list(answers)[turn % len(answers)]
        return f"without {last}", answers | {last: stubs[last]}
    made = {}
    for name, text in answers.items():
        slips = [text.replace(a, b, 1) for a, b in SLIPS if a in text]
        made[name] = slips[turn % len(slips)] if slips else text
    return "a slip", made


def _broken(
    turn: int, answers: dict[str, str], stubs: dict[str, str]
) -> tuple[str, dict[str, str], str]:
    ways = (
        ("every cell raises", {name: "raise ValueError('no')" for name in answers}, ""),
        ("nothing is written", dict(stubs), ""),
        ("empty cells", {name: "" for name in answers}, ""),
        ("not Python", {name: "def f(:\n    return" for name in answers}, ""),
        ("not a notebook", dict(stubs), "{'cells': ["),
        ("an empty file", dict(stubs), " "),
    )
    return ways[turn % len(ways)]


def _cheat(text: str, stub: str) -> str:
    """An answer that equals everything, under each name that the right one defines."""
    try:
        nodes = ast.parse(text).body
    except SyntaxError:
        return stub
    names = [n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    names += [
        target.id
        for n in nodes
        if isinstance(n, ast.Assign)
        for target in n.targets
        if isinstance(target, ast.Name)
    ]
    return "\n".join(f"{name} = Equal()" for name in names) or stub


def _written(
    release: NotebookNode, answers: dict[str, str], before: str, dice: random.Random
) -> NotebookNode:
    """The released notebook with these answers."""
    made = copy.deepcopy(release)
    for cell in made.cells:
        if cell.id in answers:
            cell.source = answers[cell.id]
    place = next((i for i, cell in enumerate(made.cells) if cell.id in answers), len(made.cells))
    if before:
        made.cells.insert(place, new_code_cell(before.strip(), id="my-own"))
    if dice.random() < 0.3:
        made.cells.insert(place, new_markdown_cell("My own notes.", id="my-notes"))
    if dice.random() < 0.1:  # the clumsy, who lose nothing by it
        made.cells = [c for c in made.cells if not is_test(c)]
    return made


def earned(
    source: NotebookNode, release: NotebookNode, answers: dict[str, str], *, none: bool = False
) -> dict[str, float | None]:
    """Points by question, found by running trusted answers beside the tests, without the judge.

    Args:
        source: With the tests.
        release: With the stubs.
        answers: By cell id.
        none: They earn nothing.
    """
    space: dict[str, Any] = {"__name__": "__practice__", "learner": "nobody"}
    points: dict[str, float | None] = {}
    stubs = {cell.id: cell.source.strip() for cell in release.cells}
    for cell in source.cells:
        rule = rules(cell)
        if cell.cell_type == "code" and not is_test(cell):
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                exec(answers.get(cell.id, cell.source), space)
        if is_test(cell):
            value = 0.0 if none else _tested(cell.source, dict(space), float(rule["points"]))
            points[rule["grade_id"]] = value
        elif rule.get("task") or (rule.get("grade") and rule.get("solution")):
            given = answers.get(cell.id, "").strip()
            points[rule["grade_id"]] = (
                0.0 if given == stubs.get(cell.id) and not rule.get("task") else None
            )
    return points


def _tested(text: str, space: dict[str, Any], total: float) -> float | None:
    if "checks.smallest_net" in text or "checks.smallest_code" in text:
        return None  # a design is read by somebody
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(tree, "<test>", "exec"), space)
            if not isinstance(last, ast.Expr):
                return total
            value = eval(compile(ast.Expression(last.value), "<test>", "eval"), space)
    except Exception:
        return 0.0
    return total if type(value) not in (int, float) else min(max(float(value), 0.0), total)


def write(folder: Path, handed: Sequence[Handed], platform: str, assignment: str) -> Path:
    """Write the submissions as a platform gives them; returns what `course collect` takes.

    Args:
        folder: Where.
        handed: What is handed in.
        platform: moodle: one archive with a folder for each; canvas: one archive with named files;
            github: a folder for each; names: an archive for each.
        assignment: Its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if platform in ("moodle", "canvas"):
        path = folder / f"{assignment}-{platform}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in handed:
                who = one.learner
                for number, (name, data) in enumerate(one.files.items()):
                    outer = f"{who.name}_{who.moodle}_assignsubmission_file_/{name}"
                    if platform == "canvas":
                        joined = "".join(c for c in who.last_name + who.first_name if c.isalnum())
                        outer = f"{joined.lower()}_{who.canvas}_{7_000_000 + number}_{name}"
                    archive.writestr(outer, data)
        return path
    place = folder / f"{assignment}-{platform}"
    place.mkdir(exist_ok=True)
    for one in handed:
        if platform == "github":
            inner = place / f"{assignment}-{one.learner.github}"
            inner.mkdir(exist_ok=True)
            for name, data in one.files.items():
                (inner / name).write_bytes(data)
        else:
            with zipfile.ZipFile(place / f"{one.learner.id}.zip", "w") as archive:
                for name, data in one.files.items():
                    archive.writestr(f"{assignment}/{name}", data)
    return place


def write_expected(path: Path, handed: Sequence[Handed]) -> None:
    """Write the table of what each must earn; what somebody has to read is empty."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("learner", "kind", "what", "notebook", "question", "points"))
        for one in handed:
            for (notebook, question), points in one.points.items():
                shown = "" if points is None else f"{points:g}"
                writer.writerow((one.learner.id, one.kind, one.what, notebook, question, shown))
