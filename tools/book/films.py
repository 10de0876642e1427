"""Films: a lab's explorers as HTML, a slider and the pictures that it chooses from.

`book/static/films.js` moves the slider. On paper a film is a strip of pictures.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from typing import Any

from tools.book import pictures

FOLDER = "frames"  # below the site's root
MODEL = "IPY_MODEL_"
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


def parts_of(model: str, states: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a column of widgets consists of; nothing if the model is something else."""
    box = states.get(model, {})
    if box.get("model_name") != "VBoxModel":
        return []
    return [states[child.removeprefix(MODEL)] for child in box["state"]["children"]]


def film_of(model: str, states: dict[str, Any]) -> Film | None:
    """Read a film out of the state of widgets; None if the model is something else."""
    parts = parts_of(model, states)
    kinds = [part["model_name"] for part in parts]
    before, last = kinds[:-2], kinds[-2:]
    if last != ["SelectionSliderModel", "StackModel"] or before not in ([], ["PlayModel"]):
        return None
    slider, stack = (part["state"] for part in parts[-2:])
    inside = [states[child.removeprefix(MODEL)] for child in stack["children"]]
    found = [IMG.fullmatch(part["state"].get("value", "")) for part in inside]
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
