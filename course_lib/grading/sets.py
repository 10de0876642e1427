"""Graded sets: one notebook and the checks of its questions, another variant for each learner.

A set is a folder, *outside* of this package, so that no learner who installs it gets the answers:

* `SET.ipynb`: the notebook, in nbgrader's format, with «names» where variants differ;
* `QUESTION.py`: the check of the question whose test cell is `QUESTION-check`;
* `QUESTION.json`: data for it, such as recorded runs; there need not be any;
* `common.py`: what the checks of the set share; there need not be any.

A check's file, after `common.py`, defines

* `CHOICES`: each parameter with its possible values: a list, or a dictionary from value to words;
* `check(p)`: the `Check` for the parameters p, a dictionary; it is called as `check(p)(function)`;
* `solution(p)`: the lines that stand between BEGIN SOLUTION and END SOLUTION;
* `facts(p, data)`, if there is more to say in the notebook: "name": words for «name»; "NAME": the
  value of the line `NAME = ...` in a cell tagged "variant"; "cell:ID": the whole text of that cell.

Which values a learner gets is drawn from the instructor's secret, the set and the learner's name
(HMAC-SHA-256), so it is the same each time, and nobody without the secret can foresee it.

An *overlay* is an instructor's private folder with sets in the same form. Its files replace those
of the same name, and `QUESTION.more.py` adds to a check: `CHOICES` that replace or add parameters,
and `more(check, p)`, which adds properties and known mistakes. `secret.txt` lies beside the sets.

What `render` makes is a plain nbgrader source whose test cells hold all that they need: no file of
the set has to be there when it is graded. Everything here is the instructor's own code, trusted.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import hmac
import json
import math
import pprint
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course_lib.checks.core import Check
from course_lib.checks.kinds import Design, Predict

SECRET = "secret.txt"
SHORTEST = 16  # letters of a secret
PLACE = re.compile(r"«([\w-]+)»")
BEGIN, END = "### BEGIN {}", "### END {}"
REGION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION", re.M | re.S)
FUTURE = re.compile(r"^from __future__ import .*\n", re.M)


class SetError(ValueError):
    """A set or an overlay that cannot be used; the text says what is wrong, and where."""


@dataclass
class Part:
    """The check of one question, as text.

    Attributes:
        name: Of the question; its test cell is `NAME-check`.
        text: The check's file, after `common.py`.
        more: What an overlay adds.
        data: What the JSON file holds.
        place: Where the check's file lies, for messages.
    """

    name: str
    text: str
    more: str = ""
    data: Any = None
    place: str = ""
    _space: dict[str, Any] = field(default_factory=dict, init=False)

    @property
    def whole(self) -> str:
        """The text, with what was added."""
        if not self.more:
            return self.text.strip() + "\n"
        own, both = "own_choices = dict(CHOICES)", "CHOICES = {**own_choices, **CHOICES}"
        return "\n\n".join([self.text.strip(), own, FUTURE.sub("", self.more).strip(), both]) + "\n"

    def space(self) -> dict[str, Any]:
        """The names that it defines.

        Raises:
            SetError: It does not run, or defines too little.
        """
        if not self._space:
            space: dict[str, Any] = {"__name__": f"graded_{self.name}"}
            try:
                exec(compile(self.whole, self.place, "exec"), space)
                choices = dict(space.get("CHOICES", {}))
            except Exception as error:
                raise SetError(f"{self.place}: it does not run: {error!r}") from error
            for wanted in ("check", "solution", *(["more"] if self.more else [])):
                if not callable(space.get(wanted)):
                    raise SetError(f"{self.place}: it defines no function {wanted}(...): write one")
            self._space = {**space, "CHOICES": choices}
        return self._space

    def check(self, p: Mapping[str, Any]) -> Check:
        """The check for these parameters."""
        space = self.space()
        made: Check = space["check"](p)
        if self.more:
            space["more"](made, p)
        return made


@dataclass
class Variant:
    """One learner's form of a set: its parameters, and the source with its hidden tests."""

    parameters: dict[str, Any]
    source: NotebookNode


