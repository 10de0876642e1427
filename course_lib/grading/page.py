"""HTML pages of texts that nobody needs to trust.

A page is one file with everything in it: no script, no link, nothing that is fetched; a Content
Security Policy forbids both in case something slips through. What came from a learner is escaped,
all of it: no piece of HTML or Markdown of theirs becomes part of a page, so there is nothing that
a sanitiser could overlook. Pictures are bitmaps that begin as one. Everything is bounded, so that
no text makes a page that cannot be opened.

`Page` has one look for the light and the dark, for a wide window and a phone.
"""

from __future__ import annotations

import base64
import binascii
import html
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

import course_lib
from course_lib.grading import clean
from course_lib.grading.folder import write_file

LONGEST = 20_000  # characters of one text
IMAGE_BYTES = 2 << 20
PAGE_BYTES = 20 << 20
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_ANSI = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
# Controls, halves of pairs, and marks that turn the direction of what follows.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def without_paths(words: str, roots: Sequence[Path] = ()) -> str:
    """Take the grader's own folders out of a text.

    Args:
        words: Any text.
        roots: Further folders, of the course for example.
    """
    own = [*roots, Path(course_lib.__file__).parents[1], Path(sys.prefix), Path(sys.base_prefix)]
    own += [Path.home(), Path(tempfile.gettempdir()), Path.cwd()]
    names = {name for path in own for name in (str(path), os.path.realpath(path))}
    for name in sorted(names, key=len, reverse=True):
        if len(name) > 2:
            words = re.sub(re.escape(name) + r"(?=[/\\\s'\":,)\]]|$)", "…", words)
    return words


