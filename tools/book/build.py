"""Build the book.

    python -m tools.book build            execute what changed, render, check every link
    python -m tools.book build --draft    while writing: skip missing pages, go on after warnings
    python -m tools.book serve            look at it on http://127.0.0.1:8000

The sources lie in several places (chapters, executed notebooks, generated pages, results). They
are assembled in `_build/source`, in the layout of the repository, so that a relative link that
works there works in the book too. Only what changed is written, so Sphinx renders only that.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import yaml

from tools.book import cover, lab_pages, links, outcomes, page_widgets, pixels, roi
from tools.common import (
    ROOT,
    ToolError,
    Tree,
    json_text,
    read,
    read_json,
    read_yaml,
    say,
    text_of,
    write_if_changed,
)
from tools.equations import commands as equations
from tools.exercises import commands as exercises
from tools.notebooks import commands as notebooks
from tools.notebooks import runner
from tools.notebooks.setup_cell import repository

BUILD = ROOT / "_build"
SOURCE = BUILD / "source"
HTML = BUILD / "html"
MADE = (BUILD / ".doctrees", BUILD / "jupyter_execute", HTML)
STAMP = BUILD / "book.json"
SUFFIXES = (".md", ".ipynb")
PORT = 8000
CHAPTERS = ("Foundations", "Segmentation", "Generation")  # parts whose pages are chapters and labs
# What the rendered pages depend on besides their own sources.
RENDERERS = (
    "sphinx",
    "jupyter-book",
    "myst-nb",
    "myst-parser",
    "sphinx-book-theme",
    "sphinx-design",
)


def toc_pages(toc: dict[str, Any]) -> Iterator[str]:
    """Yield the pages that `_toc.yml` names, in reading order."""
    if "root" in toc:
        yield toc["root"]
    for entry in toc.get("parts", []) + toc.get("chapters", []) + toc.get("sections", []):
        if "file" in entry:
            yield entry["file"]
        yield from toc_pages(entry)


def without(toc: dict[str, Any], missing: set[str]) -> dict[str, Any]:
    """Return the table of contents without the pages in `missing`."""
    kept = {
        key: value for key, value in toc.items() if key not in ("parts", "chapters", "sections")
    }
    for key in ("parts", "chapters", "sections"):
        entries = [
            without(entry, missing)
            for entry in toc.get(key, [])
            if entry.get("file") not in missing
        ]
        # A part that lost all its chapters goes too.
        entries = [entry for entry in entries if key != "parts" or entry.get("chapters")]
        if entries:
            kept[key] = entries
    return kept


def configuration(address: str) -> dict[str, Any]:
    """Return `_config.yml`, with repository and launch buttons if `address` is set."""
    config = read_yaml(ROOT / "_config.yml")
    if not address:
        return config
    config["repository"] = {"url": address, "branch": "main"}
    config["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
    config["html"]["use_repository_button"] = True
    config["html"]["use_issues_button"] = True
    return config


def as_yaml(value: dict[str, Any]) -> bytes:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()


def data_sets() -> str:
    """Return all data sets as Markdown: a table of what each is for, then a section for each.

    A table of everything would have ten columns, which no screen holds.
    """
    from course_lib.data.names import CARDS

    lines = ["| Name | For | Images |", "| --- | --- | --- |"]
    for card in CARDS.values():
        lines.append(f"| [`{card.name}`](#data-{card.name}) | {card.purpose} | {card.images} |")
    for card in CARDS.values():
        lines += ["", f"(data-{card.name})=", f"## {card.title}", "", f'`load("{card.name}")`', ""]
        for label in ("classes", "tasks", "splits", "flaws", "licence", "download", "source"):
            text = ", ".join(card.tasks) if label == "tasks" else getattr(card, label)
            text = re.sub(r"https?://[^\s;]+", r"<\g<0>>", text)
            heading = "known flaws" if label == "flaws" else label
            lines += [heading.capitalize(), f": {text}", ""]
    return "\n".join(lines) + "\n"


def counts(toc: dict[str, Any], folder: Path = ROOT) -> str:
    """Return what there is, as Markdown: counted in the table of contents and what it lists.

    Args:
        toc: with the exercises.
        folder: of the checkout.
    """
    pages = list(toc_pages(toc))
    labs_there = sum(page.startswith("notebooks/") for page in pages)
    exercises_there = sum(page.startswith("exercises/") for page in pages)
    parts = {part["caption"]: list(toc_pages(part)) for part in toc["parts"]}
    chapters = [
        page for caption in CHAPTERS for page in parts.get(caption, []) if page.startswith("book/")
    ]
    measured = [read_json(path) for path in sorted((folder / "results").glob("*.json"))]
    runs = [len(result["runs"]) for result in measured if result.get("runs")]
    return (
        "| There are | with |\n| --- | --- |\n"
        f"| {len(chapters)} chapters | {len(equations.collect())} displayed equations, each checked"
        " by a test |\n"
        f"| {labs_there} labs | a few minutes each on a laptop, executed for this book |\n"
        f"| {exercises_there} exercises | instant checks that name the mistake, and solutions |\n"
        f"| {len(runs)} measured results | {sum(runs)} runs, each with its command |\n"
    )


def generated_pages(toc: dict[str, Any]) -> dict[str, str]:
    """Return the parts of pages that are written by code, by their path below `book/`."""
    return {
        "_generated/counts.md": counts(toc),
        "_generated/data-sets.md": data_sets(),
        "_generated/exercises.md": exercises.index_page(),
        "_generated/outcomes.md": outcomes.page(),
        "_generated/status.md": notebooks.status_markdown(),
    }


def plan(address: str, *, draft: bool = False) -> dict[str, bytes | Path]:
    """Return what `_build/source` shall hold: relative path -> content, or the file to copy."""
    files: dict[str, bytes | Path] = {}
    for path in sorted((ROOT / "book").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            files[path.relative_to(ROOT).as_posix()] = path
    for path in sorted((ROOT / "course_lib").rglob("*.py")):  # pages show parts of it
        files[path.relative_to(ROOT).as_posix()] = path
    for path in sorted((ROOT / "results").glob("*.json")):
        files[f"results/{path.name}"] = path
    files.update(labs())
    pages = exercise_pages()
    files.update(pages)
    toc = with_exercises(read_yaml(ROOT / "_toc.yml"), pages)
    # After the labs, which it reports on.
    for name, text in generated_pages(toc).items():
        files[f"book/{name}"] = text.encode()
    present = {str(Path(name).with_suffix("")) for name in files if name.endswith(SUFFIXES)}
    missing = {page for page in toc_pages(toc) if page not in present}
    if missing and not draft:
        raise ToolError(
            f"_toc.yml lists pages that do not exist: {', '.join(sorted(missing))}."
            " Write them, or take them out of _toc.yml until they are written."
        )
    for page in sorted(missing):
        say(f"draft: {page} does not exist yet and is left out")
    for kind in pixels.CHECKPOINTS:
        files[f"book/static/pixels/{kind}.js"] = pixels.script(kind)
    files["book/static/pixels/roi.js"] = roi.script()
    files["_config.yml"] = as_yaml(configuration(address))
    files["_toc.yml"] = as_yaml(without(toc, missing))
    return files


def with_exercises(toc: dict[str, Any], pages: Iterable[str]) -> dict[str, Any]:
    """Return the table of contents with the exercises' pages in place of `glob: exercises/*`.

    Args:
        toc: of `_toc.yml`.
        pages: files of the exercises, in the order in which a reader meets them.
    """
    listed = [{"file": name.removesuffix(".md")} for name in pages if name.endswith(".md")]
    made = dict(toc)
    for key in ("parts", "chapters", "sections"):
        if key in toc:
            made[key] = [
                one
                for entry in toc[key]
                for one in (listed if "glob" in entry else [with_exercises(entry, pages)])
            ]
    return made


def labs() -> dict[str, bytes | Path]:
    """Execute the labs (those that changed) and return them, with the plain ones for download."""
    tree = Tree()
    files: dict[str, bytes | Path] = {}
    runner.run_all([*tree.labs(), *tree.sources()], "quick", tree)  # together: no core waits
    for name, executed in notebooks.execute(scale="quick").items():
        notebook = lab_pages.on_page(read(executed))
        for address, picture in page_widgets.without_widgets(notebook).items():
            files[f"extra/{address}"] = picture
        files[f"notebooks/{name}.ipynb"] = text_of(notebook).encode()
        files[f"extra/downloads/notebooks/{name}.ipynb"] = ROOT / "notebooks" / f"{name}.ipynb"
    return files


def exercise_pages() -> dict[str, Path]:
    """Return every exercise's page and pictures, in the book's order, and its notebook to take."""
    folder = BUILD / "exercises"
    files: dict[str, Path] = {}
    for name in exercises.pages(folder):
        for path in [folder / f"{name}.md", *sorted(folder.glob(f"{name}-*.png"))]:
            files[f"exercises/{path.name}"] = path
    for practice in Tree().practices():
        files[f"extra/downloads/exercises/{practice.name}"] = practice
    return files


def assemble(files: dict[str, bytes | Path], target: Path = SOURCE) -> list[str]:
    """Make `target` hold exactly `files`; return what was written or removed.

    A file whose content has not changed keeps its time stamp.
    """
    changed = []
    for name, content in files.items():
        path = target / name
        new = content.read_bytes() if isinstance(content, Path) else content
        if path.is_file() and path.read_bytes() == new:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(new)
        changed.append(name)
    for path in sorted(target.rglob("*"), reverse=True):
        name = path.relative_to(target).as_posix()
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in files and "__pycache__" not in path.parts:
            path.unlink()
            changed.append(name)
    return changed


def fingerprint(files: dict[str, bytes | Path]) -> str:
    """Hash what Sphinx does not track: the extensions, the renderers, the list of pages."""
    digest = hashlib.sha256()
    for name in RENDERERS:
        digest.update(f"{name} {metadata.version(name)}\n".encode())
    for name in sorted(files):
        if name.endswith(SUFFIXES):
            digest.update(f"{name}\n".encode())
        if name.startswith("book/_ext/"):
            content = files[name]
            digest.update(content.read_bytes() if isinstance(content, Path) else content)
    for path in sorted((ROOT / "course_lib" / "results").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def written() -> dict[str, int]:
    """The size of every file that rendering has written and the next one builds upon."""
    files = (path for folder in MADE for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(BUILD).as_posix(): path.stat().st_size for path in files}


def whole(stamp: str) -> bool:
    """Tell whether the last rendering was of this fingerprint, ended well, and is still there."""
    try:
        return read_json(STAMP) == {"fingerprint": stamp, "files": written()}
    except ToolError:
        return False


def render(*, strict: bool = True) -> None:
    """Run jupyter-book on the assembled sources.

    In one process: Sphinx's parallel reading hangs with these extensions, its writing gains 5 s.
    """
    program = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", str(SOURCE)]
    command += ["--path-output", str(ROOT), "-n", "--keep-going"]
    command += ["-q"]  # warnings are shown, the list of every file is not
    command += ["-W"] if strict else []
    search = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(search), PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        say(done.stdout)
    if done.returncode and strict:
        raise ToolError("the book has warnings (above); each of them is an error")
    if not (HTML / "index.html").is_file():
        raise ToolError("jupyter-book wrote no site; see its message above")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process builds this book."""
    BUILD.mkdir(exist_ok=True)
    lock = filelock.FileLock(BUILD / "book.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        say("another process builds this book: waiting for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def build(*, draft: bool = False) -> None:
    """Execute, assemble, render and check the book."""
    start = time.perf_counter()
    if not draft:
        equations.check()
        cover.ensure()
    files = plan(repository(), draft=draft)
    stamp = fingerprint(files)
    good = whole(stamp)
    STAMP.unlink(missing_ok=True)  # from here on an interruption leaves something half done
    changed = assemble(files)
    say(f"sources: {len(files)} files, {len(changed)} changed")
    if changed or not good:
        if not good:
            # After a failed build too: Sphinx repeats a warning only if it reads the page again.
            for stale in MADE:
                shutil.rmtree(stale, ignore_errors=True)
        render(strict=not draft)
        (HTML / ".nojekyll").touch()  # GitHub Pages leaves out folders that begin with _ otherwise
        faults = links.check(HTML)
        for fault in faults:
            print(fault, file=sys.stderr)
        if faults and not draft:
            raise ToolError(f"{len(faults)} dead link(s) or outside resource(s), listed above")
    if not draft:
        write_if_changed(STAMP, json_text({"fingerprint": stamp, "files": written()}))
    size = sum(path.stat().st_size for path in HTML.rglob("*") if path.is_file())
    say(
        f"book: {HTML.relative_to(ROOT) / 'index.html'}, {size / 1e6:.0f} MB,"
        f" {time.perf_counter() - start:.0f} s"
    )


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def server(folder: Path = HTML, port: int = 0) -> http.server.ThreadingHTTPServer:
    """Return a server for the built site on this machine only; port 0 takes a free one."""
    handler = functools.partial(_QuietHandler, directory=str(folder))
    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise ToolError(
            f"port {port} cannot be had ({error}): name another, `--port {PORT + 1}`, or "
            "`--port 0` for any that is free"
        ) from None


def built(folder: Path = HTML) -> Path:
    """Return the folder of the built site; an error if there is none."""
    if not (folder / "index.html").is_file():
        raise ToolError("nothing is built yet: run `python -m tools.book build`")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.book", description=__doc__.splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="execute what changed, render, check every link")
    builder.add_argument("--draft", action="store_true", help="skip missing pages, allow warnings")
    viewer = commands.add_parser("serve", help="serve the built book on this machine")
    viewer.add_argument("--port", type=int, default=PORT)
    args = parser.parse_args()
    if args.command == "build":
        with alone():
            build(draft=args.draft)
        return
    running = server(built(), args.port)
    say(f"http://127.0.0.1:{running.server_port} (stop with Ctrl-C)")
    running.serve_forever()
