"""{pixel-explorer} conv: touch a pixel of a layer's output, see the numbers that made it.

The kinds are those of `tools.book.pixels`: `conv` (first convolution of the course's U-Net) and
`transposed` (last layer of the course's DCGAN). The content of the directive is the caption:

    ```{pixel-explorer} conv
    One output pixel is one sum.
    ```

`{roi-explorer}` likewise, without a kind: RoIAlign down to the arithmetic of one cell, with the
numbers of `tools.book.roi`. `{flow-explorer}` has no numbers of its own: it trains in the page.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

KINDS = {
    "conv": "A street scene and what the first convolution of a U-Net makes of it, by pixel",
    "transposed": "A map inside a DCGAN and the digit that its last layer makes of it, by pixel",
}


class PixelExplorer(SphinxDirective):
    """A figure that computes: output pixel, window, weights, products, sum."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        if kind not in KINDS:
            raise self.error(f"there is no pixel explorer {kind!r}; there are {', '.join(KINDS)}")
        return self.figure("pixel-explorer", kind, KINDS[kind])

    def figure(self, name: str, kind: str, label: str) -> list[nodes.Node]:
        """The figure with its caption; its numbers come from the script of this kind, if any."""
        root = "../" * self.env.docname.count("/")
        opening = (
            f'<div class="{name}" role="group" aria-label="{label}" '
            f'data-kind="{kind}"><noscript><p>This figure computes in the page: it needs '
            "JavaScript.</p></noscript></div>"
        )
        if kind:
            opening += f'<script defer src="{root}_static/pixels/{kind}.js"></script>'
        figure = nodes.container("", nodes.raw("", opening, format="html"))
        figure["classes"].append("pixel-figure")
        caption = nodes.container("", classes=["pixel-caption"])
        self.state.nested_parse(self.content, self.content_offset, caption)
        figure += caption
        return [figure]


class RoiExplorer(PixelExplorer):
    """A figure that computes: a box on a map, a cell of it, its points, their sums."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        return self.figure("roi-explorer", "roi", "A box on a map inside a network, by cell")


class FlowExplorer(PixelExplorer):
    """A figure that trains: a flow of points in the plane."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        return self.figure("flow-explorer", "", "A flow of points that is trained in the page")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("pixel-explorer", PixelExplorer)
    app.add_directive("roi-explorer", RoiExplorer)
    app.add_directive("flow-explorer", FlowExplorer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