@dataclass
class GradedSet:
    """A set, an overlay's files among them."""

    name: str
    notebook: NotebookNode
    parts: dict[str, Part]
    place: str = ""

    def choices(self) -> dict[str, list[Any]]:
        """Each parameter with its possible values."""
        found: dict[str, list[Any]] = {}
        for part in self.parts.values():
            for name, values in part.space()["CHOICES"].items():
                found[name] = list(values)
        return found

    def count(self) -> int:
        """How many variants there are."""
        return math.prod(len(values) for values in self.choices().values())

    def parameters(self, learner: str, secret: str) -> dict[str, Any]:
        """The values that a learner gets.

        Args:
            learner: Their name, as it is in the gradebook.
            secret: The instructor's.
        """
        return {
            name: values[_drawn(secret, self.name, learner, name) % len(values)]
            for name, values in self.choices().items()
        }

    def render(self, learner: str, secret: str) -> Variant:
        """The source for one learner."""
        return self.variant(self.parameters(learner, secret), learner)

    def base(self) -> Variant:
        """The source with the first value of each parameter, for the gradebook."""
        p = {name: values[0] for name, values in self.choices().items()}
        return self.variant(p, "nobody: an instructor's copy")

    def variant(self, p: Mapping[str, Any], learner: str) -> Variant:
        """The source for these parameters; the notebook says for whom, by «learner».

        Raises:
            SetError: It cannot be made.
        """
        words, lines, cells = self._facts(p)
        words["learner"] = learner
        made = copy.deepcopy(self.notebook)
        for cell in made.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            if str(cell.get("id")) in cells:
                cell.source = cells[str(cell.id)]
            cell.source = PLACE.sub(lambda found: self._word(found[1], words), cell.source)
            if "variant" in cell.metadata.get("tags", []):
                cell.source = _assigned(cell.source, lines)
            name = str((cell.metadata.get("nbgrader") or {}).get("grade_id", ""))
            if name in self.parts:
                inner = self.parts[name].space()["solution"](p)
                cell.source = _solved(cell.source, inner)
            elif name.removesuffix("-check") in self.parts and cell.metadata.nbgrader.grade:
                part = self.parts[name.removesuffix("-check")]
                cell.source = _tested(cell.source, part, p)
                cell.metadata.nbgrader.points = part.check(p).points
        return Variant(dict(p), made)

    def _facts(self, p: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any], dict[str, str]]:
        """Words for «names», values for lines, texts for cells."""
        words, lines, cells = {name: str(value) for name, value in p.items()}, {}, {}
        for part in self.parts.values():
            for name, values in part.space()["CHOICES"].items():
                if isinstance(values, Mapping):
                    words[name] = str(values[p[name]])
        for part in self.parts.values():
            say: Callable[..., dict[str, Any]] | None = part.space().get("facts")
            for name, value in (say(p, part.data) if say else {}).items():
                if name.startswith("cell:"):
                    cells[name.removeprefix("cell:")] = str(value)
                elif name.isupper():
                    lines[name] = value
                else:
                    words[name] = str(value)
        return words, lines, cells

    def _word(self, name: str, words: Mapping[str, str]) -> str:
        if name not in words:
            raise SetError(
                f"{self.place}: nothing says what «{name}» stands for: add it to CHOICES or facts()"
            )
        return words[name]

    def problems(self) -> list[str]:
        """What is wrong with the set, one line each; nothing is run of the solutions."""
        problems: list[str] = []
        by_name = {
            str(rules.get("grade_id")): cell
            for cell in self.notebook.cells
            if (rules := cell.metadata.get("nbgrader"))
        }
        for name, part in self.parts.items():
            where = part.place
            solution, test = by_name.get(name), by_name.get(f"{name}-check")
            if solution is None or not solution.metadata.nbgrader.get("solution"):
                problems.append(f"{where}: no solution cell has the grade_id {name!r}")
            elif not REGION.search(solution.source):
                problems.append(f"{where}: the cell {name!r} has no ### BEGIN/END SOLUTION")
            if test is None or not test.metadata.nbgrader.get("grade"):
                problems.append(f"{where}: no test cell has the grade_id '{name}-check'")
            problems += [f"{where}: {fault}" for fault in self._faults(part)]
        for name, cell in by_name.items():
            rules = cell.metadata.nbgrader
            if rules.get("schema_version") != 3:
                problems.append(f"{self.place}: cell {name!r}: wanted schema_version 3")
            tests = cell.cell_type == "code" and rules.get("grade") and not rules.get("solution")
            if tests and name.removesuffix("-check") not in self.parts:
                stem = name.removesuffix("-check")
                problems.append(f"{self.place}: test cell {name!r} has no check: write {stem}.py")
            by_hand = rules.get("grade") and rules.get("solution")
            if by_hand and not rules.get("points"):
                problems.append(f"{self.place}: cell {name!r} is marked by hand and has no points")
        if not by_name:
            problems.append(f"{self.place}: no cell is graded: mark them with nbgrader's metadata")
        if problems:
            return problems
        try:
            self.base()
        except (SetError, ValueError) as error:
            problems.append(str(error))
        except Exception as error:
            problems.append(
                f"{self.place}: solution() or facts() of a question does not run for the first "
                f"value of each parameter: {error!r}"
            )
        return problems

    def _faults(self, part: Part) -> list[str]:
        try:
            space = part.space()
        except SetError as error:
            return [str(error).removeprefix(f"{part.place}: ")]
        faults = [
            f"CHOICES: {name!r} has {len(values)} value(s): one is no choice, give two or more"
            for name, values in space["CHOICES"].items()
            if len(values) < 2
        ]
        for node in ast.walk(ast.parse(part.whole)):
            bound = getattr(node, "name", None) or getattr(node, "arg", None)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound = node.id
            if bound == part.name:
                faults.append(
                    f"it defines {part.name!r} itself, and so would never see the learner's: "
                    "use another name"
                )
                break
        for name, values in self.choices().items():
            for value in values:
                p = {n: v[0] for n, v in self.choices().items()} | {name: value}
                try:
                    made = part.check(p)
                except Exception as error:
                    faults.append(f"check(p) fails for {name} = {value!r}: {error!r}")
                    break
                if made.name != part.name:
                    faults.append(f"the check is called {made.name!r}, wanted {part.name!r}")
                    return faults
                if isinstance(made, Design | Predict):
                    kind = type(made).__name__
                    faults.append(f"a {kind} cannot be judged from outside: use another kind")
                    return faults
        return faults


