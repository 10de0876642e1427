"""What learners can do after each lab, what it costs and which exercises it has: from the labs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.common import ROOT, ToolError, Tree, read, read_yaml
from tools.exercises import facts

PARTS = ("Foundations", "Segmentation", "Generation")


def outcomes_of(path: Path) -> list[str]:
    """The points under "Afterwards you can" of a lab, as Markdown."""
    for cell in read(path).cells:
        if cell.get("id") == "before":
            _, found, rest = cell.source.partition("Afterwards you can\n\n")
            points = re.split(r"^- ", rest.split("\n\n")[0], flags=re.MULTILINE)[1:]
            if found and points:
                return [" ".join(point.split()).rstrip(";.") for point in points]
    raise ToolError(f"{path}: its cell 'before' lists nothing under 'Afterwards you can'")


def minutes_of(path: Path) -> str:
    """What its cost table says of the time on two cores, at quick."""
    for cell in read(path).cells:
        found = re.search(r"^\| Time \| ([^|]+) \|", cell.source, flags=re.MULTILINE)
        if found:
            return found[1].strip()
    return "not measured"


def labs_of(toc: dict[str, Any], part: str) -> Iterator[str]:
    """The names of a part's labs, in the book's order."""
    for one in toc["parts"]:
        if one["caption"] == part:
            for chapter in one["chapters"]:
                if chapter["file"].startswith("notebooks/"):
                    yield Path(chapter["file"]).name


def page(tree: Tree | None = None) -> str:
    """The list as Markdown, part by part."""
    tree = tree or Tree()
    toc, known = read_yaml(tree.root / "_toc.yml"), facts.known(tree)
    lines: list[str] = []
    for part in PARTS:
        lines += [f"## {part}", ""]
        for name in labs_of(toc, part):
            path = tree.notebooks / f"{name}.ipynb"
            title = facts.title_of(read(path))
            own = [fact for fact in known.values() if fact.lab == name]
            points, minutes = sum(f.points for f in own), sum(f.minutes for f in own)
            said = (
                f"{len(own)} exercises, {points} points, about {minutes} minutes of work"
                if own
                else "no exercises of its own"
            )
            lines += [f"### [{title}](../../notebooks/{name}.ipynb)", ""]
            lines += [
                f"*Runs in {minutes_of(path)} on two cores; {said}.* Afterwards learners can",
                "",
            ]
            lines += [f"- {point};" for point in outcomes_of(path)[:-1]]
            lines += [f"- {outcomes_of(path)[-1]}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(Tree(ROOT)))
