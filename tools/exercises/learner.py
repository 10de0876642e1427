"""The learner's notebook of an exercise: no solution, no hidden test, no explanation."""

from __future__ import annotations

import re

import nbformat
from nbformat import NotebookNode

from tools.common import ToolError, is_code, tagged, tags, without_outputs
from tools.exercises.facts import Facts, with_line
from tools.exercises.page import alt_text, expected_title, strip, text_of_output
from tools.notebooks.setup_cell import setup_source

ROLE = re.compile(r" ?\{([\w:]+)\}`([^`<]*)`")


def practice(notebook: NotebookNode, facts: Facts, address: str) -> NotebookNode:
    """Make the learner's notebook from a source.

    Args:
        notebook: The source, with the outputs of a right answer in its cells tagged "expected".
        facts: Of the exercise.
        address: The repository's address, or "".
    """
    book = book_page(facts.name, address)
    made = without_outputs(notebook)
    made.cells = [cell for cell in made.cells if "explanation" not in tags(cell)]
    for cell in made.cells:
        cell.metadata.pop("nbgrader", None)
        cell.source = strip(cell.source) if is_code(cell) else _plain(cell.source)
    line = facts.line(f"../../{facts.lab}.ipynb", f"[Its page in the book]({book}).")
    made.cells[0].source = with_line(made.cells[0].source, line)
    _insert_expected(made, tagged(notebook, "expected"), book, facts.kind)
    setup = nbformat.v4.new_code_cell(
        setup_source(address), id="setup", metadata={"tags": ["setup"]}
    )
    made.cells.insert(1, setup)
    made.cells.append(nbformat.v4.new_markdown_cell(_closing(facts.kind, book), id="stuck"))
    return made


def book_page(name: str, address: str) -> str:
    """Where an exercise's page is, seen from its notebook; without an address: in `_build`."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(\.git)?/?", address)
    site = f"https://{found[1]}.github.io/{found[2]}" if found else "../../../_build/html"
    return f"{site}/exercises/{name}.html"


def _plain(text: str) -> str:
    """Markdown as a notebook shows it: a reference to an equation of a chapter is left out."""
    for role in ROLE.finditer(text):
        if role[1] != "eq":
            raise ToolError(f"a learner's notebook would show {role[0].strip()!r} as it stands")
    return ROLE.sub("", text)


def _insert_expected(
    made: NotebookNode, expected: list[NotebookNode], book: str, kind: str
) -> None:
    """Say what a right answer gives, in the place of the title above the cells that show it."""
    if not expected:
        return
    texts = [text for cell in expected for o in cell.outputs if (text := text_of_output(o))]
    pictures = [alt for cell in expected if (alt := alt_text(cell))]
    parts = [f"## {expected_title(kind)}"]
    parts += [f"It prints\n\n```text\n{text}\n```" for text in texts]
    parts += [f"It draws, as [the page in the book]({book}) shows: {alt}" for alt in pictures]
    parts.append("Run yours, and compare." if len(expected) == 1 else "Run yours, and compare:")
    made.cells = [cell for cell in made.cells if cell.id != "expected-title"]
    place = next(i for i, cell in enumerate(made.cells) if "expected" in tags(cell))
    text = nbformat.v4.new_markdown_cell("\n\n".join(parts), id="expected-title")
    made.cells.insert(place, text)


def _closing(kind: str, book: str) -> str:
    secret = "answer" if kind in ("predict", "diagnose") else "solution"
    where = "" if book.startswith("https:") else " (`make book` makes it)"
    return (
        f"Stuck? [The exercise's page in the book]({book}){where} has the {secret}, and why it is "
        "so, behind a click."
    )
