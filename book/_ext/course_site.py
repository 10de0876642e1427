"""What the course's pages need beyond what Sphinx, Jupyter Book and the theme give.

On writing a page: scripts that are unwanted or doubled are dropped, and the header gets buttons
that download the lab. On reading a page: a displayed equation without a label, a picture without
alternative text, a role inside of a formula and a second main heading are warnings; `-W` makes them
failures.

The directive {pair} NAME shows a figure that `python -m tools.figures` drew, as a {figure} with its
options and its caption: on a light page book/figures/NAME-light.svg, on a dark one NAME-dark.svg.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure
from sphinx.util import logging

logger = logging.getLogger(__name__)

# Live kernels are not offered. sphinx-thebe adds its script to every page nevertheless.
UNWANTED_SCRIPTS = ("sphinx-thebe.js", "THEBE_JS_URL")

ROLE = re.compile(r"\{[a-z:]+\}`")  # what Markdown leaves as it is within $...$


def clean_scripts(scripts: list[Any]) -> list[Any]:
    """Return `scripts` without thebe's, and with each inline script once.

    Sphinx writes inline scripts that are added late (while a page is written) again for every page
    written before, which declares their constants twice.
    """
    seen: set[str] = set()
    kept = []
    for script in scripts:
        body = (getattr(script, "attributes", None) or {}).get("body") or ""
        name = str(getattr(script, "filename", script) or "")
        if any(unwanted in name or unwanted in body for unwanted in UNWANTED_SCRIPTS):
            continue
        if body and body in seen:
            continue
        seen.add(body)
        kept.append(script)
    return kept


def _clean_page(app: Sphinx, pagename: str, template: str, context: dict, doctree: Any) -> None:
    if "script_files" in context:
        context["script_files"][:] = clean_scripts(context["script_files"])


def _download_buttons(
    app: Sphinx, pagename: str, template: str, context: dict, doctree: Any
) -> None:
    """Put "download this lab" (the notebook without outputs) and "print" into the header."""
    if doctree is None or "header_buttons" not in context:
        return
    buttons = []
    notebook = f"downloads/{pagename}.ipynb"
    if Path(app.srcdir, "extra", notebook).is_file():
        buttons.append(
            {
                "type": "link",
                "url": context["pathto"](notebook, 1),
                "text": "Notebook (.ipynb)",
                "icon": "fas fa-file-code",
                "tooltip": "Download this lab as a notebook",
                "label": "download-notebook-button",
            }
        )
    buttons.append(
        {
            "type": "javascript",
            "javascript": "window.print()",
            "text": "Print or save as PDF",
            "icon": "fas fa-print",
            "tooltip": "Print this page or save it as PDF",
            "label": "print-button",
        }
    )
    context["header_buttons"].insert(
        0,
        {
            "type": "group",
            "tooltip": "Download this page",
            "icon": "fas fa-download",
            "buttons": buttons,
            "label": "download-buttons",
        },
    )


def _in_output(node: nodes.Node) -> bool:
    """Tell whether `node` was printed by a notebook's cell, not written by an author."""
    while node is not None:
        if isinstance(node, nodes.Element) and "cell_output" in node.get("classes", []):
            return True
        node = node.parent
    return False


def page_faults(document: nodes.document, source: str) -> list[tuple[nodes.Node | None, str]]:
    """List what is wrong with a page as pairs (place, message)."""
    faults: list[tuple[nodes.Node | None, str]] = []
    for equation in document.findall(nodes.math_block):
        if not equation.get("label") and not _in_output(equation):
            start = " ".join(equation.astext().split())[:60]
            faults.append(
                (equation, f"displayed equation without a label: {start!r}; use :label: eq-NAME")
            )
    for formula in document.findall(nodes.math):
        if ROLE.search(formula.astext()):
            faults.append(
                (
                    formula,
                    f"a role inside of a formula: {formula.astext()!r}; end the formula first",
                )
            )
    for image in document.findall(nodes.image):
        alt = (image.get("alt") or "").strip()
        if not alt or alt == image.get("uri") or alt.endswith((".png", ".svg", ".jpg")):
            faults.append(
                (
                    image,
                    f"picture without alternative text: {image.get('uri')!r}; say what it shows"
                    " (in a notebook: cell metadata mystnb.image.alt)",
                )
            )
    titles = [node for node in document.children if isinstance(node, nodes.section)]
    if len(titles) != 1:
        faults.append((None, f"a page has one main heading, this one has {len(titles)}"))
    return faults


def _report_faults(app: Sphinx, document: nodes.document) -> None:
    for place, message in page_faults(document, app.env.docname):
        line = getattr(place, "line", None)
        location = (app.env.docname, line) if line else app.env.docname
        logger.warning(message, location=location, type="course", subtype="page")


def chinese_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, *_: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """{zh}`标签图`: a Chinese term, marked as such for fonts and screen readers."""
    return [
        nodes.raw(rawtext, f'<span lang="zh-Hans">{html.escape(text)}</span>', format="html")
    ], []


class Pair(Figure):
    """{pair} NAME: one figure, one caption and one alternative text for light and dark pages."""

    def run(self) -> list[nodes.Node]:
        path = f"/book/figures/{self.arguments[0]}"
        self.arguments[0] = f"{path}-light.svg"
        result = super().run()
        light = next(result[0].findall(nodes.image))
        dark = light.deepcopy()
        light["classes"].append("only-light")
        dark["classes"].append("only-dark")
        dark["uri"] = f"{path}-dark.svg"
        # In a box of their own: the theme hides the caption beside a hidden picture, too.
        light.parent.replace(light, nodes.container("", light, dark))
        return result


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("zh", chinese_role)
    app.add_directive("pair", Pair)
    app.connect("html-page-context", _clean_page, priority=950)
    # After the theme has set up its own header buttons (501).
    app.connect("html-page-context", _download_buttons, priority=502)
    app.connect("doctree-read", _report_faults)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
