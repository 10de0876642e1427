"""Take out of a cell's outputs what is noise in a page: progress bars and their widgets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

# "  3%|▎    | 12/400 [00:01<00:40,  9.6it/s]", also without a total.
PROGRESS = re.compile(
    r"^\s*(?:[^\n]*:\s+)?\d+%\|.*\||\d+(?:it|\w+) \[\d\d:\d\d[,<]|[\d.?]+\s?(?:it/s|s/it)\b"
)
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def clean_outputs(outputs: Iterable[Any]) -> list[dict[str, Any]]:
    """Outputs without progress bars; consecutive pieces of one stream joined."""
    cleaned: list[dict[str, Any]] = []
    for output in outputs:
        output = dict(output)
        if output["output_type"] == "stream":
            output["text"] = _without_bars(output["text"])
            if not output["text"].strip():
                continue
            if cleaned and cleaned[-1].get("name") == output["name"]:
                cleaned[-1]["text"] += output["text"]
                continue
        elif "data" in output and PROGRESS.search(str(output["data"].get("text/plain", ""))):
            continue
        output.pop("transient", None)
        cleaned.append(output)
    return cleaned


def _without_bars(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        shown = line.rsplit("\r", 1)[-1] if "\r" in line.rstrip("\r") else line.rstrip("\r")
        if not PROGRESS.search(line):
            lines.append(shown)
    return "\n".join(lines)


def prune_widgets(widgets: Any, outputs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The state of those widgets that a remaining output shows, and of what they are made of."""
    try:
        states = widgets[STATE]["state"]
    except (KeyError, TypeError):
        return {}
    todo = [
        output["data"][VIEW]["model_id"]
        for cell in outputs.values()
        for output in cell
        if VIEW in output.get("data", {})
    ]
    kept: dict[str, Any] = {}
    while todo:
        name = todo.pop()
        if name in states and name not in kept:
            kept[name] = states[name]
            todo += re.findall(r"IPY_MODEL_([0-9a-zA-Z]+)", repr(states[name]))
    # A link between two kept widgets is shown by nobody, and is what makes a slider work.
    for name, state in states.items():
        inner = re.findall(r"IPY_MODEL_([0-9a-zA-Z]+)", repr(state))
        if "Link" in str(state.get("model_name")) and inner and all(i in kept for i in inner):
            kept[name] = state
    if not kept:
        return {}
    return {STATE: {**{k: v for k, v in widgets[STATE].items() if k != "state"}, "state": kept}}
