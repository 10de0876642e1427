"""A slider over pictures that were drawn before: it works in a static page, without a kernel."""

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from course_lib.viz.pixels import to_pixels


def explorer(
    frames: Sequence[Any],
    labels: Sequence[str],
    name: str,
    *,
    alt: Sequence[str] | None = None,
    start: int | None = None,
    play: int | None = None,
) -> Any:
    """Show one of several pictures, chosen by a slider.

    The slider and the pictures are linked in the browser, so they react wherever the notebook's
    output is shown: in JupyterLab, in Colab and in the book's pages.

    Args:
        frames: figures (closed by this call), PIL images or pictures as `viz.image_grid` takes.
        labels: what the slider says at each frame, for instance "threshold 0.5".
        name: what is being changed, for instance "threshold".
        alt: description of each frame for those who cannot see it; by default name and label.
        start: index of the frame shown first; by default the first one, and of a film the last,
            because that is what a reader sees who presses nothing.
        play: milliseconds a frame: adds buttons that run through the frames like a film. It stands
            still until somebody presses play.

    Returns:
        A widget; make it the last line of a cell.

    Raises:
        ValueError: no frame, labels that repeat, or another number of labels or descriptions.
        ImportError: ipywidgets is not installed.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError(
            "viz.explorer needs ipywidgets: pip install ipywidgets, then restart the kernel."
        ) from error
    if not frames or len(labels) != len(frames) or len(set(labels)) != len(labels):
        raise ValueError(
            f"got {len(frames)} frames and the labels {list(labels)}; at least one frame and one "
            "label for each, all different, are needed."
        )
    alt = [f"{name}: {label}" for label in labels] if alt is None else list(alt)
    if len(alt) != len(frames):
        raise ValueError(f"got {len(alt)} descriptions for {len(frames)} frames.")
    if start is None:
        start = 0 if play is None else len(frames) - 1
    if not 0 <= start < len(frames):
        raise ValueError(
            f"start is {start}; with {len(frames)} frames it must be 0 to {len(frames) - 1}."
        )
    pictures = [
        ipywidgets.HTML(_img(_png(frame), text)) for frame, text in zip(frames, alt, strict=True)
    ]
    stack = ipywidgets.Stack(pictures, selected_index=start)
    slider = ipywidgets.SelectionSlider(
        options=list(labels),
        index=start,
        description=name,
        tooltip=name,
        style={"description_width": "initial"},
        layout={"width": "100%", "max_width": "640px"},
    )
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    if play is None:
        return ipywidgets.VBox([slider, stack])
    film = ipywidgets.Play(value=start, min=0, max=len(frames) - 1, interval=play)
    ipywidgets.jslink((film, "value"), (slider, "index"))
    return ipywidgets.VBox([film, slider, stack])


def _png(frame: Any) -> bytes:
    buffer = io.BytesIO()
    if isinstance(frame, Figure):
        frame.savefig(buffer, format="png")
        plt.close(frame)
    else:
        picture = frame if isinstance(frame, Image.Image) else Image.fromarray(to_pixels(frame))
        picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _img(png: bytes, alt: str) -> str:
    """An element that carries its picture and its description with it."""
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
    return (
        f'<img alt="{html.escape(alt, quote=True)}" width="{width}" height="{height}" '
        'style="max-width: 100%; height: auto" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )
