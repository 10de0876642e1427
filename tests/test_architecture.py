"""The house keeps its rules: who imports whom, what no file may hold."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "course_lib"

# Each room imports only from rooms before it; `data` therefore from none.
ROOMS = [
    "data",
    "ops",
    "models",
    "losses",
    "post",
    "metrics",
    "train",
    "recipes",
    "results",
    "viz",
    "checks",
    "grading",
]
# Modules beside the rooms, and what they may import besides themselves.
BESIDE = {
    "__init__": [],
    "lab": ROOMS,
    "cli": [*ROOMS, "lab"],
}
LARGEST = 2_000_000  # bytes of a file, checkpoints apart
CHECKPOINTS = 55_000_000  # bytes of all checkpoints, a third of them four flows of pictures


def files(*patterns: str) -> list[Path]:
    """The repository's files, committed or about to be; all files where this is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
        return sorted(path for path in found if path.is_file())
    hidden = {".venv", "_build", ".git", "__pycache__"}
    every = (path for pattern in patterns or ("*",) for path in ROOT.rglob(pattern))
    return sorted(path for path in every if path.is_file() and not hidden & set(path.parts))


def texts(*patterns: str) -> list[tuple[str, str]]:
    """Name and text of those files that are text."""
    found = []
    for path in files(*patterns):
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found.append((str(path.relative_to(ROOT)), data.decode("utf-8", errors="replace")))
    return found


def modules() -> dict[str, ast.Module]:
    """Path below course_lib to syntax tree, for each of the package's modules."""
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def room_of(path: str) -> str:
    """The room, or the module beside the rooms, that a path below course_lib belongs to."""
    return Path(path).parts[0].removesuffix(".py")


def imported_names(path: str, tree: ast.Module) -> set[str]:
    """What a file below the repository's root imports, wherever in the file it does so.

    `from package import x` and `from package.x import y` give package.x and package.x.y.
    """
    package = Path(path).parts[:-1]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{stem}.{alias.name}" for alias in node.names}
    return names


def imported_rooms(path: str, tree: ast.Module) -> set[str]:
    """The rooms of course_lib that a module imports; the path is below course_lib."""
    parts = [name.split(".") for name in imported_names(f"course_lib/{path}", tree)]
    return {part[1] for part in parts if part[0] == "course_lib" and len(part) > 1}


def wrong_imports(path: str, tree: ast.Module) -> set[str]:
    """The rooms that this module imports although it must not."""
    room = room_of(path)
    allowed = BESIDE[room] if room in BESIDE else ROOMS[: ROOMS.index(room)]
    known = imported_rooms(path, tree) & {*ROOMS, *BESIDE}
    return known - set(allowed) - {room}


def test_every_module_stands_in_a_known_room():
    unknown = {room_of(path) for path in modules()} - {*ROOMS, *BESIDE}
    assert not unknown, f"not in this file's list of rooms: {sorted(unknown)}"


def test_each_room_imports_only_from_rooms_above_it():
    wrong = {path: bad for path, tree in modules().items() if (bad := wrong_imports(path, tree))}
    assert not wrong


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [
        ("data/sets.py", "import course_lib.metrics.confusion", {"metrics"}),
        ("models/unet.py", "from course_lib import train", {"train"}),
        ("models/unet.py", "from ..viz import use", {"viz"}),
        ("models/unet.py", "from . import blocks", set()),
        ("models/unet.py", "def f():\n    from course_lib.ops import nms", set()),
        ("ops/nms.py", "def f():\n    from course_lib.cli import main", {"cli"}),
        ("lab.py", "from course_lib import __version__, data", set()),
    ],
)
def test_the_import_rule_recognises_each_form(path, line, expected):
    assert wrong_imports(path, ast.parse(line)) == expected


def import_graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Module to the modules it imports; `sources` maps path to text.

    `from package import x` means the module package.x if there is one, else the package itself. A
    package may gather what its modules hold; a module that asks its package for it is a circle.
    """
    paths = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for path in sources
    }
    graph = {}
    for module, path in paths.items():
        names = imported_names(path, ast.parse(sources[path]))
        found = {name if name in paths else name.rpartition(".")[0] for name in names}
        graph[module] = (found & set(paths)) - {module}
    return graph


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The groups of modules that reach each other."""
    reach: dict[str, set[str]] = {}
    for module in graph:
        seen, todo = set(), [module]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
        reach[module] = seen
    groups = {
        frozenset(other for other in reach[module] if module in reach[other])
        for module in graph
        if module in reach[module]
    }
    return [set(group) for group in groups]


def test_no_circle_of_imports():
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in ("course_lib", "tools")
        for path in (ROOT / folder).rglob("*.py")
    }
    found = [sorted(group) for group in circles(import_graph(sources))]
    assert not found, "these modules import each other: move what both need into a third"


@pytest.mark.parametrize(
    ("sources", "circle"),
    [
        ({"p/a.py": "from p import b", "p/b.py": "def f():\n    import p.a"}, {"p.a", "p.b"}),
        ({"p/a.py": "from p.b import x", "p/b.py": "from . import a"}, {"p.a", "p.b"}),
        ({"p/__init__.py": "from p.a import x", "p/a.py": "from p import x"}, {"p", "p.a"}),
        ({"p/__init__.py": "from p.a import x", "p/a.py": "from p import b", "p/b.py": ""}, None),
        ({"p/__init__.py": "from . import a", "p/a.py": "import p.b", "p/b.py": ""}, None),
    ],
)
def test_circles_are_recognised(sources, circle):
    assert circles(import_graph(sources)) == ([circle] if circle else [])


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_importing_the_package_loads_neither_torch_nor_a_room():
    started = time.perf_counter()
    loaded = json.loads(
        run_python("import json, sys, course_lib; print(json.dumps(sorted(sys.modules)))")
    )
    assert time.perf_counter() - started < 5
    heavy = [name for name in loaded if name.split(".")[0] in ("torch", "numpy", "matplotlib")]
    assert not heavy
    assert [name for name in loaded if name.startswith("course_lib.")] == []


