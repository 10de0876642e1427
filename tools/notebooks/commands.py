"""Execute, measure and check the notebooks: `python -m tools.notebooks --help`."""

from __future__ import annotations

import argparse
import contextlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.common import (
    ToolError,
    Tree,
    fail_with,
    read,
    read_json,
    say,
    tagged,
    text_of,
    write_if_changed,
)
from tools.notebooks import cost, runner, said, start_page, validate, warm
from tools.notebooks.setup_cell import repository, setup_source


def execute(
    scale: str = "quick",
    *,
    only: list[str] | None = None,
    force: bool = False,
    tree: Tree | None = None,
) -> dict[str, Path]:
    """Execute all labs at a scale, through the cache, and check what the book would show.

    Args:
        scale: smoke, quick or full.
        only: Names of labs; default all.
        force: Execute even if nothing has changed.
        tree: The checkout.

    Returns:
        The executed notebooks' paths by name.

    Raises:
        ToolError: A cell failed, a picture has no description, something cost too much …
    """
    tree = tree or Tree()
    paths = _chosen(tree.labs(), only)
    executed, problems, measured = {}, [], {}
    for path, done in runner.run_all(paths, scale, tree, force=force).items():
        executed[done.name] = runner.keep(done, scale, tree)
        problems += validate.check_executed(path, done.notebook)
        measured[done.name] = done.measured
    problems += cost.excess(measured, scale, tree)
    fail_with(problems, f"{len(problems)} problems in executed notebooks:")
    return executed


def _chosen(paths: list[Path], only: list[str] | None) -> list[Path]:
    if not only:
        return paths
    known = {path.stem: path for path in paths}
    wrong = sorted(set(only) - set(known))
    if wrong:
        raise ToolError(f"no notebook {', '.join(wrong)}; there are: {', '.join(known) or 'none'}")
    return [known[name] for name in dict.fromkeys(only)]


def on_real_data(
    only: list[str] | None = None, tree: Tree | None = None, until: float = math.inf
) -> None:
    """Execute the labs at `quick` on each real data set that they offer and that is here.

    A lab offers those of its metadata, `course.datasets`. What it says must hold on them too. After
    `until`, in seconds since 1970, none is begun any more, and those left out are listed.

    Raises:
        ToolError: what failed, on all sets.
    """
    from course_lib.data import available

    tree = tree or Tree()
    faults: list[str] = []
    for name in dict.fromkeys(n for p in _chosen(tree.labs(), only) for n in offered(p)):
        paths = [path for path in _chosen(tree.labs(), only) if name in offered(path)]
        if not available(name):
            say(f"{name} is not here: {', '.join(p.stem for p in paths)} not run on it")
            continue
        say(f"{name}: {', '.join(path.stem for path in paths)}")
        try:
            done = runner.run_all(paths, "quick", tree, dataset=name, until=until)
        except ToolError as error:
            faults.append(f"on {name}: {error}")
            continue
        if late := [path.stem for path in paths if path not in done]:
            say(f"the time is over: {', '.join(late)} not run on {name}")
    if faults:
        raise ToolError("\n".join(faults))


def offered(path: Path) -> list[str]:
    """The real data sets that a lab names in its metadata, for `dataset`."""
    return list(read(path).metadata.get("course", {}).get("datasets", []))


def sync(tree: Tree | None = None, *, check: bool = False) -> list[str]:
    """Write set-up and cost cells into the labs; with `check` only say what would change."""
    tree = tree or Tree()
    source, changed = setup_source(repository(tree)), []
    for path in tree.labs():
        notebook = read(path)
        for cell in tagged(notebook, "setup"):
            cell.source = source
        for cell in tagged(notebook, "cost"):
            cell.source = cost.header(path.stem, notebook, tree)
        if text_of(notebook) != path.read_text(encoding="utf-8"):
            changed.append(
                f"notebooks/{path.name} is out of step: run `python -m tools.notebooks sync`"
            )
            if not check:
                write_if_changed(path, text_of(notebook))
                say(f"wrote notebooks/{path.name}")
    if late := start_page.problems(tree):
        changed += late
        if not check:
            write_if_changed(tree.start, text_of(start_page.page(tree)))
            say(f"wrote notebooks/{tree.start.name}")
    return changed


def problems_of_sources(tree: Tree | None = None) -> list[str]:
    """What is wrong with the committed notebooks: labs, exercise sources, learners' notebooks."""
    tree = tree or Tree()
    address, problems = repository(tree), []
    for path in [*tree.labs(), *tree.sources(), *tree.practices()]:
        lab = path.parent == tree.notebooks
        problems += validate.check_source(path, read(path), address=address, lab=lab)
    return problems + sync(tree, check=True)


