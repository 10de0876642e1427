"""Walk over built HTML: dead links, dead anchors, resources from other hosts.

    python -m tools.book.links _build/html

Sphinx checks the references it resolves itself; this sees what a browser sees: raw `<a href>`,
pictures, scripts, style sheets and what those load. Links that a reader may follow can lead
anywhere, but a page must not fetch anything from another host by itself.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# (tag, attribute) that make a browser fetch something on its own. <a href> is not among them.
FETCHED = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("image", "href"),
    ("img", "src"),
    ("input", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("track", "src"),
    ("use", "href"),
    ("video", "poster"),
    ("video", "src"),
}
FOLLOWED = {("a", "href"), ("area", "href"), ("form", "action")}
# <link rel=...> that name an address without fetching it.
NAMING_RELS = {
    "canonical",
    "license",
    "author",
    "alternate",
    "next",
    "prev",
    "search",
    "index",
    "help",
}
CSS_URL = re.compile(r"""(?:url\(\s*|@import\s+(?!url))(?:"([^"]*)"|'([^']*)'|([^'")\s;]+))""")
CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the built site."""

    page: str
    target: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page}: {self.target}: {self.reason}"


@dataclass
class Page(HTMLParser):
    """The anchors, links and resources of one page."""

    ids: set[str] = field(default_factory=set)
    followed: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if values.get("id"):
            self.ids.add(values["id"])
        if tag == "a" and values.get("name"):
            self.ids.add(values["name"])
        self._style = tag == "style"
        naming = tag == "link" and set(values.get("rel", "").split()) & NAMING_RELS
        for name, value in values.items():
            name = name.removeprefix("xlink:")
            if (tag, name) in FOLLOWED or (naming and name == "href"):
                self.followed.append(value.strip())
            elif (tag, name) in FETCHED:
                self.fetched.append(value.strip())
            elif name == "srcset":
                self.fetched.extend(part.split()[0] for part in value.split(",") if part.strip())
            elif name == "style":
                self.fetched.extend(css_urls(value))

    def handle_data(self, data: str) -> None:
        if self._style:
            self.fetched.extend(css_urls(data))

    def handle_endtag(self, tag: str) -> None:
        self._style = False


def css_urls(text: str) -> list[str]:
    """Return what a style sheet loads, without embedded `data:`."""
    found = map("".join, CSS_URL.findall(CSS_COMMENT.sub("", text)))
    return [url for url in found if not url.startswith(("data:", "#"))]


def parse(path: Path) -> Page:
    """Read one HTML file."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


def _outside(target: str) -> bool:
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ftp", "file", "ws", "wss")


def _locate(root: Path, page: Path, path: str) -> Path:
    """Return the file that `path`, written on `page`, leads to."""
    base = root if path.startswith("/") else page.parent
    file = (base / unquote(path).lstrip("/")) if path else page
    return file / "index.html" if file.is_dir() else file


def _check_page(root: Path, path: Path, pages: dict[Path, Page]) -> Iterator[Fault]:
    name = path.relative_to(root).as_posix()
    for fetched, targets in ((False, pages[path].followed), (True, pages[path].fetched)):
        for target in dict.fromkeys(targets):
            parts = urlsplit(target)
            if parts.scheme in ("data", "mailto", "javascript", "blob", "about"):
                continue
            if _outside(target):
                if fetched:
                    yield Fault(name, target, "fetched from another host")
                continue
            file = _locate(root, path, parts.path).resolve()
            if not file.is_relative_to(root):
                yield Fault(name, target, "leads out of the site")
            elif not file.is_file():
                yield Fault(name, target, "no such file")
            elif parts.fragment and not fetched and file in pages:
                anchor = unquote(parts.fragment)
                if anchor not in ("", "top") and anchor not in pages[file].ids:
                    yield Fault(name, target, "no such anchor")


def check(root: Path) -> list[Fault]:
    """Return every dead link, dead anchor and outside resource below `root`.

    Raises:
        FileNotFoundError: there is no built site.
    """
    root = Path(root).resolve()
    if not (root / "index.html").is_file():
        raise FileNotFoundError(f"no built book in {root}; run `python -m tools.book build`")
    html = [path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: parse(path) for path in html}
    faults = [fault for path in html for fault in _check_page(root, path, pages)]
    for sheet in sorted(root.rglob("*.css")):
        name = sheet.relative_to(root).as_posix()
        for target in css_urls(sheet.read_text(encoding="utf-8")):
            if _outside(target):
                faults.append(Fault(name, target, "fetched from another host"))
            elif not _locate(root, sheet, urlsplit(target).path).is_file():
                faults.append(Fault(name, target, "no such file"))
    return faults


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", default="_build/html", type=Path)
    faults = check(parser.parse_args(argv).root)
    for fault in faults:
        print(fault)
    print(f"{len(faults)} dead link(s) or outside resource(s)" if faults else "no dead links")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