def load(name: str, folders: Sequence[Path]) -> GradedSet:
    """Read a set.

    Args:
        name: Of the set, and of its folder.
        folders: Where sets lie: the public ones, then an overlay, whose files win.

    Returns:
        The set; what may be wrong with it is asked by `problems`.

    Raises:
        FileNotFoundError: There is none of this name.
        SetError: A file cannot be read.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        files |= {path.name: path for path in sorted((folder / name).glob("*")) if path.is_file()}
    if f"{name}.ipynb" not in files:
        known = sorted({other for folder in folders for other in names(folder)})
        said = ", ".join(known) or "none"
        places = " and ".join(str(folder) for folder in folders)
        raise FileNotFoundError(f"there is no graded set {name!r} in {places}; there are: {said}")
    notebook = _notebook(files[f"{name}.ipynb"])
    common = _text(files["common.py"]) if "common.py" in files else ""
    parts: dict[str, Part] = {}
    for file, path in files.items():
        stem = file.removesuffix(".py")
        if file == stem or file in ("common.py", "record.py") or stem.endswith(".more"):
            continue
        text = FUTURE.sub("", f"{common}\n\n{_text(path)}")  # these would have to come first
        more, data = files.get(f"{stem}.more.py"), files.get(f"{stem}.json")
        parts[stem] = Part(
            stem, text, _text(more) if more else "", _json(data) if data else None, str(path)
        )
    for file in files:
        stem = file.removesuffix(".more.py")
        if file != stem and stem not in parts:
            raise SetError(f"{files[file]}: there is no {stem}.py that it could add to")
    return GradedSet(name, notebook, parts, str(files[f"{name}.ipynb"]))


def names(folder: Path) -> list[str]:
    """The sets that a folder holds."""
    return sorted(path.stem for path in folder.glob("*/*.ipynb") if path.stem == path.parent.name)


def secret_of(folder: Path) -> str:
    """The secret of an overlay.

    Raises:
        FileNotFoundError: There is none.
        SetError: It is too short to be one.
    """
    path = folder / SECRET
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: make an overlay with `course overlay new {folder}`"
        )
    found = path.read_text(encoding="utf-8").strip()
    if len(found) < SHORTEST:
        raise SetError(f"{path} holds {len(found)} letters, wanted at least {SHORTEST}: longer")
    return found


README = """\
# Private overlay

Keep this folder out of every public repository, and keep a copy: without `secret.txt` nobody can
say which variant a learner had (the rendered sources in the course folder can).

* `secret.txt` draws each learner's variant. Change it for every term.
* `SET/QUESTION.more.py` adds to the check of a question: values in `CHOICES`, and `more(check, p)`,
  which adds properties (`check.holds`) and known mistakes (`check.mistake`).
