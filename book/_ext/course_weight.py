"""Pages in fewer bytes: each loads what it needs, and nothing else.

While a page is written, scripts that it has no use for are dropped: MathJax without mathematics,
the machinery of widgets without a widget, films without a film. When all are written,

* the theme's icon script (1.5 MB) leaves: its style sheet draws the same icons with a font, which
  is cut down to the icons that the pages show, as is the style sheet's list of two thousand;
* scripts of the search stay on the page that searches;
* pictures become lossless WebP, keep their place by their size, and wait until they come into view.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

from tools.book.pictures import lean

MATH = re.compile(r'class="[^"]*\bmath\b')
# Scripts of the course, each with what on a page needs it.
OURS = {
    "films.js": 'class="film"',
    "questions.js": 'class="question-answer"',
    "pixels.js": 'class="pixel-explorer"',
    "roi.js": 'class="roi-explorer"',
    "flow-network.js": 'class="flow-explorer"',
    "flow.js": 'class="flow-explorer"',
}
WIDGETS = "application/vnd.jupyter.widget-view+json"
EMBED = "third_party/widgets/embed.js"
MATHJAX = "third_party/mathjax/startup.js"
HUB = "mathjax-hub-shim.js"  # what widgets ask of MathJax
# Style sheets and scripts of what the course does not offer: live kernels.
UNUSED = ("sphinx-thebe.css",)
SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
ICON_SCRIPT = re.compile(r'\s*<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>')
ICON_RULE = re.compile(r'(?:\.fa-[\w-]+:{1,2}before,?)+\{content:"\\([0-9a-f]+)"\}')
ICON_FONT = re.compile(r'url\(([^)]*/fa-[\w-]+)\.woff2\) format\("woff2"\),url\([^)]*\)[^,;}]*')
ICON_NAMES = re.compile(r"\bfa-[a-z][\w-]*")
IMAGE = re.compile(r"<img\b[^>]*>")


def needless(body: str) -> list[str]:
    """Return the names of the scripts for which a page has no use."""
    math, widgets = bool(MATH.search(body)), WIDGETS in body
    names = [] if math else [MATHJAX]
    names += [] if math and widgets else [HUB]
    names += [] if widgets else [EMBED]
    return names + [script for script, needed in OURS.items() if needed not in body]


def _drop(app: Sphinx, pagename: str, template: str, context: dict, doctree: Any) -> None:
    """Take scripts and style sheets that the page does not need out of its head."""
    unwanted = needless(context.get("body", ""))

    def kept(script: Any) -> bool:
        name = str(getattr(script, "filename", script) or "").split("?")[0]
        body = (getattr(script, "attributes", None) or {}).get("body") or ""
        if MATHJAX in unwanted and body.startswith("window.MathJax = "):
            return False
        return not name.endswith(tuple(unwanted))

    if "script_files" in context:
        context["script_files"][:] = filter(kept, context["script_files"])
    if "css_files" in context:
        context["css_files"][:] = [
            sheet
            for sheet in context["css_files"]
            if not str(getattr(sheet, "filename", sheet)).split("?")[0].endswith(UNUSED)
        ]


def lighter_icons(sheet: str, used: set[str]) -> str:
    """Return the theme's style sheet without rules for icons that no page names."""

    def rule(match: re.Match[str]) -> str:
        return match[0] if used & set(ICON_NAMES.findall(match[0])) else ""

    sheet = ICON_RULE.sub(rule, sheet)
    return ICON_FONT.sub(r'url(\1.woff) format("woff")', sheet)


def code_points(sheet: str) -> set[int]:
    """Return the icons that a style sheet draws: private characters, written or escaped."""
    written = {ord(letter) for letter in sheet if "\ue000" <= letter <= "\uf8ff"}
    return written | {int(code, 16) for code in re.findall(r'"\\([0-9a-f]{2,4})"', sheet)}


