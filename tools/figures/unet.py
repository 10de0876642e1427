"""Draw the architecture of the course's `UNet` for its chapter, for light and for dark pages.

    python -m tools.figures.unet           write book/math/figures/unet-light.svg and unet-dark.svg

Widths are read from the model, so the picture cannot disagree with the code; a test compares the
files with what this script writes.
"""

from __future__ import annotations

import inspect
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "book" / "math" / "figures"
THEMES = {
    "light": {"ink": "#1a1a1a", "encoder": "#0072B2", "decoder": "#B84A00", "skip": "#007A5A"},
    "dark": {"ink": "#e6e6e6", "encoder": "#56B4E9", "decoder": "#F0A030", "skip": "#2FC79B"},
}
SIZE = 64  # pixels of the image that is followed
WIDTH = 560
TOP = (34, 158, 244, 314)  # upper edge of the boxes of each level
HEIGHT = (84, 42, 26, 16)
LEFT = 96  # left edge of the first box; the decoder is the mirror image of the encoder
GAP = 22  # between what is joined and what the block makes of it


def widths() -> tuple[int, ...]:
    """The default widths of the model."""
    from course_lib.models import UNet

    return tuple(inspect.signature(UNet).parameters["widths"].default)


class Drawing:
    """Collects SVG elements; units are those of the view box."""

    def __init__(self, colours: dict[str, str]) -> None:
        self.colours = colours
        self.parts: list[str] = []

    def box(self, x: float, y: float, w: float, h: float, colour: str, fill: float = 0.35) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" fill="{self.colours[colour]}" '
            f'fill-opacity="{fill:g}" stroke="{self.colours[colour]}" stroke-width="1.5"/>'
        )

    def arrow(self, *points: tuple[float, float], colour: str, dashed: bool = False) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{self.colours[colour]}" '
            f'stroke-width="2"{dash} marker-end="url(#{colour})"/>'
        )

    def text(
        self, x: float, y: float, text: str, *, colour: str = "ink", anchor: str = "middle"
    ) -> None:
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" fill="{self.colours[colour]}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def svg(self, width: int, height: int, title: str) -> str:
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" '
            f'markerHeight="5" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
            for name, colour in self.colours.items()
        )
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="system-ui, sans-serif" '
            f'font-size="15"><title>{escape(title)}</title>\n<defs>{markers}</defs>\n{body}\n</svg>\n'
        )


def subscript(letter: str, level: int) -> str:
    return letter + "₀₁₂₃₄₅"[level]


def draw(theme: str) -> str:
    """Return the SVG for "light" or "dark"."""
    channels = widths()
    bottom = len(channels) - 1
    if len(TOP) != len(channels):
        raise ValueError(f"The layout is for {len(TOP)} levels, the model has {len(channels)}.")
    d = Drawing(THEMES[theme])
    thick = [14 + 6 * level for level in range(len(channels))]  # grows with the channels
    x: float = LEFT
    for level, width in enumerate(channels):
        y, t, h = TOP[level], thick[level], HEIGHT[level]
        middle = y + h / 2
        size = SIZE // 2**level
        d.text(6, middle + 5, f"{size}×{size}", anchor="start")
        if level == bottom:
            d.box((WIDTH - t) / 2, y, t, h, "encoder")
            label = f"{subscript('e', level)} = {subscript('d', level)}:  {width}"
            d.text(WIDTH / 2, y + h + 19, label)
            break
        d.box(x, y, t, h, "encoder")
        d.text(x + t / 2, y - 8, f"{subscript('e', level)}:  {width}", colour="encoder")
        # The decoder: skip and upsampled map side by side, then what the block makes of them.
        right = WIDTH - x - t
        joined = right - GAP - 2 * t
        d.box(joined, y, t, h, "encoder", fill=0.12)
        d.box(joined + t, y, t, h, "decoder", fill=0.12)
        d.box(right, y, t, h, "decoder")
        label = f"{subscript('d', level)}:  {width}"
        if level == 0:  # there is no room beside it
            d.text(right + t / 2, y - 8, label, colour="decoder")
        else:
            d.text(right + t + 7, middle + 5, label, colour="decoder", anchor="start")
        d.arrow((joined + 2 * t + 2, middle), (right - 2, middle), colour="decoder")
        d.arrow((x + t + 3, middle), (joined - 3, middle), colour="skip", dashed=True)
        # Down to the next encoder box, and up from the next decoder box, which stands below.
        down, up = x + t / 2, joined + 1.5 * t
        next_t, next_middle = thick[level + 1], TOP[level + 1] + HEIGHT[level + 1] / 2
        x = (WIDTH - next_t) / 2 if level + 1 == bottom else WIDTH - up - next_t / 2
        d.arrow((down, y + h + 3), (down, next_middle), (x - 3, next_middle), colour="encoder")
        if level + 1 == bottom:
            start = ((WIDTH + next_t) / 2 + 3, next_middle)
            d.arrow(start, (up, next_middle), (up, y + h + 3), colour="decoder")
        else:
            d.arrow((up, TOP[level + 1] - 3), (up, y + h + 3), colour="decoder")
    skip_y = TOP[0] + HEIGHT[0] / 2
    d.text(WIDTH / 2 - 24, skip_y - 9, "skip", colour="skip")
    d.text(LEFT - 14, skip_y - 22, "x", anchor="end")
    d.arrow((LEFT - 24, skip_y - 14), (LEFT - 3, skip_y - 14), colour="ink")
    d.arrow((WIDTH - LEFT + 3, skip_y), (WIDTH - LEFT + 26, skip_y), colour="ink")
    d.text(WIDTH - LEFT + 30, skip_y + 5, "z", anchor="start")
    return d.svg(WIDTH, TOP[-1] + HEIGHT[-1] + 28, "The U-Net: encoder, decoder and skips")


def main() -> None:
    for theme in THEMES:
        path = FOLDER / f"unet-{theme}.svg"
        path.write_text(draw(theme), encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