def mark(only: list[str] | None = None, tree: Tree | None = None) -> None:
    """Store the outputs of the marked cells, at `smoke`: what nbval compares from now on.

    Look at the difference before committing it: it is what the labs claim to hold everywhere.
    """
    tree = tree or Tree()
    for path, done in runner.run_all(_chosen(tree.labs(), only), "smoke", tree).items():
        marked = {cell.id: cell for cell in tagged(done.notebook, validate.MARKED)}
        notebook = read(path)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                ran = marked.get(cell.id)
                cell.outputs = ran.outputs if ran else []
                # nbval refuses outputs without a count.
                cell.execution_count = ran.execution_count if ran else None
        if write_if_changed(path, text_of(notebook)):
            say(f"wrote notebooks/{path.name}")


def measure(scale: str, only: list[str] | None = None, tree: Tree | None = None) -> None:
    """Execute, freshly, and write what it cost into `results/notebooks.json` and the headers."""
    tree = tree or Tree()
    measured: dict[str, dict[str, Any]] = {}
    paths = _chosen(tree.labs(), only)
    for number, path in enumerate(paths, start=1):
        done = runner.run(path, scale, tree, force=True, number=f"[{number}/{len(paths)}] ")
        runner.keep(done, scale, tree)
        measured[done.name] = done.measured
    cost.store(measured, scale, tree)
    sync(tree)
    say(f"wrote {tree.measured.relative_to(tree.root)}")


def status_markdown(tree: Tree | None = None) -> str:
    """The status page: every notebook of this build, its time, peak memory, versions and date."""
    tree = tree or Tree()
    folder = tree.build / "executed"
    built = {}
    for path in sorted(folder.rglob("*.cost.json")):
        name = path.relative_to(folder).as_posix().removesuffix(".cost.json")
        if (tree.notebooks / f"{name}.ipynb").is_file():
            with contextlib.suppress(ToolError):  # cut short: the next build writes it again
                built[name] = read_json(path)
    return cost.status(built, tree)


def nbval(extra: list[str] | None = None, tree: Tree | None = None) -> None:
    """Run every line of every lab at `smoke`, compare the marked cells."""
    tree = tree or Tree()
    labs = [str(path) for path in [*tree.labs(), tree.start] if path.is_file()]
    if labs:
        say(f"{len(labs)} labs at smoke, comparing the cells tagged {validate.MARKED!r}")
        command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=600"]
        command += ["-p", "no:cacheprovider", "-q", "--dist=loadscope"]
        command += ["-n", str(runner.room(len(labs)))] if len(labs) > 1 else []
        with runner.environment("smoke", tree, **runner.THREADS), warm.kernels() as kernel:
            current = kernel == warm.PLAIN
            command += ["--nbval-current-env" if current else f"--nbval-kernel-name={kernel}"]
            command += [*(extra or []), *labs]
            status = subprocess.run(command, cwd=tree.root, check=False).returncode
        if status:
            raise ToolError("labs failed at smoke; see above")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_text in (
        ("run", "execute the labs that changed, check what the book will show"),
        ("cost", "execute the labs and write what they cost into results/ and the headers"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("--scale", choices=runner.SCALES, default="quick")
        command.add_argument("--only", nargs="+", metavar="NAME", help="only these labs")
        if name == "run":
            command.add_argument("--force", action="store_true", help="even if nothing changed")
    commands.add_parser("sync", help="write the generated cells: set-up and cost")
    commands.add_parser("validate", help="check the committed notebooks")
    marked = commands.add_parser("mark", help="store the outputs that nbval compares")
    marked.add_argument("--only", nargs="+", metavar="NAME", help="only these labs")
    commands.add_parser("status", help="print the status page")
    told = commands.add_parser("said", help="which sentences of the labs are held to their runs")
    told.add_argument("--open", action="store_true", help="list those that may need it, too")
    real = commands.add_parser("real", help="the labs at quick on each real set that they offer")
    real.add_argument("--only", nargs="+", metavar="NAME", help="only these labs")
    real.add_argument(
        "--until", type=float, default=math.inf, metavar="TIME", help="in seconds since 1970"
    )
    smoke = commands.add_parser("nbval", help="all labs at smoke, marked cells compared")
    smoke.add_argument("pytest", nargs="*", help="options for pytest, after --")
    given = parser.parse_args()
    if given.command == "run":
        fail_with(problems_of_sources(), "Problems in committed notebooks:")
        execute(given.scale, only=given.only, force=given.force)
    elif given.command == "cost":
        measure(given.scale, given.only)
    elif given.command == "sync":
        sync()
    elif given.command == "validate":
        fail_with(problems_of_sources(), "Problems in committed notebooks:")
        say("all notebooks are as they should be")
    elif given.command == "mark":
        mark(given.only)
    elif given.command == "status":
        print(status_markdown())
    elif given.command == "said":
        print(said.table(unbound=given.open))
    elif given.command == "real":
        on_real_data(given.only, until=given.until)
    else:
        nbval(given.pytest)