def test_importing_every_module_touches_no_cuda_and_starts_no_threads():
    names = [
        ".".join(["course_lib", *Path(path).with_suffix("").parts]).removesuffix(".__init__")
        for path in modules()
        if not path.endswith("__main__.py")
    ]
    code = (
        "import importlib, threading\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "import torch\n"
        "print(torch.cuda.is_initialized(), threading.active_count())"
    )
    assert run_python(code) == "False 1"


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


ANY_KEYWORDS = {
    # What stands in for any function, or any network's call.
    ("checks/kinds.py", "candidate"),
    ("grading/inside/remote.py", "__call__"),
    ("grading/inside/remote.py", "forward"),
    ("grading/learner.py", "__call__"),
    # Jupyter's own interface.
    ("grading/sandbox.py", "pre_launch"),
    ("grading/sandbox.py", "launch_kernel"),
}


def test_no_function_takes_arbitrary_keywords():
    wrong = [
        f"{path}:{function.lineno} {function.name}"
        for path, tree in modules().items()
        for function in functions(tree)
        if function.args.kwarg and (path, function.name) not in ANY_KEYWORDS
    ]
    assert not wrong, "name the arguments, so that a misspelt one is an error"


def test_models_and_what_they_are_made_of_do_not_print():
    quiet = ("ops", "models", "losses", "metrics", "post")
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in modules().items()
        if room_of(path) in quiet
        for function in functions(tree)  # a module that is also a command may print outside them
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"
    ]
    assert not wrong


def test_files_are_small_and_checkpoints_keep_their_budget():
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in files()}
    shipped = {name for name in sizes if name.startswith("course_lib/checkpoints/")}
    assert not {
        name: size for name, size in sizes.items() if size > LARGEST and name not in shipped
    }
    assert sum(sizes[name] for name in shipped) <= CHECKPOINTS


# Written in pieces, so that this file holds none of them itself.
PRIVATE = {
    "a place on somebody's machine": r"(?<![\w.:/<])/(?:home|root|work|Users|opt)/\w",
    "a package index's host (pip's own settings name it)": "|".join(
        re.escape(a + b)
        for a, b in [
            ("py", "pi.org"),
            ("python", "hosted.org"),
            ("registry.npm", "js"),
            ("registry.yarn", "pkg"),
            ("deb.deb", "ian.org"),
            ("conda.ana", "conda.org"),
        ]
    ),
    "a mark of unfinished work": r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
    "a mark of an unfinished merge": r"^(?:<<<<<<<|>>>>>>>) ",
}


@pytest.mark.parametrize("what", PRIVATE)
def test_no_file_holds(what):
    pattern = re.compile(PRIVATE[what], flags=re.MULTILINE)
    found = [
        f"{name}: {match.group()}" for name, text in texts() for match in pattern.finditer(text)
    ]
    assert not found, f"{what} stands in {found[:10]}"


def test_the_patterns_find_what_they_are_for():
    samples = ["see /ho" + "me/ann/x", "https://py" + "pi.org/simple", "# TO" + "DO", "<<<<<<< a"]
    for pattern, sample in zip(PRIVATE.values(), samples, strict=True):
        assert re.search(pattern, sample)


def prose() -> list[tuple[str, str]]:
    """What a learner reads: the chapters and the labs' Markdown cells, without code."""
    found = texts("book/*.md", "README.md")
    for name, text in texts("notebooks/*.ipynb"):
        cells = json.loads(text)["cells"]
        found.append(
            (name, "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown"))
        )
    return [(name, re.sub(r"`[^`]*`", "", text)) for name, text in found]


def test_the_prose_never_calls_a_thing_easy():
    belittling = re.compile(r"\b(?:simply|obviously|trivially|of course)\b", flags=re.IGNORECASE)
    found = [
        f"{name}: ...{text[max(0, match.start() - 30) : match.end() + 10]!r}"
        for name, text in prose()
        for match in belittling.finditer(text)
    ]
    assert not found


def asserts_something(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    source = ast.dump(function)
    return any(word in source for word in ("Assert(", "assert", "raises", "warns", "check", "fail"))


def test_every_test_asserts_something():
    empty = [
        f"{name}:{function.lineno} {function.name}"
        for name, text in texts("tests/*.py")
        for function in functions(ast.parse(text))
        if function.name.startswith("test") and not asserts_something(function)
    ]
    assert not empty


def test_every_room_has_its_tests():
    rooms = {room_of(path) for path in modules()} & set(ROOMS)
    lacking = {room for room in rooms if not list((ROOT / "tests" / room).glob("test_*.py"))}
    assert not lacking


def test_the_repository_has_one_address():
    address = re.search(
        r'^\[tool\.course\]\nrepository = "(.*)"$',
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert address is not None
    assert address[1] == "" or re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", address[1])
    if address[1]:
        elsewhere = [name for name, text in texts() if address[1] in text]
        assert set(elsewhere) <= {"pyproject.toml"} | {n for n in elsewhere if n.endswith(".ipynb")}
