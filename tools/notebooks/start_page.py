"""The notebook that a learner opens first: all labs in the book's order, with what each needs.

It is generated (`python -m tools.notebooks sync`), from the contents of the book, the labs' own
words, what they were measured to cost, and the list of exercises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.common import ToolError, Tree, read, read_yaml, text_of
from tools.exercises import facts
from tools.notebooks import cost
from tools.notebooks.setup_cell import repository, setup_source

LINK = re.compile(r"\[[^\]]*\]\(([\w-]+\.ipynb)\)")
CLAUSE = re.compile(r"[.;](?=\s|$)")  # not the dot of a file's name
OPENING = """\
# Start here: the labs, in order

Run this page's cells first: they look whether everything is in place. Then open the first lab. \
*Minutes* is what a laptop with two processor cores computes; thinking takes longer. None needs a \
GPU or a download. In a lab run one cell after the other (Shift+Enter), and answer before you run.

`scale = "smoke"` in a lab's parameter cell runs every line within seconds, `"quick"` is what the \
book shows, `"full"` is for a GPU. The exercises of a lab stand in it, and as notebooks of their \
own below."""


def parts(tree: Tree) -> Iterator[tuple[str, list[Path]]]:
    """Each part of the contents that has labs, with their notebooks."""
    for part in read_yaml(tree.root / "_toc.yml").get("parts", []):
        files = [tree.root / f"{entry.get('file', '')}.ipynb" for entry in part["chapters"]]
        if labs := [path for path in files if path.parent == tree.notebooks and path.is_file()]:
            yield part["caption"], labs


def page(tree: Tree) -> NotebookNode:
    """The notebook as it should be.

    Raises:
        ToolError: A lab is in no part of the contents, does not say what one needs before it, or
            needs a lab that comes after it.
    """
    listed = [path for _, labs in parts(tree) for path in labs]
    if missing := sorted({path.stem for path in tree.labs()} - {path.stem for path in listed}):
        raise ToolError(f"_toc.yml lists no lab {', '.join(missing)}: name it in its part")
    cell = nbformat.v4.new_markdown_cell
    code = nbformat.v4.new_code_cell
    source = setup_source(repository(tree))
    cells = [
        cell(OPENING, id="title"),
        code(source, id="setup", metadata={"tags": ["setup"]}),
        code('from course_lib.cli import main\n\n_ = main(["doctor"])', id="doctor"),
    ]
    known = facts.known(tree)
    number = 0
    for caption, labs in parts(tree):
        rows = ["| | Lab | What you do | Minutes | Memory | First |", "| --- " * 6 + "|"]
        exercises = []
        for path in labs:
            number += 1
            rows.append(row(number, path, tree))
            exercises.append(practices(path, known))
        text = "\n".join([f"## {caption}", "", *rows, "", *filter(None, exercises)])
        cells.append(cell(text, id=re.sub(r"\W+", "-", caption.lower())))
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata.update(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    return made


def row(number: int, path: Path, tree: Tree) -> str:
    """A lab's line in the table."""
    notebook = read(path)
    title, text = facts.split_title(notebook.cells[0].source)
    promise = re.split(r"(?<=[.]) ", " ".join(text.split("\n\n")[0].split()))[0]
    needed = next((t for t in _lines(notebook) if t.startswith("You need")), None)
    if needed is None:
        raise ToolError(f"{path.name} does not say what one needs: a line 'You need …'")
    wanted = LINK.findall(CLAUSE.split(needed)[0])  # what is mentioned after it is no condition
    order = [lab.name for _, labs in parts(tree) for lab in labs]
    if late := [name for name in wanted if name in order[number - 1 :]]:
        raise ToolError(
            f"{path.name} needs {', '.join(late)}, which the contents list later: change the order "
            "in _toc.yml, or mention that lab after the first sentence of 'You need …'"
        )
    names = [titled(tree.notebooks / name) for name in wanted]
    stated = cost.stored(tree).get(path.stem, {}).get("quick")
    minutes = str(cost.minutes(stated["seconds"])) if stated else ""
    memory = f"{cost.gigabytes(stated['peak_mb']):.1f} GB" if stated else ""
    columns = [str(number), f"[{title}]({path.name})", promise, minutes, memory, ", ".join(names)]
    return "| " + " | ".join(column or "–" for column in columns) + " |"


def _lines(notebook: NotebookNode) -> list[str]:
    return [line for cell in notebook.cells[:4] for line in cell.source.splitlines()]


def titled(path: Path) -> str:
    """A link to a lab by its title's first words."""
    return f"[{facts.title_of(read(path)).partition(':')[0]}]({path.name})"


def practices(path: Path, known: dict[str, facts.Facts]) -> str:
    """A line that names a lab's exercises and leads to their notebooks."""
    mine = [one for one in known.values() if one.lab == path.stem]
    links = [
        f"[{one.name}](practice/{one.lab}/{one.name}.ipynb) ({one.kind}, {one.minutes} min)"
        for one in mine
    ]
    title = facts.title_of(read(path)).partition(":")[0]
    return f"- **{title}**: {', '.join(links)}" if links else ""


def problems(tree: Tree) -> list[str]:
    """What is out of step, as sentences."""
    if not tree.labs() or not (tree.root / "_toc.yml").is_file():
        return []  # a small tree, as tests make them
    same = tree.start.is_file() and tree.start.read_text(encoding="utf-8") == text_of(page(tree))
    where = tree.start.relative_to(tree.root).as_posix()
    return [] if same else [f"{where} is out of step: run `python -m tools.notebooks sync`"]