def plain(words: Any, roots: Sequence[Path] = (), limit: int = LONGEST) -> str:
    """A text that can be shown: cut, without controls, colours, and the grader's folders."""
    found = str(words)
    cut = len(found) > limit
    found = _ANSI.sub("", found[:limit]).replace("\r\n", "\n").replace("\r", "\n")
    found = without_paths(_UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", found), roots)
    return f"{found}\n[cut here]" if cut else found


def text(words: Any, roots: Sequence[Path] = (), limit: int = LONGEST) -> str:
    """The same, escaped: may stand anywhere in a page, also in an attribute."""
    return html.escape(plain(words, roots, limit), quote=True)


def points(number: float) -> str:
    """A number of points to two places, without those that say nothing."""
    found = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if found == "-0" else found


def code(source: str, roots: Sequence[Path] = ()) -> str:
    """Python in colours."""
    lines: list[str] = []
    for line in plain(source, roots).splitlines():  # to colour empty lines takes long
        if line.strip() or any(lines[-3:]) or len(lines) < 3:
            lines.append(line.rstrip())
    shown = "\n".join(lines)
    return highlight(
        shown, PythonLexer(stripnl=False), HtmlFormatter(nowrap=False, cssclass="code")
    )


def pre(words: Any, roots: Sequence[Path] = (), kind: str = "out") -> str:
    """Text as it was printed."""
    return f"<pre class='{kind}'>{text(words, roots)}</pre>"


def image(kind: str, data: Any, alt: str) -> str | None:
    """A picture, within the page; None if it is none."""
    if kind not in IMAGES or not isinstance(data, str) or len(data) > 2 * IMAGE_BYTES:
        return None
    try:
        found = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not found.startswith(IMAGES[kind]) or len(found) > IMAGE_BYTES:
        return None
    if kind in clean.PICTURES and not 0 < clean.pixels(found) <= clean.PIXELS:
        return None
    shown = base64.b64encode(found).decode()
    return f"<p><img alt='{text(alt, limit=300)}' src='data:{kind};base64,{shown}'></p>"


def outputs(found: Iterable[Any], roots: Sequence[Path] = ()) -> str:
    """The outputs of a cell.

    Args:
        found: As nbformat has them.
        roots: Folders whose names are not shown.
    """
    parts = []
    for output in found:
        kind = output.get("output_type")
        if kind == "stream":
            parts.append(pre(_joined(output.get("text", "")), roots))
        elif kind == "error":
            lines = output.get("traceback") or [f"{output.get('ename')}: {output.get('evalue')}"]
            parts.append(pre("\n".join(map(str, lines)), roots, "out bad"))
        elif kind in ("execute_result", "display_data"):
            parts.append(_displayed(output.get("data") or {}, roots))
    return "".join(parts)


def _joined(found: Any) -> str:
    return "".join(map(str, found)) if isinstance(found, list) else str(found)


def _displayed(data: dict[str, Any], roots: Sequence[Path]) -> str:
    words = _joined(data.get("text/plain", ""))
    for kind in IMAGES:
        shown = image(kind, _joined(data[kind]), words or "a picture") if kind in data else None
        if shown is not None:
            return shown
    return pre(words, roots) if words else "<p class='note'>[an output that is not shown here]</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table of finished cells.

    Args:
        head: Escaped texts.
        rows: Escaped texts, or HTML that was made here.
        caption: Escaped text.
    """
    top = "".join(f"<th scope='col'>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    title = f"<caption>{caption}</caption>" if caption else ""
    return (
        f"<div class='wide'><table>{title}<thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


@dataclass
class Page:
    """One HTML file.

    Attributes:
        title: Any text.
        parts: Finished HTML.
    """

    title: str
    parts: list[str] = field(default_factory=list)

    def add(self, *parts: str) -> None:
        """Add finished HTML."""
        self.parts += parts

    def __str__(self) -> str:
        body = "\n".join(self.parts)
        if len(body) > PAGE_BYTES:
            raise ValueError(
                f"the page {self.title[:80]!r} has {len(body) >> 20} MB, more than "
                f"{PAGE_BYTES >> 20}; show less on it"
            )
        title = text(self.title, limit=300)
        return (
            "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n"
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
            "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
            "<meta name='referrer' content='no-referrer'>\n"
            f"<title>{title}</title>\n<style>{_STYLE}</style></head>\n"
            f"<body><main><h1>{title}</h1>\n{body}\n</main></body></html>\n"
        )

    def write(self, path: Path) -> None:
        """Write it; whoever reads meanwhile sees the old file or the new one."""
        write_file(path, str(self).encode("utf-8", "replace"))


def _colours(style: str) -> str:
    return str(HtmlFormatter(style=style, cssclass="code").get_style_defs(".code"))


_STYLE = (
    """
:root { color-scheme: light dark; --text: #1d2430; --page: #fff; --faint: #5a6472;
  --line: #d4d9e0; --box: #f4f6f8; --good: #00664c; --bad: #a33c00; --mark: #ffe9a8; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--text); background: var(--page);
  font: 1rem/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem 1.2rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .6rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.note, caption, figcaption { color: var(--faint); font-size: .92rem; text-align: left; }
.total { font-size: 1.25rem; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
.hint, .comment { border-left: .25rem solid var(--good); background: var(--box);
  padding: .5rem .8rem; margin: .6rem 0; white-space: pre-line; overflow-wrap: anywhere; }
.words { border-left: .25rem solid var(--line); padding: .2rem .8rem; margin: .6rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.comment { border-color: #0072b2; }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .94rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-bottom: 1px solid var(--line); }
td { white-space: pre-line; min-width: 3rem; }
pre { margin: 0; font: .86rem/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-x: auto; }
.code, pre.out { background: var(--box); border: 1px solid var(--line); border-radius: .3rem;
  padding: .6rem .8rem; margin: .5rem 0; max-width: 100%; overflow-x: auto; }
pre.out { background: none; border-left-width: .25rem; max-height: 30rem; overflow-y: auto; }
pre.bad { color: var(--bad); white-space: pre-wrap; overflow-wrap: anywhere; }
img, svg { max-width: 100%; height: auto; }
img { background: #fff; }
figure { margin: 1rem 0; }
details > summary { cursor: pointer; color: var(--faint); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; }
.pair > div { min-width: 0; }
mark { background: var(--mark); color: inherit; }
@media (max-width: 40rem) { .pair { grid-template-columns: 1fr; }
  main { padding: .6rem .8rem 3rem; }
  body { font-size: .97rem; } th, td { padding-right: .5rem; } }
"""
    + _colours("friendly")
    + """
.code { background: var(--box) !important; }
@media (prefers-color-scheme: dark) {
:root { --text: #e4e8ee; --page: #14181f; --faint: #a2acba; --line: #333c48; --box: #1d232c;
  --good: #4fc3a1; --bad: #f2a26b; --mark: #5c4a12; }
"""
    + _colours("github-dark")
    + """
.code { background: var(--box) !important; }
}
@media print { .code, pre.out { max-height: none; white-space: pre-wrap; } }
"""
)
