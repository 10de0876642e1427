"""Nuclei told apart bottom-up: a U-Net labels pixels, and regions of them become objects.

Against it stands Mask R-CNN on the same pictures (`objects`), top-down. What is equal: pictures,
batches, optimiser, schedule, augmentation, the number of updates, and within a tenth the time of an
update (a U-Net of these widths was chosen for that). The number of parameters is about the same,
too, but more than half of Mask R-CNN's lie in stages of the backbone that its pyramid does not
read. No setting was tuned for the U-Net.
"""

from dataclasses import dataclass, replace

from course_lib.data import ImageSet
from course_lib.data.scenes import cells
from course_lib.models import UNet
from course_lib.recipes import objects
from course_lib.recipes.recipe import Network, Recipe


@dataclass(frozen=True, kw_only=True)
class BottomUpRecipe(Recipe):
    """A recipe whose network learns the classes of pixels from pictures with objects.

    Args:
        width: of the border class, in pixels on each side of the line where two objects touch; 0:
            there is no such class, and all nuclei are one foreground.
    """

    width: int

    def pixels_of(self, data: ImageSet) -> ImageSet:
        """Return the same pictures with classes of pixels in the place of objects."""
        border = cells.border(data.targets, self.width)  # (N, H, W); of no width: none
        return replace(
            data,
            targets=border,
            classes=cells.BORDER_CLASSES if self.width else cells.CLASSES,
            task="semantic",
            boxes=None,
            labels=None,
            _fingerprint="",
        )


TOP_DOWN = objects.RECIPES["mask-rcnn", "cells"]
SHORT = TOP_DOWN.config.epochs // 4  # epochs of the trainings with a quarter of the updates
NETWORK = Network("U-Net", UNet, {"widths": (24, 48, 96, 192)})


def _bottom_up(name: str, width: int, epochs: int = TOP_DOWN.config.epochs) -> BottomUpRecipe:
    return BottomUpRecipe(
        name=f"cells-{name}",
        data=TOP_DOWN.data,
        network=NETWORK,
        config=replace(TOP_DOWN.config, epochs=epochs, evaluate_every=min(4, epochs)),
        smoke=TOP_DOWN.smoke,
        width=width,
    )


BOTTOM_UP = {
    "foreground": _bottom_up("foreground", width=0),
    "border": _bottom_up("border", width=1),
    "wide-border": _bottom_up("wide-border", width=2),
    "border-short": _bottom_up("border-short", width=1, epochs=SHORT),
}
TOP_DOWN_SHORT = replace(
    TOP_DOWN,
    name="cells-mask-rcnn-short",
    config=replace(TOP_DOWN.config, epochs=SHORT, evaluate_every=SHORT),
)