def cut_font(font: Path, points: set[int]) -> None:
    """Write the part of a TrueType font that draws these characters beside it, as WOFF."""
    from fontTools import subset

    logging.getLogger("fontTools").setLevel(logging.WARNING)

    options = subset.Options(flavor="woff", notdef_outline=True, layout_features=[])
    with subset.load_font(str(font), options) as whole:
        part = subset.Subsetter(options)
        part.populate(unicodes=points & set(whole.getBestCmap()))
        part.subset(whole)
        subset.save_font(whole, str(font.with_suffix(".woff")), options)


def _icons(static: Path, pages: list[Path]) -> None:
    used = {name for page in pages for name in ICON_NAMES.findall(page.read_text("utf-8"))}
    for script in static.glob("scripts/*.js"):
        if script.name != "fontawesome.js":
            used |= set(ICON_NAMES.findall(script.read_text("utf-8")))
    points: set[int] = set()
    for path in static.glob("styles/*.css"):
        sheet = path.read_text("utf-8")
        lighter = lighter_icons(sheet, used)
        points |= code_points(lighter)
        if lighter != sheet:
            path.write_text(lighter, "utf-8")
    for font in static.glob("vendor/fontawesome/webfonts/*.ttf"):
        cut_font(font, points)


def lighter_images(folder: Path) -> dict[str, str]:
    """Write pictures as WebP where that is smaller; return old names with the new ones."""
    renamed = {}
    for path in sorted(folder.glob("*.png")):
        webp = lean(path.read_bytes())
        if webp:
            path.with_suffix(".webp").write_bytes(webp)
            path.unlink()
        if path.with_suffix(".webp").is_file():
            renamed[path.name] = path.with_suffix(".webp").name
    return renamed


def lighter_page(text: str, page: Path, name: str) -> str:
    """Return a page with WebP where there is one, sizes of pictures, and fewer scripts.

    Args:
        text: the page.
        page: where it lies.
        name: its address below the site's root.
    """
    text = ICON_SCRIPT.sub("", text)
    if name != "search.html":
        for script in SEARCH:
            text = re.sub(rf'\s*<script src="[^"]*{re.escape(script)}[^"]*"></script>', "", text)

    def webp(match: re.Match[str]) -> str:
        there = (page.parent / match[0]).with_suffix(".webp").is_file()
        return f"{match[0].removesuffix('.png')}.webp" if there else match[0]

    text = re.sub(r'(?<=")[^"<>]*_images/[^"<>/]+\.png(?=")', webp, text)
    first = True

    def sized(match: re.Match[str]) -> str:
        nonlocal first
        tag, source = match[0], re.search(r'src="([^":]*_images/[^":]+\.(?:png|webp))"', match[0])
        if "only-" in tag and " loading=" not in tag:  # one of the two themes sees it
            return f'<img loading="lazy"{tag[4:]}'
        if not source or " width=" in tag or "style=" in tag:
            return tag
        with Image.open(page.parent / source[1]) as picture:
            width, height = picture.size
        lazy = "" if first else ' loading="lazy"'
        first = False
        return f'<img width="{width}" height="{height}"{lazy}{tag[4:]}'

    return IMAGE.sub(sized, text)


def _lighten(app: Sphinx, failure: Exception | None) -> None:
    if failure or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = [path for path in sorted(out.rglob("*.html")) if "_static" not in path.parts]
    _icons(out / "_static", pages)
    lighter_images(out / "_images")
    for page in pages:
        text = page.read_text("utf-8")
        lighter = lighter_page(text, page, page.relative_to(out).as_posix())
        if lighter != text:
            page.write_text(lighter, "utf-8")


def _headers(app: Sphinx, pagename: str, template: str, context: dict, doctree: Any) -> None:
    """An empty cell in a table's head is no heading: it is a cell."""
    if "body" in context:
        context["body"] = re.sub(
            r'<th class="([^"]*)">(?:<p>)?\s*(?:</p>)?\s*</th>',
            r'<td class="\1"></td>',
            context["body"],
        )


def setup(app: Sphinx) -> dict[str, Any]:
    # After course_site (950), which has dropped the same script twice.
    app.connect("html-page-context", _drop, priority=960)
    app.connect("html-page-context", _headers, priority=960)
    app.connect("build-finished", _lighten, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
