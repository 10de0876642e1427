"""Show the real source of something in course_lib, with its line numbers."""

import ast
import html
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import course_lib

# Colours with a contrast of at least 4.5 on their ground, light and dark. The dark ones follow the
# page: the book, JupyterLab and Colab each say in their own way that they are dark.
_LIGHT_COLOURS = {"k": "#a0206a", "s": "#276100", "c": "#5a5a5a", "n": "#004f8a", "m": "#8a4600"}
_DARK_COLOURS = {"k": "#f29ac6", "s": "#9fd37f", "c": "#b4b4b4", "n": "#7cc4f5", "m": "#f2b36b"}
_DARK_PAGE = ":is(html[data-theme=dark],body[data-jp-theme-light=false],html[theme=dark])"


def _style_sheet() -> str:
    box = ".course-source"
    line = "1px solid #8886"
    rules = [
        f"{box}{{border:{line};border-radius:4px;margin:0 0 1em;background:#fff;color:#1a1a1a}}",
        f"{box}>div{{padding:.25em .75em;border-bottom:{line};font-size:85%}}",
        f"{box}>pre{{margin:0;padding:.5em .75em;overflow-x:auto;border:0}}",
        f"{box}>pre,{box} code{{background:none;color:inherit}}",
        f"{box} .ln{{color:#666;user-select:none;-webkit-user-select:none;margin-right:1em}}",
        f"{_DARK_PAGE} {box}{{background:#16181c;color:#ececec;color-scheme:dark}}",
        f"{_DARK_PAGE} {box} .ln{{color:#a0a0a0}}",
    ]
    for kind in _LIGHT_COLOURS:
        rules.append(f"{box} .{kind}{{color:{_LIGHT_COLOURS[kind]}}}")
        rules.append(f"{_DARK_PAGE} {box} .{kind}{{color:{_DARK_COLOURS[kind]}}}")
    return "".join(rules)


def show_source(
    obj: Callable[..., Any] | type | ModuleType,
    lines: tuple[int, int] | tuple[str, str] | None = None,
    *,
    docstring: bool = False,
) -> "Source":
    """Show how something in course_lib is written, read from its file at this moment.

    Args:
        obj: a function, method, class or module of course_lib.
        lines: only these: two numbers, counted from 1 at the first line of `obj`, both included;
            or two pieces of text, from the first line that holds the one to the next line that
            holds the other (this survives changes of the file).
        docstring: show the docstrings too; otherwise a gap in the line numbers is left.

    Returns:
        Something that a notebook shows as highlighted source, and a terminal as text.

    Raises:
        ValueError: not a part of course_lib, or lines that it does not have.
    """
    obj = inspect.unwrap(obj) if callable(obj) else obj
    try:
        path = Path(inspect.getsourcefile(obj) or "")
        source, first = inspect.getsourcelines(obj)
    except (TypeError, OSError) as error:
        raise ValueError(
            f"{obj!r} has no source to show; pass a function, class or module of course_lib."
        ) from error
    package = Path(course_lib.__file__).resolve().parent
    if not path.resolve().is_relative_to(package):
        raise ValueError(f"{obj!r} comes from {path.name}, not from course_lib.")
    first = max(first, 1)  # a module begins at 0
    text = textwrap.dedent("".join(source)).rstrip().split("\n")
    hidden = set() if docstring else _docstring_lines("\n".join(text))
    chosen = range(*_chosen(text, lines))
    kept = [(first + index, text[index]) for index in chosen if index not in hidden]
    while kept and not kept[0][1].strip():
        kept.pop(0)
    name = getattr(obj, "__qualname__", getattr(obj, "__name__", ""))
    return Source(
        name=name,
        path=path.resolve().relative_to(package.parent).as_posix(),
        lines=tuple(kept),
    )


@dataclass(frozen=True)
class Source:
    """Lines of a file, each with its number in that file."""

    name: str
    path: str
    lines: tuple[tuple[int, str], ...]

    @property
    def title(self) -> str:
        """File and line numbers."""
        if not self.lines:
            return self.path
        return f"{self.path}, lines {self.lines[0][0]}–{self.lines[-1][0]}"

    def __repr__(self) -> str:
        """Show as text, in a terminal and where HTML is not shown."""
        return "\n".join(
            [f"# {self.title}", *(f"{n!s:>4}  {text}".rstrip() for n, text in self._rows())]
        )

    def _rows(self) -> list[tuple[int | str, str]]:
        """The lines, with a mark where some are left out."""
        rows: list[tuple[int | str, str]] = []
        previous = None
        for number, text in self.lines:
            if previous is not None and number != previous + 1:
                rows.append(("…", ""))
            rows.append((number, text))
            previous = number
        return rows

    def _repr_html_(self) -> str:
        """Show highlighted, in a notebook and in the book."""
        rows = self._rows()
        coloured = _highlight("\n".join(text for _, text in rows))
        width = max((len(str(number)) for number, _ in rows), default=1)
        body = "\n".join(
            f'<span class="ln" aria-hidden="true">{number!s:>{width}}</span>{line}'
            for (number, _), line in zip(rows, coloured, strict=True)
        )
        title = html.escape(self.title)
        return (
            f"<style>{_style_sheet()}</style>"
            f'<div class="course-source"><div><code>{title}</code></div>'
            f'<pre tabindex="0" role="region" aria-label="source of {html.escape(self.name)}">'
            f"{body}</pre></div>"
        )


def _chosen(text: list[str], lines: tuple[int, int] | tuple[str, str] | None) -> tuple[int, int]:
    """First index and index after the last."""
    if lines is None:
        return 0, len(text)
    begin, end = lines
    if isinstance(begin, int) and isinstance(end, int):
        if not 1 <= begin <= end <= len(text):
            raise ValueError(f"lines is {lines}; the source has lines 1 to {len(text)}.")
        return begin - 1, end
    start = next((i for i, line in enumerate(text) if str(begin) in line), None)
    if start is None:
        raise ValueError(f"no line of the source holds {begin!r}.")
    stop = next((i for i in range(start, len(text)) if str(end) in text[i]), None)
    if stop is None:
        raise ValueError(f"no line of the source after the one with {begin!r} holds {end!r}.")
    return start, stop + 1


def _docstring_lines(text: str) -> set[int]:
    """Indices of the lines that are docstrings, with the empty line after each."""
    found: set[int] = set()
    total = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is None or len(node.body) < 2:
            continue
        statement = node.body[0]
        last = statement.end_lineno or statement.lineno
        found.update(range(statement.lineno - 1, last))
        if last < len(total) and not total[last].strip():
            found.add(last)
    return found


def _highlight(code: str) -> list[str]:
    """Lines of HTML, one span a token; without Pygments only escaped."""
    try:
        from pygments import lex
        from pygments.lexers import PythonLexer
        from pygments.token import Comment, Keyword, Name, Number, Operator, String
    except ImportError:
        return html.escape(code).split("\n")
    kinds = [
        (Comment, "c"),
        (String, "s"),
        (Number, "m"),
        (Keyword, "k"),
        (Operator.Word, "k"),
        (Name.Function, "n"),
        (Name.Class, "n"),
        (Name.Decorator, "n"),
    ]
    out: list[str] = []
    for token, value in lex(code, PythonLexer(stripnl=False, ensurenl=False)):
        css = next((css for kind, css in kinds if token in kind), None)
        pieces = [html.escape(piece) for piece in value.split("\n")]
        if css:
            pieces = [f'<span class="{css}">{piece}</span>' if piece else "" for piece in pieces]
        out.append("\n".join(pieces))
    return "".join(out).split("\n")
