"""The directive {explorer}: one figure of several frames, of which a slider shows one.

    ```{explorer} NAME
    :name: fig-NAME
    :control: what the slider changes
    :start: 3

    - LABEL: what the first frame shows, for those who cannot see it
    - LABEL: what the second shows

    The caption.
    ```

The frames are drawn by `python -m tools.figures`: book/frames/NAME-00-light.svg and -dark.svg, then
01 and so on. On the page explorer.js puts a slider above them. Without JavaScript, and on paper,
all frames stand side by side, each below its label; a page needs no kernel.
"""

from __future__ import annotations

import html
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure


def split_content(lines: list[str]) -> tuple[list[tuple[str, str]], int]:
    """Return the frames as (label, description), and where the caption begins.

    Raises:
        ValueError: for a frame without a label or a description, fewer than two frames, or labels
            that repeat.
    """
    frames, end = [], 0
    for end, line in enumerate(lines):  # noqa: B007
        if not line.startswith("- "):
            break
        label, _, words = (part.strip() for part in line[2:].partition(": "))
        if not label or not words:
            raise ValueError(f'a frame is written "- LABEL: what it shows"; got {line!r}')
        frames.append((label, words))
    if len(frames) < 2 or len({label for label, _ in frames}) < len(frames):
        raise ValueError(
            f"got the frames {[label for label, _ in frames]}; at least two, with different "
            "labels, are needed"
        )
    return frames, end


class Explorer(Figure):
    """{explorer} NAME: frames for light and dark pages, each with its own description."""

    option_spec = Figure.option_spec | {
        "control": directives.unchanged_required,
        "start": directives.nonnegative_int,
    }

    def run(self) -> list[nodes.Node]:
        try:
            frames, end = split_content(list(self.content))
        except ValueError as error:
            raise self.error(f"explorer: {error}.") from error
        start = self.options.pop("start", 0)
        control = self.options.pop("control", "")
        if not control or start >= len(frames):
            raise self.error(
                f"explorer: got control {control!r} and start {start} of {len(frames)} frames; "
                "name what the slider changes, and begin with one of the frames (from 0)."
            )
        path = f"/book/frames/{self.arguments[0]}"
        self.arguments[0] = f"{path}-00-light.svg"
        self.options["alt"] = frames[0][1]
        self.options.setdefault("figclass", []).append("explorer")
        self.content = StringList(self.content[end:], items=self.content.items[end:])
        result = super().run()
        first = next(result[0].findall(nodes.image))
        bar = f'<div class="explorer-control" data-control="{html.escape(control)}"'
        bar += f' data-start="{start}"></div>\n'
        shown = nodes.container(classes=["explorer-frames"])
        for index, (label, words) in enumerate(frames):
            frame = nodes.container(classes=["explorer-frame"])
            frame += nodes.paragraph("", label, classes=["explorer-label"])
            for theme in ("light", "dark"):
                image = first.deepcopy()
                image["uri"], image["alt"] = f"{path}-{index:02d}-{theme}.svg", words
                image["classes"].append(f"only-{theme}")
                image["loading"] = "lazy"  # nobody pays for frames that he does not look at
                frame += image
            shown += frame
        first.parent.replace(first, [nodes.raw("", bar, format="html"), shown])
        return result


def _add_files(app: Sphinx, pagename: str, template: str, context: dict, doctree: Any) -> None:
    """Give pages with an explorer its script and style, and no others."""
    if doctree is None:
        return
    if any("explorer" in figure["classes"] for figure in doctree.findall(nodes.figure)):
        app.add_css_file("explorer.css")
        app.add_js_file("explorer.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", _add_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
