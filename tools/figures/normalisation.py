"""The figure of the chapter on batch normalisation: which numbers share a mean and a variance."""

from __future__ import annotations

from matplotlib.figure import Figure

from tools.figures.drawing import BLUE, GREEN, LINE, ORANGE, PURPLE, Diagram

IMAGES, CHANNELS, GROUPS = 4, 6, 2
SIDE, STEP = 22, 25  # of a small square, and from one to the next
KINDS = {"batch": BLUE, "layer": ORANGE, "instance": GREEN, "group": PURPLE}
AT = (1, 4)  # the image and the channel whose companions are shaded


def together(kind: str, image: int, channel: int) -> bool:
    """Whether a channel of an image shares its statistics with that at `AT`."""
    size = CHANNELS // GROUPS
    return {
        "batch": channel == AT[1],
        "layer": image == AT[0],
        "instance": (image, channel) == AT,
        "group": image == AT[0] and channel // size == AT[1] // size,
    }[kind]


def axes() -> Figure:
    """Batch, layer, instance and group normalisation on one table of maps."""
    d = Diagram(332)
    for number, (kind, colour) in enumerate(KINDS.items()):
        left, top = 92 + 234 * (number % 2), 62 + 166 * (number // 2)
        d.text(left + CHANNELS * STEP / 2, top - 38, kind, colour)
        d.text(left + CHANNELS * STEP / 2, top - 14, "channels", LINE)
        for image in range(IMAGES):
            d.text(left - 8, top + STEP * image + SIDE / 2, str(image), LINE, at="right")
            for channel in range(CHANNELS):
                x, y = left + STEP * channel, top + STEP * image
                shared = together(kind, image, channel)
                d.box(x, y, SIDE, SIDE, colour if shared else LINE, fill=0.75 * shared)
                if shared:  # a second cue beside the colour
                    d.line((x + 5, y + SIDE - 5), (x + SIDE - 5, y + 5), width=1.5)
    d.text(2, 62 + 2 * STEP - 2, "images", LINE, at="left", size=15.5)
    return d.figure
