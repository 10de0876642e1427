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
01 and so on. On the page they are a film like those of the labs (`tools/book/films.py`): moved by
films.js, one frame without JavaScript, a strip on paper. No kernel is needed.
"""

from __future__ import annotations

import html
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure

from tools.book.films import strip


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
        control = html.escape(self.options.pop("control", ""))
        if not control or start >= len(frames):
            raise self.error(
                f"explorer: got control {control!r} and start {start} of {len(frames)} frames; "
                "name what the slider changes, and begin with one of the frames (from 0)."
            )
        path = f"/book/frames/{self.arguments[0]}"
        self.arguments[0] = f"{path}-00-light.svg"
        self.options["alt"] = frames[0][1]
        self.content = StringList(self.content[end:], items=self.content.items[end:])
        result = super().run()
        first = next(result[0].findall(nodes.image))
        now = html.escape(frames[start][0])
        parts: list[nodes.Node] = [
            _raw(
                f'<div class="film" role="group" aria-label="{control}"><div class="film-controls">'
                f'<label><span class="film-name">{control}</span><input type="range" min="0"'
                f' max="{len(frames) - 1}" step="1" value="{start}" aria-valuetext="{now}"></label>'
                f'<span class="film-readout" aria-hidden="true">{now}</span></div>'
                '<div class="film-frames">'
            )
        ]
        paper = strip(len(frames))
        for index, (label, words) in enumerate(frames):
            label = html.escape(label)
            kind = "film-frame film-still" if index in paper else "film-frame"
            hidden = "" if index == start else " hidden"
            parts.append(_raw(f'<figure class="{kind}"{hidden} data-label="{label}">'))
            for theme in ("light", "dark"):
                image = first.deepcopy()
                image["uri"], image["alt"] = f"{path}-{index:02d}-{theme}.svg", words
                image["classes"].append(f"only-{theme}")
                image["loading"] = "lazy"  # nobody pays for frames that he does not look at
                parts.append(image)
            parts.append(_raw(f"<figcaption>{control}: {label}</figcaption></figure>"))
        first.parent.replace(first, [*parts, _raw("</div></div>")])
        return result


def _raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("explorer", Explorer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
