"""What the tools share: folders, reading and writing of notebooks, errors and progress."""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]


class ToolError(Exception):
    """A fault that the user can repair: shown as one message, without a traceback."""


@dataclass(frozen=True)
class Tree:
    """The folders of one checkout. Tests make small ones of their own."""

    root: Path = ROOT

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def exercises(self) -> Path:
        return self.notebooks / "exercises"

    @property
    def practice(self) -> Path:
        return self.notebooks / "practice"

    @property
    def build(self) -> Path:
        return self.root / "_build"

    @property
    def measured(self) -> Path:
        return self.root / "results" / "notebooks.json"

    @property
    def start(self) -> Path:
        """The generated notebook that lists the labs."""
        return self.notebooks / "00-start.ipynb"

    def labs(self) -> list[Path]:
        """The labs, in alphabetical order."""
        return [path for path in sorted(self.notebooks.glob("*.ipynb")) if path != self.start]

    def sources(self) -> list[Path]:
        """The exercise sources, `LAB/NAME.ipynb`, in alphabetical order."""
        return sorted(self.exercises.glob("*/*.ipynb"))

    def practices(self) -> list[Path]:
        """The learners' notebooks, `LAB/NAME.ipynb`, in alphabetical order."""
        return sorted(self.practice.glob("*/*.ipynb"))


def read(path: Path) -> NotebookNode:
    """Read a notebook; a clear error if the file is not one."""
    try:
        text = path.read_text(encoding="utf-8")
        cells = json.loads(text)["cells"]
        if bare := [number for number, cell in enumerate(cells, 1) if "source" not in cell]:
            raise ToolError(f"{path}: its cell number {bare[0]} has no source: delete the cell")
        ids = [cell.get("id") for cell in cells]
        if twice := {name for name in ids if name is not None and ids.count(name) > 1}:
            # nbformat would replace them by random ones
            raise ToolError(f"{path}: two cells have the id {min(twice)!r}: give each its own")
        return nbformat.reads(text, as_version=4)
    except ToolError:
        raise
    except FileNotFoundError:
        raise ToolError(f"{path} does not exist") from None
    except Exception as error:
        raise ToolError(f"{path} is not a readable notebook: {error}") from None


def text_of(notebook: NotebookNode) -> str:
    """The one way in which this project writes a notebook: one space of indentation, newline."""
    return nbformat.writes(notebook, version=4, indent=1).rstrip("\n") + "\n"


def write_if_changed(path: Path, content: str | bytes) -> bool:
    """Write atomically, and only if the content differs, so that nothing looks newer than it is."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return True


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; an empty one if there is no such file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from None
    if not isinstance(value, dict):
        raise damaged(path, f"it holds a {type(value).__name__}, wanted an object {{...}}")
    return value


def damaged(path: Path, fault: str) -> ToolError:
    """The error for a file that was written by a command and is not as that left it."""
    return ToolError(f"{path} is damaged: {fault}. Mend it, or take it back: git checkout {path}")


def read_yaml(path: Path) -> dict[str, Any]:
    """The settings that a YAML file holds."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise damaged(path, " ".join(str(error).split())) from None
    if not isinstance(value, dict):
        raise damaged(path, f"it holds {'nothing' if value is None else repr(value)[:60]}")
    return value


def json_text(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """The cells that carry a tag."""
    return [cell for cell in notebook.cells if tag in tags(cell)]


def is_code(cell: NotebookNode) -> bool:
    """A code cell with something in it."""
    return cell.cell_type == "code" and bool(cell.source.strip())


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """A copy with no outputs and no counts."""
    clean = copy.deepcopy(notebook)
    for cell in clean.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return clean


def say(message: str) -> None:
    """Print progress at once, also into a pipe."""
    print(message, flush=True)


def fail_with(problems: Iterable[str], title: str) -> None:
    """Raise one ToolError that lists all problems, if there are any."""
    found = list(problems)
    if found:
        raise ToolError(f"{title}\n" + "\n".join(f"  - {problem}" for problem in found))


def run_main(main: Callable[[], None]) -> None:
    """Run a command: known faults give one message and exit code 1, Ctrl-C gives 130."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (ToolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