* `SET/QUESTION.py`, `SET/QUESTION.json` and `SET/SET.ipynb` replace the files of the same name.
* A folder `SET` with `SET.ipynb` and its checks is a set of your own.
* A folder of notebooks alone, named like a lab, replaces practice exercises of that lab where
  `course release LAB --overlay FOLDER` is asked for.

`course overlay check FOLDER` says what is wrong.
"""


def new_overlay(folder: Path) -> Path:
    """Make an empty overlay with a secret.

    Raises:
        FileExistsError: There is something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a folder that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SECRET
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(24) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(README, encoding="utf-8")
    return folder


def overlay_problems(overlay: Path, public: Path | None) -> list[str]:
    """What is wrong with an overlay, one line each.

    Args:
        overlay: Its folder.
        public: Where the sets lie that it adds to.
    """
    if not overlay.is_dir():
        return [f"{overlay} is no folder: make one with `course overlay new {overlay}`"]
    problems: list[str] = []
    try:
        secret_of(overlay)
    except (FileNotFoundError, SetError) as error:
        problems.append(str(error))
    folders = [folder for folder in (public, overlay) if folder is not None]
    for path in sorted(overlay.iterdir()):
        if not path.is_dir():
            if path.name not in (SECRET, "README.md"):
                problems.append(f"{path} is not used: only {SECRET} and folders of sets are")
            continue
        if path.name.startswith("."):
            continue
        for file in sorted(path.iterdir()):
            if file.suffix not in (".py", ".json", ".ipynb") or not file.is_file():
                problems.append(f"{file} is not used: wanted .py, .json or .ipynb files")
        there = [folder / path.name / f"{path.name}.ipynb" for folder in folders]
        books = all(file.suffix == ".ipynb" for file in path.iterdir())
        if books and not any(place.is_file() for place in there):
            continue  # notebooks alone, for an assignment that is the same for everyone
        try:
            problems += load(path.name, folders).problems()
        except (FileNotFoundError, SetError) as error:
            problems.append(str(error))
    return problems


def hidden_modules(notebook: NotebookNode) -> list[str]:
    """The modules of course_lib that are not importable while a notebook is graded.

    They go into `Settings.hidden`, and, where kernels are forked, into `Template(hidden=)`:
    a template's own list is the one that counts.

    Raises:
        SetError: The notebook's metadata name something else.
    """
    found = (notebook.metadata.get("course") or {}).get("hidden", [])
    if not isinstance(found, list) or not all(
        isinstance(name, str) and name.startswith("course_lib.") for name in found
    ):
        raise SetError(f"metadata.course.hidden is {found!r}, wanted names like 'course_lib.ops'")
    return list(found)


def _drawn(secret: str, *texts: str) -> int:
    message = json.dumps(texts).encode()
    return int.from_bytes(hmac.new(secret.encode(), message, hashlib.sha256).digest()[:8], "big")


def _solved(source: str, inner: str) -> str:
    def put(found: re.Match[str]) -> str:
        indent = found[1]
        lines = [f"{indent}{line}" if line else "" for line in inner.strip("\n").splitlines()]
        marks = [indent + mark.format("SOLUTION") for mark in (BEGIN, END)]
        return "\n".join([marks[0], *lines, marks[1]])

    return REGION.sub(put, source)


def _tested(source: str, part: Part, p: Mapping[str, Any]) -> str:
    lines = [f"made = check({dict(p)!r})"]
    lines += [f"more(made, {dict(p)!r})"] if part.more else []
    lines += [f"report = made({part.name})", "print(report)", "report.points"]
    body = part.whole + "\n" + "\n".join(lines)
    marks = [mark.format("HIDDEN TESTS") for mark in (BEGIN, END)]
    return "\n".join([source.rstrip(), marks[0], body, marks[1]])


def _assigned(source: str, lines: Mapping[str, Any]) -> str:
    """A cell with the values of its lines `NAME = ...` put in."""
    tree = ast.parse(source)
    text = source.splitlines()
    for node in reversed(tree.body):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if name in lines:
            value = pprint.pformat(lines[name], width=100, compact=True, sort_dicts=False)
            text[node.lineno - 1 : node.end_lineno] = f"{name} = {value}".splitlines()
    return "\n".join(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetError(f"{path} cannot be read: {error}") from None


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise SetError(f"{path} is not JSON: {error}") from None


def _notebook(path: Path) -> NotebookNode:
    try:
        return nbformat.reads(_text(path), as_version=4)
    except SetError:
        raise
    except Exception as error:
        raise SetError(f"{path} is not a readable notebook: {error}") from None
