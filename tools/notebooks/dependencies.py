"""On what an execution depends, and whether all of it is still as it was.

Two parts, both needed for an execution to be used again:

* the *key*, known before: code cells, scale, versions, and the package files, checkpoints and
  results that the code imports or names;
* the *record*, known after: every file of the checkout that the kernel loaded or opened.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from nbformat import NotebookNode

from tools.common import Tree, is_code
from tools.notebooks.probe import VERSIONS

FORMAT = 4  # raise it when what is stored, or how it is made, changes
SKIPPED = {"_build", ".venv", ".git", "__pycache__", ".ipynb_checkpoints", ".pytest_cache"}


def digest(*parts: str | bytes) -> str:
    """A hash of the parts, in their order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        total.update(str(len(data)).encode() + b":" + data)
    return total.hexdigest()


def file_hash(path: Path) -> str:
    """A hash of a file's content; "absent" if it is not there."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return "absent"


def python_of(source: str) -> str:
    """A cell's text without the lines that are IPython's, not Python's."""
    lines = source.splitlines()
    if lines and lines[0].startswith("%%"):
        return ""
    return "\n".join("" if re.match(r"\s*[%!?]", line) else line for line in lines)


def parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


@cache
def imports_of(source: str, package: str) -> frozenset[str]:
    """The names that a file's text imports; each text is parsed once, not for each notebook."""
    module = parse(source)
    return frozenset(imports(module, package) if module else ())


def imports(module: ast.Module, package: str = "") -> set[str]:
    """Names that may be modules: `from a.b import c` gives a.b and a.b.c."""
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def module_files(names: Iterable[str], root: Path, package: str = "course_lib") -> set[Path]:
    """Every file of the package that importing these names loads, followed through all imports."""
    todo, seen, files = set(names), set(), set()
    while todo:
        name = todo.pop()
        if name in seen or name.split(".")[0] != package:
            continue
        seen.add(name)
        if "." in name:
            todo.add(name.rpartition(".")[0])
        base = root.joinpath(*name.split("."))
        if (base / "__init__.py").is_file():
            path, inside = base / "__init__.py", name
            # Styles, cards and the like belong to the package in whose folder they lie.
            files.update(p for p in base.iterdir() if p.is_file() and p.suffix in DATA_SUFFIXES)
        elif base.with_suffix(".py").is_file():
            path, inside = base.with_suffix(".py"), name.rpartition(".")[0]
        else:
            continue
        files.add(path)
        todo |= imports_of(path.read_text(encoding="utf-8"), inside)
    return files


DATA_SUFFIXES = {".mplstyle", ".toml", ".yml", ".yaml", ".css", ".js", ".html", ".csv"}


def named_files(modules: Iterable[ast.Module], tree: Tree) -> set[Path]:
    """Results and checkpoints whose names stand in the code, as `load("unet-pets")`."""
    words = {
        node.value
        for module in modules
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[\w.-]{1,80}", node.value)
    }
    files: set[Path] = set()
    for word in words:
        files.add(tree.root / "results" / f"{word}.json")
        for suffix in (".safetensors", ".json", ".md"):
            files.add(tree.root / "course_lib" / "checkpoints" / f"{word}{suffix}")
    return {path for path in files if path.is_file()}


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Python's version and those of the libraries that decide what a notebook shows."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def data_state() -> str:
    """A hash of the real data that is there, wherever it lies: names, sizes, times; or "none"."""
    import platformdirs

    cache = os.environ.get("COURSE_CACHE") or platformdirs.user_cache_dir("course_lib", False)
    named = os.environ.get("COURSE_DATA", "")
    return _data_state(named and os.path.expanduser(named), os.path.join(cache, "downloads"))


@cache  # a look at 130,000 files takes half a second
def _data_state(*folders: str) -> str:
    found = []
    for folder in filter(os.path.isdir, folders):
        linked = [entry.path for entry in os.scandir(folder) if entry.is_symlink()]
        for place, _, files in (step for top in (folder, *linked) for step in os.walk(top)):
            inside = os.path.relpath(place, folder)
            for name in files:
                with contextlib.suppress(OSError):  # it has just gone
                    state = os.stat(os.path.join(place, name))
                    if name[0] != ".":  # the mark of an unpacked archive
                        found.append(f"{inside}/{name} {state.st_size} {int(state.st_mtime)}")
    return digest(*sorted(found)) if found else "none"


def key(notebook: NotebookNode, scale: str, tree: Tree) -> str:
    """A hash of everything that is known before an execution."""
    cells = [cell for cell in notebook.cells if is_code(cell)]
    parsed = [m for m in (parse(python_of(cell.source)) for cell in cells) if m is not None]
    names = set().union(*(imports(module) for module in parsed)) if parsed else set()
    files = module_files(names, tree.root) | named_files(parsed, tree)
    relative = sorted((path.relative_to(tree.root).as_posix(), path) for path in files)
    return digest(
        str(FORMAT),
        scale,
        repr(sorted(versions().items())),
        *(part for cell in cells for part in (cell.id, cell.source)),
        *(f"{name} {file_hash(path)}" for name, path in relative),
    )


def record(opened: Iterable[str], tree: Tree) -> dict[str, str]:
    """The files of the checkout that were read, with the hash of each."""
    files: dict[str, str] = {}
    for text in opened:
        path = Path(text)
        try:
            relative = path.relative_to(tree.root)
        except ValueError:
            continue
        if SKIPPED.intersection(relative.parts) or path.is_dir() or "__path_hook__" in path.name:
            continue
        if relative.parts[0] == "course_lib" or path.suffix != ".pyc":
            files[relative.as_posix()] = file_hash(path)
            weights = path.with_suffix(".safetensors")  # read by Rust: no one sees it opened
            if path.suffix == ".json" and weights.is_file():
                files[weights.relative_to(tree.root).as_posix()] = file_hash(weights)
    return files


def changed(files: dict[str, str], tree: Tree) -> str | None:
    """The first recorded file that is not as it was, or None."""
    for name, known in files.items():
        if file_hash(tree.root / name) != known:
            return name
    return None
