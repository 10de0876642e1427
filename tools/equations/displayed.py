"""Find the displayed equations in MyST Markdown, and normalise their LaTeX."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.common import ToolError

FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})\s*(\S.*)?$")
# Contents of these directives are code or data, not Markdown.
VERBATIM = re.compile(
    r"\{(code|code-block|code-cell|sourcecode|literalinclude|raw|mermaid|eval-rst|toctree)\b"
)
ENVIRONMENT = re.compile(
    r"\\begin\{((?:equation|align|gather|multline|eqnarray|alignat|flalign)\*?)\}"
)
SPACES = {r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad", r"\qquad"}


@dataclass(frozen=True)
class Equation:
    """A displayed equation."""

    label: str | None
    latex: str
    place: str  # file and line, or cell and line

    @property
    def hash(self) -> str:
        return short_hash(normalise(self.latex))


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def normalise(latex: str) -> str:
    """LaTeX without what does not change its meaning: comments, white space, thin spaces."""
    latex = re.sub(r"(?<!\\)%.*", "", latex)
    latex = re.sub(r"\\label\{[^}]*\}", "", latex)
    tokens = re.findall(r"\\[a-zA-Z]+|\\.|\S", latex)
    return " ".join(token for token in tokens if token not in SPACES)


def displayed(text: str, place: str) -> Iterator[Equation]:
    """The displayed equations of a page's Markdown, in order.

    Looks into directives that hold Markdown (notes, theorems, drop-downs), not into code.
    """
    lines = text.splitlines()
    directives: list[str] = []  # the fences of the directives that are open here
    index = 0
    while index < len(lines):
        line, here = lines[index], f"{place}:{index + 1}"
        index += 1
        fence = FENCE.match(line)
        if fence:
            mark, rest = fence[1], (fence[2] or "").strip()
            if not rest and directives and mark.startswith(directives[-1]):
                directives.pop()
            elif rest.startswith("{math}"):
                end = _close(lines, index, mark)
                yield _math(lines[index : end - 1], here)
                index = end
            elif (mark[0] != ":" and not rest.startswith("{")) or VERBATIM.match(rest):
                index = _close(lines, index, mark)
            elif rest:
                directives.append(mark)
            continue
        if re.match(r"\s*%", line):
            continue
        bare = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        environment = ENVIRONMENT.search(bare)
        if environment and "$$" not in bare:
            closing = rf"\end{{{environment[1]}}}"
            while closing not in lines[index - 1] and index < len(lines):
                index += 1
            yield Equation(None, environment[1], here)
        elif "$$" in bare:
            index, equation = _dollars(lines, index, bare.split("$$", 1)[1], here)
            yield equation


def _dollars(lines: list[str], index: int, first: str, place: str) -> tuple[int, Equation]:
    """$$ … $$ (label), on one line or several; with a label inside in a notebook."""
    body = [first]
    while "$$" not in body[-1]:
        if index >= len(lines):
            raise ToolError(f"{place}: $$ is never closed")
        body.append(lines[index])
        index += 1
    body[-1], tail = body[-1].split("$$", 1)
    latex = "\n".join(body)
    # $$ … \label{…} $$ in a notebook, where JupyterLab would show what stands behind.
    label = re.match(r"\s*\(([^)]*)\)\s*$", tail) or re.search(r"\\label\{([^}]*)\}\s*$", latex)
    return index, Equation(label[1].strip() if label else None, latex, place)


def _math(body: list[str], place: str) -> Equation:
    """The directive {math}, with its options."""
    label = None
    while body and re.match(r"\s*:[\w-]+:", body[0]):
        option = body.pop(0).strip()
        if option.startswith(":label:"):
            label = option.removeprefix(":label:").strip()
    return Equation(label, "\n".join(body), place)


def _close(lines: list[str], index: int, fence: str) -> int:
    """The index after the line that closes a fence."""
    while index < len(lines):
        line = lines[index].strip()
        index += 1
        if line.startswith(fence) and not line.strip(fence[0]):
            break
    return index
