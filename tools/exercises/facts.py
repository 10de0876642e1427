"""What is known of an exercise besides its text: from the list of checks, in the book's order."""

from __future__ import annotations

from dataclasses import dataclass

from nbformat import NotebookNode

from tools.common import ToolError, Tree, read


@dataclass(frozen=True)
class Facts:
    """One exercise: its lab, what it asks for, how hard, how long, for how much."""

    name: str
    lab: str  # the name of its notebook
    lab_title: str
    kind: str
    level: str
    minutes: int
    points: int

    def line(self, lab: str, *more: str) -> str:
        """The line under the title; `lab` is the address of the lab from there."""
        text = (
            f"Lab: [{self.lab_title}]({lab}). {self.kind.capitalize()}, {self.level}, about "
            f"{self.minutes} minutes, {self.points} points."
        )
        return f"*{' '.join([text, *more])}*"


def title_of(notebook: NotebookNode) -> str:
    """The text of a notebook's title."""
    return split_title(notebook.cells[0].source if notebook.cells else "")[0]


def split_title(text: str) -> tuple[str, str]:
    """The title at the beginning of a text, and the rest."""
    first, _, rest = text.partition("\n")
    if not first.startswith("# "):
        raise ToolError(f"a notebook begins with {first!r}, wanted its title: # Title")
    return first.removeprefix("# ").strip(), rest.strip("\n")


def with_line(text: str, line: str) -> str:
    """A text that begins with a title, with a line under it."""
    title, rest = split_title(text)
    return "\n\n".join(part for part in (f"# {title}", line, rest) if part)


def known(tree: Tree) -> dict[str, Facts]:
    """Return the facts of all exercises, by name, in the order of the book."""
    from course_lib.checks import ALL  # here, for it imports torch

    titles = {path.stem: title_of(read(path)) for path in tree.labs()}
    facts = {}
    for name, check in ALL.items():
        lab = check.lab.replace("_", "-")
        facts[name] = Facts(
            name, lab, titles[lab], check.kind, check.level, check.minutes, check.points
        )
    return facts
