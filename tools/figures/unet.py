"""The architecture of the course's `UNet`; its widths are read from the model."""

from __future__ import annotations

import inspect

from matplotlib.figure import Figure

from course_lib.models import UNet
from tools.figures.drawing import BLUE, GREEN, INK, ORANGE, WIDTH, Diagram

PIXELS = 64  # of the image that is followed
TOP = (34, 158, 244, 314)  # upper edge of the boxes of each level
HEIGHT = (84, 42, 26, 16)
LEFT = 82  # left edge of the first box; the decoder is the mirror image of the encoder
GAP = 18  # between what is joined and what the block makes of it


def architecture() -> Figure:
    """The U-Net: encoder, decoder and skips."""
    channels = inspect.signature(UNet).parameters["widths"].default
    bottom = len(channels) - 1
    if len(TOP) != len(channels):
        raise ValueError(f"The layout is for {len(TOP)} levels, the model has {len(channels)}.")
    d = Diagram(TOP[-1] + HEIGHT[-1] + 32)
    thick = [12 + 5 * level for level in range(len(channels))]  # grows with the channels
    x: float = LEFT
    for level, width in enumerate(channels):
        y, t, h = TOP[level], thick[level], HEIGHT[level]
        middle = y + h / 2
        size, encoded, decoded = PIXELS // 2**level, f"e{'₀₁₂₃'[level]}", f"d{'₀₁₂₃'[level]}"
        d.text(4, middle, f"{size}×{size}", at="left")
        if level == bottom:
            d.box((WIDTH - t) / 2, y, t, h, BLUE)
            d.text(WIDTH / 2, y + h + 16, f"{encoded} = {decoded}:  {width}")
            break
        d.box(x, y, t, h, BLUE)
        d.text(x + t / 2, y - 13, f"{encoded}:  {width}", BLUE)
        # The decoder: skip and upsampled map side by side, then what the block makes of them.
        right = WIDTH - x - t
        joined = right - GAP - 2 * t
        d.box(joined, y, t, h, BLUE, fill=0.12)
        d.box(joined + t, y, t, h, ORANGE, fill=0.12)
        d.box(right, y, t, h, ORANGE)
        if level == 0:  # there is no room beside it
            d.text(right + t / 2, y - 13, f"{decoded}:  {width}", ORANGE)
        else:
            d.text(right + t + 6, middle, f"{decoded}:  {width}", ORANGE, at="left")
        d.arrow((joined + 2 * t + 2, middle), (right - 2, middle), colour=ORANGE)
        d.arrow((x + t + 3, middle), (joined - 3, middle), colour=GREEN, dash="--")
        # Down to the next encoder box, and up from the next decoder box, which stands below.
        down, up = x + t / 2, joined + 1.5 * t
        next_t, next_middle = thick[level + 1], TOP[level + 1] + HEIGHT[level + 1] / 2
        x = (WIDTH - next_t) / 2 if level + 1 == bottom else WIDTH - up - next_t / 2
        d.arrow((down, y + h + 3), (down, next_middle), (x - 3, next_middle), colour=BLUE)
        if level + 1 == bottom:
            start = ((WIDTH + next_t) / 2 + 3, next_middle)
            d.arrow(start, (up, next_middle), (up, y + h + 3), colour=ORANGE)
        else:
            d.arrow((up, TOP[level + 1] - 3), (up, y + h + 3), colour=ORANGE)
    skip = TOP[0] + HEIGHT[0] / 2
    d.text(WIDTH / 2 - 20, skip - 15, "skip", GREEN)
    d.text(LEFT - 29, skip - 26, "x", at="right")
    d.arrow((LEFT - 24, skip - 26), (LEFT - 3, skip - 26), colour=INK)
    d.arrow((WIDTH - LEFT + 3, skip), (WIDTH - LEFT + 26, skip), colour=INK)
    d.text(WIDTH - LEFT + 32, skip, "z", at="left")
    return d.figure
