"""The outputs of a learner's cell, as a notebook keeps them: no more than is reasonable.

A kernel can send what it likes, as much as it likes; here it is cut, and counted.
"""

from __future__ import annotations

import contextlib
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output, output_from_msg


class Outputs:
    """The outputs of one cell, cut."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size = limit, 0
        self.kept: list[NotebookNode] = []
        self.error = ""

    @property
    def flooded(self) -> bool:
        """Whether the cell sent so much that it is to be stopped."""
        return self.size > 20 * self.limit

    def take(self, message: dict[str, Any]) -> None:
        """Keep what a message of the kernel's says, if it is an output."""
        kind, content = message.get("msg_type"), message["content"]
        if kind not in ("stream", "execute_result", "display_data", "error"):
            self.size += 1_000  # what is not kept, but read
            return
        if kind == "error":
            self.error = f"{content.get('ename')}: {content.get('evalue')}"[:500]
        with contextlib.suppress(Exception):  # a message that is no output
            self.add(output_from_msg(message))

    def add(self, output: NotebookNode) -> None:
        """Keep an output, as far as there is room."""
        before = self.size
        self.size += len(str(output))
        if before > self.limit:
            return
        if output.output_type == "stream" and len(output.text) > self.limit:
            output.text = f"{output.text[: self.limit]}\n[cut here]"
        elif self.size > self.limit:
            output = new_output("stream", name="stderr", text="[more output was cut]\n")
        last = self.kept[-1] if self.kept else None
        streams = [o for o in (last, output) if o and o.output_type == "stream"]
        if len(streams) == 2 and streams[0].name == streams[1].name:
            streams[0].text += output.text
            return
        self.kept.append(output)


def error_output(name: str, text: str) -> NotebookNode:
    """An error as an output, for what the grader has to say in the place of a cell's own."""
    return new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])
