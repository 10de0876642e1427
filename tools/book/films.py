"""Put a lab's explorers on its page without the machinery of widgets.

In JupyterLab `viz.explorer` is a widget: a slider that is linked to a stack of pictures. A page
needs two megabytes of script for that, which names the slider badly for those who hear it. So the
book shows the same pictures with a slider of HTML (`book/static/films.js`); printed, a strip of
them. A widget of another kind stays what it is.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from tools.book import pictures
from tools.common import is_code
from tools.notebooks.clean import STATE, VIEW, prune_widgets

FOLDER = "frames"  # below the site's root
STRIP = 6  # pictures that stand for a film on paper
IMG = re.compile(
    r'<img alt="(?P<alt>[^"]*)" width="(?P<width>\d+)" height="(?P<height>\d+)"[^>]*'
    r'src="data:image/png;base64,(?P<png>[^"]+)">'
)


@dataclass(frozen=True)
class Frame:
    """A picture of a film."""

    label: str
    alt: str  # escaped for HTML
    size: tuple[int, int]
    png: bytes


@dataclass(frozen=True)
class Film:
    """What `viz.explorer` made."""

    name: str
    start: int
    play: int | None  # milliseconds a frame
    frames: tuple[Frame, ...]


def film_of(model: str, states: dict[str, Any]) -> Film | None:
    """Read a film out of the state of widgets; None if the model is something else."""

    def inner(state: dict[str, Any], name: str) -> list[dict[str, Any]]:
        return [states[child.removeprefix("IPY_MODEL_")] for child in state[name]]

    box = states.get(model, {})
    if box.get("model_name") != "VBoxModel":
        return None
    parts = inner(box["state"], "children")
    kinds = [part["model_name"] for part in parts]
    before, last = kinds[:-2], kinds[-2:]
    if last != ["SelectionSliderModel", "StackModel"] or before not in ([], ["PlayModel"]):
        return None
    slider, stack = (part["state"] for part in parts[-2:])
    found = [IMG.fullmatch(p["state"].get("value", "")) for p in inner(stack, "children")]
    labels = slider["_options_labels"]
    if None in found or len(found) != len(labels):
        return None
    frames = tuple(
        Frame(
            label, one["alt"], (int(one["width"]), int(one["height"])), base64.b64decode(one["png"])
        )
        for label, one in zip(labels, filter(None, found), strict=True)
    )
    play = parts[0]["state"]["interval"] if len(parts) == 3 else None
    return Film(slider["description"], slider["index"], play, frames)


def strip(count: int) -> list[int]:
    """Which frames stand for all of them on paper: the first, the last, and evenly between."""
    shown = min(count, STRIP)
    return [round(i * (count - 1) / max(shown - 1, 1)) for i in range(shown)]


def markup(film: Film, root: str) -> tuple[str, dict[str, bytes]]:
    """Return the film's HTML, and its pictures by their address below the site's root.

    Args:
        film: what is shown.
        root: way from the page to the site's root.
    """
    files: dict[str, bytes] = {}
    frames = []
    paper = strip(len(film.frames))
    for index, frame in enumerate(film.frames):
        webp = pictures.lean(frame.png)
        content, suffix = (webp, "webp") if webp else (frame.png, "png")
        address = f"{FOLDER}/{hashlib.sha256(content).hexdigest()[:20]}.{suffix}"
        files[address] = content
        label = html.escape(frame.label, quote=True)
        width, height = frame.size
        shown = index == film.start
        frames.append(
            f'<figure class="film-frame{" film-still" if index in paper else ""}"'
            f'{"" if shown else " hidden"} data-label="{label}">'
            f'<img alt="{frame.alt}" width="{width}" height="{height}" loading="lazy"'
            f' src="{root}{address}"><figcaption>{html.escape(film.name)}: {label}</figcaption>'
            "</figure>"
        )
    name = html.escape(film.name, quote=True)
    last = len(film.frames) - 1
    play = "" if film.play is None else f' data-play="{film.play}"'
    button = "" if film.play is None else '<button type="button" class="film-play">Play</button>'
    now = html.escape(film.frames[film.start].label, quote=True)
    text = (
        f'<div class="film" role="group" aria-label="{name}"{play}><div class="film-controls">'
        f'{button}<label><span class="film-name">{name}</span><input type="range" min="0"'
        f' max="{last}" step="1" value="{film.start}" aria-valuetext="{now}"></label>'
        f'<span class="film-readout" aria-hidden="true">{now}</span></div>'
        f'<div class="film-frames">{"".join(frames)}</div></div>'
    )
    return text, files


def without_widgets(notebook: NotebookNode, root: str = "../") -> dict[str, bytes]:
    """Replace the explorers of an executed lab, in place; return the pictures they show."""
    states = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    files: dict[str, bytes] = {}
    outputs = {}
    for cell in filter(is_code, notebook.cells):
        for output in cell.outputs:
            view = output.get("data", {}).get(VIEW)
            film = film_of(view["model_id"], states) if view else None
            if film:
                text, pictures_of_it = markup(film, root)
                output.data = {"text/html": text}
                files |= pictures_of_it
        outputs[cell.id] = cell.outputs
    kept = prune_widgets(notebook.metadata.pop("widgets", {}), outputs)
    if kept:
        notebook.metadata["widgets"] = kept
    return files
