"""Makes a judged notebook safe to open: whatever a learner wrote or printed is shown as text.

Formgrader, nbconvert and JupyterLab turn Markdown and rich outputs into a page with scripts. So of
the outputs only text and bitmap pictures stay, and a learner's Markdown loses whatever could become
HTML, a link, a picture from elsewhere or a command of MathJax's that makes one; its emphasis,
lists, code and formulas stay. Cells of the release stay as they are. What is code is escaped by
whoever shows it.
"""

from __future__ import annotations

import base64
import binascii
import copy
import re
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
PICTURE = 4 << 20  # bytes of a picture
PIXELS = 40_000_000  # of a picture: a small file can hold one that fills a browser's memory
TEXT = 100_000  # characters of one text
WHOLE = 12 << 20  # characters of all outputs of a notebook
# Commands of MathJax's that make links, names or styles, load more commands, or define new ones.
COMMANDS = re.compile(
    # All backslashes: of two, the first alone is a new line, and would be a command's again.
    r"(?<!\\)\\+(?=(?:href|url|require|style|class|cssId|bbox|html\w*|data|unicode|includegraphics|"
    r"def|let|edef|gdef|newcommand|renewcommand|newenvironment|renewenvironment|DeclareMathOperator|"
    r"texttip|mmlToken|toggle|label|ref|eqref|begingroup|Newextarrow|csname)(?![a-zA-Z]))"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def notebook(given: NotebookNode, release: NotebookNode) -> NotebookNode:
    """Return a copy that can be opened.

    Args:
        given: As `rebuild` made it and `judge` filled it.
        release: What learners were given: its Markdown is trusted.
    """
    trusted = {(cell.get("id"), cell.source) for cell in release.cells}
    made = copy.deepcopy(given)
    left = WHOLE
    for cell in made.cells:
        cell.pop("attachments", None)
        if cell.cell_type == "code":
            kept, left = outputs(cell.outputs, left)
            cell.outputs = kept
        elif (cell.get("id"), cell.source) not in trusted:
            cell.source = markdown(cell.source)
            if cell.cell_type != "markdown":
                cell.cell_type = "markdown"
    return made


def markdown(source: str) -> str:
    """A learner's Markdown without HTML, links, pictures, and commands that make them."""
    source = _CONTROL.sub("", source)
    source = re.sub(r"&(?=#|[a-zA-Z]\w*;)", "&amp;", source)
    source = source.replace("<", "&lt;")
    source = re.sub(r"\](?=\s*[(\[])", "]\u200b", source)
    source = re.sub(r"\](\s*):", "]\u200b\\1:", source)
    # Browsers pass over white space in these words.
    schemes = "|".join(r"\s*".join(word) for word in ("javascript", "vbscript", "data"))
    source = re.sub(rf"(?i)\b({schemes})(\s*):", r"\1\2" + "\u200b:", source)
    return COMMANDS.sub("", source)


def outputs(given: list[NotebookNode], left: int = WHOLE) -> tuple[list[NotebookNode], int]:
    """The outputs that are text or a picture, and how many more characters there is room for."""
    kept: list[NotebookNode] = []
    for output in given:
        safe = _output(output)
        size = len(str(safe))
        if size > left:
            kept.append(new_output("stream", name="stderr", text="[more output was cut]\n"))
            return kept, 0
        left -= size
        kept.append(safe)
    return kept, left


def _output(output: NotebookNode) -> NotebookNode:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return new_output("stream", name=name, text=text(output.get("text", "")))
    if kind == "error":
        lines = output.get("traceback")
        return new_output(
            "error",
            ename=text(output.get("ename", ""), 200),
            evalue=text(output.get("evalue", ""), 2_000),
            traceback=[text(line) for line in lines[:200]] if isinstance(lines, list) else [],
        )
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    kept: dict[str, Any] = {}
    for name, head in PICTURES.items():
        if name in data and (picture := _picture(data[name], head)):
            kept[name] = picture
    if isinstance(data.get("text/plain"), str):
        kept["text/plain"] = text(data["text/plain"])
    if not kept:
        names = ", ".join(text(name, 40) for name in list(data)[:5]) or "unknown"
        return new_output("stream", name="stdout", text=f"[an output that is not shown: {names}]\n")
    return new_output("display_data", data=kept)


def _picture(given: Any, head: bytes) -> str:
    """A picture in base64, if it is one; else nothing."""
    if not isinstance(given, str) or len(given) > PICTURE * 4 // 3:
        return ""
    try:
        data = base64.b64decode("".join(given.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    small = data.startswith(head) and 0 < pixels(data) <= PIXELS
    return base64.b64encode(data).decode("ascii") if small else ""


def pixels(data: bytes) -> int:
    """How many pixels a PNG or JPEG file says that it has; 0: it does not say it where it should.

    Args:
        data: The file; nothing is decoded.
    """
    if data.startswith(PICTURES["image/png"]):
        width, height = data[16:20], data[20:24]
        known = data[12:16] == b"IHDR" and len(height) == 4
        return int.from_bytes(width, "big") * int.from_bytes(height, "big") if known else 0
    at, found = 2, 0
    while at + 9 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            found = max(found, int.from_bytes(width, "big") * int.from_bytes(height, "big"))
        if kind == 0xDA:  # the picture itself
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big") if kind != 0xFF else 1
    return found


def text(given: Any, longest: int = TEXT) -> str:
    """A text without control characters, cut; the colours of a traceback stay."""
    said = "".join(given) if isinstance(given, list) else str(given)
    said = said if len(said) <= longest else f"{said[:longest]}\n[cut here]"
    said = re.sub(r"\x1b(?!\[[\d;]*m)", "", said).replace("\x1b", "\ue000")
    said = _CONTROL.sub("", said).replace("\ue000", "\x1b")
    return said.encode("utf-8", "replace").decode()
